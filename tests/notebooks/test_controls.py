"""The control that starts from the finished course: only what differs is run. The positive control
is the course itself, with as few samples a problem: it must pass."""

import shutil

import pytest

from helpers import rungs
from helpers.course import ladder
from helpers.evaluate import claims
from tests import controls, runs
from tests.controls import SAMPLES, better

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
    gains = {(gain["better"], gain["than"], gain["part"], gain["measure"]): gain
             for gain in claims.all_gains(samples, at_best=False)}
    checked = [claim for claim in ladder.CLAIMS  # what is of eight answers takes them all
               if not (claim.gain.at_best or claim.gain.measure.endswith("@8")
                       or claim.gain.pooled)]
    assert {claim.gain.part for claim in checked} == {"all", "without"}
    for claim in checked:
        gain = gains[claim.better, claim.than, claim.gain.part, claim.gain.measure]
        assert claim.holds(gain), str(claim)


@pytest.mark.parametrize("measure", ["strict", "lenient"])
@pytest.mark.parametrize("rung", ["ppo", "grpo"])
def test_with_random_rewards_no_rung_rises(random_rewards, rung, measure):
    assert not better(random_rewards, rung, "sft", measure)
