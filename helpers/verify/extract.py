r"""Find the answer in a completion.

Two gradings, two questions:

- **strict**: did the model answer *in the format it was asked for*? The answer must stand in the
  right place, once, with nothing after it:

  | format | the completion must end with |
  |---|---|
  | hash | a line `#### N` (the only `####` of the text) |
  | xml | `<answer>N</answer>` (the only one) |
  | boxed | `\boxed{N}` (the only one; `$`, `.` and closing brackets may follow) |
  | think | one `<think>...</think>` at the start, then a strict xml or boxed answer |

- **lenient**: what did the model answer, whatever the format? The *last* marked answer counts:
  `####`, a balanced `\boxed{}`, `<answer>`, "the answer is", or a line `A: N`; without any mark,
  the last number of the text. What stands inside `<think>...</think>` does not count. Boxes that
  follow each other as a list (`\boxed{2}, \boxed{3}`) are one answer with several entries.

Strict is close to lm-eval's gsm8k `strict-match` (`#### (\-?[0-9\.\,]+)`, first match), but asks
for the end of the text: a model that goes on after its answer has not learned to stop.
"""

import re
from collections.abc import Iterator

from helpers.verify.quantity import number

FORMATS = ("hash", "xml", "boxed", "think")
GRADINGS = ("strict", "lenient")
TAIL = 20_000  # characters; answers stand at the end, and a bound keeps the worst case fast

# A number as people write it: sign, currency, digits with commas or dots, a mixed number. Whether
# the commas make sense is for `number` to say: "1,2" is found whole, and is then no number, which
# is safer than to find a 2. A minus right after a letter or digit is a subtraction ("16-3").
_DIGITS = r"(?:[0-9][0-9.,]*+|\.[0-9]++)"
_MIXED = r"[0-9]{1,3} [0-9]{1,3}/[0-9]{1,3}(?![0-9.,/])"
_NUMBER = (
    rf"(?:(?<![\w)\]])[-+−])?(?:\\?[$€£¥]\s?[-−]?)?(?>{_MIXED}|{_DIGITS}(?:/{_DIGITS})?)"
)
_ANY_NUMBER = re.compile(_NUMBER)
_FRACTION = r"\\[dtc]?frac\s?(?:\{-?[0-9]+\}|[0-9])\s?(?:\{[0-9]+\}|[0-9])"
_NUMBER_OR_FRACTION = re.compile(rf"-?(?:(?<![0-9.])[0-9]{{1,3}}\s?)?{_FRACTION}|{_NUMBER}")
# The first number of a phrase, unless a formula goes on behind it (5 + 3, 2x, 9^2, 3:30, 1\frac…).
_FIRST_NUMBER = re.compile(
    rf"[^0-9\\{{}}^_]*?(?P<number>{_NUMBER})"
    r"(?!\s*[-+*/×÷^_:−]\s*[\d({\\])(?!\s*\\(?![%$)\]]))(?![A-Za-z](?![A-Za-z]))"
)
_HASH_LINE = re.compile(rf"####[ \t]+(?P<number>{_NUMBER})\s?\\?%?")
_BOX_OR_BRACE = re.compile(r"\\[{}]|\\(?:boxed|fbox)\s*\{|[{}]")
_MARKED_LINE = re.compile(
    r"####|^[ \t]*A:|\banswer\b[*_ \t]*(?:is|are|=|:)", re.IGNORECASE | re.MULTILINE
)
_PHRASE_END = re.compile(r"\n|\.\s")
_FORMULA = re.compile(
    r"(?<!\\)\$((?:\\.|[^$\\])+(?<![-+*/=\s]))\s?\$|\\\((.+?)\\\)|\\\[(.+?)\\\]"
)
_TUPLE = re.compile(r"[(\[][^()\[\]]*,[^()\[\]]*[)\]]")
_CHOICE_OR_NAME = re.compile(r"\(?[A-J]\)?[.*]*|[A-Z][a-z]+[.*]*")
_LATEX_SPACE = re.compile(r"\\[!,;: ]\s*|\{(?=,\})|(?<=\{,)\}|\\(?:text|mbox|mathrm)\s*\{[^{}]*\}")
_AFTER_BOX = re.compile(r"[\s$.)\]\\]*")
_BETWEEN_BOXES = re.compile(r"\}[\s$]*(?:,|(?:,\s*)?(?:and|or)\b)[\s$]*\\(?:boxed|fbox)\s*\{")


def extract(text: str, answer_format: str = "hash", grading: str = "strict") -> str | None:
    """Return the answer as it is written in `text` (e.g. "1,450"), or None if there is none.

    Only the last 20,000 characters are looked at. An unknown format or grading is a ValueError;
    no `text` raises.
    """
    if answer_format not in FORMATS:
        raise ValueError(f"unknown answer format {answer_format!r}; known: {', '.join(FORMATS)}")
    if grading not in GRADINGS:
        raise ValueError(f"unknown grading {grading!r}; known: {', '.join(GRADINGS)}")
    tail = text[-TAIL:].strip()
    return _lenient(tail) if grading == "lenient" else _STRICT[answer_format](tail)


