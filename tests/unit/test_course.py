"""The runner on throwaway notebooks: order, skipping, failing, stopping, continuing."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import psutil
import pytest

from helpers import rungs
from helpers.artifacts import ArtifactError, Stage, find, is_made
from helpers.config import ROOT, ConfigError, Course
from helpers.course import course as command_line
from helpers.course import graph, report, runner, states
from helpers.course.processes import cores
from helpers.folders import live

PARAMETERS = 'preset = "tiny"\ntask = "gsm8k"\nseed = 0\noverrides = {}'
pytestmark = pytest.mark.timeout(1200)  # a busy machine is slow, not wrong
BEGIN = """from helpers.artifacts import Stage
from helpers.config import Course
import os, time
course = Course.load(preset, task, seed, overrides)
open(os.environ["TRACE"], "a").write("{name} " + os.environ["OMP_NUM_THREADS"] + "\\n")
stage = Stage.begin(course, "{stage}", uses={uses}, needs={needs})"""


def heed_interrupts() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, tests too; a process
    would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Place:
    """A folder of notebooks, a folder of artifacts, and the command line between them."""

    def __init__(self, tmp_path: Path):
        self.notebooks = tmp_path / "notebooks"
        self.notebooks.mkdir()
        self.trace_file = tmp_path / "trace"
        self.trace_file.touch()

    def write(self, name, makes=(), needs=(), uses=(), cells=(), minutes=None, more=None):
        stage = makes[0] if makes else name
        begin = BEGIN.format(name=name, stage=stage, uses=list(uses), needs=list(needs))
        notebook = nbformat.v4.new_notebook()
        parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        codes = [begin, *cells, "stage.finish()"] if makes else list(cells) or ["1 + 1"]
        notebook.cells = [
            nbformat.v4.new_markdown_cell(f"# About {name} & more"),
            parameters,
            *map(nbformat.v4.new_code_cell, codes),
        ]
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        meta = {"needs": list(needs), "makes": list(makes), "uses": list(uses), **(more or {})}
        notebook.metadata["course"] = {**meta, "minutes": {"tiny": minutes or 0}}
        nbformat.write(notebook, self.notebooks / f"{name}.ipynb")

    def start(self, *arguments) -> subprocess.Popen:
        line = [sys.executable, "-m", "helpers.course", *arguments]
        line += ["--notebooks", str(self.notebooks)]
        env = {**os.environ, "TRACE": str(self.trace_file)}
        pipe = subprocess.PIPE
        return subprocess.Popen(line, cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True,
                                preexec_fn=heed_interrupts)

    def call(self, *arguments) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=900)
        return process.returncode, out, err

    def trace(self) -> list[str]:
        """Names of the notebooks begun since the last look."""
        lines = self.trace_file.read_text().splitlines()
        self.trace_file.write_text("")
        return [line.split()[0] for line in lines]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def three(place):
    """03 makes sft; 05 needs it and makes grpo; 04 stands alone."""
    place.write("03_sft", makes=["sft"], uses=["sft"])
    place.write("05_grpo", makes=["grpo"], needs=["sft"], uses=["grpo"])
    place.write("04_alone", makes=["alone"])
    return place


def test_a_need_with_a_dot_stands_for_the_stages_that_a_setting_lists(place):
    for number, name in enumerate(rungs.NAMES):
        place.write(f"0{number}_{name}", makes=[name])
    place.write("08_all", needs=["evaluation.rungs"], makes=["evaluation"])

    def needed(*rungs):
        course = Course.load(overrides={"evaluation": {"rungs": list(rungs)}} if rungs else {})
        return [n for n in graph.load_graph(course, place.notebooks) if n.name == "08_all"][0].needs

    assert needed() == rungs.NAMES
    assert needed("sft", "grpo") == ("sft", "grpo")


def test_order_skip_and_only_what_changed(three):
    code, out, err = three.call("run", "--jobs", "1")
    assert code == 0, err
    assert three.trace() == ["03_sft", "04_alone", "05_grpo"]
    assert "3 notebooks to run, 0 already made" in out
    assert "[2/3] 04_alone  cell 5/5" in out

    code, out, err = three.call("run")
    assert (code, three.trace()) == (0, []) and "0 notebooks to run, 3 already made" in out

    code, out, err = three.call("run", "--overrides", "{grpo: {max_steps: 7}}")
    assert (code, three.trace()) == (0, ["05_grpo"]), err

    changed = Course.load(overrides={"grpo": {"max_steps": 7}})
    kept = runner.kept(changed, "05_grpo")
    assert "max_steps" in kept.read_text()
    noted = json.loads(runner.kept(changed, "05_grpo", ".run.json").read_text())
    assert noted["status"] == "made" and noted["cells"] == 5 and noted["minutes"] > 0
    assert 0.02 < noted["peak_memory_gb"] < 5
    assert noted["run_ids"] == {"grpo": find(changed, "grpo").run_id}
    assert not list(kept.parent.glob(".*.running*"))

    page = (changed.dir() / "report.html").read_text()
    assert 'href="report/05_grpo.html">About 05_grpo &amp; more<' in page
    assert "About 05_grpo" in (changed.dir("report") / "05_grpo.html").read_text()

    code, out, err = three.call("status")
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert rows == {"notebook": "state", "03_sft": "made", "04_alone": "made", "05_grpo": "stale"}

    three.write("03_sft", makes=["sft"], uses=["sft"], cells=["'another cell'"])
    code, out, err = three.call("run", "--jobs", "1")
    assert (code, three.trace()) == (0, ["03_sft", "05_grpo"]), err

    (Course.load().dir("alone") / "manifest.json").write_text("{")
    code, out, err = three.call("run", "--only", "04", "--jobs", "1")
    assert (code, three.trace()) == (0, ["04_alone"]), err


def test_only_brings_what_it_needs_and_force_repeats(three):
    code, out, err = three.call("run", "--only", "grpo")
    assert (code, three.trace()) == (0, ["03_sft", "05_grpo"]), err
    code, out, err = three.call("run", "--only", "05", "--force")
    assert (code, three.trace()) == (0, ["05_grpo"]), err
    code, out, err = three.call("run", "--only", "99")
    assert code == 1 and "--only 99" in err and "04_alone" in err and err.count("\n") == 1


def test_two_at_a_time_share_the_cores(place):
    meet = "open(os.environ['TRACE'] + '_{0}', 'w').close()\nend = time.time() + 60\n"
    meet += "while not os.path.exists(os.environ['TRACE'] + '_{1}'):\n"
    meet += "    assert time.time() < end, 'the other one never ran'\n    time.sleep(.05)"
    place.write("01_a", makes=["a"], cells=[meet.format("a", "b")])
    place.write("02_b", makes=["b"], cells=[meet.format("b", "a")])
    code, out, err = place.call("run", "--jobs", "2")
    assert code == 0, err
    threads = {line.split()[1] for line in place.trace_file.read_text().splitlines()}
    assert threads == {str(max(1, cores() // 2))}


def test_what_all_others_wait_for_gets_every_core(place):
    place.write("01_a", makes=["a"])
    place.write("02_b", makes=["b"], needs=["a"])
    place.write("03_c", makes=["c"], needs=["b"])
    until_b = "end = time.time() + 60\nwhile '02_b' not in open(os.environ['TRACE']).read():\n"
    until_b += "    assert time.time() < end, 'b never ran'\n    time.sleep(.05)"
    place.write("04_beside", makes=["d"], cells=[until_b])
    code, out, err = place.call("run", "--jobs", "2")
    assert code == 0, err
    threads = dict(line.split() for line in place.trace_file.read_text().splitlines())
    assert threads["02_b"] == str(cores()) and threads["04_beside"] == str(max(1, cores() // 2))


def test_a_failing_cell_is_told_in_three_lines(three):
    three.write("03_sft", makes=["sft"], uses=["sft"], cells=["x = 1", "x / 0\n\n"])
    code, out, err = three.call("run", "--jobs", "1")
    first, second, third = err.splitlines()
    assert code == 1
    assert first.startswith("03_sft failed") and first.endswith("03_sft.failed.ipynb")
    assert second == "cell 6 of 7"
    assert third == "ZeroDivisionError: division by zero"
    assert Path(first.split()[-1]).is_file() and three.trace() == ["03_sft"]
    rows = three.call("status")[1]
    assert "03_sft    failed" in rows and "05_grpo   missing" in rows

    three.write("03_sft", makes=["sft"], uses=["sft"])
    code, out, err = three.call("run", "--jobs", "1")
    assert code == 0 and three.trace() == ["03_sft", "04_alone", "05_grpo"]
    assert not Path(first.split()[-1]).exists()


def test_a_failure_after_the_stage_was_made_is_not_forgotten(place):
    flag = "if not os.path.exists(os.environ['TRACE'] + '_ok'): raise SystemError('late')"
    place.write("03_sft", makes=["sft"], cells=["stage.finish()", flag])
    assert place.call("run")[0] == 1
    first = find(Course.load(), "sft").run_id
    assert place.call("run")[0] == 1
    place.trace_file.with_name("trace_ok").touch()
    assert place.call("run")[0] == 0
    assert place.trace() == ["03_sft"] * 3
    assert find(Course.load(), "sft").run_id == first  # kept and resumed, not made anew


def test_a_promise_not_kept_and_a_dead_kernel(place):
    place.write("01_a", cells=["2 + 2"], more={"makes": ["a"]})
    code, out, err = place.call("run")
    assert code == 1 and "did not make 'a'" in err and len(err.splitlines()) == 3
    place.write("01_a", makes=["a"], cells=["os._exit(3)"])
    code, out, err = place.call("run")
    assert code == 1 and "DeadKernelError" in err and len(err.splitlines()) == 3


SLOW = [
    "done = stage.metrics.get('cells', 0)\nstage.save_metrics({'cells': done + 1})",
    "if done == 0:\n    time.sleep(300)",
]


def wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_continues(place, number):
    place.write("03_sft", makes=["sft"], cells=SLOW)
    process, course = place.start("run"), Course.load()
    folder = live(course.dir("sft"))
    wait_for(lambda: (folder / "metrics.json").exists())
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2  # the executor and its kernel
    first = json.loads((folder / "begun.json").read_text())["run_id"]
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    expected = -number if number == signal.SIGKILL else 128 + number
    assert process.returncode == expected, err
    gone, alive = psutil.wait_procs(children, timeout=120)
    assert not alive
    if number != signal.SIGKILL:
        assert err == "stopped; run the same command again to continue\n"

    code, out, err = place.call("run")
    assert code == 0, err
    assert find(course, "sft").metrics == {"cells": 2}  # the first half was not lost
    assert find(course, "sft").run_id == first


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_watched_it_tells_each_cell_and_stops_when_its_input_is_closed(place, how):
    """`how` the program that has started it lets go of the other end."""
    place.write("03_sft", makes=["sft"], cells=SLOW)
    folder = live(Course.load().dir("sft"))
    line = [sys.executable, "-u", "-m", "helpers.course", "run", "--watched", "--notebooks",
            str(place.notebooks)]
    env = {**os.environ, "TRACE": str(place.trace_file)}
    pipe = subprocess.PIPE
    if how == "closed":
        first = process = subprocess.Popen(line, cwd=ROOT, env=env, stdin=pipe, stdout=pipe,
                                           stderr=subprocess.STDOUT)
    else:  # the kernel of a notebook, killed
        code = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdin=-1).wait()"
        first = subprocess.Popen([sys.executable, "-c", code, *line], cwd=ROOT, env=env,
                                 stdout=pipe, stderr=subprocess.STDOUT)
    wait_for(lambda: (folder / "metrics.json").exists())
    below = psutil.Process(first.pid).children(recursive=True)
    assert len(below) >= 2
    if how == "closed":
        out, _ = process.communicate(timeout=600)
        assert process.returncode == 128 + signal.SIGTERM
        assert re.search(rb"\r\x1b\[K\[1/1\] 03_sft  cell \d/[?7]  \d\d:\d\d", out)
        assert out.endswith(b"stopped; run the same command again to continue\n")
    else:
        first.kill()
        first.communicate(timeout=600)
    assert not psutil.wait_procs(below, timeout=120)[1]


def test_a_terminal_sees_the_cell_and_the_time(place):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    place.write("03_sft", cells=["import time\ntime.sleep(1.2)"])
    screen, course = Terminal(), Course.load()
    todo = graph.load_graph(course, place.notebooks)
    runner.Runner(course, out=screen).run(todo)
    assert re.search(r"\r\x1b\[K\[1/1\] 03_sft  cell 4/4  \d\d:\d\d", screen.getvalue())
    summary = json.loads(runner.kept(course, "last_run", ".json").read_text())
    assert summary["notebooks"] == ["03_sft"] and summary["peak_memory_gb"] > 0.02


def test_two_runs_at_once_are_refused():
    course = Course.load()
    with runner.lock(course), pytest.raises(ArtifactError, match="another run"):
        with runner.lock(course, wait=0.1):
            pass


def test_status_says_what_was_made_by_older_code(three, tmp_path, monkeypatch):
    """It warns and re-runs nothing by itself."""
    toy = ModuleType("helpers.toy")
    toy.__file__ = str(tmp_path / "toy.py")
    Path(toy.__file__).write_text("price = 1")
    course = Course.load()
    Stage.begin(course, "alone").finish()
    monkeypatch.setitem(sys.modules, "helpers.toy", toy)
    Stage.begin(course, "sft", uses=["sft"]).finish()
    Path(toy.__file__).write_text("price = 2")
    lines = {line.split()[0]: line for line in
             command_line.status(course, three.notebooks).splitlines()}
    assert lines["03_sft"].split()[1] == "made"
    assert lines["03_sft"].endswith("  made by older code: helpers.toy changed")
    assert lines["04_alone"].split()[1] == "made" and "older code" not in lines["04_alone"]
    everything = graph.load_graph(course, three.notebooks)
    assert [n.name for n in states.plan(course, everything)] == ["05_grpo"]


class TestWhatIsGoneOnWith:
    @pytest.fixture
    def notebook(self, three):
        return graph.load_graph(Course.load(), three.notebooks)[0]

    def test_begun_and_not_finished_is_not_made_though_an_older_one_is(self, notebook, tmp_path):
        course = Course.load()
        Stage.begin(course, "sft", uses=["sft"]).finish()
        Stage.begin(course, "sft", uses=["sft"])
        child = runner.Child(notebook, 1, SimpleNamespace(returncode=0), tmp_path / "progress")
        with pytest.raises(runner.RunFailed, match="did not make 'sft'"):
            runner.Runner(course, out=io.StringIO())._finish(child, 1)

    def test_what_was_to_begin_anew_still_is_after_a_stop_before_it_began(self, notebook):
        """Else the next run would go on with what the notebook's old code has made."""
        course = Course.load()
        assert not runner._changed(course, notebook, {})
        Stage.begin(course, "sft").finish()
        noted = {"status": "running", "code": notebook.code, "anew": True,
                 "time": time.time() + 60}  # later than the start of the stage that is there
        assert runner._changed(course, notebook, noted)
        assert runner._changed(course, notebook, {"code": "of another text"})
        assert not runner._changed(course, notebook, {**noted, "anew": False})
        assert not runner._changed(course, notebook, {**noted, "time": time.time() - 60})


