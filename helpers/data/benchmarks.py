"""AIME 2024 and MATH-500: problems for evaluation only, never trained on.

Data cards: huggingface.co/datasets/HuggingFaceH4/aime_2024 (its only split is called "train") and
huggingface.co/datasets/HuggingFaceH4/MATH-500 (500 test problems of Hendrycks et al. 2021,
arXiv:2103.03874, chosen by Lightman et al. 2023, arXiv:2305.20050).
"""

from functools import partial

from helpers.data.columns import ANSWER, TEXT
from helpers.data.family import Family, text
from helpers.data.latex import bare_answer, without_boxes
from helpers.data.problem import Problem, question_hash
from helpers.data.same import math_text


def to_problem(row: dict, place: str, split: str, source: str) -> Problem:
    """One row as a Problem; LeftOut for a row without problem or answer."""
    question = text(row["problem"], "no problem text")
    answer = bare_answer(text(row["answer"], "no answer"))
    solution = without_boxes(row["solution"]) if row["solution"] else ""
    return Problem(question, solution, answer, source, question_hash(question)[:16])


AIME24 = Family({"id": None, "problem": TEXT, "solution": TEXT, "answer": ANSWER, "url": None,
                 "year": None}, {"test": "train"},
                partial(to_problem, source="aime24"), same=math_text)
MATH500 = Family({"problem": TEXT, "solution": TEXT, "answer": ANSWER, "subject": TEXT,
                  "level": None, "unique_id": None}, {"test": "test"},
                 partial(to_problem, source="math500"), same=math_text)
