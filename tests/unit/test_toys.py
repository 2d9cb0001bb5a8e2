"""A new rung and a new task need what CONTRIBUTING says, and nothing else."""

import json
import os
import subprocess
import sys

import pytest

from helpers import config, rungs
from helpers.config import ROOT, ConfigError, Course
from helpers.course import graph, ladder
from helpers.data import load_problems
from helpers.rewards import reward_functions
from helpers.track import Track
from tests import toys

AT_WORK = """
from helpers.config import Course
from helpers.course import course, ladder
from helpers.rungs import MODELS, NAMES
from tests import toys
toys.make_before(Course.load(), [name for name in NAMES if name != "toy"])
assert course.main(["run", "--only", "toy", "--jobs", "1"]) == 0
toys.make_evaluation(Course.load(), MODELS)
assert course.main(["status"]) == 0
assert ladder.main(["check"]) == 1
toys.make_judge(Course.load())
toys.make_coverage(Course.load())
assert ladder.main(["check"]) == 0
"""


@pytest.mark.slow
def test_a_toy_rung_is_run_measured_compared_and_claimed(tmp_path):
    project = toys.copy_of_the_project(tmp_path / "project")
    toys.add_rung(project)
    env = os.environ | {"COURSE_ARTIFACTS": str(tmp_path / "artifacts"), "PYTHONPATH": str(project)}
    env.pop("COURSE_NOTEBOOKS", None)
    done = subprocess.run([sys.executable, "-c", AT_WORK], cwd=project, env=env, text=True,
                          capture_output=True, timeout=250)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "1 notebooks to run" in done.stdout
    assert done.stdout.count("FAILED") == 2  # before there was a judge, and more draws
    assert "FAILED  gsm8k-s0  reward model: not measured" in done.stdout
    assert "FAILED  gsm8k-s0  grpo over sft in 8 tries: not measured" in done.stdout
    states = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()
              if line.startswith(("03_", "08_", "09_"))}
    assert states == {"03_before": "made", "08_evaluation": "made", "09_toy": "made"}
    run = tmp_path / "artifacts" / "tiny" / "gsm8k-s0"
    manifest = json.loads((run / "toy" / "manifest.json").read_text())
    assert manifest["settings"]["toy"] == {"copies": 1} and list(manifest["needs"]) == ["sft"]
    evaluated = json.loads((run / "evaluation" / "manifest.json").read_text())
    assert "toy" in evaluated["needs"]  # measured without a word in any preset
    board = json.loads((tmp_path / "artifacts" / "tiny" / "scoreboard.json").read_text())
    assert tuple(row["stage"] for row in board["rows"]) == (*rungs.MODELS, "toy")
    claims = [line.split()[2:5] for line in done.stdout.splitlines() if line.startswith("held")]
    of_each = [claim for claim in ladder.CLAIMS if not claim.gain.pooled]
    assert claims[-2:] == [["toy", ">", "sft"]] * 2 and len(claims) == 2 * (len(of_each) + 2)
    for stage in rungs.NAMES:  # what was made before there was a toy is not stale
        made = json.loads((run / stage / "manifest.json").read_text())
        assert made["fingerprint"] == Course.load().fingerprint([stage])


@pytest.fixture
def pears(tmp_path, monkeypatch):
    """The toy task beside the course's own."""
    helpers = tmp_path / "helpers"
    helpers.mkdir()
    for name in ("presets", "tasks"):
        (helpers / name).mkdir()
        for path in (ROOT / "helpers" / name).glob("*.yaml"):
            (helpers / name / path.name).symlink_to(path)
    toys.add_task(helpers / "tasks", tmp_path / "pears")
    monkeypatch.setattr(config, "HERE", helpers)
    return tmp_path / "pears"


def test_a_toy_task_is_loaded_split_and_rewarded(pears):
    course = Course.load("tiny", "pears")
    assert "pears" in config.names("task") and course.dir().name == "pears-s0"
    splits = {name: load_problems(course, name) for name in ("train", "validation", "test")}
    assert len(splits["train"]) + len(splits["validation"]) == 60 and len(splits["test"]) == 20
    assert {problem.answer for problem in splits["test"]} == {str(n - 1) for n in range(80, 100)}
    functions, weights = reward_functions(course)
    assert [f.__name__ for f in functions] == ["exact_answer", "boxed"] and weights == [1.0, 0.1]
    track, problem = Track(course), splits["test"][0]
    assert track.grade(problem, track.demonstration(problem), "strict")
    assert problem.question in str(track.prompt(problem))
    # The course's own notebooks can do it, all but the two on GSM8K's rows and graders.
    assert [one.name[:2] for one in graph.left_out(course)] == ["01", "02"]
    before = course.fingerprint(["grpo"])
    with (pears / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"question": "One more?", "answer": "#### 1"}\n')
    assert course.fingerprint(["grpo"]) != before  # its data are part of what a stage depends on
    with pytest.raises(ConfigError, match="task: 'paers' does not exist; did you mean 'pears'"):
        Course.load("tiny", "paers")
