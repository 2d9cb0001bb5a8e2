"""Countdown: the rules by table, on published labelled generations, and by fuzzing."""

import json
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.verify.countdown import (
    check_problem,
    evaluate,
    extract_expression,
    grade_countdown,
    reason,
    score,
    value_of,
)

RIGHT = ["(44+19)+35", "44 + 19 + 35", "((44)) + (19 + 35)", " 35+44+19 ", "-(-44) + 19 + 35",
         "44 - -19 + 35"]
WRONG = {  # expression for 98 from 44, 19, 35 -> verdict
    "44 + 19": "other numbers", "44 + 19 + 35 + 0": "other numbers", "98": "other numbers",
    "44 + 19 + 35 + 35 - 35": "other numbers", "4 4 + 19 + 35": "not an expression",
    "44 + 19 - 35": "wrong value", "44 * 19 / 35": "wrong value", "44/(19-19)": "division by zero",
    "44 ** 19 + 35": "Pow is not", "44 // 19 + 35": "FloorDiv is not", "44 + 19 + 35 = 98": "only",
    "44 + 19 + 35.0": "only", "44 + 19 + 3e1": "only", "44 × 19 + 35": "only",
    "44 + 019 + 35": "not",
    "+44 + 19 + 35": "UAdd is not", "44, 19, 35": "only", "(44 + 19": "not an expression",
    "__import__('os').system('true')": "only", "44 + 19 + 35 #": "only", "44 % 19 + 35": "only",
    "44_0 + 19 + 35": "only", "٤٤ + 19 + 35": "only", "44 (19 + 35)": "Call is not", "()": "Tuple",
    "44 +\n19 + 35": "only", "(" * 201: "longer than 200", "1 +" * 60 + "1": "other numbers",
}  # fmt: skip


@pytest.mark.parametrize("expression", RIGHT)
def test_right_expressions(expression):
    text = f"<think>\nTry.\n</think>\n<answer>{expression}</answer>"
    assert grade_countdown(text, [44, 19, 35], 98) and score(text, [44, 19, 35], 98) == 1.0
    assert grade_countdown(text, [44, 19, 35], 98, "lenient")
    assert reason(text, [44, 19, 35], 98) == (expression.strip(), "right")


@pytest.mark.parametrize("expression", WRONG)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_wrong_expressions(expression):
    text = f"<answer>{expression}</answer>"
    found, verdict = reason(text, [44, 19, 35], 98)
    assert found == expression.strip() and WRONG[expression] in verdict
    assert score(text, [44, 19, 35], 98) == 0.1


def test_verdicts_are_told_in_these_words():
    for answer, verdict in [("2+3", "right"), ("2", "other numbers"), ("2*3", "wrong value")]:
        assert reason(f"<answer>{answer}</answer>", [2, 3], 5) == (answer, verdict)
    assert reason("2+3", [2, 3], 5) == (None, "no answer")


def test_fractions_on_the_way_are_exact():
    assert evaluate("8 / (3 - 8 / 3)") == (24, [8, 3, 8, 3])
    assert evaluate("1/3 + 1/3 + 1/3") == (1, [1, 3] * 3)
    assert grade_countdown("<answer>8/(3-8/3)</answer>", [8, 3, 8, 3], 24)
    assert not grade_countdown("<answer>1/3</answer>", [1, 3], 0)
    assert evaluate("2 - 3 * 4") == (-10, [2, 3, 4]) and evaluate("7 / 2")[0] == Fraction(7, 2)


POLICY = [  # text, right when strict, right when lenient; 98 from 44, 19, 35
    ("<answer>44+19+35</answer>", True, True), ("<answer>44+19+35</answer>\n", True, True),
    ("<answer>44+19+35 = 98</answer>", False, True), ("<answer>44+19+35=098</answer>", False, True),
    ("<answer>44+19+35 = 97</answer>", False, False), ("<answer>98 = 44+19+35</answer>", False,
    False),
    ("<answer>44+19 = 63, 63+35 = 98</answer>", False, False), ("<answer>44-35 = 98</answer>",
    False, False),
    ("<answer>44+19+35 = 98 = 98</answer>", False, False), ("<answer>44+19−−35</answer>", False,
    True),
    ("<answer>44+19+35</answer> Done.", False, True), ("44+19+35", False, False),
    ("<answer>44</answer> or <answer>44+19+35</answer>", False, True),
    ("<answer>44+19+35</answer> or <answer>44</answer>", False, False),
    ("<think><answer>44+19+35</answer></think>", False, False), ("<answer></answer>", False, False),
    ("</answer>44+19+35<answer>", False, False), ("<answer>44+19+35", False, False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "strict", "lenient"), POLICY)
