"""Figures about graders and rewards: braces, trees, audits, prices, advantages, hacks.

Each returns a figure whose label is its alt text, made from the numbers it shows.
"""

import ast
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers import plots
from helpers.plots import BLUE, COLOURS, GREEN, GREY, ORANGE, VERMILLION

HATCHES = ("", "//", "..", "xx", "\\\\", "++")
SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "×", ast.Div: "÷"}


def bars(counts: Mapping[str, int], unit: str) -> Figure:
    """One horizontal bar a name, with the count beside it; `unit` says what is counted."""
    fig, ax = plots.new_figure(height=0.8 + 0.28 * len(counts))
    drawn = ax.barh(list(counts), list(counts.values()), color=BLUE)
    ax.bar_label(drawn, padding=4)
    ax.invert_yaxis()
    ax.margins(x=0.08)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(unit)
    fig.set_label(f"{unit.capitalize()}: " + ", ".join(f"{k} {n}" for k, n in counts.items()) + ".")
    return fig


def braces(text: str, lazy_end: int) -> Figure:
    r"""How many braces are open after each character of `text` (a `\boxed{…}`), and where a lazy
    expression stops (`lazy_end`, an index)."""
    depth = np.cumsum([(sign == "{") - (sign == "}") for sign in text])
    fig, ax = plots.new_figure(width=7.6, height=2.4)
    ax.step(range(len(text)), depth, where="post", color=BLUE)
    for place, said, colour in [(lazy_end, "a lazy expression stops here", VERMILLION),
                                (len(text) - 1, "here the box is shut", GREEN)]:
        ax.plot(place, depth[place], "o", color=colour, markersize=9, zorder=3)
        ax.annotate(said, (place, depth[place]), xytext=(place, 2.55), color=colour,
                    ha="center" if place < len(text) - 1 else "right", va="bottom",
                    arrowprops={"arrowstyle": "-", "color": colour, "linestyle": ":",
                                "relpos": (0.5 if place < len(text) - 1 else 1, 0)})
    ax.set_xticks(range(len(text)), list(text), family="monospace")
    ax.set(ylabel="open braces", ylim=(-0.2, 3.0), yticks=range(3), xlim=(-0.7, len(text) - 0.3))
    ax.grid(axis="x", visible=False)
    fig.set_label(f"Open braces along {text}: a lazy expression stops at character "
                  f"{lazy_end + 1}, with {depth[lazy_end]} still open; the box is shut at "
                  f"character {len(text)}.")
    return fig


def tree(expression: str) -> Figure:
    """The syntax tree of an arithmetic expression: operations as nodes, numbers as leaves."""
    fig, ax = plots.new_figure(width=4.2, height=2.9)
    _node(ax, ast.parse(expression, mode="eval").body, 0.0, 0, 1.0)
    ax.margins(0.15)
    ax.axis("off")
    fig.set_label(f"The tree of {expression}: operations are nodes, numbers are leaves.")
    return fig


def _node(ax, node: ast.expr, x: float, y: int, width: float) -> None:
    sides = [(node.left, -1), (node.right, 1)] if isinstance(node, ast.BinOp) else []
    for child, side in sides:
        ax.plot([x, x + side * width], [y, y - 1], "-", color=GREY, zorder=1)
        _node(ax, child, x + side * width, y - 1, width / 1.6)
    leaf = isinstance(node, ast.Constant)
    text = SIGNS[type(node.op)] if isinstance(node, ast.BinOp) else ast.unparse(node)
    ax.text(x, y, text, ha="center", va="center", fontsize=14, color="white", zorder=2, bbox={
                "boxstyle": "circle", "edgecolor": "white", "facecolor": GREEN if leaf else BLUE})


def times(names: Sequence[str], seconds: Sequence[float], deadline: float) -> Figure:
    """Time of each comparison on a log scale, with the deadline (both in seconds)."""
    fig, ax = plots.new_figure(height=1.2 + 0.26 * len(names))
    rows = range(len(names))
    short = [name if len(name) < 17 else name[:14] + "…" for name in names]
    ax.barh(rows, [1000 * s for s in seconds], color=BLUE)
    ax.set_yticks(rows, short, family="monospace", parse_math=False)
    ax.axvline(1000 * deadline, color=VERMILLION, linestyle="--", label="deadline")
    ax.set(xscale="log", xlabel="milliseconds for one comparison (log scale)")
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    fig.legend(loc="outside upper right")
    fig.set_label("Milliseconds of a comparison: " + ", ".join(
        f"{name} {1000 * s:.2g}" for name, s in zip(short, seconds, strict=True)) + ".")
    return fig


