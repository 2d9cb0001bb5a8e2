"""Grade completions from the command line.

    python -m helpers.verify --format hash --grading lenient < completions.jsonl

Each input line is a JSON object with `completion` and `answer` (with `--format countdown`:
`completion`, `nums` and `target`); each output line is the same object with `extracted` and
`correct` added, in the same order. A line that cannot be read becomes a line with `line` and
`error`, is reported on stderr, and makes the exit code 1; the lines after it are still graded.
"""

import argparse
import json
import os
import sys
from decimal import Decimal

from helpers.verify import countdown
from helpers.verify.extract import FORMATS, GRADINGS, extract
from helpers.verify.grade import grade

COUNTDOWN = "countdown"


def graded_line(line: bytes, answer_format: str, grading: str) -> dict:
    """Return the output object for one input line; ValueError says what is wrong with it."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a line of JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    if not isinstance(row.get("completion"), str):
        raise ValueError('"completion" is missing or not text')
    return row | (_countdown(row, grading) if answer_format == COUNTDOWN
                  else _answer(row, answer_format, grading))


def _answer(row: dict, answer_format: str, grading: str) -> dict:
    answer = row.get("answer")
    if not isinstance(answer, str | int | float) or isinstance(answer, bool):
        raise ValueError('"answer" is missing or neither text nor a number')
    if isinstance(answer, float):
        exact = Decimal(repr(answer))
        if not exact.is_finite():
            raise ValueError(f'"answer" is {answer}, no number')
        answer = f"{exact:f}"  # 1e-07 is 0.0000001
    extracted = extract(row["completion"], answer_format, grading)
    correct = grade(row["completion"], str(answer), answer_format, grading)
    return {"extracted": extracted, "correct": correct}


def _countdown(row: dict, grading: str) -> dict:
    nums, target = row.get("nums"), row.get("target")
    if problem := countdown.check_problem(nums, target):
        raise ValueError(problem)
    extracted, verdict = countdown.reason(row["completion"], row["nums"], row["target"], grading)
    return {"extracted": extracted, "correct": verdict == countdown.RIGHT}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers.verify", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=[*FORMATS, COUNTDOWN], default="hash")
    parser.add_argument("--grading", choices=GRADINGS, default="strict")
    parser.add_argument("file", nargs="?", help="JSON lines (default: standard input)")
    options = parser.parse_args(arguments)
    try:
        source = open(options.file, "rb") if options.file else sys.stdin.buffer
    except OSError as error:
        parser.exit(1, f"cannot read {options.file}: {error.strerror}\n")
    bad = 0
    with source:
        for place, line in enumerate(source, start=1):
            try:
                row = graded_line(line, options.format, options.grading)
            except ValueError as error:
                bad += 1
                row = {"line": place, "error": str(error)}
                print(f"line {place}: {error}", file=sys.stderr)
            print(json.dumps(row))
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # the reader has gone (`| head`); nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
