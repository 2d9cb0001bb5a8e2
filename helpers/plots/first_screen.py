"""A notebook's first screen: the settings it reads, folded; its place on the course's path; and a
picture of what will come of it, from the run that the project publishes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Protocol

import pandas as pd
from IPython.display import display
from PIL import Image as Pixels
from PIL.PngImagePlugin import PngImageFile, PngInfo

from helpers.files import atomic_write, read_json
from helpers.plots.figures import PATH, show_png

FOLDER = Path(__file__).parents[2] / "figures" / "openings"
PICTURES = {  # notebook: the figure of its run that says what came of it
    "01_explore_the_data": "01_chat_and_loss",
    "02_verify_and_reward": "02_hacks",
    "03_supervised_finetuning": "sft_losses",
    "04_reward_model": "best-of-n",
    "05_dpo": "dpo-moves",
    "06_ppo": "ppo-reward-parts",
    "07_grpo": "grpo-reward",
    "08_evaluation": "08_strict_lenient",
    "A1_pretraining_the_tiny_base": "A1_whole_run",
    "A2_family_and_own_best": "A2_curves",
}
TOLD = "What will come of it", "(a recorded run of preset tiny; yours is drawn below):"
LADDER = Path(__file__).parents[2] / "data" / "recorded" / "ladder.json"
ALT = "Description"  # the key of a PNG's own text for what it shows
PLACE = "padding:1px 6px;border:1px solid #999;border-radius:6px;white-space:nowrap"
LIT = PLACE + ";background:#0072B2;color:white;border-color:#0072B2;font-weight:bold"


class Settings(Protocol):
    """What this module needs of a `Course`."""

    def summary(self, *sections: str) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Folded:
    """A page of HTML, and what stands in its place where there is none."""

    page: str
    text: str

    def _repr_html_(self) -> str:
        return self.page

    def __repr__(self) -> str:
        return self.text


def settings(course: Settings, *sections: str) -> Folded:
    """The settings of these sections, in a fold; those that were overridden are named outside it.

    Elsewhere than on a page of HTML it says how to list them.
    """
    table = course.summary(*sections)
    mine = table[table["set by"] == "override"]
    yours = "; ".join(f"{row.setting} = {row.value}" for row in mine.itertuples())
    head = f"{len(table)} settings" + (f", yours: {yours}" if yours else "")
    style = table.style.hide(axis="index").set_uuid("course")  # a fixed id: equal output
    bold = (table["set by"] == "override").map({True: "font-weight: bold", False: ""})
    rows = style.apply(lambda _: bold).to_html()
    listed = ", ".join(f'"{section}"' for section in sections)
    return Folded(f"<details><summary><b>{escape(head)}</b></summary>{rows}</details>",
                  f"{head}; course.summary({listed}) lists them")


def place(lit: Iterable[str]) -> Folded:
    """The course's path in a line, with the places that this notebook works on marked.

    ValueError for a place that the path does not have.
    """
    lit = tuple(lit)
    if unknown := [step for step in lit if step not in PATH]:
        raise ValueError(f"no step {unknown[0]!r} on the path; there are {', '.join(PATH)}")
    steps = " → ".join(f'<span style="{LIT if step in lit else PLACE}">'
                       f"{'▸ ' if step in lit else ''}{step}</span>" for step in PATH)
    words = " > ".join(f"[{step}]" if step in lit else step for step in PATH)
    return Folded(f'<div style="line-height:2.2"><b>This notebook\'s place:</b> {steps}</div>',
                  f"This notebook's place: {words}")


def show(name: str, lit: Iterable[str]) -> None:
    """Show where on the path notebook `name` works, and what came of it in the published run.

    The picture is of that run, whatever is set here; where the project has none only the place is
    shown. Your own is drawn where the notebook makes it.
    """
    display(place(lit))
    if (path := FOLDER / f"{name}.png").is_file():
        alt = PngImageFile(path).text[ALT]
        display(Folded(f"<b>{TOLD[0]}</b> {TOLD[1]}", " ".join(TOLD)))
        show_png(path.read_bytes(), alt)


def recorded(measure: str, stage: str, ladder: Path = LADDER) -> float | None:
    """Mean over the seeds of a measure of a model ("greedy" of "ppo"), on test problems, in the
    published runs of preset tiny and task gsm8k; None where they have none."""
    rows = read_json(ladder)["rows"] if ladder.is_file() else []
    found = [row[measure] for row in rows
             if (row["task"], row["stage"]) == ("gsm8k", stage) and row.get(measure) is not None]
    return sum(found) / len(found) if found else None


def keep(name: str, png: Path, alt: str, folder: Path = FOLDER) -> Path:
    """Keep a figure of a run as the picture that notebook `name` opens with."""
    notes = PngInfo()
    notes.add_itxt(ALT, alt)
    target = folder / f"{name}.png"
    atomic_write(target, lambda file: Pixels.open(png).convert(
        "P", palette=Pixels.Palette.ADAPTIVE, colors=64).save(
            file, format="png", pnginfo=notes, optimize=True))
    return target
