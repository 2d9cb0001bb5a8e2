"""Loading, precision, LoRA and merging."""

import json
import shutil

import pytest
import torch
from peft import get_peft_model
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, SFTConfig

from helpers import models
from helpers.config import ROOT, Course
from helpers.models import ModelError
from helpers.train.settings import device_flags, lora_config
from tests.hub.tiny_repo import WORDS, tiny_folder


def course_with(**changes):
    return Course.load(overrides={"model": {"name": str(tiny_folder())}} | changes)


@pytest.fixture
def adapted():
    """A model with a LoRA adapter that changes its answers clearly."""
    course = course_with()
    model = get_peft_model(models.load_base(course), lora_config(course))
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return model.eval()


IDS = torch.arange(5, 45).view(2, 20)


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_merging_keeps_the_answers_and_restores_every_byte(adapted):
    before, answers = weights(adapted), logits(adapted)
    with adapted.disable_adapter():
        assert (logits(adapted) - answers).abs().max() > 0.1  # the adapter matters
    with models.merged_copy(adapted) as merged:
        assert any(not torch.equal(value, before[name]) for name, value in weights(merged).items())
        torch.testing.assert_close(logits(merged), answers, atol=1e-4, rtol=1e-4)
    after = weights(adapted)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert torch.equal(logits(adapted), answers)


def test_merging_is_undone_after_an_error_and_refused_twice(adapted):
    before = weights(adapted)
    with pytest.raises(KeyError), models.merged_copy(adapted):
        raise KeyError("stop")
    assert all(torch.equal(value, before[name]) for name, value in weights(adapted).items())
    with models.merged_copy(adapted), pytest.raises(ModelError, match="already merged"):
        with models.merged_copy(adapted):
            raise AssertionError("not reached")


def test_merge_and_save_gives_a_plain_model_with_the_same_answers(adapted, tmp_path):
    course = course_with()
    before, target = weights(adapted), tmp_path / "model"
    target.mkdir()
    (target / "old.txt").write_text("from an earlier run")
    models.merge_and_save(adapted, models.load_tokenizer(course), target)
    assert not (target / "old.txt").exists() and [p.name for p in tmp_path.iterdir()] == ["model"]
    assert not list(target.glob("*.bin")) and list(target.glob("*.safetensors"))
    assert "lora" not in " ".join(models.load_model(target, course).state_dict())
    torch.testing.assert_close(logits(models.load_model(target, course)), logits(adapted),
                               atol=1e-4, rtol=1e-4)
    assert models.load_tokenizer(course, target)(WORDS) == models.load_tokenizer(course)(WORDS)
    assert all(torch.equal(value, before[name]) for name, value in weights(adapted).items())


def test_a_width_that_4_bits_get_wrong_on_a_cpu_is_refused(tmp_path):
    """bitsandbytes 0.50.2 reads rows of 96 weights back as other numbers, without a word."""
    config = Qwen2Config(hidden_size=96, intermediate_size=192, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=1, vocab_size=2048)
    Qwen2ForCausalLM(config).save_pretrained(tmp_path)
    models.load_tokenizer(Course.load()).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="96 inputs.*multiple of 64.*quantization='none'"):
        models.load_model(tmp_path, Course.load(), "4bit")


def test_four_bit_base_trains_lora_and_refuses_to_merge():
    course = Course.load()
    base = models.load_base(course, quantization="4bit")
    model = get_peft_model(base, lora_config(course, r=4))
    model(input_ids=IDS, labels=IDS).loss.backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if "lora_" in n)
    with pytest.raises(ModelError, match="4-bit base cannot be merged"), models.merged_copy(model):
        raise AssertionError("not reached")
    table, plain = models.parameter_table(base), models.parameter_table(models.load_base(course))
    assert table.loc["attention", "parameters"] == plain.loc["attention", "parameters"]
    assert table.loc["attention", "megabytes"] < 0.3 * plain.loc["attention", "megabytes"]
    with pytest.raises(ModelError, match="cannot all be trained"):
        models.load_base(course, quantization="4bit", full=True)


def test_parameter_table_adds_up(adapted):
    table = models.parameter_table(adapted)
    counted = sum(p.numel() for p in adapted.parameters())
    trainable = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert table.loc["total", "parameters"] == counted
    assert table.loc["total", "trainable"] == table.loc["LoRA", "trainable"] == trainable > 0
    assert table.loc["total", "megabytes"] == pytest.approx(counted * 4 / 1e6)
    assert set(table.index) == {"LoRA", "embedding", "norms", "attention", "feed-forward", "total"}


def test_lora_config_follows_the_course():
    course = course_with(lora={"r": 3, "alpha": 7, "dropout": 0.25, "target_modules": ["q_proj"]})
    config = lora_config(course)
    assert (config.r, config.lora_alpha, config.lora_dropout) == (3, 7, 0.25)
    assert config.target_modules == {"q_proj"} and lora_config(course, r=5).r == 5
    everywhere = get_peft_model(models.load_base(course), lora_config(course_with()))
    assert not [name for name, _ in everywhere.named_parameters()
                if "lora" in name and ("lm_head" in name or "embed" in name)]


