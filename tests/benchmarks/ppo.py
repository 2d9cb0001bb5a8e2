"""Our PPO against the last one that TRL had, in one run: memory and speed (`make bench`).

    python -m tests.benchmarks.ppo [--steps 3] [--rounds 2] [--threads 1 2] [--batch 128]

TRL 1.9.0's experimental PPOTrainer lies in `.venv-trl` (`make bench` puts it there) and runs on the
course's own packages. It is measured twice: with four full models, as in its examples, and with a
LoRA policy whose reference is the model without the adapter (`peft_config`). Each measurement is a
process of its own; the sides take turns, and ratios are taken within a turn.

The same for all: tiny base in float32, the same prompts in every step, one reward model with random
weights (ours as an adapter, TRL's merged), the course's PPO settings: completions a step, passes,
minibatches with an optimiser step each, length, temperature, an answer ends at its end token. The
learning rate is next to 0, so that all write alike texts; a step costs the same at any other.

What differs: our policy and value are LoRA adapters of the settings' rank, TRL's are full models
(with `peft_config` the policy is LoRA, the value is not). Ours clips gradients and splits a
minibatch by length into micro-batches of the settings' size, without padding at their ends; TRL's
goes through whole, as wide as its longest prompt and longest answer. Ours asks the policy again
after sampling, TRL keeps what sampling said. Of our two end tokens TRL knows the first only.

Weights: bytes of distinct parameters and buffers; while sampling: with all copies that are alive
then. Speed: completions sampled and learned from a second of clock, and a second of this process's
CPU, which other programs on the machine disturb less.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from helpers.artifacts import hardware
from helpers.config import ROOT, artifacts_root
from helpers.files import write_json
from helpers.processes import KEEP_MEMORY, cores

VERSION = "1.9.0"  # of TRL; also in requirements.txt beside this file
TRL = ROOT / ".venv-trl"
NAMES = {"ours": "ours, one base and adapters", "trl": f"TRL {VERSION}, four full models",
         "trl_lora": f"TRL {VERSION}, LoRA policy"}
SAME = ("batch", "minibatch", "epochs", "completion", "steps", "seed", "completions", "prompts",
        "dtypes", "threads")


def run(side: str, threads: int, **work) -> dict:
    """One measurement in a process of its own, on the packages of its side."""
    paths = [str(TRL)] * (side != "ours") + [str(ROOT)]
    env = {**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": str(threads),
           "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1",
           "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.ppo_worker", json.dumps({"side": side, **work})],
        cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{NAMES[side]} failed:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if side != "ours" and found["versions"]["trl"] != VERSION:
        raise SystemExit(f"TRL {found['versions']['trl']} was measured instead of {VERSION}: run "
                         f"`make bench`, which installs it into {TRL.name}")
    return found | {"load": [round(load, 2) for load in os.getloadavg()]}


def check(runs: list[dict]) -> None:
    """All did the same work; SystemExit says what differs."""
    for key in SAME:
        if len({json.dumps(one[key]) for one in runs}) > 1:
            raise SystemExit(f"not the same work: {key} is " + ", ".join(
                f"{one[key]} ({one['side']})" for one in runs))


def speed(one: dict, clock: str = "seconds") -> float:
    """Completions a second of the measured steps."""
    return one["batch"] * one["steps"] / one[clock]


def ratio(ours: list[dict], theirs: list[dict], value) -> float:
    """Ours / theirs: the median of the turns' ratios."""
    return statistics.median(value(a) / value(b) for a, b in zip(ours, theirs, strict=True))


