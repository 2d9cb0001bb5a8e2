"""Figures of supervised fine-tuning: where the loss falls, how it falls, what 4 bits lose.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots

LOSS = "loss (nats per token)"
UNCOUNTED = "#BBBBBB"


def token_surprise(surprise: Sequence[float], counted: Sequence[float]) -> Figure:
    """A bar a token: -log p of tokens 2 to T, orange where `counted` is 1 (the answer's)."""
    fig, ax = plots.new_figure(height=2.8)
    colours = [plots.ORANGE if one else UNCOUNTED for one in counted]
    ax.bar(range(2, len(surprise) + 2), surprise, color=colours, width=1.0)
    first = len(counted) - sum(map(bool, counted)) + 1.5
    ax.axvline(first, color=plots.VERMILLION, linestyle="--", linewidth=1.5)
    ax.set(xlabel="place in the example (tokens)", ylabel="surprise (nats)",
           xlim=(1, len(surprise) + 2), ylim=(0, 1.15 * max(surprise)))
    ax.grid(axis="x", visible=False)
    for x, side, words in [(first - 1, "right", "prompt: no loss"),
                           (first + 1, "left", "answer: loss")]:
        ax.text(x, 1.13 * max(surprise), words, ha=side, va="top", color=plots.BLACK)
    prompt = sum(s for s, one in zip(surprise, counted, strict=True) if not one)
    fig.set_label(f"Surprise of each token of one example; prompt in grey, answer in orange. "
                  f"The prompt holds {prompt / sum(surprise):.0%} of the sum.")
    return fig


def runs(curves: Mapping[str, Sequence[float]]) -> Figure:
    """One line a run, all over the same steps; `curves` as {name: loss of each step}."""
    fig, ax = plots.new_figure(height=2.9)
    looks = zip(curves.items(), plots.COLOURS, plots.DASHES, strict=False)
    for (name, values), colour, dashes in looks:
        plots.curve_plot(ax, range(1, len(values) + 1), values, name, colour, dashes)
    ax.set(xlabel="training step", ylabel=LOSS)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = (f"{name} from {v[0]:.2f} to {v[-1]:.2f}" for name, v in curves.items())
    fig.set_label(f"Training loss over {max(map(len, curves.values()))} steps: {'; '.join(told)}.")
    return fig


def train_and_validation(curve: pd.DataFrame) -> Figure:
    """Both losses of one run over its steps; `curve` has `step`, `loss` and `eval_loss`."""
    fig, ax = plots.new_figure(height=2.9)
    plots.curve_plot(ax, curve["step"], curve["loss"], "training")
    held_out = curve[["step", "eval_loss"]].dropna()
    ax.plot(held_out["step"], held_out["eval_loss"], color=plots.VERMILLION, linestyle="--",
            marker="s", markersize=5, label="validation")
    ax.set(xlabel="training step", ylabel=LOSS)
    ax.legend()
    told = (f"{name} from {curve[key].dropna().iloc[0]:.2f} to {curve[key].dropna().iloc[-1]:.2f}"
            for name, key in [("training", "loss"), ("validation", "eval_loss")])
    fig.set_label(f"Loss over {curve['step'].max():.0f} steps: {', '.join(told)}.")
    return fig


def rounding(scaled: ArrayLike, levels: Sequence[float], error: ArrayLike) -> Figure:
    """Weights as shares of their block's largest, with the levels; and the rounding error.

    scaled, error: (N,); `error` in units of the typical weight.
    """
    fig, (left, right) = plots.new_figure(columns=2, width=7.6, height=2.8)
    left.hist(scaled, bins=80, color=plots.SKY)
    for level in levels:
        left.axvline(level, color=plots.VERMILLION, linewidth=1, linestyle="--")
    left.set(xlabel="weight / largest of its block", ylabel="weights",
             title=f"The {len(levels)} levels")
    right.hist(error, bins=80, color=plots.SKY)
    right.set(xlabel="error / typical weight", title="What rounding changes")
    fig.set_label(f"Left: histogram of one matrix's weights with the {len(levels)} levels, "
                  "denser near zero. Right: histogram of the rounding error.")
    return fig
