"""How many rows are read at once, by the memory that is free."""

import dataclasses
import re
import shutil
import warnings
from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForCausalLM

from helpers import losses, models
from helpers.config import ConfigError, Course
from helpers.forecast import chosen, forecast
from helpers.machine import USUAL
from helpers.model_size import architecture, size
from helpers.passes import BESIDE, layers_keep
from helpers.train import room
from helpers.train.methods import METHODS
from helpers.train.ppo import AdapterBank
from helpers.train.rows import Rows
from helpers.train.settings import lora_config, lora_without_copies
from tests import methods
from tests.peak import Peak, without_numbers

GB = 1e9


@pytest.fixture
def on_a_card(monkeypatch):
    """A card with so many bytes free, as far as the arrangement asks."""
    def of(free):
        monkeypatch.setattr(models, "device", lambda: torch.device("cuda"))
        monkeypatch.setattr(room, "free_bytes", lambda: free)
        monkeypatch.setattr(room, "card_name", lambda: "NVIDIA H200")
        monkeypatch.setattr(models, "in_memory", lambda start, course: False)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 0)
    return of


STEP = {"sft": "sft", "reward": "reward_model", "dpo": "dpo"}


def arranged(name, monkeypatch, **changes):
    """A method's arguments before and after; made before there is a card, since transformers asks
    for a real one."""
    course = methods.course_for("float32", methods.model_folder())
    tokenizer = models.load_tokenizer(course)
    args = METHODS[name].arguments(course, "unused", save_strategy="no", **changes)
    rows = methods.rows_for(name, course, tokenizer)
    return args, lambda: room.arrange(METHODS[name].name, args, course, rows, tokenizer)


@pytest.mark.parametrize("name", methods.NAMES)
def test_the_rows_of_a_step_stay(name, monkeypatch, on_a_card, capsys):
    args, arrange = arranged(name, monkeypatch)
    before = SimpleNamespace(**vars(args))
    on_a_card(1e12)
    found = arrange()
    assert found.rows and not found.checkpointing
    assert f"{found.rows} rows at once, activations kept: about" in capsys.readouterr().out
    assert not args.gradient_checkpointing and not args.activation_checkpointing
    if name == "ppo":
        assert args.rows_at_once == found.rows == args.minibatch_size
        assert args.micro_batch_size == before.micro_batch_size
        return
    assert args.per_device_train_batch_size == found.rows
    assert args.per_device_train_batch_size * args.gradient_accumulation_steps == (
        before.per_device_train_batch_size * before.gradient_accumulation_steps)
    if name in ("grpo", "rloo"):
        assert args.steps_per_generation * found.rows == before.generation_batch_size


def test_what_was_set_by_hand_stays(monkeypatch, on_a_card):
    one, arrange_one = arranged("sft", monkeypatch, per_device_train_batch_size=1)
    two, arrange_two = arranged("ppo", monkeypatch)
    two.micro_batch_size = 1  # in a notebook's cell, after the table
    on_a_card(1e12)
    assert arrange_one() is None and one.per_device_train_batch_size == 1
    assert arrange_two() is None and two.micro_batch_size == 1


@pytest.mark.parametrize("loaded", ["none", "4bit"])
def test_a_base_that_is_there_takes_no_more(loaded, monkeypatch, on_a_card, tmp_path):
    """The one that is sampled from, where the trainer reads the same."""
    free = {}
    shutil.copytree(methods.model_folder(), tmp_path / "base")  # which no other test has loaded
    course = methods.course_for("float32", tmp_path / "base")
    start, base = course.model.name, None
    for there in (False, True):
        args, _ = arranged("dpo", monkeypatch)
        tokenizer = models.load_tokenizer(course)
        rows = methods.rows_for("dpo", course, tokenizer)
        base = models.load_model(start, course, loaded) if there else base
        with monkeypatch.context() as on:
            on.setattr(room, "models", SimpleNamespace(
                device=lambda: torch.device("cuda"), in_memory=models.in_memory))
            for name, value in (("free_bytes", 1e12), ("card_name", "NVIDIA H200")):
                on.setattr(room, name, lambda value=value: value)
            on.setattr(torch.cuda, "memory_allocated", lambda: 0)
            free[there] = room.arrange("DPO", args, course, rows, tokenizer, start).free
    less = size(course).parameters * 4 if loaded == "none" else 0
    assert free[True] - free[False] == pytest.approx(less) and base is not None


