"""Sliders that redraw one figure, and a figure alone where no slider can live.

ipywidgets' `interact` draws into a widget, which a page without Python (a printout, the web, a
papermill run) shows as nothing. Here the figure is an output of the cell like any other, and the
sliders replace it.
"""

from collections.abc import Callable

from IPython.display import display
from matplotlib.figure import Figure

from helpers import plots


def with_sliders(draw: Callable[..., Figure], **sliders) -> Figure:
    """Show draw(name=value, …) below one slider a name, and draw again whenever one moves.

    `sliders`: ipywidgets sliders by the name of draw's argument. Returns the first figure, whose
    alt text is its label.
    """
    import ipywidgets

    def figure() -> Figure:
        return draw(**{name: slider.value for name, slider in sliders.items()})

    def redraw(change: dict) -> None:
        again = figure()
        plots.show(again, again.get_label(), f"with-{draw.__name__}", update=True)

    for name, slider in sliders.items():
        slider.description = slider.description or name.replace("_", " ")
        slider.observe(redraw, "value")
    box = ipywidgets.VBox(list(sliders.values()))
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    named = ", ".join(slider.description for slider in sliders.values())
    display({"application/vnd.jupyter.widget-view+json": view,
             "text/plain": f"(sliders for {named}: live in Jupyter or Colab)"}, raw=True)
    first = figure()
    plots.show(first, first.get_label(), f"with-{draw.__name__}")
    return first
