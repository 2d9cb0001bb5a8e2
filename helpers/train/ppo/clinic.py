"""PPO gone wrong on purpose: one short run a mistake, recorded as curves for notebook 06.

    python -m helpers.train.ppo.clinic [--seed 0] [--steps 40]

Every run starts from the run's `sft` stage, is paid by rules alone, and differs from `healthy` in
what PATIENTS says. The rule of the task is always watched, also where it pays nothing: that is how
a reward which is being cheated is told from one which is earned.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from helpers import losses, models
from helpers.artifacts import Stage, find, hardware, versions
from helpers.config import ROOT, Course
from helpers.files import listing, read_json, remove, write_json
from helpers.prompts import fitting_prompts
from helpers.rewards import answer_reward, reward_functions
from helpers.track import Track
from helpers.train.methods import PPO
from helpers.train.ppo import PPOTrainer

FOLDER = ROOT / "data" / "recorded" / "ppo"
CURVES = {"objective/scores": "paid", "objective/kl": "kl", "completions/mean_length": "length",
          "policy/entropy_avg": "entropy", "policy/clipfrac_avg": "clipped"}
PATIENTS = {  # what pays, settings that differ, and in words; "padding" also has a trainer
    "healthy": ("answer", {}, "paid for right answers"),
    "padding": ("answer", {}, "advantages whitened over padding too"),
    "format": ("has_format", {}, "paid for any number after the mark"),
    "signs": ("equals_signs", {"kl_coef": 0.0}, "paid by the equals sign, KL off"),
    "signs_kl": ("equals_signs", {"kl_coef": 0.1}, "paid by the equals sign, KL 0.1"),
}


def equals_signs(completions: list[str], **columns) -> list[float]:
    """A tenth of a point for every "=": meant to reward steps that are shown."""
    return [0.1 * text.count("=") for text in completions]


class PaddedWhitening(PPOTrainer):
    """The mistake that raises no error: padding counts when advantages are whitened."""

    def roll_out(self, step: int):
        rollout = super().roll_out(step)
        raw = rollout.returns - rollout.values  # 0 on padding
        rollout.advantages = losses.masked_whiten(raw, torch.ones_like(raw)) * rollout.mask
        return rollout


def treat(name: str, course: Course, sft: Path, steps: int, **changes) -> dict:
    """One patient's run on the merged model at `sft`: what it is, its curves, what it says.

    `changes` win over the course's settings of PPO (prompts_per_step=16, …)."""
    pays, settings, words = PATIENTS[name]
    track, tokenizer = Track(course), models.load_tokenizer(course, sft)

    def has_format(completions, **columns):
        return [float(track.extract(text) is not None) for text in completions]

    functions, weights = reward_functions(course)
    if pays != "answer":
        functions = [*functions, {"has_format": has_format, "equals_signs": equals_signs}[pays]]
        weights = [0.0] * len(weights) + [1.0]
    asked: Any = track.problems("train")  # Records are of problems here
    problems, _ = fitting_prompts(asked, course, tokenizer)
    rows = [track.row(tokenizer, one) for one in track.judged(problems)[0]]
    with tempfile.TemporaryDirectory() as folder:
        args = PPO.arguments(course, folder, **{
            "value_warmup_steps": 0, "warmup_steps": 0, "max_steps": steps, "save_strategy": "no",
            "logging_steps": 1, **settings, **changes})
        trainer = PPO.trainer(course, args, rows, tokenizer, start=sft, reward_funcs=functions,
                              reward_weights=weights,
                              kind=PaddedWhitening if name == "padding" else PPOTrainer)
        log = trainer.train().log_history
        said = trainer.collector.sample(trainer.train_rows[:8], course.seed).texts
    right = f"rewards/{answer_reward(course)}/mean"
    curves = {new: [row[key] for row in log] for key, new in (CURVES | {right: "right"}).items()}
    return {"name": name, "words": words, "pays": pays, "settings": settings | changes,
            "steps": [row["step"] for row in log], "curves": curves, "said": said}


def record(course: Course, sft: Stage, steps: int, folder: Path = FOLDER, **changes) -> None:
    """All patients as `<name>.json`, and last of all `manifest.json` with what they came from."""
    started = time.time()
    remove(folder)
    for name in PATIENTS:
        run = treat(name, course, sft.path / "model", steps, **changes)
        write_json(folder / f"{name}.json", run)
        print(f"{name}: {(time.time() - started) / 60:.1f} minutes", flush=True)
    write_json(folder / "manifest.json", {
        "command": "python -m helpers.train.ppo.clinic", "sft": sft.run_id, "steps": steps,
        "seed": course.seed, "preset": course.preset, "ppo": course.ppo.model_dump(),
        "minutes": round((time.time() - started) / 60, 1), "versions": versions(),
        "hardware": hardware(), "files": listing(folder)})


def load(folder: Path = FOLDER) -> dict[str, dict]:
    """The recorded runs by name; {} where no whole set is recorded."""
    whole = (folder / "manifest.json").exists()
    return {name: read_json(folder / f"{name}.json") for name in PATIENTS if whole}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m helpers.train.ppo.clinic")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--overrides", type=json.loads, default={}, help="settings as JSON")
    given = parser.parse_args()
    tiny = Course.load("tiny", "gsm8k", given.seed, given.overrides)
    record(tiny, find(tiny, "sft"), given.steps)
