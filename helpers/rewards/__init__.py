"""Reward functions with TRL's signature: lists in, one number (or None) for each completion out.

TRL calls a reward function with `completions` and every data set column as keyword lists; None
leaves that completion out of the training signal. A task names its rewards and their weights in
`rewards:`; `reward_functions` looks them up, and `weighted_sum` adds them up. Every part is logged
under its own name.
"""

import difflib
import math
import random
from collections.abc import Callable, Sequence

from helpers.config import ConfigError, Course
from helpers.rewards import answers
from helpers.rewards.answers import (
    answer_accuracy,
    close_answer,
    correct_answer,
    countdown,
    exact_answer,
)
from helpers.rewards.style import (
    boxed,
    formatting,
    length_penalty,
    output_consistency,
    reasoning,
    step_words,
)
from helpers.rewards.text import Completion, Reward, completion_text

__all__ = [
    "Completion", "REWARDS", "Reward", "RewardError", "add_up", "answer_accuracy", "boxed",
    "check_names", "close_answer", "completion_text", "correct_answer", "countdown",
    "exact_answer", "formatting", "length_penalty", "output_consistency", "random_reward",
    "reasoning", "reward_functions", "step_words", "weighted_sum",
]  # fmt: skip


def random_reward(seed: int = 0) -> Reward:
    """Return a control that must not teach anything: a fair coin, whatever the completion says.

    In training every step has a coin of its own, so a resumed run throws what it would have thrown.
    """
    coin = random.Random(seed)

    def random_reward(
        completions: list[Completion], trainer_state=None, **columns
    ) -> list[float | None]:
        toss = random.Random(f"{seed}-{trainer_state.global_step}") if trainer_state else coin
        return [float(toss.random() < 0.5) for _ in completions]

    return random_reward


def _exact_answer(course: Course) -> Reward:
    def in_course_format(completions, answer, **columns):
        columns.pop("answer_format", None)  # the course decides, not a data set column
        return exact_answer(completions, answer, answer_format=course.answer_format, **columns)

    return in_course_format


def _length_penalty(course: Course) -> Reward:
    limit = course.lengths.completion

    def in_course_length(completions, completion_ids=None, **columns):
        return length_penalty(completions, completion_ids, limit=limit, buffer=max(1, limit // 4))

    return in_course_length


REWARDS: dict[str, Callable[[Course], Reward]] = {
    "exact_answer": _exact_answer,
    "correct_answer": lambda course: correct_answer,
    "answer_accuracy": lambda course: answer_accuracy,
    "close_answer": lambda course: close_answer,
    "countdown": lambda course: countdown,
    "boxed": lambda course: boxed,
    "step_words": lambda course: step_words,
    "length_penalty": _length_penalty,
    "formatting": lambda course: formatting,
    "reasoning": lambda course: reasoning,
    "output_consistency": lambda course: output_consistency,
    "random_reward": lambda course: random_reward(course.seed),
}
# What must be in order in a row before any reward of the course is paid for it.
_FLAWS: dict[str, tuple[tuple[str, ...], Callable]] = {
    "exact_answer": (("answer",), answers.number_flaw),
    "correct_answer": (("answer",), answers.answer_flaw),
    "answer_accuracy": (("answer",), answers.answer_flaw),
    "close_answer": (("answer",), answers.quantity_flaw),
    "countdown": (("nums", "target"), lambda *problem: answers.countdown_flaw(problem)),
}


def check_names(course: Course) -> None:
    """ConfigError, which tells the nearest known name, if the course names a reward that there is
    not; so that it can be said before anything runs."""
    for name in course.rewards:
        if name not in REWARDS:
            near = difflib.get_close_matches(name, REWARDS, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(REWARDS)}"
            raise ConfigError(f"rewards: {name!r} does not exist; {hint}")


def reward_functions(course: Course) -> tuple[list[Reward], list[float]]:
    """Return the course's reward functions and their weights, in the order of its settings.

    Where one of them cannot judge a row, because its reference is broken, all of them return None:
    else such a row would be paid for its looks alone. An unknown name is a ConfigError.
    """
    check_names(course)
    flaws = [_FLAWS[name] for name in course.rewards if name in _FLAWS]
    functions = [_judging(name, REWARDS[name](course), _FLAWS[name][0] if name in _FLAWS else (),
                          flaws) for name in course.rewards]
    return functions, list(course.rewards.values())


def _judging(
    name: str, reward: Reward, own: tuple[str, ...],
    flaws: list[tuple[tuple[str, ...], Callable]],
) -> Reward:
    """`reward` under its `name` (TRL's metrics: rewards/<name>/mean), None for broken rows.

    RewardError where a column of its `own` is not there, or not with one entry a completion.
    """

    def judge(completions, **columns):
        for column in own:
            found = len(columns[column]) if column in columns else "no"
            if found != len(completions):
                raise RewardError(
                    f"reward {name!r} needs the column {column!r}, one entry for each of "
                    f"{len(completions)} completions, and has {found} (columns: "
                    f"{', '.join(sorted(columns)) or 'none'}). Give every row of the data its "
                    f"{column!r}, or take the reward out of `rewards`.")
        broken = [False] * len(completions)
        for needed, flaw in flaws:
            if all(column in columns for column in needed):
                rows = zip(*(columns[column] for column in needed), strict=True)
                broken = [was or flaw(*row) is not None
                          for was, row in zip(broken, rows, strict=True)]
        paid = reward(completions=completions, **columns)
        return [None if bad else value for bad, value in zip(broken, paid, strict=True)]

    judge.__name__ = name
    return judge


class RewardError(RuntimeError):
    """A reward that is no number, or lacks its column: which one, and of which completion."""


def weighted_sum(
    course: Course, completions: list[Completion], **columns
) -> tuple[list[float | None], dict[str, list[float | None]]]:
    """What `add_up` says by the functions and weights of the course's settings."""
    return add_up(*reward_functions(course), completions, **columns)


def add_up(
    functions: Sequence[Reward], weights: Sequence[float], completions: list[Completion], **columns
) -> tuple[list[float | None], dict[str, list[float | None]]]:
    """Return (total of each completion, parts by name before weighting); None for a broken row.

    What TRL's trainers do, for a trainer or a table of our own. A reward may be None, which leaves
    the completion out; NaN or infinity is a RewardError.
    """
    parts = {one.__name__: one(completions=completions, **columns) for one in functions}
    for name, paid in parts.items():
        for place, value in enumerate(paid):
            if value is not None and not math.isfinite(value):
                raise RewardError(f"reward {name} is {value} for completion {place}; it must be "
                                  f"a finite number, or None to leave it out")
    totals = [
        None if None in row else sum(w * value for w, value in zip(weights, row, strict=True))
        for row in zip(*parts.values(), strict=True)
    ] if parts else [0.0] * len(completions)
    return totals, parts
