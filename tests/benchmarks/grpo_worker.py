"""One side of `tests.benchmarks.grpo`, in a process of its own.

    python -m tests.benchmarks.grpo_worker '{"side": "ours", "policy": FOLDER}'

Writes "ready" on standard output, makes a step for every line on standard input, says "ready" after
each, and after the last step what it has found, as one line of JSON.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import TrainerCallback

from helpers import models, prompts
from helpers.config import Course
from helpers.rewards import reward_functions
from helpers.track import Track
from helpers.train import methods
from helpers.train.methods import GRPO

PARTS = {"ours": {"sample": "sampling", "reward": "rewards", "learn": "learning"},
         "trl": {"_generate": "sampling", "_calculate_rewards": "rewards",
                 "compute_loss": "forward passes", "_prepare_inputs": "sampling and rewards"}}


class InTurn(TrainerCallback):
    """Waits for a line before every step; what each took, the clock's and the processor's."""

    def __init__(self):
        self.seconds, self.cpu_seconds = [], []

    def on_train_begin(self, *args, **kwargs):
        self._wait()

    def on_step_end(self, *args, **kwargs):
        self.seconds.append(time.monotonic() - self.started[0])
        self.cpu_seconds.append(time.process_time() - self.started[1])
        self._wait()

    def _wait(self):
        print("ready", flush=True)
        sys.stdin.readline()
        self.started = time.monotonic(), time.process_time()


def timed(function: Callable, kind: str, kinds: dict[str, list[float]]) -> Callable:
    """The function, whose seconds of processor are kept."""
    def wrapped(*args, **kwargs):
        started = time.process_time()
        result = function(*args, **kwargs)
        kinds.setdefault(kind, []).append(time.process_time() - started)
        return result

    return wrapped


def measure(side: str, policy: str, steps: int, seed: int = 0, plain: bool = False,
            **changes) -> dict:
    """What `steps` steps after one of warm-up cost; `plain`: TRL's own sampling, not the course's;
    `changes`: of the section grpo."""
    course = Course.load("tiny", "gsm8k", seed,
                         {"grpo": {"engine": side, "max_steps": steps + 1, **changes}})
    if plain:
        methods.sample_in_pieces = lambda *args: None
    track, tokenizer = Track(course), models.load_tokenizer(course)
    train, _ = prompts.fitting_prompts(track.problems("train"), course, tokenizer)
    order = np.random.default_rng(seed).permutation(len(train))
    rows = [{"prompt": track.prompt(train[i]), **track.columns(train[i])}
            for i in order[:course.grpo.max_steps * course.grpo.prompts_per_step]]
    turns, kinds = InTurn(), {}
    with tempfile.TemporaryDirectory() as folder:
        args = GRPO.arguments(course, Path(folder), save_strategy="no", logging_steps=1)
        trainer = GRPO.trainer(course, args, Dataset.from_list(rows), tokenizer, [turns],
                               start=policy, reward_funcs=reward_functions(course)[0])
        for name, kind in PARTS[side].items():
            setattr(trainer, name, timed(getattr(trainer, name), kind, kinds))
        trainer.train()
    logs = [one for one in trainer.state.log_history if "reward" in one]
    kinds = {kind: sum(seconds) for kind, seconds in kinds.items()}
    if side == "trl":  # what is prepared before a step is written and paid there
        both = kinds.pop("sampling and rewards")
        kinds |= {"the writer's probabilities": both - kinds["sampling"] - kinds["rewards"]}
        kinds["backward passes"] = sum(turns.cpu_seconds) - both - kinds["forward passes"]
    return {
        "side": side, "batch": course.grpo.prompts_per_step * course.grpo.num_generations,
        "steps": steps, "seed": seed, "threads": torch.get_num_threads(),
        "seconds": turns.seconds[1:], "cpu_seconds": turns.cpu_seconds[1:],
        "kinds": kinds, "reward": [one["reward"] for one in logs[1:]],
        "tokens": [one["completions/mean_length"] for one in logs[1:]],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))), flush=True)
