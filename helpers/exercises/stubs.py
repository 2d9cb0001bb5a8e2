"""What students wrote, found in their notebooks: the cells of exercises, as plain Python.

A cell is read as IPython reads it: `name?`, `!ls` and `%time` are no Python, and its own
transformer turns them into calls of `get_ipython()`. `Shell` answers those where nothing but the
student's own code shall run.
"""

import symtable
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from helpers.exercises import cells
from helpers.exercises.exercise import everything

BODY_RUNS = ("capture", "prun", "time")  # cell magics below which the cell defines what it says


@dataclass(frozen=True)
class Stub:
    """The code of one exercise in a submitted notebook, as plain Python."""

    notebook: str
    exercise: str
    source: str


def python_of(source: str) -> str:
    """The text of a cell without IPython's own syntax; as it is where that cannot be read."""
    try:
        with warnings.catch_warnings():  # of a backslash in a string: the student's matter
            warnings.simplefilter("ignore")
            return TransformerManager().transform_cell(source).rstrip("\n")
    except (SyntaxError, ValueError, RuntimeError, RecursionError, MemoryError):
        return source


def names_of(code: str) -> set[str]:
    """The names that a cell gives something to, whether by `def`, `=`, `import` or otherwise;
    none for code that is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symbols = symtable.symtable(code, "a cell", "exec").get_symbols()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return {one.get_name() for one in symbols if one.is_assigned() or one.is_imported()}


def stubs_of(path: Path) -> list[Stub]:
    """The students' cells of a notebook, by their tags; a cell that was split is put together.
    Where tags were lost, the last cell that gives the exercise's name to something. ArtifactError:
    no notebook.
    """
    code = [cell for cell in cells.read(path)["cells"] if cell["cell_type"] == "code"]
    found: dict[str, list[str]] = {}
    giving: dict[str, str] = {}
    for cell in code:
        text = python_of("".join(cell["source"]))
        if number := cells.tagged(cell, "exercise"):
            found.setdefault(number, []).append(text)
        giving |= dict.fromkeys(names_of(text), text)
    for exercise in everything():
        if exercise.number not in found and exercise.name in giving:
            found[exercise.number] = [giving[exercise.name]]
    return [Stub(path.name, number, "\n\n".join(parts)) for number, parts in sorted(found.items())]


class Shell:
    """What `get_ipython()` gives to a stub that is graded: the code below `%%time` runs, and no
    other magic, no command of the system and no help does anything."""

    def __init__(self, run: Callable[[str], object]):
        self._run = run

    def run_cell_magic(self, name: str, line: str, body: str) -> None:
        """A cell that begins with `%%name`."""
        if name in BODY_RUNS:
            self._run(python_of(body))

    def getoutput(self, *_: Any) -> list[str]:
        """Of `lines = !command`: nothing was said."""
        return []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None
