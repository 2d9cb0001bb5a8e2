"""The ladder's claims hold on a good scoreboard and fail on every bad one."""

import copy
import datetime

import pytest

from helpers import rungs
from helpers.config import ConfigError
from helpers.course import ladder


def a_test(better, than, measure, difference, low, high):
    return {"task": "gsm8k", "seed": 0, "better": better, "than": than, "measure": measure,
            "difference": difference, "ci95": [low, high], "p": 0.001}


@pytest.fixture
def board():
    row = {"task": "gsm8k", "seed": 0, "pass@1": 0.5, "lenient_pass@1": 0.5, "greedy": 0.5,
           "pass@8": 0.8, "maj@8": None}
    return {
        "rows": [row | {"stage": stage}
                 for stage in rungs.MODELS],
        "tests": [a_test(*pair, measure, 0.2, 0.15, 0.25)
                  for pair in rungs.COMPARISONS for measure in ("strict", "lenient")],
        "tests_at_best": [a_test(*pair, "strict", 0.2, 0.15, 0.25) for pair in rungs.COMPARISONS],
    }


def test_a_good_ladder_holds(board):
    rows = ladder.check(board)
    assert len(rows) == len(ladder.CLAIMS)
    assert [str(claim) for claim in ladder.CLAIMS][:10] == [
        "sft > base (strict)", "sft > base (lenient)",
        "sft > base_few_shot (strict)", "sft > base_few_shot (lenient)",
        "dpo >= sft (strict)", "dpo >= sft (lenient)",
        "ppo > sft (strict)", "ppo > sft (lenient)",
        "grpo > sft (strict) by 10 points or more", "grpo > sft (lenient)"]
    assert [str(claim) for claim in ladder.CLAIMS][10:] == [
        "sft > base (strict, best settings)", "sft > base_few_shot (strict, best settings)"]
    assert all(row["holds"] for row in rows)
    assert "FAILED" not in ladder.report(rows)


@pytest.mark.parametrize("which", [0, 1, 2, 3, 6, 7, 8, 9])
def test_an_interval_that_reaches_zero_fails_its_claim_alone(board, which):
    test = board["tests"][which]
    test.update(difference=0.2, ci95=[-0.01, 0.4])
    failed = [row["claim"] for row in ladder.check(board) if not row["holds"]]
    assert len(failed) == 1
    assert failed[0].startswith(f"{test['better']} > {test['than']} ({test['measure']})")


def test_a_sure_but_small_gain_of_grpo_fails(board):
    board["tests"][8].update(difference=0.09, ci95=[0.05, 0.13])
    failed = [row["claim"] for row in ladder.check(board) if not row["holds"]]
    assert failed == ["grpo > sft (strict) by 10 points or more"]


@pytest.mark.parametrize("which", [4, 5])
def test_dpo_may_equal_sft_but_not_fall_behind(board, which):
    test = board["tests"][which]
    test.update(difference=0.0, ci95=[-0.019, 0.019])
    assert all(row["holds"] for row in ladder.check(board))
    test.update(difference=0.0, ci95=[-0.021, 0.021])
    failed = [row["claim"] for row in ladder.check(board) if not row["holds"]]
    assert failed == [f"dpo >= sft ({test['measure']})"]


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_claimed_at_the_best_settings_must_hold_there(board, which):
    """Whatever the same comparison says at temperature 1."""
    board["tests_at_best"][which]["ci95"] = [-0.01, 0.4]
    failed = [row["claim"] for row in ladder.check(board) if not row["holds"]]
    assert failed == [f"sft > {board['tests_at_best'][which]['than']} (strict, best settings)"]
    del board["tests_at_best"]
    assert [row["holds"] for row in ladder.check(board)].count(False) == 2


def test_what_is_not_claimed_at_the_best_settings_may_fail_there(board):
    """A gain of reliability is one that a temperature gives, too: said, and not claimed."""
    for test in board["tests_at_best"][2:]:
        test["ci95"] = [-0.2, -0.1]
    assert all(row["holds"] for row in ladder.check(board))


def test_what_was_not_measured_does_not_hold(board):
    del board["tests"][0]
    rows = ladder.check(board)
    assert [row["holds"] for row in rows].count(False) == 1
    assert "not measured" in ladder.report(rows)


def test_of_another_task_only_tuning_is_claimed(board):
    for part in ("rows", "tests", "tests_at_best"):
        board[part] = [one | {"task": "countdown"} for one in board[part]]
    [row] = ladder.check(board)
    assert row["claim"] == "sft > base (strict)" and row["holds"]
    board["tests"][0]["ci95"] = [-0.01, 0.4]
    assert [row["holds"] for row in ladder.check(board)] == [False]


def test_every_run_is_checked(board):
    second = copy.deepcopy(board)
    for part in second.values():
        for entry in part:
            entry["seed"] = 1
    second["tests"][-1]["ci95"] = [-0.1, 0.1]
    for part, entries in second.items():
        board[part] += entries
    failed = [row for row in ladder.check(board) if not row["holds"]]
    assert [row["seed"] for row in failed] == [1]
    assert "   2 " in ladder.spread(board)


def test_seeds(monkeypatch):
    assert ladder.seed_of("7") == 7
    assert ladder.seed_of("date") == int(datetime.date.today().strftime("%Y%m%d"))
    with pytest.raises(ConfigError, match="'seven'.*number"):
        ladder.seed_of("seven")
