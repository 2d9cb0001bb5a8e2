"""A recorded run of a really pre-trained model on a GPU, shown beside the run at hand.

`python -m tests.benchmarks.gpu ladder --model DIR` takes it and writes
`data/recorded/gpu/ladder.json`: {"model", "preset", "card", "versions", "date", "commit", "rows":
the scoreboard's, "tests": its paired tests, "curves": {stage: {"step": [...], measure: [...]}}}.
Until there is one, every function here says so and draws nothing.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from helpers.config import ROOT
from helpers.files import read_json
from helpers.plots.figures import curve_plot, ends, new_figure, save_figure
from helpers.plots.style import BLUE, VERMILLION

RECORD = ROOT / "data" / "recorded" / "gpu" / "ladder.json"
MEASURES = {  # of a stage's curve: (its key, in words)
    "sft": ("loss", "training loss, nats a token"),
    "ppo": ("objective/scores", "score of a step's answers"),
    "grpo": ("reward", "reward of a step's answers"),
}
NOTHING = ("No run of a really pre-trained model is recorded here yet. On a GPU, "
           "`python -m tests.benchmarks.gpu ladder --model FOLDER` makes and records one.")


def load(path: Path | None = None) -> dict:
    """The record; {} where there is none."""
    place = path or RECORD
    return read_json(place) if place.is_file() else {}


def named(record: dict) -> str:
    """Which model, on which card, with which settings, and when."""
    return f"{record['model']}, preset {record['preset']}, on {record['card']}, {record['date']}"


def beside(stage_name: str, curve: pd.DataFrame, recorded: dict) -> Figure:
    """Two panels: the stage's curve in this run, and that of the recorded model. curve: a row a
    step, with "step" and the key of MEASURES."""
    key, words = MEASURES[stage_name]
    fig, axes = new_figure(2, height=3.0)
    there = pd.DataFrame(recorded["curves"][stage_name])
    told = []
    for ax, (title, one, colour) in zip(axes, (
            ("this run", curve, BLUE), (recorded["model"], there, VERMILLION)), strict=True):
        points = one.dropna(subset=[key])
        curve_plot(ax, points["step"].tolist(), points[key].tolist(), colour=colour)
        ax.set(title=title, xlabel="training step", ylabel=words)
        told += ends(f"{title}: {words}", points[key].tolist())
    bounds = [ax.get_ylim() for ax in axes]  # one scale, so that heights can be compared
    for ax in axes:
        ax.set_ylim(min(low for low, _ in bounds), max(high for _, high in bounds))
    fig.set_label("; ".join(told) + ".")
    return fig


def show(stage_name: str, curve: pd.DataFrame, stage: Any = None) -> None:
    """The figure of `beside`, and of which run it is; one line where none is recorded."""
    record = load()
    if stage_name not in record.get("curves", {}):
        display(Markdown(NOTHING))
        return
    save_figure(beside(stage_name, curve, record), f"pretrained-{stage_name}", stage=stage)
    display(Markdown(f"Right: {named(record)}."))


def ladder() -> pd.DataFrame | None:
    """The recorded rungs, in percent: a row a model, with the difference to the one that it was
    trained from (paired, 95 % interval). None, and a line, where none is recorded."""
    record = load()
    if not record:
        display(Markdown(NOTHING))
        return None
    display(Markdown(f"Measured: {named(record)}."))
    gains = {one["better"]: one for one in record["tests"] if one["measure"] == "strict"}
    table = {}
    for row in record["rows"]:
        low, high = row["pass@1_ci95"]
        gain = gains.get(row["stage"])
        table[row["stage"]] = {
            "problems x samples": f"{row['n']} x {row['samples']}",
            "pass@1": f"{100 * row['pass@1']:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
            "greedy": f"{100 * row['greedy']:.1f}",
            "over": gain["than"] if gain else "–",
            "points": "–" if gain is None else
            f"{100 * gain['difference']:+.1f} [{100 * gain['ci95'][0]:+.1f}, "
            f"{100 * gain['ci95'][1]:+.1f}]",
        }
    return pd.DataFrame(table).T
