"""Figures of data sets: lengths in tokens against their limits, and shares of kinds.

Every function takes plain numbers and returns a figure with its alt text set.
"""

import textwrap
from collections.abc import Mapping, Sequence

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
BOX = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": plots.GREY}
NAMES = {True: "loss: learn to write this", False: "no loss: read only"}
MARK = {"family": "monospace", "fontsize": 9, "color": plots.GREY, "parse_math": False}


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


def split_by_hash(question: str, number: int) -> Figure:
    """How a question decides for itself: the text, its hash `number`, the last digit, the split.

    The first and last digits of the number are shown.
    """
    digit = number % 10
    start = textwrap.shorten(question, 62, placeholder=" …")
    steps = [(0.13, "\n".join(textwrap.wrap(start, 21)), "the question"),
             (0.44, f"{str(number)[:5]}…{number % 100_000:05d}", "its hash, a number"),
             (0.68, str(digit), "last digit")]
    fig = _board(7.6, 1.9)
    ax = fig.axes[0]
    for x, text, name in steps:
        ax.text(x, 0.5, text, ha="center", va="center", parse_math=False, bbox=BOX)
        ax.text(x, 0.06, name, ha="center", va="center", fontsize=10, color="#444444")
    for start_x, end_x, word in ((0.275, 0.345, "sha256"), (0.54, 0.645, "")):
        _to(ax, (start_x, 0.5), (end_x, 0.5))
        ax.text((start_x + end_x) / 2, 0.62, word, ha="center", fontsize=10, color="#444444")
    for y, split, when, taken in ((0.78, "train", "1 to 9", digit != 0),
                                  (0.26, "validation", "0", digit == 0)):
        ax.text(0.91, y, split, ha="center", va="center", weight="bold" if taken else "normal",
                color="white" if taken else "black",
                bbox=BOX | ({"facecolor": plots.BLUE} if taken else {}))
        _to(ax, (0.712, 0.5 + 0.12 * (y - 0.5)), (0.83, y))
        ax.text(0.775, y, when, ha="right", va="bottom" if y > 0.5 else "top", fontsize=10,
                color="#444444")
    fig.set_label(
        f"The question “{start}” goes through sha256, which gives a number that ends in {digit}: "
        f"so it belongs to {'train' if digit else 'validation'}. Questions whose number ends in 0 "
        "go to validation, all others to train.")
    return fig


def chat_and_loss(turns: Sequence[tuple[str, str]], start: str, end: str) -> Figure:
    """One training example as the model reads it, a box a turn, and which part carries loss.

    turns: (role, text), the last one of the assistant; start, end: the tokens around each turn.
    """
    lines = [[piece for line in text.splitlines() for piece in textwrap.wrap(line, 58)][:6]
             for _, text in turns]
    height = 0.19 * (sum(map(len, lines)) + 3.7 * len(lines) - 0.7) + 0.2
    fig = _board(7.6, height)
    ax, y, step = fig.axes[0], 1 - 0.1 / height, 0.19 / height
    for (role, _), part in zip(turns, lines, strict=True):
        last = role == turns[-1][0] and part is lines[-1]
        ax.text(0.01, y, f"{start}{role}", va="top", **MARK)
        colour = {"facecolor": "#FAE2B5", "edgecolor": plots.VERMILLION} if last else {}
        ax.text(0.035, y - 1.4 * step, "\n".join([*part, end] if last else part), va="top",
                family="monospace", fontsize=9, linespacing=1.25, parse_math=False,
                bbox=BOX | {"boxstyle": "square,pad=0.25"} | colour)
        below = y - (len(part) + 1.9) * step
        if not last:
            ax.text(0.01, below, end, va="top", **MARK)
        ax.text(0.985, y - 1.4 * step, NAMES[last],
                ha="right", va="top", color=plots.VERMILLION if last else "#444444",
                weight="bold" if last else "normal", fontsize=10)
        y = below - 1.8 * step
    fig.set_label(
        f"A training example of {len(turns)} turns ({', '.join(role for role, _ in turns)}), each "
        f"between {start} and {end}. Only the text of the last turn and its {end} carry loss; the "
        "turns before it are read only.")
    return fig


def _board(width: float, height: float) -> Figure:
    """An empty sheet, its axes from 0 to 1 (inches: width, height)."""
    fig, ax = plots.new_figure(width=width, height=height)
    fig.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    return fig


def _to(ax, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, arrowprops={
        "arrowstyle": "-|>", "color": "#444444", "linewidth": 1.4, "linestyle": "-"})
