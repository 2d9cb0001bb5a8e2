"""Seconds and memory of one training step of PPO, GRPO and SFT on a GPU, with the code that stands
on the path: this commit's, or that of 0950ceb, whose names were others.

    PYTHONPATH=FOLDER python tests/benchmarks/gpu_worker.py new '{"model": DIR, "prompts": 128}'

The model is one of random weights: it never ends an answer, so every completion has the full
length, and both codes do the same work. Prints one JSON object a method.
"""

import gc
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainerCallback

from helpers import models, prompts
from helpers.config import Course

SETTINGS = {"model": None, "preset": "a100", "quantization": "none", "precision": "auto",
            "prompts": 128, "group": 16, "completion": 256, "rows": 16, "steps": 2,
            "methods": ["ppo", "grpo", "sft"], "cap_gb": None,
            "at_once": [1, 2, 4, 8, 16, 32, 64], "answers": [64, 128, 256, 512, 1024]}


def uneven(completions, **columns):
    return [float(row % 2) for row in range(len(completions))]


def course_of(asked: dict) -> Course:
    rows, prompts_a_step = asked["rows"], asked["prompts"]
    return Course.load(asked["preset"], "gsm8k", 0, {
        "world": "tiny", "tracking": {"report_to": []}, "generation": {"engine": "hf"},
        "model": {"name": asked["model"], "quantization": asked["quantization"],
                  "precision": asked["precision"]},
        "lengths": {"prompt": 384, "completion": asked["completion"]},
        "data": {"train": None, "validation": 64, "test": 64},
        "sft": {"batch_size": rows, "gradient_accumulation_steps": 2},
        "ppo": {"prompts_per_step": prompts_a_step, "minibatch_size": prompts_a_step // 2,
                "micro_batch_size": rows, "value_warmup_steps": 0, "num_ppo_epochs": 2},
        "grpo": {"prompts_per_step": prompts_a_step // asked["group"],
                 "num_generations": asked["group"], "mask_truncated_completions": False}})


class Clock(TrainerCallback):
    """Seconds of every step, with the GPU's work done."""

    def __init__(self):
        self.times = []

    def on_step_begin(self, *args, **kwargs):
        self.started = now()

    def on_step_end(self, *args, **kwargs):
        self.times.append(now() - self.started)


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


class Old:
    """Trainers as the notebooks of 0950ceb made them."""

    def __init__(self, course, tokenizer, folder):
        self.course, self.tokenizer, self.folder = course, tokenizer, folder
        self.lora = models.lora_config
        self.common = {"output_dir": str(folder), "save_strategy": "no", "logging_steps": 1,
                       "disable_tqdm": True, **models.trainer_flags(course)}

    def ppo(self, rows, judge, steps, **changes):
        from helpers.ppo import AdapterBank, PPOConfig, PPOTrainer

        ppo, name = self.course.ppo, self.course.model.name
        torch.manual_seed(0)
        bank = AdapterBank(
            models.load_model(name, self.course, self.course.model.quantization),
            self.lora(self.course, r=ppo.r, lora_alpha=ppo.alpha), reward=judge,
            gradient_checkpointing=models.device().type == "cuda")
        args = PPOConfig.from_course(self.course, **self.common | {"max_steps": steps} | changes)
        return PPOTrainer(bank, args, rows, self.tokenizer, [uneven])

    def grpo(self, rows, clock, steps, **changes):
        from trl import GRPOConfig, GRPOTrainer

        g, rows_at_once = self.course.grpo, self.course.sft.batch_size
        answers = g.prompts_per_step * g.num_generations
        args = GRPOConfig(**{
            "num_generations": g.num_generations, "temperature": g.temperature,
            "epsilon": g.epsilon, "epsilon_high": g.epsilon_high, "beta": g.beta,
            "loss_type": g.loss_type, "scale_rewards": g.scale_rewards, "shuffle_dataset": False,
            "max_completion_length": self.course.lengths.completion,
            "mask_truncated_completions": g.mask_truncated_completions,
            "max_steps": steps, "learning_rate": g.learning_rate,
            "per_device_train_batch_size": rows_at_once,
            "gradient_accumulation_steps": answers // rows_at_once,
            "max_grad_norm": g.max_grad_norm, "lr_scheduler_type": g.lr_scheduler,
            "warmup_steps": 0, **self.common, **changes})
        return GRPOTrainer(
            models.load_model(self.course.model.name, self.course,
                              self.course.model.quantization), reward_funcs=[uneven],
            args=args, train_dataset=rows, processing_class=self.tokenizer,
            peft_config=self.lora(self.course), callbacks=[clock])

    def sft(self, rows, clock, steps):
        from trl import SFTConfig, SFTTrainer

        s = self.course.sft
        args = SFTConfig(
            max_steps=steps, per_device_train_batch_size=s.batch_size,
            gradient_accumulation_steps=s.gradient_accumulation_steps,
            learning_rate=s.learning_rate, completion_only_loss=True, max_length=None,
            **self.common)
        return SFTTrainer(model=models.load_base(self.course), args=args, train_dataset=rows,
                          processing_class=self.tokenizer, callbacks=[clock],
                          peft_config=self.lora(self.course))


