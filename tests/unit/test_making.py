"""*Try a problem* makes a stage: the process and its row of controls, with runs that are not real.

That the real runner stops with the program that has started it: `test_course`.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from helpers import artifacts
from helpers.config import ROOT, Course
from helpers.widgets import making
from helpers.widgets.making import Making, Step, last_line
from helpers.widgets.offer_to_make import in_words, takes
from helpers.widgets.stages import Offered
from helpers.widgets.try_problem import TryProblem
from tests.unit.test_try_problem import EVIL, PROBLEM, Fake, press

# Prints where it is until there is a file `go`; ends when its input is closed, but if it hangs.
RUN = """
import json, os, subprocess, sys, threading, time
verb, stage, folder, how = sys.argv[1:]
if verb == "plan":
    if how == "cannot":
        sys.exit("no notebook makes <b>it</b>")
    print(json.dumps({"notebooks": [
        {"name": "03_sft", "makes": ["sft"], "minutes": 2},
        {"name": "05_dpo", "makes": [stage], "minutes": 5.2}]}))
    sys.exit()
open(folder + "/begun", "a").write("x")
def watch():
    while os.read(0, 100):
        pass
    if how != "hangs":
        print("stopped; run the same command again to continue", file=sys.stderr)
        os._exit(143)
threading.Thread(target=watch, daemon=True).start()
if how == "hangs":
    below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(folder + "/below.new", "w").write(str(below.pid))
    os.rename(folder + "/below.new", folder + "/below")
print("2 notebooks to run")
while not os.path.exists(folder + "/go"):
    sys.stdout.write("\\r\\x1b[K[1/2] 03_sft  cell 3/9  00:07 <script>x</script>")
    sys.stdout.flush()
    time.sleep(0.02)
sys.stdout.write("\\r\\x1b[K")
if how == "fails":
    print("Traceback\\nValueError: <script>no</script> 7", file=sys.stderr)
    sys.exit(1)
