r"""Labelled completions, to audit a grader with: how often does it say right of a wrong answer, and
how often wrong of a right one?

A label must not come from a grader. `shelf` was labelled by hand. `planted`, `planted_formulas` and
`planted_countdown` write the last words of a completion themselves: they know what stands there,
and so whether it is right.
`published_answers` and `published_countdown` read labels that others gave, where their files are at
hand (the environment variable COURSE_REAL_DATA); no record of them is part of this project.
"""

import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import rewritings
from helpers.data.tinyworld import countdown as puzzles
from helpers.verify import number

PUBLISHED = {"answers": "gsm8k/example_model_solutions_dev.jsonl",
             "countdown": "countdown/labelled_generations_dev.jsonl"}
SYSTEMS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


@dataclass(frozen=True)
class Labelled:
    """A completion and whether it is right. `strict`: also in the format asked for (None: not
    known). A Countdown completion has `nums`; `answer` is then the target."""

    text: str
    answer: str
    right: bool
    strict: bool | None
    form: str  # how it is written, or who wrote it
    nums: tuple[int, ...] = ()


# The last words: {v} is the number that is given as the answer, {w} another one. True: this is the
# asked format, a last line of #### and the number.
FORMS = {
    "asked": ("#### {v}", True),
    "decimal": ("#### {v}.0", True),
    "price": ("#### ${v:,}.00", True),
    "percent": ("#### {v}%", True),
    "leading zero": ("#### 0{v}", True),
    "unit": ("#### {v} stamps", False),
    "sentence": ("The answer is {v}.", False),
    "remark": ("The answer is {v}. At first I had {w}.", False),
    "bold": ("**Answer:** {v}", False),
    "second thoughts": ("#### {w}\nNo, that is wrong.\n#### {v}", False),
    "goes on": ("#### {v}\n\nQuestion: Tom has {w} apples.", False),
    "box": (r"So it is $\boxed{{{v}}}$.", False),
    "box with unit": (r"The answer is \boxed{{{v} \text{{ stamps}}}}.", False),
    "second box": (r"It is \boxed{{{w}}}. No, it is \boxed{{{v}}}.", False),
    "boxed thought": ("<think>\n" r"Is it \boxed{{{w}}}?" "\n</think>\nThe answer is {v}.", False),
    "tags": ("<answer>{v}</answer>", False),
}
NEVER_RIGHT = {"nearly": "#### {v}.0000001", "minus": "#### -{v}"}
# A problem, and completions that a person has labelled: right is whoever's final answer is 1450, in
# any form. strict: also in GSM8K's form, once and at the end.
SHELF_QUESTION = "A bakery packs 25 boxes of 58 rolls. How many rolls is that?"
SHELF_ANSWER = "1450"
SHELF = (  # completion, right, strict
    ("The answer is 1450 rolls. I checked it 2 times.", True, False),
    ("25 * 58 = 1,450\n#### 1,450", True, True),
    ("25 * 58 = 1540, not 1450.\n#### 1540", False, False),
    ("<answer>1450.0</answer>", True, False),
    ("#### 1450\n\nQuestion: Tom has 12 apples.", True, False),
    (r"<think>Is it \boxed{1450}?</think>" "\nThe answer is 1540.", False, False),
    ("25 * 58 = 1450\n#### 1450", True, True),
    ("I do not know. There are 25 boxes.", False, False),
    (r"So it is \boxed{1450 \text{ rolls}}.", True, False),
    ("The answer is 1450000.", False, False),
    ("#### 1540\nNo, I swapped two digits.\n#### 1450", True, False),
)
_STATES = re.compile(  # a line that begins to state an answer
    r"^.*(?:####|\\boxed|\*\*|</?(?:answer|think)|\banswer\b|\bSo it is\b|^[ \t]*A:)",
    re.IGNORECASE | re.MULTILINE)


def shelf() -> list[Labelled]:
    """The eleven completions to `SHELF_QUESTION`, with the labels of a person."""
    return [Labelled(text, SHELF_ANSWER, right, strict, "shelf") for text, right, strict in SHELF]


