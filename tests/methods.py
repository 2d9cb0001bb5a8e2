"""Each method for two steps on a very small model, and what to look at, on a CPU and on a GPU."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
import transformers.modeling_utils
import trl
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen3Config

from helpers import models
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.prompts import chat_text, lengths, messages, sft_example
from helpers.train import own_best, pairs
from helpers.train.methods import METHODS
from helpers.train.settings import device_flags
from tests.hub.tiny_repo import tiny_folder

NAMES = tuple(METHODS)
HALF = {"float16": torch.float16, "bfloat16": torch.bfloat16}
PROBLEMS = [Problem(f"Anna has {n} apples and buys 7 more.", f"{n} + 7 = {n + 7}\n#### {n + 7}",
                    str(n + 7), "gsm8k", str(n)) for n in range(8)]
# No warm-up and a high rate: the first step must be seen.
FAST = {"max_steps": 2, "learning_rate": 1e-2, "warmup_steps": 0, "lr_scheduler_type": "constant",
        "save_strategy": "no", "logging_steps": 1}
FEW = {"batch_size": 2, "gradient_accumulation_steps": 1}
SIZES = {"sft": FEW, "reward_model": FEW | {"kind": "head"},
         "dpo": FEW | {"beta": 0.1},  # with tiny's 1.0 the first step in float16 overflows
         "ppo": {"prompts_per_step": 4, "minibatch_size": 2, "micro_batch_size": 2,
                 "value_warmup_steps": 0},
         "grpo": {"prompts_per_step": 1, "num_generations": 2},
         "rloo": {"prompts_per_step": 1, "num_generations": 2}, "rft": FEW,
         "lengths": {"prompt": 256, "completion": 8}, "system_prompt": "Add."}


@lru_cache(maxsize=3)
def model_folder(width: int = 64, layers: int = 1, vocabulary: int | None = None,
                 family: str = "Qwen2") -> Path:
    """A random Qwen2 or Qwen3 whose sizes are multiples of 64, as 4 bits on a CPU ask."""
    folder = Path(tempfile.mkdtemp(prefix="small-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder())
    torch.manual_seed(0)
    kind, more = {"Qwen2": (Qwen2Config, {}), "Qwen3": (Qwen3Config, {"head_dim": 64})}[family]
    config = kind(
        vocab_size=vocabulary or len(tokenizer), hidden_size=width, intermediate_size=2 * width,
        num_hidden_layers=layers, num_attention_heads=width // 32, tie_word_embeddings=True,
        num_key_value_heads=width // 64, initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id, **more)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    if family == "Qwen3":
        tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates"
                                   / "qwen3.jinja").read_text()
    tokenizer.save_pretrained(folder)
    return folder


def course_for(precision: str, model: Path | str | None = None, **changes) -> Course:
    """The tiny preset with a small model, in a precision; "4bit": its weights, in float16, which is
    what an old GPU takes."""
    four = precision == "4bit"
    wanted = {"name": str(model or model_folder()), "quantization": "4bit" if four else "none",
              "precision": "float16" if four else precision}
    return Course.load(overrides={"model": wanted, **SIZES} | changes)


# For memory: batches that fill a model's limits, as the forecast assumes of all.
FULL = {"lengths": {"prompt": 256, "completion": 256},
        "sft": FEW | {"batch_size": 8}, "dpo": FEW | {"batch_size": 4},
        "reward_model": FEW | {"batch_size": 4, "kind": "likelihood"},
        "ppo": {"prompts_per_step": 16, "minibatch_size": 8, "micro_batch_size": 8,
                "value_warmup_steps": 0},
        "grpo": {"prompts_per_step": 2, "num_generations": 8},
        "rloo": {"prompts_per_step": 2, "num_generations": 8}, "rft": FEW | {"batch_size": 8}}


def long_problems(course: Course, count: int = 16) -> list[Problem]:
    """Problems whose prompts and solutions are as long as the course allows, or a word shorter."""
    def of(asked: int, told: int, number: int = 0) -> Problem:
        return Problem("Add" + " apples" * asked, "So" + " apples" * told, "7", "gsm8k",
                       str(number))

    tokenizer = models.load_tokenizer(course)
    ones, twos = lengths([of(1, 1), of(2, 2)], course, tokenizer)
    limits = course.lengths.prompt, course.lengths.completion
    asked, told = (1 + (limit - one) // (two - one)
                   for limit, one, two in zip(limits, ones, twos, strict=True))
    return [of(asked, told, number) for number in range(count)]


class Scaler(torch.amp.GradScaler):
    """A gradient scaler for CPUs that counts what it is asked."""

    def __init__(self):
        super().__init__("cpu", init_scale=256.0)
        self.asked = 0

    def unscale_(self, optimizer):
        self.asked += 1
        super().unscale_(optimizer)


def half_on_a_cpu(monkeypatch, course: Course) -> None:
    """Let a CPU train as a GPU does in the course's 16 bits: autocast, and for float16 a scaler,
    which accelerate starts on GPUs only. (The refusal of float16 has its test with the models.)"""
    kind, start = course.model.precision, Accelerator.__init__
    if kind not in HALF:
        return

    def init(self, *args, **options):
        start(self, *args, **options)
        self.native_amp = True
        self.scaler = Scaler() if kind == "float16" else None

    short = {"float16": "fp16", "bfloat16": "bf16"}[kind]
    monkeypatch.setattr(models, "precision", lambda course: HALF[kind])
    monkeypatch.setattr(Accelerator, "__init__", init)
    monkeypatch.setattr(AcceleratorState, "mixed_precision", property(lambda self: short))


def uneven(completions, **columns):
    """A reward that differs within a group, whatever was written."""
    return [float(row % 2) for row in range(len(completions))]


def rows_for(name: str, course: Course, tokenizer, problems=PROBLEMS):
    """What the method trains on, as its trainer reads it."""
    asked = [messages(one, course) for one in problems]
    if name == "sft":
        return Dataset.from_list([sft_example(one, course) for one in problems])
    if name in ("grpo", "rloo"):
        return Dataset.from_list([{"prompt": one} for one in asked])
    texts = [chat_text(tokenizer, one) for one in asked]
    if name == "ppo":
        return [{"prompt": text} for text in texts]
    if name == "rft":
        return own_best.for_trainer([{"prompt": text, "completion": one.solution}
                                     for text, one in zip(texts, problems, strict=True)])
    return pairs.for_trainer([
        {"prompt": text, "chosen": one.solution, "rejected": "Seven, as ever.\n#### 7"}
        for text, one in zip(texts, problems, strict=True)])


def build(name: str, course: Course, folder: Path, problems=PROBLEMS, **changes):
    """The method's trainer as a notebook makes it, for two steps."""
    method, tokenizer = METHODS[name], models.load_tokenizer(course)
    by_hand = {key: on for key, on in device_flags(course).items() if "checkpointing" in key and on}
    args = method.arguments(course, folder, **FAST | by_hand | changes)
    more = {} if name == "sft" else {"start": course.model.name}
    if name == "sft":
        more["eval_dataset"] = rows_for(name, course, tokenizer, problems[:2])
    if name == "reward":
        more["quantization"] = course.model.quantization
    if name in ("ppo", "grpo", "rloo"):
        more["reward_funcs"] = [uneven]
    return method.trainer(course, args, rows_for(name, course, tokenizer, problems), tokenizer,
                          **more)


