"""Executes one notebook with papermill, in a process of its own; started by the runner.

`python -m helpers.course.execute JOB.json`: the job names input, output, progress file and
parameters. The progress file holds {cell, cells}, and after a failure also {error, detail}. The
runner holds the other end of standard input: when it closes, even because the runner was killed
with -9, this process ends the kernel and itself, so nothing goes on writing behind the next run's
back.
"""

import os
import sys
import threading
from pathlib import Path

import psutil

from helpers.files import read_json, write_json


def end_with_parent() -> None:
    """Wait for the end of standard input, then end every process below this one, and this one."""
    while os.read(0, 1):  # not sys.stdin: a thread waiting in it would abort a normal exit
        continue
    for process in psutil.Process().children(recursive=True):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(1)


def execute(job: dict) -> int:
    """Run the notebook; 0 if every cell ran, 1 with the error in the progress file."""
    import papermill
    from papermill.engines import NBClientEngine, papermill_engines
    from papermill.exceptions import PapermillExecutionError

    progress = Path(job["progress"])
    seen = {"cell": 0, "cells": 0}

    class Reporting(NBClientEngine):
        """Papermill's own engine, telling which cell it is at."""

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
            start = nb_man.cell_start

            def cell_start(cell, cell_index=None, **more):
                seen.update(cell=cell_index + 1, cells=len(nb_man.nb.cells))
                write_json(progress, seen)
                return start(cell, cell_index, **more)

            nb_man.cell_start = cell_start
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)

    papermill_engines.register("reporting", Reporting)
    try:
        papermill.execute_notebook(
            job["input"],
            job["output"],
            parameters=job["parameters"],
            engine_name="reporting",
            kernel_name="python3",
            language="python",
            cwd=str(Path(job["input"]).parent),
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        write_json(progress, {**seen, "error": error.ename, "detail": str(error.evalue)})
        return 1
    except Exception as error:  # a dead kernel, a full disk: said in the runner's three lines
        write_json(progress, {**seen, "error": type(error).__name__, "detail": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(execute(read_json(sys.argv[1])))
