r"""Say whether two answers are equal: numbers, words, lists, intervals, matrices, formulas.

Cheap and exact rules come first; only a formula that they cannot decide goes to math-verify, in
its own process (`symbolic`). What the rules decide:

- Two numbers are equal if their exact values are; their units must not contradict each other.
- A number is asked for: only a number is right, no calculation that is left undone (`2+2`, `5!`,
  `\frac{60}{12}`, `\sqrt{9}`).
- Words and choice letters are equal as text, whatever their case: `\text{(C)}`, `(C)`, `C`.
- A tuple, interval or matrix must agree in brackets, order and every entry; a list or set
  (`1, -2`, `\{-2, 1\}`, `1 \pm 2`) in its entries in any order.
- `x = 5` and `x \in S` are the same as `5` and `S`, but not as `y = 5`.
"""

import re
import time
from functools import lru_cache

from helpers.verify import symbolic
from helpers.verify.latex import canonical
from helpers.verify.quantity import LONGEST, number, quantity, same_unit

_LONGEST_FORMULA = 4 * LONGEST  # characters; longer answers are equal only if they are the same
_MOST_PARTS = 40  # entries of a list or matrix; MATH has no answer with more

_NAMED = re.compile(
    r"(?P<name>[A-Za-z](?:_\w)?|[a-zA-Z]\([a-z]\)|[A-Z]{2,3}|\\angle ?[A-Z]{1,3}|\\[a-z]+)"
    r"(?:=|\\in(?![a-z]) ?)(?P<value>[^=]+)"
)
_CHOICE = re.compile(r"\(?([A-J])\)?")
_WORDS = re.compile(r"(?=.*[A-Za-z]{2})[A-Za-z .,:'\"0-9()-]+")
_ONLY_LETTERS = re.compile(r"[A-Za-z .'-]+")
_MATRIX = re.compile(r"\\begin\{(?:[pb]|small)?matrix\}(.*)\\end\{(?:[pb]|small)?matrix\}")
_TOKEN = re.compile(r"\\[{}]|\\[a-zA-Z]+|\\.|.", re.DOTALL)
_OPEN, _CLOSE = {"(", "[", "{", r"\{"}, {")", "]", "}", r"\}"}
_INEQUALITY = re.compile(r"[<>]|\\[lg]eq")
_UNIT = re.compile(r" (?:[A-Za-z]{3,}|cm|mm|km|kg|in|ft)(?:\^[23])?$|^\$|[°%$]$")


def equal(reference: str, answer: str) -> bool:
    """Say whether `answer` is what the `reference` answer says; no two strings raise.

    The order matters in one point: a reference that is a formula (`2^{10}`) may be answered by
    its number, but not the other way round.
    """
    one, other = number(reference), number(answer)
    if one is not None and other is not None:
        return one == other
    if max(len(reference), len(answer)) > _LONGEST_FORMULA:
        return reference.strip() == answer.strip()
    return _equal(reference, answer, time.monotonic() + symbolic.DEADLINE)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return canonical(text)


def _equal(reference: str, answer: str, end: float) -> bool:
    """`equal` for parts of an answer, which share one deadline: `end`, by the monotonic clock."""
    asked, given = quantity(reference), quantity(answer)
    if asked and given:
        return asked[0] == given[0] and same_unit(asked[1], given[1])
    one, other = _canonical(reference), _canonical(answer)
    if not one or not other:
        return False
    if one == other:
        return True
    named, renamed = _NAMED.fullmatch(one), _NAMED.fullmatch(other)
    if named or renamed:
        if named and renamed and named["name"] != renamed["name"]:
            return False
        values = (named["value"] if named else one, renamed["value"] if renamed else other)
        return _equal(*values, end)
    if choice := _CHOICE.fullmatch(one):
        found = _CHOICE.fullmatch(other)
        return bool(found) and found[1] == choice[1]
    if _is_words(one) or _is_words(other):
        return _letters(one) == _letters(other)
    kind, parts = ("", []) if asked else _parts(one)
    other_kind, other_parts = ("", []) if given else _parts(other)
    if kind != other_kind and "set" in (kind, other_kind):  # a set of one is what is in it
        inner, other_inner = (entries[0] if how == "set" and len(entries) == 1 else text for
                              text, how, entries in ((one, kind, parts),
                                                     (other, other_kind, other_parts)))
        if inner != one or other_inner != other:
            return _equal(inner, other_inner, end)
    if kind and other_kind:
        same_shape = kind == other_kind and len(parts) == len(other_parts) <= _MOST_PARTS
        return same_shape and _PAIRING[kind[:3]](parts, other_parts, end)
    if asked or (bool(kind) != bool(other_kind) and not _INEQUALITY.search(one + other)):
        return False  # an interval may be written as an inequality, but is no formula
    exact = rf"\frac{{{given[0].numerator}}}{{{given[0].denominator}}}" if given else other
    return symbolic.equal(_UNIT.sub("", one), _UNIT.sub("", exact), end)


