"""Every model at its best: decoding is swept on validation, and the best setting is kept.

A score at one temperature is a score of a model and of that temperature. So each model is measured
over the same grid of settings on problems of the validation split (`sweep`), the setting with the
highest strict pass@1 is chosen there (`choose`), and only then is the test set answered with it
(`measure_at`). Nothing of the test set takes part in the choice.

A row of a sweep, one a problem, keeps every different answer once:

    {"id", "question", "answer", "texts": [str], "tokens", "truncated", "strict", "lenient",
     "drawn": [{"temperature", "top_p", "answers": [places in "texts"]}]}
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from helpers.config import Course
from helpers.data.problem import Problem
from helpers.evaluate import asked, score
from helpers.stats import pass_at_k, share_interval
from helpers.track import KINDS, Track


class Setting(NamedTuple):
    """How answers are drawn. temperature: what logits are divided by, 0 for the most likely token
    every time; top_p: the share of the probability that the drawn tokens have (nucleus sampling,
    Holtzman et al. 2020, arXiv:1904.09751)."""

    temperature: float
    top_p: float = 1.0

    def __str__(self) -> str:
        if not self.temperature:
            return "greedy"
        return f"T = {self.temperature:g}" + (f", top-p {self.top_p:g}" if self.top_p < 1 else "")


GREEDY = Setting(0.0)


def grid(course: Course) -> list[Setting]:
    """Greedy, then every temperature with every top-p of `course.evaluation.sweep`."""
    values = course.evaluation.sweep
    return [GREEDY, *(Setting(temperature, top_p) for temperature in values.temperatures
                      for top_p in values.top_p)]


def sweep(
    model, tokenizer, problems: Sequence[Problem], course: Course,
    few_shot_examples: Sequence[Problem] | None = None, seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """Rows of a sweep over `grid(course)`: `course.evaluation.sweep.n` answers a problem at every
    setting, one at the greedy one. `problems` should be of a split that is not measured."""
    from helpers import sampling  # torch: not needed to score rows that are already there

    track, settings = Track(course), grid(course)
    texts, how = asked(track, tokenizer, problems, few_shot_examples, seed)
    found = sampling.generate_each(model, tokenizer, texts, settings, n=course.evaluation.sweep.n,
                                   progress=progress, **how)
    of_problem = [[by_setting[place] for by_setting in found] for place in range(len(problems))]
    different = [list(dict.fromkeys(one for answers in drawn for one in answers))
                 for drawn in of_problem]
    verdicts = track.all_verdicts(list(zip(problems, different, strict=True)))
    return [
        {"id": problem.id, "question": problem.question, **track.columns(problem),
         "texts": [one.text for one in once], "tokens": [one.tokens for one in once],
         "truncated": [one.truncated for one in once], **verdict,
         "drawn": [{**setting._asdict(), "answers": [once.index(one) for one in answers]}
                   for setting, answers in zip(settings, drawn, strict=True)]}
        for problem, drawn, once, verdict in zip(problems, of_problem, different, verdicts,
                                                 strict=True)]


def curve(rows: Sequence[dict], k: int = 8) -> list[dict]:
    """The scores of a sweep, one entry a setting in the order of the grid: {"temperature", "top_p",
    "pass@1", "pass@1_ci95", "lenient_pass@1", "pass@k", "k", "problems", "samples"}.

    pass@k is strict, with the k that the samples allow if there are fewer than `k`; None of a
    single answer. ValueError without rows.
    """
    if not rows:
        raise ValueError("a sweep without problems says nothing")
    entries = []
    for place, drawn in enumerate(rows[0]["drawn"]):
        setting, n = Setting(drawn["temperature"], drawn["top_p"]), len(drawn["answers"])
        right = {kind: np.array([sum(row[kind][one] for one in row["drawn"][place]["answers"])
                                 for row in rows]) for kind in KINDS}
        tries = min(k, n)
        entries.append({
            **setting._asdict(),
            "pass@1": float(right["strict"].mean() / n),
            "pass@1_ci95": list(share_interval(n, right["strict"])),
            "lenient_pass@1": float(right["lenient"].mean() / n),
            "pass@k": float(pass_at_k(n, right["strict"], tries).mean()) if n > 1 else None,
            "k": tries, "problems": len(rows), "samples": n,
        })
    return entries


def choose(entries: Sequence[dict]) -> Setting:
    """The setting with the highest strict pass@1; of several, the one with the higher temperature,
    then the higher top-p: what changes the model's own distribution less."""
    best = max(entries, key=lambda one: (one["pass@1"], one["temperature"], one["top_p"]))
    return Setting(best["temperature"], best["top_p"])


def measure_at(
    setting: Setting, rows: Sequence[dict], model, tokenizer, problems: Sequence[Problem],
    course: Course, few_shot_examples: Sequence[Problem] | None = None, seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """Rows as `evaluate.measure` makes them, with as many samples, but drawn at `setting`, which
    they carry as "temperature" and "top_p".

    rows: what `evaluate.measure` found on the same problems. Their greedy answers are taken over,
    and nothing is sampled where they have what is asked for; greedy rows have one answer.
    """
    if [row["id"] for row in rows] != [problem.id for problem in problems]:
        raise ValueError("the rows at hand are of other problems")
    usual = Setting(course.generation.temperature, course.generation.top_p)
    if setting in (usual, GREEDY):
        return [{**row, **(_greedy(row) if setting == GREEDY else {}), **setting._asdict()}
                for row in rows]
    from helpers import sampling

    track = Track(course)
    texts, how = asked(track, tokenizer, problems, few_shot_examples, seed)
    [found] = sampling.generate_each(model, tokenizer, texts, [setting], n=course.evaluation.n,
                                     progress=progress, **how)
    different = [list(dict.fromkeys(answers)) for answers in found]  # equal ones are graded once
    verdicts = track.all_verdicts(list(zip(problems, different, strict=True)))
    return [
        {**row, "completions": [one.text for one in answers],
         "tokens": [one.tokens for one in answers],
         "truncated": [one.truncated for one in answers],
         **{kind: [right[once.index(one)] for one in answers] for kind, right in verdict.items()},
         **setting._asdict()}
        for row, answers, once, verdict in zip(rows, found, different, verdicts, strict=True)]


def _greedy(row: dict) -> dict:
    """A row's answers, if the greedy one is all there is."""
    one = row["greedy"]
    return {"completions": [one["text"]],
            **{key: [one[key]] for key in ("tokens", "truncated", *KINDS)}}


def columns(best: Sequence[dict]) -> dict:
    """What the scoreboard says of the rows of `measure_at`: {"best_setting", "best_pass@1",
    "best_pass@1_ci95", "best_lenient_pass@1", "best_lenient_pass@1_ci95"}."""
    found, keys = score(best), ("pass@1", "pass@1_ci95", "lenient_pass@1", "lenient_pass@1_ci95")
    return {"best_setting": str(Setting(best[0]["temperature"], best[0]["top_p"])),
            **{f"best_{key}": found[key] for key in keys}}
