"""What the course claims of every run, checked on its scoreboard, and repeated over seeds.

    python -m helpers.course.ladder check [--preset tiny]     every evaluated run against the claims
    python -m helpers.course.ladder run --seeds 0 1 2 date    the course for each seed, then check

`date` stands for a seed drawn from today's date, which nobody can have tuned for.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from helpers.artifacts import ArtifactError
from helpers.config import ConfigError, Course
from helpers.course import course as runner
from helpers.course import scoreboard
from helpers.course.runner import RunFailed
from helpers.rungs import RUNGS, Gain

MEASURED = ("pass@1", "lenient_pass@1", "greedy", "pass@8", "maj@8")


@dataclass(frozen=True)
class Claim:
    """`better` beats `than` by this gain (`rungs.Gain`), in a run."""

    better: str
    than: str
    gain: Gain

    def __str__(self) -> str:
        gain = self.gain
        where = gain.measure + ", best settings" * gain.at_best + (
            "" if gain.part == "all" else f", {gain.part} demonstrations")
        margin = f" by {100 * gain.points:.0f} points or more" if gain.points else ""
        return f"{self.better} > {self.than} ({where}){margin}"

    def holds(self, test: dict) -> bool:
        """Whether a paired test of the scoreboard bears the claim out."""
        return test["ci95"][0] > 0 and test["difference"] >= self.gain.points


CLAIMS = tuple(Claim(rung.name, other, gain) for rung in RUNGS for gain in rung.claims
               for other in rung.than)


def claims(task: str) -> tuple[Claim, ...]:
    """What the course claims of a run of this task: of gsm8k, for which its settings were tuned,
    the whole ladder; of the others that tuning helps."""
    if task == "gsm8k":
        return CLAIMS
    return tuple(claim for claim in CLAIMS
                 if claim == Claim("sft", "base", Gain("strict")))


def check(board: dict) -> list[dict]:
    """One row for each claim and run: {"task", "seed", "claim", "holds", "difference", "ci95"}.

    A comparison that the scoreboard lacks does not hold: what was not measured is not shown.
    """
    rows = []
    for task, seed in dict.fromkeys((row["task"], row["seed"]) for row in board["rows"]):
        tests = {tuple(test[key] for key in ("better", "than", "measure", "part", "at_best")): test
                 for test in board["gains"] if (test["task"], test["seed"]) == (task, seed)}
        for claim in claims(task):
            gain = claim.gain
            test = tests.get((claim.better, claim.than, gain.measure, gain.part, gain.at_best))
            rows.append({
                "task": task, "seed": seed, "claim": str(claim),
                "holds": test is not None and claim.holds(test),
                "difference": test["difference"] if test else None,
                "ci95": test["ci95"] if test else None,
            })
    return rows


def report(rows: Sequence[dict]) -> str:
    """The checked claims as lines: held or FAILED, run, claim, points and interval."""
    lines = []
    for row in rows:
        found = "not measured"
        if row["ci95"]:
            low, high = row["ci95"]
            found = f"{100 * row['difference']:+.1f} points [{100 * low:.1f}, {100 * high:.1f}]"
        word = "held  " if row["holds"] else "FAILED"
        lines.append(f"{word}  {row['task']}-s{row['seed']}  {row['claim']:50}  {found}")
    return "\n".join(lines)


def spread(board: dict) -> str:
    """Mean and standard deviation over the seeds, in percent, for each task and model."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in board["rows"]:
        groups.setdefault((row["task"], row["stage"]), []).append(row)
    lines = [f"{'task':10} {'model':14} {'seeds':>5} " + " ".join(f"{m:>16}" for m in MEASURED)]
    for (task, stage), rows in groups.items():
        cells = []
        for measure in MEASURED:
            values = [100 * row[measure] for row in rows if row[measure] is not None]
            if not values:
                cells.append(f"{'–':>16}")
                continue
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):10.1f} ±{deviation:4.1f}")
        lines.append(f"{task:10} {stage:14} {len(rows):5} " + " ".join(cells))
    return "\n".join(lines)


def seed_of(word: str) -> int:
    """A seed as a number; `date` is today's date as YYYYMMDD."""
    if word == "date":
        return int(datetime.date.today().strftime("%Y%m%d"))
    if not word.isdigit():
        raise ConfigError(f"seed {word!r}: give a number, or date")
    return int(word)


def main(arguments: list[str] | None = None) -> int:
    """The command line; exit code 0 if every claim holds in every run."""
    parser = argparse.ArgumentParser(prog="python -m helpers.course.ladder", description=__doc__)
    parser.add_argument("command", choices=["check", "run"])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2", "date"])
    options = parser.parse_args(arguments)
    try:
        if options.command == "run":
            for seed in map(seed_of, options.seeds):
                print(f"--- seed {seed}", flush=True)
                runner.run(Course.load(options.preset, options.task, seed), only="08")
        board = scoreboard.build(options.preset)
    except (ArtifactError, ConfigError, RunFailed, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    rows = check(board)
    print(f"\n{report(rows)}\n\n{spread(board)}")
    return 0 if all(row["holds"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
