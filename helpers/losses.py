"""The formulas of policy-gradient training, from scratch: pure functions of tensors.

Shapes: B completions of T tokens over a vocabulary of V; P prompts with G completions each.
`mask` is 1 where a token was generated and 0 on padding. All logarithms are natural.

Sources: Williams 1992 (REINFORCE); Ahmadian et al. 2024, arXiv:2402.14740 (RLOO); Schulman et al.
2017, arXiv:1707.06347 (PPO); Shao et al. 2024, arXiv:2402.03300 (GRPO); Liu et al. 2025,
arXiv:2503.20783 (Dr. GRPO); Yu et al. 2025, arXiv:2503.14476 (DAPO); Schulman 2020,
"Approximating KL divergence" (joschu.net/blog/kl-approx.html).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo")


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probability of each token: logits (B, T, V), ids (B, T) -> (B, T).

    `logits[:, t]` must be the prediction *of* `ids[:, t]`: a causal model's output at position t
    predicts token t + 1, so pass `model(ids).logits[:, :-1]` with `ids[:, 1:]`.
    """
    return -F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")


def entropy(logits: Tensor) -> Tensor:
    """Entropy of each next-token distribution in nats: (B, T, V) -> (B, T)."""
    logp = F.log_softmax(logits, dim=-1)
    return -(logp.exp() * logp).sum(-1)


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Mean of `values` where `mask` is 1, over everything or along `dim`; 0 where all is masked."""
    return (values * mask).sum(dim) / mask.sum(dim).clamp(min=1)


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


# Advantages: rewards (P, G), one row a prompt -> (P, G). NaN marks a completion without a reward
# (TRL's None): it is left out of the mean and gets advantage 0.


def reinforce_advantages(rewards: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    """REINFORCE: reward minus a baseline that must not depend on the completion (Williams 1992)."""
    return (rewards - baseline).nan_to_num(nan=0.0)


def rloo_advantages(rewards: Tensor) -> Tensor:
    """RLOO: reward minus the mean of the *other* completions of the prompt (2402.14740)."""
    n = _rewarded(rewards)
    # r_i - mean of the others = (r_i - mean of all) * n / (n - 1)
    return ((rewards - rewards.nanmean(1, keepdim=True)) * n / (n - 1)).nan_to_num(nan=0.0)


def group_advantages(rewards: Tensor, scale: bool = True, eps: float = 1e-4) -> Tensor:
    """GRPO: (reward - group mean) / (group standard deviation + eps) (2402.03300, section 4.1.2).

    The deviation divides by G - 1, and eps is 1e-4, as in TRL. `scale=False` is Dr. GRPO, which
    leaves the division out: it weighs prompts up whose rewards are nearly all equal (2503.20783).
    """
    centred = rewards - rewards.nanmean(1, keepdim=True)
    if scale:
        variance = centred.square().nansum(1, keepdim=True) / (_rewarded(rewards) - 1)
        centred = centred / (variance.sqrt() + eps)
    return centred.nan_to_num(nan=0.0)


def _rewarded(rewards: Tensor) -> Tensor:
    """Number of completions with a reward, (P, 1)."""
    return (~rewards.isnan()).sum(1, keepdim=True)


def clipped_policy_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    epsilon_low: float = 0.2,
    epsilon_high: float = 0.2,
) -> Tensor:
    """PPO's clipped objective as a loss for each token, (B, T) (1707.06347, eq. 7).

    -min(ratio * A, clip(ratio, 1 - epsilon_low, 1 + epsilon_high) * A), ratio = policy / old.
    `advantages` is (B,), one for a completion, or (B, T). A higher `epsilon_high` is DAPO's
    "clip-higher" (2503.14476, section 3.1).
    """
    if advantages.dim() == 1:
        advantages = advantages.unsqueeze(1)
    ratio = torch.exp(logp - old_logp)
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    return -torch.min(ratio * advantages, clipped * advantages)


def grpo_loss(
    logp: Tensor,
    old_logp: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    ref_logp: Tensor | None = None,
    beta: float = 0.0,
    epsilon_low: float = 0.2,
    epsilon_high: float = 0.2,
    loss_type: str = "grpo",
    max_completion_length: int | None = None,
    total_tokens: int | None = None,
    use_bias_correction_kl: bool = True,
) -> Tensor:
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
    if loss_type == "grpo":
        return masked_mean(token_loss, mask, dim=1).mean()
    if loss_type == "bnpo":
        return masked_mean(token_loss, mask)
    total = (token_loss * mask).sum()
    if loss_type == "dapo":
        return total / max(1, total_tokens if total_tokens is not None else int(mask.sum()))
    if loss_type == "dr_grpo":
        if max_completion_length is None:
            raise ValueError("dr_grpo needs max_completion_length, its constant divisor")
        return total / (mask.size(0) * max_completion_length)
    raise ValueError(f"unknown loss_type {loss_type!r}; known: {', '.join(LOSS_TYPES)}")
