"""The run as web pages: executed notebooks through nbconvert, and `report.html` linking them."""

import html
from pathlib import Path

from helpers.artifacts import atomic_write_text
from helpers.config import Course
from helpers.course.graph import Notebook
from helpers.course.states import kept, record, state

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .3rem .8rem; text-align: left; }
pre { overflow-x: auto; }
""".strip()


def build(course: Course, notebooks: list[Notebook], scores: str = "") -> Path:
    """Write `<run>/report.html`; only notebooks executed since the last report are converted."""
    rows = []
    for notebook in notebooks:
        page = _page(course, notebook)
        noted, title = record(course, notebook), html.escape(notebook.title)
        link = (
            f'<a href="{page.parent.name}/{html.escape(page.name)}">{title}</a>' if page else title
        )
        minutes = f"{noted['minutes']:.1f}" if "minutes" in noted else ""
        cells = (link, state(course, notebook), minutes)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    run = html.escape(f"{course.preset} / {course.task} / seed {course.seed}")
    board = f"<h2>Scoreboard</h2>\n<pre>{html.escape(scores)}</pre>\n" if scores else ""
    path = course.dir() / "report.html"
    atomic_write_text(
        path,
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{run}</title>\n'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Run {run}</h1>\n{board}<h2>Notebooks</h2>\n"
        "<table>\n<tr><th>notebook</th><th>state</th><th>minutes</th></tr>\n"
        + "\n".join(rows)
        + "\n</table>\n</body>\n</html>\n",
    )
    return path


def _page(course: Course, notebook: Notebook) -> Path | None:
    """The notebook's page, converted if it is older than the executed copy; None without one."""
    executed = kept(course, notebook.name)
    if not executed.exists():
        return None
    page = course.dir("report") / f"{notebook.name}.html"
    if not page.exists() or page.stat().st_mtime < executed.stat().st_mtime:
        from nbconvert import HTMLExporter

        body, _ = HTMLExporter().from_filename(str(executed))
        atomic_write_text(page, body)
    return page
