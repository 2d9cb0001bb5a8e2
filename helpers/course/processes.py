"""Processes and signals of a run: one lock, one tree of children, nothing left behind."""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from helpers.config import ROOT, Course
from helpers.files import ArtifactError

LOCK_SECONDS = 20.0  # what is left of a killed run is gone long before
STOP_SECONDS = 30.0  # for a run to stop in good order

# glibc gives large blocks back to the system at once and fetches them again page by page in the
# next step; kept instead, a training step on CPU takes about a fifth less time.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**30),
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),
    "MALLOC_TOP_PAD_": str(2**28),
}


def cores() -> int:
    """Cores this process may use; affinity (taskset, a container's cpuset) counts where known."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Stopped(BaseException):
    """The run was asked to end by a signal; a BaseException, as KeyboardInterrupt is."""


@contextmanager
def lock(course: Course, wait: float = LOCK_SECONDS) -> Iterator[IO]:
    """One run at a time; ArtifactError if another one goes on for longer than `wait` seconds."""
    path = course.dir().with_name(f".{course.dir().name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ArtifactError(f"another run of {course.dir()} is going on") from None
                time.sleep(0.1)
        yield file


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `Stopped`, so that children are ended on every way out."""

    def stop(number, frame):
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_with_input() -> None:
    """From now on the end of standard input stops this process as SIGTERM does: who started it has
    closed the other end, or is gone, even by kill -9."""

    def wait() -> None:
        while os.read(0, 4096):  # not sys.stdin: a thread waiting in it would abort a normal exit
            continue
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)  # the children see their own input closed, and end

    threading.Thread(target=wait, daemon=True).start()


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it; empty if it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def memory_gb(processes: list[psutil.Process]) -> float:
    """Resident memory of the processes together; those that ended meanwhile count 0."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 1e9


def end(pid: int) -> None:
    """Kill the process and all below it, whatever state they are in, and see them gone."""
    processes = family(pid)
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=5)


def environment(threads: int, scratch: Path) -> dict[str, str]:
    """The environment of a notebook's process: this one's, and what makes it run the same way
    everywhere. `scratch` holds the kernel's connection files."""
    paths = [str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])]
    return {
        **os.environ,
        **KEEP_MEMORY,
        "COURSE_RUNNER": "1",
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, not of the user
        "JUPYTER_RUNTIME_DIR": str(scratch),
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # a waiting thread sleeps: spinning ones starve the others
        "PYTHONPATH": os.pathsep.join(paths),
    }
