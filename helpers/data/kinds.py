"""What kind of answer and what kind of problem a row has, computed from the row."""

import re
from collections.abc import Mapping

ANSWER_TYPES = ("integer", "decimal", "fraction", "expression", "interval or tuple", "text", "none")
CLASSES = {  # the column that names the class, where the data set has one
    "openr1": "problem_type", "math500": "subject", "smoltalk": "source",
}

_SPACING = re.compile(r"\\[!,;:]\s*|\\(?:left|right|displaystyle)(?![a-zA-Z])|~|(?<!\\)\$|\{,\}")
_UNIT = re.compile(
    r"\^\s*\{?\s*\\circ\s*\}?|\\(?:text|mbox|mathrm)\s*\{[^{}]*\}(?:\s*\^\s*\{?\d\}?)?"
    r"|\s+\([a-z ]+\)|\s+(?!or\b|and\b)[a-z]{2,}$"
)
_NUMBER = re.compile(
    r"[-+−]?\s?(?:\\?[$€£¥]\s?)?[-−]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+|(?=\.[0-9]))"
    r"(?P<decimals>\.[0-9]+)?(?:\s?\\?[%$€£¥])?"
)
_WORDS = re.compile(r"\\(?:text|mbox|mathrm|textbf)\s*\{([^{}]*)\}")
_FRACTION = re.compile(
    r"[-+]?\s*(?:\d+\s*)?(?:\\[dt]?frac\s*(?:\{\s*-?\d+\s*\}|\d)\s*(?:\{\s*\d+\s*\}|\d+)"
    r"|(?:\d+\s+)?\d+\s*/\s*\d+)"
)
_BRACKETED = re.compile(r"(?:[a-z]\s*\\in\s*)?\\?[(\[{].*[,;].*\\?[)\]}]")
_SEVERAL = re.compile(r"\\(?:cup|cap)(?![a-z])|\\begin\{[a-z]*matrix\}|,|;|\s(?:or|and)\s")
_TEXT = re.compile(  # a letter of choice, words without signs, a time of day
    r"\(?[A-Z]\)?|[^\W\d]{2}[^\d\\=+*/^<>]*|\d{1,2}(?::\d\d)?\s*[ap]\.?m\.?"
)
_ANNOTATION = re.compile(r"<<(?P<left>[^<>=]*)=[^<>]*>>")
_EQUATION = re.compile(r"[-+*/×÷]|\\(?:times|div|cdot|frac)")
_SIGNS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def answer_type(answer: str | None) -> str:
    r"""One of ANSWER_TYPES, as the answer is written: a unit, a currency or a `%` does not count.

    >>> [answer_type(a) for a in ("1,450", "27.0", r"\frac{3}{4}", r"2\sqrt{5}", "(0, 9]", "north")]
    ['integer', 'decimal', 'fraction', 'expression', 'interval or tuple', 'text']
    """
    if answer is None or not answer.strip():
        return "none"
    spaced = _SPACING.sub(lambda mark: "," if mark[0] == "{,}" else "", answer).strip()
    bare = _UNIT.sub("", spaced).strip().rstrip(".").strip()
    if found := _NUMBER.fullmatch(bare):
        return "decimal" if found["decimals"] else "integer"
    if _FRACTION.fullmatch(bare):
        return "fraction"
    words = _WORDS.sub(r"\1", spaced).strip()
    if _TEXT.fullmatch(words):
        return "text"
    if _BRACKETED.fullmatch(bare) or _SEVERAL.search(words):
        return "interval or tuple"
    return "expression"


def steps(solution: str) -> int:
    """The steps of a worked solution: its `<<…=…>>` annotations, else its lines with an equation.

    A line counts when something is computed on the left of an equals sign; 0 for no solution.
    """
    if annotated := _ANNOTATION.findall(solution):
        return len(annotated)
    sentences = re.split(r"\n|(?<=\.)\s", solution)
    return sum("=" in one and bool(_EQUATION.search(one.partition("=")[0])) for one in sentences)


def operations(solution: str) -> tuple[str, ...]:
    """Which of add, subtract, multiply, divide stand in the `<<…=…>>` annotations."""
    used = "".join(left.strip().lstrip("-") for left in _ANNOTATION.findall(solution))
    return tuple(name for sign, name in _SIGNS.items() if sign in used)


def problem_class(name: str, row: Mapping) -> str:
    """The class of a row of data set `name`, in its own columns: topic, source or difficulty.

    gsm8k: number of steps; openr1 and math500: subject; smoltalk: source; countdown and warmstart:
    how many numbers; ultrafeedback: how clear the preference is; deepscaler and aime24: the type of
    the answer.
    """
    if name in CLASSES:
        return row[CLASSES[name]] or "none given"
    if name == "gsm8k":
        return _counted(steps(row["answer"]), "step")
    if name == "countdown":
        return _counted(len(row["nums"]), "number")
    if name == "warmstart":
        listed = re.search(r"\[([\d\s,]+)\]", row["query"])
        return _counted(len(re.findall(r"\d+", listed[1])) if listed else 0, "number")
    if name == "ultrafeedback":
        if None in (row["score_chosen"], row["score_rejected"]):
            return "no score"
        gap = row["score_chosen"] - row["score_rejected"]
        return "tie" if gap == 0 else "reversed" if gap < 0 else "close" if gap <= 1 else "clear"
    if name in ("deepscaler", "aime24"):
        return answer_type(row["answer"])
    raise ValueError(f"no data set {name!r}")


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
