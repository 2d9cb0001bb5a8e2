"""Exercises of 00, start here: an interval for a share, memory in GB, two scores of one model."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import math
import random

from helpers.exercises.exercise import Exercise, Mistake


def interval_of_share(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval (low, high) of a share, z = 1.96.

    right: how many of n independent answers were right; 0 <= right <= n.
    """
    z, share = 1.96, right / n
    middle = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return (middle - spread) / scale, (middle + spread) / scale


def training_gb(parameters: int, trained: int, bytes_a_weight: float) -> float:
    """Memory of a model with LoRA and AdamW in GB (10**9 bytes),
    activations not counted.

    parameters: of the frozen model, bytes_a_weight each. trained: numbers
    of the adapter in float32 (4 bytes), each with its gradient and the two
    averages of AdamW in float32.
    """
    frozen = parameters * bytes_a_weight
    adapter = trained * 4 * (1 + 1 + 2)
    return (frozen + adapter) / 10**9


def two_scores(right: list[list[bool]]) -> tuple[float, float]:
    """(mean share right, share of problems with a right attempt).

    right: a list for each problem, with one entry for each attempt;
    problems may have different numbers of attempts, at least one.
    """
    shares = [sum(attempts) / len(attempts) for attempts in right]
    return (
        sum(shares) / len(right),
        sum(any(attempts) for attempts in right) / len(right),
    )


def _wald(right, n):
    share = right / n
    spread = 1.96 * math.sqrt(share * (1 - share) / n)
    return share - spread, share + spread


def _unscaled(right, n):
    low, high = interval_of_share(right, n)
    return low * (1 + 1.96**2 / n), high * (1 + 1.96**2 / n)


def _other_z(z):
    def interval(right, n):
        share = right / n
        middle, scale = share + z**2 / (2 * n), 1 + z**2 / n
        spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        return (middle - spread) / scale, (middle + spread) / scale

    return interval


def _shares(rng: random.Random) -> list[tuple]:
    sizes = [rng.randint(20, 400) for _ in range(4)]
    return [(0, 10), (10, 10), *((rng.randint(1, n - 1), n) for n in sizes)]


def _models(rng: random.Random) -> list[tuple]:
    return [(rng.randint(10**8, 10**10), rng.randint(10**6, 10**8), size) for size in (4, 2, 0.5)]


def _attempts(rng: random.Random) -> list[tuple]:
    def problem():
        return [rng.random() < 0.3 for _ in range(rng.randint(1, 8))]

    fixed = [[True], [False] * 5, [True, False, True]]
    return [
        (fixed,),
        *(([*fixed, *(problem() for _ in range(9))],) for _ in range(3)),
    ]


EXERCISES = (
    Exercise(
        "00.1", "An interval for a share", 2, 10,
        "two counts → two numbers, shares from 0 to 1",
        "20 of 32 right: is that 62.5 %, or anything from 45 to 77 %? Section 5 took the interval "
        "from the library. Wilson's (1927) asks which true shares $p$ could well have given what "
        "was seen: those with $(\\hat p - p)^2 \\le z^2\\, p (1 - p) / n$. Solve that for $p$.",
        "A quadratic inequality in $p$. Its middle is $\\hat p + z^2 / 2n$, its half width $z "
        "\\sqrt{\\hat p (1 - \\hat p) / n + z^2 / 4n^2}$, and one number divides both.",
        interval_of_share, _shares,
        (Mistake("this is Wald's interval, share ± 1.96 · √(share (1 − share) / n): of 0 right in "
                  "10 it says that no answer is ever right. Wilson asks which p fit what was seen",
                  _wald),
         Mistake("middle and spread are right; divide both by 1 + z²/n", _unscaled),
         Mistake("z = 1 gives a 68 % interval; for 95 % z is 1.96", _other_z(1.0)),
         Mistake("z = 1.64 leaves 5 % on each side; for 95 % in the middle z is 1.96",
                  _other_z(1.645)),
         Mistake("the spread lacks z²/4n² under the root",
                  lambda right, n: tuple(
                      (
                          right / n
                          + 1.96**2 / (2 * n)
                          + sign * 1.96 * math.sqrt(right / n * (1 - right / n) / n)
                      )
                      / (1 + 1.96**2 / n)
                      for sign in (-1, 1)
                  ))),
        "[round(end, 3) for end in interval_of_share(20, 32)]",
        "It is not symmetric: near 0 and 1 it leans inwards, and of 0 right in 10 it still allows "
        "shares above zero.",
        "import math",
        tolerance=0.001),
    Exercise(
        "00.2", "Memory of a model in training", 1, 5,
        "two counts and bytes a weight → GB",
        "Section 2 forecasts memory. Its two largest parts are simple: the frozen weights, and for "
        "each trained number four numbers in float32: itself, its gradient and AdamW's two "
        "averages.",
        "Bytes first, gigabytes last: 1 GB is $10^9$ bytes. What is frozen has neither gradient "
        "nor averages; that is what LoRA saves.",
        training_gb, _models,
        (Mistake("you divided by 2³⁰, which gives GiB; a GB is 10⁹ bytes",
                  lambda p, t, b: (p * b + 16 * t) / 2**30),
         Mistake("each trained number takes 16 bytes: itself, its gradient, and two averages of "
                  "AdamW; you left the averages out",
                  lambda p, t, b: (p * b + 8 * t) / 1000000000.0),
         Mistake("you left the gradient out: itself, gradient and two averages are four numbers",
                  lambda p, t, b: (p * b + 12 * t) / 1000000000.0),
         Mistake("gradients and averages of AdamW are kept for trained numbers only; the model is "
                  "frozen", lambda p, t, b: (p * b + 12 * p + 16 * t) / 1000000000.0),
         Mistake("the adapter is float32 whatever the model is kept in: 4 bytes, not "
                  "bytes_a_weight", lambda p, t, b: (p * b + 4 * t * b) / 1000000000.0)),
        "[round(training_gb(7_615_616_512, 40_370_176, size), 1)\n"
        " for size in (4, 2, 0.5)]",
        "That is a model of 7.6 billion parameters in float32, in 16 bits and in 4: whole "
        "gigabytes are the model's, the adapter with all its baggage needs 0.6."),
    Exercise(
        "00.3", "Two scores of one model", 1, 5,
        "a list of lists of true and false → two shares",
        "Section 5 says two numbers about the same answers: which share is right, and for which "
        "share of the *problems* at least one attempt is. Compute both, when problems may have "
        "different numbers of attempts. A problem counts once, however often it was tried.",
        "First one number for each problem, then their mean. Never count attempts over all "
        "problems.",
        two_scores, _attempts,
        (Mistake("you counted attempts over all problems together; so a problem with many "
                  "attempts weighs more. Take each problem's share first, then their mean",
                  lambda right: (
                      sum(map(sum, right)) / sum(map(len, right)),
                      sum(map(any, right)) / len(right),
                  )),
         Mistake("the second number asks for *at least one* right attempt; you asked for all of "
                  "them", lambda right: (two_scores(right)[0], sum(map(all, right)) / len(right))),
         Mistake("the first one of each problem is only one attempt: use them all",
                  lambda right: (sum(row[0] for row in right) / len(right), two_scores(right)[1])),
         Mistake("the order is (mean share right, share with a right attempt)",
                  lambda right: two_scores(right)[::-1])),
        "two_scores([[True, False, False, False], [False] * 4, [True] * 4,\n"
        "            [False, True, False, True]])",
        "The distance between the two is what a model can do, but not reliably."),
)
