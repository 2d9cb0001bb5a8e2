"""Runs of the course for the tests: a process of its own, offline, artifacts in a given folder."""

import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.config import ROOT

# Shipped, with answers to check.
TASKS = ("gsm8k", "gsm8k_xml", "deepscaler", "openr1", "countdown")

# The course of the tests is preset tiny with fewer steps of RLOO and the judges, measured on fewer
# problems: every claim of the ladder must still hold. The whole sizes, over several seeds, are
# those of `make ladder`. The judges and DPO take steps of as many pairs in smaller pieces, which
# stay in a core's cache: the same losses in four fifths of the time. A1 only shows how.
SHORTER = {
    "sft": {"save_steps": 24},
    "reward_model": {"batch_size": 8, "gradient_accumulation_steps": 4, "max_steps": 28},
    "dpo": {"batch_size": 4, "gradient_accumulation_steps": 4},
    "rloo": {"max_steps": 20},
    "data": {"test": 256},
    "evaluation": {"sweep": {"problems": 64}},
    "pretraining": {"tokenizer_documents": 3000, "steps": 14, "problems": 8},
}

# Where only the ladder of temperature 1 is looked at, or only that everything comes through.
FEW_SETTINGS = {"problems": 4, "n": 2, "temperatures": [0.5, 1.0], "top_p": [1.0],
                "few_shot": [1]}

# The smallest sizes at which every task still comes through 00, 03 to 08 and A2: enough tuning and
# enough answers that some are right and some are wrong, and one step of everything else. At a
# temperature of 0.7 a problem has more right answers, so that a few problems give pairs; 03's short
# lessons take micro-batches of sft's size.
TINY_TASK = {
    "data": {"train": 1600, "validation": 48, "test": 4},
    "sft": {"method": "full", "batch_size": 2, "gradient_accumulation_steps": 12, "max_steps": 16,
            "learning_rate": 0.002, "save_steps": 16},
    "pairs": {"problems": 48, "num_generations": 8, "temperature": 0.7},
    "reward_model": {"max_steps": 1, "batch_size": 4, "save_steps": 1},
    "dpo": {"max_steps": 1, "batch_size": 2, "save_steps": 1},
    "ppo": {"max_steps": 1, "prompts_per_step": 8, "minibatch_size": 4, "micro_batch_size": 4,
            "value_warmup_steps": 0, "save_steps": 1},
    "grpo": {"max_steps": 1, "prompts_per_step": 2, "num_generations": 4, "save_steps": 1},
    "rft": {"max_steps": 1, "batch_size": 4, "save_steps": 1},
    "rloo": {"max_steps": 1, "prompts_per_step": 2, "num_generations": 4, "save_steps": 1},
    "evaluation": {"n": 4, "few_shot": 1, "sweep": FEW_SETTINGS},
}

if TYPE_CHECKING:
    import pandas as pd

OFFLINE = str(ROOT / "tests" / "offline")
MINUTES = 60.0
# Forks come from a process that has imported the libraries and computed nothing, so no thread of
# torch is lost in them.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.inprocess"])


def environment(artifacts: Path) -> dict[str, str]:
    """The environment of a run: its artifacts elsewhere, no network but loopback."""
    return os.environ | {"COURSE_ARTIFACTS": str(artifacts), "PYTHONPATH": OFFLINE}


def arguments(overrides: dict | None = None, preset: str = "tiny", only: str | None = None,
              jobs: int | None = None, task: str = "gsm8k") -> list[str]:
    """The command line of `helpers.course run`."""
    line = [sys.executable, "-m", "helpers.course", "run", "--preset", preset, "--task", task]
    line += ["--overrides", json.dumps(overrides or {})]
    line += ["--only", only] if only else []
    return line + (["--jobs", str(jobs)] if jobs else [])


def run_course(artifacts: Path, overrides: dict | None = None, timeout: float = 60 * MINUTES,
               **options) -> str:
    """Run the course to its end and return what it printed; a failure shows its three lines."""
    done = subprocess.run(arguments(overrides, **options), env=environment(artifacts), cwd=ROOT,
                          capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"the run failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def run_cells(artifacts: Path, overrides: dict | None = None, preset: str = "tiny",
              task: str = "gsm8k", only: str = "08", timeout: float = 60 * MINUTES) -> None:
    """The cells of the same notebooks in one process, see `tests.inprocess`."""
    names = {"preset": preset, "task": task, "seed": 0, "overrides": overrides or {}}
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        process = FORKS.Process(target=_cells, args=(log.name, environment(artifacts), names, only))
        process.start()
        try:
            process.join(timeout)
            assert process.exitcode == 0, f"the run failed:\n{log.read()[-5000:]}"
        finally:
            process.kill()


def _cells(log: str, env: dict[str, str], names: dict, only: str) -> None:
    """What a fork does: it has libraries, but neither the run's environment nor a blocked network;
    what it says goes into the file `log`."""
    with open(log, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(env)
    runpy.run_path(f"{OFFLINE}/sitecustomize.py")
    from tests import inprocess  # the server of forks has it

    inprocess.main(names, only)


def read(path: Path):
    """A JSON file, or the rows of a JSON-lines file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text)


def curve(artifacts: Path, stage: str, run: str = "tiny/gsm8k-s0") -> "pd.DataFrame":
    """A finished stage's curve."""
    import pandas as pd  # here: most tests need none of it

    return pd.read_parquet(artifacts / run / stage / "curve.parquet")
