"""Exercises of 04, a reward model: the pairwise loss, ties, a weighted vote, calibration."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import math
import random
from collections import defaultdict

import torch
from torch import Tensor
from torch.nn import functional

from helpers.exercises.exercise import Exercise, Mistake


def preference_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Mean of -log sigmoid(chosen - rejected), a scalar, finite for any
    scores (Bradley and Terry 1952).

    chosen, rejected: scores (N,) of the two answers of N pairs.
    """
    return -functional.logsigmoid(chosen - rejected).mean()


def share_in_order(chosen: Tensor, rejected: Tensor) -> float:
    """Share of pairs whose chosen answer has the higher score; a tie is
    half right, as a coin would be.

    chosen, rejected: scores (N,) of N pairs.
    """
    higher = (chosen > rejected).double()
    tie = (chosen == rejected).double()
    return (higher + tie / 2).mean().item()


def weighted_vote(answers: list[str | None],
                  scores: list[float]) -> str | None:
    """The answer with the largest sum of exp(score); None has no vote,
    and None is given back where nobody votes.

    answers: found in the samples of one problem, None where there is none.
    scores: the judge's, one a sample.
    """
    weights: dict[str, float] = defaultdict(float)
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            weights[answer] += math.exp(score)
    return max(weights, key=weights.__getitem__) if weights else None


