"""Learning from preferences: one number a completion, (B,), for the chosen and for the rejected
one of each pair."""

import torch.nn.functional as F
from torch import Tensor


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
