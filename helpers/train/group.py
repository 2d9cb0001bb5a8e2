"""GRPO (Shao et al. 2024, arXiv:2402.03300) on one page: from prompts to moved weights.

Parts are numbered as the sections of notebook 07; metrics have TRL's names, shapes the letters of
`helpers.losses`: B = P * G answers of T tokens, b of t in a piece. From the paper departs:
a. Answers are used once (`num_iterations` 1): who wrote them is who learns, so every ratio is 1 and
   the clip waits. Used again, they keep the log-probabilities of the first pass.
b. No KL term unless `beta` asks for it: a reward that is checked needs no rein, and no reference.
c. Tokens are averaged as `loss_type` says; the paper's mean within each answer ("grpo") lets a
   token of a long answer count less (Yu et al. 2025, arXiv:2503.14476, section 3.3).
d. The deviation of a group divides by G - 1, and 1e-4 is added, as in TRL.
e. An answer without a verdict (a reward function says None), or cut off where
   `mask_truncated_completions` says so, is in no mean: not in its group's, not in the loss's.
f. An advantage of 0 has no gradient, so a piece without any other is read forwards only; a step of
   nothing else moves nothing, where momentum would. With `dynamic_sampling` groups of equal rewards
   are replaced by other prompts' (`train.drawn`); rewards are told of those drawn first.
g. A prompt is read once for its group, and equal answers once, counted as often (`train.shared`).
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor

from helpers import losses, sampling
from helpers.merging import merged_where_exact
from helpers.prompts import chat_text
from helpers.rewards import add_up
from helpers.train.adapters import save_adapter
from helpers.train.drawn import to_learn_from
from helpers.train.loop import TrainingError, TrainingLoop, generator
from helpers.train.ppo.rollout import Rollout, numbers, written
from helpers.train.shared import GroupBatch, group_batches, group_logprobs


class GroupTrainer(TrainingLoop):
    """Trains the adapter of `model`. args: TRL's GRPOConfig. train_dataset: rows, asked in their
    order, with "prompt" (a text or a conversation) and the columns that `reward_funcs` take."""

    def __init__(self, model: PeftModel, args, train_dataset: Sequence[dict], processing_class,
                 reward_funcs: Sequence[Callable], callbacks: Sequence = (), dynamic_sampling=0):
        self.clip = (args.loss_type, args.epsilon, args.epsilon_high or args.epsilon)
        losses.check_settings(args.loss_type, args.importance_sampling_level, self.clip[-1])
        trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
        optimizer = torch.optim.AdamW(
            trained.values(), lr=args.learning_rate, betas=(args.adam_beta1, args.adam_beta2),
            eps=args.adam_epsilon, weight_decay=args.weight_decay, fused=True)
        super().__init__(args, model, processing_class, optimizer, lambda: {
            name: one.detach() for name, one in trained.items()}, callbacks)
        self.tokenizer, self.reward_funcs = processing_class, list(reward_funcs)
        self.trained, self.device = list(trained.values()), model.device
        answers = args.per_device_train_batch_size * args.gradient_accumulation_steps
        self.prompts, self.dynamic_sampling = answers // args.num_generations, dynamic_sampling
        self.rows = [row | {"prompt": row["prompt"] if isinstance(row["prompt"], str) else
                            chat_text(processing_class, row["prompt"])} for row in train_dataset]

    def training_step(self, step: int) -> dict[str, float]:
        """Sections 1 to 4 on the next prompts; what section 5 and the curves look at."""
        started = time.monotonic()
        rows, answers = self.sample(step)
        answers, rewards, told = to_learn_from(self, step, answers, self.reward(rows, answers))
        answers.advantages = self.advantages(rewards).flatten()
        told = self.everywhere(told | self.learn(answers, step))
        return told | {"step_time": time.monotonic() - started}

    # 1. Groups: G answers to each of P prompts, drawn by the policy as it is, and their rewards.

    def sample(self, step: int, *others: int) -> tuple[list[dict], Rollout]:
        """The rows of P prompts (the next, or those at `others`), each G times, and B answers."""
        args, process = self.args, self.accelerator.process_index
        first = (step * self.accelerator.num_processes + process) * self.prompts
        rows = [self.rows[place % len(self.rows)]
                for place in others or range(first, first + self.prompts)]
        with self.accelerator.autocast(), merged_where_exact(self.model) as policy:
            [groups] = sampling.generate_each(
                policy, self.tokenizer, [row["prompt"] for row in rows],
                [(args.temperature, args.top_p)], args.num_generations, args.max_completion_length,
                generator(args.seed, step, process, *others).initial_seed(),
                args.generation_batch_size)
        rows = [row for row in rows for _ in range(args.num_generations)]
        ids = self.tokenizer([row["prompt"] for row in rows], add_special_tokens=False)["input_ids"]
        return rows, written(ids, [one for group in groups for one in group])

    def reward(self, rows: list[dict], answers: Rollout) -> Tensor:
        """What the functions pay, added up by their weights: (P, G), NaN where an answer is left
        out; puts scores, parts and mask into `answers`."""
        columns = {key: [row[key] for row in rows] for key in rows[0] if key != "prompt"}
        totals, parts = add_up(
            self.reward_funcs, self.args.reward_weights or [1.0] * len(self.reward_funcs),
            [*answers.texts], prompts=[row["prompt"] for row in rows], trainer_state=self.state,
            completion_ids=answers.completions, truncated=answers.truncated.tolist(), **columns)
        answers.parts = {name: numbers(part) for name, part in parts.items()}
        answers.scores = numbers(totals)
        if self.args.mask_truncated_completions:
            answers.scores[answers.truncated] = math.nan
        answers.mask[answers.scores.isnan()] = 0
        return answers.scores.view(-1, self.args.num_generations)

    # 2. Advantages; and what of 3 a relative of GRPO replaces (`train.rloo`).

    def advantages(self, rewards: Tensor) -> Tensor:
        """How much better than its group an answer was: (P, G) of rewards (P, G)."""
        return losses.group_advantages(rewards, self.args.scale_rewards)

    def token_loss(self, logp: Tensor, log_ratios: Tensor, advantages: Tensor) -> Tensor:
        """What a token loses before the mean is taken: (b, t) of (b, t), (b, t) and (b,)."""
        return losses.policy_token_loss(logp, log_ratios, advantages, *self.clip)

    def token_weights(self, mask: Tensor, tokens: float) -> Tensor:
        """(B, T): what a token counts in that mean; tokens: those of the step, in one process."""
        return losses.token_weights(mask, self.args.loss_type, self.args.max_completion_length,
                                    tokens)

    # 3. The loss, piece by piece; 4. the step of the optimiser.

    def learn(self, answers: Rollout, step: int) -> dict[str, float]:
        """`num_iterations` passes over the answers, a step of the optimiser each."""
        args, old, seen = self.args, torch.zeros_like(answers.mask), {}
        tokens = self.accelerator.reduce(answers.mask.sum().to(self.device), "mean")
        weights = self.token_weights(answers.mask, float(tokens))
        batches = group_batches(answers, args.per_device_train_batch_size, self.device)
        for again in range(args.num_iterations):
            told = [self.backward(answers, batch, batch.copies * batch.of(weights), old, again)
                    for batch in batches]
            seen = {key: sum(float(one[key]) for one in told) for key in told[0]}
            if not math.isfinite(seen["loss"]):
                raise TrainingError(f"step {step + 1}: the loss is {seen['loss']}. The last check"
                                    "point is whole: go on from it with a lower learning rate.")
            if self.anywhere(any(one.grad is not None and one.grad.any() for one in self.trained)):
                seen["grad_norm"] = self.update({"policy": self.trained})["policy"]
        return {"grad_norm": 0.0} | seen

    def backward(self, answers: Rollout, batch: GroupBatch, weights: Tensor, old: Tensor,
                 again: int) -> dict[str, Tensor]:
        """Adds a piece's gradient; its share of the loss and of the means over tokens. weights
        (b, t): what each token counts; old (B, T): the writer's log-probabilities."""
        args, advantages = self.args, answers.advantages[batch.rows].to(self.device)
        policy, learning = self.model.get_base_model(), bool(advantages.any()) or args.beta > 0
        with self.accelerator.autocast(), torch.set_grad_enabled(learning):
            logp = group_logprobs(policy, batch, args.temperature)
            if not again:
                batch.into(old, logp.detach())
            before = batch.of(old) if again else logp.detach()
            log_ratios = losses.log_ratios(logp, before, batch.mask,
                                           args.importance_sampling_level)
            loss = self.token_loss(logp, log_ratios, advantages)
            if args.beta:
                with self.model.disable_adapter(), torch.no_grad():
                    reference = group_logprobs(policy, batch, args.temperature)
                kl = losses.kl_k3(logp, reference)
                weight = log_ratios.exp() if args.use_bias_correction_kl else 1
                loss = loss + args.beta * kl * weight
            loss = (loss * weights).sum()
        if learning:
            self.accelerator.backward(loss)
        # The mean of -log p over tokens that the policy drew estimates its entropy.
        told = {"entropy": -logp} | ({"kl": kl} if args.beta else {})
        told |= losses.clipped_tokens(log_ratios.detach(), advantages, *self.clip)
        share = batch.copies * batch.mask / answers.mask.sum().clamp(min=1)  # of all tokens
        return {"loss": loss.detach()} | {key: (one.detach() * share).sum()
                                          for key, one in told.items()}

    def save_model(self, folder: str | Path) -> None:
        """The adapter as a peft folder."""
        save_adapter(self.model, "default", folder)
