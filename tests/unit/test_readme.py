"""README's commands work as they stand, in a fresh shell after `make course`."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from papermill.cli import papermill as papermill_cli

from helpers.config import ROOT, Course
from helpers.course import course as command_line
from helpers.course import graph, modes, published, recipes
from helpers.course.opening import INJECTED, PARAMETERS, check_course
from helpers.known import cases

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line]
TABLE = README.split("What may be changed without touching code:")[1].split("\n\n")[1]
MINE = re.search(r"<!-- recipe:mine -->\n```yaml\n(.*?)```", README, re.DOTALL)[1]
OVERRIDES = re.findall(r"`(\{.*?\})`", TABLE)


def prepared(words: list[str], tmp_path: Path, monkeypatch) -> dict:
    """The parameters that a papermill command puts into its notebook, which must be there."""
    monkeypatch.chdir(ROOT)
    source, output, options = words[0], words[1], words[2:]
    here = tmp_path / "out.ipynb"
    papermill_cli.main([source, str(here), *options, "--prepare-only"], standalone_mode=False)
    cell = next(c.source for c in nbformat.read(here, 4).cells if c.source.startswith(INJECTED))
    found: dict = {}
    exec(cell, {}, found)
    assert found.keys() <= set(PARAMETERS)
    monkeypatch.delenv("COURSE_ARTIFACTS", raising=False)
    kept = Course.load(**found).dir("notebooks")  # where the report looks
    assert ROOT / output == kept / Path(source).name
    assert f"mkdir -p {Path(output).parent}" in LINES
    return found


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_there_and_understood(line, tmp_path, monkeypatch):
    program, *words = shlex.split(line, comments=True)
    if program == "make":
        done = subprocess.run([program, "--dry-run", *words], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, done.stderr
        return
    if program == "mkdir":
        return
    assert program.startswith(".venv/bin/"), f"{program} is in no fresh shell's path"
    assert os.access(Path(sys.executable).parent / Path(program).name, os.X_OK)
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    if words[0] == "-f":  # a recipe: its runs have a folder of their own
        words[1:2] = [str(tmp_path / "mine.yaml")]
        words[-2:] = [str(ROOT / words[-2]), str(tmp_path / words[-1])]
        papermill_cli.main([*words, "--prepare-only"], standalone_mode=False)
        cell = next(c.source for c in nbformat.read(words[-1], 4).cells
                    if c.source.startswith(INJECTED))
        found: dict = {}
        exec(cell, {}, found)
        assert Course.load(**found) == recipes.load(words[1])
    elif program.endswith("papermill"):
        prepared(words, tmp_path, monkeypatch)
    elif words[1] == "helpers.course.modes":
        monkeypatch.chdir(tmp_path)
        modes.configuration(modes._parser().parse_args(words[2:]))
    else:
        assert words[:2] == ["-m", "helpers.course"]
        command_line._configuration(command_line._parser().parse_args(words[2:]))


def test_the_recipe_of_ones_own_is_one(tmp_path):
    """Another task, another format, another model and other rewards than any shipped one."""
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    course = recipes.load(str(path))
    check_course(course)
    assert course.answer_format == "hash" != Course.load(task=course.task).answer_format
    assert course.rewards == {"correct_answer": 1.0, "step_words": 0.1}
    assert course.grpo.learning_rate == 0.0005 and course.dir().parts[-2] == "mine"
    assert all(one.right for one in cases(course))
    everything, others = graph.load(course)
    assert len(recipes.wanted(course, everything, others)) == 2
    listed = re.findall(r"^\| `(\w+)` \|", README.split("### Recipes:")[1].split("```")[0], re.M)
    assert sorted(listed) == recipes.names()


def test_what_is_published_is_what_its_command_writes():
    block = README.split("<!-- published:begin -->\n")[1].split("\n<!-- published:end -->")[0]
    found = published.load()
    assert block == published.table(found, found["measured"])


def test_every_kind_of_command_is_among_them():
    programs = {shlex.split(line, comments=True)[0] for line in LINES}
    assert programs == {"make", "mkdir", ".venv/bin/papermill", ".venv/bin/python"}


def test_commands_in_the_text_name_their_place_too():
    spans = re.findall(r"`([^`\n]+)`", README)
    assert not [span for span in spans if re.match(r"(python|papermill|pytest)\b", span)]


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_what_may_be_changed_can_be_changed(overrides):
    course = Course.load(overrides=overrides)
    check_course(course)
    assert course != Course.load() or "data/tiny" in overrides  # the example's place is the default


def test_the_table_names_what_an_instructor_changes():
    settings = " ".join(OVERRIDES)
    for name in ("model", "dataset", "rewards", "answer_format", "grpo"):
        assert f"{name}: " in settings
    assert "COURSE_ARTIFACTS=" in TABLE and "TASK=" in TABLE
    task = re.search(r"make course TASK=(\w+)", TABLE)[1]
    assert Course.load(task=task).task == task
