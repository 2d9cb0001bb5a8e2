"""*Be the grader*: label answers right or wrong, then see with whom you agree, and where not.

    be_the_grader(course)              # on recorded answers
    be_the_grader(course, completions) # on `Ungraded`s of one's own, e.g. `of_audit(labelled)`
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets

from helpers.audit import Labelled
from helpers.config import Course
from helpers.track import KINDS, Track
from helpers.widgets import marks
from helpers.widgets.panel import Panel, row
from helpers.widgets.recorded import samples

WORDS = "answers to label right or wrong, and with whom you agree"
SIZE = 8  # answers to label


@dataclass(frozen=True)
class Ungraded:
    """A completion with its reference. strict, lenient: the course's verdicts; published: a label
    that came with the record, by no grader of ours, None where it has none."""

    question: str
    answer: str
    text: str
    strict: bool
    lenient: bool
    published: bool | None = None
    truncated: bool = False


def of_samples(rows: Sequence[dict], size: int = SIZE, seed: int = 0) -> list[Ungraded]:
    """Answers out of rows of samples: first some of those that only the lenient grading calls
    right, then right and wrong ones by turns, one a problem, shuffled."""
    rng = random.Random(seed)
    kinds: dict[str, list[Ungraded]] = {"form": [], "right": [], "wrong": []}
    for one in rng.sample(list(rows), len(rows)):
        at = rng.randrange(len(one["completions"]))
        found = Ungraded(one["question"], str(one["answer"]), one["completions"][at],
                         one["strict"][at], one["lenient"][at], None, one["truncated"][at])
        kinds["right" if found.strict else "form" if found.lenient else "wrong"].append(found)
    kept = kinds["form"][:max(1, size // 4)]
    while len(kept) < size and (kinds["right"] or kinds["wrong"]):
        for name in ("wrong", "right"):
            if kinds[name] and len(kept) < size:
                kept.append(kinds[name].pop())
    rng.shuffle(kept)
    return kept


def of_audit(labelled: Sequence[Labelled], track: Track, size: int = SIZE, seed: int = 0
             ) -> list[Ungraded]:
    """Labelled completions of an audit, drawn by the seed; their label is the published one."""
    drawn = random.Random(seed).sample(list(labelled), min(size, len(labelled)))
    found = []
    for one in drawn:
        strict, lenient = (track.grade({"answer": one.answer}, one.text, kind) for kind in KINDS)
        found.append(Ungraded("", one.answer, one.text, strict, lenient, one.right))
    return found


def agreement(labels: Sequence[bool | None], others: Sequence[bool | None]) -> tuple[int, int]:
    """(how many agree, of how many that both have a label for)."""
    both = [(a, b) for a, b in zip(labels, others, strict=True) if a is not None and b is not None]
    return sum(a == b for a, b in both), len(both)


def reason(track: Track, one: Ungraded) -> str:
    """Why the gradings say what they say of a completion, in a sentence."""
    found = track.extract(one.text, "lenient")
    if one.truncated:
        return "it was cut off at the length limit, so strictly it has no answer"
    if found is None:
        return "no answer was found in it, even leniently"
    same = "equals" if one.lenient else "is not"
    told = f"the answer found is “{found}”, which {same} “{one.answer}”"
    if one.lenient and not one.strict:
        told += "; but it is not stated once, in the asked form, at the end"
    return told


def result(track: Track, asked: Sequence[Ungraded], labels: Sequence[bool | None]) -> str:
    """Agreement with each grading, and below it what you disagree about, with the reason."""
    columns: dict[str, list[bool | None]] = {
        "strict grading": [one.strict for one in asked],
        "lenient grading": [one.lenient for one in asked],
        "label of the record": [one.published for one in asked]}
    rows, differ = [], []
    for name, theirs in columns.items():
        agree, of = agreement(labels, theirs)
        if of:
            rows.append([name, f"{agree} of {of}"])
    for place, (one, label) in enumerate(zip(asked, labels, strict=True), start=1):
        against = [f"{name}: {marks.verdict(said)}" for name, values in columns.items()
                   if None not in (said := values[place - 1], label) and said != label]
        if against:
            differ.append([marks.text_of(one.text) + marks.note(
                f"{place}. You: {marks.verdict(label)}; {', '.join(against)}. Why: "
                f"{reason(track, one)}.")])
    lists = marks.table(["where you disagree, and why"], differ) if differ else marks.note(
        "You disagree with none of them.")
    return marks.table(["you agree with the", "answers"], rows) + "<br>" + lists


def folded(track: Track, asked: Sequence[Ungraded]) -> str:
    """For a page without Python: every answer to be judged, its verdicts to unfold below it."""
    parts = []
    for place, one in enumerate(asked, start=1):
        known = "" if one.published is None else f", label {marks.verdict(one.published)}"
        told = (f"strict {marks.verdict(one.strict)}, lenient {marks.verdict(one.lenient)}{known}: "
                f"{reason(track, one)}.")
        parts.append(f"<div style='margin:.7em 0'>{marks.note(f'{place}. {one.question}')}"
                     f"{marks.note(f'answer: {one.answer}')}{marks.text_of(one.text)}"
                     f"<details><summary>right or wrong?</summary>{marks.note(told)}</details>"
                     f"</div>")
    return "".join(parts)


class Grader(Panel):
    """The widget over these completions. `labels`: one each, None as long as there is none."""

    def __init__(self, track: Track, asked: Sequence[Ungraded], note: str = ""):
        if not asked:
            raise ValueError("there is no answer to label")
        self.track, self.asked = track, list(asked)
        self.labels: list[bool | None] = [None] * len(self.asked)
        self.place, self.told = 0, False
        self.right, self.wrong, self.back, self.tell = (
            ipywidgets.Button(description=name) for name in
            ("Right", "Wrong", "Back", "Compare"))
        super().__init__([row([self.right, self.wrong, self.back, self.tell])], self._page,
                         WORDS, note)
        for button, does in ((self.right, lambda: self.label(True)),
                             (self.wrong, lambda: self.label(False)),
                             (self.back, self.go_back), (self.tell, self.compare)):
            button.on_click(lambda _, does=does: does())

    def label(self, right: bool) -> None:
        """Label the answer that is shown, and go on to the next one without a label."""
        self.labels[self.place] = right
        waiting = [at for at, label in enumerate(self.labels) if label is None]
        self.place = next((at for at in waiting if at > self.place), (waiting or [self.place])[0])
        self.told = not waiting
        self.refresh()

    def go_back(self) -> None:
        """The answer before, to label it anew."""
        self.place, self.told = max(0, self.place - (not self.told)), False
        self.refresh()

    def compare(self) -> None:
        """Show the verdicts, also before all are labelled."""
        self.told = True
        self.refresh()

    def still(self, html: str) -> str:
        """Where nothing can be pressed, the verdicts unfold; labels that were given stay."""
        given = any(label is not None for label in self.labels)
        return html if self.told and given else folded(self.track, self.asked)

    def _page(self) -> str:
        done = sum(label is not None for label in self.labels)
        if self.told and not done:
            self.told = False
            raise ValueError("Label an answer first: right or wrong?")
        if self.told:
            return marks.note(f"{done} of {len(self.asked)} labelled.", "status") + result(
                self.track, self.asked, self.labels)
        one, label = self.asked[self.place], self.labels[self.place]
        state = f"; your label: {marks.verdict(label)}" if label is not None else ""
        return (marks.note(f"Answer {self.place + 1} of {len(self.asked)}, {done} labelled{state}.",
                           "status") + marks.note(one.question)
                + marks.note(f"The right answer: {one.answer}")
                + marks.text_of(one.text, "border:1px solid #767676;padding:6px;margin:6px 0"))


def be_the_grader(course: Course, asked: Sequence[Ungraded] | None = None) -> Grader:
    """Show the widget on these completions, or on some that a model of this run wrote."""
    if asked is None:
        record = samples(course)
        course, asked, note = record.course, of_samples(record.rows, seed=course.seed), record.note
    else:
        note = ""
    grader = Grader(Track(course), asked, note)
    grader.show()
    return grader
