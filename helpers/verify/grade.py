"""Compare an extracted answer with the reference answer."""

from helpers.verify import symbolic
from helpers.verify.compare import equal
from helpers.verify.extract import extract
from helpers.verify.latex import canonical
from helpers.verify.quantity import number, quantity
from helpers.verify.relations import named

__all__ = ["grade", "normalise", "number", "same_answer", "without_name"]


def normalise(answer: str | None) -> str | None:
    """Return one spelling for equal numbers (`1,450.0` -> `1450`), the text itself for all else.

    None stays None. A unit is kept, for it may tell two answers apart (`same_answer`).
    """
    value = number(answer)
    if value is None and (found := quantity(answer)) and not found[1]:
        value = found[0]
    return answer if value is None else str(value)


def without_name(answer: str | None) -> str | None:
    """The value of `x = 5` or `5 + 3 = 8` (5, 8); any other answer as it is."""
    found = named(canonical(answer)) if answer and "=" in answer and len(answer) < 400 else None
    return found[1] if found else answer


def grade(text: str, answer: str, answer_format: str = "hash", grading: str = "strict") -> bool:
    """Say whether the completion `text` gives the reference `answer`.

    `equal` compares them: numbers as exact fractions, so 0.33 is not 1/3. What is right in strict
    grading is right in lenient grading too. An empty reference is matched by nothing.
    """
    found = extract(text, answer_format, grading)
    if grading == "strict":
        return found is not None and equal(answer, found)
    budget = symbolic.Budget()
    if found is not None and equal(answer, found, budget):
        return True
    strictly = extract(text, answer_format, "strict")
    return strictly not in (None, found) and equal(answer, strictly, budget)


def same_answer(one: str, other: str) -> bool:
    """Whether two answers count as one: the equality of `grade`, in either direction."""
    return one == other or equal(one, other) or equal(other, one)
