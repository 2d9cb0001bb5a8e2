"""Figures of runs that differ in one thing: curves with bands over seeds, and their scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots

Curve = Sequence[ArrayLike]  # steps, mean, lowest and highest of the seeds, (T,) each; and more


def bands(panels: Mapping[str, Mapping[str, Curve]], logarithmic: Sequence[str] = ()) -> Figure:
    """A panel a measure, a line a run: the mean over its seeds, and a band from the lowest to the
    highest. panels: {title with unit: {run in words: curve}}; logarithmic: titles of panels whose
    values span decades (what is 0 or less is not drawn there)."""
    fig, axes = plots.new_figure(len(panels), 3.3 * len(panels), 3.7)
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    looks = dict(zip(names, zip(plots.COLOURS, plots.DASHES, strict=True), strict=False))
    told, handles = [], {}
    for ax, (title, lines) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for name, (steps, *parts) in lines.items():
            colour, dashes = looks[name]
            mean, low, high = (np.asarray(one, dtype=float) for one in parts[:3])
            if title in logarithmic:
                mean, low, high = (np.where(one > 0, one, np.nan) for one in (mean, low, high))
            ax.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
            [handles[name]] = ax.plot(steps, mean, color=colour, linestyle=dashes, label=name)
            told += plots.ends(f"{title}, {name}:", mean)
        if title in logarithmic:
            ax.set_yscale("log")
        ax.set(title=title, xlabel="training step")
    if handles:
        fig.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=min(3, len(handles))
        )
    fig.set_label(f"Mean over seeds, band from lowest to highest. {'; '.join(told) or 'Nothing'}.")
    return fig


def scores(
    found: Mapping[str, Sequence[float]],
    line: tuple[str, float] | None = None,
    label: str = "validation pass@1",
) -> Figure:
    """A dot a run, its mean over seeds, and a bar from the lowest to the highest of them.

    found: {run in words: (mean, lowest, highest)}, shares; line: what all are compared with.
    """
    fig, ax = plots.new_figure(height=0.9 + 0.38 * len(found))
    for place, (mean, low, high) in enumerate(found.values()):
        ax.plot([low, high], [place, place], "-", color=plots.BLUE, linewidth=2)
        ax.plot(mean, place, "o", color=plots.BLUE)
    if line:
        ax.axvline(line[1], color=plots.BLACK, linestyle="--", linewidth=1, label=line[0])
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set_yticks(range(len(found)), list(found))
    ax.invert_yaxis()
    ax.set(xlabel=label)
    told = ", ".join(
        f"{name} {mean:.3f} ({low:.3f} to {high:.3f})" for name, (mean, low, high) in found.items()
    )
    fig.set_label(
        f"{label}, mean over seeds, lowest to highest: {told}"
        + (f"; {line[0]} {line[1]:.3f}." if line else ".")
    )
    return fig
