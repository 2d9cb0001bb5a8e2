"""One step of TRL's GRPOTrainer and one of ours, on a few answers that are given to both.

The model is small and random and the learning rate 0: what the trainers say of the answers is what
is looked at. Nothing that is drawn here leaves a trace outside.
"""

import logging
import string
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers import models as token_models
from transformers import PreTrainedTokenizerFast, PrinterCallback, Qwen2Config, Qwen2ForCausalLM

from helpers import losses
from helpers.train.group import GroupTrainer
from helpers.train.ppo.rollout import Rollout

SIGNS = ["<pad>", "<eos>", *string.digits, *"+= "]
PROMPTS, GROUP, LENGTH = ["1+1=", "2+3="], 4, 6
MANY = 64  # answers a prompt, where they are drawn
# One answer a place: a digit, two digits, … then the end; the last of a group is cut at the limit.
TEXTS = ["2", "12", "3 4", "555555"] * len(PROMPTS)
Paid = Callable[..., list[float | None]]


def _tokenizer() -> PreTrainedTokenizerFast:
    """One token a sign."""
    inner = Tokenizer(
        token_models.WordLevel({sign: number for number, sign in enumerate(SIGNS)}, unk_token=" ")
    )
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )


def _model() -> Qwen2ForCausalLM:
    """Two layers of random weights, the same ones every time, without touching other draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(SIGNS),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=64,
                initializer_range=0.3,
                pad_token_id=0,
                eos_token_id=1,
                bos_token_id=None,
            )
        )


@contextmanager
def _quietly() -> Iterator[str]:
    """A folder; what is drawn inside leaves no trace outside, and what is warned of is meant."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            warnings.catch_warnings(),
            torch.random.fork_rng(devices=[]),
        ):
            warnings.simplefilter("ignore")
            yield folder
    finally:
        logging.disable(level)


def _arguments(folder: str, **settings):
    from trl import GRPOConfig

    checkpointing = {
        name: False
        for name in ("activation_checkpointing", "gradient_checkpointing")
        if name in GRPOConfig.__dataclass_fields__
    }
    return GRPOConfig(
        **dict(list(checkpointing.items())[:1])
        | {  # the newer name, where there is
            "output_dir": folder,
            "use_cpu": True,
            "bf16": False,
            "dataloader_pin_memory": False,
            "per_device_train_batch_size": GROUP * len(PROMPTS),
            "num_generations": GROUP,
            "max_completion_length": LENGTH,
            "max_steps": 1,
            "learning_rate": 0.0,
            "logging_steps": 1,
            "report_to": "none",
            "save_strategy": "no",
            "disable_tqdm": True,
            "shuffle_dataset": False,
            "seed": 0,
        }
        | settings
    )


def _answers(tokenizer) -> tuple[list[list[int]], list[list[int]], list[bool]]:
    """Prompts and answers as tokens, B each, and which answers are cut."""
    asked = [tokenizer(prompt)["input_ids"] for prompt in PROMPTS for _ in range(GROUP)]
    said = [tokenizer(text)["input_ids"] for text in TEXTS]
    cut = [len(ids) >= LENGTH for ids in said]
    return (
        asked,
        [
            ids if gone else [*ids, tokenizer.eos_token_id]
            for ids, gone in zip(said, cut, strict=True)
        ],
        cut,
    )


def by_trl(
    rewards: Sequence[Paid], drawn: bool = False, **settings
) -> tuple[list[float], dict[str, float]]:
    """Advantages (B,) and the log of one step of TRL's trainer on `TEXTS`, or on answers that it
    has drawn."""
    from trl import GRPOTrainer

    tokenizer = _tokenizer()
    asked, said, _ = _answers(tokenizer)

    def given(prompts, trainer):
        return {"prompt_ids": asked, "completion_ids": said, "logprobs": None}

    with _quietly() as folder:
        trainer = GRPOTrainer(
            _model(),
            reward_funcs=list(rewards),
            args=_arguments(folder, **settings),
            train_dataset=Dataset.from_dict({"prompt": PROMPTS}),
            processing_class=tokenizer,
            rollout_func=None if drawn else given,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return [float(one) for one in trainer._logs["advantages"]], trainer.state.log_history[0]


def by_ours(
    rewards: Sequence[Paid], drawn: bool = False, **settings
) -> tuple[list[float], dict[str, float]]:
    """The same of our trainer."""
    tokenizer = _tokenizer()
    asked, said, cut = _answers(tokenizer)
    seen: list[Rollout] = []

    class Given(GroupTrainer):
        def sample(self, step, *others):
            if drawn:
                return super().sample(step, *others)
            rows = [row for row in self.rows for _ in range(GROUP)]
            return rows, Rollout(asked, said, list(TEXTS), torch.tensor(cut))

        def learn(self, answers, step):
            seen.append(answers)
            return super().learn(answers, step)

    with _quietly() as folder:
        lora = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = Given(
            get_peft_model(_model(), lora),
            _arguments(folder, **settings),
            [{"prompt": prompt} for prompt in PROMPTS],
            tokenizer,
            rewards,
        )
        log = trainer.train().log_history[0]
    return seen[0].advantages.tolist(), log


def paid(*values: float | None, name: str = "paid") -> Paid:
    """A reward function that pays each place of every group what `values` say."""

    def reward(completions, **columns):
        return [values[place % len(values)] for place in range(len(completions))]

    reward.__name__ = name
    return reward


@torch.no_grad()
def entropy(temperature: float) -> float:
    """Mean entropy of the model along the answers, nats a token, at a temperature."""
    asked, said, _ = _answers(_tokenizer())
    model, found = _model(), []
    for prompt, ids in zip(asked, said, strict=True):
        logits = model(torch.tensor([prompt + ids])).logits[:, len(prompt) - 1 : -1]
        found.append(losses.entropy(logits / temperature)[0])
    return float(torch.cat(found).mean())
