r"""Rewards for the answer: is it right? All compare with a reference of the data set.

| reward | 1.0 for | otherwise |
|---|---|---|
| exact_answer | the right number in the asked format (strict grading) | 0.0 |
| correct_answer | the right answer, formulas included, in any format (lenient grading) | 0.0 |
| answer_accuracy | the right answer in the only `<answer>` field, at the end | 0.0 |
| close_answer | a number within 1e-8 of the reference, in any format | 0.0 |
| countdown | an expression that reaches the target | 0.1 for an answer in its tags, else 0.0 |

A reference is text or a whole number (72 is "72"). One that is broken (None, True, a float, empty,
not a number where one is needed) gives None, with a warning, and never a reward.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from helpers.rewards.text import Completion, against_references, plain_reference
from helpers.verify import countdown as rules
from helpers.verify import extract, grade, number, quantity, without_name

TOLERANCE = Fraction(1, 10**8)
_COMMA = re.compile(r"[0-9],[0-9]")


def number_flaw(reference: object) -> str | None:
    """What is wrong with a reference that must be a plain number."""
    return _flaw(reference, "not a number", lambda text: number(text) is not None)


def quantity_flaw(reference: object) -> str | None:
    """What is wrong with a reference that must be a number, in LaTeX or with a unit too."""
    return _flaw(reference, "not a number", lambda text: quantity(text) is not None)


def answer_flaw(reference: object) -> str | None:
    """What is wrong with a reference that may be anything but empty."""
    return _flaw(reference, "no answer", lambda text: text.strip(" .$"))


def _flaw(reference: object, otherwise: str, is_one: Callable[[str], object]) -> str | None:
    """None if the reference is text that `is_one`, or a whole number; `otherwise` what is wrong. Of
    a float nobody knows which digits are meant (0.3333 is not 1/3), and True is no 1."""
    text = plain_reference(reference)
    if not isinstance(text, str):
        return (f"reference answer {reference!r} is {otherwise} (it must be text or a whole "
                f"number, and is {type(reference).__name__})")
    if is_one(text):
        return None
    hint = ""
    if otherwise == "not a number" and _COMMA.search(text):
        hint = " (a comma stands before three digits, a point before decimals)"
    return f"reference answer {reference!r}{hint} is {otherwise}"


def countdown_flaw(problem: tuple) -> str | None:
    """What is wrong with the (numbers, target) of a Countdown problem."""
    return rules.check_problem(*problem)


def exact_answer(
    completions: list[Completion], answer: list[str | int], *, answer_format: str = "hash",
    **columns
) -> list[float | None]:
    """Return 1.0 for the right answer in the asked format (strict grading), 0.0 otherwise.

    A reference that is not a number can be matched by nothing: None, with a warning, so that a
    broken row neither rewards nor punishes.
    """

    def pay(text: str, reference: str) -> bool:
        if answer_format == "hash":
            return number(extract(text)) == number(reference)
        return grade(text, reference, answer_format)

    return against_references(completions, answer, number_flaw, pay)


def correct_answer(completions: list[Completion], answer: list[str | int], **columns
                   ) -> list[float | None]:
    """Return 1.0 for the right answer, whatever its format (lenient grading), 0.0 otherwise."""
    return against_references(completions, answer, answer_flaw, lambda text, reference: grade(
        text, reference, grading="lenient"))


def answer_accuracy(completions: list[Completion], answer: list[str | int], **columns
                    ) -> list[float | None]:
    """Return 1.0 if the text ends with its only `<answer>` field and that is right, else 0.0."""
    return against_references(completions, answer, answer_flaw, lambda text, reference: grade(
        text, reference, "xml"))


def close_answer(completions: list[Completion], answer: list[str | int], **columns
                 ) -> list[float | None]:
    """Return 1.0 for a number within 1e-8 of the reference, 0.0 otherwise, no number included.

    The distance is absolute and exact: both sides are fractions.
    """

    def pay(text: str, reference: str) -> bool:
        found = quantity(without_name(extract(text, grading="lenient")))
        return found is not None and abs(found[0] - quantity(reference)[0]) <= TOLERANCE

    return against_references(completions, answer, quantity_flaw, pay)


def countdown(completions: list[Completion], nums: list[list[int]], target: list[int], **columns
              ) -> list[float | None]:
    """Return 1.0 for an expression that reaches `target` with `nums`, each once; 0.1 for any other
    answer in the asked format, 0.0 without one. See `helpers.verify.countdown` for the rules."""
    problems = list(zip(nums, target, strict=True))
    return against_references(completions, problems, countdown_flaw,
                              lambda text, problem: rules.score(text, *problem))
