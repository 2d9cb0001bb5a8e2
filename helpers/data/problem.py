"""One problem, whatever data set it came from."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A question with its worked solution and its final answer.

    `solution` is the text before the answer, `answer` the bare answer (no commas, no `$`),
    `source` the data set's name and `id` a short hash of the question.
    """

    question: str
    solution: str
    answer: str
    source: str
    id: str


def question_hash(question: str) -> str:
    """sha256 of the question as 64 hex digits: the id, the order and the split all come from it."""
    return hashlib.sha256(question.encode()).hexdigest()
