"""When texts are the same problem, and what is done to LaTeX in answers and solutions."""

import pytest

from helpers.data.latex import bare_answer, without_boxes
from helpers.data.same import math_text, plain_text


@pytest.mark.parametrize("one, other", [
    ("Find $x$.", "find \\( x \\)"),
    ("What is $\\dfrac{1}{2} + \\frac{1}{3}$?", "What is \\[\\frac12+\\tfrac 1 3\\]".replace(
        "12", "1 2")),
    ("$1{,}000$ apples", "1,000 apples"), ("$11,\\! 111$", "11,111"), ("1,000", "1000"),
    ("$\\left( 3, 4 \\right)$", "(3,4)"), ("$r_1, \\overline{r_1}$", "$r_1,$ $\\overline{r}_1,$"),
    ("$5\\text{ cm}$", "5 cm"), ("Let’s go", "Let's go"), ("x − 1", "x - 1"), ("ﬁnd", "find"),
    ("caf\u00e9", "cafe\u0301"), ("A B", "a\n b"),
])
def test_the_same_problem_in_other_print(one, other):
    assert math_text(one) == math_text(other)


@pytest.mark.parametrize("one, other", [
    ("the mean of 1, 23", "the mean of 12, 3"), ("3.5", "35"), ("3.5", "3 5"), ("x+1", "x-1"),
    ("5!", "5"), ("x < 3", "x > 3"), ("x ≤ 3", "x ≥ 3"), ("x^2", "x2"), ("(1)(2)", "(12)"),
    ("f(1,234,5)", "f(12,345)"), ("50%", "50"), ("|x|", "x"), ("2/3", "23"), ("a=b", "ab"),
    ("∠A", "△A"), ("2²", "22"),
])
def test_other_problems_stay_apart(one, other):
    assert math_text(one) != math_text(other)


def test_a_text_of_punctuation_alone_is_itself():
    assert math_text(" ?! ") != math_text(" .. ")


def test_plain_text_ignores_blanks_and_case_only():
    assert plain_text(" How  many\nANTS? ") == "how many ants?" != plain_text("How many ants.")


@pytest.mark.parametrize("written, bare", [
    (" 7 ", "7"), ("$7$", "7"), ("$$7$$", "7"), ("\\boxed{7}", "7"), ("$\\boxed{ 7 }$", "7"),
    ("\\fbox{\\frac{1}{2}}", "\\frac{1}{2}"), ("$5", "$5"), ("\\$5", "\\$5"), ("$", "$"),
    ("\\boxed{2}, \\boxed{3}", "\\boxed{2}, \\boxed{3}"), ("\\boxed{7", "\\boxed{7"),
    ("\\boxed{\\{1\\}}", "\\{1\\}"),
])
def test_answers_lose_what_stands_around_them(written, bare):
    assert bare_answer(written) == bare


@pytest.mark.parametrize("written, kept", [
    ("a = 7.\nThe answer is \\boxed{7}.", "a = 7."),
    ("a = 7.\nTherefore, the final answer is: $\\boxed{\\frac{1}{2}}$.", "a = 7."),
    ("a = 7.\nTherefore, we get \\boxed{7}.\n", "a = 7."),
    ("The answer is \\boxed{7}.", ""),
    ("so $a = \\boxed{7}$.\n ~someone", "so $a = 7$.\n ~someone"),
    ("The answer is \\boxed{7} since b.", "The answer is 7 since b."),
    ("The answer is 7.", "The answer is 7."),
    ("\\boxed{\\boxed{7}} and \\fbox{a_{1}}", "7 and a_{1}"),
    ("\\boxed{7", "\\boxed{7"), ("\\boxed{\\}7}", "\\}7"), ("", ""),
])
def test_solutions_lose_their_boxes_and_a_last_line_that_states_the_answer(written, kept):
    assert without_boxes(written) == kept


def test_a_long_text_of_open_boxes_is_done_at_once():
    assert without_boxes("\\boxed{" * 2000).count("boxed") == 2000
    assert without_boxes("\\boxed{" * 9000 + "7" + "}" * 9000) == "7"
