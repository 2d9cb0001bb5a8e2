"""Problems, conversations and preferences, split and counted: `load_problems(course, "train")`.

Splits: "test" is the data set's own. "validation" is the tenth of the training problems whose hash
is a multiple of 10, "train" the others; a set without a test split holds out the next tenth for it
(hashes that leave 1). "sealed" is a second test set that only the tiny world has. A repeated
problem, and a training problem that also stands in the test set or in a set that the task holds
out, is left out of train and validation; `.report` says how many.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping

from helpers.config import Course
from helpers.data import (
    benchmarks,
    countdown,
    deepscaler,
    gsm8k,
    openr1,
    smoltalk,
    ultrafeedback,
)
from helpers.data.conversation import Conversation, Preference
from helpers.data.errors import DataError, DataUnreachable
from helpers.data.family import Family, LeftOut, Record
from helpers.data.lines import read_lines
from helpers.data.problem import Problem, question_hash
from helpers.data.report import Problems, Records, Report
from helpers.data.source import find_file, load_rows, local_folder, where, where_row

__all__ = [
    "FAMILIES", "Conversation", "DataError", "DataUnreachable", "Preference", "Problem", "Problems",
    "Records", "Report", "check_files", "data_hash", "is_validation", "load", "load_demonstrations",
    "load_preferences", "load_problems", "load_rows", "rows_of", "where", "where_row",
]

FAMILIES = {
    "gsm8k": Family(gsm8k.COLUMNS, {"train": "train", "validation": "train", "test": "test",
                                    "sealed": "sealed"},
                    gsm8k.to_problem),
    "openr1": openr1.FAMILY,
    "deepscaler": deepscaler.FAMILY,
    "countdown": countdown.TASKS,
    "warmstart": countdown.WARMSTART,
    "smoltalk": smoltalk.FAMILY,
    "ultrafeedback": ultrafeedback.FAMILY,
    "aime24": benchmarks.AIME24,
    "math500": benchmarks.MATH500,
}


def load_problems(course: Course, split: str, worked: bool = False) -> Records:
    """The task's problems of a split, as many as `course.data` asks for (None = all).

    `split` may also name a set for evaluation only ("aime24", "math500"). With `worked`, problems
    without a solution are left out too. The order is that of the key's sha256, not that of the
    file, so a smaller number is always a prefix of a larger one and no ordering in the file leaks
    in. Raises DataError.
    """
    own = course.own_set
    if split in FAMILIES:
        if not FAMILIES[split].evaluation_only or own not in ("gsm8k", "openr1", "deepscaler"):
            raise DataError(f"split {split!r} does not suit task {course.task!r}: only aime24 and "
                            f"math500 can stand in for the test set, and only of a math task. "
                            f"For another set use data.load(course, {split!r}, 'test').")
        return load(course, split, "test", worked)
    problems = load(course, own, split, worked)
    if problems and not isinstance(problems[0], Problem):
        raise DataError(f"task {course.task!r} has no problems with an answer to check. "
                        f"Use load_demonstrations or load_preferences.")
    return problems


def load_demonstrations(course: Course, split: str) -> Records:
    """What supervised fine-tuning imitates: the conversations that the task names in
    `sets.demonstrations`, or else its own rows (of problems, those with a solution)."""
    return load(course, course.sets.demonstrations or course.own_set, split, worked=True)


def load_preferences(course: Course, split: str) -> Records:
    """The ready-made pairs of answers that the task names in `sets.preferences`."""
    if course.sets.preferences is None:
        raise DataError(f"task {course.task!r} has no ready-made pairs (sets.preferences): "
                        f"sample answers from a policy and pair them, or use task 'instruct'.")
    return load(course, course.sets.preferences, split)


def load(
    course: Course, name: str, split: str, worked: bool = False, first: int | None = None
) -> Records:
    """A split of any of the nine sets in FAMILIES, by name; else as `load_problems`. With `first`
    no more rows of any file are read, nor of the test sets it is compared with."""
    family = _family(name)
    if split not in family.splits:
        only = f"{name} is for evaluation only: " if family.evaluation_only else ""
        raise DataError(f"{only}no split {split!r}. Use one of {', '.join(family.splits)}.")
    records, report = _read(course, name, split, worked, first)
    report |= {"duplicates": 0, "in_test": 0}
    role = split.partition("_")[0]
    shared = [one.partition("_")[0] for one, source in family.splits.items()
              if source == family.splits[split]]
    if "validation" in shared:  # a training split, which others are taken from
        records = _first_of_each(records, report, family)
        if family.splits["test"] != family.splits["train"]:
            records = _without_set(course, name, "in_test", family, records, report, first)
        for other in course.sets.held_out:
            if other != name:
                records = _without_set(course, other, f"in {other}", family, records, report,
                                       first)
        records = [one for one in records if _split_of(one.key, "test" in shared) == role]
    if not records and first is None:
        account = ", ".join(f"{reason}: {count}" for reason, count in report.items()
                            if isinstance(count, int) and count)
        raise DataError(f"{report['place']}: nothing is left for the split {split!r} ({account}). "
                        f"Give it more rows, and other problems than the test set.")
    return _chosen(records, report, getattr(course.data, "test" if role == "sealed" else role))


def rows_of(course: Course, name: str, split: str, first: int | None = None):
    """The rows that a split of a set is made from, as they stand (`datasets.Dataset`)."""
    family = _family(name)
    return load_rows(course, family.splits[split], family.columns, name, split.partition("_")[0],
                     family.more_columns, first)


def check_files(course: Course, name: str) -> None:
    """DataError unless a set's local folder has a file for each of its splits, and that begins with
    a line in the set's columns. No more of it is read."""
    family, folder = _family(name), local_folder(course, name)
    setting = "dataset.path" if name == course.own_set else f"sets.paths.{name}"
    for split in ("train", "test") if folder else ():
        if split in family.splits:
            file = find_file(folder, family.splits[split], split, setting)
            declared = family.columns
            read_lines(file, declared if isinstance(declared, Mapping) else dict.fromkeys(declared),
                       family.more_columns, at_most=1)


