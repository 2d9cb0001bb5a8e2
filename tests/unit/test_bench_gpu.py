"""What measures GPUs runs at a small size without one: every row that it should record is there."""

import argparse
import json

import pandas as pd
import pytest

from helpers import rungs
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.plots import pretrained
from tests import methods, toys
from tests.benchmarks import gpu

SMALL = {"prompts": 8, "group": 4, "completion": 8, "rows": 4, "steps": 1}


@pytest.fixture
def given(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path / "artifacts"))
    return argparse.Namespace(
        out=tmp_path / "out", limit=300.0, cap_gb=None, preset="colab", only="00", settings={},
        model_settings={"precision": "float32"}, model=methods.model_folder())


def recorded(given, name):
    lines = (given.out / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_steps_of_every_method_are_timed(given):
    asked = SMALL | {"model": str(methods.model_folder()), "preset": "a100",
                     "precision": "float32"}
    gpu.record("steps", gpu.worker("new", ROOT, asked, given.limit), given.out)
    rows = recorded(given, "steps")
    assert [row["method"] for row in rows] == ["ppo", "grpo", "sft"]
    assert all(row["card"] == "no GPU" and row["rows_at_once"] == 4 for row in rows)
    assert all(len(row["step_seconds"]) >= 1 and min(row["step_seconds"]) > 0 for row in rows)


@pytest.mark.parametrize("part", ["passes", "answers"])
def test_how_time_grows_is_measured(given, part):
    asked = SMALL | {"model": str(methods.model_folder()), "preset": "a100",
                     "precision": "float32", "at_once": [1, 2], "answers": [4, 8]}
    gpu.record(part, gpu.worker(part, ROOT, asked, given.limit), given.out)
    rows = recorded(given, part)
    assert all(row["seconds"] > 0 and "problem" not in row for row in rows)
    if part == "passes":
        assert [(row["checkpointing"], row["rows"]) for row in rows] == [
            (again, rows) for again in (False, True) for rows in (1, 2)]
        assert all(row["forward_seconds"] > 0 for row in rows)
    else:
        assert [row["rows"] for row in rows] == [4, 8]
        assert all(row["planned_gb"] >= 0 and row["own"] for row in rows)


def test_notebooks_are_run_one_after_the_other(given):
    few = {"data": {"train": 64, "validation": 8, "test": 8}}
    gpu.record("notebooks", gpu.run_notebooks(given, given.model, 15, few), given.out)
    [row] = recorded(given, "notebooks")
    assert row["notebook"] == "00_start_here" and row["problem"] is None and row["seconds"] > 0
    assert row["cap_gb"] == 15 and row["precision"] == "float32" and row["commit"]


def test_a_ladder_keeps_rungs_with_intervals_and_curves_for_the_notebooks(given, monkeypatch,
                                                                          capsys):
    few = {"data": {"train": 64, "validation": 8, "test": 8}}
    given.settings = few
    gpu.ladder(given)
    assert [row["notebook"] for row in recorded(given, "ladder")] == ["00_start_here"]
    assert "no ladder is kept" in capsys.readouterr().out
    course = Course.load("colab", "gsm8k", 0, gpu.overrides_of(given, given.model, {}))
    toys.make_before(course, [name for name in rungs.NAMES if name not in pretrained.MEASURES])
    for name, (key, _) in pretrained.MEASURES.items():
        stage = Stage.begin(course, name, uses=[name])
        stage.save_curve(pd.DataFrame({"step": [1, 2, 3], key: [.1, None, .3]}))
        stage.finish()
    toys.make_evaluation(course, rungs.MODELS)
    monkeypatch.setattr(gpu, "run_notebooks", lambda *asked: [])
    gpu.ladder(given)
    kept = json.loads((given.out / "ladder.json").read_text())
    assert (kept["model"], kept["preset"], kept["card"]) == (given.model.name, "colab", "no GPU")
    assert [row["stage"] for row in kept["rows"]] == list(rungs.MODELS)
    assert kept["curves"] == {name: {"step": [1, 3], key: [.1, .3]}
                              for name, (key, _) in pretrained.MEASURES.items()}
    monkeypatch.setattr(pretrained, "RECORD", given.out / "ladder.json")
    table = pretrained.ladder()
    assert table.loc["grpo", "over"] == "sft" and "[" in table.loc["grpo", "points"]
    figure = pretrained.beside("grpo", pd.DataFrame({"step": [1, 2], "reward": [.4, .5]}), kept)
    assert "this run: reward of a step's answers from 0.4 to 0.5" in figure.get_label()
    assert figure.axes[1].get_title(loc="left") == given.model.name
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_without_a_recorded_ladder_the_notebooks_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "RECORD", tmp_path / "ladder.json")
    said = []
    monkeypatch.setattr(pretrained, "display", lambda one: said.append(one.data))
    assert pretrained.ladder() is None
    pretrained.show("ppo", pd.DataFrame({"step": [], "objective/scores": []}))
    assert said == [pretrained.NOTHING] * 2


def test_what_takes_too_long_is_stopped_and_what_it_said_is_kept(capsys):
    program = "import time; print('ROW {\"one\": 1}', flush=True); time.sleep(60)"
    assert gpu.told([gpu.sys.executable, "-c", program], 3.0) == [{"one": 1}]
    assert "stopped after 3.0 s" in capsys.readouterr().out
