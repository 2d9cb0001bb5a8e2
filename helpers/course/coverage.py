"""How many problems a model solves in eight tries, from enough draws to tell one seed's gain.

Of eight answers pass@8 is a yes or a no for every problem, and a part of what seeds then differ in
is the draw. So `make ladder` draws 32 from sft and from grpo for every problem of the test split
and takes the unbiased estimate (Chen et al. 2021, arXiv:2107.03374, equation 1), in any format.
That reward did not only sharpen what was there before (Yue et al. 2025, arXiv:2504.13837) is
claimed of every seed: 5 points more, and 15 on the kinds of problem that no worked solution shows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.config import Course
from helpers.course.tables import interval, markdown
from helpers.files import read_json, write_json
from helpers.stats import paired_interval, pass_at_k, pooled_interval

BETTER, THAN = "grpo", "sft"
DRAWS, TRIES = 32, 8
CLAIMED = {"all": 0.05, "without": 0.15, "with": None}  # points at least, as shares; None: shown
FILE = "coverage.json"
HEADS = ["task", "seed", "problems", f"pass@{TRIES}, `{THAN}`", f"`{BETTER}`",
         *(f"`{BETTER}` over `{THAN}`, {part}" for part in (
             "all problems", "without demonstrations", "with")), "holds"]


def measure(course: Course) -> dict:
    """{"draws", "problems": [{"id", "demonstrated"}], "right": {model: [of `DRAWS`]}} of a run's
    two models on all problems of the test split at temperature 1, kept beside the run; read if both
    models are still those that it was measured with."""
    from helpers import models, sampling
    from helpers.artifacts import find
    from helpers.evaluate import asked
    from helpers.prompts import fitting_prompts
    from helpers.track import Track

    stages = {name: find(course, name) for name in (THAN, BETTER)}
    made_of = {name: stage.run_id for name, stage in stages.items()}
    file = course.dir() / FILE
    kept: dict[str, Any] = read_json(file) if file.exists() else {}
    if (kept.get("models"), kept.get("draws")) == (made_of, DRAWS):
        return kept
    whole = course.model_copy(update={"data": course.data.model_copy(update={"test": None})})
    track, tokenizer = Track(whole), models.load_tokenizer(course)
    split: Any = track.problems("test")  # Records are of problems here
    problems, _ = fitting_prompts(split, course, tokenizer)
    right = {}
    for name, stage in stages.items():
        texts, how = asked(track, tokenizer, problems, None, None)
        answers = sampling.generate(sampling.load_engine(stage.path / "model", course), tokenizer,
                                    texts, n=DRAWS, **how)
        found = track.all_verdicts(list(zip(problems, answers, strict=True)))
        right[name] = [sum(one["lenient"]) for one in found]
    kept = {"models": made_of, "draws": DRAWS, "right": right, "problems": [
        {"id": one.id, "demonstrated": track.demonstrated(one)} for one in problems]}
    write_json(file, kept)
    return kept


def _solved(kept: dict, model: str) -> np.ndarray:
    """The chance (P,) that one of `TRIES` answers is right."""
    return pass_at_k(kept["draws"], np.array(kept["right"][model]), TRIES)


def _parts(kept: dict) -> dict[str, np.ndarray]:
    """Which problems (P,) are of a part of `CLAIMED`; parts without problems are left out."""
    shown = [one["demonstrated"] for one in kept["problems"]]
    parts = {"all": np.full(len(shown), True), "without": np.array([one is False for one in shown]),
             "with": np.array([one is True for one in shown])}
    return {name: mask for name, mask in parts.items() if mask.sum() > 1}


def coverages(runs: Sequence[tuple[str, int, Path]]) -> list[dict]:
    """What runs (task, seed, folder) have kept, and each task's together where there are three or
    more on the same problems (as seed "all"): [{"task", "seed", "problems", "better", "than",
    "gains": {part: {"difference", "ci95"}}}], shares; runs that were not measured are left out."""
    found: list[dict] = []
    by_task: dict[str, list[dict]] = {}
    for task, seed, folder in runs:
        if not (folder / FILE).exists():
            continue
        kept = read_json(folder / FILE)
        by_task.setdefault(task, []).append(kept)
        better, than = (_solved(kept, name) for name in (BETTER, THAN))
        found.append({"task": task, "seed": seed} | _row([kept], {
            part: paired_interval(better[mask], than[mask], 1)
            for part, mask in _parts(kept).items()}))
    for task, some in by_task.items():
        if len(some) > 2 and all(one["problems"] == some[0]["problems"] for one in some):
            apart = np.array([_solved(one, BETTER) - _solved(one, THAN) for one in some])
            found.append({"task": task, "seed": "all"} | _row(some, {
                part: pooled_interval(apart[:, mask], 1)
                for part, mask in _parts(some[0]).items()}))
    return found


def _row(some: Sequence[dict], gains: dict[str, tuple[float, float, float]]) -> dict:
    return {"problems": len(some[0]["problems"]),
            **{name: float(np.mean([_solved(one, model).mean() for one in some]))
               for name, model in (("better", BETTER), ("than", THAN))},
            "gains": {part: {"difference": mean, "ci95": [low, high]}
                      for part, (mean, low, high) in gains.items()}}


def holds(coverage: dict) -> bool:
    """Whether a row of `coverages` is as claimed; a part that was not measured is not."""
    gains = coverage["gains"]
    return all(part in gains and gains[part]["ci95"][0] > 0 and gains[part]["difference"] >= least
               for part, least in CLAIMED.items() if least is not None)


def failed(rows: Sequence[dict], runs: Sequence[tuple[str, int]]) -> list[str]:
    """A line for each of these runs, (task, seed), that does not hold or was not measured, and for
    the rows of all seeds that do not."""
    found = {(one["task"], one["seed"]): holds(one) for one in rows}
    asked = [*runs, *(place for place in found if place[1] == "all")]
    return [f"FAILED  {task}-s{seed}  {BETTER} over {THAN} in {TRIES} tries: "
            + ("see its table below" if (task, seed) in found else
               "not measured (make ladder draws them)")
            for task, seed in asked if not found.get((task, seed))]


def table(rows: Sequence[dict]) -> str:
    """One row a run and one for all, in markdown; empty without rows."""
    def points(one: dict, part: str) -> str:
        gain = one["gains"].get(part)
        return f"{100 * gain['difference']:+.1f} {interval(gain['ci95'])}" if gain else "–"

    return markdown(HEADS, [[
        one["task"], one["seed"], one["problems"], f"{100 * one['than']:.1f}",
        f"{100 * one['better']:.1f}", *(points(one, part) for part in CLAIMED),
        "yes" if holds(one) else "no"] for one in rows])
