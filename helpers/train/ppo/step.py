"""PPO (Schulman et al. 2017, arXiv:1707.06347) on one page: a step, from prompts to moved weights.

As InstructGPT used it (Ouyang et al. 2022, arXiv:2203.02155):
1. The policy writes an answer a prompt; rules, and a reward model, score it (`collect`).
2. Each role reads all answers: the policy that wrote them, the reference, the critic.
3. A token is paid -kl_coef * KL, the last one the score as well (2203.02155, eq. 2).
4. GAE spreads that over the tokens (1506.02438, eq. 16); advantages are whitened over real tokens.
5. `num_ppo_epochs` passes, a step of the optimiser a minibatch: the clipped losses of the policy
   and of the critic, which has an adapter and a head of its own and learns alone at first.
"""

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from helpers import losses
from helpers.train.loop import TrainingLoop, generator
from helpers.train.ppo.bank import TRAINED, AdapterBank
from helpers.train.ppo.collect import Collector, PPOError
from helpers.train.ppo.rollout import Rollout, objective
from helpers.train.rows import MicroBatch


class PPOStep(TrainingLoop):
    """What `PPOTrainer` does in each step; it gives the bank, the collector and the rows."""
    bank: AdapterBank
    collector: Collector
    train_rows: list[dict]

    def training_step(self, step: int) -> dict[str, float]:
        """Parts 1 to 5 on the next prompts of endless shuffled passes; the metrics of the step."""
        started, rollout, written = time.monotonic(), self.roll_out(step), time.monotonic()
        told = self.learn(rollout) | objective(rollout, self.memory["kl_coef"])
        return self.everywhere(told) | {"time/rollout": written - started,
                                        "time/training": time.monotonic() - written}

    def roll_out(self, step: int) -> Rollout:
        """This process's experience of a step."""
        places = self.shuffled(len(self.train_rows), self.args.prompts_per_step, step)
        seed = generator(self.args.seed, step, self.accelerator.process_index).initial_seed()
        return self.experience([self.train_rows[place] for place in places], seed)

    def experience(self, rows: Sequence[dict], seed: int) -> Rollout:
        """Parts 1 to 4 on some rows: a rollout with everything that learning from it takes."""
        args, ask = self.args, self.collector.forward_all
        rollout = self.collector.sample(rows, seed)                                       # 1
        rollout.logp, rollout.entropy = ask("policy", rollout)                            # 2
        [rollout.ref_logp], [rollout.values] = ask("reference", rollout), ask("value", rollout)
        kl = losses.kl_k1 if args.kl_estimator == "k1" else losses.kl_k3
        rewards = losses.token_rewards(rollout.scores, rollout.logp, rollout.ref_logp,
                                       rollout.mask, self.memory["kl_coef"], kl)          # 3
        advantages, rollout.returns = losses.gae(rewards, rollout.values, rollout.mask,
                                                 args.gamma, args.lam)                    # 4
        rollout.advantages = losses.masked_whiten(advantages, rollout.mask)
        return rollout

    def learn(self, rollout: Rollout) -> dict[str, float]:
        """Part 5: all passes over one rollout; means of what was seen."""
        seen: dict[str, list[float]] = {}
        step = self.state.global_step
        for epoch in range(1, self.args.num_ppo_epochs + 1):
            dealt = rollout.minibatches(self.args, step, epoch, self.collector.device)
            for number, batches in enumerate(dealt, start=1):
                where = f"step {step + 1}, pass {epoch}, minibatch {number}"
                for key, value in self.minibatch(rollout, batches, where).items():
                    seen.setdefault(key, []).append(value)
        told = {key: [one for one in values if not math.isnan(one)] for key, values in seen.items()}
        return {key: sum(some) / len(some) if some else math.nan for key, some in told.items()}

    def minibatch(self, rollout: Rollout, batches: list[MicroBatch], where: str) -> dict:
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

    def backward(self, role: str, rollout: Rollout, batches: list[MicroBatch],
                 where: str = "") -> dict[str, float]:
        """Adds a role's gradients of one minibatch, micro-batches by their tokens; its metrics.
        Forward and backward before the next switch: see the head of bank.py."""
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
                               "go on from it with a lower learning rate.")
            told.append([value * (count / tokens) if tokens else math.nan for value in values])
        return dict(zip(watched, map(sum, zip(*told, strict=True)), strict=True))

    def loss(self, role: str, rollout: Rollout, batch: MicroBatch) -> tuple[Tensor, dict]:
        """The loss of the active role, a mean over the batch's tokens, and its metrics."""
        now, mask = self.collector.forward(role, batch)[0], batch.mask
        if role == "value":
            loss = losses.ppo_value_loss(now, batch.of(rollout.values), batch.of(rollout.returns),
                                         mask, self.args.cliprange_value)
            return loss, {"loss/value_avg": loss}
        old, change = batch.of(rollout.logp), now.detach() - batch.of(rollout.logp)
        loss = losses.ppo_policy_loss(now, old, batch.of(rollout.advantages), mask,
                                      self.args.cliprange)
        clipped = ((change.exp() - 1).abs() > self.args.cliprange).float()
        return loss, {"loss/policy_avg": loss} | {
            key: losses.masked_mean(value, mask) for key, value in [
                ("val/ratio", change.exp()), ("policy/approxkl_avg", change.square() / 2),
                ("policy/clipfrac_avg", clipped)]}
