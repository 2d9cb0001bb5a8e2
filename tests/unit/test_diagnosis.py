"""Runs broken on purpose, by the trainer itself, and what their curves are said to suffer from."""

import pandas as pd
import pytest
import torch

from helpers.train.diagnosis import Finding, diagnose
from tests.unit.test_group import ours, pay

RIGHT = {"completions": ["It is 4.", "#### 5"], "lenient": [True, False]}
TURNS = {"completions": ["4<|im_end|>\n<|im_start|>user\nNow", "<|im_start|>user"],
         "lenient": [False, False]}


def names(curve, rows=()):
    return [one.name for one in diagnose(curve, rows)]


def run(folder, reward, **changes):
    """The curve of three steps of our trainer."""
    trainer = ours(folder, reward, **changes)
    trainer.train()
    return pd.DataFrame(trainer.state.log_history)


def ends(trainer, monkeypatch):
    """Answers come to their end: this random model never says so."""
    sample = trainer.sample

    def ended(step):
        rows, answers = sample(step)
        answers.truncated = torch.zeros_like(answers.truncated)
        return rows, answers

    monkeypatch.setattr(trainer, "sample", ended)
    trainer.train()
    return pd.DataFrame(trainer.state.log_history)


def never(completions, **columns):
    return [0.0] * len(completions)


def alike(completions, **columns):
    return [0.5] * len(completions)


def declines(completions, **columns):
    return [None] * len(completions)


def test_a_run_that_learns_has_no_finding(tmp_path, monkeypatch):
    assert names(ends(ours(tmp_path, pay), monkeypatch)) == []


def test_rewards_that_are_none(tmp_path):
    assert names(run(tmp_path, declines)) == ["no verdict"]


def test_answers_that_are_cut(tmp_path):
    """The random model hardly ever ends one by itself."""
    assert names(run(tmp_path, pay)) == ["limit"]


def cut_off(answers):
    """All answers but two of each group of four."""
    return torch.arange(len(answers)) % 4 > 1


@pytest.mark.parametrize("cut", [cut_off, lambda answers: torch.ones(len(answers)).bool()])
def test_answers_that_are_cut_are_told_where_they_are_left_out(tmp_path, monkeypatch, cut):
    """What is in no mean is not out of sight: else all that was cut would read as no verdict."""
    trainer = ours(tmp_path, pay, mask_truncated_completions=True)
    sample = trainer.sample

    def some(step):
        rows, answers = sample(step)
        answers.truncated = cut(answers)
        return rows, answers

    monkeypatch.setattr(trainer, "sample", some)
    trainer.train()
    curve = pd.DataFrame(trainer.state.log_history)
    shares = curve["completions/clipped_ratio"].tolist()
    assert shares == [0.5 if cut is cut_off else 1.0] * 3
    assert names(curve) == ([] if cut is cut_off else ["limit"])


def test_a_learning_rate_of_zero(tmp_path, monkeypatch):
    assert names(ends(ours(tmp_path, pay, learning_rate=0.0), monkeypatch)) == ["learning rate"]


@pytest.mark.parametrize(("reward", "advice"), [(never, "easier"), (alike, "temperature")])
def test_groups_without_a_signal(tmp_path, monkeypatch, reward, advice):
    [found] = diagnose(ends(ours(tmp_path, reward), monkeypatch))
    assert found.name == "silent groups" and advice in found.try_


def test_nothing_is_trained(tmp_path, monkeypatch):
    """The adapter is frozen, rewards differ."""
    trainer = ours(tmp_path, pay)
    trainer.trained = [one.requires_grad_(False) for one in trainer.trained]
    monkeypatch.setattr(trainer.accelerator, "backward", lambda loss: None)
    curve = ends(trainer, monkeypatch)
    assert names(curve) == ["nothing is trained"]


def test_the_form_is_told_from_the_answer(tmp_path, monkeypatch):
    curve = ends(ours(tmp_path, never), monkeypatch)
    assert names(curve, [RIGHT] * 8) == ["format", "silent groups"]
    wrong = RIGHT | {"lenient": [False, False]}
    assert names(curve, [wrong] * 8) == ["silent groups"]


def test_the_template_is_told_from_the_form(tmp_path, monkeypatch):
    curve = ends(ours(tmp_path, never), monkeypatch)
    assert names(curve, [TURNS] * 8)[0] == "template"


def test_what_is_right_and_paid_is_no_fault_of_form():
    curve = pd.DataFrame({"reward": [0.4, 0.5], "frac_reward_zero_std": [0.2, 0.3]})
    assert diagnose(curve, [RIGHT] * 8) == []


def test_what_is_right_as_asked_is_no_fault_of_form():
    """Rewards may be low or below zero, though answers are right: rare ones, or costs."""
    curve = pd.DataFrame({"reward": [-0.5, -0.3], "frac_reward_zero_std": [0.2, 0.3]})
    assert diagnose(curve, [RIGHT | {"strict": [True, False]}] * 8) == []
    assert names(curve, [RIGHT | {"strict": [False, False]}] * 8) == ["format"]


def test_other_columns_are_no_matter_whatever_they_hold():
    curve = pd.DataFrame({"reward": [None, 0.5], "note": ["a", None], "grad_norm": [None, 1.0],
                          "when": pd.Timestamp("2026-01-01")}, dtype=object)
    assert diagnose(curve) == []
    assert names(curve.assign(reward=None)) == ["no verdict"]


def test_a_finding_reads_as_one_line():
    assert str(Finding("limit", "9 are cut", "Raise it")) == "limit: 9 are cut. Raise it."


@pytest.mark.parametrize("curve", [pd.DataFrame(), pd.DataFrame({"loss": [1.0]})])
def test_a_curve_without_rewards_is_an_error(curve):
    with pytest.raises(ValueError, match="without the column reward"):
        diagnose(curve)