class New:
    """Trainers as `helpers.train.methods` makes them."""

    def __init__(self, course, tokenizer, folder):
        from helpers.train.settings import lora_config

        self.course, self.tokenizer, self.folder = course, tokenizer, folder
        self.lora = lora_config
        self.common = {"save_strategy": "no", "logging_steps": 1}

    def _make(self, name, rows, steps, changes, **more):
        from helpers.train.methods import METHODS

        args = METHODS[name].arguments(self.course, self.folder,
                                       **self.common | {"max_steps": steps} | changes)
        if name != "sft":
            more["start"] = self.course.model.name
        return METHODS[name].trainer(self.course, args, rows, self.tokenizer, **more)

    def ppo(self, rows, judge, steps, **changes):
        return self._make("ppo", rows, steps, changes, judge=judge, reward_funcs=[uneven])

    def grpo(self, rows, clock, steps, **changes):
        return self._make("grpo", rows, steps, {"warmup_steps": 0} | changes, callbacks=[clock],
                          reward_funcs=[uneven])

    def sft(self, rows, clock, steps):
        return self._make("sft", rows, steps, {"eval_strategy": "no", "eval_on_start": False},
                          callbacks=[clock])


def measure(train, out: dict) -> dict:
    """Run `train`; with the peak of memory of it alone."""
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    started = now()
    train()
    out["seconds"] = round(now() - started, 3)
    if gpu:
        out |= {"peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
                "reserved_gb": round(torch.cuda.max_memory_reserved() / 1e9, 2)}
    return out


