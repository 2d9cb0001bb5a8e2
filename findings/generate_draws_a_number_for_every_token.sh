#!/usr/bin/env bash
# transformers: generate(do_sample=True) on a CPU, one sample a row.
#
# Guess: to draw one token of V takes one random number (the inverse of the distribution function).
# Seen: torch.multinomial, which generate calls, draws one exponential number for each of the V
# tokens of each row (the smallest quotient wins). On a CPU that is many times the cost of one
# number and a cumulated sum, a quarter of all sampling with a small model; and the same seed gives
# other texts where the vocabulary was only padded, because later rows get other numbers.
set -euo pipefail
pins=(torch==2.13.0 transformers==5.23.0)
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


import time

import torch
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

torch.set_num_threads(1)


def state_after(draw):
    torch.manual_seed(0)
    draw()
    return torch.get_rng_state()


torch.manual_seed(1)
model = Qwen2ForCausalLM(Qwen2Config(
    vocab_size=1000, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=1)).eval()
config = GenerationConfig(do_sample=True, top_k=0, max_new_tokens=1, pad_token_id=0,
                          eos_token_id=None)
ids = torch.ones(3, 4, dtype=torch.long)
seen = state_after(lambda: model.generate(ids, attention_mask=torch.ones_like(ids),
                                          generation_config=config))
every = torch.equal(seen, state_after(lambda: torch.empty(3, 1000).exponential_()))
single = torch.equal(seen, state_after(lambda: torch.rand(3, 1)))
look("one token for 3 rows of 1,000 tokens takes 3,000 numbers, 3 numbers", (every, single),
     every and not single)
chances = torch.randn(256, 2048).softmax(-1)


def inverse():
    sums = chances.cumsum(-1)
    return torch.searchsorted(sums, torch.rand(256, 1) * sums[:, -1:], right=True)


def seconds(draw):
    draw()
    begun = time.perf_counter()
    for _ in range(20):
        draw()
    return time.perf_counter() - begun


ratio = seconds(lambda: torch.multinomial(chances, 1)) / seconds(inverse)
look("256 rows of 2,048: multinomial takes more than 3 times as long", ratio > 3, ratio > 3)
print(f"(here {ratio:.0f} times)")
torch.manual_seed(0)
short = torch.multinomial(chances[:, :1000], 1)
torch.manual_seed(0)
padded = torch.multinomial(torch.nn.functional.pad(chances[:, :1000], (0, 24)), 1)
same = (short == padded).float().mean().item()
look("rows of 256 that draw the same where 24 impossible tokens are added",
     f"{same:.1%}", same < 0.1)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
