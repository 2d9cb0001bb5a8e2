"""Reward functions with TRL's signature: lists in, one number (or None) for each completion out.

TRL calls a reward function with `completions` and every data set column as keyword lists; None
leaves that completion out of the training signal. A task names its rewards and their weights in
`rewards:`; `reward_functions` looks them up, and `weighted_sum` adds them up. Every part is logged
under its own name. A completion that was cut at the length limit earns nothing from a reward that
asks for the strict form (`cut`).
"""

import difflib
import math
import random
from collections.abc import Callable, Mapping, Sequence

from helpers.config import ConfigError, Course
from helpers.rewards import answers
from helpers.rewards.answers import (
    answer_accuracy,
    close_answer,
    correct_answer,
    countdown,
    exact_answer,
)
from helpers.rewards.cut import PAY_NO_CUT, were_cut
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
    "Completion", "REWARDS", "Reward", "RewardError", "add_up", "answer_accuracy", "answer_reward",
    "boxed", "check_names", "close_answer", "completion_text", "correct_answer", "countdown",
    "exact_answer", "flaw_of", "formatting", "length_penalty", "output_consistency",
    "random_reward", "reasoning", "reward_functions", "step_words", "weighted_sum",
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
    functions = [_judging(name, REWARDS[name](course), course) for name in course.rewards]
    return functions, list(course.rewards.values())


def flaw_of(course: Course, row: Mapping) -> str | None:
    """Why the course's rewards cannot judge the completions of a row with these columns (its
    reference is broken, or of a kind that a reward does not compare), or None if they can."""
    for needed, flaw in (_FLAWS[name] for name in course.rewards if name in _FLAWS):
        if all(column in row for column in needed) and (
                found := flaw(*(row[column] for column in needed))):
            return found
    return None


def answer_reward(course: Course) -> str:
    """The name of the reward that checks the answer: the task's first one with a reference, else
    its first one."""
    return next((name for name in course.rewards if name in _FLAWS), next(iter(course.rewards)))


def _judging(name: str, reward: Reward, course: Course) -> Reward:
    """`reward` under its `name` (TRL's metrics: rewards/<name>/mean): None for broken rows, 0 for a
    completion that was cut, where the strict form is asked for.

    RewardError where a column of its own is not there, or not with one entry a completion, and
    where it pays something else than one value for each of them.
    """
    own = _FLAWS[name][0] if name in _FLAWS else ()
    references = {column for needed, _ in _FLAWS.values() for column in needed}

    def judge(completions, truncated=None, **columns):
        for column in own:
            found = len(columns[column]) if column in columns else "none"
            if found != len(completions):
                raise RewardError(
                    f"reward {name!r} needs the column {column!r}, one entry for each of "
                    f"{len(completions)} completions, and has {found} (columns: "
                    f"{', '.join(sorted(columns)) or 'none'}). Give every row of the data its "
                    f"{column!r}, or take the reward out of `rewards`.")
        given = sorted(references & columns.keys())
        rows = [dict(zip(given, row, strict=True))
                for row in zip(*(columns[one] for one in given), strict=True)]
        broken = [flaw_of(course, row) is not None for row in rows] or [False] * len(completions)
        paid = reward(completions=completions, **columns)
        if not isinstance(paid, list | tuple) or len(paid) != len(completions):
            raise RewardError(f"reward {name!r} must return a list with one number or None for "
                              f"each of {len(completions)} completions, not {str(paid)[:60]}")
        if name in PAY_NO_CUT:
            cut = were_cut(course, len(completions), truncated, columns.get("completion_ids"))
            paid = [0.0 if gone and value is not None else value
                    for gone, value in zip(cut, paid, strict=True)]
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
