"""A task is one object: what is asked, what is imitated, what rewards receive, and what is right.

    track = Track(Course.load(preset, "countdown"))
    problem = track.problems("validation")[0]
    track.prompt(problem), track.columns(problem), track.grade(problem, text, "strict")

Everything that samples, trains or measures goes through it, so a new task is a file in `tasks/`
and, where its data set is new, a family in `data/`: no line here. Where a problem is asked for, its
columns will do (a row of `samples.jsonl`, a row of a trainer's data set), for verdicts need no
more. A problem with numbers and a target is a puzzle: its answer is an expression, of which many
are right.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from helpers import data, prompts, rewards
from helpers.config import Course
from helpers.data.conversation import Conversation
from helpers.data.countdown import puzzle
from helpers.data.family import Record
from helpers.data.problem import Problem
from helpers.data.report import Records
from helpers.data.tinyworld.rules import rules
from helpers.verify import (
    GRADINGS,
    extract,
    extract_expression,
    grade,
    grade_countdown,
    normalise,
    together,
    value_of,
)

KINDS = GRADINGS  # of a verdict: "strict" (the asked format too) and "lenient"


class TrackError(ValueError):
    """What this task does not have: which task, what, and what to use instead."""


@dataclass(frozen=True)
class Track:
    """The task of a course, with its answer format and its rewards."""

    course: Course

    # What is asked

    def problems(self, split: str) -> Records:
        """The problems of a split (`data.load_problems`)."""
        return data.load_problems(self.course, split)

    def prompt(self, record: Record) -> list[dict[str, str]]:
        """The chat turns before the answer, as TRL's trainers take them."""
        return prompts.messages(record, self.course)

    def text(self, tokenizer, record: Record) -> str:
        """The same as the model reads it, up to where its answer begins."""
        return prompts.chat_text(tokenizer, self.prompt(record))

    def few_shot(self, problem: Problem, shots: Sequence[Problem | Conversation]) -> str:
        """Plain text with worked examples (of `demonstrations`), for a base model."""
        return prompts.few_shot_text(problem, shots, self.course)

    # What is imitated

    def demonstrations(self, split: str) -> Records:
        """The records that supervised tuning imitates: each has a prompt and a worked answer. Those
        without one are left out and counted in `.report`."""
        return data.load_demonstrations(self.course, split)

    def demonstration(self, record: Problem | Conversation) -> str:
        """The worked answer, never the bare target: ValueError for a problem without a solution."""
        return prompts.demonstration(record, self.course)

    def example(self, record: Problem | Conversation) -> dict[str, list[dict[str, str]]]:
        """One row for TRL's SFTTrainer: `prompt` and `completion` as lists of messages."""
        return prompts.sft_example(record, self.course)

    def problem_of(self, record: Problem | Conversation) -> Problem:
        """The problem that a demonstration solves."""
        return record if isinstance(record, Problem) else puzzle(record)

    def demonstrated(self, problem: Problem) -> bool | None:
        """Whether worked solutions of this kind of problem stand in the training data. Only the
        tiny world is made so that some kinds have none (`data.tinyworld.rules`) and says which;
        None for all others, and for a set of one's own."""
        course = self.course
        shown = course.own_set in ("gsm8k", "deepscaler", "countdown")
        if course.world != "tiny" or course.dataset.path is not None or not shown:
            return None
        return not rules(problem.question, problem.nums)

    # What rewards receive

    def columns(self, problem: Problem | Mapping) -> dict:
        """The columns of a data set that reward functions read: `answer`, of a puzzle also `nums`
        and `target`. All of them can be written as JSON."""
        if isinstance(problem, Mapping):
            return {key: problem[key] for key in ("answer", "nums", "target") if key in problem}
        if not isinstance(problem, Problem):
            raise TrackError(f"task {self.course.task!r} has no answers to check; choose another "
                             f"task, or learn from its demonstrations and preferences")
        puzzle_columns = {"nums": list(problem.nums), "target": problem.target}
        return {"answer": problem.answer} | (puzzle_columns if problem.nums else {})

    def row(self, tokenizer, problem: Problem) -> dict:
        """One row for our PPOTrainer: the prompt as text, and the columns."""
        return {"prompt": self.text(tokenizer, problem), **self.columns(problem)}

    def reward_inputs(self, problem: Problem, completions: Sequence) -> dict[str, list]:
        """All that reward functions take for several `sampling.Completion`s of one problem."""
        repeated = {key: [value] * len(completions) for key, value in self.columns(problem).items()}
        return {"completions": [one.text for one in completions], **repeated,
                "completion_ids": [list(one.ids) for one in completions],
                "truncated": [one.truncated for one in completions]}

    def judged(self, problems: Sequence[Problem]) -> tuple[list[Problem], int]:
        """The problems whose reference the task's rewards can judge, and how many they cannot."""
        kept = [one for one in problems
                if rewards.flaw_of(self.course, self.columns(one)) is None]
        return kept, len(problems) - len(kept)

    # What is right

    def extract(self, text: str, kind: str = "strict") -> str | None:
        """The answer as it is written in a completion, or None."""
        if self.course.answer_format == "countdown":
            return extract_expression(text, kind)
        return extract(text, self.course.answer_format, kind)

    def grade(
        self, problem: Problem | Mapping, text: str, kind: str = "strict", truncated: bool = False
    ) -> bool:
        """Whether the completion is right. One that was cut at the length limit never is strictly:
        `#### 36` may have been cut to `#### 3`, and a model that did not stop has not answered."""
        if truncated and kind == "strict":
            return False
        given = self.columns(problem)
        if "nums" in given:
            return grade_countdown(text, given["nums"], given["target"], kind)
        return grade(text, given["answer"], self.course.answer_format, kind)

    def verdicts(self, problem: Problem | Mapping, completions: Sequence) -> dict[str, list[bool]]:
        """{"strict", "lenient"}: a verdict for each of several `sampling.Completion`s."""
        return self.all_verdicts([(problem, completions)])[0]

    def all_verdicts(
        self, answered: Sequence[tuple[Problem | Mapping, Sequence]]
    ) -> list[dict[str, list[bool]]]:
        """`verdicts` of each (problem, its completions); all are graded at once."""
        asked = [(problem, one.text, kind, one.truncated)
                 for problem, completions in answered for kind in KINDS for one in completions]
        found = iter(together(self.grade, asked))
        return [{kind: list(islice(found, len(completions))) for kind in KINDS}
                for _, completions in answered]

    def steps(self, problem: Problem) -> int:
        """Calculations that the reference takes, 1 at least: of a puzzle one fewer than numbers,
        else the annotations `<<…>>` of its solution, or its equals signs if it has none."""
        if problem.nums:
            return max(1, len(problem.nums) - 1)
        notes = problem.solution.count("<<")
        return max(1, notes or len(re.findall(r"=", problem.solution)))


def answer_of(row: Mapping, text: str) -> str | None:
    """One spelling for equal answers to the problem of a row, found leniently: for votes, and to
    count how many are different. Of a puzzle the value of its expression; None without an answer.
    """
    if "nums" in row:
        value: Fraction | None = value_of(text, row["nums"], row["target"])
        return None if value is None else str(value)
    return normalise(extract(text, grading="lenient"))
