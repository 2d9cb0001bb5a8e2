"""A short PPO run as a process of its own, to be killed, continued, or run twice side by side.

    python -m tests.ppo_run FOLDER STEPS

It goes on from the newest whole checkpoint in FOLDER. `metrics-<rank>.jsonl` gets one line a step,
`digests-<rank>.json` what the roles' weights are at the end.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from helpers import checkpoints
from helpers.config import ROOT
from helpers.train.ppo import AdapterBank, PPOConfig, PPOTrainer

BASE = ROOT / "data" / "tiny" / "base"
ROWS = [{"prompt": f"Tom has {n} apples and buys {m} more."} for n in range(3, 9) for m in (2, 5)]


def short(completions, **columns):
    """A reward that is easy to earn: fewer words."""
    return [-len(text.split()) / 10 for text in completions]


class Lines(TrainerCallback):
    """Writes every step's metrics at once, those of time left out."""

    def __init__(self, file: Path):
        self.file = file

    def on_log(self, args, state, control, logs=None, **kwargs):
        kept = {key: value for key, value in logs.items() if not key.startswith("time/")}
        with self.file.open("a") as lines:
            lines.write(json.dumps({"step": state.global_step, **kept}) + "\n")


def main(folder: Path, steps: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    bank = AdapterBank(base, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear",
                                        task_type="CAUSAL_LM"))
    args = PPOConfig(
        output_dir=str(folder), max_steps=steps, prompts_per_step=8, minibatch_size=4,
        micro_batch_size=4, max_completion_length=12, learning_rate=1e-3,
        value_learning_rate=1e-3, lr_scheduler_type="constant", save_steps=1, logging_steps=1,
        use_cpu=True, bf16=False, report_to="none", disable_tqdm=True, save_total_limit=2,
        target_kl=0.1)
    tokenizer = AutoTokenizer.from_pretrained(BASE, padding_side="left")
    trainer = PPOTrainer(bank, args, ROWS, tokenizer, [short])
    rank = trainer.accelerator.process_index
    trainer.callbacks.add_callback(Lines(folder / f"metrics-{rank}.jsonl"))
    trainer.train(resume_from_checkpoint=checkpoints.last_complete(folder))
    digests = {role: bank.digest(role) for role in ("base", *bank.roles)}
    (folder / f"digests-{rank}.json").write_text(json.dumps(digests))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
