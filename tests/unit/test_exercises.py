"""Exercises: the reference passes, each mistake has its own message, nothing breaks a check."""

import ast
import copy
import functools
import json
import os
import random
import sys
import threading
import time
import types
from dataclasses import replace

import IPython
import numpy as np
import pytest
import torch
from IPython.core.inputtransformer2 import TransformerManager

from helpers import exercises
from helpers.config import ROOT, Course
from helpers.course import graph
from helpers.exercises import cells, checks, progress
from helpers.exercises.checks import Verdict, examine
from helpers.exercises.compare import alike, difference, shown
from helpers.exercises.deadline import Late, within
from helpers.exercises.exercise import NOTEBOOKS, everything, find, of
from helpers.exercises.sealed import Peeked, sealed
from helpers.files import ArtifactError

ALL = everything()
each = pytest.mark.parametrize("exercise", ALL, ids=[one.number for one in ALL])
PATHS = {path.stem.partition("_")[0]: path for path in (ROOT / "notebooks").glob("*.ipynb")}
MAJORITY, GAIN, PENALTY = find("01.2"), find("08.3"), find("02.3")


def own(exercise):
    """The reference as a student would have written it: the same code, another function."""
    names = {}
    exec(compile(exercise.solution(), "a cell", "exec"), names)
    return names[exercise.name]


def said(exercise, function, seed):
    """What the check says of a function that may call the reference, as mistakes do."""
    inputs, expected = checks.fresh(exercise, seed)
    outcomes = checks.outcomes_of(function, copy.deepcopy(inputs))
    return checks.judge(exercise, inputs, expected, outcomes, function)


@each
def test_the_reference_passes_and_each_mistake_gets_its_own_message(exercise):
    messages = [mistake.message for mistake in exercise.mistakes]
    assert len(set(messages)) == len(messages) >= 2
    for seed in range(5):
        assert said(exercise, exercise.reference, seed).status == "passed"
        for mistake in exercise.mistakes:
            assert said(exercise, mistake.function, seed) == Verdict("wrong", mistake.message)


@each
def test_the_solution_passes_and_the_stub_is_untouched(exercise):
    assert examine(exercise, own(exercise)).status == "passed"
    names = {}
    exec(exercise.stub(), names)
    assert examine(exercise, names[exercise.name]) == Verdict("untouched", "not solved yet")
    assert exercise.stub().count("\n") <= 30 and exercise.minutes and exercise.shapes
    assert ast.get_docstring(ast.parse(exercise.stub()).body[-1])


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebooks_hold_the_cells_of_their_exercises(notebook):
    content = cells.read(PATHS[notebook])
    assert cells.written(content, of(notebook)) == content, "python -m helpers.exercises cells"
    numbers = [number for cell in content["cells"] if (number := cells.tagged(cell, "exercise"))]
    assert numbers == [one.number for one in of(notebook)] and 3 <= len(numbers) <= 5
    for cell in content["cells"]:
        if cells.tagged(cell, "check"):
            text = json.dumps(cell["outputs"], ensure_ascii=False)
            assert f"not solved yet: {checks.GOING_ON}" in text


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_exercises_take_no_name_of_their_notebook(notebook):
    """Neither a name that other cells use, nor with an import one that they assign."""
    code = [c for c in cells.read(PATHS[notebook])["cells"] if c["cell_type"] == "code"]
    taken, imported, used, assigned = {one.kept for one in of(notebook)}, set(), set(), set()
    for cell in code:
        text = TransformerManager().transform_cell("".join(cell["source"]))
        ours = cells.tagged(cell, "exercise") or cells.tagged(cell, "check")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and ours:
                taken.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom) and ours:
                imported |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Name) and not ours:
                (assigned if isinstance(node.ctx, ast.Store) else used).add(node.id)
            elif isinstance(node, ast.FunctionDef) and not ours:
                assigned.add(node.name)
    assert not taken & (used | assigned) and not imported & assigned


def test_numbers_and_names_are_unique_and_an_unknown_one_is_told():
    assert len({one.number for one in ALL}) == len({one.name for one in ALL}) == len(ALL)
    with pytest.raises(KeyError, match="no exercise '02.9'; there are 02.1, 02.2"):
        find("02.9")


# What a student's function may be


def peeking(train, test):
    from helpers.exercises.notebook_01 import majority_baseline

    return majority_baseline(train, test)


