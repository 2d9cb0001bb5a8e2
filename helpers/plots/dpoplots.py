"""Figures of DPO: what a pair weighs, how far its answers move, and curves side by side.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots


def tilted(reference: Sequence[float], rewards: Sequence[float],
           best: Mapping[float, Sequence[float]]) -> Figure:
    """Bars: how likely each of a few answers is under the reference and under the best policies.

    reference, rewards: one number an answer. best: {beta: probabilities of the best policy}.
    """
    fig, axes = plots.new_figure(1 + len(best), 7.4, 2.6)
    told = []
    groups = {"reference": reference} | {f"β = {beta:g}": p for beta, p in best.items()}
    for ax, (name, chances), colour in zip(axes, groups.items(), (plots.GREY, *plots.COLOURS),
                                           strict=False):
        bars = ax.bar([f"r = {r:g}" for r in rewards], chances, color=colour)
        ax.bar_label(bars, [f"{p:.0%}" for p in chances], padding=2)
        ax.set(title=name, ylim=(0, 1.12), yticks=[])
        ax.grid(visible=False)
        told.append(f"{name}: {', '.join(f'{p:.0%}' for p in chances)}")
    axes[0].set_ylabel("probability")
    fig.set_label(f"Answers with rewards {', '.join(f'{r:g}' for r in rewards)}. Probabilities, "
                  f"{'; '.join(told)}.")
    return fig


def implicit_reward(chosen: float = 1.0, rejected: float = -1.0, beta: float = 1.0) -> Figure:
    """Drawn: how many nats the two answers of a pair have moved, and what DPO makes of it."""
    fig, ax = plots.new_figure(width=7.0, height=3.0)
    ax.axhline(0, color=plots.BLACK, linewidth=1.2, linestyle="--")
    for x, moved, name, colour in [(0, chosen, "chosen", plots.BLUE),
                                   (1, rejected, "rejected", plots.VERMILLION)]:
        ax.plot([x - 0.2, x + 0.2], [moved, moved], color=colour, linestyle="-", linewidth=3)
        if abs(moved) > 0.2:
            ax.annotate("", (x, moved), (x, 0), arrowprops={
                "arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0})
        ax.text(x + 0.25, moved, f"{name}\nreward {beta * moved:+.1f}", va="center", color=colour)
    margin = beta * (chosen - rejected)
    weight = 1 / (1 + np.exp(margin))
    ax.text(-0.92, 0.25, "reference", color=plots.BLACK)
    ax.text(1.85, 0, f"margin {margin:+.1f}\nloss {np.logaddexp(0, -margin):.2f}\n"
            f"weight {weight:.2f}", va="center", fontsize=12,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": plots.GREY})
    ax.set(xlim=(-1, 2.5), ylim=(-9, 5), xticks=[], ylabel="log p moved (nats)")
    fig.set_label(f"Drawn: against the reference the chosen answer has moved {chosen:+.1f} nats, "
                  f"the rejected one {rejected:+.1f}. Times beta {beta:g}, the difference is a "
                  f"margin of {margin:+.1f}; the pair weighs {weight:.2f}.")
    return fig


def dpo_weight(beta: float) -> Figure:
    """Loss and weight of a pair over how many nats its answers have moved apart."""
    fig, axes = plots.new_figure(2, 7.4, 2.8)
    nats = np.linspace(-10, 10, 321)  # answers move by a few
    chance = 1 / (1 + np.exp(-beta * nats))
    learned = np.log(9) / beta  # 90 % in favour of the chosen answer
    for ax, values, title, colour in [(axes[0], -np.log(chance), "loss, nats", plots.VERMILLION),
                                      (axes[1], 1 - chance, "weight of the pair", plots.BLUE)]:
        ax.plot(nats, values, color=colour, linestyle="-")
        ax.axvline(0, color=plots.GREY, linewidth=1, linestyle="--")
        ax.set(title=title, xlabel="nats gained: chosen − rejected")
    axes[0].set_ylim(0, 5)
    axes[1].set_ylim(-0.02, 1.02)
    fig.set_label(f"With beta {beta:.2f} a pair weighs one half at the start and one tenth once "
                  f"its answers have moved {learned:.2g} nats apart; the loss starts at 0.69.")
    return fig


def moves(chosen: ArrayLike, rejected: ArrayLike) -> Figure:
    """A dot a pair: nats by which its chosen and its rejected answer became likelier."""
    chosen, rejected = np.asarray(chosen, dtype=float), np.asarray(rejected, dtype=float)
    fig, ax = plots.new_figure(width=5.2, height=3.9)
    ax.axhline(0, color=plots.GREY, linewidth=1, linestyle="-")
    ax.axvline(0, color=plots.GREY, linewidth=1, linestyle="-")
    ax.axline((0, 0), slope=1, color=plots.BLACK, linestyle="--", linewidth=1.2,
              label="moved alike")
    ax.plot(chosen, rejected, ".", color=plots.BLUE, alpha=0.35, markersize=5, label="a pair")
    ax.plot(chosen.mean(), rejected.mean(), "D", color=plots.VERMILLION, markersize=8,
            label="mean")
    shown = [_middle(values) for values in (chosen, rejected)]
    outside = int(sum(not all(low <= v <= high for v, (low, high) in zip(pair, shown, strict=True))
                      for pair in zip(chosen, rejected, strict=True)))
    ax.set(xlabel="chosen moved (nats)", ylabel="rejected moved (nats)", xlim=shown[0],
           ylim=shown[1])
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title=f"{outside} pairs lie outside"
              if outside else None, title_fontsize=10)
    below = np.mean(chosen > rejected)
    fig.set_label(f"How far the two answers of each pair moved: chosen by {chosen.mean():+.1f} "
                  f"nats on average, rejected by {rejected.mean():+.1f}; in {below:.0%} of the "
                  "pairs the chosen one gained more or lost less.")
    return fig


def _middle(values: np.ndarray) -> tuple[float, float]:
    """An axis for what lies near the middle 99 in a hundred: a few wild values press all others
    together."""
    low, high = np.quantile(values, (0.005, 0.995))
    room = 0.25 * max(high - low, 1.0)
    return min(low, 0.0) - room, max(high, 0.0) + room


def together(curve: pd.DataFrame, keys: Mapping[str, str], ylabel: str) -> Figure:
    """Several curves of one run in one figure; `keys`: {column: name}."""
    fig, ax = plots.new_figure(height=3.0)
    told = []
    looks = zip(keys.items(), plots.COLOURS, plots.DASHES, strict=False)
    for (key, name), colour, dashes in looks:
        plots.curve_plot(ax, curve["step"], curve[key], name, colour, dashes)
        ends = curve[key].dropna()
        told.append(f"{name} from {ends.iloc[0]:.2f} to {ends.iloc[-1]:.2f}")
    ax.axhline(0, color=plots.GREY, linewidth=1, linestyle="-")
    ax.set(xlabel="training step", ylabel=ylabel)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"Over {int(curve['step'].max())} steps: {'; '.join(told)}.")
    return fig