class TestGraph:
    def load(self, place, **kwargs):
        return [n.name for n in graph.load_graph(Course.load(**kwargs), place.notebooks)]

    def test_reading_order_and_limits(self, place):
        place.write("A1_more", more={"presets": ["tiny"]})
        place.write("00_start", more={"tasks": ["gsm8k"]})
        place.write("other")
        assert self.load(place) == ["00_start", "A1_more"]
        assert self.load(place, preset="colab") == ["00_start"]

    def test_what_needs_what_cannot_be_made_is_left_out_too(self, place):
        place.write("05_dpo", makes=["dpo"], more={"tasks": ["gsm8k"]})
        place.write("06_more", makes=["more"], needs=["dpo"])
        place.write("07_other", makes=["other"])
        place.write("08_all", needs=["other", "more"])
        course = Course.load(task="countdown")
        assert self.load(place, task="countdown") == ["07_other"]
        assert [n.cannot for n in graph.left_out(course, place.notebooks)] == [
            "05_dpo cannot do task 'countdown': it can do gsm8k (course.tasks in its metadata)",
            "06_more needs 'dpo', and 05_dpo cannot do task 'countdown'",
            "08_all needs 'more', and 06_more needs 'dpo', and 05_dpo cannot do task 'countdown'"]
        assert len(self.load(place)) == 4 and graph.left_out(Course.load(), place.notebooks) == []

    def test_answers_that_can_be_checked_are_enough(self, place):
        place.write("03_sft", makes=["sft"], more={"tasks": "checked"})
        place.write("04_alone", makes=["alone"])
        for task in ("gsm8k", "openr1", "countdown"):
            assert graph.left_out(Course.load(task=task), place.notebooks) == []
        [one] = graph.left_out(Course.load(task="instruct"), place.notebooks)
        assert one.cannot == "03_sft cannot do task 'instruct': its answers cannot be checked"

    def test_a_stage_that_another_notebook_makes_for_this_task_is_not_missing(self, place):
        place.write("04_math", makes=["pairs"], more={"tasks": ["gsm8k"]})
        place.write("04_words", makes=["pairs"], more={"tasks": ["instruct"]})
        place.write("05_dpo", needs=["pairs"])
        assert self.load(place) == ["04_math", "05_dpo"]
        assert self.load(place, task="instruct") == ["04_words", "05_dpo"]

    def test_none(self, place):
        with pytest.raises(ConfigError, match="no notebooks"):
            self.load(place)

    def test_two_makers(self, place):
        place.write("00_a", makes=["x"])
        place.write("01_b", makes=["x"])
        with pytest.raises(ConfigError, match="00_a and 01_b both make 'x'"):
            self.load(place)

    def test_no_maker(self, place):
        place.write("00_a", needs=["x"])
        with pytest.raises(ConfigError, match="00_a needs 'x'"):
            self.load(place)

    def test_it_waits_for_what_it_looks_at_without_needing_it(self, place):
        place.write("00_look", more={"after": ["b", "nowhere"]}, cells=["2 + 2"])
        place.write("01_b", ["b"])
        notebooks = graph.load_graph(Course.load(), place.notebooks)
        look, b = notebooks
        assert [n.name for n in graph.in_order(notebooks)] == ["01_b", "00_look"]
        assert graph.with_parents([look], notebooks) == [look], "alone it runs alone"
        assert runner.Runner._able([look, b], [look, b], set()) == [b]
        assert runner.Runner._able([look], [look], set()) == [look]
        assert runner.Runner._able([look], [look, b], {b}) == [look]

    def test_circle(self, place):
        place.write("00_a", makes=["x"], needs=["y"])
        place.write("01_b", makes=["y"], needs=["x"])
        with pytest.raises(ConfigError, match="circle: 00_a, 01_b"):
            self.load(place)

    def test_no_notebook(self, place):
        (place.notebooks / "00_a.ipynb").write_text("{}")
        with pytest.raises(ConfigError, match="00_a.ipynb is no notebook"):
            self.load(place)

    def test_the_longest_way_goes_first(self, place):
        place.write("00_a", minutes=1)
        place.write("01_b", makes=["b"], minutes=1)
        place.write("02_c", needs=["b"], minutes=2)
        notebooks = graph.load_graph(Course.load(), place.notebooks)
        assert [graph.longest_path(n, notebooks) for n in notebooks] == [1, 3, 2]
        ready = runner.Runner(Course.load(), 2)._ready(notebooks, notebooks, set())
        assert [n.name for n in ready] == ["01_b", "00_a"]


