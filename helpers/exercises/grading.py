"""Grades submitted notebooks: each submission in a process of its own, under a time limit.

Only the cells of exercises run, and a broken submission stops nobody.

A submission is a notebook or a folder of notebooks, named as the file or folder is. The process is
no sandbox: it runs what students wrote with the rights of whoever grades. Grade where there is
nothing to lose.
"""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers.config import ROOT
from helpers.exercises.exercise import everything, of
from helpers.exercises.stubs import Stub, stubs_of
from helpers.files import ArtifactError, atomic_write_text

SECONDS = 120.0  # of one submission, the loading of libraries included
COLUMNS = ("submission", "notebook", "exercise", "result", "message")


@dataclass(frozen=True)
class Row:
    """One line of the table. result: passed, wrong, untouched, error, late, missing or broken."""

    submission: str
    notebook: str
    exercise: str
    result: str
    message: str


def submissions(folder: Path) -> dict[str, list[Path]]:
    """{name: its notebooks} of a folder of submissions.

    ArtifactError if the folder is missing, has no notebook, or has two submissions of one name.
    """
    if not folder.is_dir():
        raise ArtifactError(f"there is no folder {folder}")
    found: dict[str, list[Path]] = {}
    names: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            notebooks = sorted(
                one
                for one in path.rglob("*.ipynb")
                if not any(part.startswith(".") for part in one.relative_to(path).parts)
            )
        else:
            notebooks = [path] if path.suffix == ".ipynb" else []
        if not notebooks:
            continue
        name = path.name if path.is_dir() else path.stem
        if name.casefold() in names:
            raise ArtifactError(
                f"two submissions are named {name!r}: "
                f"{names[name.casefold()]} and {path.name}; rename one"
            )
        names[name.casefold()] = path.name
        found[name] = notebooks
    if not found:
        raise ArtifactError(f"{folder} holds no notebook (*.ipynb), and no folder with one")
    return found


def grade(name: str, paths: list[Path], seconds: float = SECONDS) -> list[Row]:
    """The rows of one submission, by exercise; whatever is wrong with it is said in a row."""
    rows, stubs = [], []
    for path in paths:
        try:
            found = stubs_of(path)
        except ArtifactError as error:
            rows.append(Row(name, path.name, "", "broken", str(error)))
            continue
        if not found:
            rows.append(Row(name, path.name, "", "missing", "no cell of an exercise in it"))
        stubs += found
    known = {one.number: one for one in everything()}
    places: dict[str, list[Stub]] = {}
    for stub in stubs:
        places.setdefault(stub.exercise, []).append(stub)
    single = []
    for number, there in places.items():
        if number not in known:
            rows.append(Row(name, there[0].notebook, number, "broken", "there is no such exercise"))
        elif len(there) > 1:
            files = " and ".join(stub.notebook for stub in there)
            rows.append(
                Row(
                    name, there[0].notebook, number, "broken", f"in more than one notebook: {files}"
                )
            )
        else:
            single.append(there[0])
    for notebook in {number.partition(".")[0] for number in places}:
        rows += [
            Row(name, "", one.number, "missing", "its cell is not there")
            for one in of(notebook)
            if one.number not in places
        ]
    results = _run(single, seconds)
    for stub in single:
        result, message = results.get(stub.exercise, ("error", "not reached"))
        rows.append(Row(name, stub.notebook, stub.exercise, result, message))
    return sorted(rows, key=lambda row: (row.exercise, row.notebook))


def _run(stubs: list[Stub], seconds: float) -> dict[str, tuple[str, str]]:
    """{exercise: (result, message)}, all within `seconds`. A stub that ends the process costs no
    other its result: the ones behind it are run in another process."""
    found: dict[str, tuple[str, str]] = {}
    until = time.monotonic() + seconds
    while left := [stub for stub in stubs if stub.exercise not in found]:
        answers, ended = _process(left, max(0.0, until - time.monotonic()))
        found |= answers
        behind = [stub.exercise for stub in left if stub.exercise not in answers]
        if behind and ended:
            found[behind[0]] = ("error", "the process ended before it: does the code end Python?")
        elif behind:
            why = f"not done when the submission's {seconds:g} seconds were over"
            found |= {number: ("late", why) for number in behind}
    return found


def _process(stubs: list[Stub], seconds: float) -> tuple[dict[str, tuple[str, str]], bool]:
    """What a process says of stubs until it is done or its time is up, and whether it ended by
    itself. It stands in an empty folder of its own: relative paths in a stub lead nowhere else."""
    with tempfile.TemporaryDirectory() as place:
        job, answer, here = (Path(place) / name for name in ("job.json", "answer.jsonl", "here"))
        here.mkdir()
        job.write_text(json.dumps([asdict(stub) for stub in stubs]), encoding="utf-8")
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        ended = True
        try:
            subprocess.run(
                [sys.executable, "-m", "helpers.exercises.worker", str(job), str(answer)],
                cwd=here,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                timeout=seconds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            ended = False
        text = answer.read_text(encoding="utf-8", errors="replace") if answer.exists() else ""
    found = {}
    for row in text.splitlines():
        try:
            one = json.loads(row)
            found[one["exercise"]] = (one["result"], one["message"])
        except (ValueError, KeyError, TypeError):  # a line that was cut by the end
            continue
    return found, ended


def table(rows: Iterable[Row]) -> str:
    """Rows as CSV. Text that a spreadsheet would take for a formula begins with an apostrophe; a
    sign that UTF-8 lacks, as in a name of other bytes, is a question mark."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_plain(getattr(row, column)) for column in COLUMNS])
    return text.getvalue()


def _plain(text: str) -> str:
    line = " ".join(_encodable(text).split())
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def grade_folder(folder: Path, out: Path, seconds: float = SECONDS) -> list[Row]:
    """Grade all submissions of a folder, and write the table after each of them."""
    rows: list[Row] = []
    for name, paths in submissions(folder).items():
        rows += grade(name, paths, seconds)
        atomic_write_text(out, table(rows))
        mine = [row for row in rows if row.submission == name]
        print(
            f"{_encodable(name)}: {sum(row.result == 'passed' for row in mine)} of "
            f"{len([row for row in mine if row.exercise])} passed",
            flush=True,
        )
    return rows
