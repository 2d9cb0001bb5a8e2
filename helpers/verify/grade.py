"""Compare an extracted answer with the reference answer."""

from helpers.verify.compare import equal
from helpers.verify.extract import extract
from helpers.verify.quantity import number, quantity

__all__ = ["grade", "normalise", "number"]


def normalise(answer: str | None) -> str | None:
    """Return one spelling for equal answers (`1,450.0` -> `1450`), the text itself if no number.

    Used to count votes and distinct answers; None stays None.
    """
    value = number(answer)
    if value is None and (found := quantity(answer)):
        value = found[0]
    return answer if value is None else str(value)


def grade(text: str, answer: str, answer_format: str = "hash", grading: str = "strict") -> bool:
    """Say whether the completion `text` gives the reference `answer`.

    `equal` compares them: numbers as exact fractions, so 0.33 is not 1/3. What is right in strict
    grading is right in lenient grading too. An empty reference is matched by nothing.
    """
    found = extract(text, answer_format, grading)
    if found is not None and equal(answer, found):
        return True
    return grading == "lenient" and grade(text, answer, answer_format, "strict")
