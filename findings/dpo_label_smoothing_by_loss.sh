#!/usr/bin/env bash
# TRL, DPO: label_smoothing=.3, "three labels in ten may be wrong".
#
# Guess: with the default loss (sigmoid) it gives conservative DPO: at the start, where policy and
# reference agree, the gradient is (1 - 2 x .3) = .4 of the plain one. It trusts labels less.
# Seen: with the default loss it is accepted and changes nothing at all, without a warning. With
# loss_type="robust" the first gradient is 1 / (1 - 2 x .3) = 2.5 times the plain one: the less
# the labels are trusted, the larger the first step.
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
from datasets.utils.logging import disable_progress_bar
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

disable_progress_bar()
tiny_model().save_pretrained("folder")
tiny_tokenizer().save_pretrained("folder")
PAIRS = Dataset.from_dict({
    "prompt": ["1+1=", "2+3=", "9+1=", "3+3="],
    "chosen": ["2", "5 ok", "10", "six 6"],
    "rejected": ["3 no no", "6", "11 11", "7"],
})


class KeepGradient(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **other):
        parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        self.gradient = torch.cat(parts).clone()


def first_gradient(**settings):
    keep = KeepGradient()
    arguments = DPOConfig(
        output_dir="out", use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_pin_memory=False, per_device_train_batch_size=4, max_steps=1,
        learning_rate=0.0, max_grad_norm=0.0, report_to="none", save_strategy="no",
        disable_tqdm=True, seed=0, **settings,
    )
    trainer = DPOTrainer("folder", args=arguments, train_dataset=PAIRS,
                         processing_class=tiny_tokenizer(), callbacks=[keep])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return keep.gradient


plain = first_gradient()
for settings, expected in [
    ({"label_smoothing": 0.3}, 1.0),
    ({"label_smoothing": 0.3, "loss_type": ["robust"]}, 2.5),
]:
    size = (first_gradient(**settings).norm() / plain.norm()).item()
    look(f"{settings}: length of the first gradient against plain DPO's", f"{size:.4f}",
         abs(size - expected) < 1e-3)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
