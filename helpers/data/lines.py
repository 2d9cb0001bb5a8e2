"""Rows of a file of JSON lines, exactly as they stand, or one line about the first that is wrong.

Not `datasets`' own reader, which guesses: there the type of a column depends on the order of rows
and files, text that looks like a date becomes a time, and 2**63 beside 1 a rounded number. Here a
file is UTF-8 (with a byte order mark or without), every line that is not blank is one object, all
have the same keys, and every value is of its column's kind (`columns`).
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from helpers.data.columns import Misfit, described, fitted, kind_of, said
from helpers.data.errors import DataError

_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")  # marks of UTF-16 and UTF-32


def read_lines(
    path: Path, columns: Mapping[str, object] | None = None, more_columns: bool = False,
    at_most: int | None = None,
) -> list[dict]:
    """The rows. `columns` maps each column to its kind, None to any one kind; without `columns`, or
    for others beside them with `more_columns`, the first line says which there are. With `at_most`
    the file is read no further than that. Raises DataError."""
    rows: list[dict] = []
    known = dict(columns or {})  # kinds, declared or shown by a line
    shown_by: dict[str, int] = {}
    expected = set(known) if columns and not more_columns else None
    for number, line in _lines(path):
        place = f"{path}, line {number}"
        row = _object(line, place)
        if expected is None and known.keys() <= row.keys():
            expected = set(row)
        if row.keys() != (expected or known.keys()):
            raise DataError(_other_columns(place, expected or set(known), row, bool(columns)))
        for name, value in row.items():
            if known.get(name) is None and value is not None:
                known[name], shown_by[name] = kind_of(value), number
            try:
                row[name] = fitted(value, known.get(name))
            except Misfit as misfit:
                what, advice = misfit.args
                belongs = (f"where line {shown_by[name]} has {said(known[name])}"
                           if name in shown_by else f"where {said(known[name])} belongs")
                raise DataError(f"{place}, column {name!r}: {what}, {belongs}. {advice}") from None
        rows.append(row)
        if len(rows) == at_most:
            break
    if not rows:
        raise DataError(f"{path}: no rows. Write one JSON object a line into it, or restore it.")
    return rows


def line_number(path: Path, index: int) -> int:
    """The line of the file that row `index` (from 0) stands in."""
    return next(number for row, (number, _) in enumerate(_lines(path)) if row == index)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of every line that is not blank."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.startswith(_OTHER_ENCODINGS) or b"\0" in line:
                raise DataError(f"{path}, line {number}: not UTF-8 but UTF-16 or a binary file. "
                                f"Save it as UTF-8.")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is "
                    f"not UTF-8; the file may be Latin-1. Save it as UTF-8.") from None
            if text.strip():
                yield number, text


def _object(line: str, place: str) -> dict:
    """The JSON object of a line, its decimal numbers as `Decimal`."""
    try:
        row = json.loads(line, parse_float=Decimal, parse_constant=_no_number,
                         object_pairs_hook=_once)
        if "\\ud" in line.casefold():
            json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        raise DataError(f"{place}: half of a pair \\ud800 to \\udfff, which is no character. "
                        f"Correct or remove the line.") from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        if line.strip() in ("[", "{"):
            advice = "One row is one line: write every object on a line of its own, without [ ]."
        else:
            advice = "Correct or remove the line, or restore the file."
        reason = " ".join(str(getattr(error, "msg", error) or "a number out of range").split())
        raise DataError(f"{place}: not valid JSON ({reason}). {advice}") from None
    if isinstance(row, list) and any(isinstance(one, dict) for one in row):
        raise DataError(f"{place}: a list of {len(row)} objects, not an object. Write every object "
                        f"on a line of its own, without [ ] and the commas between.")
    if not isinstance(row, dict):
        what = "a list" if isinstance(row, list) else described(row) if row is not None else "null"
        raise DataError(f"{place}: {what}, not an object. Every line must be one JSON object.")
    return row


def _other_columns(place: str, expected: set, row: dict, declared: bool) -> str:
    whose = "" if declared else " (those of the first line)"
    return (f"{place}: expected the columns {sorted(expected)}{whose}, found {sorted(row)}. Every "
            f"line has all of them, null where there is nothing, and no others. Add, rename or "
            f"remove columns, or choose the task that fits this data set.")


def _once(pairs: list[tuple[str, object]]) -> dict:
    """An object's pairs as a dictionary; of a key that stands twice one value would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands in it twice")
    return made


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")
