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
    ("tiny", "start_here"): "79d8c38dca344b05",
    ("tiny", "verify_and_reward"): "8fe779ab06a6ab68",
    ("tiny", "sft"): "38fef6722ddb3cb2",
    ("tiny", "pairs"): "80acff2a146e454e",
    ("tiny", "dpo"): "a90e52e514b670c7",
    ("tiny", "ppo"): "b8ef7b3574948c49",
    ("tiny", "grpo"): "19ac0f7ad30f4983",
    ("tiny", "rft"): "e09059be913e7a99",
    ("tiny", "evaluation"): "9495e783d6ee2f04",
    ("tiny", "tiny_base"): "30b5e40de9afd013",
    ("colab", "start_here"): "f8e12cb723026cdc",
    ("colab", "verify_and_reward"): "d1cd894c77f46911",
    ("colab", "sft"): "038af1ae82d085c5",
    ("colab", "pairs"): "5345642b46d79be6",
    ("colab", "dpo"): "8756e2378ceef1f7",
    ("colab", "ppo"): "3dbc759eaeb8d182",
    ("colab", "grpo"): "5d20cc2eee88964c",
    ("colab", "rft"): "07f13129b9e39ea4",
    ("colab", "evaluation"): "cd55a099a0920994",
    ("colab", "tiny_base"): "be44f0fe4a4e9068",
    ("a100", "start_here"): "49e2f6d1679b4387",
    ("a100", "verify_and_reward"): "7412b9ed6934ed0c",
    ("a100", "sft"): "73b2646ccede7313",
    ("a100", "pairs"): "696f4d9e6baad643",
    ("a100", "dpo"): "0910dead4ac2ed2d",
    ("a100", "ppo"): "e0dab87df3dffc2d",
    ("a100", "grpo"): "22c2d582ac6a602d",
    ("a100", "rft"): "9890b43eaee88543",
    ("a100", "evaluation"): "cb2e8d6675982cc9",
    ("a100", "tiny_base"): "051a94395b419d78",
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
