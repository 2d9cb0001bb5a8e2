"""Drawing, showing and saving the figures of the course: curves, panels, its path, with alt text.

Colours and type are in `helpers.plots.style`. Figures are drawn without pyplot, so nothing is shown
twice and no state is shared.
"""

import base64
import io
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from helpers.files import atomic_write
from helpers.plots.style import BLUE, DPI, GREY, use_style

TRAINING_PANELS = {  # key as TRL logs it: title, unit
    "reward": ("Reward", "mean per completion"),
    "frac_reward_zero_std": ("Groups without a signal", "share of groups"),
    "completions/mean_length": ("Completion length", "tokens"),
    "kl": ("KL to the reference", "nats per token"),
    "sampling/importance_sampling_ratio/mean": ("Trainer over sampler", "mean ratio"),
    "objective/scores": ("Score", "mean per completion"),
    "objective/kl": ("KL to the reference", "nats per completion"),
    "policy/entropy_avg": ("Entropy", "nats per token"),
    "val/explained_variance": ("Explained variance", "share"),
    "entropy": ("Entropy", "nats per token"),
    "loss": ("Loss", "nats"),
    "eval_loss": ("Validation loss", "nats per token"),
    "mean_token_accuracy": ("Token accuracy", "share right"),
    "grad_norm": ("Gradient norm", ""),
    "learning_rate": ("Learning rate", ""),
    "accuracy": ("Pairs in order", "share"),
    "margin": ("Margin", "chosen − rejected"),
    "rewards/margins": ("Margin", "implicit reward"),
    "rewards/accuracies": ("Pairs in order", "share"),
    "logps/chosen": ("Chosen answers", "log p, nats"),
}


def new_figure(columns: int = 1, width: float = 7.0, height: float = 3.2, rows: int = 1
               ) -> tuple[Figure, Any]:
    """A figure in the course's style and its axes (one, or an array of rows x columns)."""
    use_style()
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns)


def show(fig: Figure, alt: str, display_id: str | None = None, update: bool = False) -> bool:
    """Put the figure with its alt text into the cell's output; False outside a notebook.

    With `display_id` the picture can be replaced later (`update=True`), by papermill too.
    """
    from IPython import get_ipython

    if get_ipython() is None:
        return False
    show_png(_png(fig), alt, display_id, update)
    return True


def show_png(png: bytes, alt: str, display_id: str | None = None, update: bool = False) -> None:
    """Put a picture with its alt text into the cell's output."""
    from IPython.display import display

    data = {"image/png": base64.b64encode(png).decode(), "text/plain": alt}
    display(data, raw=True, metadata={"image/png": {"alt": alt}}, display_id=display_id,
            update=update)


def _png(fig: Figure) -> bytes:
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def save_figure(fig: Figure, name: str, alt: str | None = None, stage: Any = None) -> None:
    """Show the figure, and save it as SVG and PNG in the run's `figures` folder.

    Without `stage` it is only shown. `alt` says in words what the figure shows (default: the one
    its maker gave it); none at all is a ValueError. It is laid out and painted once, for that takes
    longer than writing it.
    """
    from IPython import get_ipython

    alt = alt or str(fig.get_label())
    if not alt:
        raise ValueError(f"figure {name!r} has no alt text: say in words what it shows")
    seen = get_ipython() is not None
    if stage is None and not seen:
        return
    png = _png(fig)
    if stage is not None:  # beside the stages: a finished stage is not touched again
        folder = stage.course.dir() / "figures"
        atomic_write(folder / f"{name}.png", lambda file: file.write_bytes(png))
        layout = fig.get_layout_engine()
        fig.set_layout_engine("none")
        notes = {"Date": None, "Creator": None, "Description": alt}
        with matplotlib.rc_context({"svg.hashsalt": "course"}):
            atomic_write(folder / f"{name}.svg", lambda file: fig.savefig(
                file, format="svg", metadata=notes, dpi=DPI))
        fig.set_layout_engine(layout)
    if seen:
        show_png(png, alt)


