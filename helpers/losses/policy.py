"""Policy gradients: the losses whose gradient the advantages weigh, and what holds the policy near.

All are REINFORCE with another advantage (what a completion is compared with), another ratio (how
far the policy may have moved since it wrote) or another mean over tokens:

    REINFORCE     reinforce_advantages, reinforce_loss
    RLOO          rloo_advantages
    GRPO          group_advantages, loss_type grpo
    Dr. GRPO      group_advantages(scale="none"), loss_type dr_grpo
    DAPO          loss_type dapo, epsilon_high above epsilon_low; equal groups are drawn anew
                  (`helpers.train.drawn`), overlong completions cost (`rewards.length_penalty`)
    GSPO          loss_type grpo, importance_sampling_level sequence
    CISPO         loss_type cispo
"""

import torch
from torch import Tensor

from helpers.losses.tokens import on_real

LOSS_TYPES = ("grpo", "bnpo", "dr_grpo", "dapo", "cispo")
SAMPLING_LEVELS = ("token", "sequence")
# A ratio of more than e^20, half a billion, is no estimate of anything; from e^89 on it is infinite
# in float32, and its gradient NaN even where the clip hides the value.
FARTHEST = 20.0

# Three estimators of KL(policy || reference) from tokens that the *policy* sampled (Schulman 2020).


