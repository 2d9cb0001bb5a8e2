"""PPO (Schulman et al. 2017, arXiv:1707.06347) for language models, as in Ouyang et al. 2022.

One step: write completions, score them, turn scores into advantages, and go over the batch a few
times. Every random choice follows from the seed and the number of the step, so a resumed run makes
the same ones. Metrics have the names of TRL's trainers.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from helpers import losses
from helpers.train.adapters import save_adapter
from helpers.train.loop import TrainingLoop, generator
from helpers.train.ppo.bank import TRAINED, AdapterBank
from helpers.train.ppo.collect import Collector, PPOError
from helpers.train.ppo.config import PPOConfig
from helpers.train.ppo.rollout import Rollout, known_mean
from helpers.train.rows import MicroBatch


class PPOTrainer(TrainingLoop):
    """Trains the policy and the value of an AdapterBank.

    train_dataset: rows with "prompt", the text as the model reads it, and whatever columns the
    reward functions take; how completions are scored: see `Collector`.
    """

    def __init__(self, bank: AdapterBank, args: PPOConfig, train_dataset: Sequence[dict],
                 processing_class, reward_funcs: Sequence[Callable] = (),
                 reward_weights: Sequence[float] | None = None,
                 eval_dataset: Sequence[dict] = (), callbacks: Sequence = ()):
        super().__init__(args, bank, processing_class, torch.optim.AdamW(
            [{"params": bank.parameters_of("policy"), "lr": args.learning_rate},
             {"params": bank.parameters_of("value"), "lr": args.value_learning_rate}],
            eps=args.adam_epsilon, weight_decay=args.weight_decay, fused=True),
            bank.trained, callbacks)
        self.bank = bank
        self.memory |= {"kl_coef": args.kl_coef}
        weights = [1.0] * len(reward_funcs) if reward_weights is None else reward_weights
        self.collector = Collector(bank, args, processing_class, self.accelerator,
                                   (reward_funcs, weights), self.state, self.memory)
        self.train_rows = self.collector.encode(train_dataset)
        self.eval_rows = self.collector.encode(eval_dataset)

    def training_step(self, step: int) -> dict[str, float]:
        """Write and judge a batch of completions, then learn from it; the metrics of both.

        Completions without a verdict are in no mean. A step without any verdict moves nothing: its
        means are NaN, and what only learning could tell is left out.
        """
        times = [time.monotonic()]
        rollout = self.roll_out(step)
        times.append(time.monotonic())
        metrics = self.everywhere(self.learn(rollout) | self._metrics(rollout))
        target = self.args.target_kl  # Ziegler et al. 2019, arXiv:1909.08593, section 2.2
        if target and not math.isnan(metrics["objective/kl"]):
            error = max(-0.2, min(0.2, metrics["objective/kl"] / target - 1))
            self.memory["kl_coef"] *= 1 + 0.1 * error
        times.append(time.monotonic())
        return metrics | {"time/rollout": times[1] - times[0], "time/training": times[2] - times[1]}

    def roll_out(self, step: int) -> Rollout:
        """This process's completions of a step, on the next prompts of endless shuffled passes."""
        places = self.shuffled(len(self.train_rows), self.args.prompts_per_step, step)
        seed = generator(self.args.seed, step, self.accelerator.process_index).initial_seed()
        return self.collector.experience([self.train_rows[place] for place in places], seed,
                                         self.memory["kl_coef"])

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """All passes over one rollout, an optimiser step a minibatch; means of what was seen."""
        seen: dict[str, list[float]] = {}
        step = self.state.global_step
        for epoch in range(1, self.args.num_ppo_epochs + 1):
            dealt = rollout.minibatches(self.args, step, epoch, self.collector.device)
            for number, batches in enumerate(dealt, start=1):
                where = f"step {step + 1}, pass {epoch}, minibatch {number}"
                step_metrics = self._minibatch(rollout, batches, where)
                for key, value in step_metrics.items():
                    seen.setdefault(key, []).append(value)
        told = {key: [one for one in values if not math.isnan(one)] for key, values in seen.items()}
        return {key: sum(values) / len(values) if values else math.nan
                for key, values in told.items()}

    def _minibatch(self, rollout: Rollout, batches: list[MicroBatch], where: str
                   ) -> dict[str, float]:
        """One optimiser step, its metrics; none of both where no process has a verdict: without a
        gradient the optimiser would still move the weights, by its momentum and weight decay."""
        learning = TRAINED[self.state.global_step < self.args.value_warmup_steps:]
        if not self.anywhere(any(bool(batch.mask.any()) for batch in batches)):
            return {}
        total: dict[str, float] = {}
        for role in learning:
            total |= self.backward(role, rollout, batches, where)
        norms = self.update({role: self.bank.parameters_of(role) for role in learning})
        return total | {f"grad_norm/{role}": norm for role, norm in norms.items()}

    def backward(self, role: str, rollout: Rollout, batches: list[MicroBatch], where: str = ""
                 ) -> dict[str, float]:
        """Adds a role's gradients of one minibatch, whose micro-batches weigh by their tokens; its
        metrics. Forward and backward before the next switch: see the head of bank.py."""
        counts = [float(rollout.mask[batch.rows].sum()) for batch in batches]
        tokens, seen, told = sum(counts), [], []
        with self.bank.learning(role):
            for batch, count in zip(batches, counts, strict=True):
                with self.accelerator.autocast():
                    loss, watched = self.loss(role, rollout, batch)
                self.accelerator.backward(loss * (count / max(1.0, tokens)))
                seen.append(torch.stack([loss, *watched.values()]).detach())
        # Looked at only now: each look would wait for a GPU that still works.
        for count, (loss, *values) in zip(counts, torch.stack(seen).tolist(), strict=True):
            if not math.isfinite(loss):
                raise PPOError(f"{where}: the {role} loss is {loss}. The last checkpoint is whole: "
                               f"go on from it with a lower learning rate.")
            told.append([value * (count / tokens) if tokens else math.nan for value in values])
        return dict(zip(watched, map(sum, zip(*told, strict=True)), strict=True))

    def loss(self, role: str, rollout: Rollout, batch: MicroBatch
             ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the active role, a mean over the batch's tokens, and its metrics."""
        now, mask = self.collector.forward(role, batch)[0], batch.mask
        if role == "value":
            loss = losses.ppo_value_loss(now, batch.of(rollout.values), batch.of(rollout.returns),
                                         mask, self.args.cliprange_value)
            return loss, {"loss/value_avg": loss}
        old = batch.of(rollout.logp)
        loss = losses.ppo_policy_loss(now, old, batch.of(rollout.advantages), mask,
                                      self.args.cliprange)
        change = (now - old).detach()
        clipped = ((change.exp() - 1).abs() > self.args.cliprange).float()
        return loss, {"loss/policy_avg": loss} | {
            key: losses.masked_mean(value, mask) for key, value in [
                ("val/ratio", change.exp()), ("policy/approxkl_avg", change.square() / 2),
                ("policy/clipfrac_avg", clipped)]}

    def _metrics(self, rollout: Rollout) -> dict[str, float]:
        """What the rollout was like."""
        mask, used, score = rollout.mask, self.memory["kl_coef"], rollout.mean(rollout.scores)
        kl = rollout.mean(((rollout.logp - rollout.ref_logp) * mask).sum(1))
        return {
            "objective/kl": kl, "objective/kl_coef": used, "objective/scores": score,
            "objective/non_score_reward": -used * kl, "objective/rlhf_reward": score - used * kl,
            "policy/entropy_avg": rollout.token_mean(rollout.entropy),
            "val/explained_variance": losses.explained_variance(
                rollout.values, rollout.returns, mask),
            "val/error": rollout.token_mean((rollout.values - rollout.returns).abs()),
            **rollout.metrics(),
        }

    def evaluate(self, seed: int = 0) -> dict[str, float]:
        """Mean score and its parts on `eval_dataset`, one sampled completion a row; a row without a
        verdict is left out, and without any the means are NaN."""
        rollout = self.collector.sample(self.eval_rows, seed)
        return {"eval/reward": rollout.mean(rollout.scores)} | {
            f"eval/rewards/{key}/mean": known_mean(part) for key, part in rollout.parts.items()}

    def save_model(self, folder: str | Path) -> None:
        """The policy's adapter as a peft folder, which loads onto the base."""
        save_adapter(self.bank.model, "policy", folder)
