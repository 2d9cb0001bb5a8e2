"""The check behind an exercise: it runs the reader's function, and says what is wrong with it.

What the function gives for fresh inputs is compared with the reference's results, which were
computed before it ran, on copies of their own. It cannot come by them: while the reader's function
runs, no reference can be called (`sealed`). Where a likely mistake gives the same results, its
message is shown; a function that raises, is late, or gives NaN or another shape gets one line, no
traceback.
"""

import copy
import dis
import inspect
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from types import CodeType
from typing import Any, Literal

from helpers.config import Course
from helpers.exercises import progress
from helpers.exercises.compare import alike, difference, shown
from helpers.exercises.deadline import Late, within
from helpers.exercises.exercise import Exercise, everything, find
from helpers.exercises.sealed import Peeked, sealed
from helpers.files import ArtifactError

Status = Literal["passed", "wrong", "untouched", "error", "late"]
LONGEST = 200  # characters of a message of the reader's code
GOING_ON = "going on with the reference"
LINE = (
    '<div style="border-left:4px solid {colour};padding:4px 10px;margin:4px 0">{mark} '
    "<b>{number}</b> {text}</div>"
)
LOOKS = {
    "passed": ("#009E73", "✓"),
    "untouched": ("#767676", "○"),
    "wrong": ("#D55E00", "✗"),
    "error": ("#D55E00", "✗"),
    "late": ("#D55E00", "✗"),
}


@dataclass(frozen=True)
class Verdict:
    """What a check found, in a word and in a sentence or two."""

    status: Status
    message: str


class Raised:
    """The outcome of a case in which the function raised."""

    def __init__(self, error: BaseException):
        self.error = error


def check(number: str, function: Callable[..., Any], course: Course | None = None) -> Callable:
    """Check a function, show what is found, and give the function to go on with.

    That is the reader's own if it passed, and the reference, said in the same line, if not: so a
    notebook runs to its end with untouched stubs. A pass is kept in the run of `course`.
    Raises KeyError for a number that no exercise has.
    """
    exercise = find(number)
    verdict = examine(exercise, function)
    text = verdict.message
    if verdict.status == "passed" and course is not None:
        try:
            progress.record(course, number)
        except ArtifactError as error:
            text += f" (Not kept: {error})"
    if verdict.status != "passed":
        text += f": {GOING_ON}" if verdict.status == "untouched" else f" ({GOING_ON})"
    _show(exercise, verdict.status, text)
    return function if verdict.status == "passed" else exercise.reference


def examine(exercise: Exercise, function: Any, seed: int | None = None) -> Verdict:
    """What the check of `exercise` finds of a function; never raises. `seed`: of the inputs, a new
    one if None."""
    if early := _before(exercise, function):
        return early
    cases, expected = fresh(exercise, seed)
    inputs = copy.deepcopy(cases)
    try:
        with sealed(one.reference for one in everything()):
            outcomes = within(exercise.seconds, lambda: outcomes_of(function, inputs))
        return judge(exercise, cases, expected, outcomes, function)
    except Late:
        return Verdict(
            "late",
            f"{exercise.name} was not done after {exercise.seconds:g} seconds: "
            "does a loop never end?",
        )
    except Peeked:
        return Verdict("wrong", "this calls the reference solution; write your own")
    except (Exception, SystemExit) as error:  # a result whose methods raise when it is compared
        return Verdict("error", f"what {exercise.name} returned cannot be read: {text_of(error)}")


def fresh(exercise: Exercise, seed: int | None = None) -> tuple[list[tuple], list[Any]]:
    """New inputs, a tuple of arguments each, and what the reference gives for them."""
    cases = list(exercise.cases(random.Random(seed)))
    return cases, [exercise.reference(*copy.deepcopy(case)) for case in cases]


def _before(exercise: Exercise, function: Any) -> Verdict | None:
    """What is wrong without a call."""
    if not callable(function):
        return Verdict("error", f"give the function itself, {exercise.name}, not {shown(function)}")
    code = _code_of(function)
    if code is exercise.reference.__code__:
        return Verdict("untouched", "this is the reference: run the cell with your function again")
    if isinstance(code, CodeType) and _does_nothing(code):
        return Verdict("untouched", "not solved yet")
    return None


