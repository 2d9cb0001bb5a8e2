"""The whole course is run once for all tests that look at it, from empty artifacts: they carry the
mark xdist_group("course"), which keeps them in one process."""

import subprocess

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
    """{"artifacts": the folder, "printed": the output, "before"/"after": git's view} of one run."""
    artifacts = tmp_path_factory.mktemp("course")
    before = tree()
    printed = runs.run_course(artifacts)
    return {"artifacts": artifacts, "printed": printed, "before": before, "after": tree()}


@pytest.fixture(scope="session")
def run_folder(course):
    return course["artifacts"] / "tiny" / "gsm8k-s0"


@pytest.fixture(scope="session")
def board(course):
    return runs.read(course["artifacts"] / "tiny" / "scoreboard.json")