def compare(runs: dict[str, list[dict]]) -> dict[str, dict]:
    """{side: its figures and ours / its} for the runs of one number of threads."""
    table = {}
    for side, turns in runs.items():
        check([turns[0], runs["ours"][0]])
        weights = {key: turns[0][f"{key}_bytes"] for key in ("weight", "sampling", "optimizer")}
        figures = {key: statistics.median(value(one) for one in turns) for key, value in {
            "samples_per_second": speed,
            "samples_per_cpu_second": lambda one: speed(one, "cpu_seconds"),
            "tokens_per_completion": lambda one: one["tokens"] / one["completions"],
            "peak_bytes": lambda one: one["peak_bytes"],
            "grown_bytes": lambda one: one["grown_bytes"]}.items()}
        table[side] = {**weights, **figures, "ours_to_this": {
            key: ratio(runs["ours"], turns, value) for key, value in {
                "weights": lambda one: one["weight_bytes"],
                "weights_while_sampling": lambda one: one["sampling_bytes"],
                "weights_and_optimizer": lambda one: one["weight_bytes"] + one["optimizer_bytes"],
                "peak": lambda one: one["peak_bytes"],
                "samples_per_second": speed,
                "samples_per_cpu_second": lambda one: speed(one, "cpu_seconds")}.items()}}
    return table


def shares(turns: list[dict]) -> dict[str, float]:
    """Share of a step's time by kind of work, largest first."""
    total = sum(one["seconds"] for one in turns)
    kinds = {kind: sum(one["kinds"].get(kind, 0.0) for one in turns) / total
             for kind in turns[0]["kinds"]}
    return dict(sorted(kinds.items(), key=lambda item: -item[1]))


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
        sizes = [row[key] / 1e6 for key in ("weight", "sampling", "optimizer", "peak_bytes")]
        lines.append(f"{NAMES[side]:29}{sizes[0]:9.1f}{sizes[1]:9.1f}{sizes[2]:7.1f}{sizes[3]:7.0f}"
                     f"{row['samples_per_second']:10.2f}{row['samples_per_cpu_second']:10.2f}"
                     f"{row['tokens_per_completion']:8.1f}")
    for side, row in table.items():
        if side != "ours":
            to = row["ours_to_this"]
            lines.append(
                f"ours / {NAMES[side]}: weights {to['weights']:.2f} (while sampling "
                f"{to['weights_while_sampling']:.2f}, with Adam {to['weights_and_optimizer']:.2f}),"
                f" completions a second {to['samples_per_second']:.2f}, a second of CPU "
                f"{to['samples_per_cpu_second']:.2f}")
    for side, profile in profiles.items():
        parts = ", ".join(f"{kind} {share:.0%}" for kind, share in profile.items())
        lines.append(f"time of {NAMES[side]}: {parts}")
    return "\n".join([*lines, bound(profiles["ours"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3, help="measured, after one of warm-up")
    parser.add_argument("--rounds", type=int, default=2, help="turns of every side")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores()}),
                        help="1, and every core, as the course gives them to a notebook")
    parser.add_argument("--batch", type=int, help="completions a step; the course's if not given")
    parser.add_argument("--sides", nargs="+", choices=[*NAMES][1:],
                        default=[*NAMES][1:])
    parser.add_argument("--json", type=Path, default=artifacts_root() / "benchmarks" / "ppo.json")
    args = parser.parse_args()
    if not TRL.is_dir():
        raise SystemExit(f"{TRL.name} is missing; `make bench` makes it")
    work = {"steps": args.steps} | ({"batch": args.batch} if args.batch else {})
    whole = {"hardware": hardware(), "threads": {}}
    for threads in args.threads:
        runs: dict[str, list[dict]] = {side: [] for side in ("ours", *args.sides)}
        for turn in range(args.rounds):
            for side, turns in runs.items():
                turns.append(run(side, threads, **work))
                print(f"turn {turn + 1}, {NAMES[side]}: {speed(turns[-1]):.2f} completions/s, load "
                      f"{turns[-1]['load'][0]}", file=sys.stderr, flush=True)
        table = compare(runs)
        profiles = {side: shares(turns) for side, turns in runs.items()}
        print(report(threads, table, profiles), end="\n\n", flush=True)
        whole["threads"][threads] = {"table": table, "profiles": profiles, "runs": runs}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(args.json, whole)
    print(f"bytes in MB; all figures: {args.json}")


if __name__ == "__main__":
    main()
