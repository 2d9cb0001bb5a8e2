"""DeepScaleR-Preview: 40,000 competition problems with checkable answers, for training by reward.

Data card: huggingface.co/datasets/agentica-org/DeepScaleR-Preview-Dataset (MIT). Some rows have no
answer (left out); many have no solution (fine for rewards, left out where solutions are learned).
"""

from helpers.data.columns import ANSWER, TEXT
from helpers.data.family import Family, text
from helpers.data.latex import bare_answer, without_boxes
from helpers.data.problem import Problem, question_hash
from helpers.data.same import math_text

COLUMNS = {"problem": TEXT, "answer": ANSWER, "solution": TEXT}


def to_problem(row: dict, place: str, split: str) -> Problem:
    """One row as a Problem, with solution "" where there is none; LeftOut for a defect."""
    question = text(row["problem"], "no problem text")
    answer = bare_answer(text(row["answer"], "no answer"))
    solution = without_boxes(row["solution"]) if row["solution"] else ""
    return Problem(question, solution, answer, "deepscaler", question_hash(question)[:16])


FAMILY = Family(COLUMNS, {"train": "train", "validation": "train", "test": "train"},
                to_problem, same=math_text)
