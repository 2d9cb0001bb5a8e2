"""Controls above one result that is made anew whenever one of them is moved.

The result is a piece of HTML or a figure. What is wrong with a setting (a ValueError that says it)
is one message in place, and the result before stays. The copy for pages without Python is made by
`live`, as of all widgets.
"""

from collections.abc import Callable, Sequence

import ipywidgets
from ipywidgets import Layout
from matplotlib.figure import Figure

from helpers.files import ArtifactError
from helpers.widgets import marks
from helpers.widgets.live import Live

LABELS = {"description_width": "9em"}
WIDE = {"width": "98%", "max_width": "36em"}


def labelled(control: ipywidgets.DOMWidget, name: str) -> ipywidgets.DOMWidget:
    """The control with its name beside it, never wider than the page; a text is taken when it is
    complete."""
    control.description = name
    control.style.description_width = LABELS["description_width"]
    control.layout = Layout(**WIDE)
    if isinstance(control, ipywidgets.Text):
        control.continuous_update = False
    return control


def ticks(names: Sequence[str], on: Sequence[bool]) -> list[ipywidgets.Checkbox]:
    """Boxes to tick, each under its name."""
    return [ipywidgets.Checkbox(one, description=name, indent=False,
                                layout=Layout(width="auto", margin="2px 14px 2px 2px"))
            for name, one in zip(names, on, strict=True)]


def row(children: Sequence[ipywidgets.Widget]) -> ipywidgets.HBox:
    """Side by side, and below each other where there is no room."""
    return ipywidgets.HBox(list(children), layout=Layout(flex_flow="row wrap", width="100%",
                                                         align_items="center"))


class Panel:
    """make: the result, HTML or a figure whose label says it in words; words: what is to be had,
    after "Run this cell to get"; note: where what is shown comes from."""

    def __init__(self, controls: Sequence[ipywidgets.Widget], make: Callable[[], str | Figure],
                 words: str, note: str = ""):
        self.make, self.note = make, note
        self.message, self.result = ipywidgets.HTML(), ipywidgets.HTML()
        self.box = ipywidgets.VBox(
            [ipywidgets.HTML(marks.note(note)), *controls, self.message, self.result],
            layout=Layout(width="100%", overflow="hidden"))
        self.live = Live(self.box, words)
        self._told = Live(self.box, words)  # of a figure: its words, beside the picture

    def watch(self, *controls: ipywidgets.Widget) -> None:
        """Make the result anew when one of these has another value."""
        for control in controls:
            control.observe(lambda _: self.refresh(), "value")

    def refresh(self) -> None:
        """The result of the controls as they stand, and its copy."""
        try:
            made = self.make()
        except (ValueError, ArtifactError) as error:
            self.message.value = marks.note(f"⚠ {error}", "alert")
            return
        self.message.value = ""
        if isinstance(made, Figure):
            words = str(made.get_label())
            self.result.value = self._told.hiding() + marks.note(words, "status")
            self.live.picture(made)
            self._told.page(marks.note(f"{words} {self.note}"), words)
            return
        self.result.value = self.live.hiding() + made
        kept = marks.note(self.note) + self.still(made)
        self.live.page(kept, marks.plain(kept))

    def still(self, html: str) -> str:
        """What the copy shows of a result: the same, but where a widget says otherwise."""
        return html

    def show(self) -> "Panel":
        """Put it on the page, with its copy below."""
        self.live.show()
        self.refresh()
        return self