def _is_words(text: str) -> bool:
    r"""Words, a time of day, a number in another base: nothing that algebra may rewrite."""
    if re.search(r"[0-9]_|[0-9]:[0-9]", text):
        return True
    return bool(_WORDS.fullmatch(text) and (
        _ONLY_LETTERS.fullmatch(text) or re.search(r"[A-Za-z]{4}", text)))


def _letters(text: str) -> str:
    """Words without what people leave out: case, dots, spaces."""
    return re.sub(r"[\s.'\"]", "", text).casefold()


def _in_order(ones: list[str], others: list[str], end: float) -> bool:
    return all(_equal(one, other, end) for one, other in zip(ones, others, strict=True))


def _in_any_order(ones: list[str], others: list[str], end: float) -> bool:
    left = list(others)
    for one in ones:
        match = next((place for place, other in enumerate(left) if _equal(one, other, end)), None)
        if match is None:
            return False
        del left[match]
    return not left


# By the first letters of a kind; the rest of its name carries brackets or the shape.
_PAIRING = {"row": _in_order, "mat": _in_order, "set": _in_any_order, "uni": _in_any_order}


def _parts(text: str) -> tuple[str, list[str]]:
    r"""Return (kind, entries): ("row(]", ["3", "4"]), ("set", …), ("matrix 2x2", …), ("union", …);
    ("", []) for anything else."""
    if matrix := _MATRIX.fullmatch(text):
        rows = [_split(row, {"&"}) for row in _split(matrix[1], {r"\\"}) if row.strip()]
        shape = "x".join(str(len(row)) for row in rows)
        return f"matrix {shape}", [entry for row in rows for entry in row]
    sets = _split(text, {r"\cup"})
    if len(sets) > 1:
        return "union", sets
    brackets, inside = _unwrap(text)
    entries = _split(inside, {",", ";"})
    if brackets == r"\{\}" or (not brackets and (len(entries) > 1 or r"\pm" in text)):
        signed = [[entry] if r"\pm" not in entry
                  else [entry.replace(r"\pm", "+", 1), entry.replace(r"\pm", "-", 1)]
                  for entry in entries]
        return "set", [entry.removeprefix("+") for pair in signed for entry in pair]
    return (f"row{brackets}", entries) if brackets and len(entries) > 1 else ("", [])


def _split(text: str, separators: set[str]) -> list[str]:
    """Cut `text` at the separators that stand outside all brackets."""
    parts, depth, begin = [], 0, 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in _OPEN) - (token[0] in _CLOSE)
        if token[0] in separators and depth == 0:
            parts.append(text[begin : token.start()].strip())
            begin = token.end()
    return [*parts, text[begin:].strip()]


def _unwrap(text: str) -> tuple[str, str]:
    r"""Return (opening and closing bracket, what is between them) if one pair holds it all."""
    tokens = [token[0] for token in _TOKEN.finditer(text)]
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token in _OPEN) - (token in _CLOSE)
        if depth == 0 and place < len(tokens) - 1:
            return "", text
    if len(tokens) < 2 or depth or tokens[0] not in _OPEN - {"{"} or tokens[-1] == "}":
        return "", text
    return tokens[0] + tokens[-1], text[len(tokens[0]) : -len(tokens[-1])]
