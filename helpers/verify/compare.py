r"""Say whether two answers are equal: numbers, words, lists, intervals, matrices, lines, formulas.

Rules come first, then values: a formula that `formula` can read is calculated exactly (`value`);
only one that it cannot goes to math-verify, in its own process (`symbolic`). The rules:

- Two numbers are equal if their exact values are; their units must not contradict each other.
- A number is asked for: only a number is right, no calculation that is left undone (`2+2`, `5!`,
  `\frac{60}{12}`, `\sqrt{9}`).
- Words and choice letters are equal as text, whatever their case: `\text{(C)}`, `(C)`, `C`.
- A tuple, interval or matrix must agree in brackets, order and every entry; a list or set
  (`1, -2`, `\{-2, 1\}`, `1 \pm 2`) in its entries in any order.
- `x = 5` and `x \in S` are the same as `5` and `S`, but not as `y = 5`. Equations and inequalities
  are the same if one is a multiple of the other (`relations`).
"""

import re
from functools import lru_cache

from helpers.verify import symbolic
from helpers.verify.arithmetic import Exact, NoValue, OtherArithmetic, evaluate
from helpers.verify.formula import Unreadable, read
from helpers.verify.latex import canonical
from helpers.verify.quantity import LONGEST, UNIT, number, sign_of, written_quantity
from helpers.verify.relations import has_letters, interval, named, same_relation
from helpers.verify.structure import chain, parts, split
from helpers.verify.tokens import COMMAND, FUNCTIONS
from helpers.verify.tree import symbols
from helpers.verify.units import is_known, same_unit
from helpers.verify.value import same

_LONGEST_FORMULA = 4 * LONGEST  # characters; longer answers are equal only if they are the same
_MOST_PARTS = 40  # entries of a list or matrix; MATH has no answer with more
_POINTS = 32  # where remainders with letters are compared; by 2, half of all numbers are the same

_CHOICE = re.compile(r"\(?([A-J])\)?")
_WORDS = re.compile(r"(?=.*[A-Za-z]{2})[A-Za-z .,:'\"0-9()-]+")
_ONLY_LETTERS = re.compile(r"[A-Za-z .']+|[A-Za-z-]*[A-Za-z]{3}[A-Za-z .'-]*")
_WITH_UNIT = re.compile(rf"(?P<body>.+?)(?P<unit>{UNIT})")
_FUNCTION = re.compile(rf"(?:{'|'.join(FUNCTIONS)})$")  # and what follows is no unit: \sin s
_AS_IT_STANDS = re.compile(r"[0-9]_|[0-9]:[0-9]")  # a number in another base, a time, a ratio
_BLANK = re.compile(r"(?<![0-9,;]) | (?![0-9])")  # that parts no two numbers


def equal(reference: str, answer: str, budget: symbolic.Budget | None = None) -> bool:
    """Say whether `answer` is what the `reference` answer says; no two strings raise.

    The order matters in one point: a reference that is a formula (`2^{10}`) may be answered by
    its number, but not the other way round. What takes longer than the `budget` is not equal.
    """
    one, other = number(reference), number(answer)
    if one is not None and other is not None:
        if one != other:
            return False
        sign, other_sign = sign_of(reference), sign_of(answer)
        return not sign or not other_sign or sign == other_sign
    if max(len(reference), len(answer)) > _LONGEST_FORMULA:
        return reference.strip() == answer.strip()
    return _equal(_canonical(reference), _canonical(answer), budget or symbolic.Budget())


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return canonical(text)


@lru_cache(maxsize=4096)
def _quantity(text: str):
    return written_quantity(canonical(text, joined=False))  # it may be a part with brackets


def _equal(one: str, other: str, budget: symbolic.Budget) -> bool:
    """`equal` for canonical texts and their parts, which share one budget."""
    if not one or not other:
        return False
    if one == other:
        return True
    asked, given = _quantity(one), _quantity(other)
    if asked and given:
        return asked[0] == given[0] and same_unit(asked[1], given[1])
    if _BLANK.sub("", one) == _BLANK.sub("", other):
        return True
    if choice := _CHOICE.fullmatch(one):
        found = _CHOICE.fullmatch(other)
        return bool(found) and found[1] == choice[1]
    if _AS_IT_STANDS.search(f"{one} {other}") or (_is_words(one) and _is_words(other)):
        said, others_said = (sorted(map(_letters, split(text, {","}))) for text in (one, other))
        return said == others_said
    kind, entries = ("", []) if asked else parts(one)
    other_kind, others = ("", []) if given else parts(other)
    if kind != other_kind and "set" in (kind, other_kind):  # a set of one is what is in it
        inner = entries[0] if kind == "set" and len(entries) == 1 else one
        other_inner = others[0] if other_kind == "set" and len(others) == 1 else other
        if inner != one or other_inner != other:
            return _equal(inner, other_inner, budget)
    if kind and other_kind:
        same_shape = kind == other_kind and len(entries) == len(others) <= _MOST_PARTS
        return same_shape and _PAIRING[kind[:3]](entries, others, budget)
    if chain(one)[1] or chain(other)[1]:
        return _related(one, other, budget)
    if kind or other_kind:
        return False
    if any(found and found[1].isalpha() and len(found[1]) == 1 for found in (asked, given)):
        if _same_value(one, other, budget):  # the letter may be a factor as well as a unit: 3 m
            return True
    return not asked and _same_formula(one, other, budget)


