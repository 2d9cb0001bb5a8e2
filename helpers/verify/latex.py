r"""One spelling for what is written in many: `\dfrac12`, `\frac 12` and `\frac{1}{2}` are the same.

Only the spelling changes, never the mathematics: nothing is calculated here.
"""

import re

_SYMBOLS = str.maketrans({
    **dict.fromkeys("−–—―‐‑﹣－", "-"),
    **{sign: rf"\frac{{{top}}}{{{bottom}}}" for sign, top, bottom in (
        "½12", "⅓13", "⅔23", "¼14", "¾34", "⅕15", "⅖25", "⅗35", "⅘45", "⅙16", "⅚56", "⅛18", "⅜38",
        "⅝58", "⅞78")},
    "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "π": r"\pi ",
    "∞": r"\infty ", "±": r"\pm ", "≤": r"\leq ", "≥": r"\geq ", "∪": r"\cup ", "∈": r"\in ",
    "\u00a0": " ", "\u202f": " ", "\u2009": " ", "~": " ", "≠": r"\neq ",
    "√": r"\sqrt ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "θ": r"\theta ", "∅": r"\emptyset ", "∠": r"\angle ", "⋅": r"\cdot ", "∗": "*",
    "∓": r"\mp ",
})  # fmt: skip
_WRAPPED = re.compile(
    r"\$\$?(?P<dollars>[^$]+)\$\$?|\\\((?P<round>.+)\\\)|\\\[(?P<square>.+)\\\]|"
    r"\*\*(?P<bold>[^*]+)\*\*", re.DOTALL
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(?P<inside>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_LOOKS = (  # how large, how far apart, how thick: nothing that is said
    r"(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle|limits|q?quad|bf|rm|it|sf|tt|bfseries|"
    r"small|normalsize|large|Large|LARGE|huge|Huge)(?![a-zA-Z])"
)
_SPACING = re.compile(rf"(?<!\\)\\(?:[,;:!>\s]|{_LOOKS})\s*")
_SPACE = rf"(?:\\(?:[,;:> ]|{_LOOKS})\s*)"  # between two numbers it parts them, \! does not
_SPACE_OF_DIGITS = re.compile(
    rf"(?<=[0-9])(?:{_SPACE}+(?:,\s*{_SPACE}*)?|,\s*{_SPACE}+)(?=[0-9])"
)
_INVISIBLE = re.compile(r"\\(?:[hv]space\*?|h?phantom|(?:text)?color)\s*\{[^{}]*\}")
_TEXT = re.compile(
    r"\\(?:text(?:rm|bf|it|sf|tt|normal)?|[mh]box|math(?:rm|bf|it|sf|tt)|operatorname|boldsymbol|"
    r"bm|emph|underline)\s*\{((?:[^{}]++|\{[^{}]*\})*+)\}"
)
_LABEL = re.compile(r"^\s*(?:the )?(?:final |correct )?answer\s*(?:is\b:?|:)\s*", re.IGNORECASE)
_ZEROS = re.compile(r"(?<![\d.,_])[1-9]\d{0,2}(?:,\d{3})*,0\d\d(?:,\d{3})*(?![\d.])")  # of no tuple
_SIGN = r"\{{,\}}|,\\!\s*|\\[, ]|[{}~\u00a0\u202f\u2009]"  # between digits in groups of three
_GROUP_SIGN = re.compile(_SIGN.format(" "))
_GROUPED = {
    blanks: re.compile(
        rf"(?<![\d.,_])\d{{1,3}}(?:(?:{_SIGN.format(' ' * blanks)})\d{{3}})+"
        r"(?![\d/_]|\s*\\frac)"
    )
    for blanks in (False, True)
}
_NO_BRACKET = re.compile(r"\\(?:left|right)\s*\.")
_CHOOSE = re.compile(r"\{\s*([^{}]+?)\s*\\(choose|over)(?![a-z])\s*([^{}]+?)\s*\}")
MINUS_WORD = re.compile(r"\b(?:negative|minus)\s+(?=[\d.$\\a-z])", re.IGNORECASE)
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
    (re.compile(r"(?<![\w^}\\\]\s])\{\s*([-+=]|[0-9][0-9.,]*)\s*\}"), r"\1"),
    (re.compile(r"(?<=[\w)}])\s*\*\*\s*(?=[-({\w])"), "^"),
    (re.compile(r"\\([%$#&])"), r"\1"),
    (re.compile(r"\\(frac|binom)\s*([0-9])"), r"\\\1{\2}"),
    (re.compile(r"(\\(?:frac|binom)\s*\{[^{}]*\})\s*([0-9a-zA-Z])"), r"\1{\2}"),
    (re.compile(r"(\\(?:frac|binom))\s+(?=\{)"), r"\1"),
    (re.compile(r"\\pmod\s*(\w)"), r"\\pmod{\1}"),
    (re.compile(r"(?:^|(?<=[(\[,;]))\s*\+\s*(?=\\infty|[0-9])"), ""),
    (re.compile(r"\\sqrt\s*([0-9a-zA-Z])"), r"\\sqrt{\1}"),
    (re.compile(r"([_^])\s*\{\s*(\w)\s*\}(?![0-9.])"), r"\1\2"),
    # A space beside a sign says nothing; beside a dot or a comma it does: "3, 500" is a list.
    # Between a closing brace and a word it parts number and unit: "\frac{1}{2} cup".
    (re.compile(r"\s+(?=[^\w\s.,])|(?<=[^\w\s.,}])\s+|(?<=\})\s+(?![A-Za-z]{2})"), ""),
    (re.compile(r"\s+"), " "),
)


def canonical(answer: str, joined: bool = True) -> str:
    r"""Return the one spelling of an answer: `\left( 3, \tfrac{1}2 \right)` -> `(3, \frac{1}{2})`.

    Digits in groups of three are joined, unless `joined` is False: what has this spelling already
    may hold two numbers side by side. Text inside `\text{}` stays as words, "and" and "or" become
    commas, degrees become `°`.

    Meant for short answers: the time grows with the square of the length in bad cases.
    """
    text = answer.strip().rstrip(".")
    if joined:
        text = _ZEROS.sub(lambda found: found[0].replace(",", ""), ungrouped(text, ""))
    text = _INVISIBLE.sub(r"\\;", text).removeprefix(r"\;")
    text = _SUPERSCRIPTS.sub(lambda found: f"^{{{found[0].translate(_PLAIN_DIGITS)}}}", text)
    text = _CHOOSE.sub(_stacked, _NO_BRACKET.sub(" ", text))
    text = _without_braces(text.translate(_SYMBOLS))
    for pattern in (_WRAPPED, _BOX):
        if found := pattern.fullmatch(text.strip()):
            text = next(inside for inside in found.groups() if inside is not None)
    text = _SPACING.sub("", _SPACE_OF_DIGITS.sub(", ", text))
    text = _LABEL.sub("", _TEXT.sub(r" \1 ", text))
    text = _JOINS.sub(", ", text)
    text = MINUS_WORD.sub("-", text)
    text = _DEGREES.sub("°", text)
    for pattern, spelling in _REWRITES:
        text = pattern.sub(spelling, text)
    text = text.strip().rstrip(".,;").rstrip()
    while alone := _BRACKETS.fullmatch(text):
        text = (alone["sign"] or "") + (alone["number"] or alone["any"])
    return text


def ungrouped(text: str, join: str, blanks: bool = True) -> str:
    """The text with digits that stand in groups of three ("10 000", `9{,}500`, `9\\,500`) joined by
    `join`; those that plain blanks part only if `blanks`."""
    return _GROUPED[blanks].sub(lambda found: _GROUP_SIGN.sub(join, found[0]), text)


def _stacked(found: re.Match) -> str:
    name = "binom" if found[2] == "choose" else "frac"
    return rf"\{name}{{{found[1]}}}{{{found[3]}}}"


def _without_braces(text: str) -> str:
    """`{7}` is 7: braces around all there is only hold it together."""
    depth = 0
    for place, sign in enumerate(text):
        escaped = place > 0 and text[place - 1] == "\\"
        depth += ((sign == "{") - (sign == "}")) * (not escaped)
        if depth <= 0 and place < len(text) - 1:
            return text
    return _without_braces(text[1:-1].strip()) if text.startswith("{") and not depth else text
