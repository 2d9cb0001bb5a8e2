"""What a score has cost: answers drawn in training, and tokens written for one problem.

Two ways to a better score may differ in price. A rung that learns from its own answers pays once,
in training; a vote, or the best of k by a judge, pays again for every question.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from helpers.config import Course
from helpers.forecast import problems
from helpers.rungs import RUNGS
from helpers.stats import grouped
from helpers.track import answer_of
from helpers.verify import equal


def answers_drawn(course: Course, model: str) -> int:
    """Answers that a policy wrote so that this model could be trained: 0 for the bases and for
    what imitates given solutions. Those of the pairs are counted for what learns from them (DPO,
    RFT), and where the reward model, which does, takes part in the reward. With dynamic sampling
    an upper bound (`drawn_a_step`)."""
    rung = next((rung for rung in RUNGS if rung.name == model), None)
    if rung is None:
        return 0
    there, settings = problems(course, "train"), getattr(course, model)
    from_pairs = rung.from_pairs or getattr(settings, "reward_model_weight", 0) > 0
    pairs = min(course.pairs.problems or there, there) * course.pairs.num_generations
    own = drawn_a_step(course, model) * settings.max_steps if model in by_reward(course) else 0
    return own + (pairs if from_pairs else 0)


def by_reward(course: Course) -> list[str]:
    """The measured rungs that learn from rewards of answers that they draw while training."""
    return [name for name in course.evaluation.rungs
            if hasattr(getattr(course, name), "prompts_per_step")]


def drawn_a_step(course: Course, model: str) -> int:
    """Answers of one step of a rung that learns from reward; with dynamic sampling at most so many,
    as if all groups were drawn anew each time (a run's own curve has `groups_drawn`)."""
    settings = getattr(course, model)
    times = 1 + getattr(settings, "dynamic_sampling", 0)
    return times * settings.prompts_per_step * getattr(settings, "num_generations", 1)


def learning(curve: pd.DataFrame, a_step: int, key: str) -> pd.DataFrame:
    """What a training run's own answers say while they are drawn: {"drawn", "right"}, one row a
    logged step. curve: as the stage saved it, with "step" and `key`, the share of right answers;
    KeyError if it lacks one; a_step: answers drawn in a step."""
    logged = curve[["step", key]].dropna()
    return pd.DataFrame({"drawn": (a_step * logged["step"]).astype(int).to_numpy(),
                         "right": logged[key].to_numpy(dtype=float)})


def at_equal_answers(learned: dict[str, pd.DataFrame], part: float = 0.25
                     ) -> tuple[int, dict[str, tuple[float, float, float]]]:
    """The runs of `learning` where the shortest of them ended: the answers drawn by then, and for
    each (share right, low, high) over the last `part` of those answers. The 95 % interval is
    Student's over steps, for the answers of a step share their problems; a single step has the
    interval from 0 to 1."""
    budget = min(int(table["drawn"].iloc[-1]) for table in learned.values())
    found = {}
    for name, table in learned.items():
        near = table[(table["drawn"] > (1 - part) * budget) & (table["drawn"] <= budget)]["right"]
        near = near if len(near) else table["right"][:1]
        mean = float(near.mean())
        if len(near) < 2:
            found[name] = (mean, 0.0, 1.0)
            continue
        half = float(stats.t.ppf(0.975, len(near) - 1) * stats.sem(near))
        found[name] = (mean, max(0.0, mean - half), min(1.0, mean + half))
    return budget, found


def tries(most: int) -> list[int]:
    """1, 2, 4, … up to `most`."""
    return [2 ** power for power in range(int(np.log2(most)) + 1)]


def votes(rows: Sequence[dict], ks: Sequence[int]) -> np.ndarray:
    """(P, K) credit of the majority vote among k of a problem's answers, a mean over all ways to
    draw the k (so at most about 10 answers). Answers are found leniently; a tie shares the credit
    (Wang et al. 2022, arXiv:2203.11171)."""
    return np.array([_votes(row, ks) for row in rows])


def _votes(row: dict, ks: Sequence[int]) -> list[float]:
    answers = [answer_of(row, text) for text in row["completions"]]
    groups = grouped([answer for answer in answers if answer is not None])
    right = [any(equal(row["answer"], one) for one in dict.fromkeys(group)) for group in groups]
    of = {one: place for place, group in enumerate(groups) for one in group}
    places = [of.get(answer, -1) if answer is not None else -1 for answer in answers]
    credits = []
    for k in ks:
        total, draws = 0.0, 0
        for draw in combinations(places, k):
            counts = np.bincount([one for one in draw if one >= 0], minlength=len(groups) or 1)
            front = np.flatnonzero(counts == counts.max()) if counts.max() else []
            total += sum(right[one] for one in front) / len(front) if len(front) else 0.0
            draws += 1
        credits.append(total / draws)
    return credits


def tokens_spent(rows: Sequence[dict], ks: ArrayLike) -> np.ndarray:
    """(K,) tokens written for one problem, a mean, if k answers are drawn for it."""
    return np.asarray(ks) * np.mean([np.mean(row["tokens"]) for row in rows])
