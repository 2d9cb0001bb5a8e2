"""GSM8K: grade-school word problems (Cobbe et al. 2021, arXiv:2110.14168).

A row is `question` and `answer`; `answer` holds the worked steps with calculator annotations
`<<48/2=24>>` and a last line `#### N`, where N may have thousands commas or a minus sign.
"""

from helpers.data.problem import Problem, question_hash
from helpers.data.source import DataError

COLUMNS = ("question", "answer")
MARK = "####"


def to_problem(row: dict[str, str], place: str) -> Problem:
    """One row as a Problem; a row without text or without its `#### N` line raises DataError."""
    question, worked = row["question"], row["answer"]
    if not isinstance(question, str) or not question.strip():
        raise DataError(f"{place}: a row has no question text ({question!r}). Remove that row.")
    solution, mark, final = worked.rpartition(MARK) if isinstance(worked, str) else ("", "", "")
    answer = normalise(final)
    if not mark or not answer:
        raise DataError(f"{place}: no '{MARK} N' line in the answer to {question[:60]!r}. "
                        f"Add the line, or remove that row.")
    return Problem(question, solution.strip(), answer, "gsm8k", question_hash(question)[:16])


def normalise(answer: str) -> str:
    """The bare number: no commas, no `$`, no blanks, no full stop (`$1,450,000.` -> `1450000`)."""
    return answer.strip().replace(",", "").replace("$", "").replace(" ", "").rstrip(".")
