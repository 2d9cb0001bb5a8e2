"""Every task with answers to check goes through the course, at the smallest sizes that still work.

gsm8k does so at its full tiny size (test_course.py). What is asked of the others here is that no
notebook depends on the task: that all stages are made, and that the scoreboard can be computed.
They start from that course's tuned model, which can do sums already: a few steps give it the new
format, and then some of its answers are right.
"""

import pytest

from tests import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
TASKS = sorted(set(runs.TASKS) - {"gsm8k"})
RUNGS = ["sft", "dpo", "ppo", "grpo", "rft", "rloo"]
# After so few steps the model solves about one puzzle in a hundred: no pairs can be made of that.
FEWER = {"countdown": ["sft", "grpo"]}


@pytest.fixture(scope="module", params=TASKS)
def made(request, tuned, tmp_path_factory):
    """(task, its run folder, the scoreboard) of one run of 00, 03 to 08 and A2."""
    artifacts = tmp_path_factory.mktemp("task")
    rungs = FEWER.get(request.param, RUNGS)
    sizes = runs.TINY_TASK | {
        "evaluation": runs.TINY_TASK["evaluation"] | {"rungs": rungs},
        "model": {"name": tuned}}
    runs.run_cells(artifacts, sizes, task=request.param, only="00,08")  # 08 needs the rest
    board = runs.read(artifacts / "tiny" / "scoreboard.json")
    return request.param, artifacts / "tiny" / f"{request.param}-s0", board


def test_the_task_makes_all_stages_and_a_scoreboard(made):
    task, folder, board = made
    rungs = FEWER.get(task, RUNGS)
    judged = {"pairs", "reward"} if "ppo" in rungs else set()
    stages = {"start_here", "evaluation", *rungs, *judged}
    assert all((folder / stage / "manifest.json").exists() for stage in stages)
    assert [(row["task"], row["stage"]) for row in board["rows"]] == [
        (task, stage) for stage in ("base", "base_few_shot", *rungs)]
    rows = runs.read(folder / "evaluation" / "samples_sft.jsonl")
    columns = {"answer", "nums", "target"} if task == "countdown" else {"answer"}
    assert all(columns <= row.keys() for row in rows)
