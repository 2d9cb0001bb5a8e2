r"""What a piece of text states: the content of a mark (a box, a tag), a phrase, a whole completion.

The content of a mark is the answer as it stands. A phrase is prose: a number is picked from it,
unless a formula goes on around it, for then nothing is: `\sqrt{3}` does not state a 3, and
"1 - sin(1)" not a 1.
"""

import re

from helpers.verify.formula import Unreadable, read
from helpers.verify.latex import MINUS_WORD, canonical, ungrouped
from helpers.verify.quantity import number, quantity
from helpers.verify.relations import named
from helpers.verify.structure import chain, parts
from helpers.verify.tokens import COMMAND
from helpers.verify.tree import is_number
from helpers.verify.units import is_known

# A number as people write it: sign, currency, digits with commas or dots, a mixed number. Whether
# the commas make sense is for `number` to say: "1,2" is found whole, and is then no number, which
# is safer than to find a 2. A minus right after a letter or digit is a subtraction ("16-3").
_DIGITS = r"(?:[0-9][0-9.,]*+|\.[0-9]++)"
_MIXED = r"[0-9]{1,3} [0-9]{1,3}/[0-9]{1,3}(?![0-9.,/])"
NUMBER = (
    rf"(?:(?<![\w)\]])[-+−–])?(?:\\?[$€£¥]\s?[-−]?)?(?>{_MIXED}|{_DIGITS}(?:/{_DIGITS})?)"
)
_FRACTION = r"\\[dtc]?frac\s?(?:\{-?[0-9]+\}|[0-9])\s?(?:\{[0-9]+\}|[0-9])"
_NUMBER_OR_FRACTION = re.compile(
    rf"(?:-?(?:(?<![0-9.])[0-9]{{1,3}}\s?)?{_FRACTION}|{NUMBER})"
    r"(?P<more>\s?(?:[π√²³]|\\(?:pi|sqrt)))?")
# The first number of a phrase, unless a formula goes on behind it (5 + 3, 2x, 9^2, 3:30, 1\frac…).
_FIRST_NUMBER = re.compile(
    rf"[^0-9\\{{}}^_√]*?(?P<number>{NUMBER})"
    r"(?!\s*[-+*/×÷^_:−!²³√π]\s*[\d({\\a-z]|[!²³√π])(?!\s*\\(?![%$)\]]))(?![A-Za-z](?![A-Za-z]))"
)
_PHRASE_END = re.compile(r"\n|\.\s")
_FORMULA = re.compile(
    r"(?<!\\)\$((?:\\.|[^$\\])+(?<![-+*/=\s]))\s?\$|\\\((.+?)\\\)|\\\[(.+?)\\\]"
)
_LISTED = re.compile(r"\s*(?:,|,?\s*\b(?:and|or)\b)\s*")
_TUPLE = re.compile(r"[(\[][^()\[\]]*,[^()\[\]]*[)\]]")
# A choice: in brackets, or alone up to a sign or a reason; "A train" and "I think" are no choices.
_CHOICE = re.compile(
    r"(?:option |choice )?(\([A-Ja-j]\)|[A-J](?=\s*(?:[.,:;)*]|$|because\b|since\b)))")
_BOLD = re.compile(r"\*\*([^*\n]*[^*\n:])\*\*")
_PROSE = re.compile(r"[A-Za-z]+ [a-z]+ [^\\=+*/^_<>{}]*")
_NAME = re.compile(r"[A-Z][a-z]+|yes|no|true|false")
_TIME = re.compile(r"[0-9]+ ?:[ 0-9:]+(?: ?[ap]\.?m)?", re.IGNORECASE)  # of day, or a ratio
_AT_THE_END = ".,\\ \t\n\r\f\v\u00a0"  # of an answer, says nothing; a backslash is left of `\,`
_LATEX_SPACE = re.compile(r"\\[!,;: ]\s*|\{(?=,\})|(?<=\{,)\}")
_TEXT = re.compile(r"\\(?:text|mbox|mathrm)\s*\{[^{}]*\}")
_MINUS = re.compile(r"[-−–]\s+(?=[\d.$])")
_LEAD = re.compile(r"(?:[A-Za-z$\\][\w$\\{}'’ ]*?\s)?(?:is|are|equals|be)\b\s*(?::\s*)?(?=[^\s}])")