@pytest.fixture
def pretend_gpu(monkeypatch):
    """Pretend that there is a GPU of the given compute capability (nothing is run on it)."""
    def pretend(major):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *a: (major, 5))
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *a, **k: True)  # a T4 says so
    return pretend


def test_precision_follows_the_device_not_the_preset(pretend_gpu, monkeypatch):
    auto = course_with(model={"name": str(tiny_folder()), "precision": "auto"})
    bfloat16 = course_with(model={"name": str(tiny_folder()), "precision": "bfloat16"})
    float16 = course_with(model={"name": str(tiny_folder()), "precision": "float16"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert models.precision(auto) == torch.float32
    with pytest.raises(ModelError, match="float16 trains on a GPU only"):
        models.precision(float16)
    pretend_gpu(7)
    assert models.precision(auto) == torch.float16
    flags = device_flags(auto)
    assert flags["fp16"] and not flags["bf16"] and not flags["use_cpu"]
    with pytest.raises(ModelError, match=r"compute capability 8\.0"):
        models.precision(bfloat16)
    pretend_gpu(8)
    assert models.precision(auto) == torch.bfloat16 and device_flags(auto)["bf16"]


def test_cpu_flags_make_valid_trainer_configurations(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    flags = device_flags(course_with())
    for kind in (SFTConfig, GRPOConfig):
        config = kind(output_dir=str(tmp_path), **flags)
        assert not (config.bf16 or config.fp16 or config.gradient_checkpointing)
        assert config.use_cpu and config.report_to == [] and not config.dataloader_pin_memory


def test_full_training_is_in_float32_also_from_a_16_bit_file(tmp_path):
    shutil.copytree(tiny_folder(), tmp_path / "half")
    models.load_base(course_with()).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    changes = {"model": {"name": str(tmp_path / "half"), "precision": "bfloat16"}}
    if not torch.cuda.is_available():
        assert models.load_base(course_with(**changes)).dtype == torch.bfloat16
    assert models.load_base(course_with(**changes), full=True).dtype == torch.float32


def one_line(caught):
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_or_broken_models_are_one_line(tmp_path):
    missing = course_with(model={"name": "data/tiny/nothing"})
    for load in (models.load_base, models.load_tokenizer):
        with pytest.raises(ModelError, match="data/tiny/nothing: no model there") as caught:
            load(missing)
        one_line(caught)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    with pytest.raises(ModelError, match="Restore the folder") as caught:
        models.load_model(tmp_path, course_with())
    one_line(caught)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="this is an adapter"):
        models.load_model(adapter, course_with())


def test_pickled_weights_and_repository_code_are_never_loaded(tmp_path):
    shutil.copytree(tiny_folder(), tmp_path / "pickled")
    model = models.load_base(course_with())
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ModelError):
        models.load_model(tmp_path / "pickled", course_with())
    shutil.copytree(tiny_folder(), tmp_path / "code")
    config = json.loads((tmp_path / "code" / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "own.Own",
                                                 "AutoConfig": "own.OwnConfig"}}
    (tmp_path / "code" / "config.json").write_text(json.dumps(config))
    (tmp_path / "code" / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        models.load_model(tmp_path / "code", course_with())
    assert not (tmp_path / "ran").exists()


def test_tokenizer_end_padding_and_template(tmp_path):
    tokenizer = models.load_tokenizer(course_with())
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert tokenizer.eos_token_id != tokenizer.pad_token_id and tokenizer.padding_side == "left"
    shutil.copytree(tiny_folder(), tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="lacks a chat template"):
        models.load_tokenizer(course_with(), tmp_path / "bare")


def test_shipped_tokenizer_ids_survive_saving_and_auto_loading(tmp_path):
    base = ROOT / "data" / "tiny" / "base"
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = WORDS + "1234567 <|im_start|>user\nUnseen wörds, <<3*4=12>> don't\n\n  #### -5<|im_end|>"
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    # The file itself, without the class that AutoTokenizer builds, splits the text the same way.
    from tokenizers import Tokenizer

    assert Tokenizer.from_file(str(base / "tokenizer.json")).encode(text).ids == (
        tokenizer(text)["input_ids"])
    digits = tokenizer("1234567")["input_ids"]
    assert [tokenizer.decode([i]) for i in digits] == list("1234567")
    assert again.chat_template == tokenizer.chat_template


def test_hub_is_not_asked_in_the_tiny_world():
    with pytest.raises(ModelError, match="no model there"):
        models.find_model("Qwen/Qwen2.5-0.5B", "tiny")
    assert models.find_model("Qwen/Qwen2.5-0.5B", "hub") == "Qwen/Qwen2.5-0.5B"
    with pytest.raises(ModelError):
        models.find_model("data/tiny/base-typo", "hub")
