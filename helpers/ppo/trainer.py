"""PPO (Schulman et al. 2017, arXiv:1707.06347) for language models, as in Ouyang et al. 2022.

One step: write completions, score them, turn scores into advantages, and go over the batch a few
times. Every random choice follows from the seed and the number of the step, so a resumed run makes
the same ones. Metrics have the names of TRL's trainers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import DefaultFlowCallback, TrainerControl, TrainerState, get_scheduler
from transformers.integrations import get_reporting_integration_callbacks
from transformers.trainer_callback import CallbackHandler, ProgressCallback

from helpers import checkpoints, losses
from helpers.ppo.bank import TRAINED, AdapterBank
from helpers.ppo.collect import Collector, PPOError, dice
from helpers.ppo.config import PPOConfig
from helpers.ppo.rollout import MicroBatch, Rollout


class PPOTrainer:
    """Trains the policy and the value of an AdapterBank.

    train_dataset: rows with "prompt", the text as the model reads it, and whatever columns the
    reward functions take; how completions are scored: see `Collector`.
    """

    def __init__(self, bank: AdapterBank, args: PPOConfig, train_dataset: Sequence[dict],
                 processing_class, reward_funcs: Sequence[Callable] = (),
                 reward_weights: Sequence[float] | None = None,
                 eval_dataset: Sequence[dict] = (), callbacks: Sequence = ()):
        self.bank, self.args = bank, args
        kind = "bf16" if args.bf16 else "fp16" if args.fp16 else "no"
        self.accelerator = Accelerator(cpu=args.use_cpu, mixed_precision=kind)
        weights = [1.0] * len(reward_funcs) if reward_weights is None else reward_weights
        self.collector = Collector(bank, args, processing_class, self.accelerator, reward_funcs,
                                   weights)
        self.train_rows = self.collector.encode(train_dataset)
        self.eval_rows = self.collector.encode(eval_dataset)
        optimizer = torch.optim.AdamW(
            [{"params": bank.parameters_of("policy"), "lr": args.learning_rate},
             {"params": bank.parameters_of("value"), "lr": args.value_learning_rate}],
            eps=args.adam_epsilon, weight_decay=args.weight_decay, fused=True)
        self.scheduler = get_scheduler(args.lr_scheduler_type, optimizer,
                                       args.get_warmup_steps(args.max_steps), args.max_steps)
        self.optimizer = self.accelerator.prepare(optimizer)
        self.kl_coef = args.kl_coef
        main = self.accelerator.is_main_process
        self.state = TrainerState(max_steps=args.max_steps, is_world_process_zero=main,
                                  is_local_process_zero=main, logging_steps=args.logging_steps,
                                  save_steps=args.save_steps)
        self.control = TrainerControl()
        shown = [] if args.disable_tqdm else [ProgressCallback()]
        shown += [one() for one in get_reporting_integration_callbacks(args.report_to)]
        self.callbacks = CallbackHandler([DefaultFlowCallback(), *shown, *callbacks], bank,
                                         processing_class, self.optimizer, self.scheduler)

    def train(self, resume_from_checkpoint: str | Path | None = None) -> TrainerState:
        """Run to `args.max_steps`, from the start or from a checkpoint."""
        if resume_from_checkpoint:
            self._load(Path(resume_from_checkpoint))
        told = (self.args, self.state, self.control)
        self.control = self.callbacks.on_train_begin(*told)
        while self.state.global_step < self.args.max_steps:
            times = [time.monotonic()]
            rollout = self.roll_out(self.state.global_step)
            times.append(time.monotonic())
            metrics = self.step(rollout) | self._metrics(rollout)
            times.append(time.monotonic())
            metrics |= {"time/rollout": times[1] - times[0], "time/training": times[2] - times[1]}
            self.scheduler.step()
            self.state.global_step += 1
            self.callbacks.on_step_end(*told)
            if self.control.should_log:
                self.state.log_history.append({**metrics, "step": self.state.global_step})
                self.callbacks.on_log(*told, metrics)
            if self.control.should_save:
                self._save()
                self.callbacks.on_save(*told)
            if self.control.should_training_stop:
                break
        self.callbacks.on_train_end(*told)
        return self.state

    def roll_out(self, step: int) -> Rollout:
        """This process's completions of a step, on the next prompts of endless shuffled passes."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        rows, count = [], self.args.prompts_per_step
        for place in range((step * world + rank) * count, (step * world + rank + 1) * count):
            lap, place = divmod(place, len(self.train_rows))
            order = torch.randperm(len(self.train_rows), generator=dice(self.args.seed, lap, 0))
            rows.append(self.train_rows[int(order[place])])
        seed = dice(self.args.seed, step, rank).initial_seed()
        return self.collector.experience(rows, seed, self.kl_coef)

    def step(self, rollout: Rollout) -> dict[str, float]:
        """All passes over one rollout, an optimiser step a minibatch; means of what was seen."""
        seen: dict[str, list[float]] = {}
        step, batches = self.state.global_step, self.collector.batches(rollout)
        size = self.args.minibatch_size // self.args.micro_batch_size
        for epoch in range(self.args.num_ppo_epochs):
            dealt = torch.randperm(len(batches), generator=dice(self.args.seed, step, epoch + 1))
            for number, places in enumerate(dealt.split(size)):
                where = f"step {step + 1}, pass {epoch + 1}, minibatch {number + 1}"
                for key, value in self._minibatch(rollout, [batches[i] for i in places], where):
                    seen.setdefault(key, []).append(value)
        return {key: sum(values) / len(values) for key, values in seen.items()}

    def _minibatch(self, rollout: Rollout, batches: list[MicroBatch], where: str
                   ) -> Iterator[tuple[str, float]]:
        """One optimiser step; yields (metric, value) pairs."""
        learning = TRAINED[self.state.global_step < self.args.value_warmup_steps:]
        tokens = sum(float(batch.mask.sum()) for batch in batches)
        total: dict[str, float] = {}
        for role in learning:
            # Forward and backward before the next switch: see the head of bank.py.
            with self.bank.role(role):
                for batch in batches:
                    share = float(batch.mask.sum()) / max(1.0, tokens)
                    with self.accelerator.autocast():
                        loss, watched = self.loss(role, rollout, batch)
                    if not torch.isfinite(loss):
                        raise PPOError(f"{where}: the {role} loss is {loss.item()}. The last "
                                       f"checkpoint is whole: go on from it with a lower "
                                       f"learning rate.")
                    self.accelerator.backward(loss * share)
                    for key, value in watched.items():
                        total[key] = total.get(key, 0.0) + value.item() * share
        self.accelerator.unscale_gradients()
        for role in learning:
            weights = self.bank.parameters_of(role)
            if self.accelerator.num_processes > 1:
                for weight in weights:
                    weight.grad = self.accelerator.reduce(weight.grad, "mean")
            norm = torch.nn.utils.clip_grad_norm_(weights, self.args.max_grad_norm)
            total[f"grad_norm/{role}"] = norm.item()
        self.optimizer.step()
        self.optimizer.zero_grad()
        yield from total.items()

    def loss(self, role: str, rollout: Rollout, batch: MicroBatch
             ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the active role, a mean over the batch's tokens, and its metrics."""
        now, mask = self.collector.opinion(role, batch)[0], batch.mask
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
        """What the rollout was like; adapts kl_coef where a target is set."""
        mask = rollout.mask
        kl = float(((rollout.logp - rollout.ref_logp) * mask).sum(1).mean())
        used = self.kl_coef
        if self.args.target_kl:  # Ziegler et al. 2019, arXiv:1909.08593, section 2.2
            self.kl_coef *= 1 + 0.1 * max(-0.2, min(0.2, kl / self.args.target_kl - 1))
        score = float(rollout.scores.mean())
        return {
            "objective/kl": kl, "objective/kl_coef": used, "objective/scores": score,
            "objective/non_score_reward": -used * kl, "objective/rlhf_reward": score - used * kl,
            "policy/entropy_avg": float(losses.masked_mean(rollout.entropy, mask)),
            "val/explained_variance": losses.explained_variance(
                rollout.values, rollout.returns, mask),
            "val/error": float(losses.masked_mean((rollout.values - rollout.returns).abs(), mask)),
            "completions/mean_length": float(mask.sum(1).mean()),
            "completions/clipped_ratio": float(rollout.truncated.float().mean()),
            **{f"rewards/{key}/mean": float(part.mean()) for key, part in rollout.parts.items()},
            "learning_rate": self.scheduler.get_last_lr()[0],
        }

    def evaluate(self, seed: int = 0) -> dict[str, float]:
        """Mean score and its parts on `eval_dataset`, one sampled completion a row."""
        rollout = self.collector.sample(self.eval_rows, seed)
        return {"eval/reward": float(rollout.scores.mean())} | {
            f"eval/rewards/{key}/mean": float(part.mean()) for key, part in rollout.parts.items()}

    def save_model(self, folder: str | Path) -> None:
        """The policy's adapter as a peft folder, which loads onto the base."""
        self.bank.save("policy", folder)

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            checkpoints.write(Path(self.args.output_dir), self.state.global_step, {
                "weights": self.bank.trained(), "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(), "kl_coef": self.kl_coef,
                "scale": self.collector.scale}, keep=self.args.save_total_limit)

    def _load(self, folder: Path) -> None:
        self.state.global_step, saved = checkpoints.read(folder)
        for name, weight in self.bank.trained().items():
            weight.copy_(saved["weights"][name])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        self.kl_coef, self.collector.scale = saved["kl_coef"], saved["scale"]
