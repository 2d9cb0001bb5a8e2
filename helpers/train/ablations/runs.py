"""One short run of a variant, and the queue of them: a line of JSON for each that is finished.

What is finished is not run again, and a line that a kill has cut in two counts for nothing.
"""

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from helpers import evaluate, models
from helpers.artifacts import Stage
from helpers.config import Course
from helpers.merging import merged_where_exact
from helpers.prompts import fitting_prompts
from helpers.rewards import answer_reward, reward_functions
from helpers.track import Track
from helpers.train.ablations.variants import START, VARIANTS, Variant
from helpers.train.ablations.watched import MeanCritic, WatchedGroups
from helpers.train.methods import GRPO, PPO
from helpers.train.ppo import PPOTrainer

# The trainer's metric -> a curve of the record. Several of one name are added up: a token is
# clipped on one side at most.
CURVES = {
    "reward": "reward", "objective/scores": "reward", "entropy": "entropy",
    "policy/entropy_avg": "entropy", "watched/kl": "kl", "objective/kl": "kl_answer",
    "watched/moved": "moved", "watched/outside": "outside",
    "frac_reward_zero_std": "silent", "clip_ratio/low_mean": "clipped",
    "clip_ratio/high_mean": "clipped", "cispo_clip_ratio": "clipped",
    "policy/clipfrac_avg": "outside", "val/explained_variance": "explained",
    "rewards/reward_model/mean": "judge",
}  # fmt: skip


def curves(log: Sequence[Mapping], course: Course) -> dict[str, list[float | None]]:
    """The record's curves, rounded, one value a step, None where it was not known; of a trainer's
    log. "right" is the reward that checks the answer, whatever pays."""
    rows = [row for row in log if row.keys() & {"reward", "objective/scores"}]
    names = CURVES | {f"rewards/{answer_reward(course)}/mean": "right"}
    found: dict[str, list[float | None]] = {"step": [int(row["step"]) for row in rows]}
    for name in dict.fromkeys(names.values()):
        keys = [key for key in names if names[key] == name and any(key in row for row in rows)]
        if keys:
            found[name] = [_short(*(row.get(key) for key in keys)) for row in rows]
    return found


def _short(*parts: float | None) -> float | None:
    """Their sum to four digits that count; None where one is missing or no number."""
    known = [part for part in parts if part is not None and np.isfinite(part)]
    return float(f"{sum(known):.4g}") if len(known) == len(parts) else None


def measured(model, tokenizer, course: Course, track: Track) -> dict:
    """What a model does on validation: the scores, and each problem's verdicts, so that two models
    can be compared in pairs: "right", samples that are, a digit a problem; "greedy_right", 0/1."""
    asked: Any = track.problems("validation")  # Records are of problems here
    problems, _ = fitting_prompts(asked, course, tokenizer)
    rows = evaluate.measure(model, tokenizer, problems, course, seed=0)
    score = evaluate.score(rows)
    return {
        **{
            name: score[name]
            for name in ("pass@1", "greedy", "mean_tokens", "distinct", "samples", "n")
        },
        "right": "".join(str(sum(row["strict"])) for row in rows),
        "greedy_right": "".join(str(int(row["greedy"]["strict"])) for row in rows),
    }


