"""What the course claims of every run, checked on its scoreboard, and repeated over seeds.

    python -m helpers.course.ladder check [--preset tiny]     every evaluated run against the claims
    python -m helpers.course.ladder run --seeds 0 1 2 date    the course for each seed, then check
    python -m helpers.course.ladder record     keep what these seeds showed, and put it into README

`date` stands for a seed drawn from today's date, which nobody can have tuned for.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.config import ROOT, ConfigError, Course
from helpers.course import controlled, coverage, judged, scoreboard
from helpers.course import course as runner
from helpers.course.runner import RunFailed
from helpers.course.tables import interval, markdown, write_block
from helpers.files import ArtifactError, write_json
from helpers.rungs import RUNGS, Gain

MEASURED = ("greedy", "pass@1", "lenient_pass@1", "best_pass@1", "best_lenient_pass@1", "pass@8",
            "maj@8")
RECORD = ROOT / "data" / "recorded" / "ladder.json"
BLOCK = "ladder"  # its name in README.md


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
        if gain.points < 0:
            margin = f" loses no {-100 * gain.points:.0f} points"
        return (f"{self.better} {'>' if gain.points >= 0 else 'against'} {self.than} "
                f"({where}){margin}" + ", seeds together" * gain.pooled)

    def holds(self, test: dict) -> bool:
        """Whether a paired test of the scoreboard bears the claim out."""
        return test["ci95"][0] > min(0.0, self.gain.points) and (
            test["difference"] >= self.gain.points)


CLAIMS = tuple(Claim(rung.name, rung.than[0], gain) for rung in RUNGS for gain in rung.claims)


def claims(task: str) -> tuple[Claim, ...]:
    """What the course claims of a run of this task: of gsm8k, for which its settings were tuned,
    the whole ladder; of the others that tuning helps."""
    if task == "gsm8k":
        return CLAIMS
    return tuple(claim for claim in CLAIMS
                 if claim == Claim("sft", "base", Gain("strict")))


def check(board: dict) -> list[dict]:
    """One row for each claim and run: {"task", "seed", "claim", "holds", "difference", "ci95"},
    then, where there are three seeds or more, one for each claim of all, whose "seed" is "all".

    A comparison that the scoreboard lacks does not hold: what was not measured is not shown. What
    is claimed of several seeds is not asked of one.
    """
    rows = []
    for task, seeds in _seeds(board).items():
        for seed in seeds:
            rows += [_checked(claim, task, seed, board["gains"]) for claim in claims(task)
                     if not claim.gain.pooled]
        if len(seeds) > 2:
            rows += [_checked(claim, task, "all", board["pooled"]) for claim in claims(task)]
    return rows


def _seeds(board: dict) -> dict[str, list[int]]:
    """The seeds of every task on the scoreboard."""
    found: dict[str, list[int]] = {}
    for task, seed in dict.fromkeys((row["task"], row["seed"]) for row in board["rows"]):
        found.setdefault(task, []).append(seed)
    return found


def _checked(claim: Claim, task: str, seed: int | str, gains: Sequence[dict]) -> dict:
    """A row of `check`; gains: those of the scoreboard, of one seed each or of all together."""
    gain, keys = claim.gain, ("task", "better", "than", "measure", "part", "at_best")
    asked = (task, claim.better, claim.than, gain.measure, gain.part, gain.at_best)
    test = next((one for one in gains if tuple(one[key] for key in keys) == asked
                 and one.get("seed", "all") == seed), None)
    return {"task": task, "seed": seed, "claim": str(claim),
            "holds": test is not None and claim.holds(test),
            "difference": test["difference"] if test else None,
            "ci95": test["ci95"] if test else None}


def report(rows: Sequence[dict]) -> str:
    """The checked claims as lines: held or FAILED, run, claim, points and interval."""
    lines = []
    for row in rows:
        found = "not measured"
        if row["ci95"]:
            low, high = row["ci95"]
            found = f"{100 * row['difference']:+.1f} points [{100 * low:.1f}, {100 * high:.1f}]"
        word = "held  " if row["holds"] else "FAILED"
        run = row["task"] + (", all seeds" if row["seed"] == "all" else f"-s{row['seed']}")
        lines.append(f"{word}  {run}  {row['claim']:50}  {found}")
    return "\n".join(lines)


def spread(rows: Sequence[dict]) -> list[list]:
    """Mean and standard deviation over the seeds, in percent: [task, model, number of seeds, one
    cell for each of MEASURED]. rows: those of the scoreboard."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["stage"]), []).append(row)
    found = []
    for (task, stage), group in groups.items():
        cells = []
        for measure in MEASURED:
            values = [100 * row[measure] for row in group if row.get(measure) is not None]
            deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{deviation}" if values else "–")
        found.append([task, stage, len(group), *cells])
    return found


