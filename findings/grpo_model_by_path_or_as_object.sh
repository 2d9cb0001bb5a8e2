#!/usr/bin/env bash
# TRL and transformers 5: one bfloat16 checkpoint, given to GRPOTrainer by its path or loaded first.
#
# Guess: GRPOTrainer("folder") and GRPOTrainer(AutoModelForCausalLM.from_pretrained("folder")) train
# the same model in the same way.
# Seen: TRL loads a path in float32, from_pretrained keeps the checkpoint's bfloat16 and the trainer
# keeps what it is given. At GRPO's own default learning rate of 1e-6 Adam's steps are smaller
# than half of bfloat16's last bit for most weights: after 20 steps almost all float32 weights have
# moved, and about one in fifty of the bfloat16 ones. Loss, reward and gradient norm look as usual.
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


from transformers import AutoModelForCausalLM

tiny_model(spread=0.02).to(torch.bfloat16).save_pretrained("folder")
tiny_tokenizer().save_pretrained("folder")


def share_moved(model):
    before = {}

    class KeepStart(TrainerCallback):
        def on_train_begin(self, args, state, control, model=None, **other):
            before.update({n: p.detach().clone() for n, p in model.named_parameters()})

    arguments = GRPOConfig(
        output_dir="out", use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_pin_memory=False, per_device_train_batch_size=8, num_generations=4,
        max_completion_length=8, max_steps=20, lr_scheduler_type="constant",
        logging_steps=1, report_to="none", save_strategy="no", disable_tqdm=True, seed=0,
    )
    trainer = GRPOTrainer(
        model, reward_funcs=digits, args=arguments, train_dataset=QUESTIONS,
        processing_class=tiny_tokenizer(), callbacks=[KeepStart()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    now = dict(trainer.model.named_parameters())
    moved = sum((now[name] != start).sum().item() for name, start in before.items())
    total = sum(start.numel() for start in before.values())
    return arguments.learning_rate, next(trainer.model.parameters()).dtype, moved / total


rate, kind, share = share_moved("folder")
look(f"by its path, learning rate {rate}", f"{kind}, {share:.1%} of the weights moved",
     kind == torch.float32 and share > 0.9)
rate, kind, share = share_moved(AutoModelForCausalLM.from_pretrained("folder"))
look(f"as an object, learning rate {rate}", f"{kind}, {share:.1%} of the weights moved",
     kind == torch.bfloat16 and share < 0.2)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
