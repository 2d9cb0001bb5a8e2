"""Figures of data sets: lengths in tokens against their limits, and shares of kinds.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from helpers import plots

PARTS = {  # colour, dashes of the limit, style of the histogram
    "prompt": (plots.BLUE, "--", {"histtype": "stepfilled", "alpha": 0.6}),
    "answer": (plots.VERMILLION, ":", {"histtype": "step"}),
}
FILLS = (  # colour, hatch, colour of the text on it
    (plots.BLUE, "", "white"), (plots.ORANGE, "//", "black"), (plots.SKY, "", "black"),
    (plots.GREEN, "\\\\", "black"), (plots.PURPLE, "..", "black"), ("#DDDDDD", "", "black"),
    ("#666666", "xx", "black"),
)


def length_panels(
    lengths: Mapping[str, pd.DataFrame], limits: Mapping[str, tuple[int, int]], columns: int = 3
) -> Figure:
    """A panel a set: the lengths of prompts and answers in tokens, with the limit of each.

    `lengths` has columns `prompt` and `answer` (NaN: no answer), `limits` (prompt, answer).
    """
    rows = -(-len(lengths) // columns)
    fig, axes = plots.new_figure(columns, 7.6, 1.6 * rows + 0.7, rows)
    axes = np.atleast_1d(axes).ravel()
    ends = [value for frame in lengths.values() for value in frame.to_numpy().ravel()]
    ends = [*ends, *(value for name in lengths for value in limits[name])]
    bins = np.geomspace(np.nanmin(ends) * 0.9, np.nanmax(ends) * 1.4, 42)
    told = [_length_panel(ax, name, frame, limits[name], bins)
            for ax, (name, frame) in zip(axes, lengths.items(), strict=False)]
    for ax in axes[max(0, len(lengths) - columns):len(lengths)]:
        ax.set_xlabel("tokens (log scale)")
    for ax in axes[len(lengths):]:
        ax.set_visible(False)
    for ax in axes[::columns]:
        ax.set_ylabel("records")
    shown = [axes[0].plot([], [], color=colour, linestyle=dashes, linewidth=width, label=label)[0]
             for label, colour, dashes, width in (
                 ("prompt", plots.BLUE, "-", 6), ("its limit", plots.BLUE, "--", 1.6),
                 ("answer", plots.VERMILLION, "-", 2), ("its limit", plots.VERMILLION, ":", 1.6))]
    fig.legend(handles=shown, loc="outside lower center", ncols=4)
    fig.set_label(f"Lengths in tokens, a panel a data set. {' '.join(told)}")
    return fig


def _length_panel(
    ax, name: str, frame: pd.DataFrame, limits: tuple[int, int], bins: np.ndarray
) -> str:
    """Draw one set; what it shows, in words."""
    told = []
    for (part, (colour, dashes, style)), limit in zip(PARTS.items(), limits, strict=True):
        values = frame[part].dropna()
        ax.axvline(limit, color=colour, linestyle=dashes, linewidth=1.6)
        if values.empty:
            told.append(f"no {part}s")
            continue
        ax.hist(values, bins=bins, color=colour, linestyle="-", linewidth=1.6, **style)
        told.append(f"{part} median {values.median():.0f}, longest {values.max():.0f}, "
                    f"limit {limit}")
    ax.set(title=name, xscale="log", yticks=[], xlim=(bins[0], bins[-1]))
    ticks = 4.0 ** np.arange(1, 12)
    ax.set_xticks(ticks[(ticks > bins[0]) & (ticks < bins[-1])])
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    return f"{name}: {'; '.join(told)}."


def share_bars(shares: pd.DataFrame, xlabel: str) -> Figure:
    """A bar a row of `shares` (index: names, columns: kinds, values 0 to 1), cut into its kinds."""
    kinds = [kind for kind in shares if shares[kind].any()]
    fig, ax = plots.new_figure(width=7.6, height=0.42 * len(shares) + 1.5)
    left = np.zeros(len(shares))
    for kind, (colour, hatch, ink) in zip(kinds, FILLS, strict=False):
        widths = shares[kind].to_numpy()
        ax.barh(shares.index, widths, left=left, height=0.7, color=colour, hatch=hatch,
                edgecolor="white", linewidth=1, label=kind)
        for y, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 0.06:
                ax.text(start + width / 2, y, f"{width:.0%}", ha="center", va="center", color=ink,
                        fontsize=9, bbox={"boxstyle": "round,pad=0.15", "facecolor": colour,
                                          "edgecolor": "none"})
        left += widths
    ax.set(xlabel=xlabel, xlim=(0, 1))
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.invert_yaxis()
    ax.grid(visible=False)
    fig.legend(loc="outside lower center", ncols=4)
    told = "; ".join(f"{name}: " + ", ".join(f"{kind} {row[kind]:.0%}" for kind in kinds if
                                             row[kind]) for name, row in shares.iterrows())
    fig.set_label(f"{xlabel.capitalize()}. {told}.")
    return fig
