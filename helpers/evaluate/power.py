"""What a test can see: how often it finds a gain that is there, and one that is not.

A test that finds nothing says little if it would have missed the thing anyway. Its power follows
from how much the two models differ problem by problem, and that is in the rows at hand: their
differences are shifted to the gain in question, and new test sets are drawn from them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from helpers.stats import paired_interval


def power(
    differences: ArrayLike, problems: int, gain: float, above: float = 0.0, n: int = 8,
    trials: int = 500, seed: int = 0,
) -> float:
    """Share of test sets on which the paired 95 % interval lies above `above`, if the true
    difference is `gain`.

    differences: (N,), a's minus b's share of right samples on each of N problems, of which only the
    spread counts; problems: size of a test set; n: samples a problem. The bootstrap of a test's
    power (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 25). ValueError
    without problems.
    """
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 1 or not differences.size or problems < 1:
        raise ValueError(f"needs differences of problems, got {differences.shape}, and a test set "
                         f"of 1 or more, got {problems}")
    shifted = differences - differences.mean() + gain
    generator = np.random.default_rng(seed)
    picks = generator.integers(shifted.size, size=(trials, problems))
    nothing = np.zeros(problems)
    return float(np.mean([paired_interval(drawn, nothing, n)[1] > above
                          for drawn in shifted[picks]]))


def table(differences: ArrayLike, sizes: Sequence[int], n: int = 8, gain: float = 0.05,
          margin: float = 0.02) -> list[dict]:
    """For each number of problems: {"problems", "false_alarm": two equal models, called better;
    "no_worse": two equal models, called no worse by `margin`; "seen": a true gain, called better}.
    """
    return [{"problems": size,
             "false_alarm": power(differences, size, 0.0, n=n),
             "no_worse": power(differences, size, 0.0, above=-margin, n=n),
             "seen": power(differences, size, gain, n=n)} for size in sizes]
