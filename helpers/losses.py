"""The formulas of learning from preferences and from rewards, from scratch: functions of tensors.

The legend of shapes, for the whole library:

    B     prompts, one completion each; (B, G): G completions a prompt, a group
    T     tokens of a completion, padded on the right to the longest; `mask` is 1 on real ones
    V     words of the vocabulary
    b, t  the same of a micro-batch, a part of the B rows, cut to its own longest
    L     tokens of prompt and completion together
    P     places among these L that are looked at: T of them, or one a row
    H     width of the hidden states
    N     answers to a problem in an evaluation, where (problems, N) is a table of them

All logarithms are natural.

Sources: Bradley and Terry 1952, as in Ouyang et al. 2022, arXiv:2203.02155 (reward model); Rafailov
et al. 2023, arXiv:2305.18290 (DPO); Williams 1992 (REINFORCE); Schulman et al. 2016,
arXiv:1506.02438 (GAE); Schulman et al. 2017, arXiv:1707.06347 (PPO); Ahmadian et al. 2024,
arXiv:2402.14740 (RLOO); Shao et al. 2024, arXiv:2402.03300 (GRPO); Liu et al. 2025,
arXiv:2503.20783 (Dr. GRPO); Yu et al. 2025, arXiv:2503.14476 (DAPO); Schulman 2020,
"Approximating KL divergence" (joschu.net/blog/kl-approx.html).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo")


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of each token: logits (B, T, V), ids (B, T) -> (B, T).

    `logits[:, t]` must be the prediction *of* `ids[:, t]`: a causal model's output at position t
    predicts token t + 1, so pass `model(ids).logits[:, :-1]` with `ids[:, 1:]`.
    """
    return -F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").view_as(ids)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of each next-token distribution in nats: (B, T, V) -> (B, T)."""
    logp = F.log_softmax(logits, dim=-1)
    return -(logp.exp() * logp).sum(-1)


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Mean of `values` where `mask` is 1, over everything or along `dim`; 0 where all is masked."""
    return (values * mask).sum(dim) / mask.sum(dim).clamp(min=1)


def masked_whiten(values: Tensor, mask: Tensor) -> Tensor:
    """`values` (B, T) shifted and scaled to mean 0 and variance 1 over the real tokens; padding
    becomes 0. The variance divides by n - 1, and eps is 1e-8, as in TRL."""
    centred = (values - masked_mean(values, mask)) * mask
    variance = centred.square().sum() / (mask.sum() - 1).clamp(min=1)
    return centred * torch.rsqrt(variance + 1e-8)


# Preferences: one number a completion, (B,), for the chosen and for the rejected one of each pair.


def bradley_terry_loss(
    chosen: Tensor, rejected: Tensor, margin: Tensor | float = 0.0, centering: float = 0.0
) -> Tensor:
    """-log sigmoid(chosen - rejected - margin), a mean over the pairs (2203.02155, eq. 1).

    chosen, rejected: scores (B,). Only differences of scores count, so all scores may drift;
    `centering` * (chosen + rejected)^2 holds their middle at 0 (Eisenstein et al. 2023,
    arXiv:2312.09244; TRL's `center_rewards_coefficient`).
    """
    loss = -F.logsigmoid(chosen - rejected - margin).mean()
    return loss + centering * (chosen + rejected).square().mean()


def dpo_loss(
    chosen_logp: Tensor, rejected_logp: Tensor, ref_chosen_logp: Tensor, ref_rejected_logp: Tensor,
    beta: float = 0.1,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """DPO's loss, a scalar, and the implicit rewards of chosen and rejected, (B,) each.

    Inputs are log-probabilities of whole completions (B,): sums over their tokens. The implicit
    reward is beta * log(policy / reference), and the loss is Bradley-Terry on it (2305.18290,
    eq. 7). Rewards come without gradient.
    """
    chosen = beta * (chosen_logp - ref_chosen_logp)
    rejected = beta * (rejected_logp - ref_rejected_logp)
    return bradley_terry_loss(chosen, rejected), chosen.detach(), rejected.detach()


# Three estimators of KL(policy || reference) from tokens that the *policy* sampled (Schulman 2020).


def kl_k1(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k1 = log(policy / reference), (B, T): unbiased, high variance, can be negative."""
    return logp - ref_logp


def kl_k2(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k2 = log(policy / reference)^2 / 2, (B, T): biased, low variance, never negative."""
    return (logp - ref_logp).square() / 2


def kl_k3(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k3 = r - 1 - log r with r = reference / policy, (B, T): unbiased and never negative."""
    log_r = ref_logp - logp
    return log_r.exp() - log_r - 1


# Advantages: rewards (B, G), one row a prompt -> (B, G). NaN marks a completion without a reward
# (TRL's None): it is left out of the mean and gets advantage 0.


def reinforce_advantages(rewards: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    """REINFORCE: reward minus a baseline that must not depend on the completion (Williams 1992)."""
    return (rewards - baseline).nan_to_num(nan=0.0)


def rloo_advantages(rewards: Tensor) -> Tensor:
    """RLOO: reward minus the mean of the *other* completions of the prompt (2402.14740)."""
    n = _rewarded(rewards)
    # r_i - mean of the others = (r_i - mean of all) * n / (n - 1)
    return ((rewards - rewards.nanmean(1, keepdim=True)) * n / (n - 1)).nan_to_num(nan=0.0)


def group_advantages(rewards: Tensor, scale: str | bool = "group", eps: float = 1e-4) -> Tensor:
    """GRPO: (reward - group mean) / (standard deviation + eps) (2402.03300, section 4.1.2).

    The deviation divides by n - 1, and eps is 1e-4, as in TRL. scale: "group" (or True), whose own
    it is; "batch": of all rewards of the batch; "none" (or False) is Dr. GRPO, which leaves the
    division out: it weighs prompts up whose rewards are nearly all equal (2503.20783).
    """
    if scale not in ("group", "batch", "none", True, False):
        raise ValueError(f"unknown scale {scale!r}; known: group, batch, none")
    centred = rewards - rewards.nanmean(1, keepdim=True)
    if scale in ("group", True):
        variance = centred.square().nansum(1, keepdim=True) / (_rewarded(rewards) - 1)
        centred = centred / (variance.sqrt() + eps)
    elif scale == "batch":
        known = rewards[~rewards.isnan()]
        centred = centred / (known.std() + eps)
    return centred.nan_to_num(nan=0.0)


def _rewarded(rewards: Tensor) -> Tensor:
    """Number of completions with a reward, (B, 1)."""
    return (~rewards.isnan()).sum(1, keepdim=True)


def clipped_policy_loss(
    logp: Tensor, old_logp: Tensor, advantages: Tensor,
    epsilon_low: float = 0.2, epsilon_high: float = 0.2,
) -> Tensor:  # fmt: skip
    """PPO's clipped objective as a loss for each token, (B, T) (1707.06347, eq. 7):
    -min(ratio * A, clip(ratio, 1 - epsilon_low, 1 + epsilon_high) * A), ratio = policy / old.
    `advantages` is (B,), one for a completion, or (B, T). A higher `epsilon_high` is DAPO's
    "clip-higher" (2503.14476, section 3.1).
    """
    if advantages.dim() == 1:
        advantages = advantages.unsqueeze(1)
    ratio = torch.exp(logp - old_logp)
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    return -torch.min(ratio * advantages, clipped * advantages)


# PPO: one value and one advantage a token, (B, T). `values[:, t]` is the critic's forecast *before*
# token t is drawn, from the hidden state of the token before it.


def token_rewards(
    scores: Tensor, logp: Tensor, ref_logp: Tensor, mask: Tensor, kl_coef: float = 0.05,
    kl: Callable[[Tensor, Tensor], Tensor] = kl_k1,
) -> Tensor:  # fmt: skip
    """Reward of each token, (B, T): -kl_coef * KL, and on the last real token the score as well.

    scores: (B,); every completion needs a real token (2203.02155, eq. 2, token by token).
    """
    rewards = -kl_coef * kl(logp, ref_logp) * mask
    last = torch.arange(len(mask), device=mask.device), mask.sum(1).long() - 1  # row and column
    return rewards.index_put(last, scores.to(rewards.dtype), accumulate=True)


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation: advantages and returns, (B, T) each, 0 on padding.

    delta_t = r_t + gamma * V_(t+1) - V_t;  A_t = delta_t + gamma * lam * A_(t+1), where nothing
    comes after the last real token; returns = A + V (1506.02438, eq. 16). Neither is whitened.
    """
    rewards, values = rewards * mask, values * mask
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
    return masked_mean(clipped_policy_loss(logp, old_logp, advantages, cliprange, cliprange), mask)


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


def grpo_loss(
    logp: Tensor, old_logp: Tensor, advantages: Tensor, mask: Tensor, *,
    ref_logp: Tensor | None = None, beta: float = 0.0,
    epsilon_low: float = 0.2, epsilon_high: float = 0.2, loss_type: str = "grpo",
    max_completion_length: int | None = None, total_tokens: float | None = None,
    use_bias_correction_kl: bool = True,
) -> Tensor:  # fmt: skip
    """The whole GRPO loss, a scalar: clipped policy loss + beta * KL, averaged over tokens.

    logp, old_logp, ref_logp, mask: (B, T); advantages: (B,). The KL term is k3; with
    `use_bias_correction_kl` (TRL's default) it is weighted by policy / old, without it the loss
    is the textbook one (2402.03300, eq. 3). How tokens are averaged is the `loss_type`:

    - grpo: mean within each completion, then over completions (long ones count less a token)
    - bnpo: mean over all tokens of this batch
    - dapo: sum / `total_tokens`, the tokens of the whole step (all micro-batches; default: these)
    - dr_grpo: sum / (B * `max_completion_length`), a constant, so length does not matter
    """
    token_loss = clipped_policy_loss(logp, old_logp, advantages, epsilon_low, epsilon_high)
    if beta:
        if ref_logp is None:
            raise ValueError("beta > 0 needs ref_logp, the reference model's log-probabilities")
        weight = torch.exp(logp - old_logp) if use_bias_correction_kl else 1.0
        token_loss = token_loss + beta * weight * kl_k3(logp, ref_logp)
    return (token_loss * token_weights(mask, loss_type, max_completion_length, total_tokens)).sum()


def token_weights(
    mask: Tensor, loss_type: str = "dapo", max_completion_length: int | None = None,
    total_tokens: float | None = None,
) -> Tensor:  # fmt: skip
    """(B, T): what a token's loss counts in the step's, by the `loss_type` of `grpo_loss`."""
    if loss_type == "grpo":
        return mask / mask.sum(1, keepdim=True).clamp(min=1) / len(mask)
    if loss_type == "bnpo" or (loss_type == "dapo" and total_tokens is None):
        return mask / mask.sum().clamp(min=1)
    if loss_type == "dapo":
        return mask / max(1, total_tokens)
    if loss_type == "dr_grpo":
        if max_completion_length is None:
            raise ValueError("dr_grpo needs max_completion_length, its constant divisor")
        return mask / (len(mask) * max_completion_length)
    raise ValueError(f"unknown loss_type {loss_type!r}; known: {', '.join(LOSS_TYPES)}")
