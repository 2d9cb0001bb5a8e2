"""One measured PPO run in this process: ours, or TRL's experimental PPOTrainer.

    python -m tests.benchmarks.ppo_worker '{"side": "ours"}'

Before each step it prints "ready" and waits for a line; the last line it prints is JSON with what
was found. `tests.benchmarks.ppo` starts these and compares them; what the two sides share and where
they differ is told there.
"""

import contextlib
import gc
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import peft
import psutil
import torch
import transformers
from peft import get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, GenerationMixin

from helpers import models, sampling
from helpers.config import ROOT, Course
from helpers.data import load_problems
from helpers.prompts import chat_text, messages
from helpers.train.settings import device_flags, lora_config
from tests.benchmarks import gauges
from tests.benchmarks.gauges import Clock, Texts, alive, alive_like, size, weights_of

# So low that all go on writing alike texts: what a step costs does not depend on it.
LEARNING_RATE = 1e-6


@dataclass(frozen=True)
class Work:
    """What both sides do; lengths in tokens, the rest in completions. Defaults: preset `tiny`."""

    side: str
    batch: int = 128
    minibatch: int = 64  # an optimiser step each
    micro: int = 32  # rows in one forward pass of ours; TRL's is the minibatch
    epochs: int = 2
    completion: int = 104
    steps: int = 3  # measured, after one of warm-up
    seed: int = 0

    @classmethod
    def of(cls, course: Course, side: str, **changes) -> "Work":
        """The course's settings; a smaller `batch` keeps the number of minibatches."""
        ppo = course.ppo
        batch = changes.pop("batch", ppo.prompts_per_step)
        minibatch = batch * ppo.minibatch_size // ppo.prompts_per_step
        return cls(**{
            "side": side, "batch": batch, "minibatch": minibatch, "epochs": ppo.num_ppo_epochs,
            "micro": min(ppo.micro_batch_size, minibatch), "seed": course.seed,
            "completion": course.lengths.completion} | changes)


def prompts(work: Work, course: Course, tokenizer) -> list[str]:
    """As many training prompts as a step takes, so that every step of both sides has all of them
    (each shuffles by its own dice)."""
    texts = [chat_text(tokenizer, messages(p, course)) for p in load_problems(course, "train")]
    fit = (text for text in texts if len(tokenizer(text)["input_ids"]) <= course.lengths.prompt)
    return [next(fit) for _ in range(work.batch)]


def ours_config(work: Work, course: Course, folder: str):
    """Our PPOConfig for this work."""
    from helpers.train.methods import PPO

    return PPO.arguments(
        course, folder, max_steps=work.steps + 1, num_ppo_epochs=work.epochs,
        prompts_per_step=work.batch, minibatch_size=work.minibatch, micro_batch_size=work.micro,
        max_completion_length=work.completion, learning_rate=LEARNING_RATE,
        value_learning_rate=LEARNING_RATE, value_warmup_steps=0, reward_model_weight=1.0,
        save_steps=10**6)


def trl_settings(work: Work, course: Course, folder: str) -> dict:
    """The same as arguments of TRL 1.9.0's PPOConfig. Without gradient accumulation it makes an
    optimiser step a minibatch, as we do; with it, it makes fewer."""
    ppo = course.ppo
    return {
        "output_dir": folder, "total_episodes": work.batch * (work.steps + 1),
        "num_ppo_epochs": work.epochs, "per_device_train_batch_size": work.batch,
        "gradient_accumulation_steps": 1, "num_mini_batches": work.batch // work.minibatch,
        "local_rollout_forward_batch_size": work.batch, "response_length": work.completion,
        "stop_token": "eos", "temperature": ppo.temperature, "learning_rate": LEARNING_RATE,
        "kl_coef": ppo.kl_coef, "kl_estimator": ppo.kl_estimator, "gamma": ppo.gamma,
        "lam": ppo.lam, "cliprange": ppo.cliprange, "cliprange_value": ppo.cliprange_value,
        "num_sample_generations": 0, "save_strategy": "no", "disable_tqdm": True,
        "logging_steps": 1, **device_flags(course)}


def reward_adapter(course: Course, folder: str) -> Path:
    """A reward model's adapter and head as TRL's RewardTrainer saves them, with random weights:
    ours loads it, TRL gets it merged into a model, so both pay the same rewards."""
    torch.manual_seed(course.seed)
    scorer = models.load_scorer(course.model.name, course)
    scorer = get_peft_model(scorer, lora_config(course, task_type="SEQ_CLS"))
    with torch.no_grad():
        for name, weight in scorer.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    scorer.save_pretrained(Path(folder) / "reward")
    return Path(folder) / "reward"


