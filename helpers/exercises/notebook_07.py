"""Exercises of 07, GRPO: groups, RLOO, the weight of a token, k3 and the clip's dead side."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor

from helpers.exercises.drawn import like, masks, normal
from helpers.exercises.exercise import Exercise, Mistake


def against_the_group(rewards: Tensor, scaled: bool) -> Tensor:
    """Advantage of each answer, (P, G).

    rewards: (P, G), a row a prompt. scaled: GRPO, (reward - mean) /
    (deviation + 1e-4) within the group; the deviation divides by G - 1.
    Not scaled: Dr. GRPO, reward - mean. Groups of equal rewards: 0.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if not scaled:
        return centred
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)


def leave_one_out(rewards: Tensor) -> Tensor:
    """RLOO's advantages (P, G): each reward minus the mean of the *other*
    answers to its prompt (Ahmadian et al. 2024, arXiv:2402.14740).

    rewards: (P, G), a row a prompt, G of at least 2.
    """
    others = rewards.sum(dim=1, keepdim=True) - rewards
    return rewards - others / (rewards.size(1) - 1)


def shares_of_tokens(mask: Tensor, loss_type: str) -> Tensor:
    """What each token's loss counts in the whole, (B, T); the sum is 1 and
    padding has 0.

    mask: (B, T), 1 on real tokens, at least one an answer. loss_type:
    "dapo", a mean over all tokens, or "grpo", a mean within each answer,
    then over answers.
    """
    if loss_type == "grpo":
        return mask / mask.sum(dim=1, keepdim=True) / len(mask)
    return mask / mask.sum()


def distance_a_token(logp: Tensor, ref_logp: Tensor, mask: Tensor) -> Tensor:
    """Mean of k3 over the real tokens, in nats, a scalar: an estimate of
    KL(policy || reference) from tokens that the policy drew.

    logp, ref_logp, mask: (B, T). k3 = r - 1 - log r, r = reference / policy.
    """
    log_r = ref_logp - logp
    k3 = log_r.exp() - 1 - log_r
    return (k3 * mask).sum() / mask.sum()


def left_alone(logp: Tensor, old_logp: Tensor, advantages: Tensor,
               mask: Tensor, low: float, high: float) -> Tensor:
    """True, (B, T), at real tokens to which the clip gives no gradient.

    logp, old_logp, mask: (B, T). advantages: (B,), one an answer, none 0.
    The objective is min(ratio A, clip(ratio, 1 - low, 1 + high) A).
    """
    ratio = (logp - old_logp).exp()
    good = advantages[:, None] > 0
    dead = torch.where(good, ratio > 1 + high, ratio < 1 - low)
    return dead & mask.bool()


def _groups(rng: random.Random) -> list[tuple]:
    fixed = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    return [(fixed,), *((normal(rng, p, g),) for p, g in ((2, 4), (3, 5), (5, 8)))]


def _with_equal(rng: random.Random) -> list[tuple]:
    equal = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]])
    return [(rewards, scaled) for rewards, in ((equal,), *_groups(rng))
            for scaled in (True, False)]


def _scaled(rewards, scaled, mean, deviation):
    return (rewards - mean) / (deviation if scaled else 1.0)


def _typed(rng: random.Random) -> list[tuple]:
    return [(mask, kind) for mask in masks(rng) for kind in ("dapo", "grpo")]


def _drawn(rng: random.Random) -> list[tuple]:
    return [(p - 2, q - 2, m) for m, p, q in like(rng, 2)]


def _mean(values, mask):
    return (values * mask).sum() / mask.sum()


def _steps(rng: random.Random) -> list[tuple]:
    ratios = torch.tensor([0.5, 0.79, 0.81, 1.0, 1.26, 1.3, 1.6, 2.0, 0.4])
    mask = torch.cat([torch.ones(2, 7), torch.zeros(2, 2)], 1)
    fixed = (ratios.log().expand(2, -1) - 1, torch.full((2, 9), -1.0), torch.tensor([1.0, -1.0]),
             mask)
    drawn = [(0.4 * p + q, q, torch.tensor([rng.choice([-1.0, 0.5]) for _ in p]), m)
             for p, q, m in _drawn(rng)]
    return [(*one, 0.2, 0.28) for one in (fixed, *drawn)]


def _dead(ratio, a, m, low, high):
    return torch.where(a[:, None] > 0, ratio > 1 + high, ratio < 1 - low) & m.bool()


