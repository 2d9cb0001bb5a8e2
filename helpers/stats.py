"""The statistics behind every number of the course: estimators, intervals and paired tests.

Problems are the unit: samples of one problem are not independent, so every bootstrap draws whole
problems. All functions are vectorised with numpy and give the same numbers for the same seed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from helpers.verify import equal, same_answer

RESAMPLES = 10_000


def pass_at_k(n: int, c: ArrayLike, k: int) -> np.ndarray:
    """Chance that at least one of k samples is right, when c of n samples were (unbiased).

    1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374, eq. 1), for each entry of `c`.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {max(k, 1)} samples a problem, there are {n}")
    wrong = n - np.asarray(c)[..., None]  # (..., 1) against the k draws without replacement
    draws = np.arange(k)  # with fewer than k wrong ones, one factor is 0, and so is the product
    return 1 - np.prod((wrong - draws) / (n - draws), axis=-1)


def majority_vote(answers: Sequence[str | None], reference: str) -> float:
    """Credit of the most frequent answer (self-consistency, Wang et al. 2022, arXiv:2203.11171).

    Equal answers count as one, by the equality that also says which are right; None does not vote.
    A tie is broken at random, so the credit is 1 / (number of answers in front) if the right one is
    among them. No votes: 0.
    """
    groups = grouped([answer for answer in answers if answer is not None])
    front = [group for group in groups if len(group) == max(map(len, groups))]
    right = any(equal(reference, answer) for group in front for answer in dict.fromkeys(group))
    return right / len(front) if front else 0.0


def grouped(answers: Sequence[str]) -> list[list[str]]:
    """The answers in groups of equal ones, in order of appearance."""
    groups: dict[str, list[str]] = {}  # by the first answer of each
    for answer in answers:
        first = next((first for first in groups if same_answer(first, answer)), answer)
        groups.setdefault(first, []).append(answer)
    return list(groups.values())


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share of n independent yes-or-no trials (Wilson 1927)."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n} trials is not a share")
    z = stats.norm.ppf((1 + confidence) / 2)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`, one a problem."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"needs one value a problem, got shape {values.shape}")
    generator = np.random.default_rng(seed)
    # In blocks: all draws of 10,000 resamples at once would take 100 MB at 1,300 problems.
    means = [
        values[generator.integers(values.size, size=(block.size, values.size))].mean(axis=1)
        for block in np.array_split(np.arange(resamples), max(1, resamples // 500))
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def paired_bootstrap(
    a: ArrayLike, b: ArrayLike, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of a - b and its bootstrap interval: (difference, low, high).

    a, b: the two models' values on the same problems in the same order. Drawing problems
    keeps the pairs together, which removes the difficulty of a problem from the difference.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"not paired: {a.shape} and {b.shape} values")
    return float((a - b).mean()), *bootstrap_interval(a - b, confidence, resamples, seed)


def mcnemar(a: ArrayLike, b: ArrayLike) -> float:
    """Exact two-sided McNemar test: p of two models' right/wrong answers on the same problems.

    Only problems on which they differ count; under equality each is a fair coin (McNemar 1947).
    """
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"not paired: {a.shape} and {b.shape} answers")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)
