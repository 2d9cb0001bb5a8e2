"""The clinic's patients: each has the one thing wrong that it is shown for, and is told as such."""

import json

import pytest
import torch

from helpers import losses
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.files import damage, read_json
from helpers.train.ppo import PPOTrainer
from helpers.train.ppo import clinic as ppo_clinic

BASE = ROOT / "data" / "tiny" / "base"
SMALL = {"prompts_per_step": 4, "minibatch_size": 4, "micro_batch_size": 4,
         "max_completion_length": 8}


@pytest.fixture(scope="module")
def course():
    return Course.load("tiny", "gsm8k", 0)


def test_a_sign_pays_a_tenth():
    assert ppo_clinic.equals_signs(["", "1 + 1 = 2", "===="], answer=["2"] * 3) == pytest.approx(
        [0.0, 0.1, 0.4])


def test_a_run_tells_what_it_is_and_watches_the_truth(course):
    one = ppo_clinic.treat("signs", course, BASE, 2, **SMALL)
    assert one["pays"] == "equals_signs" and one["settings"]["kl_coef"] == 0
    assert one["steps"] == [1, 2] and set(one["curves"]) == {
        "paid", "kl", "length", "entropy", "clipped", "right"}
    assert all(len(values) == 2 for values in one["curves"].values())
    assert len(one["said"]) == 8 and json.dumps(one)
    signs = [10 * paid * SMALL["prompts_per_step"] for paid in one["curves"]["paid"]]
    assert signs == pytest.approx([round(count) for count in signs], abs=1e-4)  # right pays nothing


def test_padding_is_counted_by_one_patient_only(course, monkeypatch):
    seen = {}

    def wordy(completions, **columns):  # the untrained base is never right: nothing to whiten
        return [len(text) / 100 for text in completions]

    def stopped(self, resume_from_checkpoint=None):
        rollout = self.roll_out(0)
        seen[type(self)] = rollout
        raise KeyboardInterrupt

    monkeypatch.setattr(ppo_clinic, "reward_functions", lambda course: ([wordy], [1.0]))
    monkeypatch.setattr(PPOTrainer, "train", stopped)
    for name in ("healthy", "padding"):
        with pytest.raises(KeyboardInterrupt):
            ppo_clinic.treat(name, course, BASE, 1, **SMALL | {"max_completion_length": 80})
    good, bad = seen[PPOTrainer], seen[ppo_clinic.PaddedWhitening]
    assert good.texts == bad.texts and not good.mask.all()  # there is padding to count
    raw = bad.returns - bad.values
    torch.testing.assert_close(good.advantages, losses.masked_whiten(raw, good.mask))
    wrong = losses.masked_whiten(raw, torch.ones_like(raw)) * bad.mask
    torch.testing.assert_close(bad.advantages, wrong)
    assert (good.advantages - wrong).abs().max() > 1e-3


def test_what_is_recorded_can_be_loaded_and_half_a_record_is_none(course, tmp_path, monkeypatch):
    runs = iter(range(10))
    monkeypatch.setattr(ppo_clinic, "treat", lambda name, *rest, **more: {"run": next(runs)})
    folder = tmp_path / "ppo"
    assert ppo_clinic.load(folder) == {}
    stage = Stage(course, "sft", tmp_path, {"run_id": "20260101-000000-abcdef"})
    ppo_clinic.record(course, stage, 3, folder)
    assert ppo_clinic.load(folder) == {
        name: {"run": i} for i, name in enumerate(ppo_clinic.PATIENTS)}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["sft"] == stage.run_id and manifest["steps"] == 3
    assert set(manifest["files"]) == {f"{name}.json" for name in ppo_clinic.PATIENTS}
    (folder / "manifest.json").unlink()
    assert ppo_clinic.load(folder) == {}


def test_the_recorded_runs_are_whole():
    runs = ppo_clinic.load()
    if not runs:
        pytest.skip("nothing recorded: python -m helpers.train.ppo.clinic")
    manifest = read_json(ppo_clinic.FOLDER / "manifest.json")
    assert damage(ppo_clinic.FOLDER, manifest["files"]) is None
    for name, one in runs.items():
        assert one["name"] == name and one["words"] == ppo_clinic.PATIENTS[name][2]
        assert {len(values) for values in one["curves"].values()} == {manifest["steps"]}
