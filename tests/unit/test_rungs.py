"""The registry of rungs: what follows from it is what the course had before there was one."""

import json

import pytest

from helpers import rungs
from helpers.config import ROOT, STAGE_SECTIONS, ConfigError, Course
from helpers.schema import Stages

# Of the settings alone, without the contents of local folders: what they were before the registry.
# (01 is left out: it also depends on the files of all tasks.)
# If a change of a setting is meant, finished stages are made again, and the value here is new.
FINGERPRINTS = {
    ("tiny", "start_here"): "01056d13e0d7196f",
    ("tiny", "verify_and_reward"): "8fe779ab06a6ab68",
    ("tiny", "sft"): "761d64d689269b8e",
    ("tiny", "pairs"): "020b0a56585e5379",
    ("tiny", "dpo"): "a90e52e514b670c7",
    ("tiny", "ppo"): "0c91b7784976e55c",
    ("tiny", "grpo"): "27cd23f2ab7517d1",
    ("tiny", "rft"): "d00522ab47be6954",
    ("tiny", "evaluation"): "9495e783d6ee2f04",
    ("tiny", "tiny_base"): "30b5e40de9afd013",
    ("colab", "start_here"): "36dbb4a01530ba98",
    ("colab", "verify_and_reward"): "8fceba88950ed88a",
    ("colab", "sft"): "86e15c480d3a538c",
    ("colab", "pairs"): "86b30325ce2c8f83",
    ("colab", "dpo"): "e90ab5d6f022f9f1",
    ("colab", "ppo"): "a1ec013525ad830e",
    ("colab", "grpo"): "f5f574cedbabc960",
    ("colab", "rft"): "12f3f97445cc7bcb",
    ("colab", "evaluation"): "cc57346c1c3949e0",
    ("colab", "tiny_base"): "e38e74923aaccac7",
    ("a100", "start_here"): "3cb16e9b1620ddb6",
    ("a100", "verify_and_reward"): "43068dd35a428e1a",
    ("a100", "sft"): "9b9f8eebc314d2fe",
    ("a100", "pairs"): "0bff75451122509e",
    ("a100", "dpo"): "3460fa67c4479815",
    ("a100", "ppo"): "5b7de3a5ccb6481d",
    ("a100", "grpo"): "d5c3ccc700675a0f",
    ("a100", "rft"): "7fb010c92185e8ad",
    ("a100", "evaluation"): "da23e051d51b6e12",
    ("a100", "tiny_base"): "bb94bbf0f10f1d02",
}


@pytest.mark.parametrize("preset, stage", FINGERPRINTS)
def test_the_settings_of_the_course_have_the_fingerprints_they_had(monkeypatch, preset, stage):
    monkeypatch.setattr(Course, "_local_folders", lambda self, others: [])
    [uses] = [course["uses"] for course in (
        json.loads(path.read_text(encoding="utf-8"))["metadata"]["course"]
        for path in (ROOT / "notebooks").glob("*.ipynb")) if stage in course["makes"]]
    started_from = {"colab": {"model": {"name": "Qwen/Qwen2.5-0.5B-Instruct"}}}  # till its base
    course = Course.load(preset, overrides=started_from.get(preset, {}))
    assert course.fingerprint(uses) == FINGERPRINTS[preset, stage]


def test_every_rung_has_settings_and_is_compared_with_models_before_it():
    assert rungs.MODELS[:3] == ("base", "base_few_shot", "sft")
    assert set(rungs.NAMES) <= set(Stages.model_fields) == set(STAGE_SECTIONS)
    for rung in rungs.RUNGS:
        place = rungs.MODELS.index(rung.name)
        assert rung.than and all(rungs.MODELS.index(other) < place for other in rung.than)
        assert rungs.compared_with(rung.name) == rung.than
    assert rungs.compared_with("base") == () and rungs.compared_with("foreign") == ("sft",)


def test_rewards_are_of_the_rungs_that_pay_them():
    one, other = (Course.load(overrides={"rewards": {"exact_answer": x}}) for x in (1.0, 2.0))
    for rung in rungs.RUNGS:
        differ = one.fingerprint([rung.name]) != other.fingerprint([rung.name])
        assert differ == rung.pays_rewards, rung.name


def test_the_word_rungs_stands_for_the_sections_of_all():
    course = Course.load()
    assert course.fingerprint(["rungs"]) == course.fingerprint(rungs.NAMES)
    changed = Course.load(overrides={"dpo": {"beta": 0.2}})
    assert changed.fingerprint(["rungs"]) != course.fingerprint(["rungs"])


def test_all_is_every_rung_and_a_choice_stays_one():
    assert Course.load().evaluation.rungs == list(rungs.NAMES)
    few = Course.load(overrides={"evaluation": {"rungs": ["sft", "grpo"]}})
    assert few.evaluation.rungs == ["sft", "grpo"]
    with pytest.raises(ConfigError, match="evaluation.rungs: is 'some'"):
        Course.load(overrides={"evaluation": {"rungs": "some"}})
