"""Writes the record that comes with the course, out of a finished run: what widgets show before a
reader has made a run.

    python -m helpers.widgets.example [--seed 0]      # into data/recorded/playground
"""

import argparse
import json
from pathlib import Path

from helpers.artifacts import find, versions
from helpers.config import Course
from helpers.evaluate import load_samples
from helpers.files import atomic_write_text, listing, write_json
from helpers.widgets import recorded

PROBLEMS = 24  # of the supervised model's samples: enough to draw answers from
STEPS = 5  # of the recorded training: first, last, and the nearest to even places between
PPO_STEPS, PPO_PROBLEMS = 3, 2  # its answers have five numbers a token


def keep(course: Course, folder: Path = recorded.EXAMPLE) -> None:
    """Samples, steps and sweeps of the run, cut to what is shown; `manifest.json` last of all."""
    sft, grpo, ppo, exam = (find(course, name) for name in ("sft", "grpo", "ppo", "evaluation"))
    _lines(folder / recorded.FILES["grpo"],
           _thinned(load_samples(grpo.path / "rollouts.jsonl"), STEPS))
    _lines(folder / recorded.FILES["ppo"],
           _thinned(load_samples(ppo.path / "rollouts.jsonl"), PPO_STEPS, PPO_PROBLEMS))
    samples = load_samples(sft.path / "validation.jsonl")
    mixture = [row for row in samples if 0 < sum(row["lenient"]) < len(row["lenient"])]
    _lines(folder / "samples.jsonl", mixture[:PROBLEMS])
    write_json(folder / "sweep.json", {
        name: [_rounded(entry) for entry in recorded.by_temperature(
            load_samples(exam.path / f"sweep_{name}.jsonl"))] for name in ("sft", "grpo")})
    write_json(folder / "manifest.json", {
        "command": "python -m helpers.widgets.example", "preset": course.preset,
        "task": course.task, "seed": course.seed,
        "runs": {one.name: one.run_id for one in (sft, grpo, ppo, exam)}, "versions": versions(),
        "files": listing(folder, skip=("manifest.json",))})


def _thinned(rows: list[dict], steps: int, problems: int | None = None) -> list[dict]:
    """The lines of some steps, evenly spread, and of the first problems (None: of all)."""
    known = sorted({row["step"] for row in rows})
    kept = {min(known, key=lambda step: abs(step - known[-1] * part / (steps - 1)))
            for part in range(steps)}
    asked = list(dict.fromkeys(row["problem"]["id"] for row in rows))[:problems]
    return [row for row in rows if row["step"] in kept and row["problem"]["id"] in asked]


def _rounded(entry: dict) -> dict:
    return {key: [round(one, 4) for one in value] if key in ("pass", "maj") else value
            for key, value in entry.items()}


def _lines(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m helpers.widgets.example")
    parser.add_argument("--seed", type=int, default=0)
    keep(Course.load("tiny", "gsm8k", parser.parse_args().seed))
