#!/usr/bin/env bash
# TRL and PEFT: GRPO with beta > 0 and a LoRA that trains biases too (bias="lora_only" or "all").
#
# Guess: the reference of the KL is the model one started from; with LoRA it is "adapter off".
# Seen: PEFT trains the base layer's own bias, and switching the adapter off does not bring the old
# bias back (it warns about that once, when the adapter is made). So the reference walks along with
# the policy, and the KL that is punished and logged is a fraction of the KL to the start.
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


from peft import LoraConfig


def distance(of, to):
    return (of.exp() * (of - to)).sum(-1).mean().item()


def tried(bias):
    lora = LoraConfig(r=1, lora_alpha=1, target_modules=["q_proj", "k_proj", "v_proj"], bias=bias)
    trainer, _, logs = grpo(
        peft_config=lora, beta=0.05, learning_rate=2e-2, max_steps=12, max_grad_norm=1.0
    )
    texts = torch.randint(2, len(SIGNS), (8, 20), generator=torch.Generator().manual_seed(1))
    model = trainer.model.eval()
    with torch.no_grad():
        start = tiny_model().eval()(texts).logits.log_softmax(-1)
        policy = model(texts).logits.log_softmax(-1)
        with model.disable_adapter():
            reference = model(texts).logits.log_softmax(-1)
    return distance(policy, start), distance(policy, reference), distance(reference, start)


to_start, to_reference, moved = tried("none")
look('bias="none": KL to the start, to the trainer\'s reference, and between these two',
     f"{to_start:.4f} {to_reference:.4f} {moved:.4f}", moved < 1e-6)
to_start, to_reference, moved = tried("lora_only")
look('bias="lora_only": the same three',
     f"{to_start:.4f} {to_reference:.4f} {moved:.4f}",
     moved > 0.005 and to_start > 2 * to_reference)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
