"""What a training loop of our own has in common with transformers' Trainer: callbacks, logs,
checkpoints, and going on from one as if nothing had happened."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from transformers import (
    DefaultFlowCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    get_scheduler,
)
from transformers.integrations import get_reporting_integration_callbacks
from transformers.trainer_callback import CallbackHandler, ProgressCallback

from helpers import checkpoints
from helpers.rewards import RewardError


class TrainingError(RuntimeError):
    """Training cannot go on: one line with what happened, where, and what to do."""


class EmptyTextError(ValueError):
    """A prompt or a completion of no tokens: which one."""


def generator(seed: int, *place: int) -> torch.Generator:
    """A generator of its own for one place of a run: a resumed run draws the same."""
    for part in place:
        seed = seed * 1_000_003 + part
    return torch.Generator().manual_seed(seed % 2**63)


class TrainingLoop:
    """Runs `training_step` to `args.max_steps`; a subclass says what a step does.

    `kept` (named objects with state_dict and load_state_dict) and `memory` (plain numbers by name)
    are what a checkpoint holds beside `weights`, a function that gives tensors by name. Every step
    has a seed of its own, so that dropout after a resume is what it would have been.
    """

    def __init__(self, args: TrainingArguments, model: nn.Module, processing_class,
                 optimizer, weights, callbacks: Sequence = ()):
        self.args, self.model = args, model
        kind = "bf16" if args.bf16 else "fp16" if args.fp16 else "no"
        self.accelerator = Accelerator(cpu=args.use_cpu, mixed_precision=kind)
        self.scheduler = get_scheduler(args.lr_scheduler_type, optimizer,
                                       args.get_warmup_steps(args.max_steps), args.max_steps)
        self.optimizer = self.accelerator.prepare(optimizer)
        self.weights, self.memory = weights, {}
        self.kept = {"optimizer": self.optimizer, "scheduler": self.scheduler}
        if self.accelerator.scaler:  # float16 only: it finds its scale by steps that it skips
            self.kept["scaler"] = self.accelerator.scaler
        self.updated = False  # whether the optimiser has moved anything since the scheduler has
        main = self.accelerator.is_main_process
        self.state = TrainerState(max_steps=args.max_steps, is_world_process_zero=main,
                                  is_local_process_zero=main, logging_steps=args.logging_steps,
                                  save_steps=args.save_steps)
        self.control = TrainerControl()
        shown = [] if args.disable_tqdm else [ProgressCallback()]
        shown += [one() for one in get_reporting_integration_callbacks(args.report_to)]
        self.callbacks = CallbackHandler([DefaultFlowCallback(), *shown, *callbacks], model,
                                         processing_class, self.optimizer, self.scheduler)

    def training_step(self, step: int) -> dict[str, float]:
        """Step number `step`, counted from 0; returns its metrics."""
        raise NotImplementedError

    def train(self, resume_from_checkpoint: str | Path | None = None) -> TrainerState:
        """Run to `args.max_steps`, from the start or from a checkpoint."""
        if resume_from_checkpoint:
            self._load(Path(resume_from_checkpoint))
        told = (self.args, self.state, self.control)
        self.control = self.callbacks.on_train_begin(*told)
        while self.state.global_step < self.args.max_steps:
            place = (self.state.global_step, self.accelerator.process_index, 1)
            torch.manual_seed(generator(self.args.seed, *place).initial_seed())
            try:
                metrics = self.training_step(self.state.global_step)
            except (RewardError, EmptyTextError) as error:
                raise type(error)(f"step {self.state.global_step + 1}: {error}") from error
            metrics["learning_rate"] = self.scheduler.get_last_lr()[0]
            if self.updated:
                self.scheduler.step()
            self.updated = False
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

    def everywhere(self, metrics: dict[str, float]) -> dict[str, float]:
        """Their means over all processes that know them (NaN: it does not); all must come with the
        same names in the same order."""
        values = torch.tensor(list(metrics.values()), dtype=torch.float64,
                              device=self.accelerator.device)
        known = ~values.isnan()
        total = self.accelerator.reduce(values.where(known, 0.0), "sum")
        means = total / self.accelerator.reduce(known.double(), "sum")
        return dict(zip(metrics, means.tolist(), strict=True))

    def anywhere(self, here: bool) -> bool:
        """Whether it is so in any process."""
        told = torch.tensor(float(here), device=self.accelerator.device)
        return bool(self.accelerator.reduce(told, "sum") > 0)

    def shuffled(self, rows: int, count: int, step: int) -> list[int]:
        """The `count` places that this process takes in a step, of endless shuffled passes over
        `rows` rows."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        found, orders, seed = [], {}, self.args.seed
        for place in range((step * world + rank) * count, (step * world + rank + 1) * count):
            lap, place = divmod(place, rows)
            if lap not in orders:
                orders[lap] = torch.randperm(rows, generator=generator(seed, lap, 0)).tolist()
            found.append(orders[lap][place])
        return found

    def update(self, weights: dict[str, list[nn.Parameter]]) -> dict[str, float]:
        """One step of the optimiser: gradients averaged over all processes, clipped for each name
        alone; returns their norms before. In float16 a step with a gradient that overflowed is
        skipped, with a lower scale for the next; else it is a TrainingError, and nothing moves."""
        if self.accelerator.num_processes > 1:
            for weight in (one for group in weights.values() for one in group):
                weight.grad = self.accelerator.reduce(weight.grad, "mean")
        self.accelerator.unscale_gradients()  # on the mean, so that all skip a step or none does
        norms = {name: nn.utils.clip_grad_norm_(group, self.args.max_grad_norm).item()
                 for name, group in weights.items()}
        bad = {name: norm for name, norm in norms.items() if not math.isfinite(norm)}
        if bad and not self.accelerator.scaler:
            self.optimizer.zero_grad()
            raise TrainingError(
                f"step {self.state.global_step + 1}: the gradient of {next(iter(bad))} has norm "
                f"{next(iter(bad.values()))}. The last checkpoint is whole: go on from it with a "
                "lower learning rate.")
        self.optimizer.step()
        # Not `step_was_skipped`: a fused optimiser skips inside its kernel and does not tell.
        self.updated |= not bad
        self.optimizer.zero_grad()
        return norms

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            states = {name: thing.state_dict() for name, thing in self.kept.items()}
            checkpoints.write(Path(self.args.output_dir), self.state.global_step,
                              {"weights": self.weights(), "memory": self.memory, **states},
                              keep=self.args.save_total_limit)

    def _load(self, folder: Path) -> None:
        self.state.global_step, saved = checkpoints.read(folder)
        for name, weight in self.weights().items():
            weight.copy_(saved["weights"][name])
        for name, thing in self.kept.items():
            if name != "scaler" or name in saved:  # once it was not kept: it then starts anew
                thing.load_state_dict(saved[name])
        self.memory.update(saved["memory"])
