"""Which exercises were passed, and when: one small file each in the run's folder.

`<run>/exercises/02.1.json` is written whole or not at all, and two notebooks at once write two
files, so nothing that was reached is lost. The first time counts.
"""

from datetime import datetime
from pathlib import Path

from helpers.config import Course
from helpers.files import ArtifactError, read_json, write_json


def folder(course: Course) -> Path:
    """Beside the stages of the run."""
    return course.dir("exercises")


def record(course: Course, number: str) -> None:
    """Keep that this exercise was passed now, if it was not before; ArtifactError where no file can
    be written."""
    if number not in passed(course):
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        write_json(folder(course) / f"{number}.json", {"exercise": number, "passed": now})


def passed(course: Course) -> dict[str, str]:
    """{exercise: ISO time of the first pass}, by number; damaged files count as not passed."""
    found = {}
    for path in sorted(folder(course).glob("*.json")):
        try:
            row = read_json(path)
            found[str(row["exercise"])] = str(row["passed"])
        except (ArtifactError, KeyError, TypeError):
            continue
    return found
