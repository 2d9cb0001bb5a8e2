#!/usr/bin/env bash
# TRL, GRPO: loss_type="cispo" with all else by default.
#
# Guess: CISPO clips the importance weight from above, at 1 + epsilon as the other losses do, so
# that on fresh samples (weight exactly 1) nothing is clipped and the gradient is DAPO's.
# Seen: epsilon_high is the cap itself here, and where it is not given it is epsilon, .2. Every
# weight of 1 is cut to .2, so the whole gradient is a fifth of DAPO's. Nothing warns; with beta > 0
# the KL term is not cut with it. epsilon_high=5 gives DAPO's gradient back.
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
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

QUESTIONS = Dataset.from_dict({"prompt": ["1+1=", "2+3="] * 8})


class KeepGradient(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **other):
        parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        self.gradient = torch.cat(parts).clone()


def digits(completions, **columns):
    return [float(sum(sign.isdigit() for sign in text)) for text in completions]


def grpo(reward=digits, model=None, peft_config=None, **settings):
    arguments = dict(
        output_dir="out", use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_pin_memory=False, per_device_train_batch_size=8, num_generations=4,
        max_completion_length=8, max_steps=1, learning_rate=0.0, max_grad_norm=0.0,
        logging_steps=1, report_to="none", save_strategy="no", disable_tqdm=True, seed=0,
    )
    keep = KeepGradient()
    trainer = GRPOTrainer(
        tiny_model() if model is None else model, reward_funcs=reward,
        args=GRPOConfig(**{**arguments, **settings}), train_dataset=QUESTIONS,
        processing_class=tiny_tokenizer(), callbacks=[keep], peft_config=peft_config,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer, keep.gradient, trainer.state.log_history


_, dapo, _ = grpo(loss_type="dapo")
for settings, expected in [({}, 0.2), ({"epsilon_high": 0.28}, 0.28), ({"epsilon_high": 5.0}, 1.0)]:
    _, cispo, logs = grpo(loss_type="cispo", **settings)
    size = (cispo.norm() / dapo.norm()).item()
    direction = torch.cosine_similarity(cispo, dapo, dim=0).item()
    look(
        f"cispo {settings or 'by default'}: gradient against dapo's on the same fresh samples",
        f"{size:.3f} times as long, cosine {direction:.4f},"
        f" cispo_clip_ratio {logs[0]['cispo_clip_ratio']:.3f}",
        abs(size - expected) < 0.002 and direction > 0.999,
    )

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
