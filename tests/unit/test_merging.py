"""Merging gives the model that was trained, or none: tied weights, other logits, whole modules."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from helpers import models
from helpers.config import Course
from helpers.merging import merge_bound
from helpers.models import ModelError, check_targets, merge_and_save
from tests.hub.tiny_repo import tiny_folder


def course_with(**changes):
    return Course.load(overrides={"model": {"name": str(tiny_folder())}} | changes)


@pytest.fixture(scope="module")
def tokenizer():
    return models.load_tokenizer(course_with())


@pytest.fixture(scope="module")
def loaded():
    return models.load_base(course_with())


def adapted(loaded, targets="all-linear", kind=torch.float32, **settings):
    """A copy of the model with an adapter that changes its answers clearly."""
    torch.manual_seed(1)
    model = get_peft_model(copy.deepcopy(loaded).to(kind), LoraConfig(
        r=4, target_modules=targets, task_type="CAUSAL_LM", **settings))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model.eval()


@pytest.mark.parametrize("layer", ["lm_head", "embed_tokens"])
def test_an_adapter_on_tied_weights_is_refused_before_anything_is_trained(layer):
    course = course_with(lora={"target_modules": ["q_proj", layer]})
    with pytest.raises(ModelError, match=f"lora.target_modules: {layer} has its weights in common "
                                         "with another layer .*use 'all-linear'") as caught:
        models.load_base(course)
    assert "\n" not in str(caught.value)
    models.load_base(course_with(lora={"target_modules": ["q_proj"]}))


def test_where_the_weights_are_not_tied_the_same_targets_are_allowed(loaded):
    untied = copy.deepcopy(loaded)
    untied.lm_head.weight = torch.nn.Parameter(untied.lm_head.weight.detach().clone())
    for targets in (["lm_head"], r".*(lm_head|q_proj)"):
        check_targets(untied, LoraConfig(target_modules=targets))
        with pytest.raises(ModelError, match="lm_head has its weights in common"):
            check_targets(loaded, LoraConfig(target_modules=targets))


@pytest.mark.parametrize("layer", ["lm_head", "embed_tokens"])
def test_an_adapter_on_tied_weights_that_is_there_already_is_not_merged(loaded, tokenizer, tmp_path,
                                                                        layer):
    with pytest.raises(ModelError, match=f"{layer}: has its weights in common .*'all-linear'"):
        merge_and_save(adapted(loaded, [layer]), tokenizer, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_a_merge_that_says_something_else_is_not_saved_and_the_old_model_stays(
        loaded, tokenizer, tmp_path, monkeypatch, kind):
    model = adapted(loaded, kind=kind)
    merge_and_save(model, tokenizer, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    monkeypatch.setattr(type(layer), "merge",  # adds nothing
                        lambda self: self.merged_adapters.append("default"))
    with pytest.raises(ModelError, match=r"not saved, the merged model's logits are \d+\.\d% off"):
        merge_and_save(model, tokenizer, tmp_path / "model")
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_bound_follows_precision_and_depth(loaded):
    assert merge_bound(loaded) == 1e-4
    half, deep = copy.deepcopy(loaded).to(torch.float16), copy.deepcopy(loaded).to(torch.bfloat16)
    assert merge_bound(half) == pytest.approx(3 * 2**-10 * 2**0.5)
    deep.config.num_hidden_layers = 28
    assert 0.098 < merge_bound(deep) < 0.13  # .098: what random weights of that depth were off by


def test_in_training_mode_dropout_does_not_enter_the_comparison(loaded, tokenizer, tmp_path):
    model = adapted(loaded, lora_dropout=0.5).train()
    merge_and_save(model, tokenizer, tmp_path / "model")
    assert model.training


def test_what_was_trained_whole_beside_lora_is_not_left_out_in_silence(loaded, tokenizer, tmp_path):
    model = adapted(loaded, modules_to_save=["norm"])
    with pytest.raises(ModelError, match="norm.*was trained whole, beside LoRA"):
        merge_and_save(model, tokenizer, tmp_path / "model")
    assert not list(tmp_path.iterdir())
