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

- **lenient**: what did the model answer, whatever the format? The *last* mark counts: a line after
  `####`, a balanced `\boxed{}`, `<answer>`. Without one, the last phrase that states an answer
  ("the answer is", `A: N`), and without such a phrase the last number of the text. What stands
  inside `<think>...</think>` does not count. Boxes that follow each other as a list
  (`\boxed{2}, \boxed{3}`) are one answer with several entries. A mark's content is taken whole
  (`stated`): of a formula no number is ever picked. Why so: POLICY.md.

Strict is close to lm-eval's gsm8k `strict-match` (`#### (\-?[0-9\.\,]+)`, first match), but asks
for the end of the text: a model that goes on after its answer has not learned to stop.
"""

import re
from collections.abc import Iterator

from helpers.verify.stated import (
    NUMBER,
    answer_in,
    bare,
    holds_a_number,
    last_number,
    phrase_answer,
)

FORMATS = ("hash", "xml", "boxed", "think")
GRADINGS = ("strict", "lenient")
TAIL = 20_000  # characters; answers stand at the end, and a bound keeps the worst case fast
MOST_PHRASES = 20  # the last ones, that are asked what they state

_HASH_LINE = re.compile(rf"####[ \t]+(?P<number>(?:[-−–] )?{NUMBER})\s?\\?%?")
_HASHES = re.compile(r"####[ \t]*(?P<line>[^\n]*)")
_BOX_OR_BRACE = re.compile(r"\\[{}]|\\(?:boxed|fbox)\s*\{|[{}]")
_PHRASE = re.compile(r"^[ \t]*A:|\banswers?\b[*_ \t]*(?:is|are|=|:)", re.IGNORECASE | re.MULTILINE)
_AFTER_BOX = re.compile(r"[\s$.)\]\\]*")
_BETWEEN_BOXES = re.compile(
    r"\}(?:[\s$,;]|\\[][(),;:! ]|\\q?quad(?![a-z])|\b(?:and|or)\b|"
    r"\\text\s*\{\s*[,;]?\s*(?:and|or)?\s*\})*\\(?:boxed|fbox)\s*\{")


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
    return bare(found["number"]) if found and text.count("####") == 1 else None


def _strict_xml(text: str) -> str | None:
    once = text.count("<answer>") == text.count("</answer>") == 1
    if not once or not text.endswith("</answer>"):
        return None
    return bare(text[text.index("<answer>") + len("<answer>") : -len("</answer>")])


def _strict_boxed(text: str) -> str | None:
    box = next(_boxes(text), None)  # the first to close; with nothing after it also the only one
    if box is None or not _AFTER_BOX.fullmatch(text, box[1] + 1):
        return None
    return bare(text[slice(*box)])


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
    text = text.rpartition("</think>")[2].partition("<think>")[0]
    marked = max(_marked_answers(text), default=None)  # the one that starts last
    if marked is not None:
        return marked[1]
    for mark in reversed(list(_PHRASE.finditer(text))[-MOST_PHRASES:]):
        phrase = text[mark.end() : mark.end() + 200].lstrip("_: \t\n")
        if answer := phrase_answer(phrase):
            return answer
        if holds_a_number(phrase):
            return None
    return last_number(text)


def _marked_answers(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, answer): the last of each kind of mark that has an answer in it."""
    if boxes := sorted(_boxes(text)):
        listed = [boxes[-1]]  # and those that stand before it in one list
        while len(boxes) > len(listed) and _BETWEEN_BOXES.fullmatch(
            text, boxes[-len(listed) - 1][1], listed[0][0]
        ):
            listed.insert(0, boxes[-len(listed) - 1])
        entries = dict.fromkeys(filter(None, (answer_in(text[slice(*box)]) for box in listed)))
        if entries:
            yield listed[-1][0], ", ".join(entries)
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, end) if end >= 0 else -1
    if start >= 0 and (inside := answer_in(text[start + len("<answer>") : end])):
        yield start, inside
    for mark in reversed(list(_HASHES.finditer(text))[-MOST_PHRASES:]):
        line = mark["line"][:200]
        if answer := phrase_answer(line) or bare(line):
            yield mark.start(), answer
            return


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