def error_rates(table: Mapping[str, Mapping]) -> Figure:
    """Two panels, false positives and false negatives: a rate with its interval a grader.

    table: {grader: {"fp_rate", "fp_ci95", "fn_rate", "fn_ci95"}}, shares between 0 and 1.
    """
    fig, axes = plots.new_figure(2, width=7.6, height=1.1 + 0.3 * len(table))
    for ax, key, title, colour, marker in [
            (axes[0], "fp", "Wrong, but called right", VERMILLION, "o"),
            (axes[1], "fn", "Right, but called wrong", BLUE, "s")]:
        for place, row in enumerate(table.values()):
            ax.plot(row[f"{key}_ci95"], [place] * 2, "-", color=colour)
            ax.plot(row[f"{key}_rate"], place, marker, color=colour, clip_on=False)
        ax.set(title=title, xlabel="share (95 % interval)", xlim=(-0.03, 1.03),
               yticks=range(len(table)), yticklabels=[])
        ax.invert_yaxis()
    axes[0].set_yticklabels(list(table))
    fig.set_label("Share of mistakes: " + "; ".join(
        f"{name} calls {row['fp_rate']:.1%} of the wrong right and {row['fn_rate']:.1%} of the "
        f"right wrong" for name, row in table.items()) + ".")
    return fig


def stacked(totals: Mapping[str, float], parts: Mapping[str, Sequence[float]],
            weights: Mapping[str, float]) -> Figure:
    """Completions ranked by total reward, each bar stacked from its weighted parts.

    totals: {completion: sum}; parts: {reward: one value a completion, in the order of totals}.
    """
    names = list(totals)
    order = sorted(range(len(names)), key=lambda i: -totals[names[i]])
    fig, ax = plots.new_figure(width=7.6, height=1.3 + 0.32 * len(names))
    left = np.zeros(len(names))
    for (name, values), colour, hatch in zip(parts.items(), COLOURS, HATCHES, strict=False):
        size = weights[name] * np.array(values)[order]
        ax.barh(range(len(names)), size, left=left, color=colour, hatch=hatch, edgecolor="white",
                label=name)
        left += size
    ax.set_yticks(range(len(names)), [names[i] for i in order])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="reward", xlim=(0, max(3.5, 1.05 * left.max())))
    fig.legend(loc="outside upper center", ncols=len(parts))
    fig.set_label("Ranking: " + ", ".join(f"{names[i]} {totals[names[i]]:.1f}" for i in order)
                  + ".")
    return fig


def advantage_bars(groups: Mapping[str, Mapping[str, Sequence[float]]],
                   labels: Mapping[str, Sequence[str]]) -> Figure:
    """One panel a group of G completions: {group: {series: advantages (G,)}}, two series side by
    side. labels: {group: a label a completion}."""
    fig, axes = plots.new_figure(len(groups), width=7.6, height=2.8)
    told = []
    for ax, (name, series) in zip(axes, groups.items(), strict=True):
        for shift, (label, values), colour, hatch in zip(
                (-0.2, 0.2), series.items(), (BLUE, ORANGE), ("", "//"), strict=True):
            ax.bar(np.arange(len(values)) + shift, values, 0.38, label=label, color=colour,
                   hatch=hatch, edgecolor="white")
            told.append(f"{name}, {label}: " + ", ".join(f"{value:.2f}" for value in values))
        ax.axhline(0, color=GREY, linewidth=1, linestyle="-")
        ax.set_xticks(range(len(labels[name])), labels[name])
        ax.set(title=name.capitalize(), ylim=(-1.35, 1.35))
        ax.grid(axis="x", visible=False)
    axes[0].set_ylabel("advantage")
    fig.legend(*axes[0].get_legend_handles_labels(), ncols=2, loc="outside upper center")
    fig.set_label("Advantages. " + "; ".join(told) + ".")
    return fig


