"""The recipes run as they stand, at tiny sizes: their own model and data set ids, from a hub on the
loopback address that has tiny repositories under these names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import data
from helpers.config import ROOT, Course
from helpers.course import recipes
from tests import runs
from tests.hub.server import Hub

# One step of everything but SFT, which must bring the new format to a model that can do sums. The
# recipes' own methods, formats and rewards stay; numbers of their own have a table in the unit
# tests. float32: bfloat16 is emulated on most processors.
FEW = {
    "model": {"precision": "float32"},
    "lengths": {"prompt": 144, "completion": 160},
    "data": {"train": 400, "validation": 24, "test": 4},
    "sft": {"max_steps": 12, "learning_rate": 0.003, "batch_size": 4, "save_steps": 12,
            "gradient_accumulation_steps": 4},
    "pairs": {"problems": 24, "num_generations": 8, "temperature": 0.7},
    "reward_model": {"max_steps": 1, "batch_size": 4, "save_steps": 1},
    "ppo": {"max_steps": 1, "prompts_per_step": 8, "minibatch_size": 4, "micro_batch_size": 4,
            "value_warmup_steps": 0, "save_steps": 1},
    "grpo": {"engine": "ours", "max_steps": 2, "prompts_per_step": 2, "num_generations": 4,
             "save_steps": 1, "eval_steps": 1},
    "evaluation": {"n": 2, "few_shot": 1, "max_new_tokens": None, "sweep": runs.FEW_SETTINGS},
}

# Notebook 08 is asked of every task elsewhere (tests/notebooks/test_tasks.py).
NO_LADDER = {"recipe": {"stages": ["grpo"]}}
# Few of its boxed answers are right after so few steps: more are drawn for pairs.
MORE = {"qwen25_math_7b": {"pairs": {"num_generations": 16}, "evaluation": {"n": 16}}}


def make_hub(root: Path, model: Path) -> None:
    """Every recipe's model id, and the ids of all sets, with the tiny world's rows."""
    from datasets import Dataset

    course = Course.load()
    for name in data.FAMILIES:
        source = course.source(name)
        folder, config = root / "datasets" / source.hub_id, source.config or "default"
        lines = ["---", "configs:", f"- config_name: {config}", "  data_files:"]
        for path in sorted((ROOT / source.tiny).glob("*.jsonl")):
            part = folder / config / f"{path.stem}-00000-of-00001.parquet"
            part.parent.mkdir(parents=True, exist_ok=True)
            Dataset.from_list(runs.read(path)).to_parquet(part)
            lines.append(f"  - {{split: {path.stem}, path: {config}/{path.stem}-*}}")
        (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
    for name in {recipes.load(one).model.name for one in recipes.names()}:
        shutil.copytree(model, root / "models" / name)


def environment(artifacts: Path, hub: Hub) -> dict[str, str]:
    """No network but the hub, and a cache of its own."""
    clean = {key: value for key, value in runs.environment(artifacts).items()
             if not key.startswith("HF_")}
    home = artifacts.parent / "cache"
    return clean | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "OMP_NUM_THREADS": "1",
                    "PYTHONPATH": os.pathsep.join([str(ROOT), runs.OFFLINE])}


def parameters(name: str, more: dict | None = None) -> dict:
    """The recipe's own parameters with the sizes of a test, and `more` settings."""
    values = recipes.read(name)
    changes = recipes.with_changes(FEW, more or {})
    return values | {"overrides": recipes.with_changes(values["overrides"], changes)}


def run(artifacts: Path, hub: Hub, name: str, more: dict | None = None) -> Course:
    """All stages of a recipe in one process (`tests.inprocess`); the course it is."""
    asked = parameters(name, more)
    course = Course.load(**asked)
    line = [sys.executable, "-m", "tests.inprocess", json.dumps(asked),
            ",".join(course.recipe.stages)]
    done = subprocess.run(line, env=environment(artifacts, hub), cwd=ROOT, capture_output=True,
                          text=True, timeout=60 * runs.MINUTES, check=False)
    assert done.returncode == 0, f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-5000:]}"
    return course
