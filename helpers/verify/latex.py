r"""One spelling for what is written in many: `\dfrac12`, `\frac 12` and `\frac{1}{2}` are the same.

Only the spelling changes, never the mathematics: nothing is calculated here.
"""

import re

_SYMBOLS = str.maketrans({
    "−": "-", "–": "-", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "π": r"\pi ",
    "∞": r"\infty ", "±": r"\pm ", "≤": r"\leq ", "≥": r"\geq ", "∪": r"\cup ", "∈": r"\in ",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "~": " ", "≠": r"\neq ",
    "√": r"\sqrt ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "θ": r"\theta ", "∅": r"\emptyset ", "∠": r"\angle ", "⋅": r"\cdot ", "∗": "*",
})  # fmt: skip
_WRAPPED = re.compile(
    r"\$\$?(?P<dollars>[^$]+)\$\$?|\\\((?P<round>.+)\\\)|\\\[(?P<square>.+)\\\]", re.DOTALL
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(?P<inside>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_SPACING = re.compile(
    r"(?<!\\)\\(?:[,;:!>\s]|"
    r"(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|q?quad)(?![a-zA-Z]))\s*"
)
_SPACE_OF_DIGITS = re.compile(r"(?<=[0-9])(?:\\[,;: ]\s*)+(?=[0-9])")
_TEXT = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|normal)?|[mh]box|mathrm|mathbf|mathit|operatorname)\s*\{([^{}]*)\}"
)
_GROUPED = re.compile(  # digits in groups of three: "10 000", "9{,}500", "9\,500", "11,\! 111"
    r"(?<![\d.,_])\d{1,3}(?:(?:\{,\}|,\\!\s*|\\[, ]|[ \u00a0\u202f\u2009])\d{3})+"
    r"(?![\d/_]|[.,]\d|\s*\\frac)")
_NO_BRACKET = re.compile(r"\\(?:left|right)\s*\.")
_CHOOSE = re.compile(r"\{\s*([^{}]+?)\s*\\choose\s*([^{}]+?)\s*\}")
_MINUS_WORD = re.compile(r"\b(?:negative|minus)\s+(?=[\d.$\\a-z])", re.IGNORECASE)
_JOINS = re.compile(r"\s*,?\s+(?:and|or)\s+")
_BRACKETS = re.compile(  # around all there is; of (A) to (J) they are part
    r"(?P<sign>[-+])\((?P<number>[0-9][0-9.,]*|\\frac\{[0-9]+\}\{[0-9]+\})\)"
    r"|\((?P<any>(?![A-Z]\))(?:[^()\[\],;]+|\([^()\[\],;]+\)))\)")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![a-zA-Z])|\s*\bdegrees?\b")
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_PLAIN_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_REWRITES = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![a-zA-Z])"), r"\\binom"),
    (re.compile(r"\\lbrace(?![a-zA-Z])"), r"\\{"), (re.compile(r"\\rbrace(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])"), "|"),
    (re.compile(r"\\(leq|geq)slant(?![a-zA-Z])"), r"\\\1"),
    (re.compile(r"\\lt(?![a-zA-Z])|&lt;"), "<"), (re.compile(r"\\gt(?![a-zA-Z])|&gt;"), ">"),
    (re.compile(r"\\(le|ge|ne)(?![a-zA-Z])"), r"\\\1q"),
    (re.compile(r"\\varnothing|\\\{\s*\\\}"), r"\\emptyset "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\([%$#&])"), r"\1"),
    (re.compile(r"\\(frac|binom)\s*([0-9])"), r"\\\1{\2}"),
    (re.compile(r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*([0-9a-zA-Z])"), r"\1{\2}"),
    (re.compile(r"(\\(?:frac|binom))\s+(?=\{)"), r"\1"),
    (re.compile(r"\\pmod\s*(\w)"), r"\\pmod{\1}"),
    (re.compile(r"(?:^|(?<=[(\[,;]))\s*\+\s*(?=\\infty|[0-9])"), ""),
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
    text = _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), answer.strip().rstrip("."))
    text = _SUPERSCRIPTS.sub(lambda found: f"^{{{found[0].translate(_PLAIN_DIGITS)}}}", text)
    text = _CHOOSE.sub(r"\\binom{\1}{\2}", _NO_BRACKET.sub("", text))
    text = _without_braces(text.translate(_SYMBOLS))
    for pattern in (_WRAPPED, _BOX):
        if found := pattern.fullmatch(text.strip()):
            text = next(inside for inside in found.groups() if inside is not None)
    text = _SPACING.sub("", _SPACE_OF_DIGITS.sub(", ", text))
    text = _JOINS.sub(", ", _TEXT.sub(r" \1 ", text))
    text = _MINUS_WORD.sub("-", text)
    text = _DEGREES.sub("°", text)
    for pattern, spelling in _REWRITES:
        text = pattern.sub(spelling, text)
    text = text.strip().rstrip(".,;").rstrip()
    while alone := _BRACKETS.fullmatch(text):
        text = (alone["sign"] or "") + (alone["number"] or alone["any"])
    return text


def _without_braces(text: str) -> str:
    """`{7}` is 7: braces around all there is only hold it together."""
    depth = 0
    for place, sign in enumerate(text):
        escaped = place > 0 and text[place - 1] == "\\"
        depth += ((sign == "{") - (sign == "}")) * (not escaped)
        if depth <= 0 and place < len(text) - 1:
            return text
    return _without_braces(text[1:-1].strip()) if text.startswith("{") and not depth else text
