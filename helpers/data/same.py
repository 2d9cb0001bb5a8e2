"""When two problems are the same one: their texts after normalisation are equal."""

import re
import unicodedata

# Marks of LaTeX and of print that change nothing in what is asked.
_MARKUP = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad|text|mathrm|mbox|textbf|mathbf)(?![a-z])"
    r"|\\[()\[\]!,;: ]|\\\\|[$~{}\\]"
)
_NEGATIVE_SPACE = re.compile(r"\\!\s*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SIZED_FRACTION = re.compile(r"\\[dt]frac(?![a-z])")
_PUNCTUATION = ".,;:?'\"`´’‘“”"
_TOKEN = re.compile(rf"\d+(?:\.\d+)?|[^\s\d{_PUNCTUATION}]")


def plain_text(text: str) -> str:
    """The text without differences in blanks and letter case."""
    return " ".join(text.split()).casefold()


def math_text(text: str) -> str:
    r"""The text without differences in blanks, letter case, LaTeX markup and punctuation.

    Numbers stay apart from each other ("1, 23" is not "12, 3"); signs of arithmetic stay.
    >>> math_text(r"Find $\dfrac{1}{2}$ of $1{,}000$.")
    'findfrac1 2of1000'
    """
    text = unicodedata.normalize("NFC", text).casefold()
    text = _SIZED_FRACTION.sub(r"\\frac", text).replace("{,}", ",").replace("−", "-")
    text = _NEGATIVE_SPACE.sub("", text)
    tokens = _TOKEN.findall(_MARKUP.sub(" ", _THOUSANDS.sub("", text)))
    joined = []
    for before, token in zip(["", *tokens], tokens, strict=False):
        joined.append(f" {token}" if token[0].isdigit() and before[-1:].isdigit() else token)
    return "".join(joined) or plain_text(text)
