"""Figures of the exam: scores over decoding settings, gains at two settings, and what they cost;
what a bootstrap and a temperature do.

As in `scoreplots`: plain numbers in, shares between 0 and 1, a figure with its alt text out.
"""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots
from helpers.plots.scoreplots import styles
from helpers.rungs import MODELS


def over_settings(curves: Mapping[str, Sequence[dict]], chosen: Mapping[str, Sequence[float]]
                  ) -> Figure:
    """pass@1 and pass@k of every model over the temperature, top-p 1 as a line, a smaller top-p as
    small points, greedy at 0, the chosen setting ringed.

    curves: {model: entries of `evaluate.sweep.curve`}; chosen: {model: (temperature, top-p)}.
    """
    fig, axes = plots.new_figure(2, 8.0, 4.2)
    told, tries = [], max(entry["k"] for entries in curves.values() for entry in entries)
    panels = zip(axes, ("pass@1", "pass@k"), ("pass@1", f"pass@{tries}"), strict=True)
    for ax, key, title in panels:
        for name, (colour, dashes, marker) in styles(list(curves)).items():
            entries = [one for one in curves[name] if one[key] is not None]
            whole = [one for one in entries if one["top_p"] == 1]
            ax.plot([one["temperature"] for one in whole], [100 * one[key] for one in whole],
                    color=colour, linestyle=dashes, marker=marker, markersize=5, label=name)
            part = [one for one in entries if one["top_p"] < 1]
            ax.plot([one["temperature"] for one in part], [100 * one[key] for one in part],
                    marker, color=colour, markersize=3, alpha=0.6)
            for one in entries:
                if (one["temperature"], one["top_p"]) == tuple(chosen[name]):
                    ax.plot(one["temperature"], 100 * one[key], "o", markersize=11,
                            markerfacecolor="none", color=colour, markeredgewidth=1.4)
            told.append(f"{title} of {name}: " + ", ".join(
                f"{one[key]:.0%} at {one['temperature']:g}" for one in whole))
        ax.set(title=f"{title}, strict, validation", xlabel="temperature (0: greedy)",
               ylim=(0, 102),
               xlim=(-0.04, None))
    axes[0].set_ylabel("problems, %")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)),
               handlelength=2.4, columnspacing=1.4)
    fig.set_label(f"Scores over decoding settings, on validation. {'; '.join(told)}.")
    return fig


def twice(found: Sequence[dict]) -> Figure:
    """Each comparison at temperature 1 and at the best settings, a panel a measure.

    found: as `evaluate.claims.verdicts` gives them.
    """
    measures = list(dict.fromkeys(one["measure"] for one in found))
    pairs = list(dict.fromkeys((one["better"], one["than"]) for one in found))
    fig, axes = plots.new_figure(len(measures), 8.0, 1.5 + 0.5 * len(pairs))
    told = []
    looks = (("at_one", "temperature 1", -0.14, "o", plots.SKY),
             ("at_best", "each at its best", 0.14, "s", plots.BLUE))
    for ax, measure in zip(np.atleast_1d(axes), measures, strict=True):
        own = [one for one in found if one["measure"] == measure]
        for key, label, shift, marker, colour in looks:
            for one in own:
                place = pairs.index((one["better"], one["than"])) + shift
                low, high = (100 * end for end in one[key]["ci95"])
                filled = colour if low > 0 else "white"
                ax.plot([low, high], [place, place], color=colour, linestyle="-")
                ax.plot(100 * one[key]["difference"], place, marker, color=colour, markersize=7,
                        markerfacecolor=filled)
                told.append(f"{one['better']} minus {one['than']}, {measure}, {label}: "
                            f"{100 * one[key]['difference']:+.1f} [{low:+.1f}, {high:+.1f}]")
            ax.plot([], [], color=colour, marker=marker, linestyle="-", label=label)
        ax.axvline(0, color=plots.BLACK, linestyle="-", linewidth=1)
        ax.set_yticks(range(len(pairs)), [f"{a} −\n{b}" for a, b in pairs])
        ax.set(title=measure, xlabel="difference of pass@1, points")
        ax.grid(axis="y", visible=False)
        ax.invert_yaxis()
        ax.label_outer()
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
    fig.set_label("Paired differences with 95 % intervals, filled where they lie above 0. "
                  f"{'; '.join(told)}.")
    return fig


