"""kill -9 of the whole course: it continues from the last good checkpoint, finishes, and learned.

The runner alone is killed; what it had started must end by itself (nothing may go on writing) and
the next `course run` must go on where the last whole checkpoint was.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from helpers import ladder
from helpers.checkpoints import MARKER
from helpers.config import ROOT
from tests import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]
RUNGS = ["sft", "grpo"]  # the others are as they were: the kills meet GRPO
OVERRIDES = {"grpo": {"save_steps": 5}, "evaluation": {"n": 4, "rungs": RUNGS}}
WAIT_SECONDS = 600


def start(artifacts):
    """The course in the background; its own session, so that only it gets the signal."""
    return subprocess.Popen(runs.arguments(OVERRIDES, only="08", jobs=1), cwd=ROOT,
                            env=runs.environment(artifacts), stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


def kill_when(process, ready) -> None:
    """SIGKILL as soon as `ready()` says so."""
    end = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "nothing to kill at"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def last_step(grpo) -> int:
    """The last step in the live curve, 0 before the first."""
    file = grpo / "curve.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def complete(grpo) -> list[int]:
    """Steps of the checkpoints that carry the mark of being whole."""
    return sorted(int(path.parent.name.split("-")[1])
                  for path in grpo.glob(f"checkpoints/checkpoint-*/{MARKER}"))


def test_grpo_survives_two_kills(course, tmp_path):
    artifacts = tmp_path / "artifacts"
    shutil.copytree(course["artifacts"], artifacts)
    grpo = artifacts / "tiny" / "gsm8k-s0" / "grpo"
    shutil.rmtree(grpo)

    # First at a random step after the first checkpoint ...
    step = random.randint(6, 12)
    kill_when(start(artifacts), lambda: last_step(grpo) >= step)
    whole = complete(grpo)
    assert whole and whole[-1] <= step + 1

    # ... then while a later checkpoint is being written: its folder is there, its mark is not.
    resumed_from = whole[-1]

    def writing() -> bool:
        folders = [path for path in grpo.glob("checkpoints/checkpoint-*")
                   if int(path.name.split("-")[1]) > resumed_from]
        return any(not (path / MARKER).exists() for path in folders)

    kill_when(start(artifacts), writing)
    whole = complete(grpo)
    assert whole[-1] >= resumed_from
    assert not (grpo / "manifest.json").exists()

    runs.run_course(artifacts, OVERRIDES, only="08", jobs=1)
    steps = runs.curve(artifacts, "grpo")["step"].tolist()
    settings = runs.read(grpo / "manifest.json")["settings"]["grpo"]
    assert steps == list(range(1, settings["max_steps"] + 1)), "a step is missing or there twice"
    rows = [row for row in ladder.check(runs.read(artifacts / "tiny" / "scoreboard.json"))
            if row["ci95"]]
    assert {row["claim"].split()[0] for row in rows} == set(RUNGS)
    assert all(row["holds"] for row in rows), ladder.report(rows)
