"""One base in memory for all models of a notebook, and none of them changes another."""

import copy
import gc
import os
import shutil
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel, get_peft_model

from helpers import bases, merging, models
from helpers.train import reward_model
from helpers.train.adapters import save_adapter
from helpers.train.methods import METHODS, new_bank
from helpers.train.settings import lora_config
from tests import methods


@pytest.fixture
def folder(tmp_path):
    """A model of this test's own: nobody else has it loaded."""
    return shutil.copytree(methods.model_folder(), tmp_path / "model")


def course_of(folder, precision="float32", **changes):
    return methods.course_for(precision, folder, **changes)


def frozen_bytes(*alive):
    """Bytes of the frozen weights that these models have in memory, each piece once."""
    gc.collect()
    pieces = {}
    for model in alive:
        for name, weight in model.named_parameters():
            if not any(own in name for own in ("lora_", "score", "heads.")):
                storage = weight.untyped_storage()
                pieces[storage.data_ptr()] = storage.nbytes()
    return sum(pieces.values())


def adapter_of(course, folder, tmp_path, base=None, name="adapter"):
    """An adapter that changes what is said, as a folder."""
    torch.manual_seed(1)
    model = get_peft_model(base or models.load_model(folder, course), lora_config(course))
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data.normal_(std=0.05)
    save_adapter(model, "default", tmp_path / name)
    return tmp_path / name


def trainer_of(name, course, folder, tmp_path):
    return methods.build(name, course, tmp_path / name).model


def judge_of(course, folder, kind):
    return reward_model.new_reward_model(course, folder, kind)


ROLES = {  # what a notebook has alive at once
    "04": lambda course, folder, path: [
        judge_of(course, folder, "head"), judge_of(course, folder, "likelihood"),
        judge_of(course, folder, "likelihood"), models.load_scorer(folder, course),
        reward_model.load_reward_model(course, folder, adapter_of(course, folder, path)).model],
    "05": lambda course, folder, path: [
        trainer_of("dpo", course, folder, path), PeftModel.from_pretrained(
            models.load_model(folder, course), adapter_of(course, folder, path))],
    "06": lambda course, folder, path: [
        new_bank(course, folder, adapter_of(course, folder, path)),
        reward_model.load_reward_model(course, folder, path / "adapter").model],
    "07": lambda course, folder, path: [
        get_peft_model(models.load_model(folder, course), lora_config(course)),
        trainer_of("grpo", course, folder, path)],
    "A2": lambda course, folder, path: [
        trainer_of("rloo", course, folder, path), trainer_of("rft", course, folder, path)],
}


@pytest.mark.parametrize("number", ROLES)
def test_the_roles_of_a_notebook_have_one_base(number, folder, tmp_path):
    course = course_of(folder)
    sft = models.load_model(folder, course)  # what it samples from
    one = frozen_bytes(sft)
    alive = [sft, *ROLES[number](course, folder, tmp_path)]
    assert frozen_bytes(*alive) == one == sum(
        weight.numel() for weight in set(sft.parameters())) * 4


def test_without_sharing_each_has_its_own(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "shared", lambda key, read: read())
    course = course_of(folder)
    sft = models.load_model(folder, course)
    alive = [sft, *ROLES["05"](course, folder, tmp_path)]
    assert frozen_bytes(*alive) == 3 * frozen_bytes(sft)


@pytest.mark.parametrize("precision", ["float32", "4bit"])
@pytest.mark.parametrize("name", ["dpo", "ppo", "grpo", "reward"])
def test_losses_are_those_of_bases_of_their_own(name, precision, folder, tmp_path, monkeypatch):
    """To the last bit, with other models of the same base alive and used in between."""
    course = course_of(folder, precision)
    methods.half_on_a_cpu(monkeypatch, course)
    logs = []
    for shares in (False, True):
        with monkeypatch.context() as patched:
            if not shares:
                patched.setattr(bases, "shared", lambda key, read: read())
            other = models.load_model(folder, course, course.model.quantization)
            said = other(input_ids=torch.arange(8)[None]).logits
            torch.manual_seed(0)
            trainer = methods.build(name, course, tmp_path / f"{shares}")
            trainer.train()
            again = other(input_ids=torch.arange(8)[None]).logits
            assert torch.equal(said, again)
            logs.append([{key: value for key, value in row.items() if "time" not in key
                          and not key.endswith("_per_second") and key != "train_runtime"}
                         for row in trainer.state.log_history])
    assert logs[0] == logs[1] and len(logs[0]) >= 2


