"""The five methods of the course, one object each: the arguments of its trainer, and the trainer.

    args = SFT.arguments(course, stage.checkpoints, logging_steps=1)  # changes win
    SFT.table(args)                                                   # each value, and who set it
    trainer = SFT.trainer(course, args, rows, tokenizer, callbacks=[…])

`trainer` is TRL's own, on a model of the right kind, and whatever it trains is float32. PPO's is
ours (`helpers.train.ppo`), and GRPO's, unless `grpo.engine` says trl (`helpers.train.group`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path

import pandas as pd
import torch
from datasets import disable_progress_bars
from peft import get_peft_model
from transformers import PrinterCallback, Trainer, TrainingArguments

from helpers import engines, models, wording
from helpers.config import ConfigError, Course
from helpers.forecast import grpo_rows
from helpers.passes import VLLM_SHARE
from helpers.rewards import reward_functions
from helpers.sampling import sample_in_pieces
from helpers.train import room
from helpers.train.group import GroupTrainer
from helpers.train.loop import TrainingLoop
from helpers.train.ppo import AdapterBank, PPOConfig, PPOTrainer
from helpers.train.reward_model import new_reward_model
from helpers.train.settings import (
    NoGradientNoStep,
    device_flags,
    lora_config,
    lora_without_copies,
    score_answers_only,
    train_in_float32,
)

# Argument of the trainer -> setting of the course, in the method's section unless it has a dot.
STEPS = {name: name for name in ("max_steps", "learning_rate", "warmup_steps", "max_grad_norm",
                                 "logging_steps", "save_steps")} | {
    "lr_scheduler_type": "lr_scheduler"}
BOOKKEEPING = ("save_total_limit", "disable_tqdm", "use_cpu", "dataloader_pin_memory", "report_to",
               "seed")  # not in a table unless one was changed
BATCHES = {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size",
           "gradient_accumulation_steps": "gradient_accumulation_steps"}


@dataclass(frozen=True)
class Method:
    """One way to train. section: of the settings; config: gives the class of the arguments;
    settings: argument -> setting it comes from; fixed: arguments that no setting changes; build:
    makes the trainer."""

    name: str
    section: str
    config: Callable[[], type[TrainingArguments]]
    settings: Callable[[Course], dict[str, str]]
    fixed: Callable[[Course], dict]
    build: Callable

    def arguments(self, course: Course, output_dir: str | Path, **changes) -> TrainingArguments:
        """The trainer's arguments as the course and the device set them; `changes` win. A name
        that the trainer does not have is a ConfigError."""
        config = self.config()
        known = [field.name for field in fields(config) if field.init]
        if stray := sorted(changes.keys() - known):
            raise ConfigError(f"{self.name}, argument {wording.nearest(stray[0], known)}")
        planned = self._planned(course)
        values = {name: value for name, (value, _) in planned.items()} | changes
        if values["max_steps"] is None:  # as many as the epochs give
            values["max_steps"] = -1
        args = config(output_dir=str(output_dir), **values)
        # For the table, which must build no second one: that would reset accelerate's state.
        args.set_by = {
            name: (getattr(args, name), "here" if changes.get(name, value) != value else who)
            for name, (value, who) in planned.items()}
        args.by_hand = frozenset(changes)
        return args

    def table(self, args: TrainingArguments) -> pd.DataFrame:
        """One row an argument that the method sets: its name, its value in `args`, and who set it:
        a setting of the course, the method, the device, or "here" where it was changed."""
        rows = []
        for name, (made, who) in args.set_by.items():
            value = getattr(args, name)
            who = who if value == made else "here"
            if name not in BOOKKEEPING or who == "here":
                rows.append((name, value.value if isinstance(value, Enum) else value, who))
        return pd.DataFrame(rows, columns=["argument", "value", "set by"]).astype({"value": object})

    def trainer(self, course: Course, args: TrainingArguments, train_dataset: Sequence[dict],
                tokenizer, callbacks: Sequence = (), **more) -> Trainer | TrainingLoop:
        """The trainer, ready for `train()`. `more`: `start`, the folder of the merged model that
        all but SFT start from; `eval_dataset` (SFT), `reward_funcs` (PPO, GRPO), `reward_weights`
        and `judge`, the folder of a reward model's adapter (PPO)."""
        disable_progress_bars()
        score_answers_only()
        lora_without_copies()
        room.arrange(self.name, args, course, train_dataset, tokenizer)
        trainer = self.build(course, args=args, train_dataset=train_dataset,
                             processing_class=tokenizer, callbacks=list(callbacks), **more)
        if isinstance(trainer, Trainer):
            trainer.remove_callback(PrinterCallback)  # curves say it better than log lines
        train_in_float32(trainer.model)
        trainer.train = room.with_advice(trainer.train, self.name, args)
        return trainer

    def _planned(self, course: Course) -> dict[str, tuple]:
        """Argument -> (value, who sets it)."""
        planned = {}
        for name, setting in self.settings(course).items():
            place = setting if "." in setting else f"{self.section}.{setting}"
            section, _, key = place.partition(".")
            planned[name] = getattr(getattr(course, section), key), place
        fixed = self.fixed(course) | {"save_total_limit": 2, "disable_tqdm": True}
        planned |= {name: (value, "method") for name, value in fixed.items()}
        asked = {"seed": "seed", "report_to": "tracking.report_to"}
        return planned | {name: (value, asked.get(name, "device"))
                          for name, value in device_flags(course).items()}


# 03: from the base.

def _sft_config():
    from trl import SFTConfig  # here and below: each takes seconds to import
    return SFTConfig


