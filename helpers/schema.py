"""The sections of the configuration: every setting in them with its type and its range.

Units: lengths in tokens, steps in optimiser steps, probabilities and shares between 0 and 1.
`helpers.config` puts the sections together into one `Course`.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from helpers import rungs
from helpers.fields import (
    Count,
    Name,
    NotNegative,
    Place,
    Positive,
    Scheduler,
    Section,
    Seed,
    Share,
)


class Model(Section):
    name: Place  # a folder relative to the project root, or a hub id
    revision: str | None  # of the hub model; None = its main branch
    precision: Literal["auto", "float32", "bfloat16", "float16"]  # auto: chosen from the device
    quantization: Literal["none", "4bit"]


class Lora(Section):
    r: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    target_modules: Literal["all-linear"] | list[str]

    @field_validator("target_modules", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = value if isinstance(value, list) else [None]
        if value != "all-linear" and not (names and all(
                isinstance(name, str) and name.strip() for name in names)):
            raise ValueError("must be all-linear or a list of names of layers, [q_proj, v_proj]")
        return value


class Generation(Section):
    engine: Literal["auto", "hf", "vllm"]  # auto: vLLM where it is installed and a GPU is there
    batch_size: Count | None  # answers sampled at once; None: what a GPU has room for
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]


class Lengths(Section):
    prompt: Count  # tokens; longer rows are filtered and counted, never cut
    completion: Count


class Data(Section):
    train: Count | None  # problems used; None = all
    validation: Count | None
    test: Count | None


class DatasetSource(Section):
    hub_id: Name | None
    config: str | None
    revision: str | None
    tiny: Name | None  # folder of the generated set, relative to the project root
    path: Place | None  # a local folder with <split>.jsonl; wins over both


# The data sets that helpers.data can read; helpers/data/sets.yaml says where they are.
SetName = Literal["gsm8k", "openr1", "deepscaler", "countdown", "warmstart", "smoltalk",
                  "ultrafeedback", "aime24", "math500"]
SET_NAMES = get_args(SetName)


class Sets(Section):
    """Data sets beside the task's own `dataset`. Their defaults enter no fingerprint."""

    own: SetName | None = None  # which set `dataset` is; None = the one called like the task
    demonstrations: SetName | None = None  # imitated in supervised tuning; None = the own set
    preferences: SetName | None = None  # ready-made pairs of answers
    held_out: list[SetName] = []  # nothing in their test sets is ever trained on
    paths: dict[SetName, Place] = {}  # local folders to read instead of the tiny set or the hub
    revisions: dict[SetName, str] = {}  # of the hub, instead of those in helpers/data/sets.yaml


class Sft(Section):
    method: Literal["lora", "full"]
    max_steps: Count | None  # None = as many as `epochs` gives
    epochs: Positive
    learning_rate: NotNegative  # 0 is a control that must not learn
    batch_size: Count
    gradient_accumulation_steps: Count
    lr_scheduler: Scheduler
    warmup_steps: NotNegative  # below 1: a share of all steps
    weight_decay: NotNegative
    max_grad_norm: Positive
    save_steps: Count
    logging_steps: Count
    shuffle_answers: bool  # a control that must learn no math: every problem gets another's answer


class Pairs(Section):
    problems: Count | None  # training problems that the policy answers; None = all
    num_generations: Annotated[int, Field(ge=2)]  # answers a problem; a pair needs a right one
    per_problem: Count  # pairs of one problem, at most
    temperature: Positive
    total: Count | None = None  # pairs to train on, at most; None = all that are found


class RewardModel(Section):
    kind: Literal["likelihood", "head"]  # what gives the score: the words' head, or a new one
    beta: Positive  # points a nat, of the likelihood
    max_steps: Count | None  # None = as many as `epochs` gives
    epochs: Positive
    learning_rate: NotNegative
    head_learning_rate: NotNegative  # of the kind `head`, which starts from nothing
    batch_size: Count  # pairs
    gradient_accumulation_steps: Count
    center_rewards_coefficient: NotNegative  # holds the middle of the scores at 0
    lr_scheduler: Scheduler
    warmup_steps: NotNegative
    weight_decay: NotNegative
    max_grad_norm: Positive
    save_steps: Count
    logging_steps: Count


