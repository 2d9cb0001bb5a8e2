r"""Ask math-verify whether two formulas are equal, in processes of its own under a hard deadline.

math-verify (sympy underneath) can run for ever on a short text, and its own time limit works in
the main thread only. So it runs in processes that are started when needed, clean (a new
interpreter: no CUDA context, no tokenizer threads, nothing inherited), one for each thread that
asks, and killed when they are late. Late is who has used up so much *processor time*: on a busy
machine a verdict takes longer, but it is the same. Only what sleeps is found by the clock.

A formula that cannot be a final answer, or that is a bomb, is refused before it gets there
(`refusal`). Verdicts are remembered, and so is that there was none.
"""

import atexit
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.verify.refusal import refusal

DEADLINE = 2.0  # seconds of processor time for one comparison of two answers
START = 60.0  # seconds for a process to come up: it imports sympy, once
ASLEEP = 15.0  # seconds by the clock, beyond the deadline, until a process counts as lost

PROGRAM = Path(__file__).with_name("symbolic_worker.py")

_REMEMBERED = 4096  # verdicts
MOST_IDLE = 4  # processes that are kept
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_logger = logging.getLogger(__name__)


class PutOff(Exception):
    """A question that was not asked, because the thread puts them off (`put_off`)."""

    def __init__(self, question: tuple[str, str]) -> None:
        super().__init__(*question)
        self.question = question  # (reference, answer)


@contextmanager
def put_off() -> Iterator[None]:
    """In here no process is asked by this thread: what would ask one raises PutOff. Verdicts that
    are remembered are given."""
    before, _here.puts_off = getattr(_here, "puts_off", False), True
    try:
        yield
    finally:
        _here.puts_off = before


class Budget:
    """The processor time that is left for one comparison of two answers, with all their parts."""

    def __init__(self) -> None:
        self.left = DEADLINE


def equal(reference: str, answer: str, budget: Budget | None = None) -> bool:
    """Say whether two formulas are equal by algebra.

    False also where that cannot be known: one of them refused, or no verdict while the `budget`
    lasts (DEADLINE seconds of processor time if not given), which is logged as a warning, once.
    Usable from any thread. PutOff within `put_off`. A RuntimeError only if no process can be
    started at all: then every formula would count as wrong.
    """
    if _letters(reference) != _letters(answer) and not re.search(
        r"[<>]|\\leq|\\geq", reference + answer
    ):
        return False  # other variables: no algebra makes 2k into 2n
    if refusal(reference) or refusal(answer):
        return False
    verdict = _verdicts.get((reference, answer))
    if verdict is None:
        if getattr(_here, "puts_off", False):
            raise PutOff((reference, answer))
        budget = budget or Budget()
        known = budget.left >= DEADLINE  # with less time than others have, ask again
        try:
            verdict, seconds = _ask(reference, answer, budget.left)
            budget.left -= seconds
        except _NoVerdict as error:
            _logger.warning("no verdict on %.60r against %.60r: %s", answer, reference, error)
            verdict, budget.left = False, 0.0
            known = known and str(error) in ("late", "crashed")  # and was not lost on the way
        if verdict or known or budget.left > 0:
            _remember(reference, answer, verdict)
    return verdict


def _remember(reference: str, answer: str, verdict: bool) -> None:
    if len(_verdicts) >= _REMEMBERED:
        _verdicts.clear()
    _verdicts[reference, answer] = verdict


def _letters(formula: str) -> set[str]:
    return set(re.findall("[A-Za-z]", _COMMAND.sub(" ", formula)))


def _ask(reference: str, answer: str, seconds: float) -> tuple[bool, float]:
    """(the verdict, its processor time) of a process that nobody else is asking."""
    if seconds <= 0:
        raise _NoVerdict("late")
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    try:
        return worker.ask(reference, answer, seconds)
    finally:
        if len(_idle) < MOST_IDLE:
            _idle.append(worker)
        else:
            worker.close()


class _NoVerdict(Exception):
    """No verdict by the deadline, or no process to give one."""


class _Worker:
    """A process and the pipe to it; one question at a time."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.asked = 0  # questions are numbered, so that no verdict is taken for another's

    def ask(self, reference: str, answer: str, seconds: float) -> tuple[bool, float]:
        """(verdict, processor time); _NoVerdict if there is none in time or the process died."""
        if self.process is None or self.process.poll() is not None:
            self._start()
        self.asked += 1
        question = json.dumps([self.asked, reference, answer, seconds]) + "\n"
        end = time.monotonic() + seconds + ASLEEP
        try:
            self.process.stdin.write(question.encode())
            reply = self._line(end)
            while (found := _REPLY.fullmatch(reply)) and int(found["number"]) != self.asked:
                reply = self._line(end)  # that was the verdict on a question given up
        except OSError as error:
            reply, found = str(error), None
        if not found:
            if reply not in ("late", "crashed"):  # those it has survived
                self.close()
            raise _NoVerdict(reply)
        return found["verdict"] == "true", float(found["seconds"])

    def _start(self) -> None:
        self.close()
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=0, env=environment,
            start_new_session=True,  # Ctrl-C in a notebook is not for it
        )  # fmt: skip
        if (reply := self._line(time.monotonic() + START)) != "ready":
            self.close()
            raise RuntimeError(f"math-verify's process did not start ({reply}); "
                               f"to see why: {sys.executable} -P {PROGRAM}")

    def _line(self, end: float) -> str:
        """One line of the process, or what went wrong, by `end` of the monotonic clock."""
        line = b""
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return "no reply"
            piece = self.process.stdout.read(1)  # not one byte of the next line
            if not piece:
                return "its process has died"
            line += piece
        return line.decode().strip()

    def close(self) -> None:
        """End the process and all it has started."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None


_REPLY = re.compile(r"(?P<number>[0-9]+) (?P<verdict>true|false) (?P<seconds>[0-9.]+)")
_idle: list[_Worker] = []  # append and pop are atomic: each worker is asked by one thread
_verdicts: dict[tuple[str, str], bool] = {}
_here = threading.local()


def close() -> None:
    """End all processes; the next question starts a new one."""
    while _idle:
        _idle.pop().close()


os.register_at_fork(after_in_child=lambda: _idle.clear())  # they are the parent's
atexit.register(close)
