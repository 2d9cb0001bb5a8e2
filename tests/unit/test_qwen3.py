"""Qwen3, whose heads are wider than their share and whose template can think, in every stage."""

import shutil

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM

from helpers import merging, model_size, models, prompts, sampling
from helpers.config import Course
from helpers.train.settings import lora_config
from tests import methods

ANSWER = "<|im_start|>assistant\n"
NO_THOUGHTS = f"{ANSWER}<think>\n\n</think>\n\n"


@pytest.fixture(scope="module")
def course():
    return methods.course_for("float32", methods.model_folder(family="Qwen3"))


@pytest.mark.parametrize("name", methods.NAMES)
def test_two_steps(name, course, tmp_path, monkeypatch):
    methods.check(methods.two_steps(monkeypatch, name, course, tmp_path))


@pytest.mark.parametrize("task, answer_format, before", [
    ("gsm8k", "hash", NO_THOUGHTS), ("gsm8k", "xml", NO_THOUGHTS), ("gsm8k", "boxed", NO_THOUGHTS),
    ("gsm8k", "think", ANSWER), ("gsm8k", "countdown", ANSWER)])
def test_it_is_asked_without_thoughts_of_its_own_by_us_and_by_trainers(
        course, tmp_path, task, answer_format, before):
    course = course.model_copy(update={"answer_format": answer_format})
    tokenizer = models.load_tokenizer(course)
    example = prompts.sft_example(methods.PROBLEMS[0], course)
    asked = prompts.chat_text(tokenizer, example["prompt"])
    assert asked.endswith(before)
    ids, labels = prompts.encode_example(tokenizer, example)
    start = len(tokenizer(asked)["input_ids"])
    assert set(labels[:start]) == {prompts.IGNORED} and labels[start] == ids[start]
    answer = example["completion"][0]["content"]
    assert tokenizer.decode([i for i in labels if i >= 0]) == answer + "<|im_end|>"
    [read] = methods.build("sft", course, tmp_path,
                           methods.PROBLEMS[:1]).train_dataset["input_ids"]
    assert tokenizer.decode(read) == asked + answer + "<|im_end|>\n"
    # A saved tokenizer is read again as it is.
    tokenizer.save_pretrained(tmp_path / "again")
    shutil.copy(methods.model_folder(family="Qwen3") / "config.json", tmp_path / "again")
    again = models.load_tokenizer(course, tmp_path / "again")
    assert again.chat_template == tokenizer.chat_template


def test_it_writes_as_plain_generate_does(course):
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    texts = [prompts.chat_text(tokenizer, prompts.messages(one, course))
             for one in methods.PROBLEMS[:3]]
    found = sampling.generate(model, tokenizer, texts, max_new_tokens=24, greedy=True)
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        plain = model.generate(**batch, do_sample=False, max_new_tokens=24)
    for [one], row in zip(found, plain[:, batch["input_ids"].shape[1]:].tolist(), strict=True):
        assert list(one.ids) == row[:one.tokens]


def test_it_is_merged(course, tmp_path):
    base, tokenizer = models.load_base(course), models.load_tokenizer(course)
    adapted = get_peft_model(base, lora_config(course)).eval()
    torch.manual_seed(0)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.05)
    ids = torch.tensor([tokenizer("Anna has 7 apples.")["input_ids"]])
    with torch.no_grad():
        wanted = adapted(ids).logits
        merging.merge_and_save(adapted, tokenizer, tmp_path)
        found = AutoModelForCausalLM.from_pretrained(tmp_path)(ids).logits
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name, parameters", [
    ("Qwen/Qwen3-0.6B-Base", 596_049_920), ("Qwen/Qwen3-1.7B", 1_720_574_976)])
def test_its_size_is_known_without_network(name, parameters):
    course = Course.load("a100", overrides={"model": {"name": name}})
    assert model_size.size(course).parameters == parameters
