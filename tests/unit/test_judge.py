"""Judges: pairs in order, calibration and the best of n, against values worked out by hand and
against drawing all subsets."""

from itertools import combinations

import numpy as np
import pytest

from helpers import judge
from helpers.plots import judgeplots
from helpers.stats import pass_at_k

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(5, 6))
RIGHT = RANDOM.random((5, 6)) < 0.4


def pairs_of(*ids):
    return [{"id": name} for name in ids]


def by_drawing(scores, values, n):
    """The best of every subset of n, averaged."""
    return np.array([np.mean([v[max(draw, key=lambda i: s[i])]
                              for draw in map(list, combinations(range(len(s)), n))])
                     for s, v in zip(scores, values, strict=True)])


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_best_of_n_is_the_mean_over_all_draws(n):
    assert judge.best_of(SCORES, RIGHT, n) == pytest.approx(by_drawing(SCORES, RIGHT, n))


def test_the_best_of_one_is_the_mean_and_of_all_the_first():
    assert judge.best_of(SCORES, RIGHT, 1) == pytest.approx(RIGHT.mean(1))
    top = RIGHT[np.arange(5), SCORES.argmax(1)].astype(float)
    assert judge.best_of(SCORES, RIGHT, 6) == pytest.approx(top)


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_an_oracle_reaches_pass_at_n_and_a_constant_judge_the_mean(n):
    assert judge.best_of(RIGHT, RIGHT, n) == pytest.approx(pass_at_k(6, RIGHT.sum(1), n))
    assert judge.best_of(np.zeros((5, 6)), RIGHT, n) == pytest.approx(RIGHT.mean(1))


def test_equal_scores_share_in_any_order():
    scores, right = np.array([[1.0, 1.0, 0.0]]), np.array([[1.0, 0.0, 0.0]])
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        assert judge.best_of(scores[:, order], right[:, order], 2)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("n", [0, 7])
def test_more_answers_than_there_are_is_refused(n):
    with pytest.raises(ValueError, match=f"best of {n}"):
        judge.best_of(SCORES, RIGHT, n)
    with pytest.raises(ValueError, match="must both be"):
        judge.best_of(SCORES, RIGHT[:, :3], 1)


def test_pair_accuracy_counts_ties_half_and_draws_problems():
    result = judge.pair_accuracy(pairs_of("a", "a", "b", "c"), [1.0, -1.0, 0.0, 2.0])
    assert result["accuracy"] == pytest.approx(2.5 / 4)
    assert (result["pairs"], result["problems"]) == (4, 3)
    assert result["ci95"][0] < result["accuracy"] < result["ci95"][1]


def test_many_pairs_of_one_problem_are_no_more_certain_than_one():
    """Ten copies of every pair: a bootstrap over pairs would shrink the interval."""
    margins = np.where(np.arange(40) % 4 == 0, -1.0, 1.0)
    one = judge.pair_accuracy(pairs_of(*range(40)), margins)
    ten = judge.pair_accuracy(pairs_of(*np.repeat(range(40), 10)), np.repeat(margins, 10))
    assert ten["ci95"] == pytest.approx(one["ci95"])


def test_problems_with_more_pairs_weigh_more():
    """Nine pairs won on one problem, one lost on another: nine of ten, not one of two."""
    margins = [1.0] * 9 + [-1.0]
    assert judge.pair_accuracy(pairs_of(*"aaaaaaaaab"), margins)["accuracy"] == 0.9


@pytest.mark.parametrize("margins", [[], [1.0, 2.0]])
def test_pair_accuracy_needs_a_margin_a_pair(margins):
    with pytest.raises(ValueError, match="one margin a pair"):
        judge.pair_accuracy(pairs_of(*"a" * (len(margins) and 1)), margins)


def test_calibration_by_hand():
    sure = np.log(4)  # sigmoid(log 4) = 0.8
    table = judge.calibration([0.0, 0.0, sure, -sure, sure, sure], bins=3)
    assert table["confidence"] == pytest.approx([0.5, 0.8, 0.8])
    assert table["accuracy"] == pytest.approx([0.5, 0.5, 1.0]) and table["count"] == [2, 2, 2]
    assert table["error"] == pytest.approx((0 + 0.3 + 0.2) / 3)


def test_a_judge_that_is_drawn_from_its_own_confidence_is_calibrated():
    size = np.abs(RANDOM.normal(size=40_000)) * 2
    won = RANDOM.random(40_000) < 1 / (1 + np.exp(-size))
    assert judge.calibration(np.where(won, size, -size))["error"] < 0.01
    assert judge.calibration(np.where(won, 3 * size, -3 * size))["error"] > 0.1


def test_the_majority_of_n():
    rows = [{"completions": ["#### 4", "#### 4.0", "#### 5", "no number"], "answer": "4"}]
    assert judge.majority_of(rows, 4)[0] == 1
    assert judge.majority_of(rows, 1)[0] == pytest.approx(0.5)
    # of two: {4, 4} 1, four ways of {4, 5} or {4, none}: 1/2, 1; {5, none} 0
    assert judge.majority_of(rows, 2)[0] == pytest.approx((1 + 2 * 0.5 + 2 * 1 + 0) / 6)
    with pytest.raises(ValueError, match="a vote of 5"):
        judge.majority_of(rows, 5)


def test_the_kl_of_a_selection():
    assert judge.selection_kl(1) == 0
    assert judge.selection_kl(2) == pytest.approx(np.log(2) - 0.5)
    assert judge.selection_kl(64) == pytest.approx(np.log(64) - 63 / 64)


@pytest.mark.parametrize("widest", [1, 11, 12, 26, 40, 97])
def test_length_differences_that_are_balanced_look_balanced(widest):
    values = [sign * one for one in range(1, widest + 1) for sign in (1, -1)]
    [ax] = judgeplots.length_differences({"balanced": values}).axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == heights[::-1] and sum(heights) == len(values)
