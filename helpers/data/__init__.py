"""Problems of a task, split and counted: `load_problems(course, "train")`.

Splits: "test" is the data set's own; "validation" is the tenth of the training problems whose
question hash is a multiple of 10, "train" the other nine tenths; "sealed" is a second test set that
only the tiny world has. A repeated question, and a training problem that also stands in test, is
left out of train and validation; `.report` says how many.
"""

import hashlib
from collections.abc import Iterable

from helpers.config import Course
from helpers.data import gsm8k
from helpers.data.problem import Problem, question_hash
from helpers.data.source import DataError, load_rows, where

__all__ = ["DataError", "Problem", "Problems", "data_hash", "load_problems", "load_rows", "where"]

FAMILIES = {"gsm8k": gsm8k}
SPLITS = ("train", "validation", "test", "sealed")


class Problems(list[Problem]):
    """A list of problems that remembers in `.report` where they are from and what was left out.

    Keys of the report: `place`, `rows` (in the file), `duplicates` and `in_test` (left out),
    `available` (in this split) and `used` (after the size in `course.data`).
    """

    report: dict[str, str | int]


def load_problems(course: Course, split: str) -> Problems:
    """The problems of a split, as many as `course.data` asks for (None = all).

    The order is that of the question's sha256, not that of the file, so a smaller number is always
    a prefix of a larger one and no ordering in the file leaks in. Raises DataError.
    """
    if split not in SPLITS:
        raise DataError(f"no split {split!r}. Use one of {', '.join(SPLITS)}.")
    from_train = split in ("train", "validation")
    problems, place = _read(course, "train" if from_train else split)
    rows = len(problems)
    in_test = 0
    problems, duplicates = _first_of_each(problems) if from_train else (problems, 0)
    if from_train:
        test = {_same_question(problem) for problem in _read(course, "test")[0]}
        kept = [problem for problem in problems if _same_question(problem) not in test]
        in_test = len(problems) - len(kept)
        held_out = split == "validation"
        problems = [one for one in kept if is_validation(one.question) == held_out]
    problems = sorted(problems, key=lambda problem: question_hash(problem.question))
    wanted = getattr(course.data, "test" if split == "sealed" else split)
    chosen = Problems(problems[:wanted])
    chosen.report = {"place": place, "rows": rows, "duplicates": duplicates, "in_test": in_test,
                     "available": len(problems), "used": len(chosen)}
    return chosen


def is_validation(question: str) -> bool:
    """Whether a training question is held out for validation: its sha256 is a multiple of 10."""
    return int(question_hash(question), 16) % 10 == 0


def data_hash(problems: Iterable[Problem]) -> str:
    """16 hex digits that change when any question, solution or answer, or their order, does."""
    digest = hashlib.sha256()
    for problem in problems:
        for text in (problem.question, problem.solution, problem.answer):
            digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:16]


def _read(course: Course, split: str) -> tuple[list[Problem], str]:
    family = FAMILIES.get(course.task)
    if family is None:
        raise DataError(f"no loader for task {course.task!r}. Use one of {', '.join(FAMILIES)}.")
    rows = load_rows(course, split, family.COLUMNS)
    place = where(rows)
    return [family.to_problem(row, place) for row in rows], place


def _same_question(problem: Problem) -> str:
    """The question without differences in blanks and letter case."""
    return " ".join(problem.question.split()).casefold()


def _first_of_each(problems: list[Problem]) -> tuple[list[Problem], int]:
    """Every question once (its first row), and how many rows that drops."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(_same_question(problem), problem)
    return list(first.values()), len(problems) - len(first)
