"""Exercises of 05, DPO: log-probability of an answer, implicit rewards, noisy labels, IPO."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor
from torch.nn import functional

from helpers.exercises.exercise import Exercise, Mistake


def sequence_logp(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Log-probability (B,) of each answer in nats.

    logits: (B, T, V), those at place t are for the token at t + 1. ids:
    (B, T). mask: (B, T), 1 at the tokens of the answer, 0 elsewhere; never
    1 at the first place.
    """
    logp = logits[:, :-1].log_softmax(-1)
    tokens = logp.gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (tokens * mask[:, 1:]).sum(-1)


def implicit_rewards(
    chosen: Tensor,
    rejected: Tensor,
    ref_chosen: Tensor,
    ref_rejected: Tensor,
    beta: float,
) -> tuple[Tensor, Tensor, float]:
    """(rewards of the chosen answers (N,), of the rejected ones (N,), share
    of pairs in which the chosen one has the higher reward).

    All four: log-probabilities (N,) of whole answers, of the policy and of
    the reference. reward = beta (logp - ref logp).
    """
    won = beta * (chosen - ref_chosen)
    lost = beta * (rejected - ref_rejected)
    return won, lost, (won > lost).double().mean().item()


def smoothed_dpo_loss(margins: Tensor, noise: float) -> Tensor:
    """DPO's loss, a mean over pairs, if a share of the labels is wrong.

    margins: (N,), implicit reward of the chosen minus that of the rejected
    answer. noise: chance that a label is turned round, below .5. loss =
    (1 - noise) (-log sigmoid(m)) + noise (-log sigmoid(-m)) (cDPO, Mitchell
    2023).
    """
    kept = -functional.logsigmoid(margins)
    turned = -functional.logsigmoid(-margins)
    return ((1 - noise) * kept + noise * turned).mean()


def ipo_loss(gains: Tensor, beta: float) -> Tensor:
    """IPO's loss (Azar et al. 2023, arXiv:2310.12036, eq. 17), the mean of
    (gain - 1 / (2 beta))**2 over pairs.

    gains: (N,) in nats, (chosen - ref_chosen) - (rejected - ref_rejected),
    not yet multiplied by beta.
    """
    return (gains - 1 / (2 * beta)).square().mean()


def _normal(rng: random.Random, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rng.getrandbits(40)))


def _answers(rng: random.Random) -> list[tuple]:
    found = []
    for rows, width in ((1, 4), (2, 6), (3, 8)):
        ids = torch.tensor([[rng.randrange(9) for _ in range(width)] for _ in range(rows)])
        place = torch.arange(width)
        start = torch.tensor([rng.randint(1, 2) for _ in range(rows)])[:, None]
        end = torch.tensor([rng.randint(width - 1, width) for _ in range(rows)])[:, None]
        mask = ((place >= start) & (place < end)).long()
        mask[:, 1] = 0
        found.append((2 * _normal(rng, rows, width, 9), ids, mask))
    return found


def _logp(logits, ids, mask, normalised=True):
    logp = logits[:, :-1].log_softmax(-1) if normalised else logits[:, :-1]
    return logp.gather(-1, ids[:, 1:, None]).squeeze(-1) * mask[:, 1:]


def _unshifted(logits, ids, mask):
    tokens = logits.log_softmax(-1).gather(-1, ids[..., None]).squeeze(-1)
    return (tokens * mask).sum(-1)


def _pairs(rng: random.Random) -> list[tuple]:
    found = []
    for n in (3, 6, 12):
        chosen, rejected = (-20 + 5 * _normal(rng, n) for _ in range(2))
        found.append(
            (
                chosen,
                rejected,
                chosen - _normal(rng, n),
                rejected - _normal(rng, n),
                rng.choice([0.1, 0.3]),
            )
        )
    fixed = [
        torch.tensor(row)
        for row in (
            [-10.0, -9.0, -5.0],
            [-4.0, -12.0, -6.0],
            [-12.0, -8.0, -5.5],
            [-3.0, -12.5, -8.0],
        )
    ]
    return [(*fixed, 0.1), *found]


def _rewards(won, lost, order=None):
    return (
        won,
        lost,
        (order if order is not None else won > lost).double().mean().item(),
    )


def _margins(rng: random.Random) -> list[tuple]:
    return [(2 * _normal(rng, n), noise) for n, noise in ((2, 0.1), (5, 0.3), (9, 0.05))]


def _gains(rng: random.Random) -> list[tuple]:
    return [(6 * _normal(rng, n), beta) for n, beta in ((2, 0.1), (5, 0.25), (9, 0.8))]


