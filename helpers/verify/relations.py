r"""Equations and inequalities: a name before an answer, a line written another way, an interval.

| written | is |
|---|---|
| `x = 5`, `f(3) = 5`, `\tan A = 5`, `(x,y) = (3,2)`, `5 = x` | 5: what holds no number is a name |
| `5 + 3 = 8` | 8: without letters, both sides being equal |
| `y = 2x + 3`, `2x - y = -3` | one line: the differences of the sides are multiples of each other |
| `1 < x \leq 3`, `3 \geq x > 1` | the interval (1, 3] |
| `x + y < 5`, `5 - x - y > 0` | one half-plane, by a multiple above 0 |
"""

import re

from helpers.verify.arithmetic import NoValue, OtherArithmetic
from helpers.verify.formula import Unreadable, read
from helpers.verify.structure import chain, split
from helpers.verify.tokens import GREEK
from helpers.verify.value import ratio, same

_INDEX = re.compile(r"_(?:\{[^{}]*\}|\w)")
_ARGUMENT = re.compile(r"(?<=[A-Za-z'])(?:\^(?:-1|\{-1\}))?\([^()]*\)")
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_TURNED = {"<": ">", ">": "<", r"\leq": r"\geq", r"\geq": r"\leq", "=": "=", r"\neq": r"\neq"}


def has_letters(text: str) -> bool:
    r"""Whether there is anything in a text that may have many values: an x or a `\theta`."""
    return bool(
        re.search(
            "[A-Za-z]", _COMMAND.sub(lambda found: found[1] if found[1] in GREEK else "", text)
        )
    )


def is_name(text: str) -> bool:
    """Whether a side of an equation only says what is asked for: it has letters and no number but
    in an index, an argument or an inverse, and no sign before it."""
    bare = _ARGUMENT.sub("", _INDEX.sub("", text))
    return bool(re.search("[A-Za-z]", bare)) and not re.search(r"[0-9]|^[-+]|^\\pi$|^[ei]$", bare)


def named(text: str) -> tuple[str, str] | None:
    """(name, value) of `x = 5`, `5 = x`, `f(x) = x(x+1) = x^2+x` or `S \\in [1, 2]`; None if there
    is no name, or if the text is no such thing."""
    sides, signs = chain(text)
    if not signs or not all(sides):
        return None
    if signs == [r"\in"]:
        return (sides[0], sides[1]) if is_name(sides[0]) else None
    if set(signs) != {"="} or any(len(split(side, {",", ";"})) > 1 for side in sides[1:-1]):
        return None  # "x = 2, x = 3" are two
    first, last = sides[0], sides[-1]
    if is_name(first):
        return first, last
    if is_name(last) and len(sides) == 2:
        return last, first
    if not has_letters(text) and _all_same(sides):
        return "", last  # a calculation with its result
    return None


def _all_same(sides: list[str]) -> bool:
    try:
        trees = [read(side) for side in sides]
        return all(same(trees[0], tree) for tree in trees[1:])
    except (Unreadable, NoValue, OtherArithmetic):
        return False


def interval(text: str) -> tuple[str, str] | None:
    r"""(variable, interval) of an inequality in one variable, None for anything else: `1<x\leq 3`
    says that x is in `(1,3]`."""
    sides, signs = chain(text)
    if not signs or not all(sides):
        return None
    if signs[0] in (">", r"\geq"):
        sides, signs = sides[::-1], [_TURNED.get(sign, sign) for sign in signs[::-1]]
    if any(sign not in ("<", r"\leq") for sign in signs):
        return None
    if len(sides) == 2 and _is_variable(sides[0]):
        sides, signs = [r"-\infty", *sides], ["<", *signs]
    elif len(sides) == 2 and _is_variable(sides[1]):
        sides, signs = [*sides, r"\infty"], [*signs, "<"]
    if len(sides) != 3 or not _is_variable(sides[1]) or sides[1] in sides[0] + sides[2]:
        return None
    opened, closed = "(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]"
    return sides[1], f"{opened}{sides[0]},{sides[2]}{closed}"


def _is_variable(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z]|\\(?!pi$|infty$)[a-z]+", _INDEX.sub("", text)))


def same_relation(one: str, other: str) -> bool | None:
    """Whether two equations or inequalities say the same; None if one of them is neither, or cannot
    be read."""
    (sides, signs), (others, other_signs) = chain(one), chain(other)
    if len(signs) != 1 or len(other_signs) != 1 or not {*signs, *other_signs} <= _TURNED.keys():
        return None
    try:
        (left, right), (other_left, other_right) = map(read, sides), map(read, others)
        direct = same(left, other_left) and same(right, other_right)
        if direct and signs == other_signs:
            return True
        turned = same(left, other_right) and same(right, other_left)
        if turned and signs[0] == _TURNED[other_signs[0]]:
            return True
        factor = ratio(("+", left, ("neg", right)), ("+", other_left, ("neg", other_right)))
    except (NoValue, OtherArithmetic):
        return False
    except Unreadable:
        return None
    sign = other_signs[0] if factor > 0 else _TURNED[other_signs[0]]
    return factor != 0 and signs[0] == sign
