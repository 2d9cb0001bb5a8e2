"""PPO as processes: killed at any moment it goes on as if nothing had happened, and two of them
side by side keep one and the same policy."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from helpers.checkpoints import MARKER
from helpers.config import ROOT

pytestmark = pytest.mark.timeout(600)
STEPS = 8


def start(folder, *launcher):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "tests.ppo_run", str(folder), str(STEPS)], cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)


def finish(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output


def metrics(folder, rank=0):
    """The metrics of each step; of a step that was done again, those of the last time."""
    rows = map(json.loads, (folder / f"metrics-{rank}.jsonl").read_text().splitlines())
    return {row.pop("step"): row for row in rows}


def digests(folder, rank=0):
    return json.loads((folder / f"digests-{rank}.json").read_text())


def test_kill_9_at_any_moment_changes_nothing(tmp_path):
    whole = start(tmp_path / "whole")
    finish(whole)
    folder = tmp_path / "killed"
    for step in (2, 5):  # the second time while a checkpoint may be half written
        process = start(folder)
        while not (folder / f"checkpoint-{step}" / MARKER).exists():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.002)
        time.sleep(random.random())
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (folder / "digests-0.json").exists(), "it ended before it could be killed"
    finish(start(folder))
    assert metrics(folder) == metrics(tmp_path / "whole")
    assert digests(folder) == digests(tmp_path / "whole")


def test_two_processes_keep_one_policy(tmp_path):
    finish(start(tmp_path / "two", "-m", "torch.distributed.run", "--standalone",
                 "--nproc_per_node", "2"))
    finish(start(tmp_path / "one"))
    first, second = (digests(tmp_path / "two", rank) for rank in (0, 1))
    assert first == second
    assert first["base"] == digests(tmp_path / "one")["base"]
    assert first["policy"] != digests(tmp_path / "one")["policy"]  # two saw more completions
    seen = [metrics(tmp_path / "two", rank) for rank in (0, 1)]
    assert seen[0] == seen[1]  # metrics and the KL coefficient are those of both together
    assert seen[0].keys() == set(range(1, STEPS + 1))
