"""Notebooks for students without their solutions, and for instructors with them in the stubs."""

import re
from collections.abc import Callable
from pathlib import Path

from helpers.exercises import cells
from helpers.exercises.exercise import find
from helpers.files import ArtifactError, atomic_write_text

FOLDED = re.compile(r"<details>\s*<summary>(?:Solution|Answer)</summary>.*?</details>\n*", re.S)


def without_solutions(content: dict) -> dict:
    """No cell with a solution, no folded one in other text, and checks without stored results."""
    kept = []
    for cell in content["cells"]:
        if cells.tagged(cell, "solution"):
            continue
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            shorter = FOLDED.sub("", text).rstrip("\n") if FOLDED.search(text) else text
            cell = {**cell, "source": shorter.splitlines(keepends=True)}
        elif cells.tagged(cell, "check"):
            cell = {**cell, "outputs": []}
        kept.append(cell)
    return {**content, "cells": kept}


def with_solutions(content: dict) -> dict:
    """The reference in every stub; KeyError for a number that no exercise has."""
    return {
        **content,
        "cells": [
            cells.with_source(cell, find(number).solution().rstrip("\n"))
            if (number := cells.tagged(cell, "exercise"))
            else cell
            for cell in content["cells"]
        ],
    }


def write(source: Path, out: Path, change: Callable[[dict], dict]) -> list[Path]:
    """Every notebook of a folder, changed, into another one, with the pages beside them.

    ArtifactError if there is no notebook, or if `out` is the source or holds anything but notebooks
    of the same names: a folder of somebody's is never written over.
    """
    paths, pages = notebooks_in(source), sorted(source.glob("*.md"))  # that notebooks link to
    names = {path.name for path in [*paths, *pages]}
    if out.resolve() == source.resolve():
        raise ArtifactError(f"{out} holds the notebooks themselves; give another folder: OUT=…")
    if out.exists() and not out.is_dir():
        raise ArtifactError(f"{out} is a file; give a folder: OUT=…")
    others = [path.name for path in out.iterdir() if path.name not in names] if out.exists() else []
    if others:
        raise ArtifactError(f"{out} holds other things ({others[0]}); give an empty folder: OUT=…")
    changed = [(out / path.name, change(cells.read(path))) for path in paths]
    for path, content in changed:
        cells.save(path, content)
    for page in pages:
        atomic_write_text(out / page.name, page.read_text(encoding="utf-8"))
    return [path for path, _ in changed]


def notebooks_in(folder: Path) -> list[Path]:
    """Notebooks that stand in the folder; ArtifactError if it is missing or has none."""
    if not folder.is_dir():
        raise ArtifactError(f"there is no folder {folder}")
    found = sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))
    if not found:
        raise ArtifactError(f"{folder} holds no notebook (*.ipynb)")
    return found
