"""The whole course is run once for all tests that look at it, from empty artifacts, with fewer
steps of RLOO, the reward model and A1 than preset tiny has (`runs.SHORTER`).

On its way it is killed twice (`kill -9`) while GRPO trains, and continued. Until then nothing but
GRPO and what it needs is asked for, so that no other notebook's work is lost. All that the tests
find in this course they find in a run that was stopped and went on; `tests/faults/test_kill.py`
looks at the kills themselves.
"""

import fcntl
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from helpers.config import ROOT
from helpers.folders import live
from tests import runs

RUN = Path("tiny") / "gsm8k-s0"
WAIT_SECONDS = 60 * runs.MINUTES


def tree() -> str:
    """What git sees as changed or new in the project."""
    done = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True,
                          text=True, check=True)
    return done.stdout


def kill_when(artifacts: Path, ready) -> None:
    """Start the course as far as GRPO, and send SIGKILL as soon as `ready()` says so. The runner
    alone is hit (its session is its own): what it had started must end by itself within a minute,
    and until then may still finish a checkpoint, so nothing is looked at before."""
    process = subprocess.Popen(runs.arguments(runs.SHORTER, only="07"), cwd=ROOT,
                               env=runs.environment(artifacts), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "nothing to kill at"
        time.sleep(0.005)
    started = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive, f"still running after the kill: {alive}"


def checkpoints(grpo: Path) -> dict[int, bool]:
    """{step: whether it carries the mark of being whole} of the checkpoints there."""
    from helpers.checkpoints import MARKER  # here: it loads torch, which few of the tests need

    return {int(path.name.split("-")[1]): (path / MARKER).exists()
            for path in grpo.glob("checkpoints/checkpoint-*")}


def whole(grpo: Path) -> list[int]:
    """Steps of the checkpoints that are whole."""
    return sorted(step for step, marked in checkpoints(grpo).items() if marked)


def curve(grpo: Path) -> list[dict]:
    """The rows of the live curve that are complete."""
    file = grpo / "curve.jsonl"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def kill_twice(artifacts: Path) -> list[dict]:
    """What each of two kills left of GRPO: the rows of its curve, the steps of its whole
    checkpoints, whether it counted as made. The first comes at a random step after the first
    checkpoint, the second while a later checkpoint is being written."""
    home, left = artifacts / RUN / "grpo", []
    grpo = live(home)  # where it is while it trains

    def note() -> None:
        left.append({"curve": curve(grpo), "whole": whole(grpo),
                     "made": (home / "manifest.json").exists()})

    after = random.randint(1, 8)
    kill_when(artifacts, lambda: whole(grpo) and len(curve(grpo)) >= whole(grpo)[0] + after)
    note()
    before = left[0]["whole"][-1]
    kill_when(artifacts, lambda: any(step > before and not marked
                                     for step, marked in checkpoints(grpo).items()))
    note()
    return left


def shared(tmp_path_factory) -> Path:
    """The folder of the one run, for all workers (pytest -n)."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "whole-course"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tuned(request, tmp_path_factory) -> str:
    """The course's supervised model, as soon as it is there: nobody waits for the rest of the run.
    If no worker is at the course, this one runs it."""
    folder = shared(tmp_path_factory)
    sft = folder / "artifacts" / RUN / "sft"
    end = time.monotonic() + WAIT_SECONDS
    while not (sft / "manifest.json").exists():
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # it is being run
                assert time.monotonic() < end, "the course has not come to its supervised model"
                time.sleep(0.5)
                continue
        request.getfixturevalue("course")
    return str(sft / "model")


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """{"artifacts": the folder, "printed": the output of the run that came to the end,
    "before"/"after": git's view, "kills": what `kill_twice` noted} of one run.

    With several workers (pytest -n) the first that comes here runs it and the others wait.
    """
    folder = shared(tmp_path_factory)
    done = folder / "done.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            artifacts, before = folder / "artifacts", tree()
            kills = kill_twice(artifacts)
            printed = runs.run_course(artifacts, runs.SHORTER)
            done.write_text(json.dumps({"artifacts": str(artifacts), "printed": printed,
                                        "before": before, "after": tree(), "kills": kills}))
    found = runs.read(done)
    return found | {"artifacts": Path(found["artifacts"])}


@pytest.fixture(scope="session")
def run_folder(course):
    return course["artifacts"] / RUN


@pytest.fixture(scope="session")
def board(course):
    return runs.read(course["artifacts"] / "tiny" / "scoreboard.json")