def _is_words(text: str) -> bool:
    """Words. A few letters may be a formula as well (`xy`, `sin x`), if the other is no word."""
    body, of = _without_unit(text)
    if of and is_known(of):  # 4x square units
        text = body
    return bool(_WORDS.fullmatch(text) and (
        _ONLY_LETTERS.fullmatch(text) or re.search(r"[A-Za-z]{4}", COMMAND.sub("", text))))


def _letters(text: str) -> str:
    """Words without what people leave out: case, dots, spaces."""
    return re.sub(r"[\s.'\"]", "", text).casefold()


def _in_order(ones: list[str], others: list[str], budget: symbolic.Budget) -> bool:
    return all(_equal(one, other, budget) for one, other in zip(ones, others, strict=True))


def _in_any_order(ones: list[str], others: list[str], budget: symbolic.Budget) -> bool:
    left = list(others)
    for one in ones:
        match = next((n for n, other in enumerate(left) if _equal(one, other, budget)), None)
        if match is None:
            return False
        del left[match]
    return not left


# By the first letters of a kind; the rest of its name carries brackets or the shape.
_PAIRING = {"row": _in_order, "mat": _in_order, "set": _in_any_order, "uni": _in_any_order}


def _related(one: str, other: str, budget: symbolic.Budget) -> bool:
    """An equation, an inequality or a membership, on one side or on both."""
    of, other_of = (named(text) or interval(text) for text in (one, other))
    if chain(one)[1] and chain(other)[1]:
        verdict = same_relation(one, other)
        if verdict:
            return True
        if of and other_of:
            same_name = of[0] == other_of[0] or "" in (of[0], other_of[0])
            return same_name and _equal(of[1], other_of[1], budget)
        asks = verdict is None and has_letters(one + other)  # without any there is nothing to solve
        return asks and symbolic.equal(one, other, budget)
    value, other_value = of[1] if of else one, other_of[1] if other_of else other
    return (value, other_value) != (one, other) and _equal(value, other_value, budget)


def _same_formula(one: str, other: str, budget: symbolic.Budget) -> bool:
    """Two formulas, each perhaps with a unit behind it."""
    (body, of), (other_body, other_of) = _without_unit(one), _without_unit(other)
    return same_unit(of, other_of) and _same_value(body, other_body, budget)


def _same_value(body: str, other_body: str, budget: symbolic.Budget) -> bool:
    if any(re.search("[A-Za-z]{4}", COMMAND.sub(" ", text)) for text in (body, other_body)):
        return False  # words, and not the same ones
    try:
        tree, other_tree = read(body), read(other_body)
    except Unreadable:
        return symbolic.equal(body, other_body, budget)
    try:
        if tree[0] == other_tree[0] == "mod":
            return _same_remainder(tree, other_tree)
        return same(tree, other_tree)
    except (NoValue, OtherArithmetic):
        return False


def _without_unit(text: str) -> tuple[str, str]:
    if (found := _quantity(text)) and len(found[1]) != 1:
        value = found[0]
        return rf"\frac{{{value.numerator}}}{{{value.denominator}}}", found[1]
    found = _WITH_UNIT.fullmatch(text)
    if not found:
        return text, ""
    body, of = found["body"], found["unit"]
    angle = of == "°" and COMMAND.search(body)  # of a sine
    factor = of.startswith("(") and (body[-1].isalpha() or len(of) < 4 or not is_known(of))
    return (text, "") if angle or factor or _FUNCTION.search(body) else (body, of)


def _same_remainder(one: tuple, other: tuple) -> bool:
    for point in range(_POINTS if symbols(one) | symbols(other) else 1):
        (of, modulus), (other_of, other_modulus) = (
            [evaluate(part, Exact(point)) for part in tree[1:]] for tree in (one, other))
        if modulus == 0:
            raise NoValue("a remainder of a division by 0")
        if modulus != other_modulus or (of - other_of) % modulus != 0:
            return False
    return True
