r"""Formulas to audit a grader with, and ten harmless and ten harmful ways to rewrite one.

Nothing here calculates or asks a grader: a rewriting is harmless or harmful by the way it is made.
A harmful one is made only where the answer must come out another (the sign of 0 is no harm, nor is
the order of a set). Each function returns the rewritten answer, or None where it has no place.
"""

import random
import re
from collections.abc import Callable, Iterator

_OPERATOR = re.compile(r"(?<=[0-9a-z)}])([+=<])(?=[0-9a-z(\\])")
_SIMPLE_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")
_X = re.compile(r"(?<![\\a-z])x(?![a-z])")
_DIGIT = re.compile(r"\d")
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")
# What has no one value, so that its sign or one more is nothing simple.
_NO_TERM = re.compile(r"[=<>,:_%$&]|\\(?:[lg]eq?|in|pm|cup|text|mbox|circ)(?![a-z])")


def formulas(count: int, seed: int = 0) -> list[str]:
    """Reference answers of competition problems, generated: different ones, of twelve kinds in
    turn. Those with a unit hold it in `\\text{}`."""
    rng, found = random.Random(f"formulas {seed}"), {}
    while len(found) < count:
        for formula in _twelve(rng):
            found[formula] = None
    return list(found)[:count]


def _twelve(rng: random.Random) -> Iterator[str]:
    a, b, c = rng.sample(range(2, 40), 3)
    low, high = sorted((-a, b))
    prime = rng.choice([2, 3, 5, 7, 11, 13])
    odd = rng.choice([3, 5, 7, 9])
    yield rf"\frac{{{2 * a + 1}}}{{{2 ** rng.randint(1, 5)}}}"
    yield rf"{a}\sqrt{{{prime}}}"
    yield rf"{a}\pi"
    yield rf"{a}+{b}\sqrt{{{prime}}}"
    yield rf"\frac{{{odd}\pi}}{{{2 ** rng.randint(1, 4)}}}"
    yield f"{a}x^2-{b}x+{c}"
    yield f"({a}, {-b})"
    yield rng.choice(["(", "["]) + f"{low}, {high}" + rng.choice([")", "]"])
    yield f"{a}, {-b}, {c + 40}"
    yield f"{prime}^{{{rng.randint(50, 2000)}}}-{a}"
    yield f"{a}-{b}i"
    yield rf"{a}\text{{ {rng.choice(['cm', 'hours', 'dollars', 'meters'])}}}"


def _words(answer: str) -> bool:
    """Words that are no commands: text answers, units."""
    return bool(re.search(r"[A-Za-z]{3,}", re.sub(r"\\(?!text|mbox)[A-Za-z]+", "", answer)))


def spaced(answer: str) -> str | None:
    new = _OPERATOR.sub(r" \1 ", answer)
    return new if new != answer and not _words(answer) else None


def display_fractions(answer: str) -> str | None:
    return re.sub(r"\\frac(?![a-z])", r"\\dfrac", answer) if r"\frac" in answer else None


def sized_brackets(answer: str) -> str | None:
    if not re.fullmatch(r"[(\[][^()\[\]]*[)\]]", answer):
        return None
    return rf"\left{answer[0]} {answer[1:-1]} \right{answer[-1]}"


def dollars(answer: str) -> str | None:
    return f"${answer}$" if "$" not in answer else None


def dot(answer: str) -> str:
    return f"{answer}."


def braces(answer: str) -> str | None:
    return f"{{{answer}}}" if "," not in answer and "$" not in answer else None


def named(answer: str) -> str | None:
    letters = re.search("[A-Za-z]", re.sub(r"\\[a-z]+", "", answer))
    return None if letters or _NO_TERM.search(answer) else f"T = {answer}"


def unicode_signs(answer: str) -> str | None:
    new = answer.replace("-", "−").replace(r"\pi", "π").replace(r"\cup", "∪")
    new = re.sub(r"\\infty(?![a-z])", "∞", new)
    return new if new != answer and not _words(answer) else None


def slash(answer: str) -> str | None:
    found = _SIMPLE_FRACTION.fullmatch(answer)
    return f"{found[1]}/{found[2]}" if found else None


