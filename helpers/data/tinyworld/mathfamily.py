"""What one family of competition problems is made of: counted arithmetic, and a list of all.

A family draws its numbers from ``rng`` and calculates through ``Arithmetic``, so the same code
writes a correct solution, one in which a single step goes wrong and is carried on, or one by
somebody who misunderstands the family's rule (MISUNDERSTOOD) and follows the wrong one.
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


# Family -> what somebody takes for its rule who misunderstands it; the other families have no such
# rule. A family asks `Arithmetic.confused` which of the two it is to follow.
MISUNDERSTOOD = {
    "bracket_equation": "what was added in the bracket is added once more",
    "sequence_term": "term n is n differences behind the first",
    "sequence_sum": "the sum of first and last is not halved",
    "sum_and_difference": "the difference is taken off for the larger one",
    "perimeter_from_area": "two sides go around a rectangle",
    "triangle_area": "base times height is not halved",
    "triangle_angle": "the angles of a triangle make 360 degrees",
    "pairs": "each pair is counted twice",
    "choices": "what can be chosen together is added up",
    "least_common_multiple": "it is the product",
    "fraction_of_number": "one part of five is five fewer",
    "percent_of_number": "ten per cent is ten",
    "percent_change": "ten per cent is ten",
}


class Arithmetic:
    """Whole-number calculations, counted; the one numbered ``slip_at`` gives a near miss.

    confused: by somebody who misunderstands the rule of the family that calculates.
    """

    def __init__(self, slip_at: int | None = None, rng: random.Random | None = None,
                 confused: bool = False):
        self.count, self.slip_at, self.rng = 0, slip_at, rng
        self.confused = confused
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
