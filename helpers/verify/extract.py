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
  the last number of the text. What stands inside `<think>...</think>` does not count.

Strict is close to lm-eval's gsm8k `strict-match` (`#### (\-?[0-9\.\,]+)`, first match), but asks
for the end of the text: a model that goes on after its answer has not learned to stop.
"""

import re
from collections.abc import Iterator

FORMATS = ("hash", "xml", "boxed", "think")
GRADINGS = ("strict", "lenient")
TAIL = 20_000  # characters; answers stand at the end, and a bound keeps the worst case fast

# A number as people write it: sign, currency, digits with commas or dots. Whether the commas make
# sense is for `number` to say: "1,2" is found whole, and is then no number, which is safer than to
# find a 2. A minus right after a letter or digit is a subtraction ("16-3").
_DIGITS = r"(?:[0-9][0-9.,]*+|\.[0-9]++)"
_NUMBER = rf"(?:(?<![\w)\]])[-+−])?(?:\\?[$€£¥]\s?[-−]?)?{_DIGITS}(?:/{_DIGITS})?"
_ANY_NUMBER = re.compile(_NUMBER)
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
_LATEX_SPACE = re.compile(r"\\[!,;: ]\s*|\{(?=,\})|(?<=\{,)\}|\\(?:text|mbox|mathrm)\s*\{[^{}]*\}")
_AFTER_BOX = re.compile(r"[\s$.)\]\\]*")


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
    return _tidy(text[text.index("<answer>") + len("<answer>") : -len("</answer>")]) or None


def _strict_boxed(text: str) -> str | None:
    box = next(_boxes(text), None)  # the first to close; with nothing after it also the only one
    if box is None or not _AFTER_BOX.fullmatch(text, box[1] + 1):
        return None
    return _tidy(text[slice(*box)]) or None


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
    text = text[text.rfind("</think>") + len("</think>") :] if "</think>" in text else text
    marked = max(_marked_answers(text), default=None)  # the one that starts last
    if marked is not None:
        return marked[1]
    numbers = _ANY_NUMBER.findall(text)
    return _tidy(numbers[-1]) if numbers else None


def _marked_answers(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, answer): the last of each kind of mark that has an answer behind it."""
    boxes = max(_boxes(text), default=None)
    if boxes and (inside := _tidy(text[slice(*boxes)])):
        yield boxes[0], _number_in(inside) or inside
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    if start >= 0 and (inside := _tidy(text[start + len("<answer>") : end])):
        yield start, _number_in(inside) or inside
    for mark in reversed(list(_MARKED_LINE.finditer(text))):
        phrase = text[mark.end() : mark.end() + 200].lstrip("*_: \t\n")
        if answer := _number_in(_PHRASE_END.split(phrase, maxsplit=1)[0]):
            yield mark.start(), answer
            return


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


def _tidy(answer: str) -> str:
    r"""Take off what carries no value: spaces, LaTeX spacing, `\text{}` units, a trailing dot."""
    return _LATEX_SPACE.sub("", answer).strip().rstrip(".,").rstrip()
