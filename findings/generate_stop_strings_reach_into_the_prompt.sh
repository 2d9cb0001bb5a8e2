#!/usr/bin/env bash
# transformers: stop_strings where the prompt ends with a part of the stop string.
#
# Guess: a stop string ends an answer where the answer contains it.
# Seen: prompt and answer are searched as one text. With the stop string "\n\n" (a blank line), a
# prompt that ends in a line break and an answer that begins with one, the answer is over after that
# one sign and holds no stop string. In one batch some prompts are hit and others not. A prompt
# that ends in the whole stop string does not stop by itself.
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


from transformers import LogitsProcessor

tokenizer = tiny_tokenizer()
model = tiny_model().eval()


class Say(LogitsProcessor):
    """Makes every row say this text, whatever the model thinks."""

    def __init__(self, text):
        self.signs = list(text)

    def __call__(self, tokens, scores):
        forced = torch.full_like(scores, -1e9)
        forced[:, SIGNS.index(self.signs.pop(0))] = 0
        return forced


def answers(text):
    prompts = tokenizer(["1+1=?\n", "1+1=?", "two\n\n"], return_tensors="pt", padding=True)
    tokens = model.generate(
        **prompts, max_new_tokens=len(text), do_sample=False, stop_strings=["\n\n"],
        tokenizer=tokenizer, logits_processor=[Say(text)],
    )
    length = prompts.input_ids.shape[1]
    return [tokenizer.decode(row[length:], skip_special_tokens=True) for row in tokens]


seen = answers("2 ok\n\n3")
look("prompts end in one, no and two line breaks; each says '2 ok\\n\\n3'", seen,
     seen == ["2 ok\n\n"] * 3)
seen = answers("\n2 ok\n\n3")
look("each says '\\n2 ok\\n\\n3'", seen, seen == ["\n", "\n2 ok\n\n", "\n"])

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