def is_validation(key: str) -> bool:
    """Whether a training problem is held out for validation: its sha256 is a multiple of 10."""
    return _split_of(key, test=False) == "validation"


def data_hash(records: Iterable[Problem | Conversation]) -> str:
    """16 hex digits that change when any question, solution, answer or turn, or the order, does."""
    digest = hashlib.sha256()
    for record in records:
        texts = ((record.question, record.solution, record.answer) if isinstance(record, Problem)
                 else [part for turn in record.messages for part in turn.values()])
        for text in texts:
            digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:16]


def _split_of(key: str, test: bool) -> str:
    """The split of a training problem; `test`: whether a tenth of them is the test set."""
    rest = int(question_hash(key), 16) % 10
    return {0: "validation", 1: "test" if test else "train"}.get(rest, "train")


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise DataError(f"no data set {name!r}. Use one of {', '.join(FAMILIES)}; a task whose "
                        f"data have the columns of one says so, e.g. sets: {{own: gsm8k}}.")
    return FAMILIES[name]


def _read(
    course: Course, name: str, split: str, worked: bool = False, first: int | None = None
) -> tuple[list[Record], Report]:
    """The records of a split's file and the account of the rows that gave none."""
    family, rows = _family(name), rows_of(course, name, split, first)
    report, reasons = Report(place=where(rows), rows=len(rows)), {}
    report.examples, records, index = {}, [], -1
    for batch in rows.iter(batch_size=1000):
        for values in zip(*batch.values(), strict=True):
            row, index = dict(zip(batch, values, strict=True)), index + 1
            try:
                record = family.to_record(row, report["place"], split)
                if worked and not _has_solution(record):
                    raise LeftOut("no solution")
                records.append(record)
            except LeftOut as left:
                reasons[str(left)] = reasons.get(str(left), 0) + 1
                report.examples.setdefault(str(left), []).append(row)
                del report.examples[str(left)][3:]
            except DataError as damage:
                raise DataError(f"{where_row(rows, index)}: {damage}") from None
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise DataError(f"{where_row(rows, index)}: not of the kind that {name} has "
                                f"({error}): {str(row)[:80]}. Correct or remove it.") from error
    if not records:
        raise DataError(f"{report['place']}: none of the {len(rows)} rows can be used ("
                        f"{', '.join(f'{count}: {why}' for why, count in reasons.items())}). "
                        f"Correct the rows (data/README.md says what stands in one), or choose the "
                        f"task that fits this data set.")
    report |= reasons
    return records, report


def _without_set(
    course: Course, name: str, reason: str, family: Family, records: list[Record], report: Report,
    first: int | None,
) -> list[Record]:
    """Without the records that the test problems of a set have too, as `family` compares them."""
    other = _family(name)
    tenth = other.splits["test"] == other.splits.get("train")
    split = "test_all" if "test_all" in other.splits else "test"
    held_out = {family.same(one.key) for one in _read(course, name, split, first=first)[0]
                if not tenth or _split_of(one.key, test=True) == "test"}
    return _without(records, report, reason, lambda one: family.same(one.key) not in held_out)


def _without(
    records: list[Record], report: Report, reason: str, keep: Callable[[Record], bool]
) -> list[Record]:
    kept = [record for record in records if keep(record)]
    report[reason] = len(records) - len(kept)
    return kept


def _has_solution(record: Record) -> bool:
    return not isinstance(record, Problem) or bool(record.solution)


def _first_of_each(records: list[Record], report: Report, family: Family) -> list[Record]:
    """Every problem once, as its first row has it."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(family.same(record.key), record)
    report["duplicates"] = len(records) - len(first)
    return list(first.values())


def _chosen(records: list[Record], report: Report, wanted: int | None) -> Records:
    """The first `wanted` in the order of their hashes, with the account closed."""
    chosen = Records(sorted(records, key=lambda record: question_hash(record.key))[:wanted])
    chosen.report = report
    chosen.report |= {"available": len(records), "used": len(chosen)}
    if missing := sum(not _has_solution(record) for record in chosen):
        chosen.report["without_solution"] = missing
    return chosen