def test_strict_and_lenient_policy(text, strict, lenient):
    assert grade_countdown(text, [44, 19, 35], 98) is strict
    assert grade_countdown(text, [44, 19, 35], 98, "lenient") is lenient


@pytest.mark.parametrize("sign", ["×", "⋅", "·", r"\times", r"\cdot "])
def test_signs_of_multiplication_and_division_are_lenient(sign):
    text = f"<answer>6 {sign} 8 ÷ 2 − 4</answer>"
    assert grade_countdown(text, [6, 8, 2, 4], 20, "lenient")
    assert not grade_countdown(text, [6, 8, 2, 4], 20)
    assert grade_countdown(r"<answer>6 \div 2</answer>", [6, 2], 3, "lenient")
    assert grade_countdown("<answer>6 – 2 = 004</answer>", [6, 2], 4, "lenient")
    assert grade_countdown("<answer>6 - 6 = 0</answer>", [6, 6], 0, "lenient")


def test_scores_are_zero_a_tenth_and_one():
    assert [score(f"<answer>{e}</answer>", [2, 3], 5) for e in ("2+3", "2*3", "five")] == [1, 0.1,
    0.1]
    assert [score(t, [2, 3], 5) for t in ("2+3", "<answer>2+3</answer>.", "", "<answer> </answer>")
            ] == [0, 0, 0, 0]


@pytest.mark.parametrize(("answer", "value"), [
    ("2*3", 6), ("3 × 2 = 5", None), ("3 × 2 = 6", 6), ("(3)/(2)", Fraction(3, 2)), ("2+2", None),
    ("2", None), ("2+3+3", None), ("five", None), ("2/(3-3)", None), (" ", None),
])
def test_an_answer_has_the_value_of_its_expression(answer, value):
    assert value_of(f"So <answer>{answer}</answer>.", [2, 3], 6) == value
    assert value_of(answer, [2, 3], 6) is None


def test_only_the_tail_counts_and_an_unknown_grading_is_named():
    assert extract_expression("x" * 50_000 + "<answer>2+3</answer>") == "2+3"
    assert extract_expression("<answer>2+3</answer>" + "x" * 20_001, "lenient") is None
    assert evaluate("1" + " " * 199) == (1, [1])
    with pytest.raises(ValueError, match="'loose'.*lenient"):
        extract_expression("<answer>2+3</answer>", "loose")


@pytest.mark.parametrize(("nums", "target", "problem"), [
    ([1, 2], 3, None), ((1, 2), 3, None), ([], 3, "not a list"), ("12", 3, "not a list"),
    (None, 3, "not a list"), (7, 3, "not a list"), ([1, 2.0], 3, "2.0 is not a whole"),
    ([1, 2], "3", "'3' is not a whole"), ([1, True], 3, "True"), ([1], None, "None"), (b"12", 3,
    "list"),
])
def test_broken_problems_are_told(nums, target, problem):
    found = check_problem(nums, target)
    assert found is None if problem is None else problem in found


PIECES = ["<answer>", "</answer>", "<think>", "</think>", "1", "2", "3", "+", "-", "*", "/", "**",
"(",
          ")", " ", "=", "3", ".", "×", "÷", "−", ",", "\n", "x", "[", "'", "\\times", "٣", "\x00"]
glued = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(text=glued)
@settings(max_examples=1000, deadline=None, derandomize=True)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_no_text_raises_and_strict_implies_lenient(text):
    for candidate in (text, f"<answer>{text}</answer>"):
        strict = grade_countdown(candidate, [1, 2, 3], 6)
        assert grade_countdown(candidate, [1, 2, 3], 6, "lenient") or not strict
        assert score(candidate, [1, 2, 3], 6) in ((1.0,) if strict else (0.0, 0.1))


# Real data


def test_labelled_generations(REAL_DATA):
    """The labels follow the strict rule, but let a model go on after its answer; where we differ,
    the reason is counted."""
    path = REAL_DATA / "countdown" / "labelled_generations_dev.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 600
    differ = {"strict": Counter(), "lenient": Counter()}
    for row in rows:
        for grading, counts in differ.items():
            problem = row["raw_generation"], row["numbers"], row["target"]
            expression, verdict = reason(*problem, grading)
            if (verdict == "right") != row["correct"]:
                equals = "= N" if expression and expression.endswith(f"= {row['target']}") else ""
                counts[row["error"], verdict, equals] += 1
    assert differ["strict"] == {(None, "no answer", ""): 1}  # goes on after the answer
    assert differ["lenient"] == {("invalid_expression", "right", "= N"): 15}


def test_teacher_traces_are_right(REAL_DATA):
    path = REAL_DATA / "countdown" / "teacher_traces_500.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 500
    for row in rows:
        assert grade_countdown(row["response"], row["numbers"], row["target"], "lenient")
