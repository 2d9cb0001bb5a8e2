"""Samples completions, has them scored, and asks every role about them."""

from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import TrainerState

from helpers import losses, sampling
from helpers.prompts import encode_prompts
from helpers.rewards import add_up
from helpers.train.loop import TrainingError
from helpers.train.ppo.bank import AdapterBank
from helpers.train.ppo.config import PPOConfig
from helpers.train.ppo.rollout import Rollout, known, numbers, written
from helpers.train.rows import MicroBatch


class PPOError(TrainingError):
    """PPO cannot go on."""


class Collector:
    """Makes rollouts. A score is the sum of `reward_funcs` (TRL's signature) by `reward_weights`,
    plus `args.reward_model_weight` times the bank's reward model, if it has one, brought to mean 0
    and deviation 1 on the first rollout with verdicts (kept in `memory["scale"]`). A completion of
    which a reward function says None has no score and is left out of everything."""

    def __init__(self, bank: AdapterBank, args: PPOConfig, tokenizer, accelerator: Accelerator,
                 rewards: tuple[Sequence[Callable], Sequence[float]], state: TrainerState,
                 memory: dict):
        self.bank, self.args, self.tokenizer, self.rewards = bank, args, tokenizer, rewards
        self.accelerator, self.device = accelerator, next(bank.parameters()).device
        self.state, self.memory = state, memory

    def encode(self, rows: Sequence[dict]) -> list[dict]:
        """The rows with "ids", their prompts' tokens; a prompt over the limit is an error."""
        ids = encode_prompts(self.tokenizer, [row["prompt"] for row in rows],
                             self.args.max_prompt_length)
        return [{**row, "ids": one} for row, one in zip(rows, ids, strict=True)]

    def sample(self, rows: Sequence[dict], seed: int) -> Rollout:
        """One completion for each row, scored."""
        args = self.args
        with self.bank.writing() as policy, self.accelerator.autocast():
            groups = sampling.generate(
                policy, self.tokenizer, [row["prompt"] for row in rows], seed=seed,
                temperature=args.temperature, top_p=args.top_p,
                max_new_tokens=args.max_completion_length, batch_size=args.generation_batch_size)
        rollout = written([row["ids"] for row in rows], [group[0] for group in groups])
        columns = {key: [row[key] for row in rows] for key in rows[0] if key != "ids"}
        self.score(rollout, columns | {"prompts": columns.pop("prompt")})
        return rollout

    @property
    def has_scale(self) -> bool:
        """Whether it is settled what the reward model's scores count; so it is without one."""
        judged = "reward" in self.bank.roles and self.args.reward_model_weight
        return not judged or "scale" in self.memory

    def score(self, rollout: Rollout, columns: dict[str, list]) -> None:
        """scores and parts, and zeros as the mask of a completion without a verdict (None)."""
        totals, parts = add_up(*self.rewards, rollout.texts, completion_ids=rollout.completions,
                               truncated=rollout.truncated.tolist(), trainer_state=self.state,
                               **columns)
        rollout.parts = {name: numbers(paid) for name, paid in parts.items()}
        rollout.mask[[total is None for total in totals]] = 0
        rollout.scores = torch.tensor([total or 0.0 for total in totals])
        rollout.scores -= self.args.missing_eos_penalty * rollout.truncated.float()
        if "reward" in self.bank.roles and self.args.reward_model_weight:
            learned = self.forward_all("reward", rollout)[0][:, 0]
            learned[~rollout.judged] = torch.nan
            rollout.parts["reward_model"] = learned
            mean, deviation = self._scale(learned)
            rollout.scores += self.args.reward_model_weight * (learned - mean) / deviation
        rollout.scores[~rollout.judged] = 0.0

    def _scale(self, learned: Tensor) -> tuple[float, float]:
        """Mean and deviation of the reward model's first scores, in all processes together; two
        verdicts are needed, and until then what the reward model says counts nothing."""
        if "scale" not in self.memory:
            first = known(self.accelerator.gather(learned.to(self.device)))
            if len(first) < 2:
                return 0.0, torch.inf
            self.memory["scale"] = [float(first.mean()), float(first.std()) + 1e-8]
        return tuple(self.memory["scale"])

    def batches(self, rollout: Rollout) -> list[MicroBatch]:
        """What is read in one pass each, all rows of it: as the first epoch will read them."""
        if self.args.rows_at_once in (None, self.args.micro_batch_size):
            return rollout.micro_batches(self.args.micro_batch_size, self.device)
        dealt = rollout.minibatches(self.args, self.state.global_step, 1, self.device)
        return [batch for minibatch in dealt for batch in minibatch]

    def forward(self, role: str, batch: MicroBatch) -> list[Tensor]:
        """The active role's forward pass on a micro-batch, (b, t) each: log-probabilities (the
        policy's with entropy, but not in learning), or values; (b, 1): the reward's score, of its
        head or as mean log-probability."""
        if role in self.bank.heads:
            places = batch.last if role == "reward" else batch.places
            return [self.bank.numbers(role, batch.ids, places)]
        temperature = 1.0 if role == "reward" else self.args.temperature
        said = self.bank.logprobs(batch.ids, batch.places, batch.targets, temperature,
                                  role == "policy" and not torch.is_grad_enabled())
        return [losses.masked_mean(said[0], batch.mask, 1)[:, None]] if role == "reward" else said

    @torch.no_grad()
    def forward_all(self, role: str, rollout: Rollout) -> list[Tensor]:
        """A role's forward pass over all completions, (B, T) each, 0 on padding."""
        batches = self.batches(rollout)
        with self.bank.role(role), self.accelerator.autocast():
            said = [self.forward(role, batch) for batch in batches]
        tables = [torch.zeros_like(rollout.mask) for _ in said[0]]
        for batch, parts in zip(batches, said, strict=True):  # last: it waits for the GPU
            for table, part in zip(tables, parts, strict=True):
                batch.into(table, part)
        return tables