@dataclass
class Seen:
    """What two steps did: types of what is trained, before and after, and of what is `frozen`;
    names of what stood `still`; what was logged; checkpointed calls of layers."""

    kinds: set[torch.dtype]
    frozen: set[torch.dtype]
    still: list[str]
    logs: list[dict]
    checkpointed: int
    scaler: object = field(default=None)


def count_checkpointed(monkeypatch) -> list:
    """A list that grows by one with each call that is checkpointed, in models whose checkpointing
    is switched on after this."""
    calls, real = [], transformers.modeling_utils.checkpoint

    def counted(*args, **options):
        calls.append(1)
        return real(*args, **options)

    monkeypatch.setattr(transformers.modeling_utils, "checkpoint", counted)
    return calls


def two_steps(monkeypatch, name: str, course: Course, folder: Path, problems=PROBLEMS) -> Seen:
    """Train by the method, and see what happened."""
    calls = count_checkpointed(monkeypatch)  # before the trainer is built: PPO's switches it on
    trainer = build(name, course, folder, problems)
    frozen = {weight.dtype for weight in trainer.model.parameters() if not weight.requires_grad}
    trained = {name: weight for name, weight in trainer.model.named_parameters()
               if weight.requires_grad}
    before = {name: weight.detach().clone() for name, weight in trained.items()}
    kinds = {weight.dtype for weight in trained.values()}
    scaler = trainer.accelerator.scaler
    if scaler:  # low enough that no first step is skipped
        scaler.load_state_dict(scaler.state_dict() | {"scale": 256.0})
    trainer.train()
    kinds |= {weight.dtype for weight in trained.values()}
    still = [name for name, weight in trained.items() if torch.equal(weight, before[name])]
    assert all(weight.isfinite().all() for weight in trained.values())
    return Seen(kinds, frozen, still, trainer.state.log_history, len(calls), scaler)


def check(seen: Seen) -> None:
    """What must hold of every method in every precision on every device."""
    assert seen.kinds == {torch.float32}
    assert not seen.still, seen.still
    norms = [value for row in seen.logs for key, value in row.items() if "grad_norm" in key]
    losses = [row["loss"] for row in seen.logs if "loss" in row]
    numbers = torch.tensor(norms + losses)
    assert len(norms) >= 2 and numbers.isfinite().all() and min(norms) > 0
