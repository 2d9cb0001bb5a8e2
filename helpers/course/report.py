"""The run as web pages: executed notebooks through nbconvert, and `report.html` linking them.

Beside the runner's executed notebooks it takes up those that papermill wrote into
`<run>/notebooks/`, under the notebook's own name or another, and it names stages that were made
without an executed notebook, in Jupyter.
"""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from helpers.artifacts import ArtifactError, atomic_write_text, read_json
from helpers.config import Course
from helpers.course.graph import Notebook
from helpers.course.states import kept, record, state

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .3rem .8rem; text-align: left; }
pre { overflow-x: auto; }
""".strip()
BY_HAND = "made without an executed notebook"


def build(
    course: Course, notebooks: list[Notebook], scores: str = "", others: Sequence[Notebook] = ()
) -> Path:
    """Write `<run>/report.html`; only notebooks executed since the last report are converted.

    others: the notebooks that are no part of this run, each with a line that says why.
    """
    rows = [_row(course, notebook) for notebook in notebooks]
    names = {notebook.name for notebook in notebooks}
    for path in sorted(kept(course, "*").parent.glob("[!.]*.ipynb")):
        if path.stem not in names and not path.name.endswith(".failed.ipynb"):
            found = _papermill(path)
            rows.append((_link(course, path, found["title"]), found["state"], found["minutes"],
                         "by papermill"))
    stages = {stage for notebook in notebooks for stage in notebook.makes}
    for manifest in sorted(course.dir().glob("*/manifest.json")):
        if manifest.parent.name not in stages:
            name = manifest.parent.name
            rows.append((html.escape(name), "", _stage_minutes(course, [name]), BY_HAND))
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    lines = "".join(f"<p>{html.escape(notebook.cannot)}</p>\n" for notebook in others)
    run = html.escape(f"{course.preset} / {course.task} / seed {course.seed}")
    board = f"<h2>Scoreboard</h2>\n<pre>{html.escape(scores)}</pre>\n" if scores else ""
    path = course.dir() / "report.html"
    atomic_write_text(
        path,
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{run}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Run {run}</h1>\n{board}<h2>Notebooks</h2>\n"
        "<table>\n<tr><th>notebook</th><th>state</th><th>minutes</th><th></th></tr>\n"
        f"{body}\n</table>\n{lines}</body>\n</html>\n",
    )
    return path


def _row(course: Course, notebook: Notebook) -> tuple[str, str, str, str]:
    """Link or title, state, minutes, and who executed it if it was not the runner."""
    executed, noted = kept(course, notebook.name), record(course, notebook)
    now, title = state(course, notebook), notebook.title
    minutes = f"{noted['minutes']:.1f}" if "minutes" in noted else ""
    if not executed.exists():
        by_hand = now in ("made", "stale") and not noted
        minutes = _stage_minutes(course, notebook.makes) if by_hand else minutes
        return html.escape(title), now, minutes, BY_HAND if by_hand else ""
    run = kept(course, notebook.name, ".run.json")
    if run.exists() and executed.stat().st_mtime_ns <= run.stat().st_mtime_ns:
        return _link(course, executed, title), now, minutes, ""
    found = _papermill(executed)
    shown = found["state"] if found["state"] != "executed" else now
    return _link(course, executed, title), shown, found["minutes"], "by papermill"


def _stage_minutes(course: Course, stages: Sequence[str]) -> str:
    """What the manifests of these stages say together; empty if one does not."""
    try:
        return f"{sum(read_json(course.dir(s) / 'manifest.json')['minutes'] for s in stages):.1f}"
    except (ArtifactError, KeyError, TypeError):
        return ""


def _papermill(path: Path) -> dict[str, str]:
    """Title, state and minutes of an executed notebook, from its text and papermill's notes."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        notes = content["metadata"].get("papermill", {})
        texts = ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "markdown"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"title": path.stem, "state": "damaged", "minutes": ""}
    headings = [line[2:] for text in texts for line in text.splitlines() if line.startswith("# ")]
    title = f"{headings[0]} ({path.name})" if headings else path.stem
    seconds = notes.get("duration")  # None until the last cell
    ended = "running or stopped" if seconds is None else "executed"
    ended = "failed" if notes.get("exception") else ended
    return {"title": title, "state": ended, "minutes": f"{seconds / 60:.1f}" if seconds else ""}


def _link(course: Course, executed: Path, title: str) -> str:
    """The title, linked to the page of this executed notebook where it can be read."""
    page, title = _page(course, executed), html.escape(title)
    if not page:
        return title
    return f'<a href="{page.parent.name}/{html.escape(page.name)}">{title}</a>'


def _page(course: Course, executed: Path) -> Path | None:
    """The notebook's page, converted if it is older than the executed copy; None where that is
    half-written or no notebook."""
    page = course.dir("report") / f"{executed.stem}.html"
    if not page.exists() or page.stat().st_mtime < executed.stat().st_mtime:
        from nbconvert import HTMLExporter
        from nbformat.reader import NotJSONError
        from nbformat.validator import ValidationError

        try:
            body, _ = HTMLExporter().from_filename(str(executed))
        except (NotJSONError, ValidationError, KeyError, AttributeError):
            return None
        atomic_write_text(page, body)
    return page
