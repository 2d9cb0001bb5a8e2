"""The whole course is run once for all tests that look at it, from empty artifacts."""

import fcntl
import json
import os
import subprocess
from pathlib import Path

import pytest

from helpers.config import ROOT
from tests import runs


def tree() -> str:
    """What git sees as changed or new in the project."""
    done = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True,
                          text=True, check=True)
    return done.stdout


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """{"artifacts": the folder, "printed": the output, "before"/"after": git's view} of one run.

    With several workers (pytest -n) the first that comes here runs it and the others wait.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "whole-course"
    folder.mkdir(exist_ok=True)
    done = folder / "done.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            artifacts, before = folder / "artifacts", tree()
            printed = runs.run_course(artifacts)
            done.write_text(json.dumps({"artifacts": str(artifacts), "printed": printed,
                                        "before": before, "after": tree()}))
    found = runs.read(done)
    return found | {"artifacts": Path(found["artifacts"])}


@pytest.fixture(scope="session")
def run_folder(course):
    return course["artifacts"] / "tiny" / "gsm8k-s0"


@pytest.fixture(scope="session")
def board(course):
    return runs.read(course["artifacts"] / "tiny" / "scoreboard.json")