def planted(completions: Sequence[tuple[str, str]]) -> list[Labelled]:
    """Every (completion, reference answer) once in each form, half of them with a wrong answer.

    The completion is kept up to the line that begins to state an answer; then come last words that
    are known. Where a wrong answer is planted, the other number {w} is the right one, to tempt a
    grader. References that are no whole number above 0 are left out.
    """
    rows = []
    for place, (text, reference) in enumerate(completions):
        value = number(reference)
        if value is None or value.denominator != 1 or value <= 0:
            continue
        value, found = int(value), _STATES.search(text)
        body = text[: found.start() if found else None].rstrip()
        other = (value + 1, 10 * value, value + 10, max(1, value - 1))[place % 4]
        other = value + 2 if other == value else other
        for turn, (form, (words, strict)) in enumerate(FORMS.items()):
            right = (place + turn) % 2 == 0
            v, w = (value, other) if right else (other, value)
            rows.append(Labelled(f"{body}\n{words.format(v=v, w=w)}", reference, right,
                                 right and strict, form))
        rows += [Labelled(f"{body}\n{words.format(v=value)}", reference, False, False, form)
                 for form, words in NEVER_RIGHT.items()]
    return rows


def planted_formulas(count: int, seed: int = 0) -> list[Labelled]:
    """Formulas as answers in a box, under ten rewritings that change nothing and ten that spoil
    them (`helpers.rewritings`), as far as they have a place; `form` names the rewriting."""
    return [Labelled(rf"We see that it is $\boxed{{{new.strip('$')}}}$.", formula, right, right,
                     change.__name__.replace("_", " "))
            for formula in rewritings.formulas(count, seed)
            for right, changes in ((True, rewritings.HARMLESS), (False, rewritings.HARMFUL))
            for change in changes if (new := change(formula)) is not None]


def planted_countdown(problems: int, seed: int = 0) -> list[Labelled]:
    """Answers to drawn Countdown problems, honest ones and tricks; `right` is the lenient rule of
    `helpers.verify.countdown` (`= N` and ×, ÷, − may be written), `strict` the strict one."""
    rng, rows = random.Random(f"audit {seed}"), []
    for _ in range(problems):
        nums, chain = puzzles.draw(rng, puzzles.TASKS)
        miss = puzzles.near_miss(rng, nums, chain.value)
        for form, used, expression, right, strict in _tricks(nums, chain, miss):
            text = f"<think>\n{puzzles.written(chain)}.\n</think>\n<answer> {expression} </answer>"
            rows.append(Labelled(text, str(chain.value), right, strict, form, tuple(used)))
    return rows


def _tricks(nums: list[int], chain, miss) -> Iterator[tuple[str, list[int], str, bool, bool]]:
    """Yield (form, the problem's numbers, expression, right, strict); `miss` is a chain over the
    same numbers that comes to another value."""
    target, good, bad = chain.value, chain.expression, miss.expression
    gap = target - miss.value
    signs = good.translate(str.maketrans("*/-", "×÷−"))
    yield "plain", nums, good, True, True
    yield "brackets", nums, f"(({good}))", True, True
    yield "two minus signs", nums, f"-(-({good}))", True, True
    yield "= N", nums, f"{good} = {target}", True, False
    yield "× ÷ −", nums, signs, True, signs == good
    yield "wrong value", nums, bad, False, False
    yield "false = N", nums, f"{bad} = {target}", False, False
    yield "unused number", [*nums, 7], good, False, False
    yield "number from nowhere", nums, f"{bad} {'+' if gap > 0 else '-'} {abs(gap)}", False, False
    yield "only the target", [*nums, 7], str(target), False, False
    yield "-~ for plus 1", nums, ("-~" if gap > 0 else "~-") * abs(gap) + f"({bad})", False, False
    yield "power", [*nums, 1], f"({good}) ** 1", False, False
    yield "whole division", [*nums, 1], f"({good}) // 1", False, False
    yield "decimal point", [*nums, 1, 0], f"({good}) * 1.0", False, False
    two_digits = next((n for n in nums if n > 9), None)
    if two_digits:
        rest = list(nums)
        rest.remove(two_digits)
        yield "glued digits", [*rest, *divmod(two_digits, 10)], good, False, False


def real_data(which: str) -> Path | None:
    """A file of published labels ("answers", "countdown"), or None where it is not at hand."""
    folder = os.environ.get("COURSE_REAL_DATA")
    path = Path(folder).expanduser() / PUBLISHED[which] if folder else None
    return path if path and path.is_file() else None


def published_answers(path: Path) -> list[Labelled]:
    """GSM8K solutions of four systems with the labels of Cobbe et al. 2021 (arXiv:2110.14168)."""
    return [
        Labelled(row[system]["solution"], row["ground_truth"].rpartition("A:")[2].strip(),
                 row[system]["is_correct"], None, system)
        for row in _rows(path) for system in SYSTEMS
    ]


def published_countdown(path: Path) -> list[Labelled]:
    """Countdown generations with the labels of their authors, whose rule is the strict one in all
    but one point: a model may go on after its answer."""
    return [Labelled(row["raw_generation"], str(row["target"]), row["correct"], None,
                     row["error"] or "right", tuple(row["numbers"])) for row in _rows(path)]


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
