"""What an exercise is: a reference to reach, inputs to try, and the mistakes that are likely."""

import importlib
import inspect
import random
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

NOTEBOOKS = ("00", "01", "02", "03", "04", "05", "06", "07", "08", "A1", "A2")


@dataclass(frozen=True)
class Mistake:
    """A likely wrong answer, and what is said to whoever gives it.

    `function` takes what the reference takes; a test holds that the check answers it with
    `message` and no other wrong answer with the same.
    """

    message: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class Exercise:
    """One function to write.

    number: "02.1", the notebook and its place there. reference: the solution; its name, signature
    and docstring (with the shapes) are the stub's. imports: lines that stub and solution begin
    with. cases: fresh inputs of the generator it is given, a tuple of arguments each, all mistakes
    told apart among them. shapes: of what goes in and comes out, in words. difficulty: 1 to 3.
    minutes: for a student who has read the notebook. measured: an expression with the reference's
    name; its value stands in the solution, with a remark. given: code for what of the notebook's
    own it needs. tolerance: relative and absolute. seconds: how long all cases together may take.
    kept: what the cell of the check calls the function to go on with, no name of the notebook's.
    """

    number: str
    title: str
    difficulty: int
    minutes: int
    shapes: str
    text: str
    hint: str
    reference: Callable[..., Any]
    cases: Callable[[random.Random], Sequence[tuple]]
    mistakes: Sequence[Mistake]
    measured: str
    remark: str = ""
    imports: str = ""
    given: str = ""
    tolerance: float = 1e-5
    seconds: float = 5.0
    kept: str = "solved"

    @property
    def name(self) -> str:
        """Of the function."""
        return self.reference.__name__

    @property
    def notebook(self) -> str:
        """Its number: 00, … A2."""
        return self.number.partition(".")[0]

    @cached_property
    def _source(self) -> str:
        return textwrap.dedent(inspect.getsource(self.reference)).rstrip() + "\n"

    @property
    def call(self) -> str:
        """How it is called: `wilson(right, n)`."""
        return f"{self.name}({', '.join(inspect.signature(self.reference).parameters)})"

    def solution(self) -> str:
        """The code of the reference, with its imports."""
        return self._with_imports(self._source)

    def stub(self) -> str:
        """The same with nothing below the docstring but NotImplementedError."""
        head, quotes, after = self._source.partition('"""')
        docstring, end, _ = after.partition('"""')
        if not end:
            raise ValueError(f"{self.number}: {self.name} has no docstring to end its stub with")
        return self._with_imports(
            f"{head}{quotes}{docstring}{end}\n    raise NotImplementedError  # yours\n"
        )

    def _with_imports(self, source: str) -> str:
        return f"{self.imports}\n\n\n{source}" if self.imports else source


def of(notebook: str) -> tuple[Exercise, ...]:
    """The exercises of a notebook ("02"), in order; none for one that has none."""
    if notebook not in NOTEBOOKS:
        return ()
    module = importlib.import_module(f"helpers.exercises.notebook_{notebook.lower()}")
    return tuple(module.EXERCISES)


def everything() -> list[Exercise]:
    """All exercises, notebook by notebook."""
    return [one for notebook in NOTEBOOKS for one in of(notebook)]


def find(number: str) -> Exercise:
    """The exercise of this number; KeyError says which there are."""
    notebook = str(number).partition(".")[0]
    there = of(notebook) or everything()
    for one in there:
        if one.number == number:
            return one
    raise KeyError(
        f"there is no exercise {number!r}; there are {', '.join(one.number for one in there)}"
    )
