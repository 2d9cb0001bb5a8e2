"""The scoreboard: every number is computed again from the samples that the models wrote.

`build` reads `samples_<model>.jsonl` of every run's finished evaluation stage, scores the models,
compares each with the one it was trained from, and writes `artifacts/<preset>/scoreboard.json`:

    {"run_id", "rows": [{"task", "seed", "stage", "pass@1", …}], "minutes", "peak_memory_gb",
     "tests": [{"task", "seed", "better", "than", "measure", "difference", "ci95",
      "greedy_difference", "p"}], "tests_at_best": [the same],
     "gains": [{"task", "seed", …, of `claims.all_gains`}],
     "pooled": [{"task", "seeds", …, of `claims.all_pooled`}],
     "judges": [{"task", "seed", …, of `judged.measured`}],
     "controls": [{"task", "seed", …, of `controlled.controls`}]}

Rows and `tests` are of temperature 1. What a model scores at its own best setting, from
`best_<model>.jsonl`, stands beside it under names that begin with `best_`, and is compared in
`tests_at_best`; "answers_drawn" are those of its training.

    python -m helpers.course.scoreboard --preset tiny [--readme]
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import rungs
from helpers.config import ROOT, artifacts_root, flat
from helpers.course import controlled, coverage, judged
from helpers.course.tables import interval, markdown, share, write_block
from helpers.evaluate import claims, load_samples, score, sweep
from helpers.files import ArtifactError, damage, read_json, write_json
from helpers.folders import settle
from helpers.manifest import broken

RUN_FOLDER = re.compile(r"(?P<task>.+)-s(?P<seed>\d+)")
BLOCK = "scoreboard"  # its name in README.md


def build(preset: str, artifacts_root: Path | str | None = None) -> dict:
    """Score every evaluated run of the preset, write scoreboard.json atomically, return it.

    `run_id` is a digest of all samples: equal samples, equal scoreboard. An evaluation that is not
    finished, damaged or of another run than its folder says is left out, with a printed line.
    ArtifactError if none is left, ValueError if the models of one run were not measured on the
    same problems.
    """
    folder = _preset_folder(preset, artifacts_root)
    rows, tests, at_best, gains, judges, digest = [], [], [], [], [], hashlib.sha256()
    by_task: dict[str, list[tuple]] = {}  # its runs: (seed, rows, rows at best, settings)
    runs, places = [run for run in _runs(folder) if _counts(run)], []
    for run in runs:
        task, seed = RUN_FOLDER.fullmatch(run.name).group("task", "seed")
        place = {"task": task, "seed": int(seed)}
        places.append((task, int(seed), run))
        models, best = _models(run), _models(run, "best")
        made_with = read_json(run / "evaluation" / "manifest.json").get("settings", {})
        by_task.setdefault(task, []).append((int(seed), models, best, dict(flat(made_with))))
        if judge := judged.measured(run):
            judges.append(place | judge)
        metrics = run / "evaluation" / "metrics.json"
        drawn = read_json(metrics).get("answers_drawn", {}) if metrics.exists() else {}
        for stage, samples in models.items():
            rows.append(place | {"stage": stage} | score(samples)
                        | (sweep.columns(best[stage]) if stage in best else {})
                        | ({"answers_drawn": drawn[stage]} if stage in drawn else {}))
            for kind in ["samples", *(["best"] if stage in best else [])]:
                digest.update(f"{run.name}/{stage}".encode())
                digest.update((run / "evaluation" / f"{kind}_{stage}.jsonl").read_bytes())
        tests += [place | test for test in claims.tests_of(models)]
        at_best += [place | test for test in claims.tests_of(best)]
        gains += [place | gain for found, tuned in ((models, False), (best, True))
                  for gain in claims.all_gains(found, tuned)]
    if not rows:
        raise ArtifactError(f"no evaluated model in {folder}; "
                            f"run: python -m helpers.course run --preset {preset}")
    board = {"run_id": digest.hexdigest()[:16], "rows": rows, "tests": tests,
             "tests_at_best": at_best, "gains": gains,
             "pooled": [gain for task, some in by_task.items() for gain in _pooled(task, some)],
             "judges": judges, "controls": controlled.controls(places),
             "coverages": coverage.coverages(places),
             **_cost(runs)}
    write_json(folder / "scoreboard.json", board)
    return board


def _pooled(task: str, runs: Sequence[tuple]) -> list[dict]:
    """What the runs of a task say together; nothing, and a line that says why, of seeds that had
    other problems or other settings."""
    seeds, models, best, settings = zip(*runs, strict=True)
    asked = {frozenset(row["id"] for row in rows) for run in models for rows in run.values()}
    differ = [] if len(asked) == 1 else ["problems"]
    differ += sorted({key for one in settings for key in one.keys() | settings[0].keys()
                      if key != "seed" and one.get(key) != settings[0].get(key)})
    if differ:
        print(f"{task}: seeds {', '.join(map(str, seeds))} are not taken together, for they differ "
              f"in {', '.join(differ)}", file=sys.stderr)
        return []
    return [{"task": task, "seeds": list(seeds)} | gain for found, tuned in (
        (models, False), (best, True)) for gain in claims.all_pooled(found, tuned)]


def _preset_folder(preset: str, root: Path | str | None) -> Path:
    return (Path(root) if root is not None else artifacts_root()) / preset


def _runs(folder: Path) -> list[Path]:
    """Run folders `<task>-s<seed>`, by task and number of the seed."""
    found = [(RUN_FOLDER.fullmatch(path.name), path) for path in folder.glob("*/")]
    return [path for match, path in sorted(
        ((match, path) for match, path in found if match),
        key=lambda pair: (pair[0]["task"], int(pair[0]["seed"])),
    )]


def _counts(run: Path) -> bool:
    """Whether the run's evaluation is one to be shown; else a line says why not."""
    settle(run / "evaluation")
    if not (run / "evaluation").exists():
        return False  # not evaluated yet
    if problem := _flaw(run):
        print(f"{run / 'evaluation'} is left out: {problem}", file=sys.stderr)
    return not problem


