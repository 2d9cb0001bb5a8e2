"""The machine a notebook runs on: what it has, how fast it is, and what it lacks.

Memory in GB (1e9 bytes), speed in TFLOP/s (1e12 multiplications or additions a second), bandwidth
in GB/s. The speed here is measured, that of the cards in `USUAL` is from NVIDIA's data sheets.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import psutil
import torch

from helpers.artifacts import hardware, versions
from helpers.config import ROOT, artifacts_root
from helpers.models import device


@dataclass(frozen=True)
class Machine:
    """`tflops`: large matrix products in the precision of training; `cores` 0 = not known."""

    name: str
    memory_gb: float
    tflops: float
    bandwidth: float
    gpu: bool
    cores: int = 0


# 16-bit matrix products without sparsity, and the memory that a program can use.
USUAL = {
    "colab": Machine("NVIDIA T4", 15.8, 65.0, 320.0, gpu=True),
    "a100": Machine("NVIDIA A100, 40 GB", 42.4, 312.0, 1555.0, gpu=True),
}

# TFLOP/s by which passes are chosen, by a word in the card's name: from the data sheets; for the
# last two less than there, as the recorded passes of an H200 say. Not measured each time: the
# choice must not follow the noise of a clock, nor differ between the processes of a run.
SPEEDS = {"T4": 65.0, "V100": 125.0, "L4": 121.0, "A10": 125.0, "A100": 312.0, "H100": 790.0,
          "H200": 790.0}
UNKNOWN = 150.0  # of another card


def card_speed(name: str) -> float:
    """TFLOP/s of a card in 16 bits, from its name."""
    words = re.split(r"[^A-Z0-9]+", name.upper())
    return next((speed for word, speed in SPEEDS.items() if word in words), UNKNOWN)


def this_machine() -> Machine:
    """What runs this notebook, its speed measured in a fraction of a second."""
    here = device()
    gpu = here.type == "cuda"
    # As `models.precision` chooses: 16 bits on a GPU, 32 on a processor.
    kind = torch.float16 if gpu else torch.float32
    size = 4096 if gpu else 384
    square = torch.randn(size, size, device=here, dtype=kind)
    large = torch.zeros(2**28 if gpu else 2**25, dtype=torch.uint8, device=here)
    copy = torch.zeros_like(large)
    seconds = _best_seconds(lambda: square @ square, gpu)
    copying = _best_seconds(lambda: copy.copy_(large), gpu)
    name = torch.cuda.get_device_name() if gpu else "processor (CPU)"
    memory = (torch.cuda.get_device_properties(0).total_memory if gpu
              else psutil.virtual_memory().total)
    return Machine(name, memory / 1e9, 2 * size**3 / seconds / 1e12,
                   2 * large.nbytes / copying / 1e9, gpu, os.cpu_count() or 1)


def _best_seconds(work: Callable[[], object], gpu: bool, repeats: int = 20) -> float:
    """The shortest of some runs: the first still loads libraries, others may be interrupted.

    On a processor one core is measured: small models gain little from more, and several threads
    that wait for each other on a busy machine would measure its other programs.
    """
    threads = torch.get_num_threads()
    times = []
    try:
        torch.set_num_threads(1)
        for _ in range(repeats):
            begun = time.perf_counter()
            work()
            if gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
    finally:
        torch.set_num_threads(threads)
    return min(times)


def report(machine: Machine) -> pd.DataFrame:
    """Hardware and versions in two columns, for people."""
    memory = psutil.virtual_memory()
    found = hardware()
    one_core = "" if machine.gpu else " on one core"
    values = {
        "computes on": machine.name,
        "system": f"{found['system']} on {found['machine']}",
        "processor cores": found["cores"],
        "threads torch uses": torch.get_num_threads(),
        "main memory": f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} GB free",
        "GPU": ", ".join(found["gpus"]) or "none (not needed for preset tiny)",
        "matrix products": f"{1000 * machine.tflops:,.0f} GFLOP/s{one_core}, measured just now",
        "memory bandwidth": f"{machine.bandwidth:,.0f} GB/s, measured just now",
        "free disk": f"{free_disk():.0f} GB",
        **versions(),
    }
    return pd.DataFrame({"what": values.keys(), "value": [str(v) for v in values.values()]})


def recorded_steps() -> pd.DataFrame:
    """What one step (of PPO: a rollout and what is learned from it) took on cards, by `make
    bench-gpu`: a row a method and a commit of the course, of a model of that size whose every
    answer is as long as it may be. Seconds are those of the last step that was timed, memory the
    peak that was allocated."""
    lines = (ROOT / "data" / "recorded" / "gpu" / "steps.jsonl").read_text().splitlines()
    rows = [{"card": row["card"], "Qwen2.5": row["size"], "commit": row["commit"],
             "method": row["method"], "rows": 2 * row["rows"] if row["method"] == "sft"
             else row["prompts"], "held to GB": row["cap_gb"], "at once": row["rows_at_once"],
             "seconds": row["step_seconds"][-1], "peak GB": row["peak_gb"], "on": row["date"]}
            for row in map(json.loads, lines)]
    return pd.DataFrame(rows)


def free_disk() -> float:
    """GB that are free where the runs are kept."""
    place = next(p for p in [artifacts_root(), *artifacts_root().parents] if p.exists())
    return shutil.disk_usage(place).free / 1e9


def other_versions() -> list[str]:
    """Libraries whose installed version is not the one in requirements.txt."""
    pins = dict(re.findall(r"(?m)^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text()))
    installed = {name: version.split("+")[0] for name, version in versions().items()}
    return [f"{name} {installed[name]} (tested: {pin})" for name, pin in pins.items()
            if name in installed and installed[name] != pin]
