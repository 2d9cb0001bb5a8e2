"""Answers to the same few problems, written again and again while a run learns, and recorded.

A training batch has other problems at every step, so nobody sees one answer change. These problems
stay the same: at step 0, after every `every` steps and at the end the policy answers them, and a
line of `rollouts.jsonl` keeps what it wrote, what that was paid, and how far each token is from the
reference. The answers are drawn for the record only; nothing is learned from them, and the run
draws what it would have drawn without them.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from helpers import losses, rewards, sampling
from helpers.artifacts import Stage
from helpers.data.problem import Problem
from helpers.files import atomic_write_text
from helpers.track import Track
from helpers.train.ppo.rollout import Rollout, numbers, written
from helpers.train.rows import Rows, logprobs

ROLLOUTS_FILE = "rollouts.jsonl"
BROKEN = "\ufffd"  # what stands for a character of which only some bytes are there


class RolloutRecorder(TrainerCallback):
    """Writes `rollouts.jsonl` into the stage's folder, one line a step and problem:

        {"step", "problem": {"id", "question", "answer", …}, "answers": [{"text", "pieces", "logp",
         "ref_logp", "truncated", "strict", "lenient", "reward", "parts", "advantage"}]}

    pieces, logp, ref_logp: one for each token, log-probabilities in nats by the policy of that step
    and by the reference, at the temperature of the run. reward: by the course's own functions and
    weights, None without a verdict. advantage: as GRPO would make it of this group; None for PPO,
    which has one for each token. PPO's answers have more, one for each token: values, what the
    critic forecast before it; and rewards and advantages (not whitened), as the trainer that is
    followed would learn from them, None where it would not.

    problems: a few; answers: how many each, a group. Only a run in one process is recorded.
    """

    def __init__(self, stage: Stage, problems: Sequence[Problem], every: int = 10,
                 answers: int = 6):
        self.stage, self.problems, self.every, self.answers = stage, problems, every, answers
        self.track, self.trainer = Track(stage.course), None

    def follow(self, trainer: Any) -> None:
        """Keep what this PPOTrainer, whose callback the recorder is, pays each token."""
        self.trainer = trainer

    @property
    def file(self) -> Path:
        """Where the lines are: it moves with the stage, which is finished elsewhere."""
        return Path(self.stage.path) / ROLLOUTS_FILE

    def on_train_begin(self, args, state, control, model=None, processing_class=None, **kwargs):
        """What the policy says untrained; after a stop, the lines up to where it goes on."""
        if not _alone(args, state):
            return
        kept = [line for line in _lines(self.file) if line["step"] <= state.global_step]
        kept = kept if state.global_step else []
        self.stage.writable()
        atomic_write_text(self.file, "".join(_as_line(line) for line in kept))
        if not state.global_step:
            self._record(0, args, model, processing_class)

    def on_step_end(self, args, state, control, model=None, processing_class=None, **kwargs):
        """One more look, if it is due."""
        last = state.global_step >= state.max_steps
        if _alone(args, state) and (last or not state.global_step % self.every):
            self._record(state.global_step, args, model, processing_class)

    def _record(self, step: int, args, model, tokenizer) -> None:
        rows = answered(model, tokenizer, self.track, self.problems, self.answers,
                        args.temperature, args.top_p, self.stage.course.seed, self.trainer)
        with self.file.open("a", encoding="utf-8") as file:
            file.writelines(_as_line({"step": step, **row}) for row in rows)


@torch.no_grad()
def answered(model, tokenizer, track: Track, problems: Sequence[Problem], answers: int,
             temperature: float = 1.0, top_p: float = 1.0, seed: int = 0,
             trainer: Any = None) -> list[dict]:
    """A line of the record for each problem, without its step. model: a PeftModel whose reference
    is the model without its adapter, or an AdapterBank of PPO, whose `trainer` says what a token is
    paid."""
    course, bank = track.course, hasattr(model, "roles")
    inner = model.model if bank else model
    texts = [track.text(tokenizer, problem) for problem in problems]
    with _role(model, "policy"):
        groups = sampling.generate(inner, tokenizer, texts, answers, temperature, top_p,
                                   course.lengths.completion, seed)
    paid = [rewards.weighted_sum(course, **track.reward_inputs(*one))
            for one in zip(problems, groups, strict=True)]
    table = torch.stack([numbers(totals) for totals, _ in paid])  # (P, G)
    advantages = None if bank else losses.group_advantages(table, course.grpo.scale_rewards)
    rows = []
    for place, (problem, group) in enumerate(zip(problems, groups, strict=True)):
        ids = tokenizer(texts[place], add_special_tokens=False)["input_ids"]
        said = Rows([ids] * len(group), [list(one.ids) for one in group], inner.device)
        known = {}
        for name, role in (("logp", "policy"), ("ref_logp", "reference")):
            with _role(model, role):
                known[name] = logprobs(inner.get_base_model(), said.ids, said.places,
                                       said.targets, temperature)[0].cpu()
        if bank:
            with _role(model, "value"):
                known["values"] = model.numbers("value", said.ids, said.places).cpu()
            known |= {"rewards": None, "advantages": None}
        if bank and trainer and trainer.collector.has_scale:
            columns = {"prompts": texts[place], **track.columns(problem)}
            known |= token_credit(trainer, written([ids] * len(group), group),
                                  {key: [value] * len(group) for key, value in columns.items()},
                                  known)
        totals, parts = paid[place]
        verdicts = track.verdicts(problem, group)
        rows.append({
            "problem": {"id": problem.id, "question": problem.question, **track.columns(problem)},
            "answers": [{
                "text": one.text, "pieces": pieces(tokenizer, one.ids),
                **{name: _of_answer(table, at, len(one.ids)) for name, table in known.items()},
                "truncated": one.truncated, **{kind: v[at] for kind, v in verdicts.items()},
                "reward": totals[at], "parts": {name: v[at] for name, v in parts.items()},
                "advantage": None if advantages is None or totals[at] is None
                else round(float(advantages[place, at]), 4)}
                for at, one in enumerate(group)]})
    return rows


def token_credit(trainer: Any, rollout: Rollout, columns: dict[str, list],
                 known: dict[str, Tensor]) -> dict[str, Tensor]:
    """{"rewards", "advantages"} of each token, (G, T), as PPO's step makes them (its parts 3 and
    4, before whitening), NaN in an answer without a verdict. known: logp, ref_logp and values."""
    args = trainer.args
    trainer.collector.score(rollout, columns)
    logp, ref_logp, values = (known[name] * rollout.mask for name in ("logp", "ref_logp", "values"))
    kl = losses.kl_k1 if args.kl_estimator == "k1" else losses.kl_k3
    paid = losses.token_rewards(rollout.scores, logp, ref_logp, rollout.mask,
                                trainer.memory["kl_coef"], kl)
    advantages, _ = losses.gae(paid, values, rollout.mask, args.gamma, args.lam)
    return {name: table.masked_fill(~rollout.judged[:, None], torch.nan)
            for name, table in (("rewards", paid), ("advantages", advantages))}


def _of_answer(table: Tensor | None, at: int, tokens: int) -> list[float] | None:
    """Of one answer, for the record; None where it is not known."""
    if table is None or table[at].isnan().any():
        return None
    return [round(value, 3) + 0.0 for value in table[at][:tokens].tolist()]


def pieces(tokenizer, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text: nothing while a character is not whole, nor for an end."""
    found, before = [], ""
    for end in range(1, len(ids) + 1):
        now = tokenizer.decode(ids[:end], skip_special_tokens=True,
                               clean_up_tokenization_spaces=False)
        whole = not now.endswith(BROKEN) or end == len(ids)
        found.append(now[len(before):] if whole else "")
        before = now if whole else before
    return found


def _role(model, name: str) -> AbstractContextManager:
    if hasattr(model, "roles"):
        return model.role(name)
    return model.disable_adapter() if name == "reference" else nullcontext()


def _alone(args, state) -> bool:
    return state.is_world_process_zero and args.world_size == 1


def _lines(path: Path) -> list[dict]:
    """Every whole line; a last one that a stop cut in half is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def _as_line(row: dict) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
