"""Figures of notebook 00: what training keeps in memory, and how a reward becomes an advantage.

Each returns a figure whose label is its alt text, made from the numbers it shows.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers import plots
from helpers.plots import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION

BYTES = 4  # of a number in float32
KEPT = (
    ("weights", BLUE, ""),
    ("gradients", ORANGE, "//"),
    ("Adam's two means", SKY, ".."),
)  # the parts, their colours and hatches


def lora_memory(parameters: int, trained: int) -> Figure:
    """Left: a weight matrix with the two thin ones that LoRA trains. Right: the bytes that stay in
    memory when all `parameters` are trained, and when only the `trained` numbers of LoRA are."""
    fig, (left, right) = plots.new_figure(2, 7.6, 2.6)
    _matrices(left)
    full, small = BYTES * parameters / 1e6, BYTES * trained / 1e6  # megabytes
    rows = {
        "all weights\ntrained": (full, full, 2 * full),
        "LoRA": (full + small, small, 2 * small),
    }
    for place, parts in enumerate(rows.values()):
        start = 0.0
        for (name, colour, hatch), size in zip(KEPT, parts, strict=True):
            right.barh(
                place,
                size,
                left=start,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                label=name if not place else None,
            )
            start += size
        right.text(start, place, f" {start:,.1f}", va="center")
    right.set_yticks(range(len(rows)), list(rows))
    right.set(xlabel="megabytes in 32 bits", xlim=(0, 4.7 * full))
    right.locator_params(axis="x", nbins=5)
    right.invert_yaxis()
    right.grid(axis="y", visible=False)
    fig.legend(loc="outside upper right", ncols=3)
    sums = [sum(parts) for parts in rows.values()]
    fig.set_label(
        "Left: LoRA adds to a frozen matrix W the product of a tall thin matrix B and a wide thin "
        f"one A, and trains these two. Right: training all weights keeps {sums[0]:,.1f} megabytes "
        "in 32 bits (weights, gradients and Adam's two means in the proportion 1 to 1 to 2), LoRA "
        f"{sums[1]:,.1f}."
    )
    return fig


def _matrices(ax: Axes) -> None:
    """The picture of W + B A, not to scale."""
    for x, y, width, height, name, colour in (
        (0, 0, 3, 3, "W\nfrozen", GREY),
        (4.2, 0, 0.5, 3, "B", BLUE),
        (5.2, 2.5, 3, 0.5, "A", BLUE),
    ):
        ax.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor=colour,
                edgecolor="white",
                alpha=0.35 if colour == GREY else 1,
            )
        )
        ax.text(
            x + width / 2,
            y + height / 2,
            name,
            ha="center",
            va="center",
            color="black" if colour == GREY else "white",
        )
    ax.text(3.6, 1.5, "+", ha="center", va="center", fontsize=16)
    ax.text(6.7, 1.4, "trained:\ntwo thin matrices", ha="center", va="center", color=BLUE)
    ax.set(xlim=(-0.1, 8.6), ylim=(-0.2, 3.2), aspect="equal")
    ax.axis("off")


def reward_to_advantage(rewards: Sequence[float]) -> Figure:
    """The rewards of one problem's G attempts, their mean, and the advantage of each: an arrow from
    the mean to the reward."""
    mean = sum(rewards) / len(rewards)
    fig, ax = plots.new_figure(width=5.6, height=2.5)
    ax.axhline(mean, color=GREY, linestyle="--", linewidth=1.5)
    ax.text(len(rewards) - 0.35, mean + 0.02, f"mean {mean:.2f}", va="bottom", color="#444444")
    told = []
    for place, reward in enumerate(rewards):
        gain = reward - mean
        colour = GREEN if gain > 0 else VERMILLION if gain < 0 else GREY
        if gain:
            ax.annotate(
                "",
                (place, reward),
                (place, mean),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": colour,
                    "linewidth": 3,
                    "mutation_scale": 16,
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
        else:
            ax.plot(place, mean, "o", color=colour)
        ax.text(
            place + 0.09,
            reward,
            f"{gain:+.2f}",
            va="top" if gain < 0 else "bottom",
            color=colour,
            weight="bold",
        )
        told.append(f"{reward:g} ({gain:+.2f})")
    ax.set_xticks(range(len(rewards)), [f"attempt {n + 1}" for n in range(len(rewards))])
    low, high = min(*rewards, 0), max(*rewards, 1)
    ax.set(ylabel="reward", xlim=(-0.5, len(rewards) + 0.3), ylim=(low - 0.2, high + 0.2))
    ax.grid(axis="x", visible=False)
    fig.set_label(
        f"Rewards of {len(rewards)} attempts, with the advantage of each, its distance "
        f"from the mean {mean:.2f}: {', '.join(told)}."
    )
    return fig
