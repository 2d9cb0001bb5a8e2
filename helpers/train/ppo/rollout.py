"""One batch of experience: what the policy wrote, and every role's numbers for it.

A completion without a verdict (a reward function says None) has a mask of zeros: it is in no loss,
no whitening and no mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from helpers import losses
from helpers.engines import Completion
from helpers.train.loop import EmptyTextError, generator
from helpers.train.ppo.config import PPOConfig
from helpers.train.rows import MicroBatch, by_length, micro_batches


@dataclass
class Rollout:
    """B completions of up to T tokens. Rows are ragged lists of ids; tensors are padded right.

    prompts, completions: token ids; a completion has its end token, if it came to its end.
    logp, ref_logp, entropy, values, advantages, returns: (B, T), 0 on padding; scores (B,), 0
    without a verdict; parts: the score's parts by name, (B,) each, before weighting, NaN where
    there is none. What is not computed yet is None.
    """

    prompts: list[list[int]]
    completions: list[list[int]]
    texts: list[str]
    truncated: Tensor  # (B,) bool
    mask: Tensor = field(init=False)  # (B, T) float, 1 on real tokens
    logp: Tensor | None = None
    ref_logp: Tensor | None = None
    entropy: Tensor | None = None
    values: Tensor | None = None
    scores: Tensor | None = None
    parts: dict[str, Tensor] = field(default_factory=dict)
    advantages: Tensor | None = None
    returns: Tensor | None = None
    _micro_batches: list[MicroBatch] = field(default_factory=list, repr=False)

    def __post_init__(self):
        for name, lists in [("prompt", self.prompts), ("completion", self.completions)]:
            if empty := [row for row, ids in enumerate(lists) if not ids]:
                raise EmptyTextError(f"{name} {empty[0]} is empty; it needs at least one token")
        lengths = torch.tensor([len(ids) for ids in self.completions])
        self.mask = (torch.arange(int(lengths.max())) < lengths[:, None]).float()

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def judged(self) -> Tensor:
        """(B,) bool: the completions with a verdict."""
        return self.mask.any(1)

    def mean(self, values: Tensor) -> float:
        """Mean of `values` (B,) over the completions with a verdict; NaN without any."""
        return known_mean(values.where(self.judged, torch.nan))

    def token_mean(self, values: Tensor) -> float:
        """Mean of `values` (B, T) over the same completions' real tokens; NaN without any."""
        return float(losses.masked_mean(values, self.mask)) if self.mask.any() else float("nan")

    def metrics(self) -> dict[str, float]:
        """Of the completions with a verdict, by TRL's names: their lengths, and how many were cut;
        of each part of the score the mean of what is there."""
        return {"completions/mean_length": self.mean(self.mask.sum(1)),
                "completions/clipped_ratio": self.mean(self.truncated.float()),
                **{f"rewards/{key}/mean": known_mean(part) for key, part in self.parts.items()}}

    def micro_batches(self, size: int, device: torch.device) -> list[MicroBatch]:
        """All rows in micro-batches of at most `size`, with this rollout's mask. Cut once and kept:
        rounding depends on what shares a batch, and log-probabilities that are compared must come
        from the same ones. Then every ratio is 1 before the first step."""
        if not self._micro_batches:
            self._micro_batches = [self._masked(batch) for batch in micro_batches(
                self.prompts, self.completions, size, device)]
        return self._micro_batches

    def minibatches(self, args: PPOConfig, step: int, epoch: int, device: torch.device
                    ) -> list[list[MicroBatch]]:
        """What is read for each optimiser step of an epoch (from 1), dealt by the seed: the same
        rows, however many are read at once."""
        small, at_once = args.micro_batch_size, args.rows_at_once or args.micro_batch_size
        units = self.micro_batches(small, device)
        order = torch.randperm(len(units), generator=generator(args.seed, step, epoch))
        dealt = [[units[i] for i in places] for places in order.split(args.minibatch_size // small)]
        if at_once == small:
            return dealt
        place = {row: n for n, row in enumerate(by_length(self.prompts, self.completions))}
        found = []
        for group in dealt:
            rows = sorted((row for unit in group for row in unit.rows.tolist()),
                          key=place.__getitem__)
            found.append([self._masked(MicroBatch(
                self.prompts, self.completions, rows[start:start + at_once], device))
                for start in range(0, len(rows), at_once)])
        return found

    def _masked(self, batch: MicroBatch) -> MicroBatch:
        batch.mask = batch.of(self.mask)
        return batch


def objective(rollout: Rollout, kl_coef: float) -> dict[str, float]:
    """What an experience was like, by the names of TRL's PPOTrainer: scores, distance to the
    reference in nats an answer, and how well the critic foresaw the returns."""
    kl = rollout.mean(((rollout.logp - rollout.ref_logp) * rollout.mask).sum(1))
    score = rollout.mean(rollout.scores)
    return {
        "objective/kl": kl, "objective/kl_coef": kl_coef, "objective/scores": score,
        "objective/non_score_reward": -kl_coef * kl, "objective/rlhf_reward": score - kl_coef * kl,
        "policy/entropy_avg": rollout.token_mean(rollout.entropy),
        "val/explained_variance": losses.explained_variance(
            rollout.values, rollout.returns, rollout.mask),
        "val/error": rollout.token_mean((rollout.values - rollout.returns).abs()),
        **rollout.metrics(),
    }


def written(prompts: list[list[int]], answers: Sequence[Completion]) -> Rollout:
    """A rollout of what was sampled, (B,) each: prompts as tokens, and their answers."""
    return Rollout(prompts, [list(one.ids) for one in answers], [one.text for one in answers],
                   torch.tensor([one.truncated for one in answers]))


def numbers(values: Sequence[float | None]) -> Tensor:
    """(N,), NaN for None."""
    return torch.tensor([math.nan if value is None else float(value) for value in values])


def known(values: Tensor) -> Tensor:
    """Those of `values` (N,) that are not NaN."""
    missing = values.isnan()
    return values[~missing] if missing.any() else values


def known_mean(values: Tensor) -> float:
    """Their mean, as TRL logs rewards of which some are None; NaN where all are missing."""
    return float(known(values).mean())


def known_std(values: Tensor) -> float:
    """Their standard deviation (by N - 1); NaN of fewer than two."""
    return float(known(values).std()) if len(known(values)) > 1 else math.nan