def test_an_engine_beside_training_leaves_less(monkeypatch, on_a_card):
    """A vLLM engine, which starts with the trainer, has its share of the whole card."""
    one, arrange_one = arranged("grpo", monkeypatch)
    two, arrange_two = arranged("grpo", monkeypatch)
    three, arrange_three = arranged("grpo", monkeypatch)
    _, arrange_four = arranged("grpo", monkeypatch)
    for args in (two, three):
        args.use_vllm, args.vllm_gpu_memory_utilization = True, 0.3
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (80 * GB, 80 * GB))
    on_a_card(40 * GB)
    assert arrange_one().free - arrange_two().free == pytest.approx(0.3 * 80 * GB)
    # The base that is there is not the trainer's: it merges for the engine in one of its own.
    monkeypatch.setattr(models, "in_memory", lambda start, course: True)
    base = 4 * size(methods.course_for("float32", methods.model_folder())).parameters
    free = arrange_three().free
    assert arrange_four().free - free == pytest.approx(0.3 * 80 * GB + base)


def test_an_engine_without_room_is_refused_before_a_model_is_loaded(monkeypatch, on_a_card):
    args, arrange = arranged("grpo", monkeypatch)
    args.use_vllm, args.vllm_gpu_memory_utilization = True, 0.3
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (4 * GB, 4 * GB))
    on_a_card(4 * GB)
    with pytest.raises(ConfigError, match="GRPO: vLLM may take 1.2 GB of the GPU and needs 1.5 GB"):
        arrange()


def test_on_a_processor_nothing_is_arranged(monkeypatch):
    args, arrange = arranged("dpo", monkeypatch)
    assert arrange() is None


def test_what_cannot_fit_is_said_before_a_model_is_loaded(monkeypatch, on_a_card):
    _, arrange = arranged("grpo", monkeypatch)
    on_a_card(1e6)
    with pytest.raises(ConfigError, match=r"GRPO: one row of \d+ tokens .* Lower lengths"):
        arrange()


class Card:
    """What torch.cuda says of a card: 80 GB, of which others have 30 and this process 10."""

    def __init__(self, monkeypatch, share=1.0):
        for name, value in {"mem_get_info": (38e9, 80e9), "memory_reserved": 12e9,
                            "memory_allocated": 10e9, "get_per_process_memory_fraction": share,
                            "is_available": True}.items():
            monkeypatch.setattr(torch.cuda, name, lambda value=value: value)


@pytest.mark.parametrize("share, limit, free", [
    (1.0, None, 40), (0.5, None, 30), (1.0, "24", 14), (0.25, "24", 10), (1.0, " 1000 ", 40)])
def test_what_is_free_is_the_least_of_card_share_and_limit(monkeypatch, share, limit, free):
    Card(monkeypatch, share)
    monkeypatch.delenv(room.LIMIT, raising=False)
    if limit:
        monkeypatch.setenv(room.LIMIT, limit)
    assert room.free_bytes() == free * GB


@pytest.mark.parametrize("limit", ["40GB", "0", "-3", "nan", "forty"])
def test_a_limit_that_is_no_size_is_one_line(monkeypatch, limit):
    Card(monkeypatch)
    monkeypatch.setenv(room.LIMIT, limit)
    with pytest.raises(ConfigError, match=f"COURSE_GPU_GB: is '{limit}', must be a number of GB"):
        room.free_bytes()


@pytest.mark.parametrize("name, alone, told", [
    ("sft", False, r"SFT: .* at 40.0 GB, with \d+ rows .*COURSE_GPU_GB=32.0 .*last checkpoint"),
    ("ppo", False, r"PPO: .* at 40.0 GB, with \d+ rows .*COURSE_GPU_GB=32.0 .*last checkpoint"),
    ("ppo", True, r"PPO: .* 40.0 GB, sampling 1 answer .*completion \(to 4\).*last checkpoint")])
@pytest.mark.filterwarnings("ignore:the GPU ran out of memory")
def test_out_of_memory_says_what_to_set(name, alone, told, monkeypatch, tmp_path):
    """While something is learned, and (alone) where not even one answer can be written."""
    course = methods.course_for("float32", methods.model_folder())
    trainer = methods.build(name, course, tmp_path)

    call = torch.nn.Module.__call__

    def no_room(*args, **named):
        if torch.is_grad_enabled() or alone:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return call(*args, **named)

    monkeypatch.setattr(torch.nn.Module, "__call__", no_room)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 40e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(room.OutOfMemory, match=told):
        trainer.train()


@pytest.mark.parametrize("name", ["sft", "dpo", "ppo", "grpo", "rloo", "rft"])
def test_the_limit_that_is_named_makes_passes_smaller(name, monkeypatch, on_a_card):
    """Also where the passes that failed took a small part of what was free."""
    def no_room():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("helpers.passes.layers_keep",  # of a model of billions
                        lambda model, kind, again: 2e6 if again else 2e7)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 400 * GB)
    (args, arrange), (_, again) = (arranged(name, monkeypatch) for _ in range(2))
    on_a_card(500 * GB)
    first = arrange()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(room.OutOfMemory) as told:
        room.with_advice(no_room, METHODS[name].name, args)()
    on_a_card(GB * float(re.search(r"COURSE_GPU_GB=([\d.]+)", str(told.value))[1]))
    assert again().bytes < first.bytes < 250 * GB


