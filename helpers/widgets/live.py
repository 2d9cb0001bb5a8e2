"""A widget on the page, and below it a copy of what it shows, for pages without Python.

One mechanism for all widgets. The widget is an output of its cell; the copy is a second one, a
picture or a piece of HTML, replaced whenever what it shows has changed (papermill keeps that, too).
A page on the web, a printout or a notebook that was opened and not run yet shows the copy, and in
the widget's place one sentence that says what running the cell gives.

A *picture* is an output like any other, and there is one: the live one is the copy. A *page* of
HTML stands in the widget, and a rule that lives in the widget hides the copy beside it. Voila never
changes an output of a cell, so there a picture stands in the widget as well.
"""

import base64
import io
import os
from html import escape
from typing import Any
from uuid import uuid4

import ipywidgets
from matplotlib.figure import Figure

from helpers import plots

VIEW = "application/vnd.jupyter.widget-view+json"
WORDS = "Run this cell in Jupyter or Colab to get {}."


def in_voila() -> bool:
    """Whether this kernel was started by Voila, which says so in the environment."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def in_notebook() -> bool:
    from IPython import get_ipython

    return get_ipython() is not None


def output(data: dict[str, Any], display_id: str, update: bool = False) -> None:
    """An output of the running cell, or a new content for it wherever it stands."""
    from IPython.display import display

    if in_notebook():
        display(data, raw=True, display_id=display_id, update=update)


class Live:
    """A box of widgets with its copy. `words` name what is to be had, after "to get"."""

    def __init__(self, box: ipywidgets.Box, words: str):
        self.box, self.words = box, words
        self.name = uuid4().hex[:12]  # its own, or two cells that draw alike would move together
        self._shown = False
        self._picture: ipywidgets.HTML | None = None

    def hiding(self) -> str:
        """A rule for a live part of the box: where that is drawn, the copy is not."""
        return f"<style>.copy-{self.name}{{display:none}}</style>"

    def show(self) -> None:
        """Put the box on the page."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        output({VIEW: view, "text/plain": WORDS.format(self.words)}, f"live-{self.name}")

    def page(self, html: str, plain: str) -> None:
        """The copy as HTML, in `plain` words where there is none: the first time below the box,
        later in the same place."""
        kept = f'<div class="copy-{self.name}">{html}</div>'
        output({"text/html": kept, "text/plain": plain}, self._copy, self._shown)
        self._shown = True

    def picture(self, fig: Figure) -> None:
        """The picture below the box; its alt text is the figure's label."""
        alt = str(fig.get_label())
        if not in_voila():
            plots.show(fig, alt, self._copy, self._shown)
            self._shown = True
            return
        if self._picture is None:
            self._picture = ipywidgets.HTML()
            self.box.children = (*self.box.children, self._picture)
        self._picture.value = _image_html(fig, alt)

    @property
    def _copy(self) -> str:
        return f"copy-{self.name}"


def _image_html(fig: Figure, alt: str) -> str:
    """The figure inside a page, never wider than it."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=plots.style.DPI)
    return (f'<img style="max-width:100%;height:auto" alt="{escape(alt)}" '
            f'src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">')
