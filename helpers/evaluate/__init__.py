"""Measure a model on problems, score what it wrote, and compare two models fairly.

Rows (one a problem, the lines of `samples_<model>.jsonl`) hold every completion with its verdicts:

    {"id", "question", "answer", "completions": [str], "tokens": [int], "truncated": [bool],
     "strict": [bool], "lenient": [bool],
     "greedy": {"text", "tokens", "truncated", "strict", "lenient"}}

(a Countdown puzzle has "nums" and "target" behind its "answer": `Track.columns`; where the data say
it, "demonstrated" tells whether training had worked solutions of this kind of problem).

`measure` makes rows with a model; `score`, `compare` and the verdicts need only rows, so that
every published number can be computed again from the file. `python -m helpers.evaluate` measures
a saved model.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.config import Course
from helpers.data.problem import Problem
from helpers.prompts import NEXT_EXAMPLE
from helpers.stats import (
    bootstrap_interval,
    majority_vote,
    mcnemar,
    paired_bootstrap,
    paired_interval,
    pass_at_k,
    share_interval,
    wilson_interval,
)
from helpers.track import KINDS, Track, answer_of
from helpers.verify import together

__all__ = [
    "asked", "at_least", "better", "bootstrap_interval", "compare", "load_samples", "majority_vote",
    "mcnemar", "measure", "measure_once", "no_better", "paired_bootstrap", "paired_interval",
    "pass_at_k", "score", "share_interval", "vote", "wilson_interval",
]

MEASURES = KINDS
AT_LEAST = -0.02  # "at least as good": the interval of the difference lies above this
NO_BETTER = 0.03  # "no better": the interval lies within plus or minus this


def measure(
    model,
    tokenizer,
    problems: Sequence[Problem],
    course: Course,
    few_shot_examples: Sequence[Problem] | None = None,
    seed: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """Sample `course.evaluation.n` completions and one greedy one for every problem; return rows.

    With `few_shot_examples` the prompt is plain text with these worked examples, for a base model
    that knows no chat; sampling then stops where the next example would begin. Temperature, top-p,
    length and batch size are the course's, the seed is the course's unless given.
    """
    from helpers import sampling  # torch: not needed to score rows that are already there

    track = Track(course)
    texts, settings = asked(track, tokenizer, problems, few_shot_examples, seed)
    drawn = course.generation.temperature, course.generation.top_p
    samples, greedy = sampling.generate_each(
        model, tokenizer, texts, [drawn, (0.0, 1.0)], n=course.evaluation.n, progress=progress,
        **settings)
    sampled, best = (track.all_verdicts(list(zip(problems, answers, strict=True)))
                     for answers in (samples, greedy))
    return [_row(track, *row) for row in zip(problems, samples, sampled, greedy, best, strict=True)]


def asked(
    track: Track, tokenizer, problems: Sequence[Problem],
    few_shot_examples: Sequence[Problem] | None, seed: int | None = None,
) -> tuple[list[str], dict[str, Any]]:
    """The prompts as texts, and the other arguments of `sampling.generate`: all but how many
    answers, temperature and top-p."""
    course = track.course
    if few_shot_examples is None:
        texts = [track.text(tokenizer, problem) for problem in problems]
    else:
        texts = [track.few_shot(problem, few_shot_examples) for problem in problems]
    return texts, {
        "max_new_tokens": course.evaluation.max_new_tokens or course.lengths.completion,
        "seed": course.seed if seed is None else seed,
        "batch_size": course.generation.batch_size,
        "stop_text": None if few_shot_examples is None else NEXT_EXAMPLE,
    }


def measure_once(path: Path, model, tokenizer, problems: Sequence[Problem], course: Course
                 ) -> list[dict]:
    """The rows saved at `path` if they are of these problems with as many samples; else `measure`.
    Notebooks that start from one model need not all measure it."""
    rows = load_samples(path) if path.is_file() else []
    wanted = [(problem.id, course.evaluation.n) for problem in problems]
    if [(row["id"], len(row["completions"])) for row in rows] == wanted:
        return rows
    return measure(model, tokenizer, problems, course)


def _row(
    track: Track, problem: Problem, completions: Sequence, verdicts: dict, greedy: Sequence,
    best: dict
) -> dict:
    """One row from a problem's sampled completions and its greedy one, with their verdicts."""
    shown = track.demonstrated(problem)
    return {
        "id": problem.id,
        "question": problem.question,
        **track.columns(problem),
        **({} if shown is None else {"demonstrated": shown}),
        "completions": [completion.text for completion in completions],
        "tokens": [completion.tokens for completion in completions],
        "truncated": [completion.truncated for completion in completions],
        **verdicts,
        "greedy": {key: getattr(greedy[0], key) for key in ("text", "tokens", "truncated")}
        | {kind: right[0] for kind, right in best.items()},
    }