def hiding(train, test):
    try:
        return peeking(train, test)
    except BaseException:
        return 0.5


def in_a_thread(train, test):
    found = []
    other = threading.Thread(target=lambda: found.append(hiding(train, test)))
    other.start()
    other.join()
    return found[0]


def unwatched(train, test):
    sys.setprofile(None), threading.setprofile(None), sys.settrace(None)
    return MAJORITY.reference(train, test)


def by_another_way(train, test):
    ways = [functools.partial(find("01.2").reference, train), own_module().majority_baseline]
    return ways[0](test) if len(test) % 2 else ways[1](train, test)


def own_module():
    return sys.modules[MAJORITY.reference.__module__]


class Odd(float):
    @property
    def real(self):
        raise RuntimeError("no")


class Leaving(float):
    @property
    def real(self):
        raise SystemExit(3)


class Endless:
    """Whatever it is asked for, it is that itself."""

    def __getattr__(self, name):
        return self

    def __call__(self, train, test):
        return -1.0


class Mute(Exception):
    def __str__(self):
        raise ValueError


def mute(train, test):
    raise Mute


def endless(train, test):
    while True:
        pass


def stubborn(train, test):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


@pytest.mark.parametrize(
    "function, status, told",
    [
        (peeking, "wrong", "this calls the reference solution"),
        (hiding, "wrong", "this calls the reference solution"),
        (in_a_thread, "wrong", "this calls the reference solution"),
        (unwatched, "wrong", "this calls the reference solution"),
        (by_another_way, "wrong", "this calls the reference solution"),
        (MAJORITY.reference, "untouched", "this is the reference"),
        (lambda train, test: None, "untouched", "not solved"),
        (lambda train, test: ..., "untouched", "not solved"),
        (lambda train, test: 1 / 0, "error", "ZeroDivisionError: division by zero (line "),
        (lambda train, test: exit(), "error", "SystemExit"),
        (lambda train: 0.5, "error", "takes 1 positional argument but 2 were given"),
        (lambda train, test: print(end=""), "wrong", "returned None: is a `return` missing?"),
        (lambda train, test: "x", "wrong", "returned 'x', a str, where a float is asked for"),
        (lambda train, test: float("nan"), "wrong", "returned NaN where "),
        (lambda train, test: np.zeros(3), "wrong", "shape (3,) where one number is asked for"),
        (lambda train, test: -1.0, "wrong", "returned -1.0 where "),
        (lambda train, test: Odd(1), "error", "cannot be read: RuntimeError"),
        (lambda train, test: Leaving(1), "error", "cannot be read: SystemExit"),
        (Endless(), "wrong", "returned -1.0 where "),
        (mute, "error", "raised Mute"),
        (endless, "late", "was not done after 0.2 seconds"),
        (stubborn, "late", "was not done after 0.2 seconds"),
        ("majority_baseline", "error", "give the function itself"),
        (0.5, "error", "give the function itself, majority_baseline, not 0.5"),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),  # not an address: workers must agree
)
def test_whatever_a_student_writes_gets_one_clear_message(function, status, told):
    verdict = examine(replace(MAJORITY, seconds=0.2), function)
    assert verdict.status == status and told in verdict.message
    assert "Traceback" not in verdict.message and "\n" not in verdict.message
    assert said(MAJORITY, MAJORITY.reference, 0).status == "passed", "the reference works again"


@pytest.mark.parametrize(
    "function, told",
    [
        (lambda a, b, draws: 0.1, "a float, where a tuple is asked for"),
        (lambda a, b, draws: (0.1,), "returned 1 entries where there should be 2"),
        (lambda a, b, draws: (float("nan"), 0.1), "returned NaN where"),
    ],
)
def test_results_with_parts(function, told):
    assert told in examine(GAIN, function).message


