#!/usr/bin/env bash
# accelerate: Accelerator(mixed_precision="fp16", cpu=True), say to try float16 out in a test.
#
# Guess: the forward pass runs under float16 autocast with a gradient scaler, as on a GPU.
# Seen: neither. The accelerator says mixed_precision "fp16", holds no scaler, and losses and
# gradients are bit for bit those of float32, so such a test cannot see a float16 fault. bfloat16
# on the CPU does cast. Torch itself can do float16 there: autocast and GradScaler("cpu") work.
set -euo pipefail
pins=(torch==2.13.0 accelerate==1.15.0)
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


import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

torch.set_num_threads(1)
DATA = torch.randn(64, 32, generator=torch.Generator().manual_seed(1))


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 32)
    )


def gradient(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def accelerated(precision):
    accelerator = Accelerator(mixed_precision=precision, cpu=True)
    model = accelerator.prepare(network())
    accelerator.backward((model(DATA) - DATA).pow(2).mean())
    told = accelerator.mixed_precision, accelerator.scaler
    AcceleratorState._reset_state(reset_partial_state=True)
    return told, gradient(model)


plain = network()
(plain(DATA) - DATA).pow(2).mean().backward()
told, half = accelerated("fp16")
look("fp16: mixed_precision and scaler", told, told == ("fp16", None))
same = torch.equal(half, gradient(plain))
look("fp16: gradients bit for bit those of float32", same, same)
told, brain = accelerated("bf16")
same = torch.equal(brain, gradient(plain))
look("bf16: gradients bit for bit those of float32", same, not same)
model = network()
scaler = torch.amp.GradScaler("cpu")
with torch.autocast("cpu", dtype=torch.float16):
    output = model(DATA)
    loss = (output.float() - DATA).pow(2).mean()
scaler.scale(loss).backward()
scaler.unscale_(torch.optim.SGD(model.parameters(), lr=1.0))
away = ((gradient(model) - gradient(plain)).norm() / gradient(plain).norm()).item()
look("torch alone: output type, scaler on, gradients off float32's by",
     f"{output.dtype} {scaler.is_enabled()} {away:.1e}",
     output.dtype == torch.float16 and scaler.is_enabled() and 0 < away < 0.05)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
