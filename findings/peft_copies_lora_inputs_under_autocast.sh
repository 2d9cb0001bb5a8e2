#!/usr/bin/env bash
# peft + torch: LoRA in float32 on a bfloat16 base, under autocast.
#
# Guess: under autocast the type of a layer's weights is of no concern; LoRA's float32 matrices are
# brought down to bfloat16 for the product, and the inputs, bfloat16 already, are taken as they are.
# Seen: the LoRA layer first lifts its input to the type of its weights, and autocast then brings the
# copy down again. The same numbers, bit for bit, outputs and gradients; but every adapter now keeps
# a copy of its own for the backward pass, where several would share one input: three for query, key
# and value, two for gate and up, one of the attention's result, an eighth of all that a layer of
# Qwen2.5's proportions keeps. peft.helpers.disable_input_dtype_casting, made for other ends, leaves
# the copies out.
set -euo pipefail
pins=(torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 peft==0.21.2)
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
from contextlib import nullcontext
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


import torch
from peft import LoraConfig, get_peft_model
from peft.helpers import disable_input_dtype_casting
from transformers import Qwen2Config, Qwen2Model

torch.set_num_threads(1)
TOKENS, LAYERS = 64, 2


def adapted(layers):
    """Qwen2.5-1.5B's proportions at a twelfth of its width, in bfloat16; LoRA in float32."""
    torch.manual_seed(0)
    base = Qwen2Model(Qwen2Config(
        vocab_size=50, hidden_size=128, intermediate_size=746, num_hidden_layers=layers,
        num_attention_heads=12, num_key_value_heads=2, head_dim=12)).to(torch.bfloat16)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = torch.randn(weight.shape, dtype=torch.float32) / 8
    return model


def learn(layers, copies):
    """Outputs, gradients, and bytes a token that one pass keeps for the backward pass."""
    model, kept, alive = adapted(layers), {}, []
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            alive.append(tensor)
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.arange(TOKENS)[None] % 50
    with nullcontext() if copies else disable_input_dtype_casting(model):
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            with torch.autocast("cpu", torch.bfloat16):
                states = model(input_ids=ids, use_cache=False)[0]
        states.float().square().sum().backward()
    grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return states.detach(), grads, sum(kept.values()) / TOKENS


types = {weight.dtype for name, weight in adapted(1).named_parameters() if "lora_" in name}
look("LoRA's type after get_peft_model and a fill", types, types == {torch.float32})
with_copies, without = (learn(LAYERS, copies) for copies in (True, False))
same = torch.equal(with_copies[0], without[0]) and all(
    torch.equal(*pair) for pair in zip(with_copies[1], without[1], strict=True))
look("outputs and gradients equal, bit for bit", same, same and len(without[1]) == 28)
layer = [learn(3, copies)[2] - learn(1, copies)[2] for copies in (True, False)]
layer = [round(two / 2) for two in layer]
look("bytes a token and layer, with the copies and without", layer, layer[0] > layer[1])
copied = 2 * (2 * 128 + 128 + 12 * 12)  # two of attention's input, one each of two others, 2 bytes
look("copies by count, and as seen", (copied, layer[0] - layer[1]), copied == layer[0] - layer[1])
share = layer[0] / layer[1]
look("times as much", f"{share:.3f}", 1.08 < share < 1.2)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
