"""Runs notebooks in the order of the graph, one process each, and keeps what they leave.

A lock that the children inherit keeps two runs apart, and makes a new run wait for what is left of
one that was killed.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TextIO

from helpers import folders
from helpers.artifacts import is_made
from helpers.config import ROOT, Course
from helpers.course.graph import Notebook, before, longest_path
from helpers.course.processes import (
    cores,
    end,
    environment,
    family,
    lock,
    memory_gb,
    stop_on_signals,
)
from helpers.course.states import kept, record, run_ids
from helpers.files import ArtifactError, read_json, write_json

POLL_SECONDS, MEMORY_SECONDS = 0.1, 1.0


class RunFailed(RuntimeError):
    """A notebook stopped with an error; the message has three lines."""


def _unfinished(course: Course, notebook: Notebook) -> Path:
    """Where papermill writes while the notebook runs."""
    return kept(course, f".{notebook.name}.running")


def _changed(course: Course, notebook: Notebook, noted: dict) -> bool:
    """Whether what is there was made by other code of this notebook, and must be begun anew. That
    is so until a stage has begun: the run that was to do it may have been stopped before."""
    if noted.get("code", notebook.code) != notebook.code:
        return True
    starts = [folders.started(course.dir(stage)) for stage in notebook.makes]
    return bool(noted.get("anew")) and max(starts, default=0.0) < noted["time"]


@dataclass
class Child:
    """One notebook being executed."""

    notebook: Notebook
    number: int
    process: subprocess.Popen
    progress: Path
    started: float = field(default_factory=time.monotonic)
    peak_gb: float = 0.0

    @property
    def seen(self) -> dict:
        try:
            return read_json(self.progress)
        except ArtifactError:
            return {"cell": 0, "cells": 0}

    def line(self, total: int) -> str:
        seconds = int(time.monotonic() - self.started)
        cell = f"{self.seen['cell']}/{self.seen['cells'] or '?'}"
        clock = f"{seconds // 60:02d}:{seconds % 60:02d}"
        return f"[{self.number}/{total}] {self.notebook.name}  cell {cell}  {clock}"


class Runner:
    """Executes a plan; `jobs` notebooks at a time, cores shared between them. live: whether the
    line with the cells it is at is written over and over, as on a terminal (default: on one)."""

    def __init__(self, course: Course, jobs: int = 1, out: TextIO | None = None,
                 live: bool | None = None):
        self.course, self.jobs, self.out = course, jobs, out or sys.stdout
        self.live = self.out.isatty() if live is None else live
        self.children: list[Child] = []
        self.peak_gb = self.measured = 0.0
        self.threads = 1
        self.shown = ""

    def run(self, todo: list[Notebook], forced: set[str] = frozenset()) -> None:
        """Execute `todo` (in order). RunFailed on the first notebook that fails; the others are
        stopped then, and continue from their checkpoints in the next run. ConfigError before
        anything runs if the course pays a reward that there is not."""
        from helpers.rewards import check_names  # here: `status` does not wait for it

        check_names(self.course)
        course, begun = self.course, time.monotonic()
        waiting, done = list(todo), set()
        with lock(course) as held, tempfile.TemporaryDirectory() as scratch, stop_on_signals():
            try:
                while waiting or self.children:
                    for notebook in self._ready(waiting, todo, done):
                        self.threads = self._threads(notebook, waiting, todo, done)
                        number = len(todo) - len(waiting) + 1
                        waiting.remove(notebook)
                        self._start(notebook, number, held, Path(scratch), notebook.name in forced)
                    self._watch(len(todo))
                    for child in [c for c in self.children if c.process.poll() is not None]:
                        self.children.remove(child)
                        self._finish(child, len(todo))
                        done.add(child.notebook)
            finally:
                for child in self.children:
                    end(child.process.pid)
                    child.process.wait()
                self._clear_line()
        summary = {"notebooks": [n.name for n in todo], "jobs": self.jobs}
        summary["minutes"] = round((time.monotonic() - begun) / 60, 3)
        summary["peak_memory_gb"] = round(self.peak_gb, 3)  # of all processes at one time
        write_json(kept(course, "last_run", ".json"), summary)

    @staticmethod
    def _able(waiting: list, todo: list, done: set) -> list[Notebook]:
        return [n for n in waiting if all(p in done for p in before(n, todo))]

    def _threads(self, notebook: Notebook, waiting: list, todo: list, done: set) -> int:
        """Threads for `notebook`: cores are shared by those that can run beside it. One that all
        that are left wait for gets every core, even while some last ones still run: threads that
        wait sleep (`environment`), so a few too many for a short while cost little."""
        rest = [n for n in waiting if n is not notebook]
        if rest and all(notebook in before(n, todo) for n in rest):
            return cores()
        beside = len(self.children) + len(self._able(waiting, todo, done))
        return max(1, cores() // max(1, min(self.jobs, beside)))

    def _ready(self, waiting: list, todo: list, done: set) -> list[Notebook]:
        free = self.jobs - len(self.children)
        ready = self._able(waiting, todo, done)
        if self.jobs > 1:  # what most others wait for goes first
            ready.sort(key=lambda n: -longest_path(n, todo))
        return ready[:free]

    def _start(self, notebook: Notebook, number: int, held: IO, scratch: Path, forced: bool):
        course, noted = self.course, record(self.course, notebook)
        anew = forced or _changed(course, notebook, noted)
        unfinished = noted.get("status") in ("running", "failed")
        kept(course, notebook.name, ".failed.ipynb").unlink(missing_ok=True)
        started = {"status": "running", "code": notebook.code, "anew": anew, "time": time.time()}
        write_json(kept(course, notebook.name, ".run.json"), started)
        job = scratch / f"{notebook.name}.json"
        progress = scratch / f"{notebook.name}.progress.json"
        names = {"preset": course.preset, "task": course.task, "seed": course.seed}
        write_json(
            job,
            {
                "input": str(notebook.path),
                "output": str(_unfinished(course, notebook)),
                "progress": str(progress),
                "parameters": {**names, "overrides": course.overrides},
            },
        )
        env = environment(self.threads, scratch)
        env.pop("COURSE_RESUME", None)
        if anew:
            env["COURSE_RESUME"] = "0"
        elif unfinished:
            env["COURSE_RESUME"] = "1"
        with open(kept(course, notebook.name, ".log"), "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "helpers.course.execute", str(job)],
                stdin=subprocess.PIPE,  # its closing tells the child that this process is gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(held.fileno(),),
                env=env,
                cwd=ROOT,
            )
        self.children.append(Child(notebook, number, process, progress))

    def _watch(self, total: int) -> None:
        """Wait a moment; note the memory in use, and show where the notebooks are."""
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
        if now - self.measured >= MEMORY_SECONDS:
            self.measured, used = now, 0.0
            for child in self.children:
                memory = memory_gb(family(child.process.pid))
                child.peak_gb, used = max(child.peak_gb, memory), used + memory
            self.peak_gb = max(self.peak_gb, used)
        if self.live:
            lines = " | ".join(child.line(total) for child in self.children)
            if lines != self.shown:
                self.shown = lines
                self.out.write(f"\r\x1b[K{lines}")
                self.out.flush()

    def _clear_line(self) -> None:
        if self.live:
            self.out.write("\r\x1b[K")

    def _finish(self, child: Child, total: int) -> None:
        """Keep the executed notebook and its record; RunFailed if a cell failed or a stage that
        the notebook promises was not made."""
        course, notebook, seen = self.course, child.notebook, child.seen
        problem = None
        if child.process.returncode != 0:
            ended = f"ended with {child.process.returncode}, see"
            name = seen.get("error", f"{ended} {kept(course, notebook.name, '.log')}")
            problem = f"{name}: {' '.join(seen.get('detail', '').split())[:400]}"
        else:
            missing = [stage for stage in notebook.makes if not is_made(course, stage)
                       or folders.live(course.dir(stage)).exists()]  # begun and not finished
            if missing:
                problem = f"ArtifactError: it ran to its end but did not make {missing[0]!r}"
        ending = ".failed.ipynb" if problem else ".ipynb"
        executed = kept(course, notebook.name, ending)
        if (unfinished := _unfinished(course, notebook)).exists():
            os.replace(unfinished, executed)
        begun = record(course, notebook)
        write_json(
            kept(course, notebook.name, ".run.json"),
            {
                **({"anew": begun.get("anew"), "time": begun.get("time")} if problem else {}),
                "status": "failed" if problem else "made",
                "code": notebook.code,
                "run_ids": {} if problem else run_ids(course, notebook),
                "minutes": round((time.monotonic() - child.started) / 60, 3),
                "peak_memory_gb": round(child.peak_gb, 3),
                "cells": seen["cells"],
                "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        self._clear_line()
        if problem:
            cell = f"cell {seen['cell']} of {seen['cells']}"
            raise RunFailed(f"{notebook.name} failed; its copy is {executed}\n{cell}\n{problem}")
        self.out.write(f"{child.line(total)}  done\n")
        self.out.flush()
