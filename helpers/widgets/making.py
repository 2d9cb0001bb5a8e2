"""Makes a stage of a run from a widget: the course's runner in a process of its own, watched.

The command is the one that `artifacts.command` names, with `--watched`: the runner prints where it
is, and stops with all it has started when its input is closed. A button closes it, and so does the
end of this process, whatever ends it: no training is left behind. What is finished stays, and the
next run goes on where this one stopped.
"""

import codecs
import json
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from helpers import artifacts
from helpers.config import ROOT, Course, artifacts_root

EVERY = 0.2  # seconds between two lines that are shown, at least
GRACE = 40.0  # seconds in which a run that was told to stop may end by itself
PLAN_SECONDS = 120  # to look at what is made: each stage's files are read
LONGEST, TAIL = 300, 8000  # characters: of a line that is shown, and of what is kept of the output
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours, and "clear the line"
# What a kernel sets for itself: where it draws, who started it, which page it serves.
OF_KERNEL = ("MPLBACKEND", "COURSE_RUNNER", "COURSE_RESUME", "SERVER_SOFTWARE", "PYTHONSAFEPATH")


@dataclass(frozen=True)
class Step:
    """A notebook that a run would execute: the stages it makes, and its minutes (0: not said)."""

    notebook: str
    makes: tuple[str, ...]
    minutes: float


@dataclass(frozen=True)
class Ended:
    """How a run came to its end: exit code, whether it was told to stop, and its last line."""

    stage: str
    code: int
    stopped: bool
    line: str


class Watcher(Protocol):
    """Who shows a run; called from its thread."""

    def planned(self, stage: str, steps: list[Step], problem: str) -> None:
        """What making the stage would execute, or in one line why it cannot be made."""

    def moved(self, stage: str, line: str) -> None:
        """The run's newest line."""

    def ended(self, how: Ended) -> None: ...


def command(course: Course, verb: str, stage: str) -> list[str]:
    """The arguments that `run` or `plan` this stage: those of the command that a reader is told."""
    _, *rest = shlex.split(artifacts.command(course, stage))
    rest[rest.index("run")] = verb
    return [sys.executable, "-u", *rest, *(["--watched"] if verb == "run" else [])]


def environment() -> dict[str, str]:
    """This process's environment without what is only meant for a kernel, with the same artifacts
    and the library that it has itself."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in OF_KERNEL and not name.startswith(("JPY_", "VOILA_"))
    }
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    return env | {"COURSE_ARTIFACTS": str(artifacts_root()), "PYTHONPATH": os.pathsep.join(paths)}


class Making:
    """The runs of one course, one at a time. commands: (verb, stage) to the arguments of a process,
    default `command`; whoever is to see them sets `watcher`."""

    def __init__(self, course: Course, commands: Callable[[str, str], list[str]] | None = None):
        self._commands = commands or (lambda verb, stage: command(course, verb, stage))
        self.watcher: Watcher | None = None
        self.stage = ""  # of the last run
        self._process: subprocess.Popen | None = None
        self._thread: threading.Thread | None = None
        self._kill_at: float | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def plan(self, stage: str) -> threading.Thread:
        """Ask what making the stage would execute; the watcher is told. The thread that asks."""
        thread = threading.Thread(target=self._plan, args=(stage,), daemon=True)
        thread.start()
        return thread

    def start(self, stage: str) -> bool:
        """Begin to make the stage; False, and nothing more, while a run goes on."""
        if self.running:
            return False
        self.wait()  # for the thread of the run before to come to its end
        self.stage, self._kill_at = stage, None
        try:
            process = subprocess.Popen(
                self._commands("run", stage),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # What interrupts a cell does not interrupt the run.
                start_new_session=True,
            )
        except OSError as error:
            self._tell("ended", Ended(stage, 1, False, str(error)))
            return True
        self._process = process
        self._thread = threading.Thread(
            target=self._watch, args=(process, stage), name=f"making {stage}", daemon=True
        )
        self._thread.start()
        return True

    def stop(self) -> bool:
        """Tell the run to stop, and see to it that it does; whether there is one."""
        process = self._process
        if process is None:
            return False
        if self._kill_at is None:
            self._kill_at = time.monotonic() + GRACE
            try:
                process.stdin.close()
            except OSError:  # it has just ended
                pass
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Until the run has ended; whether it has."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self.running

    def _tell(self, what: str, *told: object) -> None:
        if self.watcher is not None:
            getattr(self.watcher, what)(*told)

    def _plan(self, stage: str) -> None:
        steps, problem = [], ""
        try:
            done = subprocess.run(
                self._commands("plan", stage),
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PLAN_SECONDS,
            )
            if done.returncode:
                problem = last_line(done.stderr) or f"it ended with {done.returncode}"
            else:
                steps = [
                    Step(one["name"], tuple(one["makes"]), float(one["minutes"]))
                    for one in json.loads(done.stdout)["notebooks"]
                ]
        except (OSError, subprocess.SubprocessError, ValueError, TypeError, LookupError) as error:
            problem = " ".join(str(error).split())[:LONGEST]
        self._tell("planned", stage, steps, problem)

    def _watch(self, process: subprocess.Popen, stage: str) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        text = shown = ""
        with selectors.DefaultSelector() as selector, process.stdout as out:
            selector.register(out, selectors.EVENT_READ)
            while True:
                if selector.select(EVERY):
                    chunk = os.read(out.fileno(), 1 << 16)
                    if not chunk:
                        break
                    text = (text + decode(chunk))[-TAIL:]
                    if (line := last_line(text)) != shown:
                        shown = line
                        self._tell("moved", stage, line)
                        time.sleep(EVERY)
                elif process.poll() is not None:
                    break  # something else holds its output open
                self._kill_if_due(process)
        while process.poll() is None:
            time.sleep(EVERY)
            self._kill_if_due(process)
        how = Ended(stage, process.returncode, self._kill_at is not None, last_line(text))
        process.stdin.close()
        self._process = None
        self._tell("ended", how)

    def _kill_if_due(self, process: subprocess.Popen) -> None:
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # a group of its own: start_new_session
            except ProcessLookupError:
                pass


def last_line(text: str) -> str:
    """The last line with anything in it, as a terminal would show it; "" if there is none."""
    lines = (" ".join(CONTROL.sub("", line).split()) for line in re.split(r"[\r\n]", text))
    return next((line for line in reversed(list(lines)) if line), "")[:LONGEST]


_MAKINGS: "weakref.WeakValueDictionary[Path, Making]" = weakref.WeakValueDictionary()


def of(course: Course) -> Making:
    """The run that makes a stage of this course in this kernel, if one goes on, else a new one: a
    cell that is run again finds it."""
    one = _MAKINGS.get(course.dir())
    if one is None or not one.running:
        one = _MAKINGS[course.dir()] = Making(course)
    return one
