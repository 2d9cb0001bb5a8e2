"""Sliders that redraw one figure, and a figure alone where no slider can live.

ipywidgets' `interact` draws into a widget, which a page without Python (a printout, the web, a
papermill run) shows as nothing. Here the figure is an output of the cell like any other, and the
sliders replace it. (When the page is loaded again, JupyterLab keeps both but not the tie between
them: run the cell again.)
"""

from collections.abc import Callable

from IPython.display import display
from matplotlib.figure import Figure

from helpers import plots

LABEL = "11em"  # ipywidgets' own width cuts a name after ten letters
WIDTH = "34em"  # of a slider with its label and its number


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
        plots.show(again, str(again.get_label()), picture, update=True)

    for name, slider in sliders.items():
        slider.description = slider.description or name.replace("_", " ")
        slider.style.description_width = LABEL
        slider.layout.width = WIDTH
        slider.observe(redraw, "value")
    box = ipywidgets.VBox(list(sliders.values()))
    picture = f"with-{box.model_id}"  # its own, or two cells that share draw move together
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    named = ", ".join(slider.description for slider in sliders.values())
    display({"application/vnd.jupyter.widget-view+json": view,
             "text/plain": f"(sliders for {named}: live in Jupyter or Colab)"}, raw=True)
    first = figure()
    plots.show(first, str(first.get_label()), picture)
    return first
