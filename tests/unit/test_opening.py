"""The opening of a notebook: parameters that do not exist, and what it cannot do, in one line."""

import json

import nbformat
import papermill
import pytest
from papermill.cli import papermill as papermill_cli

from helpers.config import ROOT, ConfigError, Course
from helpers.course import check_parameters, graph, opening

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9A]*.ipynb"))
CELL = 'preset = "tiny"  # @param\ntask = "gsm8k"\nseed = 0\noverrides = {}'


def opened(*cells: str, notebook: str = "07_grpo", first: str = CELL) -> None:
    """Run the parameters' cell and these, then check, as IPython and a notebook would."""
    names = {"In": ["", "import os\nroot = 1", first, *cells]}
    for cell in names["In"]:
        exec(cell, names)
    check_parameters(notebook, names)


def refused(*cells: str, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        opened(*cells, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_parameters_that_exist_are_accepted():
    opened()
    opened("# Parameters\nseed = 3\noverrides = {'grpo': {'max_steps': 5}}")
    opened("# Parameters\noverrides = '{grpo: {max_steps: 5}}'")
    opened(first=CELL.replace("seed = 0", "seed: int = 3"))


@pytest.mark.parametrize("cell, message", [
    ("sed = 3", "parameter 'sed' does not exist; did you mean 'seed'?"),
    ("override = {}", "parameter 'override' does not exist; did you mean 'overrides'?"),
    ("zzz = 3", "parameter 'zzz' does not exist; there are preset, task, seed, overrides"),
    ('evaluation = {"n": 4}', "parameter 'evaluation' is a setting: pass it as overrides: "
                              "-y '{overrides: {evaluation: {n: 4}}}'"),
    ('evaluation = "{n: 4}"', "parameter 'evaluation' is a setting: pass it as overrides: "
                              "-y '{overrides: {evaluation: {n: 4}}}'"),
    ("cliprange = .1", "parameter 'cliprange' is a setting (ppo.cliprange): pass it as overrides: "
                       "-y '{overrides: {ppo: {cliprange: 0.1}}}'"),
    ('answer_format = "xml"', "parameter 'answer_format' is a setting: pass it as overrides: "
                              "-y '{overrides: {answer_format: xml}}'"),
])
def test_a_parameter_that_does_not_exist(cell, message):
    assert refused(f"# Parameters\n{cell}\n") == message
    assert refused(first=f"{CELL}\n{cell}") == message


def test_a_setting_of_several_sections_names_them_all():
    message = refused("# Parameters\nmax_steps = 5")
    assert "(sft.max_steps or " in message and " or grpo.max_steps or " in message


def test_what_was_mended_in_jupyter_is_forgotten():
    opened("# Parameters\nsed = 3", CELL)
    opened(CELL, first=f"{CELL}\nsed = 3")
    opened("other = 1", "task, seed = 'gsm8k', 0")
    assert "'sed'" in refused(CELL, "# Parameters\nsed = 3")


def opened_raw(*cells):
    check_parameters("07_grpo", {"In": list(cells), "preset": "tiny", "task": "gsm8k", "seed": 0,
                                 "overrides": {}})


def test_cells_that_python_cannot_read_are_passed_over():
    opened_raw("x = (", "%%bash\nls", CELL)


def test_a_parameter_that_was_never_set_is_named():
    with pytest.raises(ConfigError, match="parameter 'seed' is not set"):
        check_parameters("07_grpo", {"preset": "tiny", "task": "gsm8k", "overrides": {}})


@pytest.mark.parametrize("overrides, words", [
    ({"grpo": {"max_step": 5}}, "'grpo.max_steps'"),
    ({"rewards": {"exact_anser": 1.0}}, "rewards: 'exact_anser' does not exist; did you mean 'ex"),
    ({"model": {"name": "data/tiny"}}, "model.name: no model in .*config.json"),
    ({"model": {"name": "data/tiny/nothing"}}, "model.name: no model in .*nothing"),
    ({"dataset": {"path": "data/recorded"}}, "recorded/train.jsonl: no such file .*dataset.path"),
    ({"dataset": {"path": "data/nowhere"}}, "data/nowhere: no such folder. Set dataset.path"),
    ({"dataset": {"path": "data/tiny/deepscaler"}},
     "train.jsonl, line 1: expected the columns .*'question'.*, found .*'problem'"),
    ({"sets": {"paths": {"math500": "~/nowhere"}}},
     "nowhere: no such folder. Set sets.paths.math500 to one with test.jsonl"),
])
def test_all_of_the_course_is_checked_before_anything_runs(overrides, words):
    with pytest.raises(ConfigError, match=words):
        opened(f"# Parameters\noverrides = {overrides!r}")


def test_a_task_or_preset_that_the_notebook_cannot_do(tmp_path, monkeypatch):
    for path in NOTEBOOKS:
        content = json.loads(path.read_text(encoding="utf-8"))
        meta = {"course": content["metadata"]["course"]}
        if path.stem == "05_dpo":
            meta["course"] |= {"tasks": ["gsm8k", "openr1"], "presets": ["tiny", "colab"]}
        (tmp_path / path.name).write_text(json.dumps({"metadata": meta, "cells": []}))
    monkeypatch.setenv("COURSE_NOTEBOOKS", str(tmp_path))
    assert refused("# Parameters\ntask = 'countdown'", notebook="05_dpo") == (
        "05_dpo cannot do task 'countdown': it can do gsm8k, openr1 "
        "(course.tasks in its metadata)")
    assert "05_dpo cannot do preset 'a100'" in refused("preset = 'a100'", notebook="05_dpo")
    assert refused("# Parameters\ntask = 'countdown'", notebook="08_evaluation") == (
        "08_evaluation needs 'dpo', and 05_dpo cannot do task 'countdown'")
    opened("# Parameters\ntask = 'openr1'", notebook="05_dpo")
    opened("# Parameters\ntask = 'countdown'", notebook="07_grpo")
    opened("# Parameters\ntask = 'countdown'", notebook="a_copy_of_mine")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_every_notebook_checks_its_parameters_before_it_loads_them(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]
    place = next(i for i, cell in enumerate(codes) if "parameters" in cell["metadata"].get("tags",
                                                                                          []))
    lines = "".join(codes[place + 1]["source"]).splitlines()
    check, load = lines.index(f'check_parameters("{path.stem}", globals())'), lines.index(
        "course = Course.load(preset, task, seed, overrides)")
    assert check < load


@pytest.mark.parametrize("parameters, message", [
    ({"sed": 3}, "parameter 'sed' does not exist; did you mean 'seed'?"),
    ({"evaluation": {"n": 4}}, "-y '{overrides: {evaluation: {n: 4}}}'"),
])
def test_papermill_stops_at_the_configuration(tmp_path, parameters, message):
    """In a kernel of its own: `In` holds what papermill put in."""
    source, output = tmp_path / "07_grpo.ipynb", tmp_path / "out.ipynb"
    notebook = nbformat.read(ROOT / "notebooks" / source.name, 4)
    notebook.cells = notebook.cells[:6]  # up to the configuration
    nbformat.write(notebook, source)
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook(source, output, parameters, kernel_name="python3",
                                   language="python", cwd=ROOT / "notebooks", progress_bar=False)
    assert caught.value.ename == "ConfigError" and message in caught.value.evalue


class TestParametersByPapermill:
    """What papermill 2.7 makes of a value before the notebook sees it: -p reads numbers as Python
    does, -y as YAML 1.1, -r leaves text."""

    def injected(self, tmp_path, *options):
        notebook = nbformat.v4.new_notebook(cells=[
            nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})])
        notebook.metadata["kernelspec"] = {"name": "python3", "language": "python",
                                           "display_name": "Python 3"}
        nbformat.write(notebook, tmp_path / "in.ipynb")
        paths = [str(tmp_path / name) for name in ("in.ipynb", "out.ipynb")]
        papermill_cli.main([*paths, "--prepare-only", *options], standalone_mode=False)
        cell = nbformat.read(paths[1], 4).cells[1]
        assert cell.metadata["tags"] == ["injected-parameters"]
        assert cell.source.startswith(f"{opening.INJECTED}\n")
        names = {}
        exec(cell.source, names)
        return names

    @pytest.mark.parametrize("text, plain, yaml", [
        ("1e-5", 1e-5, "1e-5"), ("010", 10, 8), ("1:30", "1:30", 90), ("no", "no", False),
        ("None", None, "None"), ("null", "null", None), ("1_000", 1000, 1000), ("7", 7, 7),
    ])
    def test_of_one_value(self, tmp_path, text, plain, yaml):
        options = ["-p", "seed", text, "-y", f"{{other: {text}}}", "-r", "raw", text]
        found = self.injected(tmp_path, *options)
        for name, value in {"seed": plain, "other": yaml, "raw": text}.items():
            assert found[name] == value and type(found[name]) is type(value)

    def test_p_wins_over_y_and_a_second_y_replaces_a_mapping_whole(self, tmp_path):
        options = ["-p", "seed", "1", "-y", "{seed: 2, overrides: {sft: {epochs: 1}}}",
                   "-y", "{overrides: {grpo: {max_steps: 5}}}"]
        found = self.injected(tmp_path, *options)
        assert found["seed"] == 1 and found["overrides"] == {"grpo": {"max_steps": 5}}

    def test_overrides_as_text_reach_the_course_as_they_were_written(self, tmp_path):
        text = "{grpo: {learning_rate: 1e-5}, model: {revision: 010}}"
        found = self.injected(tmp_path, "-p", "overrides", text)
        course = Course.load(overrides=found["overrides"])
        assert (course.grpo.learning_rate, course.model.revision) == (1e-5, "010")
        with pytest.raises(ConfigError, match="is '1:30', must be a plain number"):
            Course.load(overrides=self.injected(
                tmp_path, "-p", "overrides", "{grpo: {max_steps: 1:30}}")["overrides"])

    def test_a_rate_given_with_y_is_text_and_is_taken_as_the_number_it_means(self, tmp_path):
        found = self.injected(tmp_path, "-y", "{overrides: {grpo: {learning_rate: 1e-5}}}")
        assert found["overrides"] == {"grpo": {"learning_rate": "1e-5"}}
        assert Course.load(overrides=found["overrides"]).grpo.learning_rate == 1e-5


def test_the_graph_of_the_course_leaves_out_nothing_of_its_main_task():
    assert graph.left_out(Course.load()) == []