def price(learned: Mapping[str, pd.DataFrame], budget: int,
          spent: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Left: share of right answers over answers drawn in training, a running mean over a tenth of
    the run, with `budget` marked. Right: problems solved over the tokens written for each.

    learned: {model: table of `evaluate.cost.learning`}, may be empty; spent: {"model, way":
    (tokens, shares)}, of models of the course.
    """
    fig, axes = plots.new_figure(2, 8.0, 4.3)
    told = []
    models = [name.partition(", ")[0] for name in spent]
    looks = styles(list(dict.fromkeys([*MODELS, *learned, *models])))  # each model's own colour
    for name, table in learned.items():
        colour, dashes, _ = looks[name]
        wide = max(1, len(table) // 10)
        mean = table.rolling(wide, center=True, min_periods=1).mean()
        axes[0].plot(table["drawn"], 100 * table["right"], ".", color=colour, alpha=0.35,
                     markersize=4)
        axes[0].plot(table["drawn"], 100 * mean["right"], color=colour, linestyle=dashes,
                     label=name)
        told.append(f"{name}: {mean['right'].iloc[0]:.0%} first, {mean['right'].iloc[-1]:.0%} "
                    f"after {table['drawn'].iloc[-1]:,} answers")
    if learned:
        axes[0].axvline(budget, color=plots.GREY, linestyle="-", linewidth=1)
        axes[0].legend(loc="lower right")
    axes[0].set(title="While training", xlabel="answers drawn", ylabel="right at temperature 1, %",
                ylim=(0, 102))
    axes[0].locator_params(axis="x", nbins=4)
    ways = list(dict.fromkeys(name.partition(", ")[2] for name in spent))
    for name, both in spent.items():
        model, _, way = name.partition(", ")
        colour, place = looks[model][0], ways.index(way)
        tokens, shares = (np.atleast_1d(np.asarray(one, dtype=float)) for one in both)
        axes[1].plot(tokens, 100 * shares, color=colour, linestyle=plots.DASHES[place],
                     marker="oDv"[place % 3], markersize=7, label=name,
                     markerfacecolor="none" if len(tokens) == 1 else None)
        told.append(f"{name}: " + ", ".join(
            f"{share:.0%} for {count:.0f} tokens"
            for count, share in zip(tokens, shares, strict=True)))
    axes[1].set(title="While answering, lenient", xlabel="tokens written for a problem",
                ylabel="problems, %", xscale="log", ylim=(0, 102))
    low, high = axes[1].get_xlim()
    ticks = [tick for tick in (20, 50, 100, 200, 500, 1000, 2000, 5000) if low <= tick <= high]
    axes[1].set_xticks(ticks, ticks)
    axes[1].minorticks_off()
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
    fig.set_label(f"What scores cost. {'; '.join(told)}.")
    return fig


def resampling(shares: ArrayLike, seed: int, resamples: int = 2000) -> Figure:
    """A bootstrap: the problems of a test and some draws of as many with replacement, a cell a
    problem; right, the means of all draws with the middle 95 %. shares: (P,) right of each."""
    shares = np.asarray(shares)
    drawn = np.random.default_rng(seed).integers(len(shares), size=(resamples, len(shares)))
    means = 100 * shares[drawn].mean(axis=1)
    fig, (left, right) = plots.new_figure(2, 8.0, 3.0)
    rows = [np.arange(len(shares)), *np.sort(drawn[:4], axis=1)]
    for y, row in enumerate(rows):
        for x, problem in enumerate(row):
            dark = shares[problem] > 0.6
            left.barh(-y - (y > 0) * 0.4, 0.92, 0.8, x - 0.46, edgecolor=plots.GREY,
                      color=matplotlib.colors.to_rgba(plots.BLUE, 0.05 + 0.9 * shares[problem]))
            left.text(x, -y - (y > 0) * 0.4, problem + 1, ha="center", va="center", fontsize=10,
                      color="white" if dark else plots.BLACK)
        left.text(len(shares), -y - (y > 0) * 0.4, f"{100 * shares[row].mean():.0f} %",
                  ha="left", va="center", fontsize=10)
        left.text(-0.8, -y - (y > 0) * 0.4, "the test" if y == 0 else f"draw {y}", ha="right",
                  va="center", fontsize=10)
    left.set(xlim=(-2.6, len(shares) + 1.2), ylim=(-5.1, 1.3),
             title="problems, darker: solved more")
    left.axis("off")
    low, high = np.quantile(means, [0.025, 0.975])
    right.hist(means, bins=np.arange(-2.5, 105, 5), color=plots.SKY)
    right.axvspan(low, high, color=plots.ORANGE, alpha=0.25, zorder=0)
    right.axvline(100 * shares.mean(), color=plots.BLACK, linestyle="--", linewidth=1.5)
    right.set(title=f"{resamples:,} draws: the middle 95 %", xlabel="score, %", ylabel="draws",
              xlim=(0, 100))
    fig.set_label(f"A bootstrap of {len(shares)} problems with the mean {shares.mean():.0%}. Draws "
                  "with replacement hold some problems twice and some not at all; the middle 95 % "
                  f"of their means reach from {low:.0f} to {high:.0f} %.")
    return fig


def tempered(chances: Mapping[str, float], temperatures: Sequence[float]) -> Figure:
    """What a temperature makes of the chances of the next token: in proportion to p^(1/T); at 0
    the likeliest alone. A panel a temperature; chances: {token: p}, the likeliest first."""
    fig, axes = plots.new_figure(len(temperatures), 1.9 * len(temperatures), 2.3)
    p, told = np.array(list(chances.values())), []
    for ax, temperature in zip(np.atleast_1d(axes), temperatures, strict=True):
        odds = (p / p.max()) ** (1 / temperature) if temperature else (p == p.max()) * 1.0
        now = 100 * odds / odds.sum()
        ax.bar(list(chances), now, 0.7, color=plots.BLUE)
        for x, one in enumerate(now):
            ax.text(x, one + 3, f"{one:.0f}", ha="center", fontsize=10)
        ax.set(title=f"T = {temperature:g}" + ("" if temperature else ", greedy"), ylim=(0, 115))
        ax.grid(axis="x", visible=False)
        ax.label_outer()
        told.append(f"T = {temperature:g}: " + ", ".join(
            f"{token} {one:.0f} %" for token, one in zip(chances, now, strict=True)))
    np.atleast_1d(axes)[0].set(ylabel="chance, %")
    fig.set_label(f"The next token's chances. {'; '.join(told)}.")
    return fig