def _flaw(run: Path) -> str | None:
    """What is wrong with the run's evaluation stage, in words."""
    folder = run / "evaluation"
    try:
        manifest = read_json(folder / "manifest.json")
    except ArtifactError as error:
        return "it is not finished" if not (folder / "manifest.json").exists() else str(error)
    if problem := broken(manifest, "evaluation") or damage(folder, manifest["files"]):
        return problem
    settings = manifest.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    made_as = [str(settings.get(key)) for key in ("preset", "task", "seed")]
    made_as[0] = (settings.get("recipe") or {}).get("name") or made_as[0]
    if made_as != [run.parent.name, *RUN_FOLDER.fullmatch(run.name).group("task", "seed")]:
        return f"it is of another run: preset {made_as[0]}, task {made_as[1]}, seed {made_as[2]}"
    return None


def _models(run: Path, kind: str = "samples") -> dict[str, list[dict]]:
    """{model: its rows}, in the order of the course; only files that the manifest lists."""
    files = read_json(run / "evaluation" / "manifest.json")["files"]
    found = [re.fullmatch(rf"{kind}_([^/]+)\.jsonl", name) for name in files]
    names = [match[1] for match in found if match]
    return {name: load_samples(run / "evaluation" / f"{kind}_{name}.jsonl")
            for name in sorted(names, key=lambda name: (_place(name), name))}


def _place(model: str) -> int:
    """In the order of the course; a model that is no rung comes last."""
    return rungs.MODELS.index(model) if model in rungs.MODELS else len(rungs.MODELS)


def _cost(runs: list[Path]) -> dict:
    """Minutes and peak memory of all notebooks; of a run without any, its manifests' minutes."""
    minutes, peaks = 0.0, []
    for run in runs:
        notebooks = [read_json(path) for path in sorted(run.glob("notebooks/*.run.json"))]
        costs = notebooks or [read_json(path) for path in sorted(run.glob("[!.]*/manifest.json"))]
        minutes += sum(cost.get("minutes") or 0.0 for cost in costs)
        peaks += [cost["peak_memory_gb"] for cost in notebooks if cost.get("peak_memory_gb")]
    return {"minutes": minutes, "peak_memory_gb": max(peaks, default=None)}


def table(board: dict) -> str:
    """The scoreboard as markdown tables that also read well as plain text: what each model scores
    at temperature 1, at its own best setting and greedily; what else there is at temperature 1;
    and the comparisons, at temperature 1 and at the best settings."""
    keys = ("task", "seed", "stage")
    scores = [
        [*(row[key] for key in keys),
         share(row["pass@1"], row["pass@1_ci95"]),
         share(row["lenient_pass@1"], row["lenient_pass@1_ci95"]), share(row["greedy"]),
         row.get("best_setting", "–"),
         share(row.get("best_pass@1"), row.get("best_pass@1_ci95")),
         share(row.get("best_lenient_pass@1"), row.get("best_lenient_pass@1_ci95")),
         f"{row['answers_drawn']:,}" if "answers_drawn" in row else "–"]
        for row in board["rows"]
    ]
    more = [[*(row[key] for key in keys), *(share(row[name]) for name in SHARES),
             f"{row['n']} x {row['samples']}"] for row in board["rows"]]
    peak = board["peak_memory_gb"]
    parts = [
        markdown(["task", "seed", "model", "pass@1 %", "lenient pass@1 %", "greedy %",
                   "own best setting", "pass@1 % there", "lenient % there", "answers drawn"],
                  scores),
        markdown(["task", "seed", "model", *(f"{name} %" for name in SHARES),
                   "problems x samples"], more),
        _tests("temperature 1", board["tests"]),
        _tests("best settings", board["tests_at_best"]),
        f"In brackets: 95 % intervals, over problems. Run {board['run_id']}: "
        f"{board['minutes']:.1f} minutes" + (f", {peak:.1f} GB at most." if peak else "."),
    ]
    return "\n\n".join(part for part in parts if part)


def _tests(where: str, tests: Sequence[dict]) -> str:
    return markdown(
        ["task", "seed", f"at {where}", "measure", "points", "greedy points", "p (greedy)",
         "better"],
        [[test["task"], test["seed"], f"{test['better']} > {test['than']}", test["measure"],
          f"{100 * test['difference']:+.1f} {interval(test['ci95'])}",
          f"{100 * test['greedy_difference']:+.1f}", f"{test['p']:.2g}",
          "yes" if test["ci95"][0] > 0 else "no"] for test in tests])


SHARES = ("pass@5", "pass@8", "maj@8", "truncated", "distinct")


def write_readme(board: dict, path: Path = ROOT / "README.md") -> None:
    """Rewrite the block between the scoreboard marks of the README, nothing else."""
    write_block(path, BLOCK, table(board))


def main(arguments: list[str] | None = None) -> int:
    """The command line: build the preset's scoreboard and print it."""
    parser = argparse.ArgumentParser(prog="python -m helpers.course.scoreboard",
                                     description=main.__doc__)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--readme", action="store_true", help="also rewrite README's table")
    options = parser.parse_args(arguments)
    try:
        board = build(options.preset)
        if options.readme:
            write_readme(board)
    except (ArtifactError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(board))
    return 0


if __name__ == "__main__":
    sys.exit(main())
