"""Sliders that redraw one figure, and a figure alone where no slider can live."""

from collections.abc import Callable

import ipywidgets
from matplotlib.figure import Figure

from helpers.widgets.live import Live

LABEL = "11em"  # ipywidgets' own width cuts a name after ten letters
WIDTH = "34em"  # of a slider with its label and its number


def with_sliders(draw: Callable[..., Figure], **sliders) -> Figure:
    """Show draw(name=value, …) below one slider a name, and draw again whenever one moves.

    `sliders`: ipywidgets sliders by the name of draw's argument. Returns the first figure, whose
    alt text is its label. (When the page is loaded again, JupyterLab keeps sliders and figure but
    not the tie between them: run the cell again.)
    """
    def figure() -> Figure:
        return draw(**{name: slider.value for name, slider in sliders.items()})

    for name, slider in sliders.items():
        slider.description = slider.description or name.replace("_", " ")
        slider.style.description_width = LABEL
        slider.layout.width = WIDTH
        slider.layout.max_width = "98%"  # of a narrow page
        slider.observe(lambda change: live.picture(figure()), "value")
    named = ", ".join(slider.description for slider in sliders.values())
    live = Live(ipywidgets.VBox(list(sliders.values())), f"sliders for {named}")
    live.show()
    first = figure()
    live.picture(first)
    return first