class Dpo(Section):
    beta: Positive  # how dear it is to leave the reference
    max_steps: Count | None
    epochs: Positive
    learning_rate: NotNegative
    batch_size: Count  # pairs
    gradient_accumulation_steps: Count
    lr_scheduler: Scheduler
    warmup_steps: NotNegative
    max_grad_norm: Positive
    save_steps: Count
    logging_steps: Count


class Ppo(Section):
    r: Count  # of the policy's adapter; the value's is a copy of the reward model's
    alpha: Positive
    max_steps: Count  # one batch of answers each
    prompts_per_step: Count  # one answer each
    num_ppo_epochs: Count  # passes over a batch
    minibatch_size: Count  # answers an optimiser step
    micro_batch_size: Count  # answers in one forward pass
    learning_rate: NotNegative
    value_learning_rate: NotNegative
    value_warmup_steps: Annotated[int, Field(ge=0)]  # first steps, in which only the critic learns
    reward_model_weight: NotNegative  # beside the rules and their weights in `rewards`
    missing_eos_penalty: NotNegative  # taken off the score of an answer that was cut off
    kl_coef: NotNegative
    kl_estimator: Literal["k1", "k3"]
    target_kl: Positive | None  # nats an answer; kl_coef then adapts. None = fixed
    gamma: Share
    lam: Share
    cliprange: Positive
    cliprange_value: Positive
    temperature: Positive
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_grad_norm: Positive
    lr_scheduler: Scheduler
    warmup_steps: NotNegative
    save_steps: Count
    logging_steps: Count


class Grpo(Section):
    engine: Literal["ours", "trl"]  # who takes the steps: helpers/train/group.py or GRPOTrainer
    max_steps: Count
    learning_rate: NotNegative
    prompts_per_step: Count
    num_generations: Annotated[int, Field(ge=2)]  # the group; one answer has no neighbour
    beta: NotNegative
    epsilon: Positive
    epsilon_high: Positive | None  # None = epsilon; of cispo the largest ratio itself
    loss_type: Literal["grpo", "dapo", "dr_grpo", "bnpo", "cispo"]
    importance_sampling_level: Literal["token", "sequence"] = "token"  # sequence is GSPO
    scale_rewards: Literal["group", "batch", "none"]
    temperature: Positive
    max_grad_norm: Positive
    lr_scheduler: Scheduler
    warmup_steps: NotNegative
    save_steps: Count
    logging_steps: Count
    mask_truncated_completions: bool
    # Times a step that groups of equal rewards are drawn anew, of other prompts; 0 = never
    dynamic_sampling: Annotated[int, Field(ge=0)] = 0
    weight_decay: NotNegative = 0.0
    eval_steps: Count | None = None  # greedy answers to validation problems so often; None = never
    keep_best: bool = False  # the adapter with the best of these rewards, not the last one
    save_passes: bool = False  # a checkpoint also after every pass over the problems

    @field_validator("loss_type")
    @classmethod
    def _cap(cls, kind: str, info: ValidationInfo) -> str:
        cap = info.data.get("epsilon_high") or info.data.get("epsilon") or 1
        if kind == "cispo" and cap < 1:
            raise ValueError(f"needs an epsilon_high of 1 or more, its largest ratio, and has {cap}"
                             ", which cuts fresh answers as well, whose ratio is 1; 5 is usual")
        return kind

    @field_validator("importance_sampling_level")
    @classmethod
    def _mean_of_each(cls, level: str, info: ValidationInfo) -> str:
        if level == "sequence" and info.data.get("loss_type", "grpo") != "grpo":
            raise ValueError("needs loss_type grpo (GSPO); the others weigh an answer's one ratio "
                             "by its length")
        return level

    @field_validator("keep_best")
    @classmethod
    def _of_some(cls, best: bool, info: ValidationInfo) -> bool:
        if best and not info.data.get("eval_steps"):
            raise ValueError("needs eval_steps, how often validation tells which is best; 100 is "
                             "usual")
        return best

    @field_validator("dynamic_sampling")
    @classmethod
    def _ours(cls, times: int, info: ValidationInfo) -> int:
        if times and info.data.get("engine") == "trl":
            raise ValueError("needs engine ours; TRL's trainer draws once a step")
        return times