def ours(work: Work, course: Course, tokenizer, folder: str, clock: Clock):
    """(trainer, modules that hold its weights), timed."""
    from helpers.train.fused import fuse_lora
    from helpers.train.ppo import AdapterBank, PPOTrainer

    fuse_lora()  # as every trainer of the course does
    torch.manual_seed(work.seed)
    config = lora_config(course, r=course.ppo.r, lora_alpha=course.ppo.alpha)
    bank = AdapterBank(models.load_base(course), config, reward_adapter(course, folder))
    rows = [{"prompt": text} for text in prompts(work, course, tokenizer)]
    trainer = PPOTrainer(bank, ours_config(work, course, folder), rows, tokenizer,
                         callbacks=[clock])
    role = ["policy"]

    def forward(kind: str) -> str:
        role[0] = kind
        return f"{kind} forward" if torch.is_grad_enabled() else "looks"

    clock.time(sampling, "generate", lambda *_: "sampling")
    clock.time(AdapterBank, "logprobs", lambda *_: forward("policy"))
    clock.time(AdapterBank, "numbers", lambda _, name, *__: forward(name))
    clock.time(trainer.accelerator, "backward", lambda *_: f"{role[0]} backward")
    clock.time(torch.nn.utils, "clip_grad_norm_", lambda *_: "optimiser")
    clock.time(trainer.optimizer, "step", lambda *_: "optimiser")
    return trainer, [bank]


def trl(work: Work, course: Course, tokenizer, folder: str, clock: Clock):
    """The same of TRL 1.9.0, put together as in its own examples/scripts/ppo/ppo.py: full policy,
    reference, value and reward model, or with `peft_config` a policy that is its own reference."""
    from datasets import Dataset
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    lora = work.side == "trl_lora"
    adapter = reward_adapter(course, folder)

    def scorer() -> nn.Module:
        model = AutoModelForSequenceClassification.from_pretrained(
            ROOT / course.model.name, num_labels=1, dtype=torch.float32)
        return peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()

    value = scorer().requires_grad_(True)  # merging leaves it frozen
    rows = Dataset.from_list([{"input_ids": tokenizer(text)["input_ids"]}
                              for text in prompts(work, course, tokenizer)])
    config = lora_config(course, r=course.ppo.r, lora_alpha=course.ppo.alpha)
    trainer = PPOTrainer(
        PPOConfig(**trl_settings(work, course, folder)), tokenizer,
        model=models.load_base(course, full=True),
        ref_model=None if lora else models.load_base(course, full=True),
        reward_model=scorer(), value_model=value, train_dataset=rows,
        eval_dataset=rows.select(range(2)), callbacks=[clock], peft_config=config if lora else None)
    clock.time(ppo_trainer, "batch_generation", lambda *_: "sampling")
    clock.time(ppo_trainer, "get_reward", lambda *_: "looks")
    clock.time(ppo_trainer, "forward",
               lambda *_: "forward" if torch.is_grad_enabled() else "looks")
    clock.time(trainer.accelerator, "backward", lambda *_: "backward")
    clock.time(trainer.optimizer, "step", lambda *_: "optimiser")
    return trainer, [trainer.model, trainer.ref_model, trainer.reward_model]


def measure(work: Work, course: Course, wait: Callable[[], None] = lambda: None) -> dict:
    """Run the work and report what it took; bytes, seconds."""
    before = psutil.Process().memory_info().rss
    tokenizer, clock = models.load_tokenizer(course), Clock(wait)
    texts, found = Texts(sampling.end_ids(tokenizer)), {}
    others = alive()  # of tests that ran here before; kept, so that no new tensor takes their id
    with tempfile.TemporaryDirectory() as folder:
        make = ours if work.side == "ours" else trl
        trainer, parts = make(work, course, tokenizer, folder, clock)
        gc.collect()
        weights = weights_of(parts)
        texts.at_first = lambda: found.update(sampling_bytes=alive_like(weights, others))
        if work.side == "ours":
            texts.watch(sampling, "decode", gauges.of_decode)
        else:
            texts.watch(GenerationMixin, "generate", gauges.of_generate)
        trainer.train()
    state = trainer.optimizer.state_dict()["state"].values()
    trained = [w for group in trainer.optimizer.param_groups for w in group["params"]]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    return {
        **asdict(work), **clock.report(), **texts.report(), **found,
        "weight_bytes": size(weights), "threads": torch.get_num_threads(),
        "dtypes": sorted({str(w.dtype).removeprefix("torch.") for w in weights}),
        "trained_bytes": size(trained),
        "optimizer_bytes": size(t for one in state for t in one.values() if t.dim()),
        "peak_bytes": peak, "grown_bytes": peak - before,
    }


def main() -> None:
    work, pipe = Work.of(course := Course.load(), **json.loads(sys.argv[1])), sys.stdout

    def wait() -> None:
        print("ready", file=pipe, flush=True)
        if not sys.stdin.readline():
            sys.exit("whoever measures is gone")

    with contextlib.redirect_stdout(sys.stderr):  # trainers print what they log
        found = measure(work, course, wait)
        import trl as library

    used = {"trl": library, "transformers": transformers, "peft": peft, "torch": torch}
    found["versions"] = {name: module.__version__ for name, module in used.items()}
    print(json.dumps(found), flush=True)
    os._exit(0)  # no tidying up: nothing of this process is needed any more


if __name__ == "__main__":
    main()