def thin_spaces(answer: str) -> str | None:
    return (
        answer.replace(r"\pi", r"\,\pi").replace(r"\sqrt", r"\,\sqrt")
        if re.search(r"\d\\(?:pi|sqrt)", answer)
        else None
    )


HARMLESS: list[Callable[[str], str | None]] = [
    spaced,
    display_fractions,
    sized_brackets,
    dollars,
    dot,
    braces,
    named,
    unicode_signs,
    slash,
    thin_spaces,
]


def other_sign(answer: str) -> str | None:
    if _words(answer) or _NO_TERM.search(answer) or not re.search("[1-9a-zA-Z]", answer):
        return None  # the last is 0
    if re.search(r"(?<=.)[-+]", answer):
        return f"-({answer})"
    return answer[1:] if answer.startswith("-") else f"-{answer}"


def other_digit(answer: str) -> str | None:
    """The last digit one higher (9 becomes 8)."""
    places = [found.start() for found in _DIGIT.finditer(answer)]
    if not places or re.search(r"[=:]", answer):
        return None
    digit = int(answer[places[-1]])
    return answer[: places[-1]] + str(digit + 1 if digit < 9 else 8) + answer[places[-1] + 1 :]


def one_dropped(answer: str) -> str | None:
    inside = re.fullmatch(r"(\(|\\\{|)([^()\[\]{}]+(?:,[^()\[\]{}]+)+)(\)|\\\}|)", answer)
    if not inside or _words(answer) or re.fullmatch(r"-?\d{1,3}(,(\\!)?\d{3})+", answer):
        return None
    return inside[1] + inside[2].rpartition(",")[0] + inside[3]


def other_end(answer: str) -> str | None:
    """An interval's or a pair's last bracket turned into the other kind."""
    if not re.fullmatch(r"[(\[][^()\[\]]*,[^()\[\]]*[)\]]", answer):
        return None
    return answer[:-1] + (")" if answer[-1] == "]" else "]")


def other_unit(answer: str) -> str | None:
    found = re.fullmatch(
        r"(.*\d.*?)(?:\\ )?\\(?:text|mbox)\{ ?([a-z ]+)\}(\^\d)?|(.*\d)\^\\circ", answer
    )
    return f"{found[1] or found[4]}\\text{{ kilograms}}" if found else None


def one_more(answer: str) -> str | None:
    if _words(answer) or _NO_TERM.search(answer):
        return None
    return str(int(answer) + 1) if re.fullmatch(r"-?\d+", answer) else f"{answer}+1"


def first_number_only(answer: str) -> str | None:
    """What a careless reader finds: one number of several, or of a formula."""
    number = _PLAIN.search(answer)
    if (
        not number
        or _words(answer)
        or re.search(r"[=$%]|\\(?:circ|text|mbox|!)|^\(?\w\)?$", answer)
    ):
        return None
    rest = re.sub(r"[\s{}()\[\].]|\\(?:left|right)", "", answer.replace(number[0], "", 1))
    return number[0] if rest and not re.fullmatch(r"[,0]*", rest) else None


def ten_times(answer: str) -> str | None:
    return f"{answer}0" if re.fullmatch(r"-?[1-9]\d*", answer) else None


def upside_down(answer: str) -> str | None:
    found = _SIMPLE_FRACTION.fullmatch(answer)
    other = found and found[1].lstrip("-") != found[2]
    return rf"\frac{{{found[2]}}}{{{found[1]}}}" if other else None


def other_letter(answer: str) -> str | None:
    """Every x a w, in a formula without a w."""
    if "w" in answer or _words(answer) or not _X.search(answer):
        return None
    if re.search(r"[=<>]|\\(?:[lg]eq?|in)(?![a-z])", answer):
        return None  # the solutions, the interval are the same
    return _X.sub("w", answer)


HARMFUL: list[Callable[[str], str | None]] = [
    other_sign,
    other_digit,
    one_dropped,
    other_end,
    other_unit,
    one_more,
    first_number_only,
    ten_times,
    upside_down,
    other_letter,
]
