"""Exercises of 06, PPO: rewards of tokens, GAE, whitening, and the two of `notebook_06_losses`."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor

from helpers.exercises.drawn import like, normal
from helpers.exercises.exercise import Exercise, Mistake
from helpers.exercises.notebook_06_losses import EXERCISES as LOSSES


def rewards_along(scores: Tensor, logp: Tensor, ref_logp: Tensor,
                  lengths: Tensor, kl_coef: float) -> Tensor:
    """Reward of each token, (B, T); 0 on padding.

    scores: (B,), what the judge says of each answer. logp, ref_logp:
    (B, T) in nats, with any numbers on padding. lengths: (B,), at least 1:
    how many tokens are real; padding stands behind them.
    """
    real = torch.arange(logp.size(1)) < lengths[:, None]
    rewards = torch.where(real, -kl_coef * (logp - ref_logp), 0.0)
    rewards[torch.arange(len(scores)), lengths - 1] += scores
    return rewards


def credit_backwards(rewards: Tensor, values: Tensor, mask: Tensor,
                     gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """GAE: (advantages, returns), (B, T) each, 0 on padding.

    rewards, values: (B, T), with any numbers on padding; values[:, t] is
    the forecast before token t. mask: (B, T), 1 on real tokens. Nothing
    comes after the last real token.
    """
    advantages = torch.zeros_like(values)
    ahead = later = torch.zeros(len(values))  # of the next token
    for t in reversed(range(values.size(1))):
        delta = rewards[:, t] + gamma * ahead - values[:, t]
        later = (delta + gamma * lam * later) * mask[:, t]
        ahead = values[:, t] * mask[:, t]
        advantages[:, t] = later
    return advantages, advantages + values * mask


def whitened_together(pieces: list[Tensor],
                      masks: list[Tensor]) -> list[Tensor]:
    """Shifted and scaled to mean 0 and deviation 1 over all real tokens of
    all pieces; 0 on padding.

    pieces: parts of a batch, (b, t) each, advantages, 0 on padding.
    masks: of the same shapes, 1 on real tokens. The deviation divides by
    n - 1.
    """
    both = list(zip(pieces, masks, strict=True))
    real = torch.cat([piece[mask.bool()] for piece, mask in both])
    mean, deviation = real.mean(), real.std() + 1e-8
    return [(piece - mean) / deviation * mask for piece, mask in both]


def _paid(rng: random.Random) -> list[tuple]:
    return [(1 + normal(rng, len(m)), p - 2, q - 2, m.sum(1).long(), rng.choice([0.05, 0.1, 0.3]))
            for m, p, q in like(rng, 2)]


def _real(logp, lengths):
    return (torch.arange(logp.size(1)) < lengths[:, None]).float()


def _last(logp, lengths):
    return (torch.arange(logp.size(1)) == lengths[:, None] - 1).float()


def _credited(rng: random.Random) -> list[tuple]:
    return [(r, 1 + v, m, rng.uniform(0.8, 0.95), rng.uniform(0.3, 0.9))
            for m, r, v in like(rng, 2)]


def _gae(r, v, m, fade, gamma, order=reversed, beyond=False, leak=False):
    """GAE whose surprises fade by `fade`; `beyond`: with the forecast on padding; `leak`: with
    surprises on padding."""
    ahead = torch.cat([(v if beyond else v * m)[:, 1:], torch.zeros(len(v), 1)], 1)
    delta = r + gamma * ahead - (v if leak else v * m)
    delta = delta if leak else delta * m
    advantages, later = torch.zeros_like(v), torch.zeros(len(v))
    for t in order(range(v.size(1))):
        advantages[:, t] = later = delta[:, t] + fade * later
    return advantages * m, (advantages + v) * m


def _earned(r, v, m, gamma, lam):
    return credit_backwards(r, v, m, gamma, lam)[0], credit_backwards(r, 0 * v, m, gamma, 1.0)[0]


def _advantages(rng: random.Random) -> list[tuple]:
    """Two pieces of a batch, then three."""
    found = [((0.5 + 2 * a) * m, m) for m, a in like(rng, 1) + like(rng, 1)]
    return [tuple(map(list, zip(*some, strict=True))) for some in (found[:2], found[3:])]


def _white(pieces, masks, moments, kept=True):
    """Whitened by the mean and the variance that `moments` finds of all places and their mask."""
    mean, variance = moments(*(torch.cat([one.flatten() for one in some])
                               for some in (pieces, masks)))
    return [(piece - mean) / variance.sqrt() * (mask if kept else 1)
            for piece, mask in zip(pieces, masks, strict=True)]


TENSORS = "import torch\nfrom torch import Tensor"
EXERCISES = (
    Exercise(
        "06.1", "What is each token paid?", 1, 10,
        "`(B,)`, `(B, T)`, `(B, T)`, `(B,)`, a number → `(B, T)`, points",
        "A token is paid −kl_coef · (log p − log p of the reference), the last real one its "
        "answer's score as well. Why it matters: PPO learns from nothing but these numbers, and a "
        "score that lands in padding is lost without an error. Here you are given lengths instead "
        "of the mask.",
        "`torch.arange(T) < lengths[:, None]` is true on real tokens, and `torch.where` keeps "
        "padding at 0. A row is indexed with `torch.arange(B)`, its last real token with "
        "`lengths - 1`.",
        rewards_along, _paid,
        (Mistake("the score lands in the last column, in padding for a short answer: the last "
                  "real token is at lengths − 1",
                  lambda s, p, q, n, k: (-k * (p - q) * _real(p, n)
                                         + s[:, None] * _last(p, 0 * n + p.size(1)))),
         Mistake("the sign of the price: this pays for moving away from the reference",
                  lambda s, p, q, n, k: (k * (p - q) * _real(p, n) + s[:, None] * _last(p, n))),
         Mistake("padding has a price here: it is 0 behind the last real token",
                  lambda s, p, q, n, k: -k * (p - q) + s[:, None] * _last(p, n)),
         Mistake("the last token's price is gone: add the score to it, do not replace it",
                  lambda s, p, q, n, k: (-k * (p - q) * (_real(p, n) - _last(p, n))
                                         + s[:, None] * _last(p, n))),
         Mistake("every token gets the score; the judge speaks once, at the last real token",
                  lambda s, p, q, n, k: (s[:, None] - k * (p - q)) * _real(p, n))),
        "[round(x, 3) for x in rewards_along(\n"
        "    torch.tensor([1.0]), torch.tensor([[-0.5, -0.9, -7.0]]),\n"
        "    torch.tensor([[-0.3, -1.4, -9.0]]), torch.tensor([2]), 0.1\n"
        ")[0].tolist()]",
        "The first token earns a little, since the policy likes it less than the reference does; "
        "the second pays 0.05 and gets the score.",
        TENSORS),
    Exercise(
        "06.2", "Whose fault was it?", 3, 20,
        "three times `(B, T)`, two numbers → `(B, T)`, `(B, T)`",
        "$\\delta_t = r_t + \\gamma V_{t+1} - V_t$, "
        "$A_t = \\delta_t + \\gamma\\lambda A_{t+1}$, and returns are $A_t + V_t$. Why it matters: "
        "the one score of an answer does not say which token earned it, and this recursion hands "
        "it back along the text. Section 2 took two functions for it; write one, with one loop.",
        "Go backwards with two vectors `(B,)` in hand: the forecast and the advantage of the token "
        "after this one. Both are 0 behind the last real token, so multiply them with the mask "
        "*inside* the loop.",
        credit_backwards, _credited,
        (Mistake("the loop runs forwards: a token answers for what comes after it, so begin at "
                  "the end",
                  lambda r, v, m, g, lam: _gae(r, v, m, g * lam, g, order=iter)),
         Mistake("the last real token looks forward to the forecast on padding: nothing comes "
                  "after it",
                  lambda r, v, m, g, lam: _gae(r, v, m, g * lam, g, beyond=True)),
         Mistake("surprises on padding leak into the answer: mask the advantage inside the loop, "
                  "not only the result",
                  lambda r, v, m, g, lam: _gae(r, v, m, g * lam, g, leak=True)),
         Mistake("later surprises fade by gamma · lambda, not by gamma alone",
                  lambda r, v, m, g, lam: _gae(r, v, m, g, g)),
         Mistake("these are the TD errors alone, as with lambda = 0: add what comes after",
                  lambda r, v, m, g, lam: _gae(r, v, m, 0.0, g)),
         Mistake("the critic's target is advantage + forecast; you gave the rewards to come, "
                  "which it is only for lambda = 1", _earned)),
        "[round(credit_backwards(\n"
        "    torch.zeros(1, 6), torch.tensor([[.6, .6, .65, .7, .7, .1]]),\n"
        "    torch.ones(1, 6), 1.0, lam)[0][0, 0].item(), 3)\n"
        " for lam in (0.0, 0.5, 0.95, 1.0)]",
        "The innocent \"3\" of section 2's slider: the more lambda trusts the outcome, the more it "
        "is punished for a slip that comes four tokens later.",
        TENSORS),
    Exercise(
        "06.3", "Padding has no say", 2, 10,
        "two lists of `(b, T)` → a list of `(b, T)`",
        "A batch that was read in pieces: bring its advantages to mean 0 and deviation 1 over the "
        "real tokens of all pieces together. Why it matters: the step should depend neither on the "
        "unit of the reward, nor on the padding and the cuts that a batch happens to have.",
        "Collect the real tokens of all pieces in one vector, `torch.cat` of "
        "`piece[mask.bool()]`; its `.mean()` and `.std()` serve every piece. Then padding must be "
        "0 again.",
        whitened_together, _advantages,
        (Mistake("padding is counted in mean and deviation: its zeros are no news of any token",
                  lambda p, m: _white(p, m, lambda a, real: (a.mean(), a.var()))),
         Mistake("the mean is right, but padding adds to the variance: mask the distances, too",
                  lambda p, m: _white(p, m, lambda a, real: (
                      a[real > 0].mean(),
                      (a - a[real > 0].mean()).square().sum() / (real.sum() - 1)))),
         Mistake("padding is not 0 any more: what was shifted there must be masked again",
                  lambda p, m: _white(p, m, lambda a, real: (a[real > 0].mean(),
                                                             a[real > 0].var()), kept=False)),
         Mistake("each piece is whitened by itself: then no piece is better than another any more. "
                  "One mean and one deviation for all",
                  lambda p, m: [whitened_together([one], [mask])[0]
                                for one, mask in zip(p, m, strict=True)]),
         Mistake("the deviation divides by n − 1 here, not by n",
                  lambda p, m: _white(p, m, lambda a, real: (a[real > 0].mean(),
                                                             a[real > 0].var(correction=0))))),
        "[[round(x, 2) for piece in whitened_together(\n"
        "    [torch.tensor([[-0.5, -0.1]]) * unit, torch.tensor([[0.1, 0]]) * unit],\n"
        "    [torch.tensor([[1, 1]]), torch.tensor([[1, 0]])])\n"
        "  for x in piece[0].tolist()] for unit in (1, 1000)]",
        "Points or thousandths: the same step.",
        TENSORS),
    *LOSSES,
)
