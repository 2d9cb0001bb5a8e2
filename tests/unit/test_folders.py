"""A new run of a stage beside the finished one: which of them is found, at every moment."""

import json
import os
import signal
from types import SimpleNamespace

import pytest

from helpers import folders
from helpers.artifacts import ArtifactError, Stage, find, is_made
from helpers.config import Course
from helpers.folders import live


@pytest.fixture
def course():
    return Course.load()


def write(course, text, **kwargs):
    """A run up to its end, not finished: a result, a model, a checkpoint."""
    stage = Stage.begin(course, "sft", **kwargs)
    stage.save_metrics({"text": text})
    (stage.path / "model").mkdir(exist_ok=True)
    (stage.path / "model" / "weights").write_text(text * 1000)
    (stage.checkpoints / "checkpoint-1").mkdir(parents=True, exist_ok=True)
    (stage.checkpoints / "checkpoint-1" / "state").write_text(text)
    return stage


def made(course, text="old", **kwargs):
    stage = write(course, text, **kwargs)
    stage.finish()
    return stage


def whole(course) -> str:
    """What the finished stage says, the same in all its files."""
    stage = find(course, "sft")
    text = stage.metrics["text"]
    assert (stage.path / "model" / "weights").read_text() == text * 1000
    return text


def in_another_process(work) -> int:
    """Do `work` in a process of its own, a copy of this one; its exit status as `os.wait` has it.
    A status of 0 is that of a work that ended without an error."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


class TestTheFinishedOneStays:
    def test_until_the_new_one_is_finished(self, course):
        first = made(course)
        new = write(course, "new")
        assert new.path != first.path and whole(course) == "old"
        assert find(course, "sft").run_id == first.run_id != new.run_id
        new.finish()
        assert new.path == course.dir("sft") and whole(course) == "new"
        assert (new.checkpoints / "checkpoint-1" / "state").read_text() == "new"
        assert [path.name for path in course.dir().iterdir()] == ["sft"]

    def test_beside_a_run_with_other_settings(self, course):
        made(course, uses=["sft"])
        other = Course.load(overrides={"sft": {"max_steps": 5}})
        new = write(other, "new", uses=["sft"])
        assert whole(course) == "old" and not is_made(other, "sft")
        new.finish()
        assert whole(other) == "new" and not is_made(course, "sft")

    def test_the_new_one_is_resumed_beside_it(self, course):
        made(course)
        first = write(course, "new")
        again = Stage.begin(course, "sft")
        assert again.run_id == first.run_id and again.metrics == {"text": "new"}
        assert whole(course) == "old"

    def test_going_on_with_the_finished_one_leaves_it_whole(self, course, monkeypatch):
        first = made(course)
        monkeypatch.setenv("COURSE_RESUME", "1")
        again = Stage.begin(course, "sft")
        assert again.run_id == first.run_id
        state = again.checkpoints / "checkpoint-1" / "state"
        assert state.read_text() == "old" and not (again.path / "manifest.json").exists()
        again.save_metrics({"text": "half"})
        (again.path / "model" / "weights").write_text("half")
        assert whole(course) == "old"

    def test_a_cell_run_again_after_the_end_writes_beside_it(self, course):
        stage = made(course)
        stage.save_metrics({"text": "half"})
        assert whole(course) == "old"
        (stage.path / "model" / "weights").write_text("half" * 1000)
        stage.finish()
        assert whole(course) == "half"

    def test_finish_twice_in_a_row(self, course):
        stage = made(course)
        assert stage.finish(note="again")["note"] == find(course, "sft").info["note"] == "again"
        assert whole(course) == "old"

    def test_an_object_of_a_run_that_was_replaced_writes_nothing(self, course):
        one = write(course, "one")
        two = write(course, "two")  # the same cell again: another object for the same run
        two.finish()
        one.finish()
        assert whole(course) == "two" and find(course, "sft").run_id == one.run_id
        made(course, "three")
        for write_again in (one.finish, two.finish, lambda: two.save_metrics({"text": "two"})):
            with pytest.raises(ArtifactError, match="begin it again"):
                write_again()
        assert whole(course) == "three"

    def test_what_find_gives_is_for_reading(self, course):
        made(course)
        with pytest.raises(ArtifactError, match=r"reading only; .*Stage\.begin"):
            find(course, "sft").save_metrics({"text": "x"})

    def test_two_stages_of_one_notebook_that_was_stopped_in_the_second(self, course, monkeypatch):
        """The first one is gone on with as the same run, so that the second fits it."""
        first = made(course)
        second = Stage.begin(course, "reward", needs=["sft"])
        second.save_metrics({"half": 1})
        monkeypatch.setenv("COURSE_RESUME", "1")
        Stage.begin(course, "sft").finish()
        again = Stage.begin(course, "reward", needs=["sft"])
        assert find(course, "sft").run_id == first.run_id
        assert again.run_id == second.run_id and again.metrics == {"half": 1}

    def test_a_full_disk_while_the_finished_one_is_copied(self, course, monkeypatch):
        made(course)
        monkeypatch.setenv("COURSE_RESUME", "1")

        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(folders.shutil, "copytree", full)
        with pytest.raises(ArtifactError, match="free some space"):
            Stage.begin(course, "sft")
        assert whole(course) == "old" and not live(course.dir("sft")).exists()


MOMENTS = range(6)  # before each rename of `finish`, and after the last one


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_at_every_moment_of_the_exchange(course, moment):
    """kill -9 before the nth rename: the old one or the new one is found, whole, and the next run
    goes on. The last moment is after all of them, where nothing is left to kill."""
    made(course)

    def work():
        new, replace, count = write(course, "new"), os.replace, [0]

        def deadly(source, target):
            if count[0] == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            replace(source, target)

        os.replace = deadly
        new.finish()

    status = in_another_process(work)
    assert status == (signal.SIGKILL if moment < 4 else 0)  # manifest, aside, in, away
    assert whole(course) == ("old" if moment < 2 else "new")
    again = Stage.begin(course, "sft")
    assert again.metrics == ({"text": "new"} if moment < 2 else {})
    assert whole(course) == ("old" if moment < 2 else "new")
    made(course, "next")
    assert [path.name for path in course.dir().iterdir()] == ["sft"]


@pytest.mark.parametrize("look", [True, False])
def test_interrupted_in_the_exchange_the_same_process_ends_it(course, monkeypatch, look):
    """Ctrl-C between the two renames; then the cell is run again, after a look or at once."""
    made(course)
    new, replace = write(course, "new"), os.replace

    def interrupted(source, target):
        if source == live(course.dir("sft")):
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", interrupted)
        new.finish()
    assert not look or whole(course) == "new"
    new.finish()
    assert whole(course) == "new" and new.path == course.dir("sft")


def test_killed_before_the_new_one_was_whole_the_old_one_moves_back(course):
    """Not a moment of `finish`; but whatever moved the old one aside, it is not lost."""
    home = made(course).path
    write(course, "new")
    home.rename(folders._aside(home))
    assert whole(course) == "old"


def test_one_who_reads_meanwhile_finds_the_old_one_or_the_new_one(course):
    made(course, "0")
    child = os.fork()
    if child == 0:
        for text in "12345678":
            made(course, text)
        os._exit(0)
    seen = ["0"]
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        stage = find(course, "sft")
        seen.append(stage.info["files"]["metrics.json"]["sha256"])
    assert whole(course) == "8"


class TestOneWriter:
    @pytest.fixture
    def other(self, course, monkeypatch):
        """Another process that has begun the stage and waits to be ended."""
        monkeypatch.setattr(folders, "LOCK_SECONDS", 0.2)
        read, told = os.pipe()
        child = os.fork()
        if child == 0:
            write(course, "theirs")
            os.write(told, b".")
            signal.pause()
        os.close(told)
        assert os.read(read, 1) == b"."
        os.close(read)
        alive = [True]

        def kill():
            if alive[0]:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                alive[0] = False

        yield SimpleNamespace(pid=child, kill=kill)
        kill()

    def test_a_second_process_is_refused_and_says_who_writes(self, course, other):
        with pytest.raises(ArtifactError) as caught:
            Stage.begin(course, "sft")
        message = str(caught.value)
        assert "\n" not in message and "'sft'" in message and f"process {other.pid}" in message
        assert "shut that notebook's kernel down" in message
        assert json.loads((live(course.dir("sft")) / "metrics.json").read_text()) == {
            "text": "theirs"}
        Stage.begin(course, "grpo")  # another stage is free

    def test_it_ends_with_its_process(self, course, other):
        other.kill()
        assert Stage.begin(course, "sft").metrics == {"text": "theirs"}  # resumed
        assert Stage.begin(course, "sft").metrics == {"text": "theirs"}  # by the same process

    def test_a_finished_stage_is_free(self, course):
        made(course)
        assert in_another_process(lambda: made(course, "theirs")) == 0
        assert whole(course) == "theirs"

    def test_an_unfinished_one_is_not(self, course, monkeypatch):
        monkeypatch.setattr(folders, "LOCK_SECONDS", 0.0)
        write(course, "mine")
        assert in_another_process(lambda: write(course, "theirs")) != 0
        assert Stage.begin(course, "sft").metrics == {"text": "mine"}