class Rft(Section):
    per_problem: Count  # different right answers of a problem, at most
    max_steps: Count | None  # None = as many as `epochs` gives
    epochs: Positive
    learning_rate: NotNegative
    batch_size: Count
    gradient_accumulation_steps: Count
    lr_scheduler: Scheduler
    warmup_steps: NotNegative
    weight_decay: NotNegative
    max_grad_norm: Positive
    save_steps: Count
    logging_steps: Count


class Rloo(Section):
    max_steps: Count
    learning_rate: NotNegative
    prompts_per_step: Count
    num_generations: Annotated[int, Field(ge=2)]  # one answer has no others to be compared with
    temperature: Positive
    max_grad_norm: Positive  # its loss sums over an answer's tokens, so its gradient is long
    lr_scheduler: Scheduler
    warmup_steps: NotNegative
    save_steps: Count
    logging_steps: Count
    mask_truncated_completions: bool


class Sweep(Section):
    """Decoding settings that every model is tried at, on problems of the validation split; greedy
    is always among them."""

    problems: Count  # at most as many as the split has
    n: Annotated[int, Field(ge=2)]  # samples a problem and setting
    temperatures: Annotated[list[Positive], Field(min_length=1)]
    top_p: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    # Worked examples of the base's few-shot row: the number that suits it best is chosen as well.
    few_shot: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]

    @field_validator("temperatures", "top_p", "few_shot")
    @classmethod
    def _grid(cls, values: list[float], info: ValidationInfo) -> list[float]:
        if values != sorted(set(values)):
            raise ValueError("must rise, each value once")
        if info.field_name != "few_shot" and 1.0 not in values:
            raise ValueError("needs 1, where nothing is changed, among the values")
        return values


class Evaluation(Section):
    n: Count  # samples a problem
    sweep: Sweep
    few_shot: Annotated[int, Field(ge=0)]  # worked examples where the base is looked at: 00, 03
    rungs: list[Literal[rungs.NAMES]]  # type: ignore[valid-type]  # measured beside the base
    split: Literal["train", "validation", "test", "sealed", "aime24", "math500"]
    max_new_tokens: Count | None = None  # of an answer; None = lengths.completion

    @field_validator("rungs", mode="before")
    @classmethod
    def _all(cls, names: Any) -> Any:
        return list(rungs.NAMES) if names == "all" else names

    @field_validator("rungs")
    @classmethod
    def _ends(cls, names: list[str]) -> list[str]:
        ends = [rung.name for rung in rungs.RUNGS if rung.always]
        if not set(ends) <= set(names) or len(set(names)) < len(names):
            raise ValueError(f"needs {' and '.join(ends)}, which notebook 08 compares, and each "
                             "rung once; all is every rung")
        return names


class Pretraining(Section):
    hidden_size: Count  # of the tiny base, which is a Qwen2
    layers: Count
    heads: Count
    key_value_heads: Count  # shared by heads / key_value_heads query heads each
    vocab_size: Count
    tokenizer_documents: Count  # the tokenizer is trained on the first ones
    batch_size: Count  # packed sequences a step
    length: Annotated[int, Field(ge=2)]  # tokens of a packed sequence
    full: bool  # run the recipe's full_steps instead of steps
    steps: Count  # a trial, enough to see the loss fall
    full_steps: Count  # what the shipped base was trained for
    learning_rate: Positive
    slip: Share  # share of worked solutions with a wrong line, on purpose
    confusion: Share  # share of pages whose writer misunderstands the rules
    corpus_seed: Seed
    save_steps: Count  # a checkpoint to resume from
    problems: Count  # validation problems that measure the result


class Tracking(Section):
    report_to: list[Literal["tensorboard", "trackio", "wandb"]]


class Stages(Section):
    """The sections that one stage uses and others do not; a rung's has the rung's name. A section
    whose settings all have defaults needs no values in the presets."""

    sft: Sft
    pairs: Pairs
    reward_model: RewardModel
    dpo: Dpo
    ppo: Ppo
    grpo: Grpo
    rft: Rft
    rloo: Rloo
    evaluation: Evaluation
    pretraining: Pretraining
