"""One problem, whatever data set it came from."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A question with its worked solution and its final answer.

    `solution` is the text before the answer ("" where the set has none), `answer` the bare answer
    (no commas, no `$`), `source` the data set's name and `id` a short hash of `key`. A Countdown
    problem has the numbers to use in `nums` and the number to reach in `target`, which is also its
    `answer`: many expressions are right.
    """

    question: str
    solution: str
    answer: str
    source: str
    id: str
    nums: tuple[int, ...] = ()
    target: int | None = None

    @property
    def key(self) -> str:
        """The text that makes it this problem: the question, or the numbers in any order."""
        return puzzle_key(self.nums, self.target) if self.nums else self.question


def puzzle_key(nums: tuple[int, ...], target: int) -> str:
    """One text for a Countdown puzzle, however its numbers are ordered: "19 35 44 -> 98"."""
    return f"{' '.join(map(str, sorted(nums)))} -> {target}"


def question_hash(question: str) -> str:
    """sha256 of the question as 64 hex digits: the id, the order and the split all come from it."""
    return hashlib.sha256(question.encode()).hexdigest()