def train(
    variant: Variant,
    seed: int,
    sft: Path,
    judge: Path | None = None,
    small: Mapping[str, Mapping] = MappingProxyType({}),
) -> dict:
    """A run from the merged model at `sft`: its curves, and what it does on validation. judge: the
    adapter of a reward model (PPO); small: settings for a trial, by section."""
    course = variant.course(seed=seed, small=small)
    track, tokenizer = Track(course), models.load_tokenizer(course, sft)
    asked: Any = track.problems("train")  # Records are of problems here
    problems, _ = track.judged(fitting_prompts(asked, course, tokenizer)[0])
    functions, weights = reward_functions(course)
    started = time.time()
    with tempfile.TemporaryDirectory() as folder:
        if variant.section == "grpo":
            wanted = course.grpo.max_steps * course.grpo.prompts_per_step
            order = np.random.default_rng(seed)
            places = np.concatenate(
                [order.permutation(len(problems)) for _ in range(-(-wanted // len(problems)))]
            )[:wanted]
            rows = [
                {"prompt": track.prompt(problems[place]), **track.columns(problems[place])}
                for place in places
            ]
            args = GRPO.arguments(course, folder, save_strategy="no", num_iterations=variant.uses)
            trainer = GRPO.trainer(
                course,
                args,
                Dataset.from_list(rows),
                tokenizer,
                start=sft,
                reward_funcs=functions,
                kind=WatchedGroups,
            )
            trainer.against = variant.against
        else:
            args = PPO.arguments(course, folder, save_strategy="no")
            trainer = PPO.trainer(
                course,
                args,
                [track.row(tokenizer, one) for one in problems],
                tokenizer,
                start=sft,
                judge=judge,
                reward_funcs=functions,
                reward_weights=weights,
                kind=PPOTrainer if variant.critic else MeanCritic,
            )
        trainer.train()
    minutes = (time.time() - started) / 60
    with torch.no_grad():
        found = _held_out(trainer, tokenizer, course, track)
    return {
        "name": variant.name,
        "seed": seed,
        "curves": curves(trainer.state.log_history, course),
        "held_out": found,
        "answers": variant.answers(small),
        "minutes": round(minutes, 2),
    }


def _held_out(trainer, tokenizer, course: Course, track: Track) -> dict:
    """`measured` of what a trainer has trained."""
    trainer.model.eval()
    if isinstance(trainer, PPOTrainer):
        with trainer.bank.role("policy"):
            return measured(trainer.bank.model, tokenizer, course, track)
    with merged_where_exact(trainer.model) as policy:
        return measured(policy, tokenizer, course, track)


def untrained(seed: int, sft: Path, small: Mapping[str, Mapping] = MappingProxyType({})) -> dict:
    """The model that all start from, measured as they are."""
    course = VARIANTS["grpo"].course(seed=seed, small=small)
    tokenizer = models.load_tokenizer(course, sft)
    found = measured(models.load_model(sft, course), tokenizer, course, Track(course))
    return {
        "name": START,
        "seed": seed,
        "curves": {},
        "held_out": found,
        "answers": 0,
        "minutes": 0.0,
    }


def finished(path: Path, sft: str) -> dict[tuple[str, int], dict]:
    """The runs at `path` that started from this `sft` (its run_id), by (name, seed), the last of
    each; a line that is no whole run is left out."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            run = json.loads(line)
            key = run["name"], run["seed"]
        except (ValueError, TypeError, KeyError):
            continue  # a kill has cut it in two
        if run.get("sft") == sft:
            found[key] = run
    return found


def run(
    wanted: Sequence[tuple[str, int]],
    sft: Stage,
    judge: Stage | None,
    path: Path,
    small: Mapping[str, Mapping] = MappingProxyType({}),
    said: Callable[[str], None] = print,
) -> None:
    """Trains what of (name, seed) is not finished at `path`, one after the other, and adds a line
    for each as soon as it is. A run whose plan has changed since is made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and not path.read_bytes().endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")  # after the half line of a run that was killed
    for number, (name, seed) in enumerate(wanted, start=1):
        plan = VARIANTS["grpo" if name == START else name].plan(seed, small)
        if finished(path, sft.run_id).get((name, seed), {}).get("plan") == plan:
            continue
        merged = sft.path / "model"
        one = (
            untrained(seed, merged, small)
            if name == START
            else train(
                VARIANTS[name], seed, merged, judge.path / "adapter" if judge else None, small
            )
        )
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one | {"sft": sft.run_id, "plan": plan}) + "\n")
        said(
            f"{number} of {len(wanted)}: {name}, seed {seed}: {one['minutes']:.1f} minutes, "
            f"held out {one['held_out']['pass@1']:.1%}, greedy {one['held_out']['greedy']:.1%}"
        )
