"""References that cannot be called while a reader's function runs: their code is taken out of them.

A watch over calls (`sys.setprofile`) sees one thread and can be switched off by whom it watches.
Here the functions themselves refuse, whoever calls them, from whatever thread, by whatever name
they were imported. What is left to somebody who means to cheat: to copy the code of a reference
before the check, or to read it from its file and run that. It stands folded in the notebook, so a
check need not guard it.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

_CALLED: list[bool] = []  # since the last sealing


class Peeked(BaseException):
    """Raised inside a function that calls a reference; no Exception, which many a `try` catches."""


def refused() -> Peeked:
    """Keeps in mind that a sealed function was called, even if nobody hears what is raised."""
    _CALLED.append(True)
    return Peeked()


def _refuse(*_, **__):
    """What a sealed function does. Its globals are those of its own module, so it imports."""
    from sys import modules

    raise modules["helpers.exercises.sealed"].refused()


@contextmanager
def sealed(functions: Iterable[Callable]) -> Iterator[None]:
    """A call of one of these functions raises Peeked, and so does the end of the block.

    functions: written with `def`, without variables of an enclosing function.
    """
    codes = {one: one.__code__ for one in functions}
    _CALLED.clear()
    try:
        for one in codes:
            one.__code__ = _refuse.__code__
        yield
    finally:
        for one, code in codes.items():
            one.__code__ = code
    if _CALLED:
        raise Peeked
