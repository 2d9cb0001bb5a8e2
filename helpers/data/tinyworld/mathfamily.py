"""What one family of competition problems is made of: counted arithmetic, and a list of all.

A family draws its numbers from ``rng`` and calculates through ``Arithmetic``, so the same code
writes a correct solution or one in which a single step goes wrong and is carried on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

NAMES = ("Ana", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jonas")
THINGS = ("marbles", "stamps", "cards", "shells", "books", "pears", "beads", "coins")


@dataclass(frozen=True)
class Item:
    """One problem. ``noun`` names what is asked ("the sum of ..."); ``answer`` is the exact one."""

    family: str
    subject: str
    problem: str
    noun: str
    steps: tuple[str, ...]
    reached: str  # what the steps end with: equals `answer` unless a step slipped
    answer: str
    hardness: int  # 1..5, from the number of calculations
    seed: int  # write(family, seed, ...) gives this problem again


class Arithmetic:
    """Whole-number calculations, counted; the one numbered ``slip_at`` gives a near miss."""

    def __init__(self, slip_at: int | None = None, rng: random.Random | None = None):
        self.count, self.slip_at, self.rng = 0, slip_at, rng
        self.lowest = 0  # below 0 after a slip that made a later result negative

    def _give(self, exact: int) -> int:
        self.count += 1
        self.lowest = min(self.lowest, exact)
        if self.slip_at != self.count - 1:
            return exact
        near = [exact + d for d in (-10, -2, -1, -1, 1, 1, 2, 10) if exact + d >= 1]
        return self.rng.choice(near)

    def add(self, a: int, b: int) -> int:
        return self._give(a + b)

    def sub(self, a: int, b: int) -> int:
        return self._give(a - b)

    def mul(self, a: int, b: int) -> int:
        return self._give(a * b)

    def div(self, a: int, b: int) -> int:
        return self._give(a // max(b, 1))  # exact in every correct solution

    def mod(self, a: int, b: int) -> int:
        return self._give(a % max(b, 1))


Parts = tuple[list[str], list[str], list[str], str]  # nouns, whole questions, steps, answer
Writer = Callable[[random.Random, Arithmetic], Parts]
FAMILIES: dict[str, tuple[str, Writer]] = {}


def family(subject: str) -> Callable[[Writer], Writer]:
    """Register a family under its function's name and one of MATH's subject names."""

    def register(function: Writer) -> Writer:
        FAMILIES[function.__name__] = (subject, function)
        return function

    return register


def fraction(top: int, bottom: int) -> str:
    """LaTeX of top/bottom in lowest terms; a whole number is written without \\frac."""
    shared = gcd(top, bottom) or 1
    top, bottom = top // shared, bottom // shared
    return str(top) if bottom == 1 else f"\\frac{{{top}}}{{{bottom}}}"
