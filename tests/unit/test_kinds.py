"""Kinds of answers and of problems, from answers as data sets write them."""

import json

import pytest

from helpers.data import FAMILIES
from helpers.data.kinds import ANSWER_TYPES, answer_type, operations, problem_class, steps
from tests.hub import set_rows

EXPECTED = {
    "integer": ["1,450,000", "-10", "025", "11,\\! 111,\\! 111,\\! 100", "\\$32,\\!348", "$7$",
                "90^\\circ", "145^{\\circ}", "864 \\mbox{ inches}^2", "9 (apples)", "50\\%",
                "5\\text{ cm}", "1{,}000", "12 apples", "−3", "-\\$5"],
    "decimal": ["27.0", ".5", "18.90", "\\$5.50", "1.5 meters", "5.4 \\text{ cents}", "-0.5"],
    "fraction": ["\\frac{270}7\\text{ degrees}", "137 \\frac{1}{2}", "1\\frac{4}{5}", "3/4",
                 "-\\frac{1}{2}", "\\dfrac{3}{4}", "\\frac12", "- \\frac 32", "1 3/4"],
    "expression": ["52_8", "1 \\pm \\sqrt{19}", "5:6", "2x+3", "\\pi", "p - q", "6+9i", "x=5",
                   "y = 2x", "\\frac{\\sqrt{3}}{2}", "10^{6}", "-(ab + ac + bc)", "x"],
    "interval or tuple": ["(0,9) \\cup (9,36)", "x \\in [-2,7]", "\\boxed{2}, \\boxed{3}", "2,3",
                          "\\left( 3, \\frac{\\pi}{2} \\right)", "\\{1,2\\}", "[0,1)", "a, b",
                          "(-\\infty, 5]", "-2 \\text{ or } 3", "10 \\text{ and } 12", "2, 123",
                          "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"],
    "text": ["\\text{Evelyn}", "\\text{(C)}", "B", "(D)", "proof", "even", "north east",
             "3:30 p.m.", "\\text{no solution}"],
    "none": [None, "", "  "],
}


@pytest.mark.parametrize("kind, answer", [
    (kind, answer) for kind, answers in EXPECTED.items() for answer in answers])
def test_type_of_an_answer(kind, answer):
    assert answer_type(answer) == kind


def test_there_is_an_example_of_every_type():
    assert tuple(EXPECTED) == ANSWER_TYPES


def test_a_hostile_answer_is_typed_at_once():
    for text in ("{" * 50_000, "\\frac" * 20_000, "1," * 50_000, "( " * 50_000, "\\text{" * 20_000):
        assert answer_type(text) in ANSWER_TYPES


def test_steps_and_operations_of_a_worked_solution():
    worked = "Ann has 3*4=<<3*4=12>>12.\nShe gives 5: <<12-5=7>>7 left.\nThat is 7."
    assert (steps(worked), operations(worked)) == (2, ("subtract", "multiply"))
    assert operations("<<-3+5=2>> <<8/4=2>>") == ("add", "divide")
    assert steps("3 * 4 = 12.\nSo 12 - 5 = 7.\nm = 7.\nThe answer is 7.") == 2
    assert steps("First 3 + 4 = 7. Then 7 * 2 = 14. Done.") == 2
    assert (steps(""), operations("")) == (0, ())


@pytest.mark.parametrize("name, changes, found", [
    ("gsm8k", {}, "1 step"), ("gsm8k", {"answer": "no steps\n#### 3"}, "0 steps"),
    ("openr1", {}, "Algebra"), ("openr1", {"problem_type": None}, "none given"),
    ("deepscaler", {}, "integer"), ("deepscaler", {"answer": None}, "none"),
    ("countdown", {}, "3 numbers"), ("warmstart", {}, "3 numbers"),
    ("warmstart", {"query": "Hello"}, "0 numbers"), ("smoltalk", {}, "smol-magpie-ultra-short"),
    ("ultrafeedback", {}, "clear"), ("ultrafeedback", {"score_rejected": 7.5}, "close"),
    ("ultrafeedback", {"score_rejected": 8.5}, "tie"),
    ("ultrafeedback", {"score_rejected": 9.0}, "reversed"),
    ("ultrafeedback", {"score_chosen": None}, "no score"),
    ("aime24", {}, "integer"), ("math500", {}, "Prealgebra"),
])
def test_class_of_a_row(name, changes, found):
    assert problem_class(name, set_rows.MAKERS[name](5) | changes) == found


def test_every_set_has_classes_and_another_has_none():
    assert all(problem_class(name, set_rows.MAKERS[name](3)) for name in FAMILIES)
    with pytest.raises(ValueError, match="no data set 'svamp'"):
        problem_class("svamp", {})


def test_real_answers(REAL_DATA):
    lines = (REAL_DATA / "math500" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    types = [answer_type(row["answer"]) for row in rows]
    plain = [kind for kind, row in zip(types, rows, strict=True)
             if row["answer"].lstrip("-").isdigit()]
    assert len(plain) == 311 and set(plain) == {"integer"}
    counts = {kind: types.count(kind) for kind in ANSWER_TYPES}
    assert counts == {"integer": 332, "decimal": 9, "fraction": 59, "expression": 61,
                      "interval or tuple": 31, "text": 8, "none": 0}
    assert all(answer_type(json.loads(line)["answer"]) == "integer" for line in
               (REAL_DATA / "aime24" / "test.jsonl").read_text(encoding="utf-8").splitlines())
