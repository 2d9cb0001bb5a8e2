"""Tables in markdown, and the blocks of a page that commands write.

A block stands between two lines, `<!-- name:begin -->` and `<!-- name:end -->`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from helpers.files import ArtifactError, atomic_write_text


def share(value: float | None, bounds: Sequence[float] | None = None) -> str:
    """A share in percent, its interval behind it; a dash where there is none."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}" + (f" {interval(bounds)}" if bounds else "")


def interval(bounds: Sequence[float]) -> str:
    """Two ends in percent."""
    return f"[{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def markdown(header: list, rows: list[list]) -> str:
    """An aligned table, text to the left and the rest to the right; empty without rows."""
    if not rows:
        return ""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    left = [isinstance(cell, str) and not re.match(r"[-+–\d]", cell) for cell in rows[0]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = [":" + "-" * (w - 1) if is_left else "-" * (w - 1) + ":"
            for w, is_left in zip(widths, left, strict=True)]
    lines = [
        [cell.ljust(w) if is_left else cell.rjust(w)
         for cell, w, is_left in zip(row, widths, left, strict=True)]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def write_block(path: Path, name: str, content: str) -> None:
    """Rewrite the block `name` of a page, nothing else; ArtifactError if it is not there once."""
    text = path.read_text(encoding="utf-8")
    begin, end = (f"<!-- {name}:{side} -->" for side in ("begin", "end"))
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ArtifactError(f"{path} needs one line {begin} and after it one line {end}")
    before, rest = text.split(begin)
    atomic_write_text(path, f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}")
