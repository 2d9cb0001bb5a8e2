"""All nine data sets side by side: one code reads them, each by the rules of the task that uses it.

A set on the hub that cannot be reached is left out with its reason; every other error is raised.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from helpers import hub, prompts
from helpers.config import Course
from helpers.data import FAMILIES, DataUnreachable, Records, load, rows_of, where
from helpers.data.conversation import Conversation, Preference
from helpers.data.family import Record
from helpers.data.kinds import answer_type, problem_class
from helpers.data.problem import Problem
from helpers.schema import Data, DatasetSource

TASKS = {  # the task whose limits, prompts and held-out sets apply
    "gsm8k": "gsm8k", "openr1": "openr1", "deepscaler": "deepscaler", "countdown": "countdown",
    "warmstart": "countdown", "smoltalk": "instruct", "ultrafeedback": "instruct",
    "aime24": "deepscaler", "math500": "deepscaler",
}
OF_ONE_TASK = ("dataset", "lengths", "answer_format", "demonstration", "system_prompt", "rewards",
               "replace_rewards", "sets")
EVERYTHING = Data(train=None, validation=None, test=None)
SPLITS = ("train", "validation", "test")
KINDS = {Problem: "problem", Conversation: "conversation", Preference: "pair of answers"}


@dataclass(frozen=True)
class SetView:
    """One data set: its rows as they stand by the hub's splits, its records by the course's."""

    name: str
    course: Course  # of the task that uses it
    rows: Mapping  # the hub's split -> datasets.Dataset
    splits: Mapping[str, Records]

    @property
    def source(self) -> DatasetSource:
        return self.course.source(self.name)

    @property
    def main(self) -> str:
        """The split to look at: train, or the only one there is."""
        return "train" if "train" in self.splits else "test"

    @property
    def records(self) -> Records:
        """The records of the split to look at, in the order of their hashes."""
        return self.splits[self.main]

    @property
    def main_rows(self):
        """The rows those records were made from."""
        return self.rows[FAMILIES[self.name].splits[self.main]]

    @property
    def kind(self) -> str:
        return KINDS[type(self.records[0])]

    @property
    def limits(self) -> tuple[int, int]:
        """Most tokens of a prompt and of an answer."""
        return self.course.lengths.prompt, self.course.lengths.completion


def course_of(course: Course, name: str) -> Course:
    """The configuration in which a set is used: that of its task, on the same preset and seed.

    Overrides go along, but for those that say how the one task is; where this course finds its own
    set (`dataset.path`, `dataset.revision`) stays true for the others.
    """
    if TASKS[name] == course.task:
        return course
    changes = {key: value for key, value in course.overrides.items() if key not in OF_ONE_TASK}
    own, places = course.source(), {"paths": course.sets.paths, "revisions": course.sets.revisions}
    for key, value in (("paths", own.path), ("revisions", own.revision)):
        places[key] = places[key] | ({course.own_set: value} if value else {})
    return Course.load(course.preset, TASKS[name], course.seed, changes | {"sets": places})


def open_set(course: Course, name: str, first: int | None = None) -> SetView:
    """One set with all records of the splits that the course uses, however many `data` asks for;
    `first` as in `data.load`. Raises DataError."""
    family, used = FAMILIES[name], course_of(course, name).model_copy(update={"data": EVERYTHING})
    splits = [split for split in SPLITS if split in family.splits]
    by_source = {family.splits[split]: split for split in reversed(splits)}  # each file once
    rows = {source: rows_of(used, name, by_source[source], first)
            for source in reversed(by_source)}
    return SetView(name, used, rows, {split: load(used, name, split, first=first)
                                      for split in splits})


def open_sets(course: Course, first: int | None = None) -> tuple[dict[str, SetView], dict]:
    """All sets that can be reached, and {name: one line why not} for the others.

    The task's own set is read whole. Once the hub has not answered, it is not waited for again.
    """
    views, skipped = {}, {}
    for name in FAMILIES:
        used = course_of(course, name).source(name)
        on_hub = not used.path and course.world == "hub"
        if skipped and on_hub and not hub.is_offline():
            skipped[name] = f"{used.hub_id}: not asked for, the hub did not answer before."
            continue
        try:
            views[name] = open_set(course, name, None if name == course.own_set else first)
        except DataUnreachable as error:
            # `dataset` is another set here, but this setting reaches every set.
            skipped[name] = str(error).replace("dataset.path", f"sets.paths.{name}")
    return views, skipped


def column_type(feature) -> str:
    """The type of a column in words: "string", "list of bool", "list of {content, role}"."""
    if isinstance(feature, dict):
        return f"{{{', '.join(feature)}}}"
    inner = getattr(feature, "feature", None)
    return feature.dtype if inner is None else f"list of {column_type(inner)}"


def token_lengths(view: SetView, tokenizer, at_most: int = 1000) -> pd.DataFrame:
    """Tokens of prompt and answer (NaN where nothing is there to imitate) of the first records.

    They stand in the order of their hashes, so the first ones are a fair sample.
    """
    records = view.records[:at_most]
    found = prompts.lengths(records, view.course, tokenizer)
    frame = pd.DataFrame(found, columns=["prompt", "answer"], dtype=float)
    frame.loc[[not has_answer(record) for record in records], "answer"] = float("nan")
    return frame


def too_long(lengths: pd.DataFrame, limits: tuple[int, int]) -> int:
    """How many of these records are over a limit."""
    return int(((lengths["prompt"] > limits[0]) | (lengths["answer"] > limits[1])).sum())


def has_answer(record: Record) -> bool:
    """Whether there is something to imitate; a puzzle has only its numbers."""
    return not isinstance(record, Problem) or bool(record.solution)


def asked(record: Record) -> str:
    """What a record asks, as text to compare sets by: problems and one-turn conversations alike."""
    return record.key.removeprefix("user: ")


def overlaps(views: Mapping[str, SetView]) -> pd.DataFrame:
    """Training set x test set -> training records that stand in the test set, after cleaning.

    Compared as the training set compares its own rows.
    """
    tests = {name: [asked(one) for one in view.splits["test"]] for name, view in views.items()}
    table = {}
    for name, view in views.items():
        if "train" in view.splits:
            same = FAMILIES[name].same
            train = {same(asked(record)) for record in view.splits["train"]}
            table[name] = {other: len(train & set(map(same, texts)))
                           for other, texts in tests.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("training set").astype(int)


def short(row: Mapping, width: int = 60) -> str:
    """A row in one line: its plain columns, each cut after `width` characters."""
    plain = {name: value for name, value in row.items() if not isinstance(value, list | dict)}
    return "; ".join(f"{name}: {_cut(repr(value), width)}" for name, value in plain.items())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[:width].rstrip()} …"


def summary(view: SetView, lengths: pd.DataFrame) -> dict:
    """The numbers of one set for metrics.json; `lengths` is what `token_lengths` gave."""
    problems = [one for one in view.records if isinstance(one, Problem)]
    source, report = view.source, view.records.report
    return {
        "kind": view.kind, "task": view.course.task, "hub_id": source.hub_id,
        "config": source.config, "revision": source.revision, "place": where(view.main_rows),
        "columns": view.main_rows.column_names,
        "rows": {split: len(rows) for split, rows in view.rows.items()},
        "records": {split: len(records) for split, records in view.splits.items()},
        "left_out": {split: records.report.reasons for split, records in view.splits.items()},
        "unusable": sum(report.reasons.values()) - report.reasons.get("in another split", 0),
        "duplicates": report["duplicates"],
        "answer_types": dict(Counter(answer_type(one.answer) for one in problems)),
        "classes": dict(Counter(problem_class(view.name, row) for row in view.main_rows)
                        .most_common()),
        "measured": len(lengths), "too_long": too_long(lengths, view.limits),
        "limits": view.limits,
        "tokens": {part: {"median": values.median(), "longest": values.max()}
                   for part in lengths if len(values := lengths[part].dropna())},
    }
