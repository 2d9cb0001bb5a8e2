"""PPO: one value and one advantage a token, (B, T).

`values[:, t]` is the critic's forecast *before* token t is drawn, from the hidden state of the
token before it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.losses.policy import clipped_policy_loss, kl_k1
from helpers.losses.tokens import masked_mean, on_real


def token_rewards(
    scores: Tensor, logp: Tensor, ref_logp: Tensor, mask: Tensor, kl_coef: float = 0.05,
    kl: Callable[[Tensor, Tensor], Tensor] = kl_k1,
) -> Tensor:  # fmt: skip
    """Reward of each token, (B, T): -kl_coef * KL, and on the last real token the score as well.

    scores: (B,); every completion needs a real token (2203.02155, eq. 2, token by token).
    """
    rewards = -kl_coef * kl(on_real(logp, mask), on_real(ref_logp, mask)) * mask
    last = torch.arange(len(mask), device=mask.device), mask.sum(1).long() - 1  # row and column
    return rewards.index_put(last, scores.to(rewards.dtype), accumulate=True)


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation: advantages and returns, (B, T) each, 0 on padding.

    delta_t = r_t + gamma * V_(t+1) - V_t;  A_t = delta_t + gamma * lam * A_(t+1), where nothing
    comes after the last real token; returns = A + V (1506.02438, eq. 16). Neither is whitened.
    """
    rewards, values = on_real(rewards, mask), on_real(values, mask)
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.size(1))):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantages[:, t] = next_advantage = (delta + gamma * lam * next_advantage) * mask[:, t]
        next_value = values[:, t]
    return advantages, advantages + values


def ppo_policy_loss(
    logp: Tensor, old_logp: Tensor, advantages: Tensor, mask: Tensor, cliprange: float = 0.2
) -> Tensor:
    """PPO's clipped objective as a loss, a scalar: mean over real tokens (1707.06347, eq. 7)."""
    loss = clipped_policy_loss(on_real(logp, mask), on_real(old_logp, mask), advantages,
                               cliprange, cliprange)
    return masked_mean(loss, mask)


def ppo_value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, cliprange_value: float = 0.2
) -> Tensor:
    """Half the squared error of the critic, a mean over the real tokens, a scalar.

    The forecast may move by `cliprange_value` from the old one; the larger of the clipped and the
    unclipped square counts, so that a clip never hides an error (as in OpenAI's baselines).
    """
    clipped = old_values + (values - old_values).clamp(-cliprange_value, cliprange_value)
    worst = torch.max((values - returns).square(), (clipped - returns).square())
    return masked_mean(worst, mask) / 2


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns) over real tokens: 1 for a perfect critic, 0 for one
    no better than a constant; NaN where all returns are equal."""
    returns, errors = returns[mask.bool()], (returns - values)[mask.bool()]
    differ = (returns != returns[:1]).any()  # the variance of equal numbers is not always 0
    return float(1 - errors.var() / returns.var()) if differ else float("nan")
