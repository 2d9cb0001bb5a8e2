"""How good a judge of answers is: pairs put in order, calibration, and the best of n by its scores.

A judge is anything that gives every answer a score: a reward model, the length, a coin. P problems
with N answers each; `scores` and `right` are (P, N), and every result is one value a problem, so
that two judges can be compared on the same problems (helpers.stats.paired_bootstrap).
"""

from collections.abc import Sequence
from itertools import combinations
from math import comb, log

import numpy as np
from numpy.typing import ArrayLike

from helpers.stats import RESAMPLES, bootstrap_interval, majority_vote
from helpers.track import answer_of

BLOCK = 500  # resamples drawn at once


def pair_accuracy(pairs: Sequence[dict], margins: ArrayLike, seed: int = 0) -> dict:
    """Share of pairs whose chosen answer has the higher score; a tie counts half.

    margins: (K,), score of the chosen minus score of the rejected answer. Pairs of one problem are
    not independent, so the interval draws problems. Returns {"accuracy", "ci95", "pairs",
    "problems"}; ValueError without pairs or where the numbers do not match.
    """
    margins = np.asarray(margins, dtype=float)
    if not len(pairs) or margins.shape != (len(pairs),):
        raise ValueError(f"needs one margin a pair: {margins.shape} for {len(pairs)} pairs")
    points = np.where(margins == 0, 0.5, margins > 0)
    _, problem = np.unique([pair["id"] for pair in pairs], return_inverse=True)
    won, count = np.bincount(problem, points), np.bincount(problem)
    generator = np.random.default_rng(seed)
    shares = []
    for block in np.array_split(np.arange(RESAMPLES), RESAMPLES // BLOCK):
        drawn = generator.integers(len(won), size=(len(block), len(won)))
        shares.append(won[drawn].sum(1) / count[drawn].sum(1))
    low, high = np.quantile(np.concatenate(shares), [0.025, 0.975])
    return {"accuracy": float(points.mean()), "ci95": [float(low), float(high)],
            "pairs": len(pairs), "problems": len(won)}


def calibration(margins: ArrayLike, bins: int = 8) -> dict:
    """Does a judge that says 70 % win 70 % of its pairs?

    margins: (K,), as in `pair_accuracy`. Its confidence in the answer it prefers is
    sigmoid(|margin|), from 0.5 to 1; pairs are sorted by it and cut into `bins` groups of equal
    size. Returns {"confidence", "accuracy", "count"}, a list each, and "error": the mean distance
    of the two, weighted by count (expected calibration error, Guo et al. 2017, arXiv:1706.04599).
    """
    margins = np.asarray(margins, dtype=float)
    order = np.argsort(np.abs(margins), kind="stable")
    confidence = 1 / (1 + np.exp(-np.abs(margins)))
    points = np.where(margins == 0, 0.5, margins > 0)
    groups = [group for group in np.array_split(order, bins) if len(group)]
    count = [len(group) for group in groups]
    sure = [float(confidence[group].mean()) for group in groups]
    won = [float(points[group].mean()) for group in groups]
    error = float(np.average(np.abs(np.subtract(sure, won)), weights=count))
    return {"confidence": sure, "accuracy": won, "count": count, "error": error}


def best_of(scores: ArrayLike, values: ArrayLike, n: int) -> np.ndarray:
    """Value of the answer with the highest score among n of N answers, (P,): exact, a mean over
    all ways to draw the n.

    scores, values: (P, N). The answer of rank i (0 = best) is the best of a draw if all n - 1
    others rank behind it: C(N - 1 - i, n - 1) of C(N, n) draws. `values` are verdicts, or the
    scores themselves. Answers with the same score share what they get.
    """
    scores, values = np.asarray(scores, dtype=float), np.asarray(values, dtype=float)
    if scores.shape != values.shape or scores.ndim != 2:
        raise ValueError(f"scores {scores.shape} and values {values.shape} must both be (P, N)")
    N = scores.shape[1]
    if not 1 <= n <= N:
        raise ValueError(f"best of {n} needs {max(n, 1)} answers a problem, there are {N}")
    weights = np.array([comb(N - 1 - i, n - 1) / comb(N, n) for i in range(N)])
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    sorted_values = np.take_along_axis(values, order, axis=1)
    result = np.empty(len(scores))
    for row in range(len(scores)):
        _, group = np.unique(-ranked[row], return_inverse=True)
        shared = np.bincount(group, weights) / np.bincount(group)
        result[row] = sorted_values[row] @ shared[group]
    return result


def majority_of(rows: Sequence[dict], n: int) -> np.ndarray:
    """Credit of the majority vote among n of N answers, (P,): a mean over all ways to draw the n,
    which is meant for N up to about 10. Answers are found leniently; ties share the credit.

    rows: one a problem, with "completions", "answer", and "nums" and "target" of a puzzle."""
    result = []
    for row in rows:
        answers = [answer_of(row, text) for text in row["completions"]]
        draws = [majority_vote(draw, row["answer"]) for draw in combinations(answers, n)]
        if not draws:
            raise ValueError(f"a vote of {n} needs {n} answers a problem, there are {len(answers)}")
        result.append(float(np.mean(draws)))
    return np.array(result)


def selection_kl(n: int) -> float:
    """KL divergence in nats of "the best of n" from the policy itself, whatever the judge:
    log n - (n - 1) / n (Stiennon et al. 2020, arXiv:2009.01325; an upper bound where answers can
    be equal, Beirami et al. 2024, arXiv:2401.01879)."""
    return log(n) - (n - 1) / n


def with_interval(values: ArrayLike, seed: int = 0) -> tuple[float, float, float]:
    """(mean, low, high) of one value a problem, bootstrapped over problems."""
    return float(np.mean(values)), *bootstrap_interval(values, seed=seed)
