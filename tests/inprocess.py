"""Several notebooks of one run in one process, cell by cell: the libraries are loaded once.

A run of the course starts a kernel for every notebook, as its users do, and each spends longer on
loading libraries than on a few steps. Tests whose point is *what the cells do* with other settings
run them here instead; that kernels, papermill and kills work is asked of the whole course
(`tests/full_course.py`).

`runs.run_cells` forks such a process from one that has imported this module and done nothing else:
a worker's runs load the libraries once. By hand:

    python -m tests.inprocess '{"preset": "tiny", "task": "gsm8k", "seed": 0, "overrides": {}}' 08
"""

import contextlib
import gc
import importlib
import json
import os
import sys

import torch
from IPython.core.interactiveshell import InteractiveShell

from helpers.config import ROOT, Course
from helpers.course import continued, graph
from helpers.course import course as commands

# What the notebooks import, before the fork; after `helpers`, which makes some of it short.
for name in ("papermill.parameterize", "matplotlib.pyplot", "scipy.stats", "helpers.train.methods",
             *(f"trl.trainer.{kind}_trainer" for kind in ("sft", "reward", "dpo", "grpo"))):
    importlib.import_module(name)


def execute(notebook: graph.Notebook, parameters: dict) -> None:
    """Run all code cells in a fresh namespace; a cell's error is raised with the cell's number."""
    from papermill.iorw import load_notebook_node  # here: after `helpers`, as above
    from papermill.parameterize import parameterize_notebook

    content = parameterize_notebook(load_notebook_node(str(notebook.path)), parameters)
    shell = InteractiveShell.instance(colors="NoColor")
    shell.reset(new_session=True)
    torch.manual_seed(0)  # as little a notebook's luck as in a process of its own
    for number, cell in enumerate(content.cells, start=1):
        if cell.cell_type == "code":
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                result = shell.run_cell(cell.source, store_history=True)
            if problem := result.error_before_exec or result.error_in_exec:
                raise RuntimeError(f"{notebook.name}, cell {number}: {type(problem).__name__}: "
                                   f"{problem}") from problem
    shell.reset(new_session=True)
    gc.collect()


def main(parameters: dict, only: str) -> None:
    """The chosen notebooks and what they need, as far as it is not made; then the scoreboard."""
    course = Course.load(**parameters)
    if course.recipe.start:
        continued.adopt(course)
    everything = graph.load_graph(course)
    wanted = graph.with_parents(graph.select(only, everything), everything)
    os.environ["COURSE_RUNNER"] = "1"  # a notebook starts no run of its own
    os.chdir(ROOT / "notebooks")
    for notebook in commands.plan(course, wanted):
        execute(notebook, parameters)
    commands.scoreboard(course)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2])
