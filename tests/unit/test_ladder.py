"""The ladder's claims hold on a good scoreboard and fail on every bad one."""

import copy
import datetime

import pytest

from helpers import rungs
from helpers.config import ConfigError
from helpers.course import ladder

MEASURES = ("strict", "lenient", "greedy", "lenient_pass@8", "maj@8")


@pytest.fixture
def board():
    row = {"task": "gsm8k", "seed": 0, "pass@1": 0.5, "lenient_pass@1": 0.5, "greedy": 0.5,
           "pass@8": 0.8, "maj@8": None}
    return {
        "rows": [row | {"stage": stage} for stage in rungs.MODELS],
        "gains": [{"task": "gsm8k", "seed": 0, "better": better, "than": than, "at_best": at_best,
                   "part": part, "measure": measure, "difference": 0.3, "ci95": [0.25, 0.35]}
                  for better, than in rungs.COMPARISONS for at_best in (False, True)
                  for part in ("all", "with", "without") for measure in MEASURES],
    }


def gain_of(board, better, than, measure, at_best=False, part="all"):
    [found] = [gain for gain in board["gains"] if (
        gain["better"], gain["than"], gain["measure"], gain["at_best"], gain["part"]) == (
        better, than, measure, at_best, part)]
    return found


def failures(board):
    return [row["claim"] for row in ladder.check(board) if not row["holds"]]


def test_a_good_ladder_holds(board):
    rows = ladder.check(board)
    assert len(rows) == len(ladder.CLAIMS)
    assert [str(claim) for claim in ladder.CLAIMS] == [
        "sft > base (strict)", "sft > base_few_shot (strict)",
        "sft > base (strict, best settings)", "sft > base_few_shot (strict, best settings)",
        "dpo > sft (strict)", "dpo > sft (greedy)",
        "ppo > sft (strict)", "ppo > sft (lenient)", "ppo > sft (greedy) by 8 points or more",
        "grpo > sft (strict) by 10 points or more", "grpo > sft (lenient)",
        "grpo > sft (greedy) by 12 points or more",
        "grpo > sft (greedy, without demonstrations) by 25 points or more",
        "grpo > sft (strict, best settings) by 10 points or more",
        "grpo > sft (lenient, best settings) by 8 points or more",
        "grpo > sft (lenient_pass@8) by 5 points or more",
        "grpo > sft (lenient_pass@8, without demonstrations) by 15 points or more",
        "grpo > sft (maj@8) by 5 points or more",
        "grpo > sft (maj@8, without demonstrations) by 15 points or more"]
    assert all(row["holds"] for row in rows)
    assert "FAILED" not in ladder.report(rows)


def entry_of(board, claim):
    gain = claim.gain
    return gain_of(board, claim.better, claim.than, gain.measure, gain.at_best, gain.part)


@pytest.mark.parametrize("claim", ladder.CLAIMS, ids=map(str, ladder.CLAIMS))
def test_an_interval_that_reaches_zero_fails_its_claim_alone(board, claim):
    entry_of(board, claim).update(difference=0.3, ci95=[-0.01, 0.6])
    assert failures(board) == [str(claim)]


@pytest.mark.parametrize("claim", [one for one in ladder.CLAIMS if one.gain.points], ids=str)
def test_a_sure_but_small_gain_fails_where_more_is_claimed(board, claim):
    entry_of(board, claim).update(difference=claim.gain.points - 0.01, ci95=[0.01, 0.4])
    assert failures(board) == [str(claim)]


def test_what_is_not_claimed_may_fail(board):
    """A gain of reliability is one that a temperature gives, too: said, and not claimed."""
    gain_of(board, "ppo", "sft", "strict", at_best=True)["ci95"] = [-0.2, -0.1]
    gain_of(board, "grpo", "sft", "greedy", part="with")["ci95"] = [-0.2, -0.1]
    assert not failures(board)


def test_what_was_not_measured_does_not_hold(board):
    board["gains"].remove(gain_of(board, "sft", "base", "strict"))
    rows = ladder.check(board)
    assert [row["holds"] for row in rows].count(False) == 1
    assert "not measured" in ladder.report(rows)


def test_of_another_task_only_tuning_is_claimed(board):
    for part in ("rows", "gains"):
        board[part] = [one | {"task": "countdown"} for one in board[part]]
    [row] = ladder.check(board)
    assert row["claim"] == "sft > base (strict)" and row["holds"]
    gain_of(board, "sft", "base", "strict")["ci95"] = [-0.01, 0.4]
    assert [row["holds"] for row in ladder.check(board)] == [False]


def test_every_run_is_checked(board):
    second = copy.deepcopy(board)
    for part in second.values():
        for entry in part:
            entry["seed"] = 1
    gain_of(second, "grpo", "sft", "greedy")["ci95"] = [-0.1, 0.1]
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
