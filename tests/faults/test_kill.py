"""kill -9 of the whole course while GRPO trains: the same command continues from the last good
checkpoint and finishes. That what came out has learned is asked of the same run by
`tests/notebooks/test_course.py`.
"""

from itertools import pairwise

import pytest

from tests import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]


def seconds(rows: list[dict]) -> list[float]:
    """Training time at each step."""
    return [row["seconds"] for row in rows]


def test_both_kills_met_grpo_at_work(course):
    first, second = course["kills"]
    assert first["whole"] and not first["made"]
    assert first["curve"][-1]["step"] > first["whole"][0], "no step after the first checkpoint"
    assert second["whole"][-1] >= first["whole"][-1] and not second["made"]


def test_it_went_on_from_the_last_whole_checkpoint(course):
    """Each row holds the time it took: a step that was run anew would not have the same row."""
    ended = {"curve": runs.curve(course["artifacts"], "grpo").to_dict("records")}
    stages = [*course["kills"], ended]
    for left, later in pairwise(stages):
        kept = left["whole"][-1]
        assert seconds(left["curve"][:kept]) == seconds(later["curve"][:kept])
        if len(left["curve"]) > kept:  # and what came after that checkpoint was run anew
            assert seconds(left["curve"]) != seconds(later["curve"][:len(left["curve"])])


def test_no_step_is_missing_or_there_twice(course, run_folder):
    steps = runs.curve(course["artifacts"], "grpo")["step"].tolist()
    settings = runs.read(run_folder / "grpo" / "manifest.json")["settings"]["grpo"]
    assert steps == list(range(1, settings["max_steps"] + 1))
