"""Small pieces of HTML that several widgets show: tables, numbers with a sign as bars, notes.

All text is escaped by `cell` or by whoever makes the piece. Nothing is told by colour alone: a bar
has its number, and up and down have an arrow.
"""

import re
from collections.abc import Sequence
from html import escape, unescape

from helpers.plots.tables import AS_TEXT, CELL, RIGHT, WRONG

TEXT = "line-height:1.5;overflow-wrap:anywhere;white-space:normal"
UP, DOWN = "#0072B2", "#D55E00"
_HALF = ('<span style="display:inline-block;width:50%;height:100%;vertical-align:top;'
         'position:relative">{}</span>')
_FILL = ('<span style="position:absolute;top:0;height:100%;{}:0;width:{:.0f}%;'
         'background:{}"></span>')
_BAR = ('<span aria-hidden="true" style="display:inline-block;width:3.2em;max-width:100%;'
        "height:.7em;border:1px solid #767676;vertical-align:middle;"
        'background:linear-gradient(#767676,#767676) center/1px 100% no-repeat">{}</span>')
SMALL = 5e-4  # below it a number is shown as 0


def table(head: Sequence[str], rows: Sequence[Sequence[str]], grounds: Sequence[str] = (),
          numbers: bool = True) -> str:
    """A table of cells that are HTML; head: texts, escaped here. grounds: a background a row.
    numbers: all columns but the first stand on the right."""
    left = CELL.replace("6px", "4px").replace("anywhere", "break-word") + ";line-height:1.35"
    right = left.replace("text-align:left", "text-align:right")  # six fit a narrow page
    styles = [left, *[right if numbers else left] * (len(head) - 1)]
    top = "".join(f'<th scope="col" style="{style};overflow-wrap:normal;white-space:normal">'
                  f"{escape(name)}</th>" for name, style in zip(head, styles, strict=True))
    body = ""
    for place, row in enumerate(rows):
        ground = f' style="background:{grounds[place]}"' if grounds and grounds[place] else ""
        body += f"<tr{ground}>" + "".join(
            f'<td style="{style}">{one}</td>'
            for one, style in zip(row, styles, strict=True)) + "</tr>"
    return (f'<div style="overflow-x:auto"><table {AS_TEXT} style="border-collapse:collapse;'
            f'table-layout:auto;max-width:100%;margin:4px 0"><thead><tr>{top}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def number(value: float | None, digits: int = 2) -> str:
    """With its sign, 0 without one; "–" for None."""
    if value is None:
        return "–"
    value = 0.0 if abs(value) < SMALL else value
    return f"{value:+.{digits}f}".replace("-", "−") if value else "0"


def signed(value: float, most: float) -> str:
    """The number above a bar that goes left or right of its middle; `most` fills a half."""
    share = min(100.0, 100 * abs(value) / most) if most else 0.0
    left = _FILL.format("right", share, DOWN) if value < 0 else ""
    right = _FILL.format("left", share, UP) if value > 0 else ""
    return f"{number(value)}<br>{_BAR.format(_HALF.format(left) + _HALF.format(right))}"


def pushed(advantage: float | None) -> str:
    """What training does with an answer of this advantage."""
    if advantage is None:
        return "left out"
    if abs(advantage) < SMALL:
        return "= not moved"
    return "▲ pushed up" if advantage > 0 else "▼ pushed down"


def verdict(right: bool | None) -> str:
    return "no verdict" if right is None else "✓\u00a0right" if right else "✗\u00a0wrong"


def ground(right: bool | None) -> str:
    return "" if right is None else RIGHT if right else WRONG


def note(words: str, role: str = "") -> str:
    """A line of plain text; `role` for who reads by ear: "status", "alert"."""
    said = f' role="{role}"' if role else ""
    return f'<div{said} {AS_TEXT} style="{TEXT}">{escape(words)}</div>' if words else ""


def text_of(text: str, style: str = "") -> str:
    """What a model wrote: escaped, its line breaks kept."""
    return (f'<div {AS_TEXT} style="font-family:monospace;white-space:pre-wrap;'
            f'overflow-wrap:anywhere;line-height:1.5;{style}">{escape(text) or "(nothing)"}</div>')


def plain(html: str, most: int = 400) -> str:
    """A page in plain words, its beginning: for where not even HTML is shown."""
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    return words if len(words) <= most else f"{words[:most]} …"