def run(which: str, asked: dict) -> None:
    from datasets import Dataset
    from peft import get_peft_model

    from helpers.data import load_problems

    course = course_of(asked)
    if asked["cap_gb"]:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(asked["cap_gb"] * 1e9 / total)
    tokenizer = models.load_tokenizer(course)
    problems = list(load_problems(course, "train"))[:512]
    folder = Path(tempfile.mkdtemp())
    make = {"old": Old, "new": New}[which](course, tokenizer, folder)
    asks = [prompts.messages(one, course) for one in problems]
    texts = [{"prompt": prompts.chat_text(tokenizer, one)} for one in asks]
    tokens = [len(tokenizer(one["prompt"])["input_ids"]) for one in texts]
    for name in asked["methods"]:
        out = {"code": which, "method": name, **{k: asked[k] for k in (
            "preset", "quantization", "prompts", "group", "completion", "rows", "cap_gb")},
            "prompt_tokens": sum(tokens) // len(tokens)}
        clock, steps = Clock(), asked["steps"]
        if name == "ppo":
            adapted = get_peft_model(models.load_model(course.model.name, course),
                                     make.lora(course))
            adapted.save_pretrained(folder / "judge")
            del adapted
            trainer = make.ppo(texts, folder / "judge", steps)
            trainer.collector.sample(trainer.train_rows[:2], 0)  # what is done once
            measure(trainer.train, out)
            log = trainer.state.log_history
            out["rollout_seconds"] = [round(row["time/rollout"], 2) for row in log]
            out["learning_seconds"] = [round(row["time/training"], 2) for row in log]
            out["rows_at_once"] = (getattr(trainer.args, "rows_at_once", None)
                                   or trainer.args.micro_batch_size)
        elif name == "grpo":
            rows = Dataset.from_list([{"prompt": one} for one in asks])
            trainer = make.grpo(rows, clock, steps)
            measure(trainer.train, out)
            out["rows_at_once"] = trainer.args.per_device_train_batch_size
        else:
            worked = [one for one in problems if one.solution]  # the others hold an answer only
            worked = (worked * -(-len(problems) // len(worked)))[:len(problems)]
            rows = Dataset.from_list([prompts.sft_example(one, course) for one in worked])
            trainer = make.sft(rows, clock, 4 * steps)
            trainer.remove_callback(PrinterCallback)
            measure(trainer.train, out)
            out["rows_at_once"] = trainer.args.per_device_train_batch_size
        out["checkpointing"] = bool(getattr(trainer.args, "activation_checkpointing",
                                            trainer.args.gradient_checkpointing))
        out["step_seconds"] = [round(one, 3) for one in clock.times] or [
            round(a + b, 3) for a, b in zip(out["rollout_seconds"], out["learning_seconds"],
                                            strict=True)]
        print("ROW", json.dumps(out), flush=True)
        del trainer
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def passes(asked: dict) -> None:
    """Seconds and memory of one forward and backward pass of PPO's policy, by how many rows it
    reads at once, half of each an answer, with activations kept and computed again; and seconds of
    the same pass forward only."""
    from helpers import losses
    from helpers.train.ppo import AdapterBank
    from helpers.train.rows import Rows
    from helpers.train.settings import lora_config, lora_without_copies

    course = course_of(asked)
    kind = models.precision(course)
    kind = torch.bfloat16 if kind == torch.float32 else kind  # on a processor
    lora_without_copies()
    for checkpointing in (False, True):
        base = models.load_model(course.model.name, course, course.model.quantization)
        bank = AdapterBank(base, lora_config(course, r=course.ppo.r), None, checkpointing)
        for rows in asked["at_once"]:
            half = asked["completion"]
            batch = Rows([[5] * half] * rows, [[7] * half] * rows, models.device())

            def read(bank=bank, batch=batch):
                with torch.autocast(batch.ids.device.type, kind):
                    return bank.logprobs(batch.ids, batch.places, batch.targets)[0]

            def once(bank=bank, batch=batch, read=read):
                with bank.learning("policy"):
                    logp = read()
                    losses.ppo_policy_loss(logp, logp.detach(), batch.mask, batch.mask).backward()

            out = {"code": "new", "method": "pass", "rows": rows, "tokens": rows * 2 * half,
                   "checkpointing": checkpointing, "quantization": asked["quantization"]}
            try:
                with torch.no_grad():
                    read()
                    started = now()
                    read()
                    out["forward_seconds"] = round(now() - started, 4)
                once()
                out |= {"passes": (count := 3)}
                measure(lambda count=count, once=once: [once() for _ in range(count)], out)
            except torch.OutOfMemoryError:
                out["problem"] = "out of memory"
            print("ROW", json.dumps(out), flush=True)
        del bank, base, batch, once, read  # the functions hold both
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def answers(asked: dict) -> None:
    """Seconds and memory of sampling, by how many answers are written at once, `group` to a prompt:
    what the course would take by itself, and what it plans for each."""
    from helpers import sampling
    from helpers.data import load_problems
    from helpers.model_size import shape
    from helpers.passes import answers_bytes

    course = course_of(asked)
    tokenizer, n = models.load_tokenizer(course), asked["group"]
    model = models.load_model(course.model.name, course)
    texts = [prompts.chat_text(tokenizer, prompts.messages(one, course))
             for one in list(load_problems(course, "train"))[:512]]
    ids = sampling._encoded(tokenizer, texts)
    own = sampling.at_once(model, ids, n, asked["completion"], None)
    kind = model.get_input_embeddings().weight.element_size()
    for rows in asked["answers"]:
        few = (texts * -(-rows // len(texts)))[:max(1, rows // n)]
        longest = max(len(one) for one in sampling._encoded(tokenizer, few))
        planned = answers_bytes(shape(model.config), len(few), n, longest, asked["completion"],
                                kind)
        out = {"code": "new", "method": "answers", "rows": len(few) * n, "group": n,
               "completion": asked["completion"], "prompt_tokens": longest, "own": own,
               "planned_gb": round(planned / 1e9, 2)}
        try:
            measure(lambda few=few: sampling.generate(
                model, tokenizer, few, n=n, max_new_tokens=asked["completion"],
                batch_size=len(few) * n), out)
        except RuntimeError as error:
            out["problem"] = str(error).splitlines()[0][:200]
        print("ROW", json.dumps(out), flush=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    if stray := given.keys() - SETTINGS.keys():
        raise SystemExit(f"not a setting: {sorted(stray)}; there are {sorted(SETTINGS)}")
    if sys.argv[1] in ("passes", "answers"):
        {"passes": passes, "answers": answers}[sys.argv[1]](SETTINGS | given)
    else:
        run(sys.argv[1], SETTINGS | given)
