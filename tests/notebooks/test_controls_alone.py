"""The controls that train an sft of their own and so wait for nothing of the course."""

import pytest

from helpers.data.tinyworld.rules import rules
from helpers.evaluate import claims
from tests import controls, runs
from tests.controls import better

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]


@pytest.fixture(scope="module")
def at_rate_0(tmp_path_factory):
    return controls.run("learning rate 0", tmp_path_factory.mktemp("control"))


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory):
    return controls.run("shuffled answers", tmp_path_factory.mktemp("control"))


@pytest.mark.parametrize("measure", ["strict", "lenient", "greedy", "lenient_greedy"])
def test_with_learning_rate_0_no_rung_rises(at_rate_0, measure):
    assert not better(at_rate_0, "sft", "base", measure)
    assert not better(at_rate_0, "grpo", "sft", measure)


@pytest.mark.parametrize("than", ["base", "base_few_shot"])
def test_with_shuffled_answers_sft_gains_no_maths(shuffled, than):
    assert than == "base" or not better(shuffled, "sft", than, "strict")  # its form it learns
    assert not better(shuffled, "sft", than, "lenient")


def test_reward_where_solutions_are_lifts_nothing_elsewhere(tmp_path):
    """What reward finds in kinds that nobody demonstrated comes from the answers to these kinds:
    where only the others are paid, it stays undiscovered."""
    (tmp_path / "data").mkdir()
    folder = controls.only_worked(tmp_path / "data")
    controls.run(controls.WORKED, tmp_path / "artifacts", dataset={"path": str(folder)})
    place = tmp_path / "artifacts" / "tiny" / "gsm8k-s0" / "evaluation"
    sft, grpo = ([row | {"demonstrated": not rules(row["question"])} for row in runs.read(
        place / f"samples_{name}.jsonl")] for name in ("sft", "grpo"))
    found = claims.apart(grpo, sft)
    assert found["without"]["problems"] > 90
    for measure in ("greedy", "lenient_greedy", "lenient"):
        assert found["without"][measure]["difference"] < 0.08, measure
