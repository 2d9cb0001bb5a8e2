"""The playground's page: what of notebook 09 is served, to whom, and with which model."""

import socket

import nbformat
import pytest

from helpers.config import ROOT, ConfigError, Course
from helpers.course import playground
from helpers.course.opening import check_parameters

PATH = ROOT / "notebooks" / f"{playground.NOTEBOOK}.ipynb"


def test_it_is_served_up_to_its_widget_with_the_parameters_of_the_run():
    course = Course.load("tiny", "countdown", 3, {"evaluation": {"n": 2}})
    cells = playground.served(course, PATH).cells
    assert cells[0].source.startswith("# 09") and "\n" not in cells[0].source
    assert "try_problem(course" in cells[-1].source
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert not any("results" in source for source in code)
    names = {"In": code[:3]}
    for source in code[:3]:
        exec(source, names)
    check_parameters(playground.NOTEBOOK, names)
    assert (names["task"], names["seed"], names["overrides"]) == (
        "countdown", 3, {"evaluation": {"n": 2}})
    assert not any(cell.outputs for cell in cells if cell.cell_type == "code")
    nbformat.validate(playground.served(course, PATH))


def test_a_taken_port_is_replaced():
    with socket.socket() as door:
        door.bind((playground.HOST, 0))
        door.listen()
        taken = door.getsockname()[1]
        assert playground.free_port(taken) not in (taken, 0)


def test_a_model_of_ones_own_is_a_folder_or_an_id(tmp_path):
    base = ROOT / "data" / "tiny" / "base"
    assert playground.found("data/tiny/base") == playground.found(str(base)) == str(base)
    assert playground.found("Qwen/Qwen2.5-0.5B-Instruct") == "Qwen/Qwen2.5-0.5B-Instruct"
    for wrong in (str(tmp_path), "data/tiny", "nothing"):
        with pytest.raises(ConfigError, match="MODEL: no model in"):
            playground.found(wrong)


def test_what_cannot_be_served_is_one_line(capsys):
    for line, words in (["--task", "instruct"], "cannot do task 'instruct'"), (
            ["--model", "nothing"], "MODEL: no model in"), (["--preset", "x"], "preset"):
        assert playground.main(line) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and words in error and error.count("\n") == 1
