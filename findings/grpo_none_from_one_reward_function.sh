#!/usr/bin/env bash
# TRL, GRPO: a reward function says None for one answer ("does not apply"), another one does not.
#
# Guess: None leaves that function out for that answer, so an answer is not punished for it; where
# the only function says None, the advantage is indeed 0.
# Seen: with two functions the None counts as 0 in the sum. Of four answers that are equally good
# by every verdict there is, the one without a verdict gets advantage -1.5, the others +.5.
# multi_objective_aggregation="normalize_then_sum" does leave it out.
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


def correct(completions, **columns):
    return [1.0] * len(completions)


def tidy(completions, **columns):
    """Has no verdict about the second answer of each group; all others are tidy."""
    return [None if number % 4 == 1 else 1.0 for number in range(len(completions))]


def advantages(reward, **settings):
    trainer, _, logs = grpo(reward, **settings)
    group = [round(value, 2) for value in list(trainer._logs["advantages"])[:4]]
    return group, logs[0]["reward"]


seen, mean = advantages(tidy)
look("only the function that says None: advantages of the group", seen, seen == [0, 0, 0, 0])
seen, mean = advantages([correct, tidy])
look("beside another function", seen, seen == [0.5, -1.5, 0.5, 0.5])
look("logged mean reward, where each verdict given was 1 + 1", mean, mean == 1.75)
seen, mean = advantages([correct, tidy], multi_objective_aggregation="normalize_then_sum")
look("the same, normalize_then_sum", seen, seen == [0, 0, 0, 0])

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
