"""One way to train as an object: where the arguments of its trainer come from, and the trainer.

The methods themselves are in `helpers.train.methods`; here is what all of them have alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path

import pandas as pd
from datasets import disable_progress_bars
from transformers import PrinterCallback, Trainer, TrainingArguments

from helpers import wording
from helpers.config import ConfigError, Course
from helpers.train import room
from helpers.train.fused import fuse_lora
from helpers.train.loop import TrainingLoop
from helpers.train.settings import (
    device_flags,
    lora_without_copies,
    score_answers_only,
    train_in_float32,
)

# Argument of the trainer -> setting of the course, in the method's section unless it has a dot.
STEPS = {
    name: name
    for name in (
        "max_steps",
        "learning_rate",
        "warmup_steps",
        "max_grad_norm",
        "logging_steps",
        "save_steps",
    )
} | {"lr_scheduler_type": "lr_scheduler"}
BOOKKEEPING = (
    "save_total_limit",
    "disable_tqdm",
    "use_cpu",
    "dataloader_pin_memory",
    "report_to",
    "seed",
)  # not in a table unless one was changed
BATCHES = {
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
}


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
            for name, (value, who) in planned.items()
        }
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

    def trainer(
        self,
        course: Course,
        args: TrainingArguments,
        train_dataset: Sequence[dict],
        tokenizer,
        callbacks: Sequence = (),
        **more,
    ) -> Trainer | TrainingLoop:
        """The trainer, ready for `train()`. `more`: `start`, the folder of the merged model that
        all but SFT start from; `eval_dataset` (SFT), `reward_funcs` (PPO, GRPO, RLOO),
        `reward_weights` and `judge`, the folder of a reward model's adapter (PPO)."""
        disable_progress_bars()
        score_answers_only()
        lora_without_copies()
        fuse_lora()
        room.arrange(self.name, args, course, train_dataset, tokenizer, more.get("start"))
        trainer = self.build(
            course,
            args=args,
            train_dataset=train_dataset,
            processing_class=tokenizer,
            callbacks=list(callbacks),
            **more,
        )
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
        return planned | {
            name: (value, asked.get(name, "device")) for name, value in device_flags(course).items()
        }