def record(board: dict, path: Path = RECORD, readme: Path = ROOT / "README.md") -> None:
    """Keep what several seeds of the course's own task showed, and put it into README; nothing is
    written if they cannot be taken together, or README has no place for it."""
    keys = ("task", "seed", "stage", "n", "samples", *MEASURED)
    rows = [{key: row.get(key) for key in keys} for row in board["rows"] if row["task"] == "gsm8k"]
    if not any(gain["task"] == "gsm8k" for gain in board["pooled"]):
        raise ArtifactError("there are no seeds of gsm8k to be taken together; run: make ladder")
    seeds, trained = _seeds(board)["gsm8k"], {row["stage"] for row in rows}
    waiting = {str(claim) for claim in CLAIMS if claim.better not in trained}  # in no run yet
    claimed = [{**_checked(claim, "gsm8k", seed, board["gains"]), "holds": None}
               for claim in claims("gsm8k") if claim.gain.pooled for seed in seeds]  # of each
    kept = {"run_id": board["run_id"], "rows": rows, "claims": [
        row for row in claimed + check(board)
        if row["task"] == "gsm8k" and row["claim"] not in waiting],
        **{part: [one for one in board[part] if one["task"] == "gsm8k"]
           for part in ("judges", "controls", "coverages")}}
    write_block(readme, BLOCK, table(kept))
    write_json(path, kept)


HEADS = {"pass@1": "T = 1", "lenient_pass@1": "T = 1, lenient", "best_pass@1": "own best",
         "best_lenient_pass@1": "own best, lenient"}


def table(recorded: dict) -> str:
    """What was recorded, in markdown: how much, the models, and every claim, also one that has come
    since and waits for the next record."""
    rows = recorded["rows"]
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    by_claim: dict[str, dict] = {str(claim): {} for claim in claims("gsm8k")}
    for row in recorded["claims"]:
        by_claim[row["claim"]][row["seed"]] = row

    def points(row: dict | None) -> str:
        return f"{100 * row['difference']:+.1f}" if row and row["ci95"] else "–"

    def together(row: dict | None) -> str:
        return f"{points(row)} {interval(row['ci95'])}" if row and row["ci95"] else "not measured"

    def held(found: dict) -> str:
        if not found:
            return "–"
        return "no" if any(row["holds"] is False for row in found.values()) else "yes"

    claimed = [[claim, *(points(found.get(seed)) for seed in seeds), together(found.get("all")),
                held(found)] for claim, found in by_claim.items()]
    return "\n\n".join([
        f"Seeds {', '.join(map(str, seeds))}; {rows[0]['n']} problems x {rows[0]['samples']} "
        "samples. Means and standard deviations over seeds, in percent:",
        markdown(["task", "model", "seeds", *(HEADS.get(name, name) for name in MEASURED)],
                 spread(rows)),
        markdown(["claim", *(f"seed {seed}" for seed in seeds), "together, points", "holds"],
                 claimed),
        "The reward model, in percent:", judged.table(recorded["judges"]),
        "Imitating one's own answers and its controls, strict on validation problems, points:",
        controlled.table(recorded["controls"]) or "not measured",
        f"Problems solved in {coverage.TRIES} tries, in any format, from {coverage.DRAWS} draws "
        "for each problem of the whole test split, in percent and points:",
        coverage.table(recorded.get("coverages", ())) or "not measured"])


def seed_of(word: str) -> int:
    """A seed as a number; `date` is today's date as YYYYMMDD."""
    if word == "date":
        return int(datetime.date.today().strftime("%Y%m%d"))
    if not (word.isascii() and word.isdecimal()):
        raise ConfigError(f"seed {word!r}: give a number, or date")
    return int(word)


def main(arguments: list[str] | None = None) -> int:
    """The command line; exit code 0 if every claim holds in every run."""
    parser = argparse.ArgumentParser(prog="python -m helpers.course.ladder", description=__doc__)
    parser.add_argument("command", choices=["check", "run", "record"])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--task", default="gsm8k", help="of run; check looks at all")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2", "date"],
                        help="of run; check and record take those that are there")
    options = parser.parse_args(arguments)
    try:
        courses = [Course.load(options.preset, options.task, seed)
                   for seed in dict.fromkeys(map(seed_of, options.seeds))]  # all, before any runs
        if options.command == "run":
            for course in courses:
                print(f"--- seed {course.seed}", flush=True)
                runner.run(course, only="08")
                if course.task == "gsm8k":
                    print(f"drawing {coverage.DRAWS} answers a problem", flush=True)
                    coverage.measure(course)
        board = scoreboard.build(options.preset)
        if options.command == "record":
            record(board)
    except (ArtifactError, ConfigError, RunFailed, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    rows = check(board)
    judges = [one for one in board["judges"] if one["task"] == "gsm8k"]
    wanted = [("gsm8k", seed) for seed in _seeds(board).get("gsm8k", [])]
    unjudged = judged.failed(judges, wanted)
    means = markdown(["task", "model", "seeds", *MEASURED], spread(board["rows"]))
    drawn = [one for one in board["coverages"] if one["task"] == "gsm8k"]
    failed = [*unjudged, *controlled.failed(board["controls"]), *coverage.failed(drawn, wanted)]
    lines = "\n".join([report(rows), *failed])
    print(f"\n{lines}\n\n{means}\n\n{judged.table(judges)}\n\n"
          f"{controlled.table(board['controls'])}\n\n{coverage.table(drawn)}")
    return 0 if all(row["holds"] for row in rows) and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