EXERCISES = (
    Exercise(
        "05.1", "How likely is a whole answer?", 2, 10,
        "`(B, T, V)`, `(B, T)`, `(B, T)` → `(B,)`, nats",
        "All of DPO is made of one number an answer: its log-probability, the sum over its tokens. "
        "Get it from logits.",
        "`log_softmax` over the vocabulary, without the last place; `gather` the tokens that "
        "really come next; add up those of the answer. The mask moves with the tokens.",
        sequence_logp, _answers,
        (Mistake("this is the mean over tokens; DPO needs the sum, the log-probability of the "
                  "whole answer", lambda x, i, m: _logp(x, i, m).sum(-1) / m.sum(-1)),
         Mistake("not shifted: the logits at a place are for the token after it", _unshifted),
         Mistake("tokens outside the answer are added, too: multiply with the mask",
                  lambda x, i, m: _logp(x, i, torch.ones_like(m)).sum(-1)),
         Mistake("logits are no log-probabilities before log_softmax",
                  lambda x, i, m: _logp(x, i, m, normalised=False).sum(-1)),
         Mistake("the mask is not shifted with the tokens: mask[:, 1:] belongs to ids[:, 1:]",
                  lambda x, i, m: (_logp(x, i, torch.ones_like(m)) * m[:, :-1]).sum(-1)),
         Mistake("this is the surprise, −log p; the log-probability is negative",
                  lambda x, i, m: -_logp(x, i, m).sum(-1))),
        "sequence_logp(torch.zeros(1, 4, 10), torch.tensor([[1, 2, 3, 4]]),\n"
        "              torch.tensor([[0, 0, 1, 1]])).tolist()",
        "Two tokens, each one of ten: 2 ln 0.1 nats.",
        "import torch\n"
        "from torch import Tensor"),
    Exercise(
        "05.2", "What the policy thinks of a pair", 1, 5,
        "four times `(N,)` in nats, a number → `(N,)`, `(N,)`, a share",
        "Section 1 read the best policy backwards: its implicit reward is beta times what an "
        "answer has gained over the reference. Compute both rewards and how often they agree with "
        "the label.",
        "The accuracy compares *rewards*, not log-probabilities: a rejected answer may be the "
        "likelier one and still have lost.",
        implicit_rewards, _pairs,
        (Mistake("beta is missing", lambda c, r, rc, rr, b: _rewards(c - rc, r - rr)),
         Mistake("the accuracy compares what was gained over the reference, not the "
                  "log-probabilities themselves",
                  lambda c, r, rc, rr, b: _rewards(b * (c - rc), b * (r - rr), c > r)),
         Mistake("the sign is turned round: policy minus reference",
                  lambda c, r, rc, rr, b: _rewards(b * (rc - c), b * (rr - r))),
         Mistake("the reference is missing: without it a likely answer is a good one",
                  lambda c, r, rc, rr, b: _rewards(b * c, b * r)),
         Mistake("the order is (chosen, rejected, accuracy)",
                  lambda c, r, rc, rr, b: _rewards(b * (r - rr), b * (c - rc), c - rc > r - rr))),
        "[round(float(x), 3) for x in implicit_rewards(\n"
        "    *torch.tensor([[-10.0], [-4.0], [-13.0], [-2.0]]), beta=0.2)]",
        "The chosen answer has gained 3 nats, the rejected one lost 2: as in exercise 5, with "
        "numbers in which the rejected one is still the likelier.",
        "import torch\n"
        "from torch import Tensor"),
    Exercise(
        "05.3", "A teacher who errs", 2, 10,
        "`(N,)`, a chance → a scalar",
        "If one label in ten is wrong, DPO's loss still asks for an ever larger margin on it. "
        "*Conservative* DPO expects the mistake. At which margin is the loss of a pair least?",
        "Two losses, of the label as it is and turned round, weighted by how likely each is.",
        smoothed_dpo_loss, _margins,
        (Mistake("noise is left out: this is DPO's own loss",
                  lambda m, noise: -functional.logsigmoid(m).mean()),
         Mistake("you gave the turned label the larger weight: it has `noise`, the other 1 − "
                  "noise", lambda m, noise: smoothed_dpo_loss(-m, noise)),
         Mistake("this subtracts the loss of the turned label; the expected loss *adds* it (with "
                  "the minus and a division it would be robust DPO)",
                  lambda m, noise: (
                      -(1 - noise) * functional.logsigmoid(m) + noise * functional.logsigmoid(-m)
                  ).mean()),
         Mistake("the label as it is has weight 1 − noise, not 1",
                  lambda m, noise: (
                      -functional.logsigmoid(m) - noise * functional.logsigmoid(-m)
                  ).mean()),
         Mistake("this is the sum over pairs; the loss is their mean",
                  lambda m, noise: smoothed_dpo_loss(m, noise) * len(m))),
        "[round(smoothed_dpo_loss(torch.tensor([m]), 0.1).item(), 3)\n"
        " for m in (0.0, 2.2, 5.0)]",
        "Least at ln(0.9 / 0.1) = 2.2: beyond it, being surer costs more than it brings.",
        "import torch\n"
        "from torch import Tensor\n"
        "from torch.nn import functional"),
    Exercise(
        "05.4", "Far enough", 1, 5,
        "`(N,)` in nats, a number → a scalar",
        "The clinic of section 6 pushes answers apart without an end. IPO names the distance at "
        "which a pair is far enough, and pulls back beyond it.",
        "The target is in nats, 1 / (2 beta): for beta = 0.1 it is 5.",
        ipo_loss, _gains,
        (Mistake("the target is 1 / (2 beta), not 1 / beta",
                  lambda g, b: (g - 1 / b).square().mean()),
         Mistake("gains are in nats: do not multiply them by beta before the target is taken off",
                  lambda g, b: (b * g - 1 / (2 * b)).square().mean()),
         Mistake("the distance is squared, not taken as it is",
                  lambda g, b: (g - 1 / (2 * b)).abs().mean()),
         Mistake("the target is 1 / (2 beta), not beta / 2: in Python 1 / 2 * beta is half of "
                  "beta", lambda g, b: (g - b / 2).square().mean()),
         Mistake("you squared the mean; take the mean of the squares",
                  lambda g, b: (g - 1 / (2 * b)).mean().square())),
        "[ipo_loss(torch.tensor([g]), 0.1).item() for g in (0.0, 5.0, 9.0)]",
        imports="import torch\n"
                "from torch import Tensor"),
)
