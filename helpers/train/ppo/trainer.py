"""The trainer of PPO: what its steps (`step`) need, and what comes of them.

Every random choice follows from the seed and the number of the step, so a resumed run makes the
same ones. Metrics have the names of TRL's trainers.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from helpers.train.adapters import save_adapter
from helpers.train.ppo.bank import AdapterBank
from helpers.train.ppo.collect import Collector
from helpers.train.ppo.config import PPOConfig
from helpers.train.ppo.rollout import known_mean
from helpers.train.ppo.step import PPOStep


class PPOTrainer(PPOStep):
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
        """The step, after which `kl_coef` moves, if it has a target (Ziegler et al. 2019,
        arXiv:1909.08593, section 2.2)."""
        metrics, target = super().training_step(step), self.args.target_kl
        if target and not math.isnan(metrics["objective/kl"]):
            error = max(-0.2, min(0.2, metrics["objective/kl"] / target - 1))
            self.memory["kl_coef"] *= 1 + 0.1 * error
        return metrics

    def evaluate(self, seed: int = 0) -> dict[str, float]:
        """Mean score and its parts on `eval_dataset`, one sampled completion a row; a row without a
        verdict is left out, and without any the means are NaN."""
        rollout = self.collector.sample(self.eval_rows, seed)
        return {"eval/reward": rollout.mean(rollout.scores)} | {
            f"eval/rewards/{key}/mean": known_mean(part) for key, part in rollout.parts.items()}

    def save_model(self, folder: str | Path) -> None:
        """The policy's adapter as a peft folder, which loads onto the base."""
        save_adapter(self.bank.model, "policy", folder)
