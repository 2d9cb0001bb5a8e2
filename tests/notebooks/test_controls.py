"""The control that starts from the finished course: only what differs is run. The positive control
is the course itself, with as few samples a problem: it must pass."""

import shutil

import pytest

from helpers import rungs
from helpers.course import ladder
from helpers.evaluate import compare
from tests import controls, runs
from tests.controls import SAMPLES, held

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]


@pytest.fixture(scope="module")
def random_rewards(course, tmp_path_factory):
    artifacts = tmp_path_factory.mktemp("control") / "artifacts"
    shutil.copytree(course["artifacts"], artifacts)
    return controls.run("random reward", artifacts)


def test_the_real_run_passes_with_as_few_samples(run_folder):
    def few(row: dict) -> dict:
        return row | {key: row[key][:SAMPLES] for key in ("completions", "strict", "lenient")}

    samples = {name: [few(row) for row in runs.read(
        run_folder / "evaluation" / f"samples_{name}.jsonl")] for name in rungs.MODELS}
    claims = [claim for claim in ladder.CLAIMS if not claim.at_least]  # "no worse" takes them all
    for claim in claims:
        rows = (samples[claim.better], samples[claim.than])
        assert claim.holds(compare(*rows, claim.measure)), str(claim)


@pytest.mark.parametrize("measure", ["strict", "lenient"])
@pytest.mark.parametrize("rung", ["ppo", "grpo"])
def test_with_random_rewards_no_rung_rises(random_rewards, rung, measure):
    assert not held(random_rewards, rung, "sft", measure)
