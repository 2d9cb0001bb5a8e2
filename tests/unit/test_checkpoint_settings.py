"""What a model folder or a run's settings would do to training and sampling in silence."""

import json
import shutil

import pytest
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer

from helpers import models, sampling
from helpers.artifacts import CheckpointGuard
from helpers.config import Course
from tests.hub.tiny_repo import tiny_folder
from tests.loss_checks import on_cpu

PROMPTS = ["Anna has 12 apples", "Ben sells 3 pens"]


def course_with(**changes):
    return Course.load(overrides={"model": {"name": str(tiny_folder())}} | changes)


@pytest.fixture(scope="module")
def opinionated(tmp_path_factory):
    """The tiny model with settings in its generation_config.json that leave one token to say."""
    folder = tmp_path_factory.mktemp("model") / "own"
    shutil.copytree(tiny_folder(), folder)
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    settings = {"no_repeat_ngram_size": 2, "min_new_tokens": 6, "repetition_penalty": 1.3,
                "suppress_tokens": [token for token in range(size) if token not in (100, 101)],
                "do_sample": True, "temperature": 0.1, "top_k": 1}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


def test_what_a_checkpoint_says_of_sampling_does_not_act_in_ours(opinionated, tmp_path):
    course = course_with()
    tokenizer = models.load_tokenizer(course)
    plain, own = models.load_base(course), models.load_model(opinionated, course)
    for how in ({"greedy": True}, {"n": 4, "seed": 1}):
        found = [sampling.generate(model, tokenizer, PROMPTS, max_new_tokens=8, **how)
                 for model in (plain, own)]
        assert found[0] == found[1]
    own.save_pretrained(tmp_path)  # nor does it reach whoever loads what we save
    saved = json.loads((tmp_path / "generation_config.json").read_text())
    assert not saved.keys() & {"suppress_tokens", "no_repeat_ngram_size", "min_new_tokens", "top_k"}
    assert set(saved["eos_token_id"]) == {tokenizer.eos_token_id, tokenizer.pad_token_id}


def test_what_a_checkpoint_says_of_sampling_does_not_act_in_grpo(opinionated, tmp_path):
    from datasets import Dataset

    course, written = course_with(), []

    def watch(completions, completion_ids, **columns):
        written.extend(token for ids in completion_ids for token in ids)
        return [0.0] * len(completions)

    args = GRPOConfig(**on_cpu(tmp_path) | {
        "num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 8,
        "max_steps": 1, "save_strategy": "no", "disable_tqdm": True})
    GRPOTrainer(models.load_model(opinionated, course), reward_funcs=[watch], args=args,
                train_dataset=Dataset.from_list([{"prompt": text} for text in PROMPTS]),
                processing_class=models.load_tokenizer(course),
                peft_config=LoraConfig(target_modules="all-linear")).train()
    assert len(written) > 20 and not set(written) <= {100, 101}


def guard(**settings):
    """Whether a run with these settings may begin."""
    args = GRPOConfig(output_dir="unused", use_cpu=True, bf16=False, report_to="none",
                      num_generations=4, **settings)
    CheckpointGuard().on_train_begin(args, None, None)
    return args


@pytest.mark.parametrize("preset", ["tiny", "colab", "a100"])
def test_as_the_course_runs_grpo_every_checkpoint_stands_between_two_generations(preset):
    g = Course.load(preset).grpo
    args = guard(per_device_train_batch_size=4, save_steps=g.save_steps,
                 gradient_accumulation_steps=g.prompts_per_step * g.num_generations // 4)
    assert args.steps_per_generation == args.gradient_accumulation_steps
    assert args.num_iterations == 1


def test_a_checkpoint_inside_a_generation_is_refused_before_training():
    inside = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "save_steps": 5}
    guard(**inside)
    with pytest.raises(ValueError, match="save_steps is 5, .*Set save_steps to a multiple of 2"):
        guard(**inside, steps_per_generation=4)
    with pytest.raises(ValueError, match="Set save_steps to a multiple of 3"):
        guard(**inside, num_iterations=3)
    guard(**inside | {"save_steps": 6}, num_iterations=3)
    guard(**inside, steps_per_generation=4, save_strategy="no")


def test_other_trainers_checkpoints_stand_anywhere(tmp_path):
    from transformers import TrainingArguments

    args = TrainingArguments(str(tmp_path), save_steps=7, gradient_accumulation_steps=3,
                             use_cpu=True, report_to="none")
    CheckpointGuard().on_train_begin(args, None, None)


