"""What was tried, as JSON lines in the run's folder: one line a problem, with all its answers."""

import json
from dataclasses import asdict
from pathlib import Path

from helpers.config import Course
from helpers.data.problem import Problem
from helpers.files import ArtifactError
from helpers.widgets.answered import Answered, Result, Vote
from helpers.widgets.asking import Sample, Settings

NAME = "tried.jsonl"
SHOWN = 20  # of the last tries, in the menu of a new session
TAIL = 4_000_000  # bytes of the file's end that are read for them


def place(course: Course) -> Path:
    """Beside the stages of the run: a finished stage is not touched again."""
    return course.dir() / NAME


def append(path: Path, result: Result) -> None:
    """One more line, written at once; ArtifactError where it cannot be."""
    line = json.dumps(as_row(result), ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:  # at the end, whoever else writes
            if file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n":
                line = "\n" + line  # after a line that a kill cut in half
            file.write(line.encode("utf-8", "replace"))
    except OSError as error:
        raise ArtifactError(f"This try was not saved: cannot write {path}: "
                            f"{error.strerror or error}.") from error


def last(path: Path, number: int = SHOWN) -> list[Result]:
    """The last tries of the file, the oldest first; lines that are no try are passed over."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return []
    found = []
    for line in reversed(lines):
        try:
            found.append(as_result(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # an empty line, one cut in half, one of another program
        if len(found) == number:
            break
    return found[::-1]


def as_row(result: Result) -> dict:
    """A try as it is saved; chances with four digits, for a text is mostly these."""
    row = asdict(result)
    for answers in row["answers"]:
        for sample in answers["samples"]:
            sample["chances"] = [round(chance, 4) for chance in sample["chances"]]
    return row


def as_result(row: dict) -> Result:
    """What `as_row` has made a row of; ValueError, TypeError or KeyError for another one."""
    given = row["problem"]
    problem = Problem(**given | {"nums": tuple(given["nums"])})
    if not isinstance(problem.question, str) or not isinstance(problem.answer, str):
        raise ValueError("no problem")
    answers = []
    for one in row["answers"]:
        voted = one["vote"] and Vote([(a, n) for a, n in one["vote"]["groups"]],
                                     one["vote"]["front"], one["vote"]["credit"])
        answers.append(Answered(**one | {
            "samples": [Sample(**sample) for sample in one["samples"]], "vote": voted}))
    return Result(problem, Settings(**row["settings"]), answers, row["notices"], row["when"])
