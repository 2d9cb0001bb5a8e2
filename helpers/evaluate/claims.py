"""What may be claimed of a training: the same comparison at temperature 1 and at the best settings.

Training that makes a model surer raises its score at temperature 1 exactly as a lower temperature
would. So a gain counts as the training's own only if it is still there when both models are decoded
as suits each best (`helpers.evaluate.sweep`).
"""

from collections.abc import Mapping, Sequence
from itertools import compress

from helpers.evaluate import MEASURES, compare
from helpers.rungs import compared_with

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


def apart(rows_a: Sequence[dict], rows_b: Sequence[dict], demonstrated: Sequence[bool],
          measure: str = "strict") -> dict[str, dict | None]:
    """`compare` of a against b, on the problems with demonstrations and on the others apart.

    demonstrated: whether training had worked solutions for problems of this kind, one a row of a.
    Returns {"with", "without"}; None where there is no such problem. Each has "problems", too.
    """
    if len(demonstrated) != len(rows_a):
        raise ValueError(f"{len(demonstrated)} marks for {len(rows_a)} rows: one a row is needed")
    found: dict[str, dict | None] = {}
    for name, wanted in (("with", True), ("without", False)):
        ids = set(compress((row["id"] for row in rows_a),
                           (mark == wanted for mark in demonstrated)))
        a, b = ([row for row in rows if row["id"] in ids] for rows in (rows_a, rows_b))
        found[name] = {"problems": len(ids), **compare(a, b, measure)} if ids else None
    return found
