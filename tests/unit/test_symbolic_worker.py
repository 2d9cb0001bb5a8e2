"""What math-verify's process calculates, asked in this process: formulas, values, equality."""

import json

import pytest

SAME = [
    ("x+1", "1+x"), (r"0.1x", r"\frac{x}{10}"), ("0.1+0.2", "0.3"), ("0", "0"), ("x", r"\{x\}"),
    (r"\sqrt{8}", r"2\sqrt{2}"), (r"\sqrt{8}-2\sqrt{2}", "0"), (r"\{x\}", "x"),
    (r"\frac{x^2-1}{x-1}", "x+1"), ("a+b+c+d+f+g+h", "h+g+f+d+c+b+a"),
    (r"\infty", r"\infty"), ("x=2", "x=2"), (r"\{1,2\}", r"\{2,1\}"), ("(x+1)^2", "x^2+2x+1"),
    (r"\mathbb{R}\setminus\{1,2\}", r"\mathbb{R}\setminus\{2,1\}"),
    ("1<x<2", "(1,2)"),
]  # fmt: skip
DIFFERENT = [
    ("x", "y"), ("x", "5"), ("5", "x"), (r"\sqrt{x^2}", "x"), ("", ""), ("", "x"), ("x", ""),
    (r"\infty", "5"), ("5", r"\infty"), ("x", r"\{y\}"), ("x", "x=2"), ("0.33333333333", "1/3"),
    (r"\mathbb{R}\setminus\{1,2\}", r"\mathbb{R}\setminus\{1,3\}"), ("x+y", "x+x"),
    ("2", "2.00000000000000000000000000000001"), ("x^2", "x^3"), ("x", "x+0.0000000000000000001"),
]  # fmt: skip


@pytest.fixture(scope="module")
def worker():
    from helpers.verify import symbolic_worker  # sympy: not for those who run one other test

    return symbolic_worker


@pytest.mark.parametrize(("reference", "answer"), SAME)
def test_the_same(worker, reference, answer):
    assert worker.same(reference, answer) and worker.same(answer, reference)


@pytest.mark.parametrize(("reference", "answer"), DIFFERENT)
def test_not_the_same(worker, reference, answer):
    assert not worker.same(reference, answer)


@pytest.mark.parametrize("formula", ["0.1x", "0.25", r"\frac{x}{0.5}"])
def test_decimals_are_exact(worker, formula):
    assert not worker.parsed(formula).atoms(worker.sympy.Float)


def test_a_constant_has_one_value_and_what_has_letters_one_at_every_point(worker):
    symbols, (value,) = worker.values(r"\sqrt{2}")
    assert symbols == () and str(value) == "1.4142135623730950488016887242096980785696718753769"
    symbols, (right, left) = worker.values("x-2y")
    assert [str(symbol) for symbol in symbols] == ["x", "y"]
    for value, (first, second, *_) in zip((right, left), worker.POINTS, strict=True):
        assert abs(value - (first - 2 * second)) < 1e-40


@pytest.mark.parametrize("formula", [
    r"\infty", r"x+\infty", r"\frac{1}{0}", r"\{1,2\}", "x=2", "", r"(1,2)", "a+b+c+d+f+g+h",
    r"\tan\frac{\pi}{2}", r"\lim_{x\to 0}\frac1x",
])  # fmt: skip
def test_what_has_no_value(worker, formula):
    assert worker.values(formula) is None


def test_six_letters_have_a_value(worker):
    assert len(worker.values("a+b+c+d+f+g")[0]) == 6


def test_what_raises_is_not_equal_and_the_next_one_is_answered(worker, monkeypatch):
    replies = []
    monkeypatch.setattr(worker, "reply", replies.append)
    lines = [[7, "x", "y", 60], [8, ["x"], "x", 60], [9, "x+1", "1+x", 60]]
    worker.answer_questions(json.dumps(line).encode() for line in lines)
    assert [reply.rpartition(" ")[0] for reply in replies] == ["7 false", "8 false", "9 true"]
    assert all(0 <= float(reply.rpartition(" ")[2]) < 60 for reply in replies)