TENSORS = "import torch\nfrom torch import Tensor"
KEPT = "going_on"  # `solved` are pass rates in this notebook
EXERCISES = (
    Exercise(
        "07.1", "With the division and without", 1, 10,
        "`(P, G)`, true or false → `(P, G)`",
        "GRPO divides by the deviation of the group, Dr. GRPO "
        "([Liu et al. 2025](https://arxiv.org/abs/2503.20783)) does not. Write both in one "
        "function. Why it matters: a reward says little until it is compared with what this model "
        "usually gets on this problem. Which problems does the division favour?",
        "Mean and deviation along `dim=1`, with `keepdim=True`; `.std()` divides by G − 1. The "
        "1e-4 keeps 0 / 0 away where all rewards are equal.",
        against_the_group, _with_equal,
        (Mistake("you divided by the deviation; Dr. GRPO does not",
                  lambda r, s: against_the_group(r, True)),
         Mistake("you never divided by the deviation; GRPO does",
                  lambda r, s: against_the_group(r, False)),
         Mistake("a group of equal rewards gives 0 / 0, NaN, and one NaN ruins all weights: add "
                  "1e-4 to the deviation",
                  lambda r, s: _scaled(r, s, r.mean(1, True), r.std(1, keepdim=True))),
         Mistake("the mean and deviation are of the whole batch: an easy problem would look good "
                  "and a hard one bad. Take each row's own",
                  lambda r, s: _scaled(r, s, r.mean(), r.std() + 1e-4)),
         Mistake("the mean is along the wrong axis: a group is a row, dim=1",
                  lambda r, s: _scaled(r, s, r.mean(0, True), r.std(0, keepdim=True) + 1e-4)),
         Mistake("the deviation divides by G − 1 here, not by G",
                  lambda r, s: _scaled(r, s, r.mean(1, True),
                                       r.std(1, correction=0, keepdim=True) + 1e-4))),
        "[[round(against_the_group(\n"
        "    torch.tensor([[1.0] * right + [0.0] * (8 - right)]), scaled\n"
        ").abs().max().item(), 2) for right in (1, 4, 7, 8)]\n"
        " for scaled in (True, False)]",
        "The largest push in a group of eight with 1, 4, 7 and 8 right. Dividing makes it 2.8 "
        "times as large at 1 and 7, 1.9 times at 4: very hard and very easy problems weigh more. "
        "A group without a difference teaches nothing either way.",
        TENSORS, kept=KEPT),
    Exercise(
        "07.2", "Leave one out", 1, 5,
        "`(P, G)` → `(P, G)`",
        "RLOO compares an answer with the *others* only. Why it matters: an answer that counts in "
        "its own baseline pulls it towards itself, and a baseline costs nothing only if it does "
        "not depend on the answer drawn (section 1).",
        "The sum of the others is the sum of all minus one's own; there are G − 1 of them.",
        leave_one_out, _groups,
        (Mistake("the answer itself counts in this mean: leave it out",
                  lambda r: r - r.mean(1, True)),
         Mistake("there are G − 1 others, not G",
                  lambda r: r - (r.sum(1, True) - r) / r.size(1)),
         Mistake("you divided by the deviation; RLOO does not",
                  lambda r: leave_one_out(r) / (r.std(1, keepdim=True) + 1e-4)),
         Mistake("the others are those of the same prompt, a row, not of the whole batch",
                  lambda r: r - (r.sum() - r) / (r.numel() - 1)),
         Mistake("this is the sum of the others; take their mean",
                  lambda r: r - (r.sum(1, True) - r)),
         Mistake("the sign is turned round: reward minus baseline",
                  lambda r: -leave_one_out(r))),
        "[round(x, 3) for x in\n"
        " leave_one_out(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))[0].tolist()]",
        "With its own reward in the mean the right one would get 0.75: G / (G − 1) is the whole "
        "difference, so RLOO is Dr. GRPO with a longer step.",
        TENSORS, kept=KEPT),
    Exercise(
        "07.3", "What does a token count?", 2, 10,
        "`(B, T)`, a name → `(B, T)`, sum 1",
        "Two means, written as weights: over all tokens (`dapo`), or within each answer first "
        "(`grpo`). Why it matters: with the second a long wrong answer is blamed less a token, so "
        "rambling comes cheap.",
        "`grpo`: a token of an answer with n tokens counts 1 / n of it, and the answer 1 / B. "
        "`dapo`: every real token counts the same.",
        shares_of_tokens, _typed,
        (Mistake("each token counts the same in both here; for grpo take the mean within each "
                  "answer first", lambda m, kind: m / m.sum()),
         Mistake("each answer counts the same in both here; dapo is one mean over all tokens",
                  lambda m, kind: m / m.sum(1, True) / len(m)),
         Mistake("the two are exchanged",
                  lambda m, kind: shares_of_tokens(m, "dapo" if kind == "grpo" else "grpo")),
         Mistake("grpo is a mean over answers, too: divide by their number B",
                  lambda m, kind: m / (m.sum(1, True) if kind == "grpo" else m.sum())),
         Mistake("you divided by the places, padding included; count the real tokens",
                  lambda m, kind: m / m.numel()),
         Mistake("padding has a weight here; it must have 0",
                  lambda m, kind: (torch.ones_like(m) / m.sum(1, True) / len(m)
                                   if kind == "grpo" else torch.ones_like(m) / m.sum()))),
        "[[round(row[0], 3) for row in shares_of_tokens(\n"
        "    torch.tensor([[1.0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]), kind\n"
        ").tolist()] for kind in (\"dapo\", \"grpo\")]",
        "A token of the short answer and one of the long: alike, then six to one.",
        TENSORS, kept=KEPT),
    Exercise(
        "07.4", "A distance is never negative", 1, 10,
        "three times `(B, T)` → a scalar, nats a token",
        "The mean of k3 over real tokens. Why it matters: the KL says how far training has moved "
        "the policy, and the plain log-ratio can come out below 0 on a few answers, a distance "
        "that nobody can read.",
        "With `log_r = ref_logp - logp`, r is `log_r.exp()`. Where both agree, r is 1 and k3 is 0.",
        distance_a_token, _drawn,
        (Mistake("r is turned round: reference over policy, since the policy drew the tokens",
                  lambda p, q, m: distance_a_token(q, p, m)),
         Mistake("this is k1, the plain log-ratio: right on average, but it can be negative",
                  lambda p, q, m: _mean(p - q, m)),
         Mistake("this is k2, half the square: never negative, but not right on average",
                  lambda p, q, m: _mean((p - q).square() / 2, m)),
         Mistake("the − 1 is missing: where both agree, the distance must be 0",
                  lambda p, q, m: 1 + distance_a_token(p, q, m)),
         Mistake("log r is taken off, not added: r − 1 − log r",
                  lambda p, q, m: _mean((q - p).exp() - 1 + q - p, m)),
         Mistake("this is the mean over all places; padding has no say",
                  lambda p, q, m: distance_a_token(p, q, m) * m.mean())),
        "[round(distance_a_token(\n"
        "    torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.75, 0.25]]).log(),\n"
        "    torch.tensor([drawn])).item(), 3)\n"
        " for drawn in ([1, 0], [0, 1], [1, 1])]",
        "Two tokens, each drawn half of the time. The log-ratio of the first is −0.405, its k3 is "
        "not negative; and the mean of both is the true KL, ½ ln (½ / ¾) + ½ ln (½ / ¼) = 0.144.",
        TENSORS, kept=KEPT),
    Exercise(
        "07.5", "The dead side", 2, 15,
        "`(B, T)`, `(B, T)`, `(B,)`, `(B, T)`, two numbers → `(B, T)`, true or false",
        "Which tokens does the clip leave alone? Why it matters: what is left alone learns nothing "
        "more from this batch, and a run with many such tokens wastes its answers. Mind the sign "
        "of the advantage: each has one flat side only.",
        "A good token is done when it has become likely enough, ratio > 1 + high; a bad one when "
        "it has become rare enough, ratio < 1 − low. The other side is always pulled back.",
        left_alone, _steps,
        (Mistake("both sides count as dead here; a token that went the wrong way is pulled back",
                  lambda p, q, a, m, low, high: (((p - q).exp() > 1 + high)
                                                 | ((p - q).exp() < 1 - low)) & m.bool()),
         Mistake("the sides are exchanged: these are the tokens that went the wrong way, which "
                  "have a gradient",
                  lambda p, q, a, m, low, high: _dead((p - q).exp(), -a, m, low, high)),
         Mistake("padding is no token: it is neither alive nor dead, say False there",
                  lambda p, q, a, m, low, high: _dead((p - q).exp(), a, m + 1, low, high)),
         Mistake("a difference of logarithms is no ratio yet: take exp",
                  lambda p, q, a, m, low, high: _dead(1 + p - q, a, m, low, high)),
         Mistake("upwards the bound is 1 + high, not 1 + low",
                  lambda p, q, a, m, low, high: _dead((p - q).exp(), a, m, low, low)),
         Mistake("the ratio is turned round: the policy now over the one that wrote",
                  lambda p, q, a, m, low, high: _dead((q - p).exp(), a, m, low, high))),
        "left_alone(\n"
        "    torch.tensor([[0.5, 1.0, 1.5]] * 2).log(), torch.zeros(2, 3),\n"
        "    torch.tensor([1.0, -1.0]), torch.ones(2, 3), 0.2, 0.28).tolist()",
        "Ratios 0.5, 1 and 1.5; the first row is a good answer, the second a bad one.",
        TENSORS, kept=KEPT),
)