def _strict_hash(text: str) -> str | None:
    line = text[text.rfind("\n") + 1 :]
    found = _HASH_LINE.fullmatch(line)
    return _tidy(found["number"]) if found and text.count("####") == 1 else None


def _strict_xml(text: str) -> str | None:
    once = text.count("<answer>") == text.count("</answer>") == 1
    if not once or not text.endswith("</answer>"):
        return None
    return _bare(text[text.index("<answer>") + len("<answer>") : -len("</answer>")])


def _strict_boxed(text: str) -> str | None:
    box = next(_boxes(text), None)  # the first to close; with nothing after it also the only one
    if box is None or not _AFTER_BOX.fullmatch(text, box[1] + 1):
        return None
    return _bare(text[slice(*box)])


def _strict_think(text: str) -> str | None:
    once = text.count("<think>") == text.count("</think>") == 1
    if not once or not text.startswith("<think>"):
        return None
    answer = text[text.index("</think>") + len("</think>") :].strip()
    return _strict_xml(answer) or _strict_boxed(answer)


_STRICT = {
    "hash": _strict_hash,
    "xml": _strict_xml,
    "boxed": _strict_boxed,
    "think": _strict_think,
}


def _lenient(text: str) -> str | None:
    text = text.rpartition("</think>")[2]
    marked = max(_marked_answers(text), default=None)  # the one that starts last
    if marked is not None:
        return marked[1]
    numbers = _NUMBER_OR_FRACTION.findall(text)
    return _tidy(numbers[-1]) if numbers else None


def _marked_answers(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, answer): the last of each kind of mark that has an answer behind it."""
    if boxes := sorted(_boxes(text)):
        listed = [boxes[-1]]  # and those that stand before it in one list
        while len(boxes) > len(listed) and _BETWEEN_BOXES.fullmatch(
            text, boxes[-len(listed) - 1][1], listed[0][0]
        ):
            listed.insert(0, boxes[-len(listed) - 1])
        entries = dict.fromkeys(filter(None, (_answer_in(text[slice(*box)]) for box in listed)))
        if entries:
            yield listed[-1][0], ", ".join(entries)
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    if start >= 0 and (inside := _answer_in(text[start + len("<answer>") : end])):
        yield start, inside
    for mark in reversed(list(_MARKED_LINE.finditer(text))):
        phrase = text[mark.end() : mark.end() + 200].lstrip("*_: \t\n")
        first, *more = _PHRASE_END.split(phrase, maxsplit=1)
        if answer := _stated(first, last=not more):
            yield mark.start(), answer
            return


def _stated(phrase: str, last: bool) -> str | None:
    """Return the answer that a phrase states: a tuple, a formula, a number, or, if it is the last
    phrase of the text, a choice letter or a name."""
    if pair := _TUPLE.match(phrase):
        return _bare(pair[0])
    found = _FORMULA.search(phrase)
    formula = next(filter(None, found.groups())) if found else ""
    if "\\" in formula or (formula and not re.search("[A-Za-z]{2}", formula)):
        return _answer_in(formula)  # and not "$5 and $6", which are two prices
    name = _CHOICE_OR_NAME.fullmatch(phrase.strip()) if last else None
    return _number_in(phrase) or (_bare(name[0].strip("*")) if name else None)


def _answer_in(inside: str) -> str | None:
    """Return the number that a box or tag states ("x = 5" -> "5"), or else all that it holds."""
    *before, last = inside.split("=")
    # "5 + 3 = 8" and "x = 8" state a number, the equation "5x + 3y = 8" does not.
    equation = any(re.search("[0-9]", part) and re.search("[a-zA-Z]", part) for part in before)
    if not equation and len(_ANY_NUMBER.findall(_tidy(last))) == 1:
        stated = _number_in(last)
        if number(stated) is not None:  # and not the "2,4" of (2,4)
            return stated
    return _bare(inside)


def _number_in(phrase: str) -> str | None:
    """Return the number a short phrase states ("x = $5 each" -> "$5"), or None for a formula."""
    found = _FIRST_NUMBER.match(_tidy(phrase[phrase.rfind("=") + 1 :]))
    return _tidy(found["number"]) if found else None


def _boxes(text: str) -> Iterator[tuple[int, int]]:
    r"""Yield (start, end) of the content of every balanced `\boxed{}`, in one pass."""
    open_braces: list[int | None] = []  # where a box's content starts; None for another brace
    for brace in _BOX_OR_BRACE.finditer(text):
        if brace[0] == "}":
            start = open_braces.pop() if open_braces else None
            if start is not None:
                yield start, brace.start()
        elif brace[0] == "{":
            open_braces.append(None)
        elif brace[0].endswith("{") and len(brace[0]) > 2:
            open_braces.append(brace.end())


def _bare(answer: str) -> str | None:
    """Take off spaces and a trailing dot; None if nothing is left."""
    return answer.strip().rstrip(".,").rstrip() or None


def _tidy(answer: str) -> str:
    r"""Take off what carries no value: spaces, LaTeX spacing, `\text{}` units, a trailing dot."""
    return _LATEX_SPACE.sub("", answer).strip().rstrip(".,").rstrip()
