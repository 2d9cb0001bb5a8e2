r"""One spelling for what is written in many: `\dfrac12`, `\frac 12` and `\frac{1}{2}` are the same.

Only the spelling changes, never the mathematics: nothing is calculated here.
"""

import re

_SYMBOLS = str.maketrans({
    "−": "-", "–": "-", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "π": r"\pi ",
    "∞": r"\infty ", "±": r"\pm ", "≤": r"\leq ", "≥": r"\geq ", "∪": r"\cup ", "∈": r"\in ",
    "\u00a0": " ", "~": " ", "²": "^2", "³": "^3",
})  # fmt: skip
_WRAPPED = re.compile(
    r"\$\$?(?P<dollars>[^$]+)\$\$?|\\\((?P<round>.+)\\\)|\\\[(?P<square>.+)\\\]", re.DOTALL
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(?P<inside>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_SPACING = re.compile(
    r"(?<!\\)\\(?:[,;:!>\s]|"
    r"(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|q?quad)(?![a-zA-Z]))\s*"
)
_TEXT = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|normal)?|[mh]box|mathrm|mathbf|mathit|operatorname)\s*\{([^{}]*)\}"
)
_JOINS = re.compile(r"\s*,?\s+(?:and|or)\s+")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![a-zA-Z])|\s*\bdegrees?\b")
_REWRITES = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(le|ge|ne)(?![a-zA-Z])"), r"\\\1q"),
    (re.compile(r"\\varnothing|\\\{\s*\\\}"), r"\\emptyset "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\([%$#&])"), r"\1"),
    (re.compile(r"\\frac\s*([0-9])"), r"\\frac{\1}"),
    (re.compile(r"(\\frac\s*\{[^{}]*\})\s*([0-9a-zA-Z])"), r"\1{\2}"),
    (re.compile(r"(\\frac)\s+(?=\{)"), r"\1"),
    (re.compile(r"\\sqrt\s*([0-9a-zA-Z])"), r"\\sqrt{\1}"),
    (re.compile(r"([_^])\s*\{\s*(\w)\s*\}"), r"\1\2"),
    # A space beside a sign says nothing; beside a dot or a comma it does: "3, 500" is a list.
    # Between a closing brace and a word it parts number and unit: "\frac{1}{2} cup".
    (re.compile(r"\s+(?=[^\w\s.,])|(?<=[^\w\s.,}])\s+|(?<=\})\s+(?![A-Za-z]{2})"), ""),
    (re.compile(r"\s+"), " "),
)


def canonical(answer: str) -> str:
    r"""Return the one spelling of an answer: `\left( 3, \tfrac{1}2 \right)` -> `(3, \frac{1}{2})`.

    Text inside `\text{}` stays as words, "and" and "or" become commas, degrees become `°`.
    Meant for short answers: the time grows with the square of the length in bad cases.
    """
    text = answer.strip().translate(_SYMBOLS)
    for pattern in (_WRAPPED, _BOX):
        if found := pattern.fullmatch(text.strip()):
            text = next(inside for inside in found.groups() if inside is not None)
    text = _SPACING.sub("", text)
    text = _JOINS.sub(", ", _TEXT.sub(r" \1 ", text))
    text = _DEGREES.sub("°", text)
    for pattern, spelling in _REWRITES:
        text = pattern.sub(spelling, text)
    return text.strip().rstrip(".,;").rstrip()
