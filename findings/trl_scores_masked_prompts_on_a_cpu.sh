#!/usr/bin/env bash
# trl: the loss of SFTTrainer, DPOTrainer and GRPOTrainer on a CPU (small models, tests, teaching).
#
# Guess: tokens whose label is masked, the prompts above all, cost no logits: the loss is computed
# in chunks of the positions that count, and GRPO says that only the completion is scored.
# Seen: that holds where there is Triton. Elsewhere every position goes through the output layer
# and the softmax, forwards and backwards, and is masked afterwards. With short answers to long
# prompts most of that work is for nothing; the values are right.
set -euo pipefail
pins=(torch==2.13.0 transformers==5.23.0 trl==1.16.0)
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


import logging
import os

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
logging.disable(logging.WARNING)
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl.kernels import chunked_logprob
from trl.trainer import utils

torch.set_num_threads(1)
torch.manual_seed(0)
model = Qwen2ForCausalLM(Qwen2Config(
    vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=1))
utils.add_fused_lm_head(model)
rows, real = [], utils._ChunkedLogProbFunction.apply


def apply(hidden, *more):
    rows.append(len(hidden))
    return real(hidden, *more)


utils._ChunkedLogProbFunction.apply = apply
ids = torch.randint(0, 512, (4, 101))
labels = ids.clone()
labels[:, :-10] = -100  # prompts of 91 tokens, answers of 10
one = model(input_ids=ids, labels=labels, fused_lm_head=True)
look("positions of 4 rows that count, and that are scored", (40, rows[-1]), rows[-1] == 400)
utils._use_triton = lambda device: True  # as on a GPU: leave the masked ones out first
two = model(input_ids=ids, labels=labels, fused_lm_head=True)
look("scored where Triton is said to be there", rows[-1], rows[-1] == 40)
apart = (one.loss - two.loss).abs().item()
look("losses differ by less than 1e-5", apart < 1e-5, apart < 1e-5)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
