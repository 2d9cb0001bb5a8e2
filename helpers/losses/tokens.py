"""What is known of single tokens: log-probabilities and entropy; means over the real ones."""

import torch
import torch.nn.functional as F
from torch import Tensor


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


def on_real(values: Tensor, mask: Tensor) -> Tensor:
    """`values` (B, T) on the real tokens and 0 on padding, without gradient there, whatever it
    holds: times a mask of 0, infinity would become NaN."""
    return values.where(mask.bool(), 0.0)


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Mean of `values` where `mask` is 1, over everything or along `dim`; 0 where all is masked."""
    return on_real(values, mask).sum(dim) / mask.sum(dim).clamp(min=1)


def masked_whiten(values: Tensor, mask: Tensor) -> Tensor:
    """`values` (B, T) shifted and scaled to mean 0 and variance 1 over the real tokens; padding
    becomes 0. The variance divides by n - 1, and eps is 1e-8, as in TRL."""
    centred = on_real(values - masked_mean(values, mask), mask)
    variance = centred.square().sum() / (mask.sum() - 1).clamp(min=1)
    return centred * torch.rsqrt(variance + 1e-8)