def _sft(course: Course, args, **more):
    from trl import SFTTrainer

    lora = course.sft.method == "lora"
    return SFTTrainer(model=models.load_base(course, full=not lora), args=args,
                      peft_config=lora_config(course) if lora else None, **more)


SFT = Method(
    "SFT", "sft", _sft_config,
    lambda course: STEPS | BATCHES | {
        "per_device_eval_batch_size": "batch_size", "weight_decay": "weight_decay",
        "eval_steps": "save_steps"},
    lambda course: {
        "completion_only_loss": True, "max_length": None,  # too long ones were filtered before
        "eval_strategy": "steps", "eval_on_start": True, "logging_first_step": True},
    _sft)


# 04: on the merged model of 03, one of two kinds.

def _reward_config():
    from trl import RewardConfig
    return RewardConfig


def _reward_settings(course: Course) -> dict[str, str]:
    kind = {"head": {"learning_rate": "head_learning_rate",
                     "center_rewards_coefficient": "center_rewards_coefficient"}}
    return STEPS | BATCHES | {"weight_decay": "weight_decay"} | kind.get(
        course.reward_model.kind, {})


def _reward(course: Course, args, start: str | Path, quantization: str = "none", **more):
    from trl import RewardTrainer

    model = new_reward_model(course, start, quantization=quantization)
    return RewardTrainer(model, args=args, **more)


REWARD = Method(
    "Reward", "reward_model", _reward_config, _reward_settings,
    lambda course: {"max_length": None, "logging_first_step": True}, _reward)


# 05 and 07: a fresh adapter on the merged model of 03; without it, that model is the reference.

def _dpo_config():
    from trl import DPOConfig
    return DPOConfig


def _dpo(course: Course, args, start: str | Path, **more):
    from trl import DPOTrainer

    return DPOTrainer(models.load_model(start, course, course.model.quantization), args=args,
                      peft_config=lora_config(course), **more)


DPO = Method(
    "DPO", "dpo", _dpo_config, lambda course: STEPS | BATCHES | {"beta": "beta"},
    lambda course: {"max_length": None, "logging_first_step": True}, _dpo)


def _grpo_config():
    from trl import GRPOConfig
    return GRPOConfig


def _grpo_fixed(course: Course) -> dict:
    answers, rows = course.grpo.prompts_per_step * course.grpo.num_generations, grpo_rows(course)
    vllm = course.grpo.engine == "trl" and engines.choose(course) == "vllm"
    fixed = {"per_device_train_batch_size": rows, "gradient_accumulation_steps": answers // rows,
             "reward_weights": reward_functions(course)[1], "shuffle_dataset": False,
             "use_vllm": vllm, "vllm_mode": "colocate"}
    if vllm:  # its probabilities differ from the trainer's: answers too far off are left out
        fixed |= {"vllm_gpu_memory_utilization": VLLM_SHARE,
                  "vllm_importance_sampling_correction": True,
                  "vllm_importance_sampling_mode": "sequence_mask",
                  "vllm_importance_sampling_clip_max": 3.0}
    return fixed


def _grpo(course: Course, args, start: str | Path, **more):
    engines.release()  # the trainer starts one of its own
    model = models.load_model(start, course, course.model.quantization)
    if course.grpo.engine == "ours":
        torch.manual_seed(course.seed)
        if args.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        return GroupTrainer(get_peft_model(model, lora_config(course)), args,
                            dynamic_sampling=course.grpo.dynamic_sampling, **more)
    from trl import GRPOTrainer

    trainer = GRPOTrainer(model, args=args, peft_config=lora_config(course), **more)
    trainer.add_callback(NoGradientNoStep())
    if not args.use_vllm:
        sample_in_pieces(trainer.model, more["processing_class"], trainer.accelerator.autocast)
    return trainer


GRPO = Method(
    "GRPO", "grpo", _grpo_config,
    lambda course: STEPS | {name: name for name in (
        "num_generations", "temperature", "epsilon", "epsilon_high", "beta", "loss_type",
        "importance_sampling_level", "scale_rewards", "mask_truncated_completions",
        "weight_decay")} | {
            "max_completion_length": "lengths.completion"},
    _grpo_fixed, _grpo)


# 06: four roles on the merged model of 03.

def new_bank(course: Course, start: str | Path, judge: str | Path | None = None,
             gradient_checkpointing: bool = False) -> AdapterBank:
    """The roles as notebook 06 makes them: a fresh policy of the course's size on the merged model
    at `start`, and the reward model's adapter at `judge`, if there is one."""
    torch.manual_seed(course.seed)
    lora = lora_config(course, r=course.ppo.r, lora_alpha=course.ppo.alpha)
    base = models.load_model(start, course, course.model.quantization)
    return AdapterBank(base, lora, judge, gradient_checkpointing)


def _ppo(course: Course, args: PPOConfig, start: str | Path, judge: str | Path | None = None,
         kind: type[PPOTrainer] = PPOTrainer, **more):
    return kind(new_bank(course, start, judge, args.gradient_checkpointing), args, **more)


PPO = Method(
    "PPO", "ppo", lambda: PPOConfig,
    lambda course: STEPS | {
        name: name for name in type(course.ppo).model_fields
        if name not in ("r", "alpha", "lr_scheduler")} | {
            "max_prompt_length": "lengths.prompt", "max_completion_length": "lengths.completion",
            "generation_batch_size": "generation.batch_size"},
    lambda course: {"adam_epsilon": 1e-5}, _ppo)

METHODS = {method.name.lower(): method for method in (SFT, REWARD, DPO, PPO, GRPO)}
