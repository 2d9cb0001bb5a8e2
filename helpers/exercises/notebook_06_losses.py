"""Exercises of 06, PPO, second part: the policy's clipped loss and the critic's."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor

from helpers.exercises.drawn import like
from helpers.exercises.exercise import Exercise, Mistake


def pessimistic_loss(logp: Tensor, old_logp: Tensor, advantages: Tensor,
                     mask: Tensor, epsilon: float, tokens: int) -> Tensor:
    """What a piece adds to PPO's clipped loss (Schulman et al. 2017, eq. 7),
    a scalar: the losses of all pieces of a minibatch add up to the mean
    over its real tokens.

    All (b, t). logp, old_logp: in nats, now and when the answers were
    written. mask: 1 on real tokens. The ratio of the probabilities is
    clipped to 1 - epsilon ... 1 + epsilon. tokens: real ones in all pieces.
    """
    ratio = (logp - old_logp).exp()
    near = ratio.clamp(1 - epsilon, 1 + epsilon)
    objective = torch.min(ratio * advantages, near * advantages)
    return -(objective * mask).sum() / tokens


def critic_loss(values: Tensor, old_values: Tensor, returns: Tensor,
                mask: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """(half the squared error, share of tokens that the clip decides),
    means over the real tokens, scalars.

    All (B, T). A second forecast stays within epsilon of the old one; of
    the two squares the larger one counts, token by token. The clip decides
    where the second's is larger.
    """
    near = old_values + (values - old_values).clamp(-epsilon, epsilon)
    plain, clipped = (values - returns).square(), (near - returns).square()
    worse = (torch.max(plain, clipped) * mask).sum() / mask.sum() / 2
    return worse, ((clipped > plain) * mask).sum() / mask.sum()


def _moved(rng: random.Random) -> list[tuple]:
    return [(p / 2 - 2 + q, q - 2, a, m, rng.choice([0.1, 0.2]), int(m.sum()) + rng.randint(3, 12))
            for m, p, q, a in like(rng, 3)]


def _objective(ratio, a, m, e, n, pick=torch.min):
    return -(pick(ratio * a, ratio.clamp(1 - e, 1 + e) * a) * m).sum() / n


def _forecasts(rng: random.Random) -> list[tuple]:
    """In 64ths, with which a processor calculates exactly: what the clip leaves stays equal."""
    return [(*((64 * one).round() / 64 for one in some), mask, rng.choice([0.25, 0.5]))
            for mask, *some in like(rng, 3)]


def _regressed(loss, v, old, r, m, e):
    """`loss` of the plain and the clipped square, beside the right share."""
    near = old + (v - old).clamp(-e, e)
    squares = loss((v - r).square(), (near - r).square())
    return (squares * m).sum() / m.sum() / 2, critic_loss(v, old, r, m, e)[1]


def _moved_far(v, old, r, m, e):
    return critic_loss(v, old, r, m, e)[0], (((v - old).abs() > e) * m).sum() / m.sum()


def _around_zero(v, old, r, m, e):
    return critic_loss(v, torch.zeros_like(v), r, m, e)


TENSORS = "import torch\nfrom torch import Tensor"
EXERCISES = (
    Exercise(
        "06.4", "The pessimist", 2, 10,
        "four times `(b, t)`, two numbers → a scalar",
        "The clipped loss of a piece of a minibatch, as the page of section 5 needs it: what all "
        "pieces give, added up, is the mean over the minibatch. Why it matters: an answer is used "
        "for several steps, and the clip takes away the reward for moving far from the policy that "
        "wrote it. Nothing raises if the minimum, the sign or the divisor is wrong.",
        "The ratio is `exp` of a difference of logarithms. The *smaller* of two objectives counts, "
        "so a token that moved the wrong way keeps its gradient; an optimiser goes down, so put a "
        "minus before the sum.",
        pessimistic_loss, _moved,
        (Mistake("the maximum is the optimist: a token that went far the wrong way would get no "
                  "gradient. Take the minimum of the objectives",
                  lambda p, q, a, m, e, n: _objective((p - q).exp(), a, m, e, n, torch.max)),
         Mistake("this is the objective, which should grow; a loss falls: put a minus",
                  lambda p, q, a, m, e, n: -_objective((p - q).exp(), a, m, e, n)),
         Mistake("only the clipped product: a token that went far the wrong way would get no "
                  "gradient. Take the minimum of both",
                  lambda p, q, a, m, e, n: _objective((p - q).exp().clamp(1 - e, 1 + e),
                                                      a, m, e, n)),
         Mistake("the ratio is turned round: the policy now over the one that wrote",
                  lambda p, q, a, m, e, n: _objective((q - p).exp(), a, m, e, n)),
         Mistake("a difference of logarithms is no ratio yet: take exp",
                  lambda p, q, a, m, e, n: _objective(p - q, a, m, e, n)),
         Mistake("this is the mean of the piece: a token of a short piece would count more. Divide "
                  "by the tokens of all pieces",
                  lambda p, q, a, m, e, n: _objective((p - q).exp(), a, m, e, m.sum())),
         Mistake("padding adds to the sum: multiply with the mask",
                  lambda p, q, a, m, e, n: _objective((p - q).exp(), a, m**0, e, n))),
        "[[round(pessimistic_loss(\n"
        "    torch.tensor([[ratio]]).log(), torch.zeros(1, 1),\n"
        "    torch.tensor([[sign]]), torch.ones(1, 1), 0.2, 1).item(), 2)\n"
        "  for ratio in (0.5, 1.0, 1.5)] for sign in (1.0, -1.0)]",
        "A good token gains nothing beyond 1.2, a bad one nothing below 0.8; on the other side "
        "both lose as far as they went.",
        TENSORS),
    Exercise(
        "06.5", "A clip that hides no error", 2, 15,
        "four times `(B, T)`, a number → a scalar, a share",
        "The critic's loss, half a squared error with a clip around the *old* forecast, and how "
        "often the clip decides. Why it matters: advantages are only as good as the forecasts, and "
        "a clip on the wrong side tells a bad critic that it is right. Where the clip decides, the "
        "token has no gradient; the share says how many those are.",
        "`old_values + (values - old_values).clamp(...)` is the forecast that may move only so "
        "far. Two squares a token; the larger one counts.",
        critic_loss, _forecasts,
        (Mistake("the smaller square counts here, so the clip hides errors: take the larger one",
                  lambda *given: _regressed(torch.min, *given)),
         Mistake("only the clipped forecast: far from the old one it has no gradient, however "
                  "wrong. Take the larger of both squares",
                  lambda *given: _regressed(lambda plain, clipped: clipped, *given)),
         Mistake("half of it is missing: divide by 2",
                  lambda *given: (2 * critic_loss(*given)[0], critic_loss(*given)[1])),
         Mistake("the forecast itself is clipped; clip how far it has moved from the old one",
                  _around_zero),
         Mistake("the share counts all that have moved beyond epsilon; the clip decides only where "
                  "its square is the larger one", _moved_far),
         Mistake("these are means over all places; padding has no say",
                  lambda v, o, r, m, e: tuple(
                      one * m.mean() for one in critic_loss(v, o, r, m, e)))),
        "[[round(x.item(), 3) for x in critic_loss(\n"
        "    torch.tensor([[new]]), torch.zeros(1, 1), torch.ones(1, 1),\n"
        "    torch.ones(1, 1), 0.2)] for new in (0.0, 0.2, 0.6, 1.0, 2.0)]",
        "The return is 1, the old forecast 0. From 0.2 on the loss falls no further: nothing is "
        "won by a longer step, and nothing claims that the error is gone. At 2 the plain square "
        "is the larger one again and pulls the forecast back.",
        TENSORS),
)
