"""Trainers that learn as ours do and also say how far they have moved, or leave one part out."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from helpers import losses
from helpers.train.group import GroupTrainer
from helpers.train.ppo import PPOTrainer
from helpers.train.ppo.rollout import Rollout
from helpers.train.shared import GroupBatch, group_batches, group_logprobs

NEAR = 0.2  # a ratio within 1 - NEAR and 1 + NEAR is inside PPO's usual clip


def others_mean(rewards: Tensor) -> Tensor:
    """Mean reward of all *other* prompts' completions, (B, 1): it does not depend on the
    completion that it is taken off. rewards: (B, G), NaN where there is none; 0 for one prompt."""
    known = ~rewards.isnan()
    total, count = rewards.nansum(1, keepdim=True), known.sum(1, keepdim=True)
    return (total.sum() - total) / (count.sum() - count).clamp(min=1)


# Rewards (B, G) -> advantages (B, G).
BASELINES: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": losses.reinforce_advantages,
    "others": lambda rewards: losses.reinforce_advantages(rewards, others_mean(rewards)),
    "rloo": losses.rloo_advantages,
}


class WatchedGroups(GroupTrainer):
    """GroupTrainer with other advantages, if `against` names them, and with three metrics more:

    watched/kl: of the policy that wrote, to the model without adapter, nats a token; watched/moved:
    of the policy after learning, to the one that wrote; watched/outside: share of tokens whose
    ratio has left 1 -+ NEAR. All are estimated from the answers of the step (k3)."""

    against: str | None = None

    def learn(self, answers: Rollout, step: int) -> dict[str, float]:
        if self.against:
            groups = answers.scores.view(-1, self.args.num_generations)
            answers.advantages = BASELINES[self.against](groups).flatten()
        batches = group_batches(answers, self.args.per_device_train_batch_size, self.device)
        before = [self.said(batch) for batch in batches]
        with self.model.disable_adapter():
            reference = [self.said(batch) for batch in batches]
        told = super().learn(answers, step)
        total = torch.zeros(4)
        for batch, old, start in zip(batches, before, reference, strict=True):
            now, share = self.said(batch), batch.copies * batch.mask
            far = ((now - old).exp() - 1).abs() > NEAR
            total += torch.stack(
                [
                    (share * one).sum().cpu()
                    for one in (
                        losses.kl_k3(old, start),
                        losses.kl_k3(old, now),
                        far,
                        torch.ones_like(now),
                    )
                ]
            )
        kl, moved, outside = (total[:3] / total[3].clamp(min=1)).tolist()
        return told | {"watched/kl": kl, "watched/moved": moved, "watched/outside": outside}

    @torch.no_grad()
    def said(self, batch: GroupBatch) -> Tensor:
        """The policy's log-probabilities of a batch now, (b, t)."""
        with self.accelerator.autocast():
            return group_logprobs(self.model.get_base_model(), batch, self.args.temperature)


class MeanCritic(PPOTrainer):
    """PPO whose advantages have the batch's mean in the place of the critic's forecasts. The critic
    still learns and is logged, so that the same answers cost the same."""

    def experience(self, rows: Sequence[dict], seed: int) -> Rollout:
        if self.args.lam != 1.0:
            raise ValueError(f"lam is {self.args.lam}: below 1 returns hold the critic's forecasts")
        rollout = super().experience(rows, seed)
        rollout.advantages = losses.masked_whiten(rollout.returns, rollout.mask)
        return rollout
