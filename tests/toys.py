"""A toy rung and a toy task, added to a copy of the project by the steps of CONTRIBUTING.md."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat

from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.course import coverage, judged
from helpers.files import write_json

OPENING = [
    'preset = "tiny"\ntask = "gsm8k"\nseed = 0\noverrides = {}',
    "from helpers.artifacts import Stage, find\nfrom helpers.config import Course\n"
    "course = Course.load(preset, task, seed, overrides)",
]
# The toy rung: it copies what sft is.
TOY = """import shutil
stage = Stage.begin(course, "toy", uses=["toy"], needs=["sft"])
shutil.copytree(find(course, "sft").path / "model", stage.path / "model")
stage.save_metrics({"copies": course.toy.copies})
stage.finish()"""


def copy_of_the_project(folder: Path) -> Path:
    """helpers, tests and presets as files of their own; the data as a link."""
    ignore = shutil.ignore_patterns("__pycache__", "*.ipynb")
    for name in ("helpers", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("environment.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "data").symlink_to(ROOT / "data")
    (folder / "notebooks").mkdir()
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Replace what must stand there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path}: {text.count(old)} times {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def add_notebook(project: Path, name: str, *cells: str, **course) -> None:
    """Step 1: a notebook whose metadata says what it needs, makes and uses."""
    notebook = nbformat.v4.new_notebook()
    parameters = nbformat.v4.new_code_cell(OPENING[0], metadata={"tags": ["parameters"]})
    codes = map(nbformat.v4.new_code_cell, [OPENING[1], *cells])
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# {name}"), parameters, *codes]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["course"] = {"needs": [], "uses": [], "minutes": {"tiny": 0}} | course
    nbformat.write(notebook, project / "notebooks" / f"{name}.ipynb")


def add_settings(project: Path) -> None:
    """Step 2: a section in helpers/schema.py; all have defaults, so no preset is touched."""
    schema = project / "helpers" / "schema.py"
    edit(schema, "class Stages(Section):", "class Toy(Section):\n    copies: Count = 1\n\n\n"
                                           "class Stages(Section):")
    line = "    evaluation: Evaluation\n"
    edit(schema, line, "    toy: Toy = Toy()\n" + line)


def add_entry(project: Path) -> None:
    """Step 3: an entry in helpers/rungs.py."""
    claimed = 'claims=(Gain("strict"), Gain("lenient"))'
    edit(project / "helpers" / "rungs.py", ")\nBASES =", f'    Rung("toy", {claimed}),\n)\nBASES =')


def add_rung(project: Path) -> None:
    """All steps but the method: this rung trains nothing. Two notebooks stand for the others of the
    course; what they make is made by `make_before` and `make_evaluation`."""
    from helpers.rungs import NAMES

    add_notebook(project, "03_before", makes=list(NAMES), uses=["rungs"])
    add_notebook(project, "08_evaluation", makes=["evaluation"], uses=["evaluation"],
                 needs=["evaluation.rungs"])
    add_notebook(project, "09_toy", TOY, makes=["toy"], uses=["toy"], needs=["sft"])
    add_settings(project)
    add_entry(project)


def make_before(course: Course, names: Sequence[str]) -> None:
    """Each rung of the course with a model of one file."""
    for name in names:
        stage = Stage.begin(course, name, uses=[name])
        (stage.path / "model").mkdir()
        (stage.path / "model" / "weights").write_text(name)
        stage.finish()


SKILLS = ((.05, 0), (.15, 0), (.4, .02), (.6, .4), (.75, .6), (.9, .85), (.6, .4), (.9, .85),
          (.95, .9))  # the last: toy


def make_evaluation(course: Course, models: Sequence[str]) -> None:
    """Samples of every model, the later ones better; the bases and sft know nothing of the kinds of
    problem that nobody has demonstrated."""
    from tests.unit.test_scoreboard import samples, write_jsonl

    stage = Stage.begin(course, "evaluation", uses=["evaluation"], needs=course.evaluation.rungs)
    for place, name in enumerate(models):
        shown, unshown = SKILLS[place]
        rows = [row | {"id": f"{row['id']}-{kind}", "demonstrated": kind}
                for kind, skill in ((True, shown), (False, unshown))
                for row in samples(skill, f"{name}{kind}", n=100)]
        write_jsonl(stage.path / f"samples_{name}.jsonl", rows)
        own = {"temperature": 0.5, "top_p": 1.0}
        write_jsonl(stage.path / f"best_{name}.jsonl", [row | own for row in rows])
    stage.save_metrics({"judged_over_vote": {"without": {"difference": .3, "ci95": [.2, .4]}}})
    stage.finish()


def make_judge(course: Course) -> None:
    """A reward model that was worth its training."""
    stage = Stage.begin(course, "reward", uses=["reward_model"])
    stage.save_metrics({"pair_accuracies": {
        judged.UNTRAINED: {"held-out": {"accuracy": .7}},
        judged.TRAINED: {"held-out": {"accuracy": .9}}}})
    stage.finish()


def make_coverage(course: Course) -> None:
    """32 draws for each of some problems, of which grpo has more right ones than sft."""
    problems = [{"id": str(one), "demonstrated": one % 2 == 0} for one in range(40)]
    write_json(course.dir() / coverage.FILE, {
        "models": {}, "draws": coverage.DRAWS, "problems": problems,
        "right": {"sft": [2] * 40, "grpo": [16] * 40}})


def add_task(tasks: Path, data: Path) -> None:
    """A task: problems of one's own in the columns of GSM8K, and a file in helpers/tasks."""
    data.mkdir(parents=True)
    for split, numbers in (("train", range(20, 80)), ("test", range(80, 100))):
        rows = [{"question": f"Tom has {n} pears and eats one. How many are left?",
                 "answer": f"{n} - 1 = <<{n}-1={n - 1}>>{n - 1}.\n#### {n - 1}"} for n in numbers]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (data / f"{split}.jsonl").write_text(text, encoding="utf-8")
    (tasks / "pears.yaml").write_text(f"""\
dataset: {{path: {data}}}
sets: {{own: gsm8k}}
answer_format: hash
system_prompt: 'Solve the problem step by step. End with a line "#### " and the answer.'
rewards: {{exact_answer: 1.0, boxed: 0.1}}
""", encoding="utf-8")