def score(rows: Sequence[dict]) -> dict:
    """Return the scoreboard row of a model; every share is between 0 and 1.

    - pass@1, lenient_pass@1: mean over all samples, `_ci95` over problems (`share_interval`)
    - greedy: accuracy at temperature 0; pass@5, pass@8: None with fewer samples; both strict,
      their lenient twins are lenient_greedy and lenient_pass@8
    - maj@8: majority vote of the first 8 samples' answers, found leniently: ties share the credit
    - truncated: share of samples that hit the length limit; distinct: different texts / samples,
      a mean over problems; mean_tokens: tokens a sample; n: problems; samples: a problem
    """
    samples = _samples_a_problem(rows)
    right = np.array([row["strict"] for row in rows]).sum(axis=1)
    lenient = np.array([row["lenient"] for row in rows]).sum(axis=1)

    def passed(count: np.ndarray, k: int) -> float | None:
        return float(pass_at_k(samples, count, k).mean()) if samples >= k else None

    votes = together(vote, [(row,) for row in rows]) if samples >= 8 else None
    return {
        "pass@1": float(right.mean() / samples),
        "pass@1_ci95": list(share_interval(samples, right)),
        "lenient_pass@1": float(lenient.mean() / samples),
        "lenient_pass@1_ci95": list(share_interval(samples, lenient)),
        "greedy": float(np.mean([row["greedy"]["strict"] for row in rows])),
        "lenient_greedy": float(np.mean([row["greedy"]["lenient"] for row in rows])),
        "pass@5": passed(right, 5),
        "pass@8": passed(right, 8),
        "lenient_pass@8": passed(lenient, 8),
        "maj@8": None if votes is None else float(np.mean(votes)),
        "truncated": float(np.mean([row["truncated"] for row in rows])),
        "distinct": float(np.mean([len(set(row["completions"])) / samples for row in rows])),
        "mean_tokens": float(np.mean([row["tokens"] for row in rows])),
        "n": len(rows),
        "samples": samples,
    }


def _samples_a_problem(rows: Sequence[dict]) -> int:
    counts = {len(row["completions"]) for row in rows}
    if len(counts) != 1 or counts == {0}:
        found = ", ".join(map(str, sorted(counts))) or "no rows"
        raise ValueError(f"every problem needs the same number of samples, found: {found}")
    return counts.pop()


def vote(row: dict) -> float:
    """Credit of the majority vote of a row's first 8 answers, found leniently; a tie shares it."""
    return majority_vote([answer_of(row, text) for text in row["completions"][:8]], row["answer"])


def compare(rows_a: Sequence[dict], rows_b: Sequence[dict], measure: str = "strict") -> dict:
    """Return {"difference", "ci95", "greedy_difference", "p"} of a against b, same problems.

    difference: pass@1 of a minus pass@1 of b, with its paired interval over problems;
    greedy_difference: that of the share of right greedy answers; p: exact McNemar test of them.
    `measure` is "strict" or "lenient".
    """
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}; known: {', '.join(MEASURES)}")
    by_id = {row["id"]: row for row in rows_b}
    ids = {row["id"] for row in rows_a}
    if ids != by_id.keys() or not len(ids) == len(rows_a) == len(rows_b):
        raise ValueError("the two models were not measured on the same problems")
    pairs = [(row, by_id[row["id"]]) for row in rows_a]
    a, b = ([np.mean(pair[side][measure]) for pair in pairs] for side in (0, 1))
    difference, low, high = paired_interval(
        a, b, min(_samples_a_problem(rows) for rows in (rows_a, rows_b)))
    greedy = [[pair[side]["greedy"][measure] for pair in pairs] for side in (0, 1)]
    return {"difference": difference, "ci95": [low, high],
            "greedy_difference": float(np.mean(greedy[0]) - np.mean(greedy[1])),
            "p": mcnemar(*greedy)}


def better(rows_a: Sequence[dict], rows_b: Sequence[dict], measure: str = "strict") -> bool:
    """Say whether a > b: the whole 95 % interval of the difference lies above 0."""
    return compare(rows_a, rows_b, measure)["ci95"][0] > 0


def at_least(rows_a: Sequence[dict], rows_b: Sequence[dict], measure: str = "strict") -> bool:
    """Say whether a >= b: the interval of the difference lies above -0.02."""
    return compare(rows_a, rows_b, measure)["ci95"][0] > AT_LEAST


def no_better(rows_a: Sequence[dict], rows_b: Sequence[dict], measure: str = "strict") -> bool:
    """Say whether a is no better than b: the interval of the difference lies within +-0.03."""
    low, high = compare(rows_a, rows_b, measure)["ci95"]
    return -NO_BETTER < low and high < NO_BETTER


def load_samples(path: str | Path) -> list[dict]:
    """Read the rows of a `samples*.jsonl` file."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