def answer_in(inside: str, leads: int = 2) -> str | None:
    """What a box or a tag states: all that it holds, but for the words that lead to it ("it is")
    and, in a sentence, those around a number."""
    if number(whole := inside.strip().rstrip(".,")) is not None:
        return whole  # what most answers are
    if leads and (lead := _LEAD.match(inside.strip()[:200])):
        return answer_in(inside.strip()[lead.end() :], leads - 1)
    prose = _PROSE.fullmatch(inside.strip()) if len(inside) < 200 else None
    return (_number_in(inside) if prose else None) or bare(inside)


def phrase_answer(phrase: str, leads: int = 2) -> str | None:
    """The answer that a phrase states: a choice, a tuple, a formula, a number, a name. So many
    times it may lead to the answer: "The largest n is" 34."""
    if number(whole := phrase.strip().rstrip(".,")) is not None:
        return whole  # what most answers are
    if bold := _BOLD.match(phrase.strip()):
        choice = _CHOICE.match(bold[1])
        return choice[1] if choice else answer_in(bold[1])
    text = plain(phrase)
    first, *more = _PHRASE_END.split(text, maxsplit=1)
    if choice := _CHOICE.match(first):
        return choice[1]
    if pair := _TUPLE.match(first):
        return bare(pair[0])
    lead = _LEAD.match(first) if leads else None
    if lead and (found := phrase_answer(first[lead.end() :], leads - 1)):
        return found
    if formulas := _formulas(first):
        return formulas
    whole = bare(first)
    if whole and (_is_answer(whole) or _TEXT.fullmatch(whole)):
        return whole
    name = _NAME.fullmatch(whole or "") if not more else None
    return _number_in(first) or (name[0] if name else None)


def holds_a_number(phrase: str) -> bool:
    """Whether a phrase has a number in it. One that it does not state belongs to a formula."""
    return bool(re.search("[0-9]", _PHRASE_END.split(phrase, maxsplit=1)[0]))


def last_number(text: str) -> str | None:
    """The last number of a text."""
    numbers = list(_NUMBER_OR_FRACTION.finditer(ungrouped(text, ",", blanks=False)))
    return tidy(numbers[-1][0]) if numbers and not numbers[-1]["more"] else None


def plain(text: str) -> str:
    """A phrase without stars, with a leading `- 5` as -5 and digits in groups as one number."""
    text = ungrouped(re.sub(r"\*\*|__", "", text), ",").strip()
    minus = _MINUS.match(text) or MINUS_WORD.match(text)
    return f"-{text[minus.end() :]}" if minus else text


def _formulas(phrase: str) -> str | None:
    """The formula of a phrase, or several in a list."""
    found = _FORMULA.search(phrase)
    listed = []
    while found:
        formula = next(filter(None, found.groups()))
        if "\\" not in formula and re.search("[A-Za-z]{2}", formula):
            break  # "$5 and $6": two prices
        listed.append(answer_in(formula))
        after = _LISTED.match(phrase, found.end())
        found = _FORMULA.match(phrase, after.end()) if after else None
    return ", ".join(filter(None, listed)) or None


def _is_answer(text: str) -> bool:
    """Whether a whole phrase is a number with a usual unit, a list, a formula, an inequality."""
    if _TIME.fullmatch(text):
        return True
    if found := quantity(text):
        return not found[1] or is_known(found[1])
    written = canonical(text) if len(text) < 200 else ""
    if re.search("[A-Za-z]{3}", COMMAND.sub("", written)):
        return False
    kind, entries = parts(written)
    if set(chain(written)[1]) - {"="}:
        return True
    try:
        trees = [read((named(entry) or ("", entry))[1])
                 for entry in (entries if kind == "set" else [written])]
    except Unreadable:
        return False
    return kind == "set" or not is_number(trees[0])


def _number_in(phrase: str) -> str | None:
    """The number that a short phrase states ("x = $5 each" -> "$5"), or None for a formula."""
    found = _FIRST_NUMBER.match(tidy(phrase[phrase.rfind("=") + 1 :]))
    stated = tidy(found["number"]) if found else None
    return stated if number(stated) is not None or quantity(stated) else None


def bare(answer: str) -> str | None:
    """Take off spaces and a trailing dot; None if nothing is left."""
    return answer.strip().rstrip(_AT_THE_END) or None


def tidy(answer: str) -> str:
    r"""Take off what carries no value: spaces, LaTeX spacing, `\text{}` units, a trailing dot."""
    return _LATEX_SPACE.sub("", _TEXT.sub(" ", answer)).strip().rstrip(".,").rstrip()