def kl_k1(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k1 = log(policy / reference), (B, T): unbiased, high variance, can be negative."""
    return logp - ref_logp


def kl_k2(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k2 = log(policy / reference)^2 / 2, (B, T): biased, low variance, never negative."""
    return (logp - ref_logp).square() / 2


def kl_k3(logp: Tensor, ref_logp: Tensor) -> Tensor:
    """k3 = r - 1 - log r with r = reference / policy, (B, T): unbiased and never negative, also
    where rounding would have the last word. r is held at e^20 (`FARTHEST`)."""
    log_r = (ref_logp - logp).clamp(max=FARTHEST)
    return (torch.expm1(log_r) - log_r).clamp(min=0)  # r - 1 of an r near 1 would lose all digits


# Losses. Advantages are (B,), one a completion; ratios compare the policy with the writer, `old`.


def reinforce_loss(logp: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """-A log p(completion), a mean over completions, a scalar (Williams 1992). Its gradient is that
    of the expected reward where the policy of `logp` (B, T) wrote the completions."""
    return -(advantages * on_real(logp, mask).sum(1)).mean()


def log_ratios(
    logp: Tensor, old_logp: Tensor, mask: Tensor, importance_sampling_level: str = "token"
) -> Tensor:
    """log(policy / old), within `FARTHEST` nats: of each token, (B, T), 0 on padding; at the level
    "sequence" the mean over the real tokens, (B, 1), whose exponential is the geometric mean of the
    tokens' ratios (GSPO, 2507.18071, eq. 7). ValueError for another level."""
    ratios = on_real(logp, mask) - on_real(old_logp, mask)
    if importance_sampling_level == "sequence":
        ratios = ratios.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    elif importance_sampling_level != "token":
        raise ValueError(f"unknown importance_sampling_level {importance_sampling_level!r}; "
                         f"known: {', '.join(SAMPLING_LEVELS)}")
    return ratios.clamp(-FARTHEST, FARTHEST)


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
    ratio = torch.exp((logp - old_logp).clamp(-FARTHEST, FARTHEST))
    clipped = ratio.clamp(1 - epsilon_low, 1 + epsilon_high)
    return -torch.min(ratio * advantages, clipped * advantages)


def cispo_loss(logp: Tensor, ratios: Tensor, advantages: Tensor, epsilon_high: float) -> Tensor:
    """CISPO (2506.13585, eq. 4): -A log p for each token, (B, T), weighted by its ratio up to a
    cap, without gradient, so that no token is left out. ratios: their logarithms, of `log_ratios`.

    The cap is `epsilon_high` itself, as in TRL; the paper writes 1 + epsilon_high.
    """
    weight = ratios.detach().exp().clamp(max=epsilon_high)
    return -weight * advantages.unsqueeze(1) * logp


def policy_token_loss(
    logp: Tensor, ratios: Tensor, advantages: Tensor, loss_type: str = "grpo",
    epsilon_low: float = 0.2, epsilon_high: float = 0.2,
) -> Tensor:  # fmt: skip
    """The loss of each token before it is averaged, (B, T), or (B, 1) where one ratio of `ratios`
    (log_ratios) is that of all tokens: CISPO's or the clipped one."""
    if loss_type == "cispo":
        return cispo_loss(logp, ratios, advantages, epsilon_high)
    return clipped_policy_loss(ratios, torch.zeros_like(ratios), advantages, epsilon_low,
                               epsilon_high)


def clipped_tokens(
    ratios: Tensor, advantages: Tensor, loss_type: str = "grpo",
    epsilon_low: float = 0.2, epsilon_high: float = 0.2,
) -> dict[str, Tensor]:  # fmt: skip
    """Where the ratio is cut off, from below and from above, by the names of TRL's metrics: bool,
    of the shape of `ratios` (log_ratios). A token that CISPO cuts keeps a gradient."""
    ratio, push = ratios.exp(), advantages.unsqueeze(1)
    if loss_type == "cispo":
        return {"cispo_clip_ratio": (ratio > epsilon_high) & (push > 0)}
    return {"clip_ratio/low_mean": (ratio < 1 - epsilon_low) & (push < 0),
            "clip_ratio/high_mean": (ratio > 1 + epsilon_high) & (push > 0)}


def grpo_loss(
    logp: Tensor, old_logp: Tensor, advantages: Tensor, mask: Tensor, *,
    ref_logp: Tensor | None = None, beta: float = 0.0,
    epsilon_low: float = 0.2, epsilon_high: float = 0.2, loss_type: str = "grpo",
    importance_sampling_level: str = "token", max_completion_length: int | None = None,
    total_tokens: float | None = None, use_bias_correction_kl: bool = True,
) -> Tensor:  # fmt: skip
    """The whole GRPO loss, a scalar: policy loss + beta * KL, averaged over tokens.

    logp, old_logp, ref_logp, mask: (B, T); advantages: (B,). The KL term is k3; with
    `use_bias_correction_kl` (TRL's default) it is weighted by policy / old, without it the loss
    is the textbook one (2402.03300, eq. 3). One ratio a token, or one a completion (`log_ratios`).
    How tokens are averaged is the `loss_type`:

    - grpo: mean within each completion, then over completions (long ones count less a token)
    - bnpo: mean over all tokens of this batch
    - dapo: sum / `total_tokens`, the tokens of the whole step (all micro-batches; default: these)
    - dr_grpo: sum / (B * `max_completion_length`), a constant, so length does not matter
    - cispo: as dapo, of the loss of `cispo_loss`

    ValueError for what is missing, unknown or not meant to go together (`check_settings`).
    """
    check_settings(loss_type, importance_sampling_level, epsilon_high)
    logp = on_real(logp, mask)
    ratios = log_ratios(logp, old_logp, mask, importance_sampling_level)
    loss = policy_token_loss(logp, ratios, advantages, loss_type, epsilon_low, epsilon_high)
    if beta:
        if ref_logp is None:
            raise ValueError("beta > 0 needs ref_logp, the reference model's log-probabilities")
        weight = ratios.exp() if use_bias_correction_kl else 1.0
        loss = loss + beta * weight * kl_k3(logp, on_real(ref_logp, mask))
    return (loss * token_weights(mask, loss_type, max_completion_length, total_tokens)).sum()


def check_settings(loss_type: str, importance_sampling_level: str, epsilon_high: float) -> None:
    """ValueError, in one line, where these do not go together.

    One ratio a completion needs the mean within each (grpo, as in GSPO's eq. 5): the others weigh
    it by the completion's length, of which TRL warns. A cap of CISPO below 1 cuts ratios of 1, as
    all fresh completions have: of that TRL says nothing, and the whole gradient shrinks.
    """
    if loss_type not in LOSS_TYPES:
        raise ValueError(f"unknown loss_type {loss_type!r}; known: {', '.join(LOSS_TYPES)}")
    if importance_sampling_level == "sequence" and loss_type != "grpo":
        raise ValueError(f"importance_sampling_level sequence with loss_type {loss_type} weighs a "
                         "completion's one ratio by its length; take loss_type grpo (GSPO)")
    if loss_type == "cispo" and epsilon_high < 1:
        raise ValueError(f"loss_type cispo with epsilon_high {epsilon_high}, its largest ratio, "
                         "cuts fresh completions as well, whose ratio is 1; 5 is usual")


def token_weights(
    mask: Tensor, loss_type: str = "dapo", max_completion_length: int | None = None,
    total_tokens: float | None = None,
) -> Tensor:  # fmt: skip
    """(B, T): what a token's loss counts in the step's, by the `loss_type` of `grpo_loss`."""
    if loss_type == "grpo":
        return mask / mask.sum(1, keepdim=True).clamp(min=1) / len(mask)
    if loss_type == "bnpo" or (
            loss_type in ("dapo", "cispo") and total_tokens is None):
        return mask / mask.sum().clamp(min=1)
    if loss_type in ("dapo", "cispo"):
        return mask / max(1, total_tokens)
    if loss_type == "dr_grpo":
        if max_completion_length is None:
            raise ValueError("dr_grpo needs max_completion_length, its constant divisor")
        return mask / (len(mask) * max_completion_length)
    raise ValueError(f"unknown loss_type {loss_type!r}; known: {', '.join(LOSS_TYPES)}")