def calibration_error(chances: list[float], right: list[bool],
                      bins: int) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599,
    eq. 3): over bins of equal width on [0, 1], the mean distance of mean
    chance and share right, weighted by how many fall into the bin.

    chances: what the judge says, 0 to 1; 1 belongs to the last bin.
    """
    members: dict[int, list[int]] = {}
    for place, chance in enumerate(chances):
        box = min(int(chance * bins), bins - 1)
        members.setdefault(box, []).append(place)
    return sum(
        abs(sum(chances[i] - right[i] for i in places))
        for places in members.values()
    ) / len(chances)


def _scores(rng: random.Random) -> list[tuple]:
    def some(n):
        generator = torch.Generator().manual_seed(rng.getrandbits(40))
        return torch.randn(n, generator=generator)

    far = (torch.tensor([500.0, -1.0]), torch.tensor([-500.0, 2.0]))
    return [*((some(n), some(n)) for n in (2, 5, 9)), far, far[::-1]]


def _with_ties(rng: random.Random) -> list[tuple]:
    def some(n):
        return torch.tensor([float(rng.randint(0, 3)) for _ in range(n)])

    fixed = (torch.tensor([1.0, 2, 0, 3, 3]), torch.tensor([1.0, 1, 1, 0, 3]))
    return [
        fixed,
        (torch.ones(3), torch.ones(3)),
        *((some(n), some(n)) for n in (6, 12, 20)),
    ]


def _without_ties(chosen, rejected):
    parted = chosen != rejected
    return (chosen > rejected)[parted].double().mean().item()


def _votes(rng: random.Random) -> list[tuple]:
    found: list[tuple] = [
        (["7", "7", "7", "9"], [0.0, 0.1, -0.2, 3.0]), ([None, None], [5.0, 1.0]),
        (["4", "5", "5"], [1.0, 0.6, 0.5]), ([None, None, "8", "6"], [9.0, 9.0, 1.0, 0.0]),
        (["3", "3", "2"], [-2.0, -2.5, -1.0]), (["1", "1", "1", "6"], [0.5, 0.6, 0.7, 1.6]),
        (["5", "5", "5", "2"], [-1.0, 1.0, 1.1, 1.4]), (["5", "5", "7"], [1.0, -2.0, 0.8]),
    ]
    for _ in range(6):
        answers = [rng.choice([None, "12", "15", "18"]) for _ in range(8)]
        found.append((answers, [rng.gauss(0, 1.5) for _ in answers]))
    return found


def _by(weight):
    def vote(answers, scores):
        pairs = [(a, s) for a, s in zip(answers, scores, strict=True) if a is not None]
        groups: dict[str, list[float]] = defaultdict(list)
        for answer, score in pairs:
            groups[answer].append(score)
        return max(groups, key=lambda answer: weight(groups[answer])) if groups else None

    return vote


def _none_votes(answers, scores):
    weights: dict = defaultdict(float)
    for answer, score in zip(answers, scores, strict=True):
        weights[answer] += math.exp(score)
    return max(weights, key=weights.__getitem__)


def _judged(rng: random.Random) -> list[tuple]:
    fixed = (
        [0.55, 0.58, 0.95, 1.0, 0.72],
        [True, False, True, True, False],
        10,
    )
    found: list[tuple] = [fixed]
    for bins in (4, 5, 10):
        chances = [round(rng.uniform(0.5, 0.999), 3) for _ in range(30)]
        found.append((chances, [rng.random() < 0.7 for _ in chances], bins))
    return found


def _boxes(chances, right, bins):
    members: dict[int, list[int]] = {}
    for place, chance in enumerate(chances):
        members.setdefault(min(int(chance * bins), bins - 1), []).append(place)
    return [
        (
            sum(chances[i] for i in m) / len(m),
            sum(right[i] for i in m) / len(m),
            len(m),
        )
        for m in members.values()
    ]


EXERCISES = (
    Exercise(
        "04.1", "The loss that never overflows", 1, 5,
        "`(N,)`, `(N,)` → a scalar, nats a pair",
        "Section 2 wrote the loss as its formula says. Write one that stays finite when a judge is "
        "very wrong: at a distance of −1000, σ is 0 to a computer and its logarithm −∞.",
        "$-\\log\\sigma(d) = \\log(1 + e^{-d})$, and torch has it in one function that handles "
        "both ends: `torch.nn.functional.logsigmoid`.",
        preference_loss, _scores,
        (Mistake("log(sigmoid(d)) is −∞ where a judge is very wrong: use logsigmoid",
                  lambda c, r: -torch.sigmoid(c - r).log().mean()),
         Mistake("the sign is turned round: this teaches that the rejected answer is better",
                  lambda c, r: -functional.logsigmoid(r - c).mean()),
         Mistake("this is log σ, which grows when the judge is right; a loss falls: put a minus",
                  lambda c, r: functional.logsigmoid(c - r).mean()),
         Mistake("this is the sum over pairs; the loss is their mean",
                  lambda c, r: -functional.logsigmoid(c - r).sum()),
         Mistake("this is the chance that the rejected one wins; the loss is the logarithm's",
                  lambda c, r: torch.sigmoid(r - c).mean())),
        "preference_loss(torch.tensor([2.0, -500.0]),\n"
        "                torch.tensor([1.0, 500.0])).item()",
        "The mean of 0.313 and 1000: one such pair drowns a whole batch, so clean pairs matter.",
        "import torch\n"
        "from torch import Tensor\n"
        "from torch.nn import functional"),
    Exercise(
        "04.2", "Ties", 1, 5,
        "`(N,)`, `(N,)` → a share",
        "A judge in 16 bits gives many pairs the same score. What is its accuracy? A judge that "
        "says 1 about everything must not get 0 %, nor 100 %.",
        "`chosen > rejected` and `chosen == rejected` are tensors of true and false; `.double()` "
        "makes numbers of them.",
        share_in_order, _with_ties,
        (Mistake("ties count as wrong with `>`; each is half right",
                  lambda c, r: (c > r).double().mean().item()),
         Mistake("ties count as right with `>=`: a judge that always says 1 would be perfect",
                  lambda c, r: (c >= r).double().mean().item()),
         Mistake("you leave ties out; a judge that is never sure would get an accuracy from its "
                  "few sure pairs. Each tie is half right", _without_ties),
         Mistake("this is the share in which the *rejected* answer is in front",
                  lambda c, r: 1 - share_in_order(c, r)),
         Mistake("this is how many; the accuracy is their share",
                  lambda c, r: share_in_order(c, r) * len(c))),
        "share_in_order(torch.tensor([1.0, 2.0, 0.0, 3.0]),\n"
        "               torch.tensor([1.0, 1.0, 1.0, 0.0]))",
        imports="import torch\n"
                "from torch import Tensor"),
    Exercise(
        "04.3", "A vote with weights", 2, 10,
        "n answers, n scores → an answer",
        "Section 7 chose the best of eight, or let eight vote alike. In between: each answer found "
        "votes with weight exp(score). Does it beat both? Compare with `paired_bootstrap` on the "
        "problems of section 7 once it is written.",
        "Add up the exponentials by answer, `collections.defaultdict(float)`; who found no answer "
        "has no vote.",
        weighted_vote, _votes,
        (Mistake("every answer has one vote here: weigh it with exp(score)", _by(len)),
         Mistake("this is the best of n, the answer with the highest single score; weights of "
                  "equal answers add up", _by(max)),
         Mistake("you added the scores themselves: a score has no zero, so a second vote can "
                  "count against an answer. Add exp(score)", _by(sum)),
         Mistake("this is the *mean* weight of each answer: many votes should count for more",
                  _by(lambda scores: sum(map(math.exp, scores)) / len(scores))),
         Mistake("a sample in which no answer was found (None) has no vote", _none_votes)),
        "weighted_vote([\"7\", \"7\", \"9\", None], [0.2, 0.4, 0.9, 3.0])",
        "Two doubtful votes (1.22 and 1.49) outweigh a surer one (2.46).",
        "import math\n"
        "from collections import defaultdict"),
    Exercise(
        "04.4", "One number for calibration", 2, 10,
        "N chances, N times right or wrong, a count → a number from 0 to 1",
        "The figure of section 6 shows what the judge says against how often it is right. Put it "
        "into one number, so that two judges can be compared.",
        "A chance falls into bin `min(int(chance * bins), bins - 1)`. Within a bin: the distance "
        "of two means; over bins: weighted by their members. Empty bins have none.",
        calibration_error, _judged,
        (Mistake("each bin counts alike here; weigh it by how many fall into it",
                  lambda c, r, b: (
                      sum(abs(p - s) for p, s, _ in _boxes(c, r, b)) / len(_boxes(c, r, b))
                  )),
         Mistake("too sure in one bin and too modest in another cancel out: take the distance, "
                  "without its sign",
                  lambda c, r, b: sum((n * (p - s) for p, s, n in _boxes(c, r, b))) / len(c)),
         Mistake("this is the largest distance of a bin (the maximum calibration error); take the "
                  "weighted mean",
                  lambda c, r, b: max((abs(p - s) for p, s, _ in _boxes(c, r, b)))),
         Mistake("these are squared distances; this error takes them as they are",
                  lambda c, r, b: sum((n * (p - s)**2 for p, s, n in _boxes(c, r, b))) / len(c)),
         Mistake("you compared chance and result one by one; first take means within a bin",
                  lambda c, r, b: sum((abs(p - s) for p, s in zip(c, r, strict=True))) / len(c))),
        "round(calibration_error([0.9] * 10, [True] * 7 + [False] * 3, 10), 3)",
        "It says 90 % and is right in 70 %."),
)
