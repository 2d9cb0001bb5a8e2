"""RFT against its two controls, which notebook A2 trains in the same way on as many answers of the
same problems: right ones at random, and any at random.

The course claims of every run that RFT is better than the second, and of several runs together that
the second is not better than sft: it is the right answers that teach. What RFT's choice among right
answers adds is shown and not claimed.
"""

from collections.abc import Sequence
from pathlib import Path

from helpers.course.tables import interval, markdown
from helpers.evaluate import claims, load_samples
from helpers.files import read_json

RIGHT, ANY = "right, at random", "any, at random"
PAIRS = (("rft", "sft"), (ANY, "sft"), ("rft", ANY), ("rft", RIGHT))  # better, than
FILES = {"sft": "samples_before", "rft": "samples", RIGHT: "control_right", ANY: "control_any"}
HEADS = ["task", "seed", *(f"`{better}` over `{than}`" for better, than in PAIRS), "holds"]


def measured(run: Path) -> list[dict]:
    """[{"better", "than", "difference", "ci95"}] of a run's folder, in the order of PAIRS, strict
    on validation problems; empty where A2 has not run."""
    path = run / "rft" / "metrics.json"
    tests = {(one["better"], one["than"]): one for one in
             (read_json(path).get("tests", ()) if path.exists() else ())}
    if not set(PAIRS) <= tests.keys():
        return []
    return [{key: tests[pair][key] for key in ("better", "than", "difference", "ci95")}
            for pair in PAIRS]


def pooled(runs: Sequence[Path]) -> list[dict]:
    """The same of several runs' samples taken together; empty for fewer than three, or where they
    were not measured on the same problems."""
    if len(runs) < 3:
        return []
    rows = [{name: load_samples(run / "rft" / f"{file}.jsonl") for name, file in FILES.items()}
            for run in runs]
    if len({frozenset(row["id"] for row in some) for one in rows for some in one.values()}) != 1:
        return []
    return [{"better": better, "than": than,
             **claims.pooled([(one[better], one[than]) for one in rows])["strict"]}
            for better, than in PAIRS]


def controls(runs: Sequence[tuple[str, int, Path]]) -> list[dict]:
    """`measured` of each run (task, seed, folder) and, as seed "all", `pooled` of each task's."""
    found, there = [], {}
    for task, seed, run in runs:
        tests = measured(run)
        found += [{"task": task, "seed": seed} | test for test in tests]
        if tests:
            there.setdefault(task, []).append(run)
    return found + [{"task": task, "seed": "all"} | test
                    for task, some in there.items() for test in pooled(some)]


def holds(test: dict) -> bool:
    """Whether one comparison is as the course claims it, or nothing is claimed of it."""
    low, _ = test["ci95"]
    pair = test["better"], test["than"]
    if pair == (ANY, "sft"):
        return low <= 0 or test["seed"] != "all"
    return low > 0 or pair == ("rft", RIGHT)


def failed(tests: Sequence[dict]) -> list[str]:
    """A line for each comparison that does not hold."""
    return [f"FAILED  {one['task']}-s{one['seed']}  control: {one['better']} over {one['than']} "
            f"{points(one)}" for one in tests if not holds(one)]


def points(test: dict) -> str:
    return f"{100 * test['difference']:+.1f} {interval(test['ci95'])}"


def table(tests: Sequence[dict]) -> str:
    """One row a run and one for all, in markdown; empty without tests."""
    by_run: dict[tuple, list[dict]] = {}
    for one in tests:
        by_run.setdefault((one["task"], one["seed"]), []).append(one)
    return markdown(HEADS, [[*place, *map(points, some), "yes" if all(map(holds, some)) else "no"]
                            for place, some in by_run.items()])
