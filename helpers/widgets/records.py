"""Records of data sets, tables and graded answers as HTML, and a slider to browse records.

All text is escaped. The calculator's annotations, `<<48/2=24>>`, are set apart by colour and a
frame; a page without widgets shows records that unfold with a click instead of the slider.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
from IPython.display import HTML

from helpers.data.conversation import Conversation, Preference, Turn
from helpers.data.family import Record
from helpers.data.problem import Problem
from helpers.plots.tables import AS_TEXT, CELL, LINE, RIGHT, WRONG
from helpers.sampling import Completion
from helpers.track import KINDS, Track

ANNOTATION = re.compile(r"<<[^<>]*>>")
MARKED = ('<code style="border:1px dashed #767676;border-radius:3px;padding:0 3px;'
          'background:rgba(86,180,233,.25)">{}</code>')
TILE = (f'<span style="display:inline-block;border:{LINE};border-radius:4px;padding:2px 10px;'
        'margin-right:6px;font-weight:bold">{}</span>')
SCROLL = '<div style="max-height:22em;overflow:auto">{}</div>'
LONGEST_WORD = 45  # characters
LONG = 1500  # characters; what is longer scrolls in a frame of its own
TABLE = "border-collapse:collapse;width:100%;table-layout:auto"  # Jupyter's own is "fixed"
UNFOLDED = 3  # records a static page shows in full


def solution_html(text: str) -> str:
    """A worked solution, escaped, with its annotations framed and its line breaks kept."""
    parts, end = [], 0
    for found in ANNOTATION.finditer(text):
        parts += [escape(text[end:found.start()]), MARKED.format(escape(found[0]))]
        end = found.end()
    page = "".join([*parts, escape(text[end:])]).replace("\n", "<br>")
    return SCROLL.format(page) if len(text) > LONG else page


def _rows_html(rows: Sequence[tuple[str, str]]) -> str:
    """Named rows of HTML as a table."""
    body = "".join(f'<tr><th scope="row" style="{CELL};width:6em">{name}</th>'
                   f'<td style="{CELL};white-space:normal">{text}</td></tr>' for name, text in rows)
    return f'<table {AS_TEXT} style="{TABLE}">{body}</table>'


def problem_html(problem: Problem) -> str:
    """Question, solution and answer of one problem, one below the other; of a puzzle its numbers
    and its target. LaTeX stays text: so the model reads it."""
    question = ("question", solution_html(problem.question))
    if problem.nums:
        tiles = "".join(TILE.format(number) for number in problem.nums)
        return _rows_html([question, ("numbers", tiles), ("target", TILE.format(problem.target))])
    solution = solution_html(problem.solution) if problem.solution else "<i>none</i>"
    return _rows_html([question, ("solution", solution),
                       ("answer", f"<b>{escape(problem.answer)}</b>")])


def conversation_html(turns: Sequence[Turn]) -> str:
    """A row a turn, with its role."""
    return _rows_html([(escape(turn["role"]), solution_html(turn["content"])) for turn in turns])


def preference_html(pair: Preference) -> str:
    """The prompt, and below it the two answers side by side with their scores."""
    sides = (("✓ chosen", pair.chosen, pair.score_chosen, RIGHT),
             ("✗ rejected", pair.rejected, pair.score_rejected, WRONG))
    cells = "".join(
        f'<td style="{CELL};white-space:normal;width:50%;background:{colour}"><b>{name}</b>'
        f'{"" if score is None else f", score {score:g}"}<br>{solution_html(text)}</td>'
        for name, text, score, colour in sides)
    return (conversation_html(pair.prompt)
            + f'<table {AS_TEXT} style="{TABLE};table-layout:fixed"><tr>{cells}</tr></table>')


def record_html(record: Record) -> str:
    """A problem, a conversation or a pair of answers, as it can be read best."""
    if isinstance(record, Preference):
        return preference_html(record)
    if isinstance(record, Conversation):
        return conversation_html(record.messages)
    return problem_html(record)


def records_html(records: Sequence[Record], unfolded: int = UNFOLDED) -> HTML:
    """Records under each other; all but the first ones unfold with a click, without any script."""
    parts = [
        f'<details{" open" if number <= unfolded else ""} {AS_TEXT} style="margin:.5em 0">'
        f"<summary>{number}. {escape(_start(record))}</summary>{record_html(record)}</details>"
        for number, record in enumerate(records, start=1)
    ]
    return HTML("".join(parts) or "<i>no records to show</i>")


def _start(record: Record, words: int = 9) -> str:
    """The first words of what is asked."""
    text = record.question if isinstance(record, Problem) else record.prompt[-1]["content"]
    head = text.split()[:words]
    return " ".join(head) + (" …" if len(head) == words else "")


def browse(records: Sequence[Record] | Mapping[str, Sequence[Record]], static: int = 8) -> None:
    """Show a slider over all these records; where no widget can live (a page on the web, a
    printout), the first `static` ones to unfold.

    Of several sets, {name: records}, a menu chooses the one to browse; each keeps its place.
    """
    import ipywidgets

    from helpers.widgets.live import Live

    sets = records if isinstance(records, Mapping) else {"": records}
    names = list(sets)
    menu = ipywidgets.Dropdown(options=names, value=names[0], description="data set")
    # One a set: in the browser a slider whose end is changed keeps its old one for the End key.
    sliders = {name: ipywidgets.IntSlider(1, 1, len(some), description="record",
                                          layout=ipywidgets.Layout(width="95%"))
               for name, some in sets.items()}
    page = ipywidgets.HTML()
    box = ipywidgets.VBox([])
    shown = (f"a menu of {len(sets)} data sets and a slider over their records" if len(sets) > 1
             else f"a slider over {len(sets[names[0]])} records")
    live = Live(box, shown)

    def turn(change: dict | None = None) -> None:
        page.value = live.hiding() + record_html(sets[menu.value][sliders[menu.value].value - 1])

    def choose(change: dict | None = None) -> None:
        box.children = [*([menu] if len(sets) > 1 else []), sliders[menu.value], page]
        turn()

    choose()
    menu.observe(choose, "value")
    for slider in sliders.values():
        slider.observe(turn, "value")
    live.show()
    live.page("".join(_first_ones(name, some[:static]) for name, some in sets.items()),
              "(records to unfold)")


def _first_ones(name: str, some: Sequence[Record]) -> str:
    """Records to unfold; those of a set with a name inside one more fold."""
    parts = records_html(some, unfolded=0 if name else 1).data
    return parts if not name else (
        f"<details><summary><b>{escape(name)}</b></summary>"
        f'<div style="margin-left:1em">{parts}</div></details>')


def table_html(frame: pd.DataFrame, formats: dict[str, str] | None = None) -> HTML:
    """A table without its index: text on the left and escaped, numbers on the right.

    `formats` gives a format for a column ("{:.1%}"); other numbers are written as they are, and
    what is missing as "–".
    """
    formats = formats or {}
    styles = {name: _column_style(frame[name]) for name in frame}
    head = "".join(f'<th scope="col" style="{style};overflow-wrap:normal">'
                   f"{escape(str(name))}</th>"
                   for name, style in styles.items())
    body = "".join(
        "<tr>" + "".join(
            f'<td style="{style}">{escape(_cell(row[name], formats.get(name, "{}")))}</td>'
            for name, style in styles.items()) + "</tr>"
        for row in frame.to_dict("records"))
    style = TABLE.replace("width:100%", "width:auto")
    return HTML(f'<table {AS_TEXT} style="{style}"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table>")


def _column_style(column: pd.Series) -> str:
    """Numbers to the right; words stay whole, but for those that would push the table wide."""
    if pd.api.types.is_numeric_dtype(column):
        return CELL.replace("text-align:left", "text-align:right")
    words = (word for text in column for word in str(text).split())
    whole = max(map(len, words), default=0) <= LONGEST_WORD
    return CELL.replace("anywhere", "break-word") if whole else CELL


def _cell(value: object, pattern: str) -> str:
    return "–" if pd.api.types.is_scalar(value) and pd.isna(value) else pattern.format(value)


def graded_html(
    track: Track, problem: Problem, completions: Sequence[Completion],
    rewards: Sequence[float | None]
) -> HTML:
    """The completions of one problem: text, tokens, the answer found, both verdicts, the reward."""
    names = ("", "completion", "tokens", "answer found", "strict", "lenient", "reward")
    head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in names)
    body = ""
    for number, (one, reward) in enumerate(zip(completions, rewards, strict=True), start=1):
        strict, lenient = (track.grade(problem, one.text, kind, one.truncated) for kind in KINDS)
        found = track.extract(one.text, "lenient")
        ended = "" if not one.truncated else " (cut off)"
        cells = (str(number), escape(one.text.strip()) or "(nothing)", f"{one.tokens}{ended}",
                 escape(found or "none"), _mark(strict), _mark(lenient),
                 "–" if reward is None else f"{reward:g}")
        colour = RIGHT if strict else WRONG
        body += f'<tr style="background:{colour}">' + "".join(
            f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>"
    return HTML(f'<table {AS_TEXT} style="{TABLE}"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table>")


def _mark(right: bool) -> str:
    return "✓ right" if right else "✗ wrong"
