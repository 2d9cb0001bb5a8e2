"""The process behind `grading`: reads the stubs of one submission, writes a line for each.

    python -m helpers.exercises.worker JOB.json ANSWER.jsonl

Every stub runs in a namespace of its own, so it must bring its imports. It is plain Python already,
with calls of `get_ipython()` for what was not, and `stubs.Shell` answers those.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from helpers.exercises.checks import Verdict, examine, text_of
from helpers.exercises.deadline import Late, within
from helpers.exercises.exercise import Exercise, find
from helpers.exercises.stubs import Shell


def graded(exercise: Exercise, source: str) -> Verdict:
    """What the check says of the function that this cell defines."""
    names: dict[str, Any] = {"__name__": "__main__"}

    def run(code: str) -> None:
        exec(compile(code, f"the cell of {exercise.number}", "exec"), names)

    shell = Shell(run)
    names["get_ipython"] = lambda: shell
    try:
        within(exercise.seconds, lambda: run(source))
    except Late:
        return Verdict("late", f"the cell itself was not done after {exercise.seconds:g} seconds")
    except BaseException as error:
        return Verdict("error", f"the cell does not run: {text_of(error)}")
    if exercise.name not in names:
        return Verdict("error", f"the cell defines no {exercise.name}")
    try:
        return examine(exercise, names[exercise.name])
    except BaseException as error:  # KeyboardInterrupt: here nobody but the student raises it
        return Verdict("error", f"{exercise.name} cannot be checked: {text_of(error)}")


def main(job: str, answer: str) -> None:
    """Grade every stub of the job; a line is written as soon as it is known."""
    for stub in json.loads(Path(job).read_text(encoding="utf-8")):
        verdict = graded(find(stub["exercise"]), stub["source"])
        row = {"exercise": stub["exercise"], "result": verdict.status, "message": verdict.message}
        with open(answer, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    os._exit(0)  # without waiting for threads that never end


if __name__ == "__main__":
    main(*sys.argv[1:])
