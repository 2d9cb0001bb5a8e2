"""Problems, tables and graded answers as HTML, and a slider to browse problems.

All text is escaped. The calculator's annotations, `<<48/2=24>>`, are set apart by colour and a
frame; a page without widgets shows records that unfold with a click instead of the slider.
"""

import re
from collections.abc import Sequence
from html import escape

import pandas as pd
from IPython.display import HTML, display

from helpers.data.problem import Problem
from helpers.sampling import Completion
from helpers.tables import CELL, RIGHT, WRONG
from helpers.verify import extract, grade

ANNOTATION = re.compile(r"<<[^<>]*>>")
MARKED = ('<code style="border:1px dashed #767676;border-radius:3px;padding:0 3px;'
          'background:rgba(86,180,233,.25)">{}</code>')
TABLE = "border-collapse:collapse;width:100%;table-layout:auto"  # Jupyter's own is "fixed"
UNFOLDED = 3  # records a static page shows in full


def solution_html(text: str) -> str:
    """A worked solution, escaped, with its annotations framed and its line breaks kept."""
    parts, end = [], 0
    for found in ANNOTATION.finditer(text):
        parts += [escape(text[end:found.start()]), MARKED.format(escape(found[0]))]
        end = found.end()
    return "".join([*parts, escape(text[end:])]).replace("\n", "<br>")


def problem_html(problem: Problem) -> str:
    """Question, solution and answer of one record in a table of three rows."""
    rows = (("question", escape(problem.question).replace("\n", "<br>")),
            ("solution", solution_html(problem.solution)),
            ("answer", f"<b>{escape(problem.answer)}</b>"))
    body = "".join(f'<tr><th scope="row" style="{CELL};width:6em">{name}</th>'
                   f'<td style="{CELL};white-space:normal">{text}</td></tr>' for name, text in rows)
    return f'<table style="{TABLE}">{body}</table>'


def problems_html(problems: Sequence[Problem], unfolded: int = UNFOLDED) -> HTML:
    """Records under each other; all but the first ones unfold with a click, without any script."""
    parts = [
        f'<details{" open" if number <= unfolded else ""} style="margin:.5em 0">'
        f"<summary>{number}. {escape(_start(problem.question))}</summary>"
        f"{problem_html(problem)}</details>"
        for number, problem in enumerate(problems, start=1)
    ]
    return HTML("".join(parts))


def _start(question: str, words: int = 9) -> str:
    head = question.split()[:words]
    return " ".join(head) + (" …" if len(head) == words else "")


def browse(problems: Sequence[Problem], static: int = 8) -> None:
    """Show a slider over all these records, and below it the first `static` ones to unfold.

    Where no widget can live (a page on the web, a printout) the lower part is all there is.
    """
    import ipywidgets

    slider = ipywidgets.IntSlider(1, 1, len(problems), description="record",
                                  layout=ipywidgets.Layout(width="95%"))
    page = ipywidgets.HTML(problem_html(problems[0]))

    def turn(change: dict) -> None:
        page.value = problem_html(problems[change["new"] - 1])

    slider.observe(turn, "value")
    box = ipywidgets.VBox([slider, page])
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    display({"application/vnd.jupyter.widget-view+json": view,
             "text/plain": f"(a slider over {len(problems)} records, live in Jupyter or Colab)"},
            raw=True)
    display(problems_html(problems[:static], unfolded=1))


def table_html(frame: pd.DataFrame, formats: dict[str, str] | None = None) -> HTML:
    """A table without its index: text on the left and escaped, numbers on the right.

    `formats` gives a format for a column ("{:.1%}"); other numbers are written as they are.
    """
    formats = formats or {}
    sides = {name: "right" if pd.api.types.is_numeric_dtype(frame[name]) else "left"
             for name in frame}
    head = "".join(f'<th scope="col" style="{CELL};overflow-wrap:normal;text-align:{side}">'
                   f"{escape(str(name))}</th>"
                   for name, side in sides.items())
    body = "".join(
        "<tr>" + "".join(
            f'<td style="{CELL};text-align:{side}">'
            f'{escape(formats.get(name, "{}").format(row[name]))}</td>'
            for name, side in sides.items()) + "</tr>"
        for row in frame.to_dict("records"))
    return HTML(f'<table style="{TABLE.replace("width:100%", "width:auto")}"><thead><tr>{head}</tr>'
                f"</thead><tbody>{body}</tbody></table>")


def graded_html(
    completions: Sequence[Completion], answer: str, answer_format: str, rewards: Sequence[float]
) -> HTML:
    """The completions of one problem: text, tokens, the answer found, both verdicts, the reward."""
    names = ("", "completion", "tokens", "answer found", "strict", "lenient", "reward")
    head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in names)
    body = ""
    for number, (one, reward) in enumerate(zip(completions, rewards, strict=True), start=1):
        strict = grade(one.text, answer, answer_format)
        lenient = grade(one.text, answer, answer_format, "lenient")
        found = extract(one.text, answer_format, "lenient")
        ended = "" if not one.truncated else " (cut off)"
        cells = (str(number), escape(one.text.strip()) or "(nothing)", f"{one.tokens}{ended}",
                 escape(found or "none"), _mark(strict), _mark(lenient), f"{reward:g}")
        colour = RIGHT if strict else WRONG
        body += f'<tr style="background:{colour}">' + "".join(
            f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>"
    return HTML(f'<table style="{TABLE}"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table>")


def _mark(right: bool) -> str:
    return "✓ right" if right else "✗ wrong"
