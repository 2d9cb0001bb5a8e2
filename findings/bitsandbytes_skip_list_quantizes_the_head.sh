#!/usr/bin/env bash
# transformers and bitsandbytes: llm_int8_skip_modules when loading in 4 bit.
#
# Guess: the list names further layers that stay as they are; the head stays unquantised anyway.
# Seen: the list takes the place of the built-in one. By default lm_head stays a plain Linear;
# with ["down_proj"] the down projections stay plain and lm_head becomes a frozen 4-bit layer, with
# no warning. A reward model's new score head gets the class of a 4-bit layer around weights that
# were never quantised: loading succeeds, the first forward pass is an AssertionError without text.
set -euo pipefail
pins=(
    torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 accelerate==1.15.0
    bitsandbytes==0.50.2
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


from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
)

tiny_model().save_pretrained("folder")


def kinds(loader, head, skip):
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", llm_int8_skip_modules=skip
    )
    more = {"num_labels": 1} if head == "score" else {}
    model = loader.from_pretrained("folder", quantization_config=quantization, **more)
    layer = model.get_submodule(head)
    down = model.model.layers[0].mlp.down_proj
    return type(layer).__name__, type(down).__name__, layer.weight.requires_grad, model


LM, REWARD = AutoModelForCausalLM, AutoModelForSequenceClassification
seen = kinds(LM, "lm_head", None)[:3]
look("no list: lm_head, down_proj, can the head be trained", seen,
     seen == ("Linear", "Linear4bit", True))
seen = kinds(LM, "lm_head", ["down_proj"])[:3]
look('["down_proj"]: the same three', seen, seen == ("Linear4bit", "Linear", False))
seen = kinds(LM, "lm_head", ["down_proj", "lm_head"])[:3]
look('["down_proj", "lm_head"]', seen, seen == ("Linear", "Linear", True))
for skip, kind, ends in [
    (None, "Linear", "scores"),
    (["down_proj"], "Linear4bit", "AssertionError ''"),
    (["down_proj", "score"], "Linear", "scores"),
]:
    head, _, _, model = kinds(REWARD, "score", skip)
    try:
        model(torch.arange(2, 10)[None])
        end = "scores"
    except AssertionError as error:
        end = f"AssertionError {str(error)!r}"
    look(f"reward model, {skip or 'no list'}: score, forward pass", (head, end),
         (head, end) == (kind, ends))

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
