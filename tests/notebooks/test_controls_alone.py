"""The controls that train an sft of their own and so wait for nothing of the course."""

import pytest

from tests import controls
from tests.controls import held

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]


@pytest.fixture(scope="module")
def at_rate_0(tmp_path_factory):
    return controls.run("learning rate 0", tmp_path_factory.mktemp("control"))


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory):
    return controls.run("shuffled answers", tmp_path_factory.mktemp("control"))


@pytest.mark.parametrize("measure", ["strict", "lenient"])
def test_with_learning_rate_0_no_rung_rises(at_rate_0, measure):
    assert not held(at_rate_0, "sft", "base", measure)
    assert not held(at_rate_0, "grpo", "sft", measure)


def test_with_shuffled_answers_sft_gains_no_maths(shuffled):
    assert not held(shuffled, "sft", "base_few_shot", "strict")
    assert not held(shuffled, "sft", "base_few_shot", "lenient")
