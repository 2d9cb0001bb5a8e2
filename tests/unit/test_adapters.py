"""An adapter is recognised as this base's own, wherever the base lies, and as no other's."""

import shutil

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file

from helpers import models
from helpers.config import Course
from helpers.train.adapters import AdapterError, digest, read_adapter
from helpers.train.settings import lora_config
from tests.hub.tiny_repo import tiny_folder


@pytest.fixture(scope="module")
def course():
    return Course.load(overrides={"model": {"name": str(tiny_folder())}})


def base_at(folder, course):
    shutil.copytree(tiny_folder(), folder)
    return models.load_model(folder, course)


@pytest.fixture
def made(course, tmp_path):
    """A base in a folder of its own and the folder of an adapter made on it."""
    base = base_at(tmp_path / "base", course)
    peft = get_peft_model(base, lora_config(course))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in peft.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    peft.save_pretrained(tmp_path / "adapter")
    return peft, tmp_path / "adapter"


def test_it_comes_back_weight_for_weight(made, course, tmp_path):
    peft, folder = made
    base = models.load_model(tmp_path / "base", course)
    again = get_peft_model(base, peft.peft_config["default"])
    read_adapter(folder, base).onto(again)
    assert digest(list(again.parameters())) == digest(list(peft.parameters()))


@pytest.mark.parametrize("where", ["copied", "moved"])
def test_the_same_base_elsewhere_is_the_same(made, course, tmp_path, where):
    _, folder = made
    base = base_at(tmp_path / "elsewhere", course)
    if where == "moved":
        shutil.rmtree(tmp_path / "base")
    assert read_adapter(folder, base).score is None


def test_another_base_of_the_same_size_is_another(made, course, tmp_path):
    _, folder = made
    shutil.copytree(tiny_folder(), tmp_path / "other")
    file = tmp_path / "other" / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if "norm" in name)
    save_file(weights | {name: weights[name] + 1}, file, metadata={"format": "pt"})
    with pytest.raises(AdapterError, match="of another base: it was trained on"):
        read_adapter(folder, models.load_model(tmp_path / "other", course))


def test_a_base_by_another_name_is_another(made, course):
    _, folder = made
    other = models.load_model(tiny_folder(), course)
    other.name_or_path = "somebody/else"
    with pytest.raises(AdapterError, match="this is somebody/else"):
        read_adapter(folder, other)
