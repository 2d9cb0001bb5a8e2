"""The row of *Try a problem* that makes a model which is not there: which one, what that takes, a
button that begins, one that ends it, and where the run is.
"""

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets
import torch
from ipywidgets import Layout

from helpers.config import Course
from helpers.widgets import pages
from helpers.widgets.making import Ended, Making, Step

NONE = ("–", "")  # of the menu: nothing is chosen
HOURS = 90  # minutes, from which on they are told as hours
BESIDE = (
    "It runs beside this page, and other models can be asked meanwhile. Stopped, it keeps what is "
    "finished and goes on from there the next time. It ends with this page's kernel at the latest."
)
NO_GPU = (
    "These are minutes on the GPU that preset {} is made for. There is none here: it would take "
    "very much longer, if it fits at all."
)
BUSY = "{} is being made: stop that, or wait for it. One run at a time."
STOPPED = "Stopped. What is finished is kept, and to make {} goes on from there."


class OfferToMake:
    """The controls in `box`, over a `Making`. made: called with a stage when a run has ended and
    has made it; from the thread of the run."""

    def __init__(self, course: Course, making: Making, made: Callable[[str], object]):
        self.course, self.making, self._made = course, making, made
        self._steps: list[Step] | None = None  # of the chosen stage, once they are known
        self.menu = ipywidgets.Dropdown(
            options=[NONE],
            value="",
            description="Make a model",
            style={"description_width": "7em"},
            layout=Layout(width="18em", max_width="98%"),
        )
        wide = Layout(width="auto", max_width="98%")
        self.make = ipywidgets.Button(description="Make it", layout=wide)
        self.end = ipywidgets.Button(description="Stop making it", layout=wide)
        self.words, self.line, self.message = (ipywidgets.HTML() for _ in range(3))
        row = ipywidgets.HBox([self.menu, self.make, self.end], layout=Layout(flex_flow="row wrap"))
        self.box = ipywidgets.VBox(
            [row, self.words, self.line, self.message], layout=Layout(width="98%", max_width="46em")
        )
        self.menu.observe(self._chosen, "value")
        self.make.on_click(lambda _: self.begin())
        self.end.on_click(lambda _: self.stop())
        making.watcher = self
        if making.running:  # of a cell that was run before
            self.moved(making.stage, "…")

    def offer(self, stages: Sequence[str]) -> None:
        """The stages to choose from; a choice stays as long as there is one."""
        chosen = self.menu.value if self.menu.value in stages else ""
        self.menu.unobserve(self._chosen, "value")  # to fill the menu chooses nothing
        self.menu.options = [NONE, *((name, name) for name in stages)]
        self.menu.value = chosen
        self.menu.observe(self._chosen, "value")
        if not chosen:
            self._nothing_chosen()

    def begin(self) -> None:
        """Make the chosen stage, once it has been said what that takes."""
        if self.making.running:
            self._say(BUSY.format(self.making.stage))
        elif not self.menu.value:
            self._say("Choose first which model is to be made.")
        elif self._steps is None:  # nobody begins what may take hours without being told
            self._look_up(self.menu.value)
        else:
            self._say("")
            self.line.value = _text(f"Making {self.menu.value}: it begins …")
            self.making.start(self.menu.value)

    def stop(self) -> None:
        if self.making.stop():
            self._state("Stopping …")
        else:
            self._say("Nothing is being made.")

    def leave(self) -> None:
        """The widget is closed, and its run with it; one that another widget shows goes on."""
        if self.making.watcher is self:
            self.making.stop()

    # What the run reports, from its threads

    def planned(self, stage: str, steps: list[Step], problem: str) -> None:
        if stage != self.menu.value:
            return  # another one was chosen meanwhile
        if problem:
            if self._steps is None:  # else it was known before, and how the run ended stays said
                self._nothing_chosen()
                self._say(f"{stage} cannot be made here: {problem}")
            return
        lacks_gpu = self.course.preset != "tiny" and not torch.cuda.is_available()
        warning = [NO_GPU.format(self.course.preset)] if lacks_gpu else []
        self.words.value = _text(" ".join([takes(stage, steps), *warning, BESIDE]))
        minutes = in_words(sum(one.minutes for one in steps))
        self.make.description = f"Make it ({minutes})" if minutes else "Make it"
        self._steps = steps  # from now on the button begins

    def moved(self, stage: str, line: str) -> None:
        self.line.value = _text(f"Making {stage}: {line}")

    def ended(self, how: Ended) -> None:
        self.line.value = ""
        if how.stopped and how.code:
            self._state(STOPPED.format(how.stage))
            self.making.plan(how.stage)  # which may be less now
        elif how.code:
            why = how.line if how.code > 0 else f"its process was ended by signal {-how.code}"
            self._say(f"{how.stage} was not made: {why or f'the run ended with {how.code}'}")
            self.making.plan(how.stage)
        else:
            self._state(f"{how.stage} is made.")
            self._made(how.stage)

    def _chosen(self, change: dict) -> None:
        self._nothing_chosen()
        if change["new"]:
            self._look_up(change["new"])

    def _look_up(self, stage: str) -> None:
        self._say("")
        self.words.value = _text(f"Looking up what {stage} takes …")
        self.making.plan(stage)

    def _nothing_chosen(self) -> None:
        self._steps, self.make.description, self.words.value = None, "Make it", ""

    def _say(self, words: str) -> None:
        self.message.value = _text(f"⚠ {words}" if words else "", "alert")

    def _state(self, words: str) -> None:
        self.message.value = _text(words, "status")


def in_words(minutes: float) -> str:
    """ "about 7 minutes"; "" where none are said."""
    if not minutes:
        return ""
    if minutes < 0.75:
        return "less than a minute"
    if minutes >= HOURS:
        return f"about {minutes / 60:.1f} hours"
    return f"about {minutes:.0f} minute{'s' * (round(minutes) != 1)}"


def takes(stage: str, steps: Sequence[Step]) -> str:
    """What is executed for a stage, in a sentence or two."""
    if not steps:
        return f"{stage} is made by now: press Look again."

    def told(step: Step) -> str:
        return ", ".join(filter(None, [f"notebook {step.notebook}", in_words(step.minutes)]))

    *first, last = steps
    needed = [f"{' and '.join(one.makes) or 'its data'} ({told(one)})" for one in first]
    before = f"Needed first: {', '.join(needed)}. Then " if needed else ""
    return f"{before}{stage} ({told(last)})."


def _text(words: str, role: str = "") -> str:
    said = f' role="{role}"' if role else ""
    return f'<div{said} style="{pages.TEXT}">{escape(words)}</div>' if words else ""
