"""What may be claimed of a training: the same comparison at temperature 1 and at the best settings.

Training that makes a model surer raises its score at temperature 1 exactly as a lower temperature
would. So a gain counts as the training's own only if it is still there when both models are decoded
as suits each best (`helpers.evaluate.sweep`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from helpers.evaluate import MEASURES, compare, vote
from helpers.rungs import compared_with
from helpers.stats import paired_interval, pass_at_k, pooled_interval
from helpers.verify import together

TRAINING, TEMPERATURE, WORSE, NEITHER = "training", "temperature", "worse", "not shown"


def tests_of(rows: Mapping[str, Sequence[dict]], measures: Sequence[str] = MEASURES) -> list[dict]:
    """Every trained model against what it is compared with (`helpers.rungs`), by each measure:
    {"better", "than", "measure"} with the keys of `compare`. rows: {model: its rows}."""
    return [
        {"better": name, "than": other, "measure": measure}
        | compare(rows[name], rows[other], measure)
        for name in rows for other in compared_with(name) if other in rows for measure in measures
    ]


def verdict(at_one: dict, at_best: dict) -> str:
    """What explains the gain of a comparison, given twice as `compare` gives it: "training" if the
    interval lies above 0 with each model at its own best setting, "worse" if it lies below 0 there;
    "temperature" if it lies above 0 at temperature 1 only; else "not shown"."""
    low, high = at_best["ci95"]
    if low > 0 or high < 0:
        return TRAINING if low > 0 else WORSE
    return TEMPERATURE if at_one["ci95"][0] > 0 else NEITHER


def verdicts(at_one: Sequence[dict], at_best: Sequence[dict]) -> list[dict]:
    """`verdict` for each comparison of two lists of `tests_of`, which must be of the same models:
    {"better", "than", "measure", "verdict", "at_one", "at_best"}, the last two
    {"difference", "ci95"}."""
    names = [[(t["better"], t["than"], t["measure"]) for t in tests] for tests in (at_one, at_best)]
    if names[0] != names[1]:
        raise ValueError("the two lists are not of the same comparisons")
    short = ("difference", "ci95")
    return [
        {"better": one["better"], "than": one["than"], "measure": one["measure"],
         "verdict": verdict(one, best),
         "at_one": {key: one[key] for key in short}, "at_best": {key: best[key] for key in short}}
        for one, best in zip(at_one, at_best, strict=True)
    ]


def measured(rows_a: Sequence[dict], rows_b: Sequence[dict]) -> dict[str, list[list[float]]]:
    """What two models reached on the same problems, in the order of a: {measure: [a's, b's]}, one
    number a problem.

    "strict" and "lenient" are of the samples, "greedy" and "lenient_greedy" of the one greedy
    answer; where both have 8 samples or more, "lenient_pass@8" says what is reached in eight tries
    and "maj@8" what a vote of eight finds. ValueError if the problems are not the same.
    """
    ids = [row["id"] for row in rows_a]
    by_id = {row["id"]: row for row in rows_b}
    if len(set(ids)) != len(ids) or len(rows_b) != len(ids) or by_id.keys() != set(ids):
        raise ValueError("the two models were not measured on the same problems")
    sides = [list(rows_a), [by_id[one] for one in ids]]
    measures = {kind: [[float(np.mean(row[kind])) for row in rows] for rows in sides]
                for kind in MEASURES}
    for name, kind in (("greedy", "strict"), ("lenient_greedy", "lenient")):
        measures[name] = [[float(row["greedy"][kind]) for row in rows] for rows in sides]
    if _fewest(rows_a, rows_b) >= 8:
        reached = [np.array([sum(row["lenient"]) for row in rows]) for rows in sides]
        measures["lenient_pass@8"] = [pass_at_k(len(rows[0]["lenient"]), count, 8).tolist()
                                      for rows, count in zip(sides, reached, strict=True)]
        measures["maj@8"] = [together(vote, [(row,) for row in rows]) for rows in sides]
    return measures


def _fewest(*several: Sequence[dict]) -> int:
    """The smallest number of samples of a problem."""
    return min(len(row["strict"]) for rows in several for row in rows)


def gains(rows_a: Sequence[dict], rows_b: Sequence[dict]) -> dict[str, dict]:
    """What a has over b on the same problems, by every measure of `measured`: {measure:
    {"difference", "ci95"}}, paired 95 % intervals over problems (`stats.paired_interval`)."""
    fewest, found = _fewest(rows_a, rows_b), {}
    for name, (a, b) in measured(rows_a, rows_b).items():
        difference, low, high = paired_interval(a, b, fewest if name in MEASURES else 1)
        found[name] = {"difference": difference, "ci95": [low, high]}
    return found


def pooled(runs: Sequence[tuple[Sequence[dict], Sequence[dict]]]) -> dict[str, dict]:
    """`gains` of several runs taken together, each (rows of a, rows of b), all on the same
    problems; by the measures that all of them have, with 95 % intervals over runs and problems
    (`stats.pooled_interval`)."""
    if len({frozenset(row["id"] for row in a) for a, _ in runs}) != 1:
        raise ValueError("the runs were not measured on the same problems")
    each = [measured(sorted(a, key=lambda row: row["id"]), b) for a, b in runs]
    fewest, found = min(_fewest(*both) for both in runs), {}
    for name in [one for one in each[0] if all(one in measures for measures in each)]:
        difference, low, high = pooled_interval(
            [np.subtract(a, b) for a, b in (measures[name] for measures in each)],
            fewest if name in MEASURES else 1)
        found[name] = {"difference": difference, "ci95": [low, high]}
    return found


PARTS = {"all": (True, False, None), "with": (True,), "without": (False,)}


def part_of(rows: Sequence[dict]) -> dict[str, set[str]]:
    """The ids of all problems, and of those with and without demonstrations apart ("all", "with",
    "without"; the last two only where there are any), by the mark "demonstrated" of the rows."""
    parts = {name: {row["id"] for row in rows if row.get("demonstrated") in marks}
             for name, marks in PARTS.items()}
    return {name: ids for name, ids in parts.items() if ids}


def _of(ids: set[str], rows: Sequence[dict]) -> list[dict]:
    return [row for row in rows if row["id"] in ids]


def apart(rows_a: Sequence[dict], rows_b: Sequence[dict]) -> dict[str, dict]:
    """`gains` of a over b on all problems, and on those with and without demonstrations apart
    (`part_of` the rows of a); each has "problems", their number, too."""
    return {name: {"problems": len(ids), **gains(_of(ids, rows_a), _of(ids, rows_b))}
            for name, ids in part_of(rows_a).items()}


def all_gains(rows: Mapping[str, Sequence[dict]], at_best: bool) -> list[dict]:
    """`apart` of every trained model over what it is compared with, as a list: {"better", "than",
    "at_best", "part", "problems", "measure", "difference", "ci95"}. rows: {model: its rows}."""
    return [{"better": name, "than": other, "at_best": at_best, "part": part,
             "problems": one["problems"], "measure": measure, **one[measure]}
            for name in rows for other in compared_with(name) if other in rows
            for part, one in apart(rows[name], rows[other]).items()
            for measure in one if measure != "problems"]


def all_pooled(runs: Sequence[Mapping[str, Sequence[dict]]], at_best: bool) -> list[dict]:
    """`all_gains` of several runs taken together (`pooled`), for the models that all of them have;
    of fewer than three runs, or of a single problem, none."""
    if len(runs) < 3:
        return []
    shared = [name for name in runs[0] if all(name in run for run in runs)]
    return [{"better": name, "than": other, "at_best": at_best, "part": part,
             "problems": len(ids), "measure": measure, **gain}
            for name in shared for other in compared_with(name) if other in shared
            for part, ids in part_of(runs[0][name]).items() if len(ids) > 1
            for measure, gain in pooled([(_of(ids, run[name]), _of(ids, run[other]))
                                         for run in runs]).items()]
