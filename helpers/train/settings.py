"""What all methods of training have in common: flags that follow the device, LoRA, and the type of
what is trained.

Frozen weights have the type that the device computes in, or 4 bits. **What is trained is float32 on
every device and in every precision**: a small update is lost in 16 bits, and float16 training
scales its gradients, which is refused for gradients of 16 bits. The libraries see to that here and
there only: peft lifts LoRA's weights but not a new head, and TRL casts the adapters of a 4-bit base
to bfloat16.
"""

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import TrainerCallback, TrainingArguments

from helpers import models
from helpers.config import Course


def device_flags(course: Course) -> dict:
    """Arguments that every trainer's configuration gets. TRL's own defaults turn bfloat16 and
    gradient checkpointing on, wherever it runs."""
    gpu = models.device().type == "cuda"
    kind = models.precision(course)
    checkpointing = "gradient_checkpointing"
    if "activation_checkpointing" in TrainingArguments.__dataclass_fields__:
        checkpointing = "activation_checkpointing"  # its name since transformers 5.2x
    return {
        "use_cpu": not gpu,
        "bf16": gpu and kind == torch.bfloat16,
        "fp16": gpu and kind == torch.float16,
        checkpointing: gpu,
        "dataloader_pin_memory": gpu,
        "report_to": list(course.tracking.report_to) or "none",
        "seed": course.seed,
    }


def lora_config(course: Course, **changes) -> LoraConfig:
    """LoRA as the course sets it; `changes` (r=4, …) win."""
    lora = course.lora
    settings = {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout,
                "target_modules": lora.target_modules, "task_type": "CAUSAL_LM"}
    return LoraConfig(**(settings | changes))


def train_in_float32(model: torch.nn.Module) -> torch.nn.Module:
    """The same model, every tensor that training changes lifted to float32, in place. Call it when
    the trainer is built, since building one casts, and before the first step."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return model


def score_answers_only() -> None:
    """Let TRL's chunked loss (SFT, DPO, GRPO) leave out masked tokens on a processor as well. TRL
    1.16 does so on a GPU; elsewhere it computes the logits of every prompt and then masks them,
    lest changing shapes make a compiler start again. A processor has none; the loss is the same."""
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    if hasattr(utils, "_use_triton"):  # else another version, which may do so by itself
        utils._use_triton = lambda device: (
            device.type == "cpu" or chunked_logprob._use_triton(device))


def lora_without_copies() -> None:
    """Let LoRA layers take their inputs as they come where autocast is on. PEFT lifts every input
    to the type of LoRA's weights, float32, and autocast brings the copy down again: the same
    numbers, for an eighth more memory a layer and two kernels an adapter."""
    cast = BaseTunerLayer._cast_input_dtype
    if hasattr(cast, "plain"):  # done before
        return

    def only_without_autocast(self, x, dtype):
        if x is None or torch.is_autocast_enabled(x.device.type):
            return x
        return cast(self, x, dtype)

    vars(only_without_autocast)["plain"] = cast
    BaseTunerLayer._cast_input_dtype = only_without_autocast


class NoGradientNoStep(TrainerCallback):
    """Where no weight has a gradient (no group with a verdict, or none with a difference) an
    optimiser still moves them, by its momentum and weight decay. It is given no gradients instead
    of zeros, and then moves nothing."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        weights = [weight for weight in model.parameters() if weight.grad is not None]
        if not any(weight.grad.any() for weight in weights):
            for weight in weights:
                weight.grad = None
