#!/usr/bin/env bash
# TRL, GRPO: every answer of a group gets the same reward.
#
# Guess: all advantages are 0, no weight moves, and the metric of groups without a signal says 1.
# Seen: so for a reward of 1. With a reward of 1.2 (or .1, .7, .9) and eight answers the mean of
# equal float32 numbers is not that number; the difference, 1e-7, is divided by a deviation of the
# same size plus 1e-4, and every answer gets an advantage of about -.001. frac_reward_zero_std says
# 0, and Adam, which does not care how small a gradient is, moves the weights as far as it would on
# a real signal.
set -euo pipefail
pins=(
    torch==2.13.0 transformers==5.23.0 trl==1.16.0 peft==0.21.2 accelerate==1.15.0
    datasets==5.2.0 tokenizers==0.23.3
)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [[ -n ${FINDINGS_PYTHON:-} ]]; then
    python=$(command -v "$FINDINGS_PYTHON")
    python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
else
    python3 -m venv "$folder/venv"
    python=$folder/venv/bin/python
    "$python" -m pip install -q "${pins[@]}"
fi
cd "$folder"
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1
cat >finding.py <<'EOF'
import sys
import warnings
from importlib.metadata import version

for pin in sys.argv[1:]:
    name, wanted = pin.split("==")
    found = version(name).split("+")[0]
    print(name, found)
    if found != wanted:
        print(f"{name} {wanted} is needed, not {found}")
        sys.exit(2)
warnings.simplefilter("ignore")
seen_as_before = []


def look(words, seen, holds):
    """Print what was seen; remember whether it is still what this script says."""
    print(f"{words}: {seen}{'' if holds else '   <- CHANGED'}")
    seen_as_before.append(bool(holds))


import string

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)
SIGNS = ["<pad>", "<eos>", *string.ascii_lowercase, *string.digits, *" +-=?.#\n"]


def tiny_tokenizer():
    """One token a sign."""
    vocabulary = {sign: number for number, sign in enumerate(SIGNS)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=" "))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )


def tiny_model(tied=False, spread=0.2):
    """Two layers of random weights, the same ones every time."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(SIGNS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        tie_word_embeddings=tied, initializer_range=spread,
        pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )
    return Qwen2ForCausalLM(config)


from datasets import Dataset
from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

QUESTIONS = Dataset.from_dict({"prompt": ["1+1=", "2+3="] * 8})


def constant(value):
    def reward(completions, **columns):
        return [value] * len(completions)

    return reward


def five_steps(value):
    """Largest advantage, the metric and how far weights moved, of a constant reward."""
    arguments = dict(
        output_dir="out", use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_pin_memory=False, per_device_train_batch_size=16, num_generations=8,
        max_completion_length=6, max_steps=5, learning_rate=1e-3, lr_scheduler_type="constant",
        logging_steps=1, report_to="none", save_strategy="no", disable_tqdm=True, seed=0,
    )
    trainer = GRPOTrainer(
        tiny_model(), reward_funcs=constant(value), args=GRPOConfig(**arguments),
        train_dataset=QUESTIONS, processing_class=tiny_tokenizer(),
    )
    trainer.remove_callback(PrinterCallback)
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    trainer.train()
    moved = max(
        float((new.detach() - old).abs().max())
        for new, old in zip(trainer.model.parameters(), before, strict=True)
    )
    silent = [one["frac_reward_zero_std"] for one in trainer.state.log_history
              if "frac_reward_zero_std" in one]
    return max(map(abs, trainer._logs["advantages"])), silent, moved


largest, silent, moved = five_steps(1.0)
look("reward 1 for all: largest advantage", largest, largest == 0)
look("frac_reward_zero_std", silent, silent == [1.0] * 5)
look("largest move of a weight in five steps at 1e-3", moved, moved == 0)
largest, silent, moved = five_steps(1.2)
look("reward 1.2 for all: largest advantage", largest, 5e-4 < largest < 5e-3)
look("frac_reward_zero_std", silent, silent == [0.0] * 5)
look("largest move of a weight in five steps at 1e-3", moved, moved > 1e-3)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