def test_merging_to_save_leaves_the_others_as_they_are(folder, tmp_path):
    course = course_of(folder)
    sft = models.load_model(folder, course)
    before = copy.deepcopy(sft.state_dict())
    adapted = PeftModel.from_pretrained(models.load_model(folder, course),
                                        adapter_of(course, folder, tmp_path))
    merging.merge_and_save(adapted, models.load_tokenizer(course), tmp_path / "merged")
    assert all(torch.equal(before[name], weight) for name, weight in sft.state_dict().items())
    merged = models.load_model(tmp_path / "merged", course)
    assert not torch.equal(merged.model.layers[0].mlp.up_proj.weight,
                           sft.model.layers[0].mlp.up_proj.weight)


def test_merging_for_good_takes_weights_of_its_own(folder, tmp_path):
    course = course_of(folder)
    path = adapter_of(course, folder, tmp_path)
    for others in (True, False):
        sft = models.load_model(folder, course)
        before = copy.deepcopy(sft.state_dict())
        sft = sft if others else None
        gc.collect()
        adapted = PeftModel.from_pretrained(models.load_model(folder, course), path)
        merging.merge(adapted, path)
        fresh = models.load_model(folder, course)
        for one in filter(None, (sft, fresh)):
            assert all(torch.equal(before[name], weight)
                       for name, weight in one.state_dict().items())


def test_flags_configurations_and_adapters_are_nobody_elses(folder):
    course = course_of(folder)
    one, other = (models.load_model(folder, course) for _ in range(2))
    one.config.num_labels, one.generation_config.top_k = 7, 3
    one.gradient_checkpointing_enable()
    get_peft_model(one.train(), lora_config(course))
    assert other.config.num_labels != 7 and other.generation_config.top_k != 3
    assert not other.training and not other.is_gradient_checkpointing
    assert not [name for name, _ in other.named_parameters() if "lora" in name]
    assert not any(weight.requires_grad for weight in other.parameters())
    assert other.lm_head.weight is other.model.embed_tokens.weight  # still tied


def test_what_is_trained_whole_or_read_otherwise_is_its_own(folder):
    course = course_of(folder)
    sft = models.load_model(folder, course)
    for other in (models.load_model(folder, course, full=True),
                  models.load_model(folder, course, "4bit")):
        places = {w.data_ptr() for w in sft.parameters()}
        assert not places & {w.data_ptr() for w in other.parameters()}
    assert all(w.requires_grad for w in models.load_model(folder, course, full=True).parameters())


def test_files_that_have_changed_are_read_again(folder):
    course = course_of(folder)
    one = models.load_model(folder, course)
    weights = folder / "model.safetensors"
    os.utime(weights, ns=(0, weights.stat().st_mtime_ns + 1))
    other = models.load_model(folder, course)
    assert one.lm_head.weight.data_ptr() != other.lm_head.weight.data_ptr()


def test_nothing_is_kept_when_the_last_model_is_gone(folder):
    course = course_of(folder)
    first, second = (models.load_model(folder, course) for _ in range(2))
    [key] = [key for key, one in bases._READ.items() if one() and str(folder) in key[0]]
    del first
    gc.collect()
    assert bases._READ[key]() is not None
    del second
    gc.collect()
    assert bases._READ[key]() is None


def test_a_trainer_that_merges_for_vllm_has_a_base_of_its_own(folder, tmp_path, monkeypatch):
    """TRL merges in place before vLLM samples, and subtracts again: other weights than before."""
    course = course_of(folder, grpo={"engine": "trl"})
    sft, given = models.load_model(folder, course), []
    monkeypatch.setattr("trl.GRPOTrainer", lambda model, **more: given.append(model) or (
        SimpleNamespace(add_callback=lambda one: None)))
    METHODS["grpo"].build(course, SimpleNamespace(use_vllm=True), start=folder)
    places = {w.data_ptr() for w in sft.parameters()}
    assert not places & {w.data_ptr() for w in given[0].parameters()}
