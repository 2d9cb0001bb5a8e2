"""Why a formula is not handed to math-verify: it is a bomb, or cannot be a final answer."""

import re

_LONGEST = 300  # characters
_DEEPEST = 8  # brackets inside brackets
_LONGEST_DIGITS = 40
_LARGEST_EXPONENT = 10_000  # all written exponents multiplied with each other
_COMMANDS = frozenset(
    "frac sqrt pi cdot times div pm infty cup cap in leq geq neq lt gt sin cos tan cot sec csc "
    "arcsin arccos arctan sinh cosh tanh log ln exp emptyset varnothing setminus mathbb binom "
    "alpha beta gamma delta epsilon theta lambda mu nu rho sigma tau phi varphi omega "
    "begin end".split()
)
_ALLOWED = re.compile(r"[0-9A-Za-z+\-*/^_=<>(){}\[\],.|& \\]*")
_COMMAND = re.compile(r"\\([A-Za-z]+)")


def refusal(formula: str) -> str | None:
    """Return why a formula (in canonical spelling) is not handed to math-verify, or None."""
    if len(formula) > _LONGEST:
        return f"longer than {_LONGEST} characters"
    if not _ALLOWED.fullmatch(formula):
        return "a sign that no formula needs"  # among them "!": a factorial is left undone
    if unknown := set(_COMMAND.findall(formula)) - _COMMANDS:
        return f"a command that no final answer needs: {min(unknown)}"
    if re.search(r"[A-Za-z]{4}", _COMMAND.sub(" ", formula.replace("matrix", ""))):
        return "words"
    if re.search(rf"[0-9]{{{_LONGEST_DIGITS + 1}}}", formula):
        return "a number too long"
    depth = deepest = 0
    for sign in formula:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        return "brackets too deep"
    return _power_refusal(formula)


def _power_refusal(formula: str) -> str | None:
    size = 1
    for place in (found.end() for found in re.finditer(r"\^", formula)):
        end = _group_end(formula, place)
        exponent = formula[place:end]
        if re.search(r"[^A-Za-z]\^|\\binom", exponent) or formula[end : end + 1] == "^":
            return "stacked powers"
        for digits in re.findall("[0-9]+", exponent):
            size *= max(1, int(digits))
    return "an exponent too large" if size > _LARGEST_EXPONENT else None


def _group_end(formula: str, begin: int) -> int:
    """Where the group in braces that starts at `begin` ends, or the one sign that stands there."""
    depth = 0
    for place in range(begin, len(formula)):
        depth += (formula[place] == "{") - (formula[place] == "}")
        if depth <= 0:
            return place + 1
    return len(formula)
