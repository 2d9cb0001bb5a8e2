"""Our PPO against the last one that TRL had, in one run: memory and speed (`make bench`).

    python -m tests.benchmarks.ppo [--steps 3] [--threads 1 2] [--batch 128]

TRL 1.9.0's experimental PPOTrainer lies in `.venv-trl` (`make bench` puts it there) and runs on the
course's own packages. It is measured twice: with four full models, as in its examples, and with a
LoRA policy whose reference is the model without the adapter (`peft_config`). Each side is a process
of its own; they take turns step by step, and ratios of speed are taken within a turn.

The same for all: tiny base in float32, the same prompts in every step, one reward model with random
weights (ours as an adapter, TRL's merged), the course's PPO settings: completions a step, passes,
minibatches with an optimiser step each, length, temperature, an answer ends at its end token. The
learning rate is next to 0, so that all write alike texts; a step costs the same at any other.

What differs: our policy and value are LoRA adapters of the settings' rank, TRL's are full models
(with `peft_config` the policy is LoRA, the value is not). Ours clips gradients and splits a
minibatch by length into micro-batches of the settings' size, without padding at their ends; TRL's
goes through whole, as wide as its longest prompt and longest answer. Ours asks the policy again
after sampling, TRL keeps what sampling said. Of our two end tokens TRL knows the first only.

Weights: bytes of distinct parameters and buffers; "sampling": with all copies of weights that are
alive then. Speed: completions sampled and learned from a second of clock, and a second of the
process's CPU, which other programs on the machine disturb less. Peak: of the whole process, which
at this size is libraries and activations.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from helpers.artifacts import hardware
from helpers.config import ROOT, artifacts_root
from helpers.course.processes import KEEP_MEMORY, cores
from helpers.files import write_json

VERSION = "1.9.0"  # of TRL; also in requirements.txt beside this file
TRL = ROOT / ".venv-trl"
NAMES = {"ours": "ours, one base and adapters", "trl": f"TRL {VERSION}, four full models",
         "trl_lora": f"TRL {VERSION}, LoRA policy"}
SAME = ("batch", "minibatch", "epochs", "completion", "steps", "seed", "completions", "prompts",
        "dtypes", "threads")


class Side:
    """A worker's process, on the packages of its side (`first` stand before the course's own); it
    makes a step when it is told to."""

    def __init__(self, side: str, threads: int, work: dict, name: str, worker: str,
                 first: Sequence[Path] = ()):
        paths = [*map(str, first), str(ROOT)]
        env = {**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": str(threads),
               "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
               "PYTHONPATH": os.pathsep.join(paths)}
        self.name, self.errors = name, tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{worker}",
             json.dumps({"side": side, **work})],
            cwd=ROOT, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors)
        self.line()

    def line(self) -> str:
        """The next line of the worker; SystemExit with its errors if there is none."""
        if text := self.process.stdout.readline():
            return text
        self.process.wait()
        self.errors.seek(0)
        raise SystemExit(f"{self.name} failed:\n{self.errors.read()[-3000:]}")

    def step(self) -> str:
        """Let it make a step; "ready" or, when asked after the last one, what it has found."""
        print(file=self.process.stdin, flush=True)
        return self.line()


def measure(sides: Sequence[str], threads: int, work: dict) -> dict[str, dict]:
    """{side: what its worker found}; the sides take turns, step by step."""
    found = in_turn({side: Side(side, threads, work, NAMES[side], "ppo_worker",
                                [TRL] * (side != "ours")) for side in sides}, work["steps"])
    for side in sides[1:]:
        if found[side]["versions"]["trl"] != VERSION:
            raise SystemExit(f"TRL {found[side]['versions']['trl']} was measured instead of "
                             f"{VERSION}: run `make bench`, which installs it into {TRL.name}")
    check(list(found.values()))
    return found


def in_turn(workers: dict[str, Side], steps: int) -> dict[str, dict]:
    """{side: what its worker found} after a step of warm-up and `steps` that count."""
    try:
        for step in range(steps + 1):
            for worker in workers.values():
                worker.step()
            print(f"step {step}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
        return {side: json.loads(worker.step()) for side, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.process.kill()
            worker.process.wait()


def check(runs: list[dict]) -> None:
    """All did the same work; SystemExit says what differs."""
    for key in SAME:
        if len({json.dumps(one[key]) for one in runs}) > 1:
            raise SystemExit(f"not the same work: {key} is " + ", ".join(
                f"{one[key]} ({one['side']})" for one in runs))


def compare(found: dict[str, dict]) -> dict[str, dict]:
    """{side: its figures, and ours divided by them}. Speeds: the median step's; their ratio: the
    median over the steps of that turn's ratio."""
    table, mine = {}, found["ours"]
    for side, one in found.items():
        speeds = {f"samples_per_{unit}": [one["batch"] / s for s in one[clock]]
                  for unit, clock in [("second", "seconds"), ("cpu_second", "cpu_seconds")]}
        row = {key: one[f"{key}_bytes"] for key in
               ("weight", "sampling", "optimizer", "peak", "grown")}
        row |= {key: statistics.median(each) for key, each in speeds.items()}
        row["tokens_per_sample"] = one["tokens"] / one["completions"]
        row["ours_to_this"] = {
            "weight": mine["weight_bytes"] / one["weight_bytes"],
            "sampling": mine["sampling_bytes"] / one["sampling_bytes"],
            "with_optimizer": (mine["weight_bytes"] + mine["optimizer_bytes"])
            / (one["weight_bytes"] + one["optimizer_bytes"]),
            "peak": mine["peak_bytes"] / one["peak_bytes"]} | {
            key: statistics.median(theirs / ours for ours, theirs in
                                   zip(mine[clock], one[clock], strict=True))
            for key, clock in [("samples_per_second", "seconds"),
                               ("samples_per_cpu_second", "cpu_seconds")]}
        table[side] = row
    return table


