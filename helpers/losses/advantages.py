"""Advantages: how much better a completion was than what it is compared with.

rewards (B, G), one row a prompt -> (B, G). NaN marks a completion without a reward (TRL's None): it
is left out of the mean and gets advantage 0.
"""

import torch
from torch import Tensor


def reinforce_advantages(rewards: Tensor, baseline: Tensor | float = 0.0) -> Tensor:
    """REINFORCE: reward minus a baseline that must not depend on the completion (Williams 1992)."""
    return (rewards - baseline).nan_to_num(nan=0.0)


def rloo_advantages(rewards: Tensor) -> Tensor:
    """RLOO: reward minus the mean of the *other* completions of the prompt (2402.14740, eq. 5).
    One without another to compare with gets 0. ValueError for groups of one."""
    n = _rewarded(rewards)
    # r_i - mean of the others = (r_i - mean of all) * n / (n - 1)
    return (_centred(rewards) * n / (n - 1)).nan_to_num(nan=0.0)


def group_advantages(rewards: Tensor, scale: str | bool = "group", eps: float = 1e-4) -> Tensor:
    """GRPO: (reward - group mean) / (standard deviation + eps) (2402.03300, section 4.1.2).

    The deviation divides by n - 1, and eps is 1e-4, as in TRL. scale: "group" (or True), whose own
    it is; "batch": of all rewards of the batch; "none" (or False) is Dr. GRPO, which leaves the
    division out: it weighs prompts up whose rewards are nearly all equal (2503.20783). Where they
    are all equal, the advantage is exactly 0. ValueError for groups of one and another scale.
    """
    if scale not in ("group", "batch", "none", True, False):
        raise ValueError(f"unknown scale {scale!r}; known: group, batch, none")
    n, centred = _rewarded(rewards), _centred(rewards)
    if scale in ("group", True):
        variance = centred.square().nansum(1, keepdim=True) / (n - 1)
        centred = centred / (variance.sqrt() + eps)
    elif scale == "batch" and n.sum() > 1:
        centred = centred / (rewards[~rewards.isnan()].std() + eps)
    return centred.nan_to_num(nan=0.0)


def _centred(rewards: Tensor) -> Tensor:
    """Minus the group's mean, (B, G); 0 where all are equal. In float32 the mean of eight times 1.2
    is not 1.2, and Adam makes a whole step of the least gradient."""
    centred = rewards - rewards.nanmean(1, keepdim=True)
    return centred.where(unequal(rewards)[:, None] | rewards.isnan(), 0.0)


def unequal(rewards: Tensor) -> Tensor:
    """Whether rewards (B, G) of a group differ, so that it has something to teach: (B,) bool."""
    missing = rewards.isnan()
    low, high = rewards.masked_fill(missing, torch.inf), rewards.masked_fill(missing, -torch.inf)
    return high.amax(1) > low.amin(1)


def _rewarded(rewards: Tensor) -> Tensor:
    """Number of completions with a reward, (B, 1)."""
    if rewards.size(1) < 2:
        raise ValueError(f"groups of {rewards.size(1)} have no neighbour to be compared with: give "
                         "every prompt two completions or more, rewards (B, G)")
    return (~rewards.isnan()).sum(1, keepdim=True)
