"""Completions that were cut at the length limit: what stands there is not what was meant.

`#### 36` that is cut after its first digit reads `#### 3`. So no reward that asks for the strict
form pays a completion that has not come to its end.
"""

from collections.abc import Sequence

from helpers.config import Course

PAY_NO_CUT = ("exact_answer", "answer_accuracy", "countdown")  # the strict ones

_END_IDS: dict[tuple[str, str | None, str], frozenset[int]] = {}


def were_cut(
    course: Course, number: int, truncated: Sequence[bool] | None = None,
    completion_ids: Sequence[Sequence[int]] | None = None
) -> list[bool]:
    """Whether each of `number` completions was cut.

    Our trainer says so itself (`truncated`). TRL passes `completion_ids`, the tokens that were
    drawn, as lists: a completion has come to its end where the last of them is an end token of the
    course's tokenizer. A text alone, without either, counts as whole.
    """
    if truncated is not None:
        return [bool(one) for one in truncated]
    if completion_ids is None:
        return [False] * number
    ends = _end_ids(course)
    return [not len(ids) or int(ids[-1]) not in ends for ids in completion_ids]


def _end_ids(course: Course) -> frozenset[int]:
    """The end tokens of the course's tokenizer, which is loaded once for each model."""
    key = course.model.name, course.model.revision, course.world
    if key not in _END_IDS:
        from helpers import models, sampling  # torch: not needed to price a text

        _END_IDS[key] = frozenset(sampling.end_ids(models.load_tokenizer(course)))
    return _END_IDS[key]
