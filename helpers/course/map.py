"""The map of the course: its notebooks as boxes, and which one needs what another makes."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from helpers.course.graph import Notebook, in_order, parents, with_parents
from helpers.plots import BLUE, GREY, VERMILLION, use_style

WIDTH, HEIGHT = 2.3, 0.6  # of a box, in inches
COLUMN, ROW = 2.6, 0.78  # from one box to the next


def course_map(notebooks: Sequence[Notebook], here: str = "") -> Figure:
    """Notebooks in columns, each to the right of all it needs; arrows follow what is handed on.

    An arrow is left out where a way of several arrows leads from the one to the other. `here` is
    the start of the name of the notebook to mark ("00"). The alt text is set.
    """
    places = _places(list(notebooks))
    columns = 1 + max(x for x, _ in places.values())
    rows = 1 + max(y for _, y in places.values())
    use_style()
    fig = Figure(figsize=(COLUMN * columns, ROW * rows))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, COLUMN * columns), ylim=(ROW * rows, 0))
    ax.axis("off")
    for notebook in notebooks:
        left, top = _corner(places[notebook.name])
        mine = bool(here) and notebook.name.startswith(here)
        ax.add_patch(FancyBboxPatch(
            (left, top), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=BLUE if mine else "white", edgecolor=BLUE if notebook.needs or mine else GREY,
            linewidth=1.6, zorder=2))
        ax.text(left + WIDTH / 2, top + HEIGHT / 2, _label(notebook), ha="center", va="center",
                fontsize=10, color="white" if mine else "#222222", linespacing=1.25, zorder=3)
        for other in _direct(notebook, notebooks):
            _arrow(ax, places[other.name], places[notebook.name])
    fig.set_label(_in_words(notebooks))
    return fig


def _direct(notebook: Notebook, notebooks: Sequence[Notebook]) -> list[Notebook]:
    """The notebooks this one needs, without those that another of them needs already."""
    needed = parents(notebook, notebooks)
    indirect = {far.name for near in needed for far in with_parents([near], list(notebooks))
                if far is not near}
    return [other for other in needed if other.name not in indirect]


def _places(notebooks: list[Notebook]) -> dict[str, tuple[int, int]]:
    """Column (longest chain of needs before it) and row (in reading order) of each notebook, no box
    in the way of an arrow."""
    column: dict[str, int] = {}
    for notebook in in_order(notebooks):
        before = [column[other.name] for other in parents(notebook, notebooks)]
        column[notebook.name] = 1 + max(before, default=-1)
    reach = {}  # the last column that an arrow from this notebook passes or stands in
    for notebook in notebooks:
        ends = [column[o.name] - 1 for o in notebooks if notebook in _direct(o, notebooks)]
        reach[notebook.name] = max([column[notebook.name], *ends])
    filled: dict[int, int] = {}
    places = {}
    for notebook in notebooks:
        x = column[notebook.name]
        passed = range(x, reach[notebook.name] + 1)  # no box may stand there in this row
        # Not above the notebooks it needs, so that arrows run to the right or downwards.
        above = [places[o.name][1] for o in parents(notebook, notebooks) if o.name in places]
        y = max([*(filled.get(one, 0) for one in passed), *above])
        places[notebook.name] = x, y
        filled |= dict.fromkeys(passed, y + 1)
    return places


def _corner(place: tuple[int, int]) -> tuple[float, float]:
    return place[0] * COLUMN + (COLUMN - WIDTH) / 2, place[1] * ROW + (ROW - HEIGHT) / 2


def _label(notebook: Notebook) -> str:
    """The title without what follows a colon, and what the notebook makes."""
    title = textwrap.shorten(notebook.title.partition(":")[0], 32, placeholder="…")
    return title + (f"\nmakes {', '.join(notebook.makes)}" if notebook.makes else "")


def _arrow(ax, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Along the row of its start, and up or down in the gap before its end."""
    (x, y), (to_x, to_y) = _corner(start), _corner(end)
    turn, y, to_y = to_x - (COLUMN - WIDTH) / 2, y + HEIGHT / 2, to_y + HEIGHT / 2
    ax.add_patch(FancyArrowPatch(
        path=Path([(x + WIDTH, y), (turn, y), (turn, to_y), (to_x - 0.01, to_y)]),
        arrowstyle="-|>", color=VERMILLION, fill=False, linewidth=1.5, mutation_scale=11,
        zorder=1))


def _in_words(notebooks: Sequence[Notebook]) -> str:
    """The map as a sentence a notebook."""
    said = []
    for notebook in notebooks:
        needs = f" needs {', '.join(notebook.needs)} and" if notebook.needs else ""
        said.append(f"{notebook.title}{needs} makes {', '.join(notebook.makes) or 'nothing'}")
    return f"Map of the course. {'; '.join(said)}."