@pytest.mark.parametrize("name, answers", [
    ("sft", 1), ("dpo", 2), ("ppo", 0), ("grpo", 0), ("rloo", 0), ("rft", 1)])
def test_the_longest_text_is_found(name, answers):
    course = methods.course_for("float32", methods.model_folder())
    tokenizer = models.load_tokenizer(course)
    rows = methods.rows_for(name, course, tokenizer)
    found = room.longest(METHODS[name].name, rows, course, tokenizer)
    texts = [text for row in rows for text in room._texts(row, tokenizer)]
    assert len(texts) == max(1, answers) * len(rows)
    told = max(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    assert found == told + (0 if answers else course.lengths.completion)


def traced(course, rows, prompt, answer, checkpointing, layers=None):
    """Bytes of the peak beside weights and gradients, of a learning pass in a model's real shape
    with its vocabulary of 152,000, traced without numbers."""
    config = architecture(course)
    if layers:
        config.num_hidden_layers, config.layer_types = layers, config.layer_types[:layers]
    lora_without_copies()
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        bank = AdapterBank(base, lora_config(course), None, checkpointing)
    with FakeTensorMode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        without_numbers(bank)
        base.tie_weights()
        batch = Rows([[5] * prompt] * rows, [[7] * answer] * rows)
        with Peak() as peak, bank.learning("policy"):
            with torch.autocast("cpu", torch.bfloat16):
                [logp] = bank.logprobs(batch.ids, batch.places, batch.targets)
                loss = losses.ppo_policy_loss(logp, logp.detach(), batch.mask, batch.mask)
            loss.backward()
        weights = sum(w.untyped_storage().nbytes() for w in set(base.parameters()))
        gradients = sum(w.numel() * 4 for w in bank.parameters_of("policy"))
    assert peak.now < 1.01 * (weights + gradients)  # nothing else is left
    return peak.most - peak.now


def part(name, checkpointing, layers=6):
    """(what is planned, what is taken) for some layers, which stand for all: they are alike."""
    course = Course.load("a100", overrides={"model": {"name": f"Qwen/{name}"}})
    rows, prompt, answer = 4, 200, 312
    counted = dataclasses.replace(size(course), layers=layers)
    planned = rows * (prompt + answer) * layers_keep(counted, 2, checkpointing)
    return planned, traced(course, rows, prompt, answer, checkpointing, layers)


NAMES = ["Qwen2.5-0.5B", "Qwen2.5-1.5B", "Qwen2.5-7B", "Qwen3-0.6B"]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_pass_takes_what_is_planned(name, checkpointing):
    planned, taken = part(name, checkpointing)
    assert planned < taken < planned + BESIDE


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_keeps_what_is_counted(name):
    """Without logits: what six layers keep more than three."""
    (six, taken_six), (three, taken_three) = (part(name, False, layers) for layers in (6, 3))
    assert taken_six - taken_three == pytest.approx(six - three, rel=0.1)


def test_with_all_logits_at_once_it_would_take_more(monkeypatch):
    monkeypatch.setattr("helpers.train.rows.LOGITS", 2**40)
    planned, taken = part("Qwen2.5-0.5B", True)
    assert taken > planned + BESIDE


@pytest.mark.parametrize("preset, cap", [("colab", 15), ("a100", 38)])
def test_a_preset_fits_its_card_as_forecast(preset, cap):
    """All layers at the preset's own lengths, in the passes chosen for its card. Every stage is
    forecast below the cap; of those that read in the same passes one is traced."""
    course, card = Course.load(preset), USUAL[preset]
    table = forecast(course, card).set_index("stage")
    assert table["total GB"].max() < cap
    told = table.loc["sft"]
    held = told["weights GB"] + told["gradients + optimizer GB"]
    prompt, answer = course.lengths.prompt, course.lengths.completion
    step = course.sft.batch_size * course.sft.gradient_accumulation_steps
    found = chosen(size(course), step, prompt + answer, 2, held * GB, card)
    taken = traced(course, found.rows, prompt, answer, found.checkpointing) / GB
    assert held + taken < cap
    assert told["total GB"] == pytest.approx(held + taken, rel=0.15)


def test_a_resumed_run_may_read_fewer_rows_at_once(tmp_path):
    """As it does after the GPU ran out of memory: the same rows a step, so the same losses."""
    course = methods.course_for("float32", methods.model_folder())
    saved = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}
    whole = methods.build("sft", course, tmp_path, **saved)
    whole.train()
    fewer = methods.build("sft", course, tmp_path, **saved, per_device_train_batch_size=1,
                          gradient_accumulation_steps=2)
    fewer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    one, other = ([row["loss"] for row in trainer.state.log_history if "loss" in row]
                  for trainer in (whole, fewer))
    assert len(one) == len(other) == 4
    assert other == pytest.approx(one, rel=1e-4) and one[2] != one[3]
