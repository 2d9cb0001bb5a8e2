"""Validation while GRPO trains: what greedy answers to held-out problems are paid, how many are
right, and the adapter that was best.

Every `grpo.eval_steps` steps, and after the last one, the policy answers the validation problems
once, greedily. `eval_reward` (the weighted sum of the course's rewards, a mean over problems) and
`eval_right` (strict) go into the run's curve beside the training reward. With `grpo.keep_best` the
adapter of the highest `eval_reward` (the first of equals) is what the run leaves.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import TrainerCallback

from helpers import rewards, sampling
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.files import read_json, remove, write_json
from helpers.track import Track
from helpers.train.adapters import read_adapter, save_adapter
from helpers.train.ppo.rollout import numbers
from helpers.train.tracking import CourseCallback

BEST = "best.json"  # in an adapter's folder: its step and reward


def watching(course: Course, live: CourseCallback, problems: Sequence[Problem], rows: int
             ) -> list[TrainerCallback]:
    """The callbacks that the settings of `grpo` ask for, none by default. live: writes the curve,
    and must stand before them; problems: of the validation split; rows: training problems."""
    found: list[TrainerCallback] = []
    if course.grpo.eval_steps:
        found.append(Validation(live, problems, course))
    if course.grpo.save_passes:
        found.append(SavePasses(rows, course.grpo.prompts_per_step))
    return found


class SavePasses(TrainerCallback):
    """A checkpoint after the step in which a pass over the problems ends."""

    def __init__(self, rows: int, prompts_per_step: int):
        self.rows, self.prompts = rows, prompts_per_step

    def on_step_end(self, args, state, control, **kwargs):
        before, now = ((state.global_step + back) * self.prompts // self.rows for back in (-1, 0))
        if now > before:
            control.should_save = True


class Validation(TrainerCallback):
    """Measures the policy on `problems` and remembers where it was best.

    Every adapter that was the best so far stays beside the checkpoints, in `best-<step>`: a run
    that is resumed from before the last of them goes on with the one it had then.
    """

    def __init__(self, live: CourseCallback, problems: Sequence[Problem], course: Course):
        self.live, self.problems, self.course = live, problems, course
        self.track, self.every = Track(course), course.grpo.eval_steps
        self.best: dict | None = None  # {"step", "eval_reward"}

    def folder(self, step: int) -> Path:
        """Where the adapter of a step is, if it was the best so far."""
        return Path(self.live.stage.checkpoints) / f"best-{step}"

    def on_train_begin(self, args, state, control, **kwargs):
        """After a stop: the best so far, without those of steps that are trained again."""
        self.best = None
        for folder in Path(self.live.stage.checkpoints).glob("best-*"):
            told = folder / BEST
            noted = read_json(told) if told.is_file() else {"step": math.inf}
            if noted["step"] > state.global_step:
                remove(folder)
            elif self.best is None or noted["step"] > self.best["step"]:
                self.best = noted

    def on_step_end(self, args, state, control, model=None, processing_class=None, **kwargs):
        """Measure, if it is due; keep the adapter if it is the best so far."""
        step = state.global_step
        if step % self.every and step < state.max_steps:
            return
        logs = measured(model, processing_class, self.track, self.problems)
        self.live.on_log(args, state, control, logs=logs)
        if not state.is_world_process_zero or not self.course.grpo.keep_best:
            return
        if self.best is None or logs["eval_reward"] > self.best["eval_reward"]:
            self.best = {"step": step, "eval_reward": logs["eval_reward"]}
            save_adapter(model, "default", self.folder(step))
            write_json(self.folder(step) / BEST, self.best)

    def on_train_end(self, args, state, control, model=None, **kwargs):
        """The best adapter in the place of the last one."""
        if self.best and self.best["step"] < state.global_step:
            folder = self.folder(self.best["step"])
            read_adapter(folder, model.get_base_model()).onto(model)


@torch.no_grad()
def measured(model, tokenizer, track: Track, problems: Sequence[Problem]) -> dict[str, float]:
    """{"eval_reward", "eval_right"}: means over one greedy answer to each problem. Where no
    reward can judge the reference, the problem is in neither."""
    course = track.course
    texts = [track.text(tokenizer, problem) for problem in problems]
    groups = sampling.generate(
        model, tokenizer, texts, greedy=True, max_new_tokens=course.lengths.completion,
        batch_size=course.generation.batch_size, seed=course.seed)
    paid = [float(numbers(rewards.weighted_sum(course, **track.reward_inputs(*one))[0])[0])
            for one in zip(problems, groups, strict=True)]
    right = [track.verdicts(*one)["strict"][0] for one in zip(problems, groups, strict=True)]
    known = [place for place, reward in enumerate(paid) if not math.isnan(reward)]
    return {name: sum(values[place] for place in known) / max(1, len(known))
            for name, values in (("eval_reward", paid), ("eval_right", right))}
