"""Figures of an evaluation: scores with intervals, pass@k, paired differences, mistakes.

Every function takes plain numbers (shares between 0 and 1), returns a figure with its alt text
set, and tells models apart by colour and by dash, marker or place.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots, stats

MARKERS = "os^DvPX"
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "--")


def styles(names: Sequence[str]) -> dict[str, tuple]:
    """{name: (colour, dashes, marker)}, the same in every figure that gets the same names. After
    the last colour it begins again with the next dashes and markers."""
    count = len(plots.COLOURS)
    return {name: (plots.COLOURS[i % count], plots.DASHES[(i + i // count) % count],
                   MARKERS[(i + i // count) % count]) for i, name in enumerate(names)}


def strict_and_lenient(scores: Mapping[str, dict]) -> Figure:
    """Two bars a model, pass@1 by both grades with intervals; `scores` as `evaluate.score`."""
    fig, ax = plots.new_figure(width=6.6, height=3.0)
    bars = [(-0.2, "pass@1", "strict", plots.BLUE, ""),
            (0.2, "lenient_pass@1", "lenient", plots.SKY, "//")]
    for shift, key, label, colour, hatch in bars:
        middle = np.array([100 * score[key] for score in scores.values()])
        ends = 100 * np.array([score[f"{key}_ci95"] for score in scores.values()]).T
        ax.bar(np.arange(len(scores)) + shift, middle, 0.36, color=colour, hatch=hatch,
               edgecolor="white", label=label, yerr=np.abs(ends - middle), capsize=3)
    ax.set_xticks(range(len(scores)), scores)
    ax.grid(axis="x", visible=False)
    ax.set(ylabel="pass@1, %", title="Share of right samples, graded twice", ylim=(0, None))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = (f"{name}: strict {score['pass@1']:.0%}, lenient {score['lenient_pass@1']:.0%}"
            for name, score in scores.items())
    fig.set_label(f"pass@1 of each model. {'; '.join(told)}.")
    return fig


def pass_at_k_curves(curves: Mapping[str, Sequence[float]]) -> Figure:
    """One line a model: pass@1, pass@2, … in this order."""
    fig, ax = plots.new_figure(width=6.6, height=3.3)
    for name, (colour, dashes, marker) in styles(list(curves)).items():
        values = 100 * np.array(curves[name])
        ax.plot(range(1, len(values) + 1), values, color=colour, linestyle=dashes,
                marker=marker, markersize=5, label=name)
    ax.set(xlabel="k, tries a problem", ylabel="solved at least once, %", title="pass@k, strict",
           ylim=(0, 102))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = (f"{name} from {curve[0]:.0%} at k = 1 to {curve[-1]:.0%} at k = {len(curve)}"
            for name, curve in curves.items())
    fig.set_label(f"pass@k curves. {'; '.join(told)}.")
    return fig


def forest(tests: Sequence[dict]) -> Figure:
    """Paired differences with intervals, one a line; `tests` as in the scoreboard."""
    fig, ax = plots.new_figure(width=7.2, height=0.9 + 0.38 * len(tests))
    for place, test in enumerate(reversed(tests)):
        low, high = 100 * np.array(test["ci95"])
        sure = low > 0
        colour = plots.BLUE if sure else plots.VERMILLION
        ax.plot([low, high], [place, place], color=colour, linestyle="-")
        ax.plot(100 * test["difference"], place, "o" if sure else "X", markersize=8, color=colour)
        ax.annotate(f"{100 * test['greedy_difference']:+.1f}, p = {test['p']:.1g}", (1.02, place),
                    va="center", fontsize=10, xycoords=("axes fraction", "data"))
    ax.axvline(0, color=plots.BLACK, linestyle="-", linewidth=1)
    several = len({t["measure"] for t in tests}) > 1  # else it says nothing beside each line
    ax.set_yticks(range(len(tests)), [
        f"{t['better']} − {t['than']}" + f", {t['measure']}" * several for t in reversed(tests)])
    ax.annotate("greedy:", (1.02, len(tests) - 0.4), fontsize=10,
                xycoords=("axes fraction", "data"))
    ax.set(xlabel="difference of pass@1, points",
           title="Paired differences with 95 % intervals", ylim=(-0.6, len(tests) - 0.4))
    told = (f"{t['better']} minus {t['than']}, {t['measure']}: {100 * t['difference']:+.1f} points"
            f" [{100 * t['ci95'][0]:+.1f}, {100 * t['ci95'][1]:+.1f}], greedy "
            f"{100 * t['greedy_difference']:+.1f}" for t in tests)
    fig.set_label(f"Paired differences. {'; '.join(told)}.")
    return fig


def right_of_n(right: Mapping[str, ArrayLike], n: int) -> Figure:
    """A histogram a model: on how many problems 0, 1, … n samples are right."""
    columns = min(3, len(right))
    rows = -(-len(right) // columns)
    fig, axes = plots.new_figure(columns, 2.7 * columns, 0.4 + 2.1 * rows, rows)
    axes, told = np.atleast_1d(axes).ravel(), []
    shares = {name: np.bincount(np.asarray(counts), minlength=n + 1) / np.size(counts)
              for name, counts in right.items()}
    top = 100 * max(share.max() for share in shares.values())
    for ax, (name, (colour, *_)) in zip(axes, styles(list(right)).items(), strict=False):
        ax.bar(range(n + 1), 100 * shares[name], color=colour)
        ax.set(title=name, xlabel=f"right of {n}", ylabel="problems, %", ylim=(0, 1.05 * top))
        ax.set_xticks(sorted({0, n // 2, n}))
        ax.label_outer()
        told.append(f"{name}: never {shares[name][0]:.0%}, always {shares[name][-1]:.0%}")
    for ax in axes[len(right):]:
        ax.axis("off")
    fig.set_label(f"Problems by how many of {n} samples are right. {'; '.join(told)}.")
    return fig


def by_group(values: Mapping[str, ArrayLike], groups: Mapping[str, ArrayLike]) -> Figure:
    """Mean and interval of every model on every group of problems.

    values: {model: (N,) share right of each problem}; groups: {name: (N,) mask}.
    """
    fig, ax = plots.new_figure(width=8.0, height=3.3)
    told, step = [], min(0.16, 0.9 / len(values))  # groups lie 1 apart
    for i, (name, (colour, _, marker)) in enumerate(styles(list(values)).items()):
        means = []
        for j, mask in enumerate(groups.values()):
            own = np.asarray(values[name])[np.asarray(mask)]
            low, high = stats.bootstrap_interval(own, resamples=2000)
            x = j + (i - (len(values) - 1) / 2) * step
            ax.plot([x, x], [100 * low, 100 * high], color=colour, linestyle="-")
            ax.plot(x, 100 * own.mean(), marker, color=colour, label=name if j == 0 else None)
            means.append(f"{own.mean():.0%}")
        told.append(f"{name} {', '.join(means)}")
    ax.set_xticks(range(len(groups)), [
        f"{name}\n({int(np.sum(mask))})".replace(" words", "\nwords")
        for name, mask in groups.items()])
    ax.grid(axis="x", visible=False)
    ax.set(ylabel="pass@1, %", title="Where they fail, with 95 % intervals", ylim=(0, 102))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"pass@1 on {', '.join(groups)}: {'; '.join(told)}.")
    return fig


def stacked(shares: pd.DataFrame, title: str) -> Figure:
    """One bar a row of `shares`, cut into its columns, which add up to 1."""
    fig, ax = plots.new_figure(width=8.0, height=1.2 + 0.4 * len(shares))
    colours = [plots.GREEN, plots.SKY, "#BBBBBB", plots.ORANGE, plots.VERMILLION]
    left = np.zeros(len(shares))
    for column, hatch, colour in zip(shares, HATCHES, colours, strict=False):
        ax.barh(shares.index, 100 * shares[column], left=left, label=column, color=colour,
                hatch=hatch, edgecolor="white")
        left += 100 * shares[column].to_numpy()
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="samples, %", xlim=(0, 100), title=title)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = (f"{name}: " + ", ".join(f"{column} {row[column]:.0%}" for column in shares)
            for name, row in shares.iterrows())
    fig.set_label(f"{title}. {'; '.join(told)}.")
    return fig


def covering(intervals: Mapping[str, Sequence[tuple[float, float]]], truth: float) -> Figure:
    """A panel a method: its intervals one above the other, dotted where they miss the truth."""
    fig, axes = plots.new_figure(len(intervals), 7.4, 3.4)
    told = []
    for ax, (name, found), colour in zip(axes, intervals.items(), plots.COLOURS, strict=False):
        missed = 0
        for place, (low, high) in enumerate(found):
            hit = low <= truth <= high
            missed += not hit
            ax.plot([100 * low, 100 * high], [place, place], color=colour if hit else plots.BLACK,
                    linestyle="-" if hit else (0, (1, 1)), linewidth=1.6)
        ax.axvline(100 * truth, color=plots.GREY, linewidth=1.2, linestyle="-", label="the truth")
        ax.plot([], [], color=plots.BLACK, linestyle=(0, (1, 1)), label="misses it")
        reach = 100 * max(abs(end - truth) for pairs in intervals.values()
                          for pair in pairs for end in pair)
        ax.set(title=name, xlabel="score, %", ylabel="test set",
               xlim=(100 * truth - 1.05 * reach, 100 * truth + 1.05 * reach))
        told.append(f"{name}: {missed} of {len(found)} miss it")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"95 % intervals of many test sets against the true score. {'; '.join(told)}.")
    return fig


def grouped_bars(table: pd.DataFrame, title: str, unit: str) -> Figure:
    """A group of bars for each row of `table`, one bar a column."""
    fig, ax = plots.new_figure(width=7.6, height=3.0)
    width = 0.8 / len(table.columns)
    told = []
    for i, (name, values) in enumerate(table.items()):
        place = np.arange(len(table)) + width * (i - (len(table.columns) - 1) / 2)
        ax.bar(place, values, 0.92 * width, label=name, hatch=HATCHES[i], edgecolor="white")
        told.append(f"{name}: {', '.join(f'{value:.2f}' for value in values)}")
    ax.set_xticks(range(len(table)), table.index)
    ax.grid(axis="x", visible=False)
    ax.set(ylabel=unit, title=title)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"{title}, for {', '.join(map(str, table.index))}. {'; '.join(told)}.")
    return fig
