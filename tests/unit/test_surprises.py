"""The table of surprises: what TRL does, what ours does, and that the guess is wrong."""

import math

import pytest
import torch

from helpers import losses
from helpers.train import one_step, surprises


@pytest.fixture(scope="module")
def found():
    before = torch.random.get_rng_state()
    rows = surprises.surprises()
    assert torch.equal(torch.random.get_rng_state(), before)  # no trace outside
    return rows


def test_none_is_left_out_of_the_mean_and_has_no_advantage(found):
    third = (torch.tensor([1.0, 0.0, 0.0]) - 1 / 3) / (math.sqrt(1 / 3) + 1e-4)
    expected = [third[0].item(), 0.0, third[1].item(), third[2].item()]
    assert found[0].trl == found[0].ours == pytest.approx(expected, abs=1e-3)
    assert found[0].guess == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-3)


def test_none_of_one_function_counts_0_in_trls_sum_and_leaves_ours_out(found):
    assert found[1].trl == pytest.approx([0.5, 0.5, 0.5, -1.5], abs=2e-3)
    assert found[1].ours == found[1].guess == [0.0] * 4


def test_a_masked_answer_still_sets_trls_mean(found):
    assert found[2].trl[:3] == pytest.approx([-0.5] * 3, abs=1e-3)
    assert found[2].ours == found[2].guess == [0.0] * 4


def test_under_the_batchs_scale_trl_denies_silent_groups(found):
    assert (found[3].guess, found[3].trl, found[3].ours) == ([0.5], [0.0], [0.5])
    rewards = [one_step.paid(1, 0, 1, 0, 1, 1, 1, 1)]
    advantages, _ = one_step.by_trl(rewards, scale_rewards="batch")
    assert advantages[4:] == [0.0] * 4 and any(advantages[:4])
    assert one_step.by_trl(rewards, scale_rewards="group")[1]["frac_reward_zero_std"] == 0.5


def test_the_logged_entropy_is_that_of_the_tempered_distribution(found):
    tempered, own = one_step.entropy(2.0), one_step.entropy(1.0)
    assert tempered - own > 0.3 and found[4].guess == [round(own, 3)]
    for side in (found[4].trl, found[4].ours):
        assert side[0] == pytest.approx(tempered, abs=0.1)


def test_the_table_has_a_row_a_fact_and_names_the_version(found):
    table = surprises.table(found)
    assert list(table) == ["what", "a good guess", f"TRL {surprises.trl_version()}", "ours"]
    assert len(table) == len(found) and "-0.5, -0.5, -0.5" in table.iloc[2, 2]
    assert all(len(one.guess) == len(one.trl) == len(one.ours) for one in found)
    assert all(one.guess != one.trl for one in found)  # else it is no surprise


def test_both_sides_are_told_the_same_answers():
    rewards = [one_step.paid(1, 0, 0, 0.5)]
    (trl, log), (ours, own) = one_step.by_trl(rewards), one_step.by_ours(rewards)
    assert trl == pytest.approx(ours, abs=1e-6)
    expected = losses.group_advantages(torch.tensor([[1, 0, 0, 0.5]] * 2)).flatten()
    assert ours == pytest.approx(expected.tolist())
    for key in ("reward", "completions/mean_length", "completions/clipped_ratio"):
        assert log[key] == pytest.approx(own[key])
