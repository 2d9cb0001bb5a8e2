"""Figures of DPO: what a pair weighs, how far its answers move, and curves side by side.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots


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
    ax.set(xlabel="chosen moved (nats)", ylabel="rejected moved (nats)")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    below = np.mean(chosen > rejected)
    fig.set_label(f"How far the two answers of each pair moved: chosen by {chosen.mean():+.1f} "
                  f"nats on average, rejected by {rejected.mean():+.1f}; in {below:.0%} of the "
                  "pairs the chosen one gained more or lost less.")
    return fig


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
