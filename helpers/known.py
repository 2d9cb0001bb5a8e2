"""Answers of which it is known what they must be paid: the self-test of the reward for the answer.

They are written as the course's task writes answers, so a recipe whose reward, answer format and
template do not fit together is found in a second, before anything is trained.
"""

from dataclasses import dataclass

from helpers import prompts, rewards
from helpers.config import ConfigError, Course
from helpers.data.problem import Problem
from helpers.rewards.cut import PAY_NO_CUT


@dataclass(frozen=True)
class Known:
    """A case: what the answer's reward paid, and what it should."""

    name: str
    paid: float | None
    expected: float

    @property
    def right(self) -> bool:
        return self.paid == self.expected


def cases(course: Course) -> list[Known]:
    """What the reward that checks the answer pays (before its weight) for known completions;
    ConfigError for a task whose answers are no numbers."""
    if course.answer_format in ("free", "countdown"):
        raise ConfigError(f"task {course.task!r}: its answers are no numbers; a reward can be "
                          f"tested with known ones only where they are")
    name = rewards.answer_reward(course)
    functions, _ = rewards.reward_functions(course)
    reward = next(one for one in functions if one.__name__ == name)

    def paid(said: str, reference: str, cut: bool = False) -> float | None:
        given = Problem("How many pieces are in 6 packs?", "There are 12 in a pack, so there are "
                        "6 * 12 = <<6*12=72>>72 pieces in all.", said, "known", "known")
        text = prompts.worked_text(given, course)
        return reward(completions=[text], answer=[reference], truncated=[cut])[0]

    strict = name in PAY_NO_CUT
    return [
        Known("the right number", paid("72", "72"), 1.0),
        Known("the same number, 72.0", paid("72.0", "72"), 1.0),
        Known("with a comma, 1,450", paid("1,450", "1450"), 1.0),
        Known("a negative one", paid("-3", "-3"), 1.0),
        Known("another number", paid("73", "72"), 0.0),
        Known("its digits in another number", paid("172", "72"), 0.0),
        Known("no text", reward(completions=[""], answer=["72"], truncated=[False])[0], 0.0),
        *([Known("cut off at the limit", paid("72", "72", cut=True), 0.0)] if strict else []),
    ]