def smoothed(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Running mean over the tenth of the points up to each one; it never looks ahead."""
    series = pd.Series(np.asarray(values, dtype=float))
    return series.rolling(max(1, len(series) // 10), min_periods=1).mean().to_numpy()


def curve_plot(ax: Axes, steps: Sequence[float], values: Sequence[float] | np.ndarray,
               label: str | None = None, colour: str = BLUE, dashes: str | tuple = "-",
               smooth: bool = True) -> None:
    """One training curve: the measured points pale, their running mean strong on top."""
    points = pd.Series(list(values), index=list(steps), dtype=float).dropna()
    if not smooth or len(points) < 20:  # a tenth of fewer is one point: no mean
        ax.plot(points.index, points, color=colour, linestyle=dashes, label=label,
                marker="o" if len(points) < 10 else None, markersize=4)
        return
    ax.plot(points.index, points, color=colour, linestyle="-", alpha=0.3, linewidth=1)
    ax.plot(points.index, smoothed(points), color=colour, linestyle=dashes, label=label)


def fifths(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Means of the first and of the last fifth of what was logged, since one batch says little;
    NaN where nothing was logged."""
    known = pd.Series(list(values), dtype=float).dropna()
    few = max(1, len(known) // 5)
    return float(known[:few].mean()), float(known[-few:].mean())


def ends(title: str, values: Sequence[float] | np.ndarray) -> list[str]:
    """["<title> from ... to ..."] of first and last fifth; [] where nothing was logged."""
    first, last = fifths(values)
    return [] if math.isnan(first) else [f"{title} from {first:.3g} to {last:.3g}"]


def panel_keys(curve: pd.DataFrame, at_most: int = 4) -> list[str]:
    """Which of the known curves this run has, the most telling first. With a reward the loss is
    left out: on-policy it stays near 0 and says nothing."""
    known = [key for key in TRAINING_PANELS if key in curve and curve[key].notna().any()]
    if "reward" in known:
        known = [key for key in known if key != "loss"]
    else:
        known.sort(key=lambda key: key != "loss")
    return known[:at_most]


def training_panel(curve: pd.DataFrame, keys: Sequence[str] | None = None) -> Figure:
    """Reward, length, KL and entropy (or loss and its companions) over the steps of one run.

    `curve` has a column `step` and columns named as TRL logs them. The alt text is set.
    """
    keys = [key for key in keys or panel_keys(curve) if key in curve] or panel_keys(curve)
    columns = 2 if len(keys) > 1 else 1
    rows = max(1, -(-len(keys) // columns))
    fig, axes = new_figure(columns, 3.6 * columns, 2.3 * rows + 0.2, rows)
    axes = np.atleast_1d(axes).ravel()
    described = []
    for ax, key in zip(axes, keys, strict=False):
        title, unit = TRAINING_PANELS.get(key, (key.replace("_", " "), ""))
        curve_plot(ax, curve["step"], curve[key])
        ax.set_title(title)
        ax.set_xlabel("training step")
        ax.set_ylabel(unit)
        described += ends(title, curve[key])
    for ax in axes[len(keys):]:
        ax.set_visible(False)
    if len(axes[0].lines) == 2:  # say once what pale and strong mean
        axes[0].legend(axes[0].lines, ["as logged", "running mean"], loc="best")
    last = int(curve["step"].max()) if len(curve) else 0
    fig.set_label(f"Training curves over {last} steps: {', '.join(described) or 'nothing yet'}.")
    return fig


PATH = ("problem", "prompt", "completion", "verdict", "reward",
        "advantage", "loss", "checkpoint", "score")


def course_path(lit: Iterable[str] = ()) -> Figure:
    """The course's path from a problem to a score, with the steps named in `lit` highlighted.

    The second row runs back to the left, so that the checkpoint stands under the completions it
    will write next: that is the loop of reinforcement learning. The alt text is set.
    """
    lit = tuple(lit)
    if unknown := [step for step in lit if step not in PATH]:
        raise ValueError(f"no step {unknown[0]!r} on the path; there are {', '.join(PATH)}")
    use_style()
    fig = Figure(figsize=(7.6, 1.9))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-0.55, 4.55), ylim=(-0.42, 1.42))
    ax.axis("off")
    places = [(i, 1) if i < 5 else (9 - i, 0) for i in range(len(PATH))]
    half_width, half_height = 0.4, 0.22
    for step, (x, y) in zip(PATH, places, strict=True):
        on = step in lit
        ax.add_patch(FancyBboxPatch(
            (x - half_width, y - half_height), 2 * half_width, 2 * half_height,
            boxstyle="round,pad=0,rounding_size=0.08", linewidth=2.2 if on else 1.2,
            facecolor=BLUE if on else "white", edgecolor=BLUE if on else GREY))
        ax.text(x, y, step, ha="center", va="center", fontsize=12,
                color="white" if on else "#444444", weight="bold" if on else "normal")
    for (x, y), (to_x, to_y) in pairwise(places):
        across = to_x - x
        start = (x + across * half_width, y - (0 if across else half_height))
        end = (to_x - across * half_width, to_y + (0 if across else half_height))
        _arrow(ax, start, end, "-")
    _arrow(ax, (2, half_height), (2, 1 - half_height), (0, (3, 2)))
    ax.text(2.06, 0.5, "next step", fontsize=10, va="center", color="#444444")
    names = ", ".join(step for step in PATH if step in lit) or "none"
    fig.set_label(f"The course's path: {', '.join(PATH)}; from the checkpoint back to the next "
                  f"completions. Highlighted: {names}.")
    return fig


def _arrow(ax, start: tuple[float, float], end: tuple[float, float], dashes) -> None:
    ax.annotate("", end, start, arrowprops={
        "arrowstyle": "-|>", "color": "#444444", "linewidth": 1.4, "linestyle": dashes,
        "shrinkA": 1, "shrinkB": 1, "mutation_scale": 12})