def test_tensors_are_told_apart_by_shape_nan_and_value():
    right = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert not difference(right.half(), right) and not difference(right.numpy(), right)
    assert difference(right[0], right) == "returned shape (2,), not (2, 2)"
    assert difference(right / 0 * 0, right) == "returned NaN at [0, 0]"
    assert "returned 5 at [1, 0] where 3 is right (1 of 4 entries differ)" in difference(
        torch.tensor([[1.0, 2], [5, 4]]), right
    )
    assert "a list, where a Tensor" in difference(right.tolist(), right)
    assert shown(right) == "tensor([[1.0, 2.0], [3.0, 4.0]])"
    assert shown(torch.ones(5, 6)) == "tensor of (5, 6)"
    assert difference(1, "x") == "returned 1, an int, where a str is asked for"
    assert alike(right / 0 * 0, right / 0 * 0) and not alike("a", {"b": 1})
    assert difference({"a": 1}, {"b": 1}).startswith("returned the keys")
    assert difference(1, True).endswith("where a bool is asked for")
    assert not difference(np.bool_(True), True) and not difference((1, 2), [1, 2])
    for single in (np.array(True), torch.tensor(True)):  # of no dimension: one truth
        assert not difference(single, True) and "where False is right" in difference(single, False)
    assert difference(np.array([True]), True).endswith("an ndarray, where a bool is asked for")
    assert len(shown("x" * 10_000)) < 200


def test_inputs_are_fresh_and_belong_to_the_student():
    inputs, expected = checks.fresh(MAJORITY, 0)
    known = dict(zip(map(str, inputs), expected, strict=True))
    by_heart = lambda train, test: known.get(str((train, test)), 0.5)  # noqa: E731
    assert examine(MAJORITY, by_heart, 0).status == "passed"
    assert {examine(MAJORITY, by_heart).status for _ in range(5)} == {"wrong"}

    def careless(train, test):
        result = own(MAJORITY)(train, test)
        train.clear()
        test.clear()
        return result

    assert examine(MAJORITY, careless).status == "passed"


def test_a_check_leaves_the_random_states_alone():
    random.seed(1), torch.manual_seed(1), np.random.seed(1)
    drawn = random.random(), torch.rand(1).item(), np.random.rand()
    random.seed(1), torch.manual_seed(1), np.random.seed(1)
    assert examine(find("03.2"), own(find("03.2"))).status == "passed"
    assert drawn == (random.random(), torch.rand(1).item(), np.random.rand())


def test_a_deadline_gives_results_and_errors_and_ends_what_is_late():
    assert within(5, lambda: 3) == 3
    with pytest.raises(ValueError, match="x"):
        within(5, lambda: int("x"))
    running = []

    def count():
        while True:
            running.append(1)
            time.sleep(0.001)

    with pytest.raises(Late):
        within(0.1, count)
    there = len(running)
    time.sleep(0.1)
    assert len(running) == there


def test_every_reference_can_be_sealed_and_works_after_whatever_ends_it():
    codes = [one.reference.__code__ for one in ALL]
    for one in ALL:
        with pytest.raises(Peeked), sealed([one.reference]):
            one.reference(1, some=2)
    with pytest.raises(Peeked), sealed([MAJORITY.reference]):  # heard by nobody, and yet known
        assert hiding([], []) == 0.5
    with pytest.raises(KeyboardInterrupt), sealed(one.reference for one in ALL):
        raise KeyboardInterrupt
    assert codes == [one.reference.__code__ for one in ALL]
    with sealed([MAJORITY.reference]):  # a call of before is forgotten
        pass


def test_an_interrupted_check_ends_the_function_too(monkeypatch):
    running = []

    def count():
        while True:
            running.append(1)
            time.sleep(0.001)

    class Interrupted(threading.Thread):
        def join(self, timeout=None):
            super().join(timeout)
            if timeout == 0.2:  # the first one
                raise KeyboardInterrupt

    monkeypatch.setattr(threading, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        within(0.2, count)
    there = len(running)
    time.sleep(0.1)
    assert there and len(running) == there


# In a notebook


@pytest.fixture
def page(monkeypatch):
    """What a check displays in a notebook."""
    outputs = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: outputs.append(data))
    return outputs


@pytest.fixture
def course():
    return Course.load()


def test_an_untouched_stub_goes_on_with_the_reference_and_says_so(page, course):
    names = {}
    exec(MAJORITY.stub(), names)
    going_on = exercises.check("01.2", names["majority_baseline"], course)
    assert going_on is MAJORITY.reference and exercises.passed(course) == {}
    assert page[0]["text/plain"] == "○ 01.2 not solved yet: going on with the reference"
    again = exercises.check("01.2", going_on, course)  # its result is no solution either
    assert again is MAJORITY.reference and exercises.passed(course) == {}


