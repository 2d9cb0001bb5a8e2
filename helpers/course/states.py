"""What a run has of each notebook: made, stale, missing or failed, and so what must run.

Beside the executed copy `<run>/notebooks/<name>.ipynb` lies `<name>.run.json`: status ("running",
"made" or "failed"), minutes, peak_memory_gb (resident, kernel and all below it), cells, code
hash, and run_ids {stage: run_id}.
"""

from pathlib import Path

from helpers.artifacts import is_made, opened
from helpers.config import Course
from helpers.course.graph import Notebook, before
from helpers.files import ArtifactError, read_json
from helpers.manifest import older_code


def kept(course: Course, name: str, ending: str = ".ipynb") -> Path:
    """Where the executed notebook, or what belongs to it, is kept."""
    return course.dir("notebooks") / f"{name}{ending}"


def record(course: Course, notebook: Notebook) -> dict:
    """The notebook's run.json; empty if it was never run, or if the file is damaged."""
    try:
        return read_json(kept(course, notebook.name, ".run.json"))
    except ArtifactError:
        return {}


def run_ids(course: Course, notebook: Notebook) -> dict[str, str]:
    return {stage: opened(course, stage).run_id for stage in notebook.makes}


def older(course: Course, notebook: Notebook) -> str:
    """What of the library's code has changed since a stage of the notebook was made; "" if nothing.
    Such a stage is made all the same: it is for the reader to say whether the change matters."""
    found = {stage: older_code(opened(course, stage).info) for stage in notebook.makes}
    named = [f"{stage} {words}" if len(found) > 1 else words for stage, words in found.items()
             if words]
    return "; ".join(named)


def state(course: Course, notebook: Notebook) -> str:
    """made · stale (settings, inputs or code have changed) · missing · failed."""
    noted = record(course, notebook)
    if noted.get("status") == "failed":
        return "failed"
    if not all(is_made(course, stage) for stage in notebook.makes):
        there = any((course.dir(s) / "manifest.json").exists() for s in notebook.makes)
        return "stale" if there else "missing"
    if noted.get("status") == "running":
        return "missing"
    if not noted:  # its stage may have been made by hand, in Jupyter
        return "made" if notebook.makes else "missing"
    by_hand = noted["run_ids"] != run_ids(course, notebook)
    return "made" if by_hand or noted["code"] == notebook.code else "stale"


def plan(course: Course, notebooks: list[Notebook], forced: set[str] = frozenset()) -> list:
    """Those of `notebooks` (in order) that must run: not made, forced, or waiting for one that
    must."""
    todo: list[Notebook] = []
    for notebook in notebooks:
        due = notebook.name in forced or state(course, notebook) != "made"
        if due or before(notebook, todo):
            todo.append(notebook)
    return todo
