"""Exercises of 07, GRPO: yardsticks, RLOO, the weight of a token, whole answers, the dead side."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor

from helpers.exercises.drawn import like, masks, normal
from helpers.exercises.exercise import Exercise, Mistake


def against_the_group(rewards: Tensor, scaled: bool) -> Tensor:
    """Advantage of each answer, (P, G): its reward minus its group's mean.

    rewards: (P, G), a row a prompt, all rewards of a step. scaled: divided
    by one number, the deviation of all P * G rewards, plus 1e-4 (it divides
    by P * G - 1; rewards as they are, no mean taken off). Not scaled: Dr.
    GRPO, nothing is divided.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std() + 1e-4) if scaled else centred


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


def ratios_of_answers(logp: Tensor, old_logp: Tensor,
                      mask: Tensor) -> Tensor:
    """GSPO's ratio of each answer, (B,): the geometric mean of the ratios of
    its real tokens (Zheng et al. 2025, arXiv:2507.18071, equation 7).

    logp, old_logp, mask: (B, T), at least one real token an answer.
    """
    moved = ((logp - old_logp) * mask).sum(dim=1)  # nats an answer
    return (moved / mask.sum(dim=1)).exp()


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


def _steps_of_rewards(rng: random.Random) -> list[tuple]:
    equal = torch.ones(2, 4)
    return [(rewards, scaled) for rewards, in (*_groups(rng), (equal,))
            for scaled in (True, False)]


def _over(rewards, scaled, mean, deviation):
    return (rewards - mean) / (deviation if scaled else 1.0)


def _typed(rng: random.Random) -> list[tuple]:
    return [(mask, kind) for mask in masks(rng) for kind in ("dapo", "grpo")]


def _drawn(rng: random.Random) -> list[tuple]:
    return [(p - 2, q - 2, m) for m, p, q in like(rng, 2)]


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
        "07.1", "One yardstick for all", 1, 10,
        "`(P, G)`, true or false → `(P, G)`",
        "Section 2 divides by the deviation of each group, which makes a lonely success or failure "
        "loud. Two others do not: Dr. GRPO ([Liu et al. 2025](https://arxiv.org/abs/2503.20783)) "
        "divides by nothing, and `scale_rewards: batch` "
        "([2508.08221](https://arxiv.org/abs/2508.08221)) by the deviation of all rewards of the "
        "step. Write both in one function. Why it matters: what you divide by decides which "
        "problems a step listens to.",
        "The mean is each row's own, `dim=1` with `keepdim=True`. `rewards.std()` without `dim` is "
        "one number for the whole table, and divides by their count − 1.",
        against_the_group, _steps_of_rewards,
        (Mistake("you divided by the deviation in both; Dr. GRPO divides by nothing",
                  lambda r, s: against_the_group(r, True)),
         Mistake("you never divided by the deviation; scaled does",
                  lambda r, s: against_the_group(r, False)),
         Mistake("this is section 2's: each group over its own deviation. Here one number serves "
                  "all groups",
                  lambda r, s: _over(r, s, r.mean(1, True), r.std(1, keepdim=True) + 1e-4)),
         Mistake("a step of equal rewards gives 0 / 0, NaN, and one NaN ruins all weights: add "
                  "1e-4 to the deviation",
                  lambda r, s: _over(r, s, r.mean(1, True), r.std())),
         Mistake("the mean is of the whole batch: an easy problem would look good and a hard one "
                  "bad. Take each row's own",
                  lambda r, s: _over(r, s, r.mean(), r.std() + 1e-4)),
         Mistake("the mean is along the wrong axis: a group is a row, dim=1",
                  lambda r, s: _over(r, s, r.mean(0, True), r.std() + 1e-4)),
         Mistake("this deviation is of the rewards minus their group's mean; take that of the "
                  "rewards as they are",
                  lambda r, s: _over(r, s, r.mean(1, True), (r - r.mean(1, True)).std() + 1e-4)),
         Mistake("the deviation divides by their count − 1 here, not by their count",
                  lambda r, s: _over(r, s, r.mean(1, True), r.std(correction=0) + 1e-4))),
        "[[round(x, 2) for x in against_the_group(torch.tensor(\n"
        "    [[1.0] * right + [0.0] * (8 - right) for right in (1, 4, 7, 8)]\n"
        "), scaled).abs().amax(dim=1).tolist()] for scaled in (True, False)]",
        "The largest push in four groups of a step, with 1, 4, 7 and 8 of eight right. Section 2's "
        "would be 2.47, 0.94, 2.47 and 0: it makes the first 2.6 times as loud as the second, both "
        "of these 1.75 times. A group without a difference teaches nothing either way.",
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
        "07.4", "One ratio for an answer", 1, 10,
        "three times `(B, T)` → `(B,)`",
        "The reward is paid for an answer, and the clip looks at tokens. GSPO looks at the answer: "
        "its ratio is the geometric mean of its tokens' ratios. Why it matters: one wild token of "
        "a hundred then hardly moves the ratio, but once an answer has left the range, all of its "
        "tokens are silent.",
        "A geometric mean of ratios is the exponential of the mean of their logarithms; the mean "
        "counts real tokens only.",
        ratios_of_answers, _drawn,
        (Mistake("this is the product of the ratios, the probability of the whole answer: longer "
                  "answers would leave any range. Divide by the number of tokens before exp",
                  lambda p, q, m: ((p - q) * m).sum(1).exp()),
         Mistake("this is the arithmetic mean of the ratios; take the mean of their logarithms, "
                  "then exp",
                  lambda p, q, m: ((p - q).exp() * m).sum(1) / m.sum(1)),
         Mistake("this is still a logarithm: take exp",
                  lambda p, q, m: ((p - q) * m).sum(1) / m.sum(1)),
         Mistake("padding counts in the divisor: divide by the answer's real tokens",
                  lambda p, q, m: ((p - q) * m).mean(1).exp()),
         Mistake("padding has a say: multiply by the mask before the sum",
                  lambda p, q, m: ((p - q).sum(1) / m.sum(1)).exp()),
         Mistake("the ratio is turned round: the policy now over the one that wrote",
                  lambda p, q, m: ratios_of_answers(q, p, m)),
         Mistake("this is one ratio for all answers; each has its own",
                  lambda p, q, m: (((p - q) * m).sum() / m.sum()).exp().expand(len(m)))),
        "[round(x, 3) for x in ratios_of_answers(\n"
        "    torch.tensor([[2.0, 1.0, 1.0, 1.0], [2.0, 1.0, 9.0, 9.0]]).log(),\n"
        "    torch.zeros(2, 4),\n"
        "    torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]])).tolist()]",
        "Both answers have one token that has become twice as likely, and the others stayed: of "
        "four tokens that is the fourth root of 2, of two its square root. A clip of 0.2 on tokens "
        "would have stopped the one token in both; on these ratios it stops the short answer only. "
        "(GSPO's own bounds are far narrower.)",
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