def _code_of(function: Any) -> Any:
    """The code below all wrappers; None where there is none, or no end of wrappers."""
    try:
        return getattr(inspect.unwrap(function), "__code__", None)
    except ValueError:
        return None


def _does_nothing(code: CodeType) -> bool:
    """Whether a body is `pass`, `...` or a docstring alone, or returns `...`."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    plain = all(step.opname in ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST") for step in steps)
    return plain and all(step.argval in (None, ...) for step in steps)


def outcomes_of(function: Callable, inputs: list[tuple]) -> list[Any]:
    """The outcome of every case; one that raises does not keep the others from running."""
    outcomes: list[Any] = []
    for case in inputs:
        try:
            outcomes.append(function(*case))
        except (Late, Peeked, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit too
            outcomes.append(Raised(error))
            if isinstance(error, NotImplementedError):
                break
    return outcomes


def judge(
    exercise: Exercise,
    cases: list[tuple],
    expected: list[Any],
    outcomes: list[Any],
    function: Callable,
) -> Verdict:
    """What outcomes say of the function that gave them: a mistake is known by giving the same."""
    first = outcomes[0]
    if first is ... or isinstance(first, Raised) and isinstance(first.error, NotImplementedError):
        return Verdict("untouched", "not solved yet")
    wrong = [
        n
        for n, pair in enumerate(zip(outcomes, expected, strict=False))
        if isinstance(pair[0], Raised) or difference(*pair, exercise.tolerance)
    ]
    if not wrong:
        return Verdict("passed", f"{exercise.title}: right on {len(cases)} inputs.")
    for mistake in exercise.mistakes:
        theirs = outcomes_of(mistake.function, copy.deepcopy(cases))
        if all(
            _same(*pair, exercise.tolerance) for pair in zip(outcomes, theirs, strict=False)
        ) and len(theirs) == len(outcomes):
            return Verdict("wrong", mistake.message)
    number = wrong[0]
    given = ", ".join(shown(argument) for argument in cases[number])
    if isinstance(outcomes[number], Raised):
        return Verdict(
            "error", f"{exercise.name}({given}) raised {_said(outcomes[number].error, function)}"
        )
    words = difference(outcomes[number], expected[number], exercise.tolerance)
    return Verdict("wrong", f"{exercise.name}({given}) {words}")


def _same(mine: Any, theirs: Any, tolerance: float) -> bool:
    if isinstance(mine, Raised) or isinstance(theirs, Raised):
        return (
            isinstance(mine, Raised)
            and isinstance(theirs, Raised)
            and type(mine.error) is type(theirs.error)
        )
    return alike(mine, theirs, tolerance)


def _said(error: BaseException, function: Callable) -> str:
    """An error of the reader's code in one line, with the line of code that raised it."""
    text = text_of(error)
    code = _code_of(function)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if isinstance(code, CodeType) and frame.filename == code.co_filename
    ]
    if not frames:
        return text
    line = f" `{frames[-1].line}`" if frames[-1].line else ""
    return f"{text} (line {frames[-1].lineno} of its cell:{line})"


def text_of(error: BaseException) -> str:
    """Type and message; a message that cannot be read is left out, and a sign that no file or page
    can hold (half of a surrogate pair) is a question mark."""
    try:
        message = " ".join(str(error).encode(errors="replace").decode().split())
    except Exception:
        message = ""
    message = message if len(message) <= LONGEST else f"{message[:LONGEST]} …"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _show(exercise: Exercise, status: Status, text: str) -> None:
    """As an output of the cell; printed where there is no notebook."""
    from IPython import get_ipython
    from IPython.display import display

    colour, mark = LOOKS[status]
    plain = f"{mark} {exercise.number} {text}"
    if get_ipython() is None:
        print(plain)
        return
    page = LINE.format(colour=colour, mark=mark, number=exercise.number, text=escape(text))
    display({"text/html": page, "text/plain": plain}, raw=True)
