"""Drawn ideas, boxes and arrows: a step of PPO and one of GRPO, what methods make of a group, GAE
from the right, draws of pass@k, packed rows.

As in the other modules of figures: plain numbers in, a figure with its alt text out.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import losses, plots

DARK = "#444444"
PALE = {"blue": "#9fc9e8", "sky": "#c5e4f6", "green": "#bfe5d8", "red": "#f3c4a4",
        "orange": "#f6dc9e", "grey": "#dddddd", "white": "white"}


def _canvas(width: float, height: float, x: tuple[float, float], y: tuple[float, float]
            ) -> tuple[Figure, Axes]:
    fig, ax = plots.new_figure(width=width, height=height)
    ax.set(xlim=x, ylim=y)
    ax.axis("off")
    return fig, ax


def _box(ax: Axes, place: tuple[float, float], words: str, pale: str = "white") -> None:
    ax.text(*place, words, ha="center", va="center", fontsize=10.5,
            bbox={"boxstyle": "round,pad=0.4", "facecolor": PALE[pale], "edgecolor": plots.GREY})


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], dashes: str = "-"
           ) -> None:
    ax.annotate("", end, start, arrowprops={
        "arrowstyle": "-|>", "color": DARK, "linewidth": 1.3, "linestyle": dashes,
        "shrinkA": 0, "shrinkB": 0, "mutation_scale": 12})


def who_does_what() -> Figure:
    """A step of PPO: who writes, who reads, and what comes back to policy and critic."""
    fig, ax = _canvas(7.4, 3.0, (-0.55, 6.5), (-1.35, 2.9))
    _box(ax, (0, 1.2), "policy\nwrites", "blue")
    _box(ax, (1.55, 1.2), "answers")
    _box(ax, (5.85, 1.2), "advantage\nof each token", "green")
    _arrow(ax, (0.4, 1.2), (1.08, 1.2))
    for words, y, pale in [("judge, rules:\none score an answer", 2.4, "orange"),
                           ("reference: how far\neach token strays", 1.2, "grey"),
                           ("critic: forecast\nbefore each token", 0.0, "sky")]:
        _box(ax, (3.55, y), words, pale)
        _arrow(ax, (2.02, 1.2 + 0.12 * (y - 1.2)), (2.6, y))
        _arrow(ax, (4.5, y), (5.15, 1.2 + 0.25 * (y - 1.2)))
    ax.plot([5.85, 5.85, 0], [0.75, -1, -1], color=DARK, linewidth=1.3, linestyle="--")
    _arrow(ax, (0, -1), (0, 0.72), "--")
    _arrow(ax, (3.55, -1), (3.55, -0.48), "--")
    for x, words in [(1.75, "clipped loss: likelier or rarer"), (4.7, "what it should have said")]:
        ax.text(x, -1.04, words, fontsize=10, color=DARK, ha="center", va="top")
    fig.set_label("A step of PPO. The policy writes answers; judge and rules give each a score, "
                  "the reference tells how far each token strays, the critic forecasts before each "
                  "token. Together they give an advantage for each token. It makes the policy's "
                  "tokens likelier or rarer, and the critic is taught what it should have said.")
    return fig


def step_of_groups(prompts: int, group: int) -> Figure:
    """A step of GRPO: `prompts` prompts with `group` answers each, from the writing policy back to
    its weights. Above each box the section of notebook 07, below it the function of
    `train.group` that does it."""
    fig, ax = _canvas(7.4, 2.2, (-0.62, 7.2), (-1.35, 1.45))
    count = f"{prompts * group:,}"
    boxes = [(0, "policy\nwrites", "blue", "1", "sample"),
             (1.72, f"{prompts} × {group}\nanswers", "white", "1", "reward"),
             (3.4, f"{prompts} × {group}\nadvantages", "green", "2", "advantages"),
             (5.02, "loss,\nin pieces", "orange", "3", "learn, backward"),
             (6.55, "one step\nof AdamW", "sky", "4", "update")]
    for place, (x, words, pale, section, name) in enumerate(boxes):
        _box(ax, (x, 0.35), words, pale)
        ax.text(x, 1.1, f"section {section}", ha="center", fontsize=10, color=DARK)
        ax.text(x, -0.35, name, ha="center", fontsize=10, family="monospace", color=DARK)
        if place:
            left = boxes[place - 1][0]
            _arrow(ax, (left + (0.52 if place == 1 else 0.74), 0.35), (x - 0.72, 0.35))
    ax.plot([6.55, 6.55, 0], [-0.52, -0.95, -0.95], color=DARK, linewidth=1.3, linestyle="--")
    _arrow(ax, (0, -0.95), (0, -0.47), "--")
    ax.text(3.3, -1.02, "the next step's answers are written by the new weights", fontsize=10,
            color=DARK, ha="center", va="top")
    fig.set_label(f"A step of GRPO. The policy writes {group} answers to each of {prompts} "
                  "prompts; each answer gets a reward and, against its group, an advantage; the "
                  f"loss of all {count} answers, in pieces, gives one step of AdamW, and the "
                  "policy of new weights writes the next answers.")
    return fig


def pushes(answers: Sequence[str], rows: Mapping[str, ArrayLike], plain: int = 1) -> Figure:
    """A group in numbers, one column an answer: what a row makes of it, pale green where the answer
    is made likelier and pale red where it is made less likely.

    answers: a few letters each, (G,); rows: {words: (G,)}, the first `plain` of them uncoloured.
    """
    deep = 0.62 * len(rows)
    fig, ax = _canvas(7.4, 0.6 + 0.55 * len(rows), (-3.0, len(answers) - 0.45), (-deep, 0.62))
    for x, answer in enumerate(answers):
        ax.text(x, 0.3, answer, ha="center", va="center", fontsize=10.5, weight="bold")
    told = []
    for number, (words, values) in enumerate(rows.items()):
        y, found = -0.62 * number - 0.3, np.asarray(values, dtype=float) + 0.0
        ax.text(-3.0, y, words, ha="left", va="center", fontsize=10.5)
        for x, value in enumerate(np.round(found, 2) + 0.0):
            pale = "white" if number < plain or value == 0 else "red" if value < 0 else "green"
            form = "{:.2f}" if number < plain or not value else "{:+.2f}"
            _box(ax, (x, y), form.format(value).replace("-", "−"), pale)
        told.append(f"{words}: " + ", ".join(f"{value:.2f}" for value in found))
    fig.set_label(f"{len(answers)} answers of one prompt. {'; '.join(told)}.")
    return fig


def backward_pass(tokens: Sequence[str], rewards: ArrayLike, values: ArrayLike,
                  gamma: float, lam: float) -> Figure:
    """GAE in numbers, one column a token: forecast, reward and TD error, and the advantages that
    are added up from the right. tokens, rewards, values: T each."""
    table = torch.tensor(np.array([rewards, values]), dtype=torch.float64)[:, None]  # (2, 1, T)
    mask = torch.ones_like(table[0])
    deltas, _ = losses.gae(table[0], table[1], mask, gamma, 0.0)
    found, _ = losses.gae(table[0], table[1], mask, gamma, lam)
    fig, ax = _canvas(7.0, 3.0, (-1.75, len(tokens) - 0.5), (-1.0, 3.2))
    rows = [("forecast V", table[1, 0], 2.2, False), ("reward r", table[0, 0], 1.5, False),
            ("surprise δ\n= r + γ V(next) − V", deltas[0], 0.65, True),
            ("advantage A", found[0], -0.6, True)]
    for words, numbers, y, signed in rows:
        ax.text(-1.75, y, words, ha="left", va="center", fontsize=10.5)
        for x, number in enumerate(np.round(numbers.numpy(), 2) + 0.0):
            pale = "white" if not signed or number == 0 else "red" if number < 0 else "green"
            form = "{:+.2f}" if signed and number else "{:.2f}"
            _box(ax, (x, y), form.format(number).replace("-", "−"), pale)
    for x, token in enumerate(tokens):
        ax.text(x, 2.9, token, ha="center", va="center", fontsize=12, weight="bold")
        _arrow(ax, (x, 0.35), (x, -0.27))
        if x:
            _arrow(ax, (x - 0.28, -0.6), (x - 0.72, -0.6))
            ax.text(x - 0.5, -0.5, f"·{gamma * lam:.2f}", ha="center", va="bottom", fontsize=9.5)
    told = ", ".join(f"{token} {one:+.2f}" for token, one in
                     zip(tokens, found[0].tolist(), strict=True))
    fig.set_label(f"Forecasts, rewards and TD errors of {len(tokens)} tokens. From the right: a "
                  f"token's TD error plus {gamma * lam:.2f} times the advantage of the token after "
                  f"it. Advantages: {told}.")
    return fig


def draws(right: Sequence[bool], k: int) -> Figure:
    """All ways to draw k of these samples, and which of them hold a right one."""
    ways = list(combinations(range(len(right)), k))
    hits = [any(right[i] for i in way) for way in ways]
    columns = min(len(ways), 10)
    rows = -(-len(ways) // columns)
    fig, ax = _canvas(7.0, 0.35 + 0.5 * (rows + 1), (-1.3, columns), (-rows - 0.3, 1.0))
    wide = 0.62 / max(1, len(right) - 1)

    def row_of(x: float, y: float, shown: Sequence[int]) -> None:
        for i, one in enumerate(right):
            there = i in shown
            ax.plot(x + i * wide, y, "o" if one else "X", markersize=9, markeredgewidth=1,
                    color=(plots.GREEN if one else plots.VERMILLION) if there else "#eeeeee",
                    markeredgecolor="white" if there else "#cccccc")

    row_of(0, 0.6, range(len(right)))
    for y, words in [(0.6, f"{len(right)} samples"), (-0.4, f"draws of {k}")]:
        ax.text(-1.3, y, words, ha="left", va="center", fontsize=10.5)
    for at, (way, hit) in enumerate(zip(ways, hits, strict=True)):
        x, y = at % columns, -0.4 - at // columns
        row_of(x, y, way)
        ax.text(x + 0.31, y - 0.42, "holds one" if hit else "wrong only", ha="center", fontsize=9,
                va="center", color=plots.BLACK if hit else plots.GREY)
    fig.set_label(f"Of {len(right)} samples, {sum(right)} right, there are {len(ways)} draws of "
                  f"{k}. {sum(hits)} of them hold a right one.")
    return fig


def packing(lengths: Sequence[int], length: int) -> Figure:
    """Documents of these lengths, an end mark behind each, joined and cut into rows of `length`
    tokens; what is left at the end waits for the next batch."""
    total = sum(lengths) + len(lengths)
    rows = max(1, total // length)
    fig, ax = _canvas(7.0, 0.7 + 0.36 * rows, (0, length), (-rows - 0.2, 0.9))
    place, looks = 0, [*PALE][:-2]
    for number, size in enumerate(lengths, start=1):
        left = size + 1
        while left and place < rows * length:
            row, column = divmod(place, length)
            part = min(left, length - column)
            ax.barh(-row - 0.5, part, 0.72, column, color=PALE[looks[number % len(looks)]],
                    edgecolor="white")
            if part > length / 12:
                ax.text(column + part / 2, -row - 0.5, f"document {number}" if part > length / 6
                        else str(number), ha="center", va="center", fontsize=10)
            place, left = place + part, left - part
            if not left:  # the end mark
                ax.plot([column + part] * 2, [-row - 0.86, -row - 0.14], color=plots.BLACK,
                        linewidth=2.5, linestyle="-")
    ax.annotate("", (0, 0.25), (length, 0.25), arrowprops={"arrowstyle": "<->", "color": DARK})
    ax.text(length / 2, 0.3, f"{length} tokens a row", ha="center", va="bottom", fontsize=10)
    fig.set_label(f"{len(lengths)} documents, each closed by an end mark, joined and cut into "
                  f"{rows} rows of {length} tokens: a document may begin in one row and end in "
                  "the next.")
    return fig
