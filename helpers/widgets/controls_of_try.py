"""The fields, buttons and columns of *Try a problem*: what is on the page, and nothing behind it.

Widgets that ipywidgets 7.7 and 8.1 have alike; each is labelled, wraps on a narrow page and works
by keyboard. Buttons are never greyed: one that is would lose the keyboard's place.
"""

from collections.abc import Callable, Collection, Sequence
from html import escape

import ipywidgets
from ipywidgets import Layout

from helpers.config import ConfigError, Course, names
from helpers.data.problem import Problem
from helpers.rungs import BASES
from helpers.widgets import pages
from helpers.widgets.answered import Result
from helpers.widgets.asking import Settings

MOST = 8  # samples: as many as vote
LABELS = {"description_width": "8em"}
WIDE = {"width": "98%", "max_width": "46em"}


def _text(value: str, role: str = "") -> str:
    said = f' role="{role}"' if role else ""
    return f'<div{said} style="{pages.TEXT}">{value}</div>' if value else ""


def _alike(course: Course) -> list[str]:
    """The tasks whose problems this course can ask and judge: puzzles, or problems with answers."""
    found = []
    for name in names("task"):
        try:
            other = Course.load(course.preset, name)
        except ConfigError:  # a task of one's own that does not do this preset
            continue
        if (other.answer_format == "countdown") == (course.answer_format == "countdown") \
                and other.answer_format != "free":
            found.append(name)
    return sorted({*found, course.task})


