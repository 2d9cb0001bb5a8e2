"""Exercises of 08, evaluation: pass@k and maj@k over problems, a paired interval, a paired test."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import math
import random
from collections import Counter

import numpy as np

from helpers.exercises.exercise import Exercise, Mistake


def mean_pass_at_k(counts: list[int], n: int, k: int) -> float:
    """pass@k over problems, unbiased (Chen et al. 2021, arXiv:2107.03374,
    eq. 1): 1 - C(n - c, k) / C(n, k) for each problem, then the mean.

    counts: how many of n samples were right, one a problem. 1 <= k <= n.
    """
    missed = [math.comb(n - c, k) / math.comb(n, k) for c in counts]
    return 1 - sum(missed) / len(missed)


def maj_at_k(answers: list[str | None], reference: str, k: int) -> float:
    """Credit of the majority of the first k samples of one problem.

    answers: found in the samples, None where there is none; None has no
    vote. Answers in front together share the credit of 1: two of them, one
    right, are worth 1/2. No votes: 0.
    """
    votes = Counter(one for one in answers[:k] if one is not None)
    most = max(votes.values(), default=0)
    front = [one for one, count in votes.items() if count == most]
    return (reference in front) / len(front) if front else 0.0


def interval_of_gain(a: np.ndarray, b: np.ndarray,
                     draws: np.ndarray) -> tuple[float, float]:
    """Paired bootstrap: the middle 95 % (low, high) of the mean gain of b
    over a (percentiles 2.5 and 97.5).

    a, b: (N,), scores of two models on the same N problems. draws: (R, N),
    the problems of each of R resamples, drawn with replacement.
    """
    gains = (b - a)[draws].mean(axis=1)
    low, high = np.percentile(gains, [2.5, 97.5])
    return float(low), float(high)


def exact_p(a: list[bool], b: list[bool]) -> float:
    """p-value of McNemar's exact test, two-sided: if the models were
    equally good, each problem that only one of them solves would be a coin.

    a, b: right or wrong on the same problems. Twice the chance of a side
    at least as small as the smaller one, at most 1.
    """
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, i) for i in range(fewer + 1)) / 2**n
    return min(2 * tail, 1.0)


def _counted(rng: random.Random) -> list[tuple]:
    found: list[tuple] = [([0, 1, 8], 8, 4), ([0, 0, 3], 8, 1), ([2, 7], 8, 8)]
    for n, k in ((8, 2), (8, 5), (16, 3)):
        found.append(([rng.randint(0, n) for _ in range(6)], n, k))
    return found


def _voters(rng: random.Random) -> list[tuple]:
    found: list[tuple] = [
        (["5", "7", "7", "5"], "7", 4), ([None, None, None, "4"], "4", 4),
        ([None, None], "4", 2), (["7", "9", "9", "9"], "7", 1), (["3", None, None], "3", 3),
        (["1", "2", "3"], "3", 3), (["2", "6", "2", "6", "6"], "2", 4),
    ]
    for _ in range(8):
        answers = [rng.choice(["12", "12", "15", "9", None]) for _ in range(8)]
        found.append((answers, "12", rng.choice([3, 5, 8])))
    return found


def _majority(first=True, none_votes=False, whole=False, ties="share"):
    def credit(answers, reference, k):
        voters = answers[:k] if first else answers
        votes = Counter(one for one in voters if none_votes or one is not None)
        if not votes:
            return 0.0
        most = max(votes.values())
        front = [one for one, count in votes.items() if count == most]
        if ties == "first":
            return float(front[0] == reference)
        if ties == "generous":
            return float(reference in front)
        if whole:
            return votes[reference] / len(voters)
        return (reference in front) / len(front)

    return credit


def _paired(rng: random.Random) -> list[tuple]:
    found = []
    for problems in (20, 60, 200):
        draw = np.random.default_rng(rng.getrandbits(40))
        base = draw.uniform(size=problems)
        a = (draw.integers(0, 9, problems) / 8 + base) / 2
        b = np.clip(a + draw.normal(0.05, 0.1, problems), 0, 1)
        found.append((a, b, draw.integers(0, problems, (400, problems))))
    return found


def _percentiles(gains, low=2.5, high=97.5):
    ends = np.percentile(gains, [low, high])
    return float(ends[0]), float(ends[1])


def _solved(rng: random.Random) -> list[tuple]:
    found: list[tuple] = [
        ([True, False, True], [True, False, True]), ([True, False] * 4, [False, True] * 4),
        ([False] * 6 + [True] * 4, [True] * 6 + [True] * 4),
        ([True] * 6 + [True] * 4, [False] * 5 + [True] * 5),
    ]
    for n in (20, 40, 80):
        found.append(
            (
                [rng.random() < 0.4 for _ in range(n)],
                [rng.random() < 0.6 for _ in range(n)],
            )
        )
    return found


def _tail(n, fewer):
    return sum(math.comb(n, i) for i in range(fewer + 1)) / 2**n


def _parted(a, b):
    return (
        sum(x and not y for x, y in zip(a, b, strict=True)),
        sum(y and not x for x, y in zip(a, b, strict=True)),
    )


EXERCISES = (
    Exercise(
        "08.1", "pass@k of a model", 2, 10,
        "one count a problem, two counts → a share",
        "Section 2 computed pass@k of one problem by a product. Here is the same with binomial "
        "coefficients, over all problems: of all ways to choose k of the n samples, how many hold "
        "no right one?",
        "`math.comb(n - c, k)` ways hold none of the c right ones (0 if fewer than k are wrong), "
        "`math.comb(n, k)` there are. Mean over problems last.",
        mean_pass_at_k, _counted,
        (Mistake("1 − (1 − c/n)^k draws *with* replacement, so the same sample may come twice: "
                  "the estimate is too low",
                  lambda counts, n, k: sum(1 - (1 - c / n)**k for c in counts) / len(counts)),
         Mistake("this is pass@n, whether any of all n samples is right; k of them are drawn",
                  lambda counts, n, k: sum(c > 0 for c in counts) / len(counts)),
         Mistake("first the estimate for each problem, then the mean; you put the mean count into "
                  "the formula",
                  lambda counts, n, k: (
                      1 - math.comb(n - round(sum(counts) / len(counts)), k) / math.comb(n, k)
                  )),
         Mistake("k times pass@1 counts problems with several right draws more than once",
                  lambda counts, n, k: sum(min(1, k * c / n) for c in counts) / len(counts)),
         Mistake("this is the chance that *none* of the k is right; take it from 1",
                  lambda counts, n, k: 1 - mean_pass_at_k(counts, n, k))),
        "[round(mean_pass_at_k([0, 1, 2, 8], 8, k), 3) for k in (1, 4, 8)]",
        imports="import math"),
    Exercise(
        "08.2", "A vote of k", 2, 10,
        "n answers, an answer, a count → credit from 0 to 1",
        "maj@8 uses all eight samples. Write maj@k: vote on the first $k$, answers in front "
        "together share the credit. Then plot it for k = 1, 3, 5, 8 beside pass@k. Which model "
        "gains most?",
        "`collections.Counter` of the first k that are not None; all that have the largest count "
        "are in front. For the plot: `[answer_of(row, text) for text in row[\"completions\"]]`.",
        maj_at_k, _voters,
        (Mistake("a tie is not broken by who came first: answers in front share the credit",
                  _majority(ties="first")),
         Mistake("a tie with the right answer in it is worth 1 / (answers in front), not 1",
                  _majority(ties="generous")),
         Mistake("a sample without an answer (None) has no vote", _majority(none_votes=True)),
         Mistake("only the first k samples vote; you used all of them", _majority(first=False)),
         Mistake("this is the share of right votes; a majority takes all the credit",
                  _majority(whole=True))),
        "[maj_at_k([\"5\", \"7\", None, \"7\"], \"7\", k) for k in (1, 2, 3, 4)]",
        imports="from collections import Counter"),
    Exercise(
        "08.3", "The interval of a gain", 2, 10,
        "`(N,)`, `(N,)`, `(R, N)` → two numbers",
        "Section 7 asks whether one model is better and takes a paired bootstrap from the library. "
        "Write it. The resamples are given, so that the result is the same every time.",
        "`(b - a)[draws]` is (R, N): the differences of the problems that each resample has drawn.",
        interval_of_gain, _paired,
        (Mistake("these are percentiles 5 and 95, the middle 90 %; for 95 % take 2.5 and 97.5",
                  lambda a, b, draws: _percentiles((b - a)[draws].mean(1), 5, 95)),
         Mistake("this is the gain of a over b: b − a is asked for",
                  lambda a, b, draws: _percentiles((a - b)[draws].mean(1))),
         Mistake("not paired: both models must be resampled with the *same* problems, or the luck "
                  "of the problems widens the interval",
                  lambda a, b, draws: _percentiles(b[draws].mean(1) - a[draws[::-1]].mean(1))),
         Mistake("these are percentiles of the problems' gains; take the mean of each resample "
                  "first", lambda a, b, draws: _percentiles(b - a)),
         Mistake("you returned the interval of b alone; the gain is b − a",
                  lambda a, b, draws: _percentiles(b[draws].mean(1)))),
        "[round(end, 3) for end in interval_of_gain(\n"
        "    np.arange(64) % 4 / 4, np.arange(64) % 4 / 4 + 0.1,\n"
        "    np.random.default_rng(0).integers(0, 64, (2000, 64)))]",
        "Every problem gains the same 0.1, so the paired interval has no width, however much the "
        "problems differ.",
        "import numpy as np"),
    Exercise(
        "08.4", "A test by coins", 3, 15,
        "N times right or wrong, twice → a chance",
        "Greedy answers are right or wrong, one a problem. Problems that both models solve, or "
        "none, say nothing about which is better. The others are coins: how surprising is their "
        "count?",
        "With n coins, `math.comb(n, i) / 2**n` is the chance of exactly i heads. Add up from 0 to "
        "the smaller side, twice.",
        exact_p, _solved,
        (Mistake("this is one-sided; which model is better was not said before: twice the tail",
                  lambda a, b: _tail(sum(_parted(a, b)), min(_parted(a, b)))),
         Mistake("only problems that exactly one model solves are coins; leave the others out",
                  lambda a, b: min(1.0, 2 * _tail(len(a), min(_parted(a, b))))),
         Mistake("with equal sides twice the tail is above 1, and a p-value is not: min(…, 1)",
                  lambda a, b: 2 * _tail(sum(_parted(a, b)), min(_parted(a, b)))),
         Mistake("add up all counts from 0 to the smaller side; you took the smaller side alone",
                  lambda a, b: min(
                      1.0,
                      2 * math.comb(sum(_parted(a, b)), min(_parted(a, b)))
                      / 2 ** sum(_parted(a, b)),
                  )),
         Mistake("the tail begins at the *smaller* side",
                  lambda a, b: min(1.0, 2 * _tail(sum(_parted(a, b)), max(_parted(a, b)))))),
        "round(exact_p([True] * 9 + [False] * 11,\n"
        "              [False] * 8 + [True] * 12), 3)",
        "8 against 11 is what coins do all the time.",
        "import math"),
)
