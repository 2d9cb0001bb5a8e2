"""What is asked of a model in *Try a problem*, and what it has written so far."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Protocol

from helpers.data.countdown import question as puzzle_question
from helpers.data.problem import Problem, puzzle_key, question_hash
from helpers.sampling import Completion

LONGEST = 20_000  # characters; more is not even given to a tokenizer
OWN = "typed"  # the source of a problem that was typed
PUZZLE = re.compile(r"^\D*((?:\d+[\s,\]]+){1,8}).*?(\d+)\D*$", re.DOTALL)


class AskError(ValueError):
    """What cannot be asked: one sentence that says why, and what to do."""


@dataclass(frozen=True)
class Settings:
    """How to sample: temperature 0 takes the likeliest token each time, and gives one answer."""

    temperature: float = 1.0
    top_p: float = 1.0
    n: int = 4
    max_new_tokens: int = 104
    seed: int = 0

    @property
    def samples(self) -> int:
        return self.n if self.temperature else 1

    def as_dict(self) -> dict:
        return asdict(self)


@dataclass
class Sample:
    """One answer while it is written, and after.

    `pieces` are its tokens as text, which together are all that was written; `chances` what the
    model gave each of them, at temperature 1 and top-p 1, whatever it was sampled at. `text` is the
    answer that is graded: without the end token, and cut where the next question would begin.
    """

    ids: list[int] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    text: str = ""
    ended: bool = False  # by itself
    full: bool = False  # the length limit came first

    @property
    def done(self) -> bool:
        """Written to its end or to the limit; else it is being written, or was stopped."""
        return self.ended or self.full

    def completion(self) -> Completion:
        return Completion(self.text, len(self.ids), not self.ended, tuple(self.ids))


class Engine(Protocol):
    """Who writes: the course's models, or a fake one of a test."""

    def notices(self, name: str, problem: Problem, settings: Settings) -> list[str]:
        """What a reader should know before this model writes; AskError if it cannot."""

    def __call__(self, name: str, problem: Problem, settings: Settings) -> Iterator[list[Sample]]:
        """The samples after every token; whoever stops asking stops the writing."""


def typed(question: str, answer: str, puzzles: bool) -> Problem:
    """The problem that was typed, "" for no answer; AskError where there is nothing to ask.

    puzzles: the task is Countdown, where numbers and target are the problem and no answer is
    needed: "3, 4, 5 -> 60", or the whole question.
    """
    question, answer = question.strip(), answer.strip()
    if not question:
        raise AskError("There is no problem yet: type one, or draw one.")
    if len(question) > LONGEST or len(answer) > LONGEST:
        raise AskError(f"This has {max(len(question), len(answer)):,} characters, more than the "
                       f"{LONGEST:,} that are read here. Shorten it.")
    if not puzzles:
        return Problem(question, "", answer, OWN, question_hash(question)[:16])
    found = PUZZLE.match(question)
    if not found:
        raise AskError('A puzzle has numbers and a target: write it as "3, 4, 5 -> 60".')
    nums = tuple(int(one) for one in re.findall(r"\d+", found[1]))
    target = int(found[2])
    return Problem(puzzle_question(nums, target), "", str(target), OWN,
                   question_hash(puzzle_key(nums, target))[:16], nums, target)


def judged(problem: Problem) -> bool:
    """Whether there is an answer to compare with."""
    return bool(problem.answer)
