"""Figures of supervised fine-tuning: where the loss falls, how it falls, what 4 bits lose.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from helpers import plots

LOSS = "loss (nats per token)"
UNCOUNTED = "#BBBBBB"
TURNS = (("user", 0), ("2+3?", 0), ("<|im_end|>", 0), ("assistant", 0), ("5", 1),
         ("<|im_end|>", 1))  # a token, and whether it is the answer's


def masked_example(turns: Sequence[tuple[str, int]] = TURNS) -> Figure:
    """Drawn: what chat template, shift and mask do to one example.

    turns: (token, 1 if the answer's and else 0) of a whole example, some 40 letters together.
    """
    plots.use_style()
    fig = Figure(figsize=(7.6, 2.0))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.axis("off")
    left, gap = 10.5, 0.8
    for (read, _), (token, counts) in pairwise(turns):
        width = max(len(read), len(token), 4) + 1.4
        for y, words, colour in [(2, read, "white"),
                                 (1, token, plots.ORANGE if counts else "#EEEEEE")]:
            ax.add_patch(Rectangle((left, y - 0.3), width, 0.6, linewidth=1, facecolor=colour,
                                   edgecolor=plots.GREY))
            ax.text(left + width / 2, y, words, ha="center", va="center", fontsize=10,
                    family="monospace")
        ax.annotate("", (left + width / 2, 1.31), (left + width / 2, 1.69),
                    arrowprops={"arrowstyle": "-|>", "color": plots.GREY})
        ax.text(left + width / 2, 0.3, "−log p" if counts else "−100", ha="center", va="center",
                fontsize=11, weight="bold" if counts else "normal",
                color=plots.BLACK if counts else plots.GREY)
        left += width + gap
    for y, words in [(2, "reads last"), (1, "must predict"), (0.3, "loss")]:
        ax.text(9.8, y, words, ha="right", va="center", fontsize=11)
    ax.set(xlim=(0, left), ylim=(-0.1, 2.5))
    answer = " ".join(token for token, counts in turns if counts)
    fig.set_label("Drawn: the tokens of a question and its answer in a chat template. Below each "
                  "stands the token that the model must predict there, the next one. Only the "
                  f"answer's ({answer}) carry loss; all others have the label -100.")
    return fig


def low_rank(outputs: int, inputs: int, rank: int) -> Figure:
    """Drawn to scale: a frozen matrix (out, in), and the two that LoRA trains beside it."""
    plots.use_style()
    fig = Figure(figsize=(7.0, 2.3))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.axis("off")
    unit = 2.0 / max(outputs, inputs)
    tall, wide, thin = outputs * unit, inputs * unit, max(0.05, rank * unit)
    b, a = 3.3, 3.3 + thin + 0.5
    for x, height, width, colour, words, below in [
            (1.3 - wide / 2, tall, wide, "#DDDDDD", "W", f"{outputs * inputs:,} numbers, frozen"),
            (b, tall, thin, plots.ORANGE, "B", ""), (a, thin, wide, plots.SKY, "A", "")]:
        ax.add_patch(Rectangle((x, 1.45 - height / 2), width, height, facecolor=colour,
                               edgecolor=plots.GREY, linewidth=1))
        ax.text(x + width / 2, 1.45 + height / 2 + 0.06, words, ha="center", va="bottom",
                fontsize=12)
        ax.text(x + width / 2, 0.33, below, ha="center", va="top", fontsize=11)
    trained = rank * (outputs + inputs)
    ax.text(b + (thin + 0.5 + wide) / 2, 0.33, f"{trained:,} numbers, trained", ha="center",
            va="top", fontsize=11)
    for x, words in [(2.75, r"$+\ \frac{\alpha}{r}$"), (b + thin + 0.25, "·")]:
        ax.text(x, 1.45, words, ha="center", va="center", fontsize=16)
    ax.set(xlim=(0, 7.0), ylim=(0, 2.85))
    fig.set_label(f"Drawn to scale: the frozen matrix W, {outputs} x {inputs}, and beside it B, "
                  f"{outputs} x {rank}, times A, {rank} x {inputs}: {trained:,} trained numbers "
                  f"beside {outputs * inputs:,} frozen ones.")
    return fig


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
