"""Reward functions with TRL's signature: lists in, one number (or None) for each completion out.

TRL calls a reward function with `completions` and every data set column as keyword lists; None
leaves that completion out of the training signal. A course names its rewards and their weights in
`course.rewards`; `reward_functions` looks them up.
"""

import difflib
import random
import warnings
from collections.abc import Callable

from helpers.config import ConfigError, Course
from helpers.verify import grade, number

Completion = str | list[dict[str, str]]  # plain text, or chat messages with role and content
Reward = Callable[..., list[float | None]]


def completion_text(completion: Completion) -> str:
    """Return the text the model wrote: the string itself, or the last message's content."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def exact_answer(
    completions: list[Completion], answer: list[str], *, answer_format: str = "hash", **columns
) -> list[float | None]:
    """Return 1.0 for the right answer in the asked format (strict grading), 0.0 otherwise.

    A reference that is not a number can be matched by nothing: None, with a warning, so that a
    broken row neither rewards nor punishes.
    """
    rewards = []
    for completion, reference in zip(completions, answer, strict=True):
        if number(reference) is None:
            warnings.warn(f"reference answer {reference!r} is not a number: skipped", stacklevel=2)
            rewards.append(None)
        else:
            rewards.append(float(grade(completion_text(completion), reference, answer_format)))
    return rewards


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

    in_course_format.__name__ = "exact_answer"  # TRL's metrics: rewards/exact_answer/mean
    return in_course_format


REWARDS: dict[str, Callable[[Course], Reward]] = {
    "exact_answer": _exact_answer,
    "random_reward": lambda course: random_reward(course.seed),
}


def reward_functions(course: Course) -> tuple[list[Reward], list[float]]:
    """Return the course's reward functions and their weights, in the order of its settings.

    An unknown name is a ConfigError that tells the nearest known one.
    """
    functions = []
    for name in course.rewards:
        if name not in REWARDS:
            near = difflib.get_close_matches(name, REWARDS, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(REWARDS)}"
            raise ConfigError(f"rewards: {name!r} does not exist; {hint}")
        functions.append(REWARDS[name](course))
    return functions, list(course.rewards.values())
