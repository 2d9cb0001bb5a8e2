"""The training curve on disk and the live figure, in a real trainer and a real notebook."""

import base64
import json
from types import SimpleNamespace

import nbformat
import pytest
from datasets import Dataset
from nbclient import NotebookClient

from helpers import models, plots, prompts
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.data.problem import Problem
from helpers.train import tracking
from helpers.train.settings import device_flags
from helpers.train.tracking import CourseCallback
from tests.hub.tiny_repo import tiny_folder

PROBLEMS = [Problem(f"How many are {n} and 7?", f"{n} + 7", str(n + 7), "gsm8k", str(n))
            for n in range(16)]


@pytest.fixture
def stage():
    return Stage.begin(Course.load(overrides={"model": {"name": str(tiny_folder())}}), "sft")


def state(step, main=True):
    return SimpleNamespace(global_step=step, is_world_process_zero=main)


def log(callback, step, **values):
    callback.on_log(None, state(step), None, logs=values)


def test_one_line_a_step_and_a_joined_curve(stage):
    callback = CourseCallback(stage)
    callback.on_train_begin(None, state(0), None)
    log(callback, 1, loss=2.0, epoch=0.1, kl=float("nan"))
    log(callback, 2, loss=1.5, **{"completions/mean_length": 40})
    log(callback, 2, eval_loss=1.25)
    log(callback, 2, train_runtime=3.0, train_loss=1.7, total_flos=9.0)
    log(callback, 3)
    lines = [json.loads(line) for line in (stage.path / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    assert lines[0].keys() == {"step", "seconds", "loss", "kl"} and lines[0]["kl"] is None
    curve = callback.curve()
    assert list(curve["step"]) == [1, 2] and list(curve["loss"]) == [2.0, 1.5]
    assert curve["eval_loss"].iloc[1] == 1.25 and curve["completions/mean_length"].iloc[1] == 40
    assert CourseCallback(stage).curve().equals(curve)  # a new process reads the same


def test_resume_drops_later_steps_and_a_line_cut_in_half(stage):
    lines = [{"step": n, "seconds": 100.0 * n, "loss": float(n)} for n in range(1, 6)]
    (stage.path / "curve.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 6, "lo')
    again = CourseCallback(stage)
    assert list(again.curve()["step"]) == [1, 2, 3, 4, 5]
    again.on_train_begin(None, state(3), None)
    log(again, 4, loss=40.0)
    curve = again.curve()
    assert list(curve["loss"]) == [1.0, 2.0, 3.0, 40.0]
    assert 300 <= curve["seconds"].iloc[-1] < 400  # time goes on from the checkpoint's
    again.on_train_begin(None, state(0), None)  # from the start: nothing is kept
    assert again.curve().empty


def test_other_processes_write_nothing(stage):
    callback = CourseCallback(stage)
    callback.on_train_begin(None, state(0, main=False), None)
    callback.on_log(None, state(1, main=False), None, logs={"loss": 1.0})
    assert not callback.file.exists()


def test_figure_is_redrawn_at_most_every_so_often_and_at_the_end(stage, monkeypatch):
    drawn, clock = [], SimpleNamespace(now=1000.0)
    monkeypatch.setattr("helpers.train.tracking.time.monotonic", lambda: clock.now)
    monkeypatch.setattr(plots, "show", lambda fig, alt, display_id, update: drawn.append(
        (alt, display_id, update)))
    callback = CourseCallback(stage)
    callback.on_train_begin(None, state(0), None)
    for step in range(1, 101):
        clock.now += 0.1
        log(callback, step, loss=1.0 / step)
    callback.on_train_end(None, state(100), None)
    assert 5 <= len(drawn) <= 7
    assert [update for _, _, update in drawn] == [False] + [True] * (len(drawn) - 1)
    assert len({display_id for _, display_id, _ in drawn}) == 1
    assert "over 100 steps" in drawn[-1][0]


def train(stage, steps, resume=None):
    from trl import SFTConfig, SFTTrainer

    course = stage.course
    callback = CourseCallback(stage)
    rows = Dataset.from_list([prompts.sft_example(problem, course) for problem in PROBLEMS])
    config = SFTConfig(
        output_dir=str(stage.checkpoints), max_steps=steps, per_device_train_batch_size=2,
        logging_steps=1, save_steps=2, disable_tqdm=True, **device_flags(course))
    trainer = SFTTrainer(models.load_base(course, full=True), config, train_dataset=rows,
                         processing_class=models.load_tokenizer(course), callbacks=[callback])
    trainer.train(resume_from_checkpoint=resume)
    return callback.curve()


def test_a_real_trainer_resumed_gives_the_curve_of_one_run(stage):
    whole = train(stage, 4)
    assert list(whole["step"]) == [1, 2, 3, 4]
    assert {"loss", "grad_norm", "learning_rate", "entropy", "seconds"} <= set(whole)
    resumed = train(stage, 4, str(stage.checkpoints / "checkpoint-2"))
    assert list(resumed["step"]) == [1, 2, 3, 4]
    assert resumed["loss"].tolist() == pytest.approx(whole["loss"].tolist(), abs=1e-5)


def test_drawing_takes_a_small_share_of_the_time(monkeypatch):
    """A step takes 2 seconds and a picture takes 1: one in ten steps is drawn, and the last."""
    clock, drawn = [0.0], []

    def show(*args, **kwargs):
        clock[0] += 1.0
        drawn.append(clock[0])

    monkeypatch.setattr(tracking.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(tracking.plots, "show", show)
    callback = tracking.CourseCallback(Stage.begin(Course.load(), "grpo"))
    callback.on_train_begin(None, state(0), None)
    for step in range(1, 26):
        clock[0] += 2.0
        callback.on_log(None, state(step), None, logs={"reward": 0.5})
    callback.on_train_end(None, state(25), None)
    assert drawn == [3.0, 24.0, 45.0, 54.0]


CELL = """
import sys, time
sys.path.insert(0, {root!r})
from types import SimpleNamespace
from helpers.artifacts import Stage
from helpers.config import Course
from helpers.train.tracking import CourseCallback
callback = CourseCallback(Stage.begin(Course.load(), "grpo"), every=0.05)
at = lambda step: SimpleNamespace(global_step=step, is_world_process_zero=True)
callback.on_train_begin(None, at(0), None)
for step in range(1, 21):
    time.sleep(0.03)
    callback.on_log(None, at(step), None, logs={{"reward": step / 20, "kl": 0.01 * step}})
callback.on_train_end(None, at(20), None)
print(len(callback.curve()))
"""


def test_live_figure_in_a_notebook_leaves_one_final_picture():
    notebook = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell(CELL.format(root=str(ROOT)))])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = notebook.cells[0].outputs
    pictures = [one for one in outputs if one.output_type == "display_data"]
    assert len(pictures) == 1, [one.output_type for one in outputs]
    alt = pictures[0].metadata["image/png"]["alt"]
    assert "over 20 steps" in alt and "Reward from 0.125 to 0.925" in alt and "KL" in alt
    assert base64.b64decode(pictures[0].data["image/png"]).startswith(b"\x89PNG")
    assert pictures[0].data["text/plain"] == alt
    printed = [one.text for one in outputs if one.get("name") == "stdout"]
    assert printed == ["20\n"] and len(outputs) <= 3