def hack_pay(gallery: Sequence[Mapping]) -> Figure:
    """What a naive reward and ours pay each hack, as a multiple of what they pay honest work.

    gallery: rows with "hack" and, for "naive" and "ours", "<side>, honest" and "<side>, hack".
    """
    fig, ax = plots.new_figure(width=7.6, height=1.3 + 0.27 * len(gallery))
    for side, marker, colour in [("naive", "o", VERMILLION), ("ours", "s", BLUE)]:
        pay = [row[f"{side}, hack"] / row[f"{side}, honest"] for row in gallery]
        ax.plot(pay, range(len(gallery)), marker, linestyle="", color=colour, markersize=8,
                label=side, clip_on=False)
    ax.axvline(1, color=GREY, linestyle="--", label="honest work", zorder=1)
    ax.set_yticks(range(len(gallery)), [row["hack"] for row in gallery])
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks([0, 0.5, 1, 3, 10, 30], ["0", "0.5", "1", "3", "10", "30"])
    ax.set_xlim(-0.1, 60)
    ax.set_xlabel("pay of the hack, as a multiple of the pay of honest work (log scale beyond 1)")
    ax.invert_yaxis()
    fig.legend(loc="outside upper center", ncols=3)
    fig.set_label("Pay of each hack, and of the honest completion. " + "; ".join(
        f"{row['hack']}: naive {row['naive, hack']:.1f} for {row['naive, honest']:.1f}, ours "
        f"{row['ours, hack']:.1f} for {row['ours, honest']:.1f}" for row in gallery) + ".")
    return fig


def grading_steps(text: str, found: str, value: str, reference: str, right: bool) -> Figure:
    """The way from a completion to a verdict: what is found in it, what it is read as, and what
    that is compared with."""
    fig, ax = _sheet(1.9)
    boxes = [(0.125, text, 0.235), (0.43, found, 0.355), (0.66, value, 0.595)]
    colour = GREEN if right else VERMILLION
    for x, words, _ in boxes:
        ax.text(x, 0.56, words, ha="center", va="center", parse_math=False, bbox=_box(GREY))
    ax.text(0.9, 0.56, f"= {reference}?\n{'✓ right' if right else '✗ wrong'}", ha="center",
            va="center", color="white", weight="bold", bbox=_box(colour, colour))
    for start, end, name in ((0.24, 0.375, "find"), (0.49, 0.61, "read"), (0.71, 0.815, "compare")):
        ax.annotate("", (end, 0.56), (start, 0.56), arrowprops={
            "arrowstyle": "-|>", "color": "#444444", "linewidth": 1.6, "linestyle": "-"})
        ax.text((start + end) / 2, 0.62, name, ha="center", va="bottom", weight="bold")
    for x, words in ((0.125, "completion"), (0.43, "a text"), (0.66, "a number"), (0.9, "verdict")):
        ax.text(x, 0.1, words, ha="center", va="center", color="#444444", fontsize=10)
    fig.set_label(f"From a completion to a verdict: in {text!r} {found} is found, read "
                  f"as the number {value}, and compared with {reference}: "
                  f"{'right' if right else 'wrong'}.")
    return fig


def two_mistakes() -> Figure:
    """What a grader can do to a right and to a wrong answer, and what each mistake does."""
    fig, ax = _sheet(2.7)
    for x, name in ((0.36, "the grader says: right"), (0.79, "the grader says: wrong")):
        ax.text(x, 0.93, name, ha="center", va="center", weight="bold")
    cells = {  # (column, row): what it is called, what follows, colour
        (0.36, 0.66): ("right, and paid", "the model does it again", GREEN),
        (0.79, 0.66): ("false negative", "punished for being right:\nsignal lost, score too low",
                       BLUE),
        (0.36, 0.24): ("false positive", "paid for being wrong:\nthe seed of a reward hack",
                       VERMILLION),
        (0.79, 0.24): ("wrong, and not paid", "the model does it less", GREEN)}
    for y, name in ((0.66, "answer\nis right"), (0.24, "answer\nis wrong")):
        ax.text(0.065, y, name, ha="center", va="center", weight="bold")
    for (x, y), (name, follows, colour) in cells.items():
        ax.add_patch(Rectangle((x - 0.205, y - 0.19), 0.41, 0.38, facecolor="white",
                               edgecolor=colour, linewidth=2))
        ax.text(x, y + 0.09, name, ha="center", va="center", weight="bold", color=colour)
        ax.text(x, y - 0.06, follows, ha="center", va="center", fontsize=10)
    fig.set_label("A grader's four cases. A right answer called right is paid; a wrong one called "
                  "wrong is not. A false positive, a wrong answer called right, is paid: the seed "
                  "of a reward hack. A false negative, a right answer called wrong, is punished: "
                  "signal is lost, and scores are too low.")
    return fig


def _sheet(height: float):
    """An empty figure and its axes, which go from 0 to 1."""
    fig, ax = plots.new_figure(width=7.6, height=height)
    fig.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")
    return fig, ax


def _box(edge: str, face: str = "white") -> dict[str, str]:
    return {"boxstyle": "round,pad=0.5", "facecolor": face, "edgecolor": edge}
