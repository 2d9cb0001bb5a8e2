"""How many rows go through a GPU at once, and whether activations are kept: by the memory that is
free, so that no card waits for kernels to start and none runs out.

`helpers.passes` says what fits and what should be fastest; here is what is free, and what a trainer
is told.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

import torch
from transformers import TrainingArguments

from helpers import engines, models
from helpers.config import ConfigError, Course
from helpers.costs import held_bytes, optimizer_bytes
from helpers.machine import card_speed
from helpers.memory import LIMIT, OutOfMemory, free_bytes, used_gb
from helpers.model_size import size
from helpers.passes import BESIDE, SLACK, Passes, passes
from helpers.prompts import chat_text

LOOKED_AT = 64  # rows with the most letters, of which the longest in tokens is looked for
READ_AT_ONCE = {"Reward": 2, "DPO": 2}  # texts in a row, where it is not one
GROUPS = ("GRPO", "RLOO")  # several answers to a prompt are drawn before they are learned from
LESS = 0.8  # of what was in use when it ran out
CHECKPOINTING = ("gradient_checkpointing", "activation_checkpointing")


def with_advice(train: Callable, name: str, args: TrainingArguments) -> Callable:
    """`train`, which says what to do where the GPU runs out of memory."""

    @wraps(train)
    def advised(*asked, **named):
        try:
            return train(*asked, **named)
        except OutOfMemory as error:  # of sampling, which has tried fewer at once
            raise OutOfMemory(f"{name}: {error} Then run the notebook again: it goes on from the "
                              f"last checkpoint.") from error
        except torch.cuda.OutOfMemoryError as error:
            used = used_gb()
            at_once, limit = _rows(args), max(0.1, LESS * used)
            if planned := getattr(args, "planned", None):  # so much less that it fits no more
                found, whole = planned
                limit = min(limit, (whole - found.free + 0.99 * found.bytes / SLACK) / 1e9)
            limit = math.floor(10 * limit) / 10  # rounded up, the same would fit again
            what = (f"Set {LIMIT}={limit:.1f} in the environment, restart the kernel and run the "
                    f"notebook again: fewer rows are then read at once, and it goes on from the "
                    f"last checkpoint. If one row is too much, l" if at_once > 1 else "L")
            raise OutOfMemory(
                f"{name}: the GPU ran out of memory at {used:.1f} GB, with {at_once} rows at once. "
                f"{what}ower lengths.completion, or take a smaller model.name.") from error

    return advised


def arrange(name: str, args: TrainingArguments, course: Course, rows: Sequence[dict],
            tokenizer, start: str | Path | None = None) -> Passes | None:
    """Set the passes of a method in `args`, where a GPU is there and nobody set them by hand: rows
    at once, passes a step (their product stays) and checkpointing. ConfigError where no row
    fits. `start`: where the base is read from, as `Method.trainer` has it."""
    touched = any(one in args.by_hand or one in args.set_by
                  and getattr(args, one) != args.set_by[one][0] for one in _arguments(name))
    if models.device().type != "cuda" or touched or not len(rows):
        return None
    model, kind = size(course), 4 if course.model.precision == "float32" else 2
    tokens, texts = longest(name, rows, course, tokenizer), READ_AT_ONCE.get(name, 1)
    full = name == "SFT" and course.sft.method == "full"
    trained = model.parameters if full else model.trained
    roles = 3 if name == "PPO" else 1
    held = held_bytes(course, model, 4 if full else kind, 0 if full else roles)
    engine = _engine(name, args, course, kind)
    if not full and not engine and models.in_memory(start, course):  # beside vLLM it is one more
        held -= held_bytes(course, model, kind, 0)
    may_take = _least(free_bytes())
    free = (may_take - engine - held - BESIDE
            - (2 if name == "PPO" else 1) * optimizer_bytes(trained))
    step = (args.minibatch_size if name == "PPO" else
            args.per_device_train_batch_size * args.gradient_accumulation_steps)
    found = passes(model, step, tokens, kind, free, card_speed(card_name()), texts)
    if not found.rows:
        raise ConfigError(
            f"{name}: one row of {tokens} tokens takes {found.bytes / 1e9:.1f} GB of activations, "
            f"and beside the weights {max(0.0, free) / 1e9:.1f} GB are free on the GPU. Lower "
            f"lengths.completion or lora.r, take a smaller model.name, or end other programs on "
            f"this GPU.")
    print(f"{name}: {found}")
    args.planned = found, may_take + torch.cuda.memory_allocated()
    if name == "PPO":
        args.rows_at_once = found.rows
    else:
        args.per_device_train_batch_size = found.rows
        args.gradient_accumulation_steps = step // found.rows
        if name in GROUPS:
            args.steps_per_generation = args.gradient_accumulation_steps
    for key in CHECKPOINTING:
        if hasattr(args, key):
            setattr(args, key, found.checkpointing)
    return found


def _engine(name: str, args: TrainingArguments, course: Course, kind: int) -> float:
    """Bytes that a vLLM engine takes beside what is trained; ConfigError where it cannot work with
    them."""
    if not getattr(args, "use_vllm", False):
        return 0.0
    taken = args.vllm_gpu_memory_utilization * torch.cuda.mem_get_info()[1]
    tokens = args.vllm_max_model_length or engines.longest_text(course)
    if said := engines.too_small(course, taken, kind, tokens,
                                 course.model.quantization == "4bit"):
        raise ConfigError(f"{name}: {said}")
    return taken


def card_name() -> str:
    return torch.cuda.get_device_name()


def _least(free: float) -> float:
    """The least of what the processes of a run have: all must choose the same passes."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return free
    least = torch.tensor(free, dtype=torch.float64, device=models.device())
    torch.distributed.all_reduce(least, op=torch.distributed.ReduceOp.MIN)
    return least.item()


def _rows(args: TrainingArguments) -> int:
    """Rows that are read at once."""
    if hasattr(args, "rows_at_once"):
        return args.rows_at_once or args.micro_batch_size
    return args.per_device_train_batch_size


def _arguments(name: str) -> tuple[str, ...]:
    """What of a trainer's arguments is arranged here."""
    if name == "PPO":
        return ("rows_at_once", "micro_batch_size", *CHECKPOINTING)
    more = ("steps_per_generation", "generation_batch_size") if name in GROUPS else ()
    return ("per_device_train_batch_size", "gradient_accumulation_steps", *more, *CHECKPOINTING)


def longest(name: str, rows: Sequence[dict], course: Course, tokenizer) -> int:
    """Tokens of the longest text that a method reads: rows as its trainer takes them; where
    completions are still to be written, as long as they may be."""
    texts = sorted((text for row in rows for text in _texts(row, tokenizer)), key=len)[-LOOKED_AT:]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    written = name in ("PPO", *GROUPS)
    return max(map(len, ids)) + (course.lengths.completion if written else 0)


def _texts(row: dict, tokenizer) -> list[str]:
    """The texts of a row: its prompt with each of its answers."""
    prompt = row["prompt"]
    prompt = prompt if isinstance(prompt, str) else chat_text(tokenizer, prompt)
    answers = [row[key] for key in ("completion", "chosen", "rejected") if key in row] or [""]
    return [prompt + (one if isinstance(one, str) else one[0]["content"]) for one in answers]
