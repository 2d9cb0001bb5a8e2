#!/usr/bin/env bash
# transformers: activation checkpointing of a model in eval() mode that is trained all the same.
#
# Guess: a loop that wants no dropout puts the model into eval() mode, and after
# activation_checkpointing_enable() memory is saved all the same, as gradients are computed just so.
# Seen: the layers are checkpointed in training mode only. In eval mode the model says
# is_activation_checkpointing True, recomputes nothing and keeps every activation, several times as
# many numbers for the backward pass, without a word. Dropout off and checkpointing on needs train()
# and dropout probabilities of 0.
set -euo pipefail
pins=(torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3)
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


texts = torch.randint(2, len(SIGNS), (3, 12), generator=torch.Generator().manual_seed(1))


def kept_for_backward(training, checkpointing):
    model = tiny_model()
    calls, numbers = [], []
    if checkpointing:
        model.activation_checkpointing_enable()
        for layer in model.model.layers:
            inner = layer._gradient_checkpointing_func

            def counted(*values, inner=inner, **named):
                calls.append(1)
                return inner(*values, **named)

            layer._gradient_checkpointing_func = counted

    def keep(tensor):
        numbers.append(tensor.numel())
        return tensor

    model.train(training)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(texts, labels=texts).loss
    loss.backward()
    return model.is_activation_checkpointing, len(calls), sum(numbers)


off = kept_for_backward(training=True, checkpointing=False)
look("train, off: says it is on, layers checkpointed, numbers kept", off, off[:2] == (False, 0))
train = kept_for_backward(training=True, checkpointing=True)
look("train, on", train, train[:2] == (True, 2) and train[2] < off[2] / 2)
evaluate = kept_for_backward(training=False, checkpointing=True)
look("eval, on", evaluate, evaluate[:2] == (True, 0) and evaluate[2] == off[2])

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
