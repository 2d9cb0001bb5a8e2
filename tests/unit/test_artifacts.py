"""Artifacts: whole or not there, refused when damaged or foreign, resumed after any kill."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers import artifacts, files
from helpers.artifacts import ArtifactError, CheckpointGuard, Stage, find, is_made
from helpers.checkpoints import MARKER, mark
from helpers.config import ROOT, Course
from helpers.folders import live


@pytest.fixture
def course():
    return Course.load()


def made(course, name="sft", **kwargs):
    stage = Stage.begin(course, name, **kwargs)
    stage.save_metrics({"loss": 1.5})
    stage.finish(data_hash="abc")
    return stage


class TestAtomicWrites:
    def test_round_trip(self, tmp_path):
        value = {"a": [1, None, "é"], "b": {"c": 0.1}}
        artifacts.write_json(tmp_path / "new" / "x.json", value)
        assert artifacts.read_json(tmp_path / "new" / "x.json") == value
        assert [p.name for p in (tmp_path / "new").iterdir()] == ["x.json"]

    def test_not_a_number_is_refused_and_the_old_file_stays(self, tmp_path):
        artifacts.write_json(tmp_path / "x.json", 1)
        with pytest.raises(ValueError):
            artifacts.write_json(tmp_path / "x.json", float("nan"))
        assert artifacts.read_json(tmp_path / "x.json") == 1

    @pytest.mark.parametrize("call", ["write_text", "fsync", "replace"])
    def test_a_full_disk_says_so_and_leaves_the_old_file(self, tmp_path, monkeypatch, call):
        path = tmp_path / "x.txt"
        artifacts.atomic_write_text(path, "old")

        def full(*args, **kwargs):
            raise OSError(errno.ENOSPC, "No space left on device")

        target = Path if call == "write_text" else files.os
        monkeypatch.setattr(target, call, full)
        with pytest.raises(ArtifactError, match=r"x\.txt: No space left.*free some space"):
            artifacts.atomic_write_text(path, "new")
        monkeypatch.undo()
        assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1

    def test_missing_and_damaged_json(self, tmp_path):
        with pytest.raises(ArtifactError, match="is missing"):
            artifacts.read_json(tmp_path / "x.json")
        (tmp_path / "x.json").write_text('{"a": ')
        with pytest.raises(ArtifactError, match="is damaged"):
            artifacts.read_json(tmp_path / "x.json")


def test_a_stage_and_its_manifest(course):
    stage = Stage.begin(course, "sft", uses=["sft"])
    stage.save_metrics({"a": 1})
    stage.save_metrics({"b": 2})
    stage.save_curve(pd.DataFrame({"step": [1, 2], "loss": [2.0, 1.0]}))
    stage.save_samples([{"id": "1"}, {"id": "ü"}])
    (stage.checkpoints / "checkpoint-1").mkdir(parents=True)
    (stage.checkpoints / "checkpoint-1" / "x").write_text("x")
    manifest = stage.finish(data_hash="abc", note="hello")
    found = find(course, "sft")
    assert found.manifest == manifest == found.info and found.run_id == stage.run_id
    assert set(manifest["files"]) == {"metrics.json", "curve.parquet", "samples.jsonl"}
    assert found.metrics == {"a": 1, "b": 2} and found.curve["loss"].tolist() == [2.0, 1.0]
    lines = (found.path / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "ü"]
    assert manifest["settings"] == course.model_dump() and manifest["seed"] == 0
    assert manifest["data_hash"] == "abc" and manifest["note"] == "hello"
    assert {"python", "torch", "transformers", "trl", "peft"} <= manifest["versions"].keys()
    assert manifest["hardware"]["cores"] == os.cpu_count()
    assert {"helpers.config", "helpers.artifacts", "helpers.files"} <= manifest["code"].keys()
    assert json.loads(json.dumps(manifest)) == manifest


def test_run_ids_differ(course):
    assert made(course).run_id != made(course).run_id


class TestFind:
    def refused(self, course, name="sft"):
        assert not is_made(course, name)
        with pytest.raises(ArtifactError) as caught:
            find(course, name)
        message = str(caught.value)
        assert "\n" not in message and f"--only {name}" in message
        return message

    def test_not_made(self, course):
        assert "is not made yet" in self.refused(course)

    def test_not_finished(self, course):
        Stage.begin(course, "sft")
        assert "is not finished" in self.refused(course)

    @pytest.mark.parametrize(
        "change, words",
        [
            (lambda p: p.unlink(), "metrics.json is missing"),
            (lambda p: p.write_text(p.read_text()[:-3]), "bytes, not"),
            (lambda p: p.write_text(p.read_text().replace("1.5", "2.5")), "has changed"),
        ],
    )
    def test_damaged_file(self, course, change, words):
        path = made(course).path / "metrics.json"
        assert is_made(course, "sft")
        change(path)
        assert words in self.refused(course)

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run_id": 5}', '"x"'])
    def test_damaged_manifest(self, course, text):
        (made(course).path / "manifest.json").write_text(text)
        assert "damaged" in self.refused(course)

    @pytest.mark.parametrize("files", [{"a": 1}, {"a": {"bytes": 3}}])
    def test_manifest_with_a_damaged_list(self, course, files):
        stage = made(course)
        manifest = {**stage.manifest, "files": files}
        (stage.path / "manifest.json").write_text(json.dumps(manifest))
        assert "damaged" in self.refused(course)

    def test_another_configuration_is_named(self, course):
        made(course, uses=["sft"])
        other = Course.load(overrides={"sft": {"max_steps": 5}})
        steps = course.sft.max_steps
        message = self.refused(other)
        assert f"sft.max_steps was {steps}, is 5" in message and "--overrides" in message

    def test_a_setting_it_does_not_use_may_differ(self, course):
        made(course, uses=["sft"])
        assert is_made(Course.load(overrides={"grpo": {"max_steps": 5}}), "sft")

    def test_a_folder_copied_from_another_stage(self, course):
        made(course).path.rename(course.dir("grpo"))
        assert "of another stage" in self.refused(course, "grpo")

    def test_a_remade_input_makes_it_stale(self, course):
        made(course)
        made(course, "grpo", needs=["sft"])
        assert is_made(course, "grpo")
        made(course)
        assert "older than the 'sft' it needs" in self.refused(course, "grpo")

    def test_a_damaged_input_is_named(self, course):
        below = made(course)
        made(course, "grpo", needs=["sft"])
        (below.path / "metrics.json").unlink()
        with pytest.raises(ArtifactError, match="'sft' is damaged"):
            find(course, "grpo")


class TestBegin:
    def test_needs_must_be_there(self, course):
        with pytest.raises(ArtifactError, match="'sft' is not made yet"):
            Stage.begin(course, "grpo", needs=["sft"])
        assert not course.dir("grpo").exists()

    def test_unfinished_is_resumed_and_minutes_add_up(self, course):
        first = Stage.begin(course, "sft", uses=["sft"])
        first.save_metrics({"a": 1})
        begun = first.path / "begun.json"
        noted = json.loads(begun.read_text())
        begun.write_text(json.dumps({**noted, "started": time.time() - 120}))
        (first.path / ".metrics.json.1234.tmp").write_text("half")
        again = Stage.begin(course, "sft", uses=["sft"])
        assert again.run_id == first.run_id and again.metrics == {"a": 1}
        assert not list(again.path.glob(".*.tmp"))
        assert 2.0 <= again.finish()["minutes"] < 2.5

    @pytest.mark.parametrize("damaged", ["", "[]", "{}"])
    def test_unreadable_start_is_cleared(self, course, damaged):
        first = Stage.begin(course, "sft")
        first.save_metrics({"a": 1})
        (first.path / "begun.json").write_text(damaged)
        assert Stage.begin(course, "sft").metrics == {}

    def test_unfinished_of_another_configuration_is_cleared(self, course):
        Stage.begin(course, "sft", uses=["sft"]).save_metrics({"a": 1})
        other = Course.load(overrides={"sft": {"max_steps": 5}})
        assert Stage.begin(other, "sft", uses=["sft"]).metrics == {}

    def test_unfinished_on_an_older_input_is_cleared(self, course):
        made(course)
        Stage.begin(course, "grpo", needs=["sft"]).save_metrics({"a": 1})
        made(course)
        assert Stage.begin(course, "grpo", needs=["sft"]).metrics == {}

    def test_finished_starts_afresh(self, course):
        first = made(course)
        stage = Stage.begin(course, "sft")
        assert stage.metrics == {} and find(course, "sft").run_id == first.run_id
        stage.save_metrics({"b": 2})
        stage.finish()
        assert find(course, "sft").metrics == {"b": 2} and stage.run_id != first.run_id
        assert [path.name for path in course.dir().iterdir()] == ["sft"]

    def test_the_runner_can_keep_or_clear(self, course, monkeypatch):
        first = made(course)
        monkeypatch.setenv("COURSE_RESUME", "1")
        again = Stage.begin(course, "sft")
        assert again.run_id == first.run_id and again.metrics == {"loss": 1.5}
        assert find(course, "sft").metrics == {"loss": 1.5}
        monkeypatch.setenv("COURSE_RESUME", "0")
        assert Stage.begin(course, "sft").metrics == {}


class TestCheckpoints:
    def write(self, stage, step, complete=True):
        folder = stage.checkpoints / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(os.urandom(64))
        (folder / "trainer_state.json").write_text("{}")
        if complete:
            mark(folder)
        return folder

    def test_the_newest_by_number(self, course):
        stage = Stage.begin(course, "sft")
        assert stage.last_checkpoint() is None
        for step in (9, 100, 20):
            self.write(stage, step)
        (stage.checkpoints / "checkpoint-best").mkdir()
        assert stage.last_checkpoint() == str(stage.checkpoints / "checkpoint-100")

    @pytest.mark.parametrize("harm", ["unmarked", "cut", "flipped", "gone", "bad marker"])
    def test_a_damaged_one_is_removed_aloud(self, course, harm, capsys):
        stage = Stage.begin(course, "sft")
        good = self.write(stage, 10)
        bad = self.write(stage, 20, complete=harm != "unmarked")
        weights = bad / "model.safetensors"
        if harm == "cut":
            weights.write_bytes(weights.read_bytes()[:10])
        elif harm == "flipped":
            weights.write_bytes(bytes([weights.read_bytes()[0] ^ 1]) + weights.read_bytes()[1:])
        elif harm == "gone":
            weights.unlink()
        elif harm == "bad marker":
            (bad / MARKER).write_text("{}")
        assert stage.last_checkpoint() == str(good)
        assert not bad.exists() and "checkpoint-20 is removed" in capsys.readouterr().out

    def test_the_guard_marks_what_the_trainer_saved(self, course):
        stage = Stage.begin(course, "sft")
        self.write(stage, 10, complete=False)
        arguments = SimpleNamespace(output_dir=str(stage.checkpoints))
        state = SimpleNamespace(global_step=10, is_world_process_zero=True)
        CheckpointGuard().on_save(arguments, state, None)
        assert stage.last_checkpoint() == str(stage.checkpoints / "checkpoint-10")


def test_a_real_trainer_resumes_from_the_last_complete_checkpoint(course):
    """Three steps, the last checkpoint cut: training goes on from the second."""
    import torch
    from transformers import Trainer, TrainingArguments

    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x, labels):
            return {"loss": ((self.weight * x - labels) ** 2).mean()}

    def trainer(stage, steps):
        arguments = TrainingArguments(
            output_dir=str(stage.checkpoints),
            max_steps=steps,
            save_steps=1,
            save_total_limit=2,
            use_cpu=True,
            report_to="none",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        rows = [{"x": torch.ones(1), "labels": torch.ones(1)}] * 8
        return Trainer(Line(), arguments, train_dataset=rows, callbacks=[CheckpointGuard()])

    stage = Stage.begin(course, "sft", uses=["sft"])
    trainer(stage, 3).train()
    newest = stage.checkpoints / "checkpoint-3"
    assert stage.last_checkpoint() == str(newest)
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    again = Stage.begin(course, "sft", uses=["sft"])
    assert again.last_checkpoint() == str(stage.checkpoints / "checkpoint-2")
    second = trainer(again, 5)
    second.train(resume_from_checkpoint=again.last_checkpoint())
    assert second.state.global_step == 5
    assert again.last_checkpoint() == str(stage.checkpoints / "checkpoint-5")


KILLED = """
import sys
from helpers.artifacts import Stage
from helpers.config import Course
course = Course.load()
print("ready", flush=True)
while True:
    stage = Stage.begin(course, "sft")
    for step in range(5):
        stage.save_metrics({str(step): "x" * 20_000})
    stage.finish()
"""


def test_kill_at_any_moment_leaves_nothing_half_made(course):
    """Eight kills at odd moments of a loop that writes without a pause."""
    seen = set()
    for i in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline().strip() == "ready"
        time.sleep(0.02 + 0.0191 * i)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if is_made(course, "sft"):
            assert len(find(course, "sft").metrics) == 5
            seen.add("made")
        else:
            assert "made" not in seen  # once there is a finished one, there always is
            metrics = live(course.dir("sft")) / "metrics.json"
            assert not metrics.exists() or len(artifacts.read_json(metrics)) <= 5
            seen.add("unfinished")
        stage = Stage.begin(course, "sft")  # always possible
        assert not list(stage.path.glob(".*.tmp"))
    assert seen  # at least one kill fell into the loop


def test_a_file_that_goes_while_it_is_looked_at_is_missing(tmp_path, monkeypatch):
    """A reader meets a stage whose successor is moving in: no FileNotFoundError, it looks again."""
    (tmp_path / "metrics.json").write_text("{}")
    listed = files.listing(tmp_path)
    real = files.sha256
    monkeypatch.setattr(files, "sha256", lambda path: path.unlink() or real(path))
    assert files.damage(tmp_path, listed) == "metrics.json is missing"
