"""What a model's samples are worth: answer found, verdicts, rewards, and their vote."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from helpers import rewards
from helpers.data.problem import Problem
from helpers.evaluate import vote
from helpers.stats import grouped
from helpers.track import KINDS, Track, answer_of
from helpers.widgets.asking import Sample, Settings, judged

VOTERS = 8  # as maj@8 has it: `evaluate.vote` reads so many


@dataclass(frozen=True)
class Vote:
    """groups: [answer, how many], equal answers as one, in order of appearance; front: the most
    frequent ones; credit: 1 if that one is right, a share of it in a tie, None without a reference.
    Samples without an answer do not vote."""

    groups: list[tuple[str, int]]
    front: list[str]
    credit: float | None


@dataclass
class Answered:
    """One model's answers to one problem. Lists have an entry a sample, None where it is not known:
    no reference to compare with, or a sample that was stopped."""

    name: str
    samples: list[Sample]
    found: list[str | None] = field(default_factory=list)
    strict: list[bool | None] = field(default_factory=list)
    lenient: list[bool | None] = field(default_factory=list)
    parts: dict[str, list[float | None]] = field(default_factory=dict)  # of the reward, unweighted
    totals: list[float | None] = field(default_factory=list)
    vote: Vote | None = None
    error: str = ""  # why there is nothing, or no more
    stopped: bool = False

    @property
    def right(self) -> int:
        return sum(one is True for one in self.strict)


@dataclass
class Result:
    """One problem with the answers of all the models that were asked."""

    problem: Problem
    settings: Settings
    answers: list[Answered] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    when: str = ""  # UTC, ISO 8601

    @property
    def stopped(self) -> bool:
        return any(one.stopped for one in self.answers)


def answered(track: Track, problem: Problem, name: str, samples: Sequence[Sample],
             stopped: bool = False, error: str = "") -> Answered:
    """The samples with all that is known of them; only those that are done are graded."""
    done = [sample for sample in samples if sample.done]
    completions = [sample.completion() for sample in done]
    verdicts: dict[str, list] = {kind: [None] * len(done) for kind in KINDS}
    if judged(problem):
        verdicts = dict(track.verdicts(problem, completions))
    if done and rewards.flaw_of(track.course, track.columns(problem)) is None:
        totals, parts = rewards.weighted_sum(
            track.course, **track.reward_inputs(problem, completions))
    else:  # nothing to compare with: no reward can be paid
        totals, parts = [None] * len(done), {part: [None] * len(done)
                                             for part in track.course.rewards}
    places = {id(sample): place for place, sample in enumerate(done)}

    def spread(values: Sequence) -> list:
        """One entry for each sample, None for those that are not done."""
        at = [places.get(id(sample)) for sample in samples]
        return [None if place is None else values[place] for place in at]

    return Answered(
        name, list(samples), spread([track.extract(one.text, "lenient") for one in completions]),
        spread(verdicts["strict"]), spread(verdicts["lenient"]),
        {part: spread(paid) for part, paid in parts.items()}, spread(totals),
        counted(track, problem, [one.text for one in completions]), error, stopped)


def counted(track: Track, problem: Problem, texts: Sequence[str]) -> Vote | None:
    """The vote of the first texts, by the equality of maj@k; None if there is none to count."""
    row = {**track.columns(problem), "completions": list(texts)}
    groups = grouped([one for text in texts[:VOTERS] if (one := answer_of(row, text)) is not None])
    if not groups:
        return None
    most = max(map(len, groups))
    return Vote([(group[0], len(group)) for group in groups],
                [group[0] for group in groups if len(group) == most],
                vote(row) if judged(problem) else None)