class TestEnsure:
    def test_runs_what_is_missing_on_tiny(self, three, monkeypatch, capsys):
        monkeypatch.setenv("TRACE", str(three.trace_file))
        stage = command_line.ensure(Course.load(), "grpo", three.notebooks)
        assert stage.name == "grpo" and three.trace() == ["03_sft", "05_grpo"]
        assert "running 03_sft, 05_grpo first" in capsys.readouterr().out
        assert command_line.ensure(Course.load(), "grpo", three.notebooks).run_id == stage.run_id
        assert three.trace() == []

    def test_only_names_the_command_elsewhere(self, three):
        with pytest.raises(ArtifactError, match="run --preset colab .* --only grpo"):
            command_line.ensure(Course.load("colab"), "grpo", three.notebooks)

    def test_what_no_notebook_of_this_task_makes_is_named(self, three):
        three.write("05_grpo", makes=["grpo"], needs=["sft"], more={"tasks": ["gsm8k"]})
        with pytest.raises(ArtifactError, match="'grpo': 05_grpo cannot do task 'instruct'"):
            command_line.ensure(Course.load(task="instruct"), "grpo", three.notebooks)

    def test_a_notebook_in_the_runner_starts_no_other_run(self, three, monkeypatch):
        monkeypatch.setenv("COURSE_RUNNER", "1")
        with pytest.raises(ArtifactError, match="--only grpo"):
            command_line.ensure(Course.load(), "grpo", three.notebooks)


