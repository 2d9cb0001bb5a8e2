"""What is not handed to math-verify, at the limits themselves."""

import pytest

from helpers.verify.refusal import refusal


@pytest.mark.parametrize("within, beyond, why", [
    ("+".join(["x"] * 150) + "+", "+".join(["x"] * 151), "longer than 300 characters"),
    ("1" * 40, "1" * 41, "a number too long"),
    ("(" * 8 + "x" + ")" * 8, "(" * 9 + "x" + ")" * 9, "brackets too deep"),
    ("x^{10000}", "x^{10001}", "an exponent too large"),
    ("x^{100}+y^{100}", "x^{100}+y^{101}", "an exponent too large"),
    ("abc+1", "abcd+1", "words"),
    ("ABC", "aBCd", "words"),
    ("x^2", "x^y^2", "stacked powers"),
    ("2^{x}", r"2^{\binom{3}{2}}", "stacked powers"),
    (r"\sqrt{2}", r"\write{2}", "a command that no final answer needs: write"),
    ("2+2", "2+2!", "a sign that no formula needs"),
])
def test_at_the_limit_it_is_asked_and_beyond_it_is_refused(within, beyond, why):
    assert refusal(within) is None
    assert refusal(beyond) == why


def test_rows_of_a_matrix_and_many_powers_of_one_are_asked():
    assert refusal(r"\begin{pmatrix}1\\2\end{pmatrix}") is None
    assert refusal("x^{1}" * 20) is None
