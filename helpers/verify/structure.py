r"""How an answer is put together: lists, sets, tuples, intervals, matrices, unions, relations.

All texts are in canonical spelling. Brackets are kept in the kind of an answer, so that (2,4) and
[2,4] are two.
"""

import itertools
import re
from functools import reduce

_MATRIX = re.compile(r"\\begin\{(?:[pb]|small)?matrix\}(.*)\\end\{(?:[pb]|small)?matrix\}")
_SIGNS = re.compile(r"\\(?:pm|mp)(?![a-zA-Z])")
_LONGEST_VALUES = 800  # characters of all values of one entry, if there are four or more
_TOKEN = re.compile(r"\\[{}]|\\[a-zA-Z]+|\\.|.", re.DOTALL)
_OPEN, _CLOSE = {"(", "[", "{", r"\{"}, {")", "]", "}", r"\}"}
RELATIONS = {"=", "<", ">", r"\leq", r"\geq", r"\neq", r"\in", r"\equiv", r"\sim"}


def parts(text: str) -> tuple[str, list[str]]:
    r"""Return (kind, entries): ("row(]", ["3", "4"]), ("set", …), ("matrix 2x2", …), ("union", …);
    ("", []) for anything else."""
    if matrix := _MATRIX.fullmatch(text):
        rows = [split(row, {"&"}) for row in split(matrix[1], {r"\\"}) if row.strip()]
        shape = "x".join(str(len(row)) for row in rows)
        return f"matrix {shape}", [entry for row in rows for entry in row]
    sets = split(text, {r"\cup"})
    if len(sets) > 1:
        return "union", sets
    brackets, inside = unwrap(text)
    entries = split(inside, {",", ";"})
    if brackets == r"\{\}" or (not brackets and (len(entries) > 1 or _SIGNS.search(text))):
        return "set", [value.removeprefix("+") for entry in entries for value in _values(entry)]
    return (f"row{brackets}", entries) if brackets and len(entries) > 1 else ("", [])


def _values(entry: str) -> list[str]:
    r"""What an entry with `\pm` stands for: each sign is + or - by itself, but with a `\mp` among
    them all are the upper or all the lower ones. [""], equal to nothing, if those are too many."""
    signs = _SIGNS.findall(entry)
    if r"\mp" in signs:
        upper = ["+" if sign == r"\pm" else "-" for sign in signs]
        chosen = [upper, ["-" if sign == "+" else "+" for sign in upper]]
    elif len(signs) > 1 and len(entry) * 2 ** len(signs) > _LONGEST_VALUES:
        return [""]
    else:
        chosen = [list(some) for some in itertools.product("+-", repeat=len(signs))]
    return [reduce(_first_sign, some, entry) for some in chosen]


def _first_sign(entry: str, sign: str) -> str:
    return _SIGNS.sub(sign, entry, count=1)


def split(text: str, separators: set[str]) -> list[str]:
    """Cut `text` at the separators that stand outside all brackets."""
    return chain(text, separators)[0]


def chain(text: str, separators: set[str] = RELATIONS) -> tuple[list[str], list[str]]:
    r"""(what stands between the separators outside all brackets, the separators): `1<x\leq 3` is
    (["1", "x", "3"], ["<", r"\leq"])."""
    sides, signs, depth, begin = [], [], 0, 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in _OPEN) - (token[0] in _CLOSE)
        if token[0] in separators and depth == 0:
            sides.append(text[begin : token.start()].strip())
            signs.append(token[0])
            begin = token.end()
    return [*sides, text[begin:].strip()], signs


def unwrap(text: str) -> tuple[str, str]:
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
