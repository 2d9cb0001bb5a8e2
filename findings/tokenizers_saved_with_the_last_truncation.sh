#!/usr/bin/env bash
# transformers and tokenizers: a tokenizer is saved after it was called with truncation.
#
# Guess: truncation and padding are arguments of that call and gone afterwards.
# Seen: the call sets them in the tokenizer inside, and save_pretrained writes them into
# tokenizer.json. AutoTokenizer switches them off again at its first call, so nobody notices; but
# whatever reads the file with `tokenizers` (the way of engines outside Python) cuts every text at
# that length and pads. One plain call before saving clears it.
set -euo pipefail
pins=(transformers==5.23.0 tokenizers==0.23.3)
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

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

logging.set_verbosity_error()
signs = ["<pad>", *string.digits, *" +="]
inner = Tokenizer(models.WordLevel({sign: i for i, sign in enumerate(signs)}, unk_token=" "))
inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
inner.decoder = decoders.Fuse()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>")
TEXT = "11+22=33"


def read_back(folder):
    tokenizer.save_pretrained(folder)
    plain = Tokenizer.from_file(f"{folder}/tokenizer.json")
    again = AutoTokenizer.from_pretrained(folder)
    return len(plain.encode(TEXT).ids), len(plain.encode("1").ids), len(again(TEXT).input_ids)


seen = read_back("before")
look(f"saved before: tokens of {TEXT!r} and of '1' by tokenizers, of the first by AutoTokenizer",
     seen, seen == (8, 1, 8))
tokenizer([TEXT, "1"], truncation=True, max_length=4, padding="max_length")
seen = read_back("after")
look("saved after a call with truncation=True, max_length=4, padding", seen, seen == (4, 4, 8))
tokenizer(TEXT)
seen = read_back("plain")
look("saved after one more, plain call", seen, seen == (8, 1, 8))

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
