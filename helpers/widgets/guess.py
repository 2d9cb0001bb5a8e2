"""*Guess, then look*: choose or type an answer, reveal what was found, and keep count of the hits.

On a page without Python the answer is folded: a click opens it, and nothing else in the output says
it. What is found is calculated by the cell, so the cell's code does not say it either.
"""

import math
import re
from collections.abc import Sequence
from html import escape
from numbers import Real
from uuid import uuid4

import ipywidgets

from helpers.plots.tables import AS_TEXT
from helpers.widgets.live import Live, output

WRAPPED = 'style="overflow-wrap:anywhere;line-height:1.5;white-space:normal"'
# ipywidgets gives an option one line, cuts what is longer, and puts the button behind its text.
OPTIONS = (
    "<style>.guess-options.guess-options label{height:auto;line-height:1.5;display:flex;"
    "flex-direction:row-reverse;justify-content:flex-end;align-items:flex-start;"
    "overflow-wrap:anywhere;white-space:normal}.guess-options label input{flex:none}</style>"
)
FOLDED = (
    f"<details {{how}} {WRAPPED}>"
    '<summary><b>{question}</b>{options} Guess, then click.</summary><div style="'
    'margin:4px 0 4px 1em">{told}</div></details>'
)


class Score:
    """How many guesses of this kernel hit, of how many made."""

    def __init__(self) -> None:
        self.made = self.hits = 0

    def add(self, hit: bool) -> str:
        """Count one more, and say the state."""
        self.made, self.hits = self.made + 1, self.hits + hit
        return f"{self.hits} of {self.made} guess{'es' if self.made > 1 else ''} hit"


SCORE = Score()


class Guess:
    """The fields of one guess and what happens at a click; see `guess`."""

    def __init__(
        self,
        question: str,
        answer: float | str,
        told: str,
        options: Sequence[str] = (),
        factor: float = 1.1,
    ):
        if options and answer not in options:
            raise ValueError(f"the answer {answer!r} is none of the options {list(options)}")
        if not options and not isinstance(answer, Real):  # numpy's numbers, too
            raise ValueError(f"the answer {answer!r} is no number: give options to choose from")
        self.question, self.answer, self.told = question, answer, told
        self.options, self.factor, self._counted = list(options), factor, False
        layout = ipywidgets.Layout(width="auto", max_width="98%")
        self.field = (
            ipywidgets.RadioButtons(options=self.options, value=None, layout=layout)
            if options
            else ipywidgets.Text(placeholder="a number", layout=ipywidgets.Layout(width="12em"))
        )
        margin = ipywidgets.Layout(margin="2px 2px 2px 16px")
        self.button = ipywidgets.Button(description="Look", layout=margin)
        self.page = ipywidgets.HTML()
        self.field.add_class("guess-options")
        asked = ipywidgets.HTML(f"{OPTIONS}<b {WRAPPED}>{escape(question)}</b>")
        self.box = ipywidgets.VBox(
            [asked, ipywidgets.HBox([self.field, self.button], layout=layout), self.page]
        )
        self.live = Live(self.box, "a field for your guess")
        self.page.value = self.live.hiding()
        self.button.on_click(self.reveal)

    def show(self) -> None:
        """Put it on the page, and below it the folded answer."""
        self.live.show()
        self.live.page(
            FOLDED.format(
                how=AS_TEXT,
                question=escape(self.question),
                options="".join(f"<br>○ {escape(one)}" for one in self.options)
                + ("<br>" if self.options else ""),
                told=escape(self.told),
            ),
            f"{self.question} (The answer unfolds on a page of HTML.)",
        )

    def reveal(self, _: object = None) -> None:
        """Compare the guess and show what was found; a guess counts once, the first."""
        made = self._made()
        if made is None:
            wanted = "choose one first" if self.options else "type a number first"
            self.page.value = self.live.hiding() + f"<i>{wanted}</i>"
            return
        hit = self._hits(made)
        text = f"You said {made if isinstance(made, str) else format(made, ',g')}: "
        text += "right. " if hit and self.options else "near enough. " if hit else "no. "
        if not self._counted:
            self.state, self._counted = SCORE.add(hit), True
        self.page.value = (
            self.live.hiding()
            + f"<div {AS_TEXT} {WRAPPED}>{escape(text)}<b>{escape(self.told)}</b> "
            + f"({self.state})</div>"
        )

    def _made(self) -> float | str | None:
        """What was chosen or typed; None if that is nothing."""
        if self.options:
            return self.field.value
        try:
            text = re.sub(r",(?=\d{3}(?!\d))", "", self.field.value.strip())  # 12,345
            value = float(text.replace(",", "."))  # 0,5 of those who write so
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def _hits(self, made: float | str) -> bool:
        if isinstance(made, str) or isinstance(self.answer, str):
            return made == self.answer
        low, high = sorted((self.answer / self.factor, self.answer * self.factor))
        return low <= made <= high


def guess(
    question: str,
    answer: float | str | None,
    told: str,
    options: Sequence[str] = (),
    factor: float = 1.1,
) -> None:
    """Ask for a guess of what the cell has just found, and show it at a click.

    answer: a number, or the right one of `options`; None or NaN where this run has none (nothing
    was logged, a tie): then `told` stands there in the open and nothing is asked. told: what is
    shown then, in words. factor: a number hits if it is at most so many times too large or too
    small. ValueError if the answer is none of the options, or no number where there are none.
    """
    if answer is None or (not isinstance(answer, str) and not math.isfinite(answer)):
        page = {"text/html": f"<div {AS_TEXT}>{escape(told)}</div>", "text/plain": told}
        output(page, f"told-{uuid4().hex[:12]}")
        return
    Guess(question, answer, told, options, factor).show()
