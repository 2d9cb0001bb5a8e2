"""Steps of our GRPO against TRL's GRPOTrainer, in one run: speed, memory and reward (`make bench`).

    python -m tests.benchmarks.grpo [--steps 8] [--threads 1 2] [--policy FOLDER]

Three sides, each a process of its own, which take turns step by step: `helpers/train/group.py`;
TRL's trainer as the course runs it with `grpo.engine: trl` (its sampling goes through ours); and
TRL's trainer with its own sampling. The same for all: preset tiny, the same prompts in the same
order, rewards, settings and policy, which learns as in notebook 07. Ratios of speed are taken
within a turn, of the clock and of the process's CPU, which other programs disturb less.

The policy is a merged model; without --policy one is tuned first, as notebook 03 does it.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from helpers import models
from helpers.artifacts import hardware
from helpers.config import Course, artifacts_root
from helpers.course.processes import cores
from helpers.files import write_json
from helpers.track import Track
from tests.benchmarks.bases import tuned
from tests.benchmarks.ppo import Side, in_turn

SIDES = {"ours": ({"side": "ours"}, "ours"),
         "trl": ({"side": "trl"}, "TRL, sampling by the course"),
         "trl_plain": ({"side": "trl", "plain": True}, "TRL as it comes")}


def measure(threads: int, steps: int, policy: Path) -> dict[str, dict]:
    """{side: what its worker found}; SystemExit where the work was not the same."""
    found = in_turn({name: Side(work["side"], threads, {"policy": str(policy), "steps": steps,
                                                        **work}, told, "grpo_worker")
                     for name, (work, told) in SIDES.items()}, steps)
    for key in ("batch", "steps", "seed", "threads"):
        if len({one[key] for one in found.values()}) > 1:
            raise SystemExit(f"not the same work: {key} differs")
    return found


def compare(found: dict[str, dict]) -> dict[str, dict]:
    """{side: seconds a step, the reward, peak memory, and how many times as fast as it ours is:
    the median over the turns}."""
    mine = found["ours"]
    return {name: {
        "seconds": statistics.median(one["seconds"]),
        "cpu_seconds": statistics.median(one["cpu_seconds"]),
        "peak_bytes": one["peak_bytes"],
        "reward": statistics.mean(one["reward"]), "tokens": statistics.mean(one["tokens"]),
        "ours_is_faster": statistics.median(
            b / a for a, b in zip(mine["seconds"], one["seconds"], strict=True)),
        "ours_is_faster_cpu": statistics.median(
            b / a for a, b in zip(mine["cpu_seconds"], one["cpu_seconds"], strict=True)),
        "shares": {kind: seconds / sum(one["kinds"].values())
                   for kind, seconds in one["kinds"].items()}} for name, one in found.items()}


def report(threads: int, table: dict[str, dict]) -> str:
    lines = [f"{f'threads: {threads}':28}{'s a step':>9}{'of CPU':>8}{'peak MB':>9}{'reward':>8}"
             f"{'tokens':>8}{'ours is':>9}{'by CPU':>8}"]
    for name, row in table.items():
        lines.append(f"{SIDES[name][1]:28}{row['seconds']:9.2f}{row['cpu_seconds']:8.2f}"
                     f"{row['peak_bytes'] / 1e6:9.0f}{row['reward']:8.2f}{row['tokens']:8.1f}"
                     f"{row['ours_is_faster']:8.2f}x{row['ours_is_faster_cpu']:7.2f}x")
    for name, row in table.items():
        lines.append(f"time of {SIDES[name][1]}: " + ", ".join(
            f"{kind} {share:.0%}" for kind, share in row["shares"].items()))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8, help="measured, after one of warm-up")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores()}))
    parser.add_argument("--policy", type=Path, help="a merged model, such as stage sft's")
    parser.add_argument("--json", type=Path, default=artifacts_root() / "benchmarks" / "grpo.json")
    args = parser.parse_args()
    whole = {"hardware": hardware(), "threads": {}}
    with tempfile.TemporaryDirectory() as folder:
        policy = args.policy
        if policy is None:
            print("tuning a policy, as notebook 03 does it", file=sys.stderr, flush=True)
            course = Course.load("tiny", "gsm8k", 0)
            policy = tuned(course, Track(course), models.load_tokenizer(course), Path(folder))
        for threads in args.threads:
            found = measure(threads, args.steps, policy)
            table = compare(found)
            print(report(threads, table), end="\n\n", flush=True)
            whole["threads"][threads] = {"table": table, "found": found}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(args.json, whole)
    print(json.dumps({"figures": str(args.json)}))


if __name__ == "__main__":
    main()