def test_a_wrong_answer_is_shown_escaped_and_the_notebook_goes_on(page, course):
    def majority_baseline(train, test):
        raise ValueError("<script>alert(1)</script>")

    assert exercises.check("01.2", majority_baseline, course) is MAJORITY.reference
    assert "&lt;script&gt;" in page[0]["text/html"] and "<script>" not in page[0]["text/html"]
    assert exercises.passed(course) == {}


def test_without_a_notebook_it_is_printed(capsys):
    exercises.check("02.3", own(PENALTY))
    assert capsys.readouterr().out.startswith("✓ 02.3 Softly too long: right on ")


def test_a_pass_is_kept_the_first_time_counts_and_a_new_session_sees_it(page, course, monkeypatch):
    mine = own(PENALTY)
    assert exercises.check("02.3", mine, course) is mine
    [(number, when)] = exercises.passed(Course.load()).items()
    assert number == "02.3" and time.strptime(when[:19], "%Y-%m-%dT%H:%M:%S")
    path = progress.folder(course) / "02.3.json"
    path.write_text(path.read_text().replace(when, "2001-01-01T00:00:00+00:00"))
    exercises.check("02.3", mine, course)
    assert exercises.passed(course) == {"02.3": "2001-01-01T00:00:00+00:00"}
    exercises.check("02.3", lambda tokens, limit, margin: 0.0, course)  # wrong later: stays passed
    (progress.folder(course) / "01.1.json").write_text("{")
    assert list(exercises.passed(course)) == ["02.3"]


def test_progress_is_written_whole_or_not_at_all(page, course, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    mine = own(PENALTY)
    assert exercises.check("02.3", mine, course) is mine  # and the notebook goes on
    assert "Not kept: cannot write" in page[0]["text/plain"]
    assert exercises.passed(course) == {} and not list(progress.folder(course).glob("*"))
    with pytest.raises(ArtifactError, match="free some space"):
        progress.record(course, "02.3")


def test_solving_an_exercise_makes_no_stage_stale(tmp_path, course):
    path = tmp_path / PATHS["A1"].name
    hashes = []
    content = cells.read(PATHS["A1"])
    for text in (None, "def bits_per_byte(loss, tokens, bytes_): return 1"):
        for cell in content["cells"]:
            if text and cells.tagged(cell, "exercise"):
                cell["source"] = [text]
        cells.save(path, content)
        [notebook] = graph.load_graph(course, tmp_path)
        hashes.append(notebook.code)
    assert hashes[0] == hashes[1]
    content["cells"][-4]["source"] = ["x = 1"]
    cells.save(
        path,
        {**content, "cells": [c for c in content["cells"] if c["cell_type"] == "markdown"][:3]},
    )
    [notebook] = graph.load_graph(course, tmp_path)
    assert notebook.code != hashes[0]


def test_the_stub_of_a_function_type_is_known_however_it_is_wrapped():
    plain = types.FunctionType(MAJORITY.reference.__code__, {})
    assert examine(MAJORITY, plain).status == "untouched"


@pytest.mark.slow
def test_in_a_real_kernel_an_endless_loop_ends_and_the_notebook_goes_on(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    sources = [
        "import sys\n\nsys.path.insert(0, '..')",  # as the notebooks' first cell does
        "from helpers import exercises\nfrom helpers.config import Course\ncourse = Course.load()",
        "def overlong_penalty(tokens, limit, margin):\n    while True:\n        pass",
        'solved = exercises.check("02.3", overlong_penalty, course)\nsolved(120, 100, 20)',
        "def overlong_penalty(tokens, limit, margin):\n    x = 1\n    return x / 0",
        'exercises.check("02.3", overlong_penalty, course);',
        PENALTY.solution(),
        'exercises.check("02.3", overlong_penalty, course);\nlist(exercises.passed(course))',
    ]
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    where = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(content, timeout=120, kernel_name="python3", resources=where).execute()
    texts = [
        [output["data"]["text/plain"] for output in cell.outputs if "data" in output]
        for cell in content.cells
    ]
    assert "was not done after 5 seconds" in texts[3][0] and texts[3][1] == "-1.0"
    assert "ZeroDivisionError: division by zero (line 3 of its cell: `return x / 0`)" in texts[5][0]
    assert "✓ 02.3" in texts[7][0] and texts[7][1] == "['02.3']"