class Controls:
    """All widgets of one *Try a problem*, in `box`."""

    def __init__(self, course: Course, models: Sequence, puzzles: bool):
        length = course.lengths.completion
        self.question = ipywidgets.Textarea(
            description="Puzzle" if puzzles else "Problem", rows=4, style=LABELS,
            placeholder="3, 4, 5 -> 60" if puzzles else "Type a problem, or draw one.",
            layout=Layout(**WIDE))
        self.answer = ipywidgets.Text(
            description="Answer", placeholder="if you know it: without, no verdicts",
            style=LABELS, layout=Layout(**WIDE))
        self.temperature = ipywidgets.FloatSlider(
            course.generation.temperature, min=0, max=2, step=0.05, description="Temperature",
            continuous_update=False, style=LABELS, layout=Layout(**WIDE))
        self.top_p = ipywidgets.FloatSlider(
            course.generation.top_p, min=0.05, max=1, step=0.05, description="Top-p",
            continuous_update=False, style=LABELS, layout=Layout(**WIDE))
        self.samples = ipywidgets.IntSlider(
            4, 1, MOST, description="Samples", continuous_update=False, style=LABELS,
            layout=Layout(**WIDE))
        self.length = ipywidgets.IntSlider(
            length, min(8, length), max(512, 2 * length), description="Tokens, at most",
            continuous_update=False, style=LABELS, layout=Layout(**WIDE))
        self.draw = ipywidgets.Button(description="Draw a problem")
        self.task = ipywidgets.Dropdown(
            options=_alike(course), value=course.task, description="from task",
            style={"description_width": "5.5em"}, layout=Layout(width="16em"))
        self.generate = ipywidgets.Button(description="Generate", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop")
        self.again = ipywidgets.Button(description="Look again")
        self.bar = ipywidgets.FloatProgress(0.0, min=0.0, max=1.0, description="Progress",
                                            style=LABELS, layout=Layout(**WIDE))
        self.status, self.message, self.head = (ipywidgets.HTML() for _ in range(3))
        self.missing, self.to_make = ipywidgets.HTML(), ipywidgets.VBox()
        self.choices = ipywidgets.HBox(layout=Layout(flex_flow="row wrap", max_width="46em"))
        self.columns = ipywidgets.HBox(layout=Layout(flex_flow="row wrap", width="100%"))
        self.earlier = ipywidgets.Dropdown(options=[("–", -1)], description="Earlier tries",
                                           style=LABELS, layout=Layout(**WIDE))
        self._columns: dict[str, ipywidgets.HTML] = {}
        self._recall: Callable[[int], object] = lambda place: None
        puzzle = () if puzzles else (self.answer,)  # a puzzle's target is its answer
        row = Layout(flex_flow="row wrap")
        self.box = ipywidgets.VBox([
            self.question, *puzzle, ipywidgets.HBox([self.draw, self.task], layout=row),
            ipywidgets.HTML(_text("<b>Models</b>")), self.choices, self.missing, self.to_make,
            self.temperature, self.top_p, self.samples, self.length,
            ipywidgets.HBox([self.generate, self.stop], layout=row),
            self.bar, self.status, self.message, self.head, self.columns, self.earlier,
        ], layout=Layout(width="100%", overflow="hidden"))
        self.offer(models)

    def connect(self, draw: Callable, generate: Callable, stop: Callable, again: Callable,
                recall: Callable[[int], object]) -> None:
        """What is called when a button is pressed, or an earlier try chosen (by its place)."""
        for button, does in ((self.draw, draw), (self.generate, generate), (self.stop, stop),
                             (self.again, again)):
            button.on_click(lambda _, does=does: does())
        self._recall = recall
        self.earlier.observe(self._chosen, "value")

    def offer(self, models: Sequence) -> None:
        """One box a model to tick; those that are missing are greyed, and below stands what makes
        them. What was ticked stays; at first it is the supervised model and the last one made."""
        before = [box.description for box in self.choices.children if box.value]
        made = [one.name for one in models if one.made]
        trained = [name for name in made if name not in BASES] or [BASES[1]]
        before = before or [*trained[:1], *trained[1:][-1:]]
        self.choices.children = [ipywidgets.Checkbox(
            one.name in before and one.made, description=one.name, indent=False,
            disabled=not one.made, layout=Layout(width="auto", margin="2px 14px 2px 2px"))
            for one in models]
        lines = "".join(f"<li>{escape(one.name)}: {escape(one.missing)}</li>"
                        for one in models if not one.made)
        self.missing.value = _text(f"<details><summary>Not made yet: "
                                   f"{escape(', '.join(o.name for o in models if not o.made))}"
                                   f"</summary><ul>{lines}</ul></details>") if lines else ""
        if lines and self.again not in self.box.children:
            place = self.box.children.index(self.missing) + 1
            children = list(self.box.children)
            self.box.children = (*children[:place], self.again, *children[place:])

    def chosen(self) -> list[str]:
        return [box.description for box in self.choices.children if box.value]

    def choose(self, *names: str) -> None:
        """Tick these and no others."""
        for box in self.choices.children:
            box.value = box.description in names and not box.disabled

    def text(self) -> tuple[str, str]:
        return self.question.value, self.answer.value

    def fill(self, problem: Problem) -> None:
        self.question.value, self.answer.value = problem.question, problem.answer

    def settings(self, seed: int) -> Settings:
        return Settings(round(self.temperature.value, 2), round(self.top_p.value, 2),
                        self.samples.value, self.length.value, seed)

    def say(self, words: str) -> None:
        """One message in place of the last; "" takes it away."""
        self.message.value = _text(f"⚠ {escape(words)}" if words else "", "alert")

    def state(self, words: str) -> None:
        self.status.value = _text(escape(words), "status")

    def progress(self, share: float | None, words: str) -> None:
        """`share` None leaves the bar where it is."""
        self.bar.value = self.bar.value if share is None else share
        self.state(words)

    def begin(self, names: Sequence[str], head: str) -> None:
        """Empty columns for these models."""
        self.head.value = head
        self._columns = {name: ipywidgets.HTML(
            pages.column(name, None), layout=Layout(flex="1 1 17em", min_width="0"))
            for name in names}
        self.columns.children = tuple(self._columns.values())
        self.progress(0.0, "")

    def waiting(self, answered: Collection[str]) -> list[str]:
        """The columns of the other models."""
        return [name for name in self._columns if name not in answered]

    def column(self, name: str, html: str) -> None:
        self._columns[name].value = html

    def remember(self, results: Sequence[Result]) -> None:
        """A line of the menu for each result, the last one first."""
        lines = [(pages.title(result), place) for place, result in enumerate(results)]
        self.earlier.unobserve(self._chosen, "value")  # to fill the menu chooses nothing
        self.earlier.options = [("–", -1), *lines[::-1]]
        self.earlier.value = -1
        self.earlier.observe(self._chosen, "value")

    def _chosen(self, change: dict) -> None:
        if change["new"] is not None and change["new"] >= 0:
            self._recall(change["new"])
