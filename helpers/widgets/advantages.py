"""*Advantages*: mark answers of a group right or wrong, and see what four methods make of it.

    advantages()               # eight answers to tick
    table([1, 0, 0, 0])        # the numbers behind it
"""

import ipywidgets
import torch

from helpers import losses
from helpers.widgets import marks
from helpers.widgets.panel import Panel, labelled, row, ticks

WORDS = "answers to mark right or wrong, and their advantages under four methods"
METHODS = {  # name: advantages of rewards (1, G) -> (1, G)
    "REINFORCE, mean baseline": lambda rewards: losses.reinforce_advantages(
        rewards, rewards.mean(1, keepdim=True)),
    "RLOO": losses.rloo_advantages,
    "GRPO": lambda rewards: losses.group_advantages(rewards, "group"),
    "Dr. GRPO": lambda rewards: losses.group_advantages(rewards, "none"),
}


def table(rewards: list[float]) -> dict[str, list[float]]:
    """{method: the advantage of each of G answers}; rewards: G numbers, two at least.

    REINFORCE with the group's mean as its baseline (Williams 1992); RLOO, against the mean of the
    others (Ahmadian et al. 2024, arXiv:2402.14740); GRPO, divided by the group's deviation (Shao et
    al. 2024, arXiv:2402.03300); Dr. GRPO, not divided (Liu et al. 2025, arXiv:2503.20783). All are
    the functions of `helpers.losses`. ValueError for fewer than two.
    """
    if len(rewards) < 2:
        raise ValueError("a group has two answers at least: alone, nothing is better than the mean")
    given = torch.tensor([rewards], dtype=torch.float64)
    return {name: method(given)[0].tolist() for name, method in METHODS.items()}


def said(right: list[bool]) -> str:
    """What is to be noticed about a group, in a sentence or two."""
    count, size = sum(right), len(right)
    if count in (0, size):
        return (f"{'All' if count else 'None'} of {size} answers are right: every advantage is 0, "
                f"and this problem teaches nothing in this step.")
    found = table([float(one) for one in right])
    up = {name: max(values) for name, values in found.items()}
    loudest = up["GRPO"] / up["Dr. GRPO"]
    return (f"{count} of {size} right. A right answer is pushed up by {up['GRPO']:.2f} under GRPO, "
            f"{up['RLOO']:.2f} under RLOO and {up['Dr. GRPO']:.2f} without the division: dividing "
            f"by the deviation makes this group {loudest:.1f} times as loud.")


def page(right: list[bool]) -> str:
    """The table as HTML, with the sentence above it."""
    found = table([float(one) for one in right])
    most = max(abs(value) for values in found.values() for value in values)
    rows = [[f"<b>{place + 1}</b><br>{marks.verdict(one)}",
             *(marks.signed(values[place], most) for values in found.values())]
            for place, one in enumerate(right)]
    return marks.note(said(right), "status") + marks.table(
        ["answer", *found], rows, [marks.ground(one) for one in right])


def advantages(answers: int = 8, right: int = 2) -> Panel:
    """Show the widget: `answers` to tick, the first `right` of them ticked."""
    boxes = ticks([f"answer {place + 1} right" for place in range(16)],
                  [place < right for place in range(16)])
    size = labelled(ipywidgets.IntSlider(answers, 2, 16), "Answers, G")
    shown = row(boxes[:answers])

    def resize(change: dict) -> None:
        shown.children = boxes[:size.value]

    size.observe(resize, "value")
    panel = Panel([size, shown], lambda: page([box.value for box in boxes[:size.value]]), WORDS)
    panel.watch(size, *boxes)
    return panel.show()