def shares(one: dict) -> dict[str, float]:
    """Share of the steps' time by kind of work, largest first."""
    total = sum(one["seconds"])
    return {kind: seconds / total
            for kind, seconds in sorted(one["kinds"].items(), key=lambda item: -item[1])}


def bound(profile: dict[str, float]) -> str:
    """What our steps wait for, in one sentence."""
    learning = sum(v for k, v in profile.items() if k.endswith(("forward", "backward")))
    parts = {"learning (forward and backward of policy and value)": learning,
             "the looks of the roles": profile.get("looks", 0.0),
             "sampling": profile.get("sampling", 0.0)}
    largest = max(parts, key=parts.get)
    return (f"Ours is bound by {largest}: {parts[largest]:.0%} of a step; without it "
            f"{1 / (1 - parts[largest]):.1f} times as many completions a second.")


def report(threads: int, table: dict[str, dict], profiles: dict[str, dict]) -> str:
    """The tables as text."""
    lines = [f"{f'{threads} thread' + 's' * (threads > 1):29}{'weights':>9}{'sampling':>9}"
             f"{'Adam':>7}{'peak':>7}{'sample/s':>10}{'per CPU s':>10}{'tokens':>8}"]
    for side, row in table.items():
        sizes = [row[key] / 1e6 for key in ("weight", "sampling", "optimizer", "peak")]
        lines.append(f"{NAMES[side]:29}{sizes[0]:9.1f}{sizes[1]:9.1f}{sizes[2]:7.1f}{sizes[3]:7.0f}"
                     f"{row['samples_per_second']:10.2f}{row['samples_per_cpu_second']:10.2f}"
                     f"{row['tokens_per_sample']:8.1f}")
    for side, row in table.items():
        if side != "ours":
            to = row["ours_to_this"]
            lines.append(
                f"ours / {NAMES[side]}: weights {to['weight']:.2f} (while sampling "
                f"{to['sampling']:.2f}, with Adam {to['with_optimizer']:.2f}), samples a second "
                f"{to['samples_per_second']:.2f}, a second of CPU "
                f"{to['samples_per_cpu_second']:.2f}")
    for side, profile in profiles.items():
        parts = ", ".join(f"{kind} {share:.0%}" for kind, share in profile.items())
        lines.append(f"time of {NAMES[side]}: {parts}")
    return "\n".join([*lines, bound(profiles["ours"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3, help="measured, after one of warm-up")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores()}),
                        help="1, and every core, as the course gives them to a notebook")
    parser.add_argument("--batch", type=int, help="completions a step; the course's if not given")
    parser.add_argument("--sides", nargs="+", choices=[*NAMES][1:], default=[*NAMES][1:])
    parser.add_argument("--json", type=Path, default=artifacts_root() / "benchmarks" / "ppo.json")
    args = parser.parse_args()
    if not TRL.is_dir():
        raise SystemExit(f"{TRL.name} is missing; `make bench` makes it")
    work = {"steps": args.steps} | ({"batch": args.batch} if args.batch else {})
    whole = {"hardware": hardware(), "threads": {}}
    for threads in args.threads:
        found = measure(["ours", *args.sides], threads, work)
        table, profiles = compare(found), {side: shares(one) for side, one in found.items()}
        print(report(threads, table, profiles), end="\n\n", flush=True)
        whole["threads"][threads] = {"load": os.getloadavg(), "table": table, "profiles": profiles,
                                     "found": found}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(args.json, whole)
    print(f"sizes in MB; all figures: {args.json}")


if __name__ == "__main__":
    main()
