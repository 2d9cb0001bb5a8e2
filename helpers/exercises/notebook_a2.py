"""Exercises of A2: leave-one-out with gaps, which answers RFT keeps, a mean from old answers."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor

from helpers.exercises.drawn import normal
from helpers.exercises.exercise import Exercise, Mistake


def against_the_others(rewards: Tensor) -> Tensor:
    """RLOO's advantages (P, G) where some answers have no verdict.

    rewards: (P, G), a row a prompt; NaN: no verdict. An answer is compared
    with the mean of the *other* judged answers of its row; one without a
    verdict, or without another to be compared with, gets 0.
    """
    known = ~rewards.isnan()
    n = known.sum(dim=1, keepdim=True)
    total = rewards.nansum(dim=1, keepdim=True)
    others = (total - rewards) / (n - 1)
    return torch.where(known & (n > 1), rewards - others, 0.0)


def answers_to_imitate(texts: list[str], right: list[bool],
                       at_most: int) -> list[str]:
    """What RFT keeps of one problem's answers: the right ones, each text
    once, in the order in which they were drawn, at most `at_most` of them.

    texts, right: one an answer, in the order drawn.
    """
    kept = []
    for text, good in zip(texts, right, strict=True):
        if good and text not in kept:
            kept.append(text)
    return kept[:at_most]


def reward_from_old(rewards: Tensor, logp: Tensor, old_logp: Tensor) -> float:
    """What the policy would be paid on average, estimated without bias from
    answers that an older policy drew.

    rewards: (N,), one an answer. logp, old_logp: (N,), log-probability of
    the whole answer under the policy and under the one that drew it.
    """
    ratio = (logp - old_logp).exp()
    return (ratio * rewards).mean().item()


def _gaps(rng: random.Random) -> list[tuple]:
    nan = float("nan")
    fixed = torch.tensor([[1.0, 0, nan, 0], [nan, nan, nan, 1], [1, 1, 0, 1], [nan] * 4])
    found = [(fixed,), (normal(rng, 2, 5),)]
    for p, g in ((3, 4), (4, 6)):
        rewards = normal(rng, p, g)
        for row in range(p):
            rewards[row, rng.randrange(g)] = nan
        found.append((rewards,))
    return found


def _filled(rewards: Tensor) -> Tensor:
    """A gap counted as a reward of 0."""
    r = rewards.nan_to_num(nan=0.0)
    return r - (r.sum(1, True) - r) / (r.size(1) - 1)


def _own(rewards: Tensor) -> Tensor:
    """The answer itself counts in its mean."""
    return (rewards - rewards.nanmean(1, True)).nan_to_num(nan=0.0)


def _over_all(rewards: Tensor) -> Tensor:
    """Divided by G - 1, gaps or not."""
    others = (rewards.nansum(1, True) - rewards) / (rewards.size(1) - 1)
    n = (~rewards.isnan()).sum(1, True)
    return (rewards - others).nan_to_num(nan=0.0).where(n > 1, torch.tensor(0.0))


def _alone(rewards: Tensor) -> Tensor:
    """An answer that is alone keeps its whole reward."""
    n = (~rewards.isnan()).sum(1, True)
    found = against_the_others(rewards)
    return torch.where((n == 1) & ~rewards.isnan(), rewards, found)


def _batch(rewards: Tensor) -> Tensor:
    known = ~rewards.isnan()
    others = (rewards.nansum() - rewards) / (known.sum() - 1)
    return torch.where(known, rewards - others, 0.0)


def _drawn(rng: random.Random) -> list[tuple]:
    found = [(["b", "a", "b", "c", "a"], [True, True, True, False, True], 2),
             (["x", "long x", "x", "y", "z"], [True, True, True, True, True], 3),
             (["no", "not"], [False, False], 4), (["a", "a", "b"], [False, True, True], 1)]
    for _ in range(3):
        texts = [rng.choice(["3*4=12", "12", "4*3=12", "It is 12."]) for _ in range(8)]
        found.append((texts, [rng.random() < 0.6 for _ in texts], rng.randint(1, 3)))
    return found


def _right(texts, right):
    return [text for text, good in zip(texts, right, strict=True) if good]


def _policies(rng: random.Random) -> list[tuple]:
    found = []
    for n in (4, 6, 9):
        old = normal(rng, n) - 4
        paid = torch.tensor([float(rng.random() < 0.6) for _ in range(n)])
        paid[0], paid[1] = 1.0, 0.0
        found.append((paid, old + 0.5 * normal(rng, n) + 0.3, old))
    return found


def _ratio(logp: Tensor, old_logp: Tensor) -> Tensor:
    return (logp - old_logp).exp()


TENSORS = "import torch\nfrom torch import Tensor"
EXERCISES = (
    Exercise(
        "A2.1", "Leave one out, with gaps", 2, 10,
        "`(P, G)`, NaN for no verdict → `(P, G)`",
        "A reward function may say None: the answer cannot be judged. Write RLOO's advantages for "
        "groups with such gaps. Why it matters: a gap taken for a 0 makes the others look good, "
        "and one NaN in a mean ruins all weights of the model.",
        "Count the judged answers n of each row. The sum of the others is the row's `nansum` minus "
        "one's own reward; there are n − 1 of them.",
        against_the_others, _gaps,
        (Mistake("an answer without a verdict counts as a reward of 0 here: leave it out of the "
                 "mean", _filled),
         Mistake("the answer itself counts in this mean: compare it with the others", _own),
         Mistake("the mean divides by G − 1 although some answers have no verdict: divide by the "
                 "others that have one", _over_all),
         Mistake("an answer without another to be compared with gets 0, not its whole reward",
                 _alone),
         Mistake("the others are those of the same prompt, a row, not of the whole batch", _batch),
         Mistake("the sign is turned round: reward minus baseline",
                 lambda r: -against_the_others(r))),
        "[round(x, 3) for x in against_the_others(\n"
        "    torch.tensor([[1.0, 0.0, float(\"nan\"), 0.0]]))[0].tolist()]",
        "Three are judged. The right one is compared with two wrong ones, each wrong one with a "
        "right and a wrong one; the third place teaches nothing.",
        TENSORS),
    Exercise(
        "A2.2", "Which answers to imitate", 1, 5,
        "a problem's texts, whether each is right, a count → texts",
        "RFT's choice for one problem. Why it matters: without the bound the easy problems, which "
        "the model solves in every draw, would be most of what it imitates. Mind the "
        "problems that give no answer at all.",
        "One loop over text and verdict together; keep a right text that is not kept yet. Cut the "
        "list last.",
        answers_to_imitate, _drawn,
        (Mistake("equal texts are kept more than once: each text once",
                 lambda t, r, k: _right(t, r)[:k]),
         Mistake("wrong answers are among them: imitate right ones only",
                 lambda t, r, k: list(dict.fromkeys(t))[:k]),
         Mistake("there are more than `at_most`",
                 lambda t, r, k: list(dict.fromkeys(_right(t, r)))),
         Mistake("the bound was applied before equal texts were taken out, so fewer are left",
                 lambda t, r, k: list(dict.fromkeys(_right(t, r)[:k]))),
         Mistake("the order has changed (a set has none): as they were drawn",
                 lambda t, r, k: sorted(dict.fromkeys(_right(t, r)), reverse=True)[:k])),
        "answers_to_imitate(\n"
        "    [\"3*4=12\", \"12\", \"3*4=12\", \"4*3=12\", \"3+4=7\"],\n"
        "    [True, True, True, True, False], 2)",
        "Four answers are right, in three texts, and two are kept."),
    Exercise(
        "A2.3", "Learning from old answers", 2, 10,
        "three times `(N,)` → a number",
        "After the first step the policy is no longer the one that drew the answers. Weighing each "
        "answer by how much likelier it has become makes the mean right again, whatever the "
        "policy: it is *unbiased*. Why it matters: RFT leaves these weights out, and so every "
        "further step follows the gradient of an older model.",
        "The ratio of two probabilities is the exponential of the difference of their logarithms. "
        "Its mean over many answers is 1, but do not divide by it: that would bring a bias.",
        reward_from_old, _policies,
        (Mistake("the answers are those of the older policy, as if it had not changed: weigh each "
                 "by its ratio", lambda r, p, q: r.mean().item()),
         Mistake("the ratio is turned round: the policy over the one that drew",
                 lambda r, p, q: (_ratio(q, p) * r).mean().item()),
         Mistake("a difference of logarithms is no ratio yet: take exp",
                 lambda r, p, q: ((p - q) * r).mean().item()),
         Mistake("dividing by the sum of the ratios gives less spread, and a bias: divide by N",
                 lambda r, p, q: (_ratio(p, q) * r).sum().item() / _ratio(p, q).sum().item()),
         Mistake("the mean of the ratios times the mean of the rewards: what counts is which "
                 "answers became likelier",
                 lambda r, p, q: _ratio(p, q).mean().item() * r.mean().item())),
        "round(reward_from_old(\n"
        "    torch.tensor([1.0, 0.0]), torch.tensor([0.8, 0.2]).log(),\n"
        "    torch.tensor([0.5, 0.5]).log()), 3)",
        "The older policy drew one right and one wrong answer, each with probability ½. The new "
        "one says the right one with 0.8, and that is what it would be paid.",
        TENSORS),
)
