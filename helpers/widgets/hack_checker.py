"""*Hack checker*: type a completion, and see which rewards pay it as well as an honest one.

hack_checker(wishes, "How many kites?", "8 " * 30)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ipywidgets

from helpers.plots.tables import WRONG
from helpers.widgets import marks
from helpers.widgets.panel import Panel, labelled, row

WORDS = "a field for a completion of your own, and what each reward pays it"
ENOUGH = 1 - 1e-9  # of an honest completion's pay


@dataclass(frozen=True)
class Wish:
    """One wish and two rewards for it, a naive one and ours: a text in, a number out (None: cannot
    judge). honest: a completion that both should pay."""

    naive: Callable[[str], float | None]
    ours: Callable[[str], float | None]
    honest: str

    def pay(self, text: str) -> tuple[float, float]:
        """What both pay the text, as a multiple of what they pay the honest completion.

        ValueError where a reward pays the honest one nothing: then there is nothing to compare.
        """
        found = []
        for reward in (self.naive, self.ours):
            fair = reward(self.honest) or 0.0
            if fair <= 0:
                raise ValueError("a reward pays its honest completion nothing")
            found.append((reward(text) or 0.0) / fair)
        return found[0], found[1]


def page(wishes: Mapping[str, Wish], text: str) -> str:
    """The pay of `text` by every reward, and how many of each kind it deceives."""
    paid = {name: wish.pay(text) for name, wish in wishes.items()}
    naive, ours = (sum(pay[side] >= ENOUGH for pay in paid.values()) for side in (0, 1))
    said = (
        f"As well as an honest completion it is paid by {naive} of {len(paid)} naive rewards, "
        f"and by {ours} of ours."
    )
    rows = [
        [marks.note(name), *(f"{'▲ ' if one >= ENOUGH else ''}{one:.1f}" for one in pay)]
        for name, pay in paid.items()
    ]
    grounds = [WRONG if max(pay) >= ENOUGH else "" for pay in paid.values()]
    head = ["reward", "naive pays (honest work: 1)", "ours pays (honest work: 1)"]
    return marks.note(said, "status") + marks.text_of(text) + marks.table(head, rows, grounds)


def hack_checker(wishes: Mapping[str, Wish], question: str, start: str) -> Panel:
    """Show the widget; question: what the completions answer, start: the first text in the field.

    wishes: {name: Wish}. The text is never run, and shown escaped.
    """
    field = labelled(ipywidgets.Textarea(start, rows=5), "Completion")
    field.continuous_update = False
    button = ipywidgets.Button(description="Pay")
    panel = Panel([field, row([button])], lambda: page(wishes, field.value), WORDS, question)
    panel.watch(field)
    button.on_click(lambda _: panel.refresh())
    return panel.show()