print("report: somewhere")
"""
SECONDS = 60  # for a process on a busy machine


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(making, "EVERY", 0.01)


def until(holds) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


class Page:
    """The widget over a fake run in a folder; `missing`: what is not made."""

    def __init__(self, folder: Path, how: str = "works", engine=None):
        self.folder, self.missing = folder, ["dpo", "ppo"]
        self.runs = Making(Course.load(), lambda verb, stage: [
            sys.executable, "-uc", RUN, verb, stage, str(folder), how])
        self.one = self.widget(engine)
        self.maker = self.one.maker

    def widget(self, engine=None) -> TryProblem:
        one = TryProblem(Course.load(), engine=engine or Fake(), models=[], problems=[PROBLEM],
                         runs=self.runs)
        one._look = self.offered
        one.look_again()
        return one

    def offered(self) -> list[Offered]:
        course = Course.load()
        return [Offered("sft", course)] + [
            Offered(name, course, missing="not made", makeable=True) if name in self.missing
            else Offered(name, course) for name in ("dpo", "ppo")]

    def choose(self, stage: str = "dpo") -> None:
        self.maker.menu.value = stage
        until(lambda: self.maker._steps is not None or self.said)

    def begin(self) -> None:
        self.choose()
        press(self.maker.make)
        until(lambda: "cell 3/9" in self.maker.line.value)

    def go(self) -> None:
        (self.folder / "go").touch()
        assert self.runs.wait(SECONDS)

    @property
    def said(self) -> str:
        return re.sub(r"<[^>]+>", "", self.maker.message.value)

    @property
    def begun(self) -> int:
        path = self.folder / "begun"
        return len(path.read_text()) if path.exists() else 0


@pytest.fixture
def page(tmp_path):
    page = Page(tmp_path)
    yield page
    page.go()


def test_it_says_what_it_takes_before_it_begins(page):
    assert page.maker.box in page.one.controls.to_make.children
    assert [name for name, _ in page.maker.menu.options] == ["–", "dpo", "ppo"]
    press(page.maker.make)
    assert "Choose first" in page.said and page.maker.make.description == "Make it"
    page.choose()
    words = re.sub(r"<[^>]+>", "", page.maker.words.value)
    assert words.startswith("Needed first: sft (notebook 03_sft, about 2 minutes). "
                            "Then dpo (notebook 05_dpo, about 5 minutes).")
    assert page.maker.make.description == "Make it (about 7 minutes)" and not page.said
    assert not page.begun, "nothing runs before the button"
    page.maker.menu.value = ""
    assert page.maker.make.description == "Make it" and not page.maker.words.value


def test_nothing_begins_while_it_is_not_known_what_it_takes(page):
    page.maker.menu.unobserve_all()
    page.maker.menu.value = "dpo"
    press(page.maker.make)
    assert not page.runs.running
    until(lambda: page.maker._steps)
    assert page.maker.make.description == "Make it (about 7 minutes)" and not page.begun


def test_another_choice_made_meanwhile_is_not_overwritten(page):
    page.choose()
    page.maker.planned("ppo", [Step("06_ppo", ("ppo",), 60.0)], "")
    assert page.maker.make.description == "Make it (about 7 minutes)"


def test_it_is_made_beside_the_page_and_then_can_be_chosen(page):
    page.begin()
    assert "<script" not in page.maker.line.value and "&lt;script&gt;" in page.maker.line.value
    assert "\x1b" not in page.maker.line.value
    press(page.one.controls.draw)
    page.one.generate(["sft"])
    assert page.one.wait(20).answers[0].right == 2, "others are asked meanwhile"
    assert page.runs.running
    page.missing.remove("dpo")
    page.go()
    boxes = {box.description: box for box in page.one.controls.choices.children}
    assert not boxes["dpo"].disabled and boxes["ppo"].disabled
    assert page.said == "dpo is made." and not page.maker.line.value
    assert [name for name, _ in page.maker.menu.options] == ["–", "ppo"]
    assert page.maker.make.description == "Make it" and not page.maker.words.value


def test_what_is_made_while_others_write_is_offered_when_they_have_written(tmp_path):
    gate = threading.Event()
    page = Page(tmp_path, engine=Fake(gate=gate))
    page.begin()
    page.one.draw()
    page.one.generate(["sft"])
    assert page.one.trying.engine.first.wait(20)
    page.missing.remove("dpo")
    page.go()
    boxes = {box.description: box for box in page.one.controls.choices.children}
    assert boxes["dpo"].disabled, "not under the hands of those that write"
    gate.set()
    page.one.wait(20)
    boxes = {box.description: box for box in page.one.controls.choices.children}
    assert not boxes["dpo"].disabled


def test_a_failure_is_one_escaped_message_and_the_widget_goes_on(tmp_path):
    page = Page(tmp_path, "fails")
    page.begin()
    page.go()
    assert page.said == "⚠ dpo was not made: ValueError: &lt;script&gt;no&lt;/script&gt; 7"
    assert 'role="alert"' in page.maker.message.value and not page.maker.line.value
    press(page.maker.make)
    assert page.runs.wait(SECONDS) and page.begun == 2, "it can be tried again"
    page.one.draw()
    page.one.generate(["sft"])
    assert page.one.wait(20).answers[0].right == 2


def test_a_stage_that_no_run_makes_is_one_message(tmp_path):
    page = Page(tmp_path, "cannot")
    page.choose()
    assert page.said == "⚠ dpo cannot be made here: no notebook makes &lt;b&gt;it&lt;/b&gt;"
    assert page.maker.make.description == "Make it"


def test_stopped_it_can_be_begun_again(page):
    press(page.maker.end)
    assert "Nothing is being made" in page.said
    page.begin()
    process = page.runs._process
    press(page.maker.end)
    assert page.runs.wait(SECONDS) and process.returncode == 143
    until(lambda: "Stopped." in page.said)
    assert "was not made" not in page.said and not page.maker.line.value
    press(page.maker.make)
    until(lambda: page.begun == 2)


def test_two_clicks_begin_one_run(page):
    page.begin()
    press(page.maker.make)
    assert "dpo is being made" in page.said
    assert not page.runs.start("ppo") and page.runs.stage == "dpo"
    page.go()
    assert page.begun == 1


def test_one_that_does_not_stop_is_killed_with_what_it_has_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "GRACE", 0.1)
    page = Page(tmp_path, "hangs")
    page.begin()
    until((tmp_path / "below").exists)
    below, process = int((tmp_path / "below").read_text()), page.runs._process
    press(page.maker.end)
    assert page.runs.wait(SECONDS) and process.returncode == -signal.SIGKILL
    until(lambda: gone(below))
    assert "Stopped." in page.said


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_process_that_was_killed_says_by_what(page):
    page.begin()
    page.runs._process.kill()
    assert page.runs.wait(SECONDS)
    assert page.said == "⚠ dpo was not made: its process was ended by signal 9"


def test_a_command_that_cannot_be_started_is_one_message(page):
    page.choose()
    page.runs._commands = lambda verb, stage: ["/nowhere/python"]
    press(page.maker.make)
    assert "dpo was not made" in page.said and "/nowhere/python" in page.said
    assert not page.runs.running and not page.maker.line.value


def test_a_closed_widget_ends_its_run(page):
    page.begin()
    page.one.controls.box.close()
    assert page.runs.wait(SECONDS)
    assert not (page.folder / "go").exists()


def test_a_cell_that_is_run_again_finds_the_run(page):
    page.begin()
    again = page.widget()
    assert "Making dpo" in again.maker.line.value
    page.one.controls.box.close()
    assert page.runs._kill_at is None, "the one before has nothing to end any more"
    press(again.maker.end)
    assert page.runs.wait(SECONDS)
    assert "Stopped." in again.maker.message.value


def test_in_one_kernel_a_course_has_one_run(page, monkeypatch):
    course = Course.load()
    monkeypatch.setitem(making._MAKINGS, course.dir(), page.runs)
    assert making.of(course) is not page.runs, "it has ended: its settings may be others"
    monkeypatch.setitem(making._MAKINGS, course.dir(), page.runs)
    page.begin()
    assert making.of(course) is page.runs and making.of(Course.load(seed=1)) is not page.runs


def test_models_that_are_no_stages_are_not_made():
    course = Course.load()
    models = [Offered("sft", course), Offered("mine", course, missing="stage 'mine' has no model")]
    one = TryProblem(course, engine=Fake(), models=models, problems=[PROBLEM])
    assert not one.controls.to_make.children and not one.maker.making.running


def test_what_a_gpu_would_take_is_said_where_there_is_none(page, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    page.maker.course = Course.load("colab")
    page.choose()
    assert "GPU that preset colab is made for. There is none here" in page.maker.words.value
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    page.choose("ppo")
    assert "There is none here" not in page.maker.words.value


def test_everything_is_labelled(page):
    maker = page.maker
    names = [one.description for one in (maker.menu, maker.make, maker.end)]
    assert names == ["Make a model", "Make it", "Stop making it"]
    assert "Stop" == page.one.controls.stop.description, "told apart by their names"


@pytest.mark.parametrize("minutes, words", [
    (0, ""), (0.3, "less than a minute"), (1.2, "about 1 minute"), (7, "about 7 minutes"),
    (85, "about 85 minutes"), (150, "about 2.5 hours")])
def test_minutes_in_words(minutes, words):
    assert in_words(minutes) == words


def test_what_is_made_by_now_takes_nothing():
    assert takes("dpo", []) == "dpo is made by now: press Look again."
    assert takes("dpo", [Step("05_dpo", ("dpo",), 0)]) == "dpo (notebook 05_dpo)."


@pytest.mark.parametrize("text, line", [
    ("", ""), ("one\ntwo\n\n", "two"), ("\r\x1b[Kone\r\x1b[K\x1b[31mtwo  x\x1b[0m", "two x"),
    ("done\n\r\x1b[K", "done"), ("x" * 999, "x" * 300)])
def test_the_last_line_is_that_of_a_terminal(text, line):
    assert last_line(text) == line


@pytest.mark.parametrize("course", [
    Course.load("tiny", "countdown", 3, {"evaluation": {"n": 2}}), Course.load()])
def test_the_command_is_the_one_that_is_told(course):
    run, plan = (making.command(course, verb, "dpo") for verb in ("run", "plan"))
    assert run[:2] == plan[:2] == [sys.executable, "-u"] and run[-1] == "--watched"
    told = artifacts.command(course, "dpo").replace("'", "")
    assert " ".join(["python", *run[2:-1]]) == told
    assert " ".join(["python", *plan[2:]]) == told.replace(" run ", " plan ")


def test_a_run_inherits_nothing_of_the_kernel(monkeypatch):
    for name in ("MPLBACKEND", "COURSE_RUNNER", "COURSE_RESUME", "SERVER_SOFTWARE",
                 "JPY_PARENT_PID", "PYTHONSAFEPATH"):
        monkeypatch.setenv(name, "voila/0.5")
    monkeypatch.setenv("COURSE_ARTIFACTS", "some/where")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    monkeypatch.setenv("OWN", "stays")
    env = making.environment()
    assert "voila/0.5" not in env.values() and env["OWN"] == "stays"
    assert env["COURSE_ARTIFACTS"] == str(ROOT / "some" / "where")
    assert env["PYTHONPATH"] == f"{ROOT}{os.pathsep}/mine"


KERNEL = """
import sys, time
from helpers.config import Course
from helpers.widgets.making import Making
one = Making(Course.load(), lambda verb, stage: [sys.executable, "-uc", *sys.argv[1:]])
one.start("dpo")
print(one._process.pid, flush=True)
time.sleep(600)
"""


def test_a_killed_kernel_leaves_no_run_behind(tmp_path):
    line = [sys.executable, "-c", KERNEL, RUN, "run", "dpo", str(tmp_path), "works"]
    kernel = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = int(kernel.stdout.readline())
    until((tmp_path / "begun").exists)
    assert not gone(pid)
    kernel.kill()
    kernel.wait()
    until(lambda: gone(pid))
    kernel.stdout.close()


def test_what_a_model_is_called_cannot_break_the_page(tmp_path):
    page = Page(tmp_path)
    page.maker.offer([EVIL])
    page.choose(EVIL)
    assert "<script" not in page.maker.words.value and "<img" not in page.maker.words.value
