#!/usr/bin/env bash
# transformers: generate() with a model in training mode that has activation checkpointing enabled.
#
# Guess: with dropout 0 the mode does not matter; checkpointing costs time and changes no output.
# Seen: the layers throw the cache away, but generate() still feeds one token at a time: from the
# second new token on the model sees neither prompt nor answer, only the last token. The greedy
# answer is another one (here it turns in a circle), no error. use_cache=False or eval() is right.
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


prompt = torch.randint(2, len(SIGNS), (1, 12), generator=torch.Generator().manual_seed(0))
prompt = torch.cat([prompt, prompt.flip(1)], 1)


def answer(model, **settings):
    text = model.generate(
        prompt, max_new_tokens=10, min_new_tokens=10, do_sample=False, **settings
    )
    return text[0, prompt.shape[1]:].tolist()


model = tiny_model()
right = answer(model.eval())
look("eval", right, True)
seen = answer(model.train())
look("train", seen, seen == right)
model.activation_checkpointing_enable()
seen = answer(model.train())
look("train, checkpointing", seen, seen[0] == right[0] and seen != right)
alone = [right[0]]
while len(alone) < 10:
    with torch.no_grad():
        logits = model.eval()(torch.tensor([alone[-1:]])).logits[0, -1]
    logits[SIGNS.index("<eos>")] = -torch.inf
    alone.append(int(logits.argmax()))
look("what the last token alone leads to", alone, seen == alone)
seen = answer(model.train(), use_cache=False)
look("train, checkpointing, use_cache=False", seen, seen == right)
seen = answer(model.eval())
look("eval, checkpointing", seen, seen == right)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
