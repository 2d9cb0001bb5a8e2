"""The seven methods of the course, one object each: the arguments of its trainer, and the trainer.

    args = SFT.arguments(course, stage.checkpoints, logging_steps=1)  # changes win
    SFT.table(args)                                                   # each value, and who set it
    trainer = SFT.trainer(course, args, rows, tokenizer, callbacks=[…])

`trainer` is TRL's own, on a model of the right kind, and whatever it trains is float32. PPO's is
ours (`helpers.train.ppo`), RLOO's too (`helpers.train.rloo`), on every machine, so that it is the
page it is explained on; and GRPO's, unless `grpo.engine` says trl (`helpers.train.group`).
"""

from pathlib import Path

import torch
from peft import get_peft_model

from helpers import bases, engines, models
from helpers.config import Course
from helpers.forecast import group_rows
from helpers.passes import VLLM_SHARE
from helpers.rewards import reward_functions
from helpers.sampling import sample_in_pieces
from helpers.train.group import GroupTrainer
from helpers.train.method import BATCHES, STEPS, Method
from helpers.train.ppo import AdapterBank, PPOConfig, PPOTrainer
from helpers.train.reward_model import new_reward_model
from helpers.train.rloo import RLOOTrainer
from helpers.train.settings import NoGradientNoStep, lora_config

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


def _groups(course: Course, settings) -> dict:
    """A step of groups, in pieces; rewards by the task's weights; rows in the order given."""
    answers, rows = settings.prompts_per_step * settings.num_generations, group_rows(
        course, settings)
    return {"per_device_train_batch_size": rows, "gradient_accumulation_steps": answers // rows,
            "reward_weights": reward_functions(course)[1], "shuffle_dataset": False}


def _grpo_fixed(course: Course) -> dict:
    vllm = course.grpo.engine == "trl" and engines.choose(course) == "vllm"
    fixed = _groups(course, course.grpo) | {"use_vllm": vllm, "vllm_mode": "colocate"}
    if vllm:  # its probabilities differ from the trainer's: answers too far off are left out
        fixed |= {"vllm_gpu_memory_utilization": VLLM_SHARE,
                  "vllm_max_model_length": course.lengths.prompt + course.lengths.completion,
                  "vllm_importance_sampling_correction": True,
                  "vllm_importance_sampling_mode": "sequence_mask",
                  "vllm_importance_sampling_clip_max": 3.0}
    return fixed


def _fresh(course: Course, args, model):
    """The model with a new adapter, for a trainer of ours."""
    torch.manual_seed(course.seed)
    if args.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return get_peft_model(model, lora_config(course))


def _grpo(course: Course, args, start: str | Path, kind: type[GroupTrainer] = GroupTrainer, **more):
    engines.release()  # the trainer starts one of its own
    model = models.load_model(start, course, course.model.quantization)
    if course.grpo.engine == "ours":
        return kind(_fresh(course, args, model), args,
                    dynamic_sampling=course.grpo.dynamic_sampling, **more)
    from trl import GRPOTrainer

    if args.use_vllm:  # the trainer merges for it in place, and subtracting leaves other weights
        model = bases.own(model)
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


# A2: groups once more, and own answers to imitate.

def _rloo(course: Course, args, start: str | Path, **more):
    engines.release()
    model = models.load_model(start, course, course.model.quantization)
    return RLOOTrainer(_fresh(course, args, model), args, **more)


RLOO = Method(  # GRPOConfig has all that the page reads; TRL's RLOOConfig lacks a part of it
    "RLOO", "rloo", _grpo_config,
    lambda course: STEPS | {name: name for name in (
        "num_generations", "temperature", "mask_truncated_completions")} | {
            "max_completion_length": "lengths.completion"},
    lambda course: _groups(course, course.rloo) | {
        "num_iterations": 1, "beta": 0.0, "scale_rewards": "none"}, _rloo)


def _rft(course: Course, args, start: str | Path, **more):
    from trl import SFTTrainer

    return SFTTrainer(models.load_model(start, course, course.model.quantization), args=args,
                      peft_config=lora_config(course), **more)


RFT = Method(
    "RFT", "rft", _sft_config, lambda course: STEPS | BATCHES | {"weight_decay": "weight_decay"},
    lambda course: {"completion_only_loss": True, "max_length": None, "logging_first_step": True},
    _rft)


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

METHODS = {method.name.lower(): method for method in (SFT, REWARD, DPO, PPO, GRPO, RLOO, RFT)}