class TestReport:
    def executed(self, course, name, title="About", failed=False, **notes):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {title}")])
        notebook.metadata["papermill"] = {"duration": 90.0, "exception": failed or None, **notes}
        path = runner.kept(course, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def rows(self, three):
        """{what a row links or names: its other cells} of the report."""
        course = Course.load()
        page = report.build(course, graph.load_graph(course, three.notebooks)).read_text()
        rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>", page)
        return {re.sub(r'<a href="(.*?)">.*', r"\1", row[0]): row[1:] for row in rows}

    def test_notebooks_that_papermill_wrote_there_have_pages(self, three):
        course = Course.load()
        Stage.begin(course, "sft", uses=["sft"]).finish()
        self.executed(course, "03_sft")  # as papermill writes it, without a record
        self.executed(course, "05_grpo_hot", "A <hot> run", failed=True)
        self.executed(course, "06_now", duration=None)
        runner.kept(course, "half").write_text("{")
        runner.kept(course, "04_alone.failed").write_text("{}")
        rows = self.rows(three)
        assert rows["report/03_sft.html"] == ("made", "1.5", "by papermill")
        assert rows["report/05_grpo_hot.html"] == ("failed", "1.5", "by papermill")
        assert rows["report/06_now.html"] == ("running or stopped", "", "by papermill")
        assert rows["half"] == ("damaged", "", "by papermill")
        assert "A &lt;hot&gt; run (05_grpo_hot.ipynb)" in (course.dir() / "report.html").read_text()
        assert "<h1" in (course.dir("report") / "05_grpo_hot.html").read_text()
        assert len(rows) == 6  # with 04_alone and 05_grpo, which nobody ran

    def test_papermill_after_the_runner_is_told_from_it(self, three):
        course = Course.load()
        executed = self.executed(course, "04_alone")
        noted = {"status": "made", "code": "", "run_ids": {}, "minutes": 7.0}
        record = runner.kept(course, "04_alone", ".run.json")
        record.write_text(json.dumps(noted))
        os.utime(executed, ns=(1, record.stat().st_mtime_ns - 1))
        assert self.rows(three)["report/04_alone.html"][1:] == ("7.0", "")
        os.utime(executed, ns=(1, record.stat().st_mtime_ns + 1))
        assert self.rows(three)["report/04_alone.html"][1:] == ("1.5", "by papermill")

    def test_stages_made_without_an_executed_notebook_have_a_line(self, three):
        course = Course.load()
        for stage in ("sft", "mine"):
            Stage.begin(course, stage, uses=["sft"]).finish()
        rows = self.rows(three)
        assert rows["About 03_sft &amp; more"] == ("made", "0.0", report.BY_HAND)
        assert rows["mine"] == ("", "0.0", report.BY_HAND)
        assert rows["About 05_grpo &amp; more"] == ("missing", "", "")


class TestCommandLine:
    def main(self, place, *arguments):
        return command_line.main([*arguments, "--notebooks", str(place.notebooks)])

    @pytest.mark.parametrize(
        "arguments, words",
        [
            (["--overrides", "{grpo: {max_step: 1}}"], "'grpo.max_steps'"),
            (["--preset", "tin"], "'tiny'"),
            (["--recipe", "nothing"], "recipe 'nothing' does not exist"),
            (["--overrides", "{rewards: {exact_anwser: 1}}"], "did you mean 'exact_answer'?"),
        ],
    )
    def test_mistakes_are_told_in_one_line(self, three, monkeypatch, capsys, arguments, words):
        """Before anything runs, and what is finished stays."""
        monkeypatch.setenv("TRACE", str(three.trace_file))
        first = Stage.begin(Course.load(), "sft").finish()["run_id"]
        assert self.main(three, "run", *arguments) == 1
        err = capsys.readouterr().err
        assert words in err and err.count("\n") == 1
        assert three.trace() == [] and find(Course.load(), "sft").run_id == first

    def test_what_cannot_be_done_is_said_by_status_and_before_a_run(self, three, capsys,
                                                                     monkeypatch):
        three.write("05_grpo", makes=["grpo"], needs=["sft"], more={"tasks": ["gsm8k"]})
        three.write("08_all", makes=["evaluation"], needs=["grpo"])
        ran = []
        monkeypatch.setattr(command_line.Runner, "run", lambda self, todo, forced: ran.extend(
            notebook.name for notebook in todo))
        lines = ["05_grpo cannot do task 'instruct': it can do gsm8k "
                 "(course.tasks in its metadata)",
                 "08_all needs 'grpo', and 05_grpo cannot do task 'instruct'"]
        assert self.main(three, "status", "--task", "instruct") == 0
        assert capsys.readouterr().out.splitlines()[3:] == lines
        assert self.main(three, "run", "--task", "instruct") == 0
        assert capsys.readouterr().out.splitlines()[:3] == [
            *lines, "2 notebooks to run, 0 already made"]
        assert ran == ["03_sft", "04_alone"]
        assert self.main(three, "run", "--task", "instruct", "--only", "05") == 1
        assert capsys.readouterr().err == f"--only 05: {lines[0]}\n"
        assert self.main(three, "run", "--task", "instruct", "--only", "grpo") == 1
        assert capsys.readouterr().err == f"--only grpo: {lines[0]}\n"
        page = (Course.load(task="instruct").dir() / "report.html").read_text()
        assert "05_grpo cannot do task &#x27;instruct&#x27;" in page

    def test_plan_says_what_a_run_would_execute(self, three, capsys):
        three.write("03_sft", makes=["sft"], uses=["sft"], minutes=2.5)

        def plan(*more) -> list:
            assert self.main(three, "plan", *more) == 0
            return json.loads(capsys.readouterr().out)["notebooks"]

        sft = {"name": "03_sft", "makes": ["sft"], "minutes": 2.5}
        grpo = {"name": "05_grpo", "makes": ["grpo"], "minutes": 0}
        assert plan("--only", "grpo") == [sft, grpo] and len(plan()) == 3
        Stage.begin(Course.load(), "sft", uses=["sft"]).finish()
        assert plan("--only", "grpo") == [grpo] and plan("--only", "sft") == []
        changed = ("--overrides", "{sft: {max_steps: 3}}")
        assert plan("--only", "grpo", *changed) == [sft, grpo], "a stale one is made again"
        assert three.trace() == []
        for line, words in ((["--only", "ppo"], "no such notebook or stage"),
                            (["--overrides", "{rewards: {exact_anser: 1}}"], "did you mean")):
            assert self.main(three, "plan", *line) == 1
            assert words in capsys.readouterr().err

    def test_a_plan_copies_no_model_and_makes_none_that_is_copied(self, three, capsys):
        stage = Stage.begin(Course.load(seed=7), "sft")
        (stage.path / "model").mkdir()
        (stage.path / "model" / "config.json").write_text("{}")
        stage.finish()
        start = "{recipe: {name: mine, start: tiny/gsm8k-s7/sft}}"
        assert self.main(three, "plan", "--only", "grpo", "--overrides", start) == 0
        [one] = json.loads(capsys.readouterr().out)["notebooks"]
        assert one["name"] == "05_grpo"
        assert not Course.load("tiny", overrides={"recipe": {"name": "mine"}}).dir("sft").exists()

    def test_status_says_what_would_stop_a_run(self, three, capsys):
        for change, line in [("{rewards: {exact_anwser: 1}}", "did you mean 'exact_answer'?"),
                             ("{dataset: {path: data/nowhere}}", "nowhere: no such folder")]:
            assert self.main(three, "status", "--overrides", change) == 0
            last = capsys.readouterr().out.splitlines()[-1]
            assert last.startswith("a run would stop at once: ") and line in last

    def test_an_unknown_reward_stops_a_run_before_it_begins(self, three, capsys):
        line = ["run", "--overrides", "{rewards: {exact_anser: 1}}"]
        assert self.main(three, *line) == 1 and three.trace() == []
        assert "did you mean 'exact_answer'?" in capsys.readouterr().err

    def test_recipe_below_command_line(self, three):
        recipes = three.notebooks / "recipes"
        recipes.mkdir()
        text = ("preset: colab\nseed: 4\n"
                "overrides: {recipe: {name: mine}, grpo: {max_steps: 1, beta: 0.5}}")
        (recipes / "mine.yaml").write_text(text)
        line = ["run", "--recipe", "mine", "--seed", "5", "--overrides", "{grpo: {max_steps: 2}}"]
        line += ["--notebooks", str(three.notebooks)]
        course = command_line._configuration(command_line._parser().parse_args(line))
        assert (course.preset, course.seed) == ("colab", 5)
        assert (course.grpo.max_steps, course.grpo.beta) == (2, 0.5)

    def test_a_recipe_with_an_unknown_parameter(self, three, capsys):
        (three.notebooks / "recipes").mkdir()
        (three.notebooks / "recipes" / "mine.yaml").write_text("sede: 4")
        assert self.main(three, "run", "--recipe", "mine") == 1
        assert "'sede'" in capsys.readouterr().err

    def test_clean_names_what_it_removes(self, three, capsys, monkeypatch):
        course = Course.load()
        Stage.begin(course, "sft").finish()
        other = Course.load(seed=1)
        Stage.begin(other, "sft").finish()
        monkeypatch.setattr("sys.stdin", open(os.devnull))
        assert self.main(three, "clean") == 1 and is_made(course, "sft")
        assert f"{course.dir()}: 2 files" in capsys.readouterr().out
        assert self.main(three, "clean", "--yes") == 0
        assert not course.dir().exists() and is_made(other, "sft")
        assert self.main(three, "clean", "--yes") == 0
        assert "nothing to clean" in capsys.readouterr().out

    def test_one_job_where_a_gpu_would_be_shared(self, monkeypatch):
        monkeypatch.setattr(command_line, "cores", lambda: 8)
        assert command_line.default_jobs(Course.load("tiny")) == 2
        assert command_line.default_jobs(Course.load("a100")) == 1
        monkeypatch.setattr(command_line, "cores", lambda: 1)
        assert command_line.default_jobs(Course.load("tiny")) == 1
