r"""Small repairs of LaTeX text: `$` around an answer, and boxes inside a solution."""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(_BOX.pattern + r"|\\.|[{}]", re.DOTALL)
_ESCAPE_OR_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANSWER_LINE = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:the\s+(?:final\s+)?answer\s+is|we\s+get):?\s*",
    re.IGNORECASE,
)


def bare_answer(answer: str) -> str:
    r"""An answer without the `$` or the one `\boxed{}` around it: `$\boxed{3}$` -> `3`."""
    answer = answer.strip()
    while len(answer) > 1 and answer[0] == answer[-1] == "$":
        answer = answer[1:-1].strip()
    found = _BOX.match(answer)
    if found and _closing(answer, found.end()) == len(answer) - 1:
        return answer[found.end():-1].strip()
    return answer


def without_boxes(solution: str) -> str:
    r"""A solution with its boxes opened (`\boxed{60}` -> `60`), and without a last line that only
    states the answer: the answer format writes that line, and a second box would spoil it."""
    head, _, last = solution.rstrip().rpartition("\n")
    stated = _ANSWER_LINE.match(last)
    rest = last[stated.end():].strip().strip("$.").strip() if stated else ""
    if (box := _BOX.match(rest)) and _closing(rest, box.end()) == len(rest) - 1:
        return _opened(head).rstrip()
    return _opened(solution).strip()


def _opened(text: str) -> str:
    """Without the opening and the closing of every box that is closed, in one pass."""
    open_braces: list[re.Match] = []
    dropped: list[tuple[int, int]] = []
    for mark in _BRACE.finditer(text):
        if mark[0] == "}" and open_braces:
            opening = open_braces.pop()
            if len(opening[0]) > 1:
                dropped += [opening.span(), mark.span()]
        elif mark[0].endswith("{") and mark[0] != "\\{":
            open_braces.append(mark)
    kept, position = [], 0
    for start, end in sorted(dropped):
        kept.append(text[position:start])
        position = end
    return "".join(kept) + text[position:]


def _closing(text: str, start: int) -> int | None:
    """Where the brace opened before `start` is closed, or None. An escaped brace is a character."""
    depth = 1
    for brace in _ESCAPE_OR_BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None
