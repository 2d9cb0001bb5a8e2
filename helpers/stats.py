"""The statistics behind every number of the course: estimators, intervals and paired tests.

Problems are the unit: samples of one problem are not independent, so every interval is over
problems, and every bootstrap draws whole ones. All functions are vectorised with numpy and give the
same numbers for the same seed.
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
    ValueError for a count that cannot be: below 0, above n, or no whole number.
    """
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {max(k, 1)} samples a problem, there are {n}")
    counts = np.asarray(c, dtype=float)
    if (bad := counts[~((counts >= 0) & (counts <= n) & (counts % 1 == 0))]).size:
        raise ValueError(f"pass@{k}: {bad.flat[0]:g} right of {n} samples cannot be; give whole "
                         f"numbers from 0 to {n}, one a problem")
    wrong = n - counts[..., None]  # (..., 1) against the k draws without replacement
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
    return _wilson(successes / n, n, confidence)


def share_interval(n: int, c: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of pass@1: the mean of c / n, when c (one a problem) of n samples were right.

    Wilson's interval for as many independent trials as the spread of the problems is worth (Korn
    and Graubard 1998, Survey Methodology 24): between one and n a problem, so that samples of one
    problem do not count as problems. The spread is known the better the more problems have a right
    answer; with k of them, what it says beyond one trial a problem counts k / (k + 2). Unlike the
    percentile bootstrap it holds at low scores too: 50 problems without a right answer do not show
    that there is none.
    """
    shares = np.asarray(c, dtype=float) / n
    if shares.ndim != 1 or not shares.size or not np.all((shares >= 0) & (shares <= 1)):
        raise ValueError(f"needs counts from 0 to {n}, one a problem, got shape {shares.shape}")
    problems, mean, spread = shares.size, float(shares.mean()), float(shares.var())
    if spread == 0 or np.isin(shares, (0, 1)).all():  # one trial a problem, or no sign of more
        return _wilson(mean, problems, confidence)
    trials = mean * (1 - mean) / spread * (problems - 1)
    known = min((shares > 0).sum(), (shares < 1).sum())
    trials = problems + (trials - problems) * known / (known + 2)
    return _wilson(mean, float(np.clip(trials, problems, n * problems)), confidence)


def _wilson(share: float, n: float, confidence: float) -> tuple[float, float]:
    z = stats.norm.ppf((1 + confidence) / 2)
    spread = z * z / n
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


def paired_interval(
    a: ArrayLike, b: ArrayLike, n: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean of a - b and its interval: (difference, low, high).

    a, b: the two models' shares of n samples on the same problems in the same order. Student's
    interval of the differences, after a problem is added on either side that differs by as much as
    those that differ do, at least by one sample (the idea of Agresti and Min 2005,
    doi:10.1002/sim.1781): where hardly any problem differs, what is seen is not all there is.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"not paired: {a.shape} and {b.shape} values")
    difference = a - b
    size = _usual(difference, n)
    seen = np.append(difference, [size, -size])
    half = stats.t.ppf((1 + confidence) / 2, seen.size - 1) * stats.sem(seen)
    return float(difference.mean()), float(seen.mean() - half), float(seen.mean() + half)


def pooled_interval(
    differences: ArrayLike, n: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean and interval of a difference that several runs measured: (difference, low, high).

    differences: (S, P), of S runs of other seeds on the same P problems, shares of n samples. Runs
    and problems are both drawn: the interval is as wide as Student's of the runs' means and
    Student's of the problems' means together (the root of the sum of their squares). What is noise
    in both counts twice, so it is rather too wide; of two runs it would say next to nothing. A
    problem is added on either side, as in `paired_interval`.
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 2 or values.shape[0] < 3 or values.shape[1] < 2:
        raise ValueError(f"needs three runs and two problems or more, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a difference is no number")
    added = np.array([1.0, -1.0]) * _usual(values.mean(axis=0), n)
    seen = np.hstack([values, np.broadcast_to(added, (len(values), 2))])
    halves = [stats.t.ppf((1 + confidence) / 2, size - 1) * stats.sem(seen.mean(axis=1 - axis))
              for axis, size in enumerate(seen.shape)]
    half = float(np.hypot(*halves))
    return float(values.mean()), float(seen.mean() - half), float(seen.mean() + half)


def _usual(differences: np.ndarray, n: int) -> float:
    """By how much the problems that differ do so; where none does, one sample of n."""
    return np.sqrt(np.mean(differences[differences != 0] ** 2)) if differences.any() else 1 / n


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
