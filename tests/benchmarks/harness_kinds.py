r"""Completions and both sides' verdicts on them, for `tests.benchmarks.harness`: a shelf of hard
endings, and the kinds of difference that come from definitions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from helpers.verify import equal, grade, number

LAST = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")  # of flexible-extract
_GROUPED = re.compile(r"(?<=[0-9]) (?=[0-9]{3}(?![0-9]))")
STOP = "Question:"  # of their task's stop strings the one that a chat model writes itself
MARK = re.compile(r"#### (\-?[0-9\.\,]+)")  # of lm-eval's strict-match


class Answer(NamedTuple):
    """A completion, the reference of its problem, and what a run says of it: whether the length
    limit cut it off, and its verdicts (None: nobody has graded it)."""

    text: str
    gold: str
    cut: bool = False
    strict: bool | None = None
    lenient: bool | None = None


SHELF = tuple(
    Answer(*one)
    for one in (  # GSM8K's answer column gives the reference
        ("6 x 3 = 18.\n#### 18", "18"),
        ("6 x 3 = 18.\n#### 17", "18"),
        ("#### 18", "18"),
        ("#### 18\n", "18"),
        ("#### 18.", "18"),
        ("#### 18.0", "18"),
        ("#### 18.00", "18"),
        ("#### 018", "18"),
        ("#### 1,450", "1450"),
        ("#### 1450", "1,450"),
        ("#### 14,50", "1450"),
        ("#### 1 450", "1450"),
        ("#### $18", "18"),
        ("#### $ 18", "18"),
        ("#### $1,450.00", "1450"),
        ("#### 18 $", "18"),
        ("#### 18%", "18"),
        ("#### 18 apples", "18"),
        ("#### -7", "-7"),
        ("#### - 7", "-7"),
        ("#### \u22127", "-7"),
        ("#### -$7", "-7"),
        ("#### +18", "18"),
        ("#### .5", "0.5"),
        ("#### 0.50", "0.5"),
        ("#### 1/2", "0.5"),
        ("####18", "18"),
        ("####  18", "18"),
        ("### 18", "18"),
        ("So it is #### 18", "18"),
        ("#### 17\n#### 18", "18"),
        ("#### 18\n#### 17", "18"),
        ("#### 18\n#### 18", "18"),
        ("#### 18\nShe has 3 of them left.", "18"),
        ("#### 17\nNo, it is 18", "18"),
        ("#### 18\n\nQuestion: What is 2+2?\nAnswer: 4", "18"),
        ("14 apples\n\nQuestion: What is 9+9?\nAnswer: \\boxed{18}", "18"),
        ("#### 18 #### 18", "18"),
        ("**#### 18**", "18"),
        ("#### **18**", "18"),
        ("#### \\boxed{18}", "18"),
        ("It is \\boxed{18}.", "18"),
        ("It is $\\boxed{18}$, for 21 - 3 is that.", "18"),
        ("The answer is 18", "18"),
        ("The answer is 18.", "18"),
        ("The answer is 18...", "18"),
        ("The answer is 18, for 21-3=18.", "18"),
        ("The answer is 18. She gives 3 away.", "18"),
        ("The answer is 17. She gives 18 away.", "18"),
        ("The answer is $18.50", "18.5"),
        ("The answer is $18.50.", "18.50"),
        ("21-3", "3"),
        ("21 - 3", "-3"),
        ("It is -3", "-3"),
        ("18 ...", "18"),
        ("18 , .", "18"),
        ("There are eighteen.", "18"),
        ("", "18"),
        ("$18", "18"),
        ("<answer>18</answer>", "18"),
        ("<answer>18</answer> of 20", "18"),
        ("The answer is 1,2", "12"),
        ("It is 1/2", "2"),
        ("It is \\frac{1}{2}", "2"),
        ("It is \\frac{36}{2}", "18"),
        ("It is 2 + 18", "18"),
        ("x = 5 \\sqrt{3}", "3"),
        ("#### 18", "18", True),
    )
)


@dataclass(frozen=True)
class Case:
    """A completion and what both sides say of it, by one of the two measures."""

    measure: str
    text: str
    gold: str
    ours: bool
    theirs: bool
    our_answer: str | None
    their_answer: str  # "[invalid]" where their pattern found nothing
    cut: bool = False  # off at the length limit

    @property
    def same_value(self) -> bool:
        """Whether what they read is the right number, written otherwise."""
        value = number(self.their_answer)
        same_text = _compared(self.their_answer) == _compared(self.gold)
        return value is not None and value == number(self.gold) and not same_text

    @property
    def mark(self) -> re.Match | None:
        return MARK.search(self.text) if self.measure == "strict" else None


def _compared(answer: str) -> str:
    """The text that they compare."""
    return answer.replace(",", "").replace("$", "").removesuffix(".")


def _right_if_it_ended(case: Case) -> bool:
    """Whether strict grading lets the text pass that ends with the number after its first mark."""
    ended = case.mark and "\n" + case.text[case.mark.start() : case.mark.end()]
    return bool(ended) and grade(ended, case.gold, "hash", "strict")


def _last(text: str) -> str | None:
    """What flexible-extract reads, without a dot at its end."""
    found = [one[0] for one in LAST.finditer(text)]
    return found[-1].rstrip(".,") if found else None


def _behind(case: Case) -> str:
    return case.text[case.mark.end() :].strip() if case.mark else ""


def _before(case: Case) -> str:
    return case.text[: case.mark.start()].rpartition("\n")[2] if case.mark else ""


def _ungrouped(case: Case) -> bool:
    """Whether their answer is right because they drop commas that group no three digits."""
    return "," in case.their_answer and number(case.their_answer.rstrip(".,")) is None


# Kind -> (what is defined otherwise, whether a case is of it). The first that holds names a case.
THEIRS: dict[str, tuple[str, Callable[[Case], bool]]] = {
    "cut off": (
        "strict takes no answer that the length limit cut off: `#### 5` may be half of `#### 57`",
        lambda c: c.measure == "strict" and c.cut and grade(c.text, c.gold, "hash", "strict"),
    ),
    "several marks": (
        "strict asks for one `####`, strict-match takes the first",
        lambda c: c.measure == "strict" and c.text.count("####") > 1 and _right_if_it_ended(c),
    ),
    "goes on": (
        "strict asks that the text ends with the answer; strict-match looks no further",
        lambda c: c.measure == "strict" and bool(_behind(c)) and _right_if_it_ended(c),
    ),
    "mark inside a line": (
        "strict asks for a line of its own; strict-match finds `####` anywhere",
        lambda c: c.measure == "strict" and bool(_before(c).strip()) and _right_if_it_ended(c),
    ),
    "commas": (
        "`14,50` is no number for us; they drop all commas",
        _ungrouped,
    ),
    "another answer is stated": (
        "lenient takes the marked or stated answer, flexible-extract the last number",
        lambda c: (
            c.measure == "lenient"
            and c.our_answer is not None
            and number(c.our_answer) not in (None, number(c.gold))
        ),
    ),
    "a number of a formula": (
        "lenient picks no number out of a formula, flexible-extract its last one",
        lambda c: c.measure == "lenient" and number(c.our_answer) is None,
    ),
}
OURS: dict[str, tuple[str, Callable[[Case], bool]]] = {
    "behind a stop": (
        "their task cuts a text where it stops a model, before `Question:`; we read it whole",
        lambda c: (
            c.measure == "lenient"
            and STOP in c.text
            and (_last(c.text.partition(STOP)[0]) or "[invalid]") == c.their_answer.rstrip(".,")
        ),
    ),
    "value": (
        "we compare values, they compare text: 18.0 is not 18",
        lambda c: c.same_value,
    ),
    "pattern": (
        "`#### $18`, `#### +18`, `#### \u22127`: no sign but `-` may stand there in strict-match",
        lambda c: c.measure == "strict" and c.mark is None and c.text.count("####") == 1,
    ),
    "only punctuation": (
        "flexible-extract takes `...` and `.,` for a number where they come last",
        lambda c: c.measure == "lenient" and not re.search(r"\d|invalid", c.their_answer),
    ),
    "fraction": (
        "`1/2` is a number for us; they read one of its parts",
        lambda c: "/" in (c.our_answer or ""),
    ),
    "more dots": (
        "they take off one dot at the end",
        lambda c: (
            c.measure == "lenient"
            and c.their_answer.endswith("..")
            and number(c.their_answer.rstrip(".")) == number(c.gold)
        ),
    ),
    "minus": (
        "`21-3`: a minus behind a number is a subtraction for us; `- 7`, `\u22127` are -7",
        lambda c: c.measure == "lenient" and number(c.their_answer) == -number(c.gold),
    ),
    "grouped by blanks": (
        "`1 450` is 1450 for us; they read 450",
        lambda c: (
            c.measure == "lenient"
            and bool(_GROUPED.search(c.text))
            and number(_last(_GROUPED.sub("", c.text))) == number(c.gold)
        ),
    ),
    "not the last number": (
        "lenient takes the marked or stated answer, flexible-extract the last number",
        lambda c: (
            c.measure == "lenient"
            and _last(c.text) == c.their_answer.rstrip(".,")
            and number(_last(c.text)) != number(c.gold)
        ),
    ),
}


def kind(case: Case) -> str | None:
    """The kind of a difference, None where no definition explains it."""
    if case.ours and not (case.our_answer and equal(case.gold, case.our_answer)):
        return None  # right, and yet not for what we read
    for name, (_, holds) in (OURS if case.ours else THEIRS).items():
        if holds(case):
            return name
    return None
