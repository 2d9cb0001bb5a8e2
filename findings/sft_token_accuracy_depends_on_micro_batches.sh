#!/usr/bin/env bash
# TRL, SFT: the logged mean_token_accuracy and entropy when a batch is cut into micro-batches.
#
# Guess: four rows at once, or two by two, or one by one with gradient accumulation: as loss and
# gradient are the same, the other metrics are, too.
# Seen: the loss is a mean over all tokens, accuracy and entropy are means of the micro-batches'
# means. On rows of unlike lengths the accuracy falls to about a third between 4 x 1 and 1 x 4,
# while loss and gradient agree to six digits. So curves of two runs compare only if both were
# cut in the same way.
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
from trl import SFTConfig, SFTTrainer

disable_progress_bar()


class KeepGradient(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **other):
        parts = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        self.gradient = torch.cat(parts).clone()


def sft(rows, **settings):
    arguments = dict(
        output_dir="out", use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_pin_memory=False, per_device_train_batch_size=2, max_steps=1,
        learning_rate=1e-3, max_grad_norm=0.0, logging_steps=1, report_to="none",
        save_strategy="no", disable_tqdm=True, seed=0,
    )
    keep = KeepGradient()
    trainer = SFTTrainer(
        tiny_model(), args=SFTConfig(**{**arguments, **settings}),
        train_dataset=Dataset.from_dict(rows), processing_class=tiny_tokenizer(),
        callbacks=[keep],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return keep.gradient, trainer.state.log_history[0]


rows = {"text": ["1", "2+2=4 and more and more and more", "3", "4 5 6 7 8 9"]}
runs = {}
for batch, pieces in [(4, 1), (2, 2), (1, 4)]:
    runs[batch] = sft(rows, per_device_train_batch_size=batch, gradient_accumulation_steps=pieces)
    gradient, logs = runs[batch]
    print(f"micro-batches of {batch}: loss {logs['loss']:.6f} gradient {gradient.norm():.6f}"
          f" mean_token_accuracy {logs['mean_token_accuracy']:.4f}"
          f" entropy {logs['entropy']:.4f}")
(whole, whole_logs), (cut, cut_logs) = runs[4], runs[1]
apart = ((whole - cut).norm() / whole.norm()).item()
look("difference of the gradients, relative", f"{apart:.1e}", apart < 1e-4)
look("difference of the losses", f"{abs(whole_logs['loss'] - cut_logs['loss']):.1e}",
     abs(whole_logs["loss"] - cut_logs["loss"]) < 1e-4)
share = cut_logs["mean_token_accuracy"] / whole_logs["mean_token_accuracy"]
look("mean_token_accuracy of 1 x 4 as a share of that of 4 x 1", f"{share:.2f}",
     abs(share - 1) > 0.2)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
