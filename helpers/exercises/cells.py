"""The cells of an exercise, written into a notebook from its definition.

Each has four, known by a tag: `task:02.1` (what to do, with a folded hint), `exercise:02.1` (the
stub, where the student writes), `check:02.1`, and `solution:02.1` (folded, with the result of
running it). `python -m helpers.exercises cells` writes them again after a definition has changed.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.exercises.exercise import Exercise, of
from helpers.files import ArtifactError, atomic_write_text

KINDS = ("task", "exercise", "check", "solution")
STARS = "★★★☆☆☆"


def tagged(cell: dict, kind: str) -> str:
    """The exercise whose cell of this kind it is; "" if it is none."""
    tags = cell.get("metadata", {}).get("tags", [])
    tags = tags if isinstance(tags, list) else []
    return next((str(tag).partition(":")[2] for tag in tags if str(tag).startswith(f"{kind}:")), "")


def task_text(exercise: Exercise) -> str:
    """What is asked, how hard it is, what goes in and comes out, and the hint."""
    place = exercise.number.partition(".")[2]
    stars = STARS[3 - exercise.difficulty : 6 - exercise.difficulty]
    return (
        f"**{place}. {exercise.title}** ({stars}, {exercise.minutes} minutes). "
        f"{exercise.text}\n\n"
        f"`{exercise.call}`: {exercise.shapes}.\n\n"
        f"<details><summary>Hint</summary>\n\n{exercise.hint}\n</details>"
    )


def check_code(exercise: Exercise) -> str:
    """The check, and the function that goes on, the reader's own or the reference, put to use."""
    call = f'{exercise.kept} = exercises.check("{exercise.number}", {exercise.name}, course)'
    if len(call) > 79:
        call = call.replace("(", "(\n    ", 1)
    first, *others = exercise.measured.splitlines()
    opened = first.find(f"{exercise.name}(") + len(exercise.name)
    shorter = len(exercise.name) - len(exercise.kept)
    for place, line in enumerate(others):  # what was aligned with the name's parenthesis
        if len(line) - len(line.lstrip()) > opened >= len(exercise.name):
            others[place] = line[shorter:]
    used = re.sub(rf"\b{exercise.name}\(", f"{exercise.kept}(", "\n".join([first, *others]))
    return f"from helpers import exercises\n\n{call}\n{used}"


def measured(exercise: Exercise) -> Any:
    """The value of the exercise's measured expression, by running its solution: both are the
    course's own text, never a student's or a model's."""
    names: dict[str, Any] = {}
    exec(compile(f"{exercise.given}\n{exercise.solution()}", exercise.number, "exec"), names)
    return eval(exercise.measured, names)


def solution_text(exercise: Exercise) -> str:
    """The folded solution, with what it was measured to give."""
    first, *others = exercise.measured.splitlines()
    asked = "\n".join([f">>> {first}", *(f"... {line}" for line in others)])
    remark = f"{exercise.remark}\n\n" if exercise.remark else ""
    return (
        f"<details><summary>Solution</summary>\n\n```python\n{exercise.solution()}```\n\n"
        f"```python\n{asked}\n{measured(exercise)!r}\n```\n\n{remark}</details>"
    )


def cells_of(exercise: Exercise) -> list[dict]:
    """Its four cells, without outputs."""
    texts = {
        "task": task_text(exercise),
        "exercise": exercise.stub().rstrip("\n"),
        "check": check_code(exercise),
        "solution": solution_text(exercise),
    }
    return [_cell(exercise.number, kind, texts[kind]) for kind in KINDS]


def with_source(cell: dict, text: str) -> dict:
    """The cell with other text; its outputs are kept if the text stays."""
    lines = text.splitlines(keepends=True)
    changed = "".join(cell["source"]) != text
    cell = {**cell, "source": lines}
    return {**cell, "outputs": []} if changed and cell["cell_type"] == "code" else cell


def _cell(number: str, kind: str, text: str) -> dict:
    name = f"{number.replace('.', '-').lower()}-{kind}"
    cell = {
        "cell_type": "code" if kind in ("exercise", "check") else "markdown",
        "id": name,
        "metadata": {"tags": [f"{kind}:{number}"]},
        "source": text.splitlines(keepends=True),
    }
    if cell["cell_type"] == "code":
        cell |= {"execution_count": None, "outputs": []}
    return dict(sorted(cell.items()))


def written(content: dict, exercises: Iterable[Exercise]) -> dict:
    """The notebook's content with the cells of these exercises as they are defined: those that are
    there with new text, others behind the last, or behind the heading *Exercises*."""
    cells = list(content["cells"])
    for exercise in exercises:
        for new in cells_of(exercise):
            [tag] = new["metadata"]["tags"]
            there = [
                place for place, cell in enumerate(cells) if tag in cell["metadata"].get("tags", [])
            ]
            if there:
                cells[there[0]] = with_source(cells[there[0]], "".join(new["source"]))
            else:
                cells.insert(_end(cells) + 1, new)
    return {**content, "cells": cells}


def _end(cells: list[dict]) -> int:
    """The place of the last cell of an exercise, or of the heading of all."""
    ours = [place for place, cell in enumerate(cells) if any(tagged(cell, kind) for kind in KINDS)]
    headings = [
        place
        for place, cell in enumerate(cells)
        if "".join(cell["source"]).startswith("## Exercises")
    ]
    if not ours and not headings:
        raise ArtifactError("no cell begins with '## Exercises': write that heading first")
    return max(ours or headings)


def read(path: Path) -> dict:
    """The notebook's content; ArtifactError in one line if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for cell in content["cells"]:
            "".join(cell["source"]), cell["cell_type"], cell["metadata"].get("tags", [])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ArtifactError(f"{path.name} is no notebook: {said}") from None
    return content


def save(path: Path, content: dict) -> None:
    """As the project keeps its notebooks: one space of indent, the signs as they are."""
    atomic_write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def refresh(path: Path) -> bool:
    """Write the exercises of this notebook anew; whether it changed."""
    before = read(path)
    after = written(before, of(path.stem.partition("_")[0]))
    if after != before:
        save(path, after)
    return after != before
