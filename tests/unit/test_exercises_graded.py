"""Notebooks for a class: handed out without solutions, with them, graded when they come back."""

import csv
import json
from dataclasses import replace

import pytest

from helpers.config import ROOT
from helpers.exercises import cells, grading, handout, stubs, worker
from helpers.exercises.__main__ import main
from helpers.exercises.exercise import everything, find, of
from helpers.files import ArtifactError

NOTEBOOKS = ROOT / "notebooks"


def stub(number, source, **metadata):
    tags = {"tags": [f"exercise:{number}"]} if number else {}
    return {
        "cell_type": "code",
        "id": "a",
        "metadata": {**tags, **metadata},
        "outputs": [],
        "execution_count": None,
        "source": source.splitlines(keepends=True),
    }


def notebook(path, *found):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"cells": list(found), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


def results(rows):
    return {row.exercise: (row.result, row.message) for row in rows}


# Handing out


def test_the_handout_has_no_solution_and_the_rest_of_every_notebook(tmp_path):
    written = handout.write(NOTEBOOKS, tmp_path / "new" / "folder", handout.without_solutions)
    assert [path.name for path in written] == sorted(p.name for p in NOTEBOOKS.glob("*.ipynb"))
    glossary = tmp_path / "new" / "folder" / "glossary.md"
    assert glossary.read_text() == (NOTEBOOKS / "glossary.md").read_text()
    for path in written:
        before, after = cells.read(NOTEBOOKS / path.name), cells.read(path)
        texts = ["".join(cell["source"]) for cell in after["cells"]]
        assert not any("<summary>Solution" in t or "<summary>Answer" in t for t in texts)
        kept = [c for c in before["cells"] if not cells.tagged(c, "solution")]
        assert [c["id"] for c in after["cells"]] == [c["id"] for c in kept]
        for old, new in zip(kept, after["cells"], strict=True):
            if cells.tagged(old, "check"):
                assert new == {**old, "outputs": []}
            elif "<summary>Solution" not in "".join(old["source"]):
                assert old["cell_type"] == "markdown" or new == old
        for exercise in of(path.stem.partition("_")[0]):
            [source] = [
                cell["source"]
                for cell in after["cells"]
                if cells.tagged(cell, "exercise") == exercise.number
            ]
            assert "".join(source) == exercise.stub().rstrip("\n")
            body = exercise.solution().removeprefix(exercise.stub().partition("    raise ")[0])
            assert body != exercise.solution() and not any(body.strip() in t for t in texts)


def test_solutions_stand_in_the_stubs_and_pass_all_checks(tmp_path):
    found = {}
    for path in handout.write(NOTEBOOKS, tmp_path, handout.with_solutions):
        found |= {
            one.exercise: worker.graded(find(one.exercise), one.source)
            for one in stubs.stubs_of(path)
        }
    assert set(found) == {one.number for one in everything()}
    assert {verdict.status for verdict in found.values()} == {"passed"}


def test_a_folder_with_other_things_is_not_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="holds other things .thesis.txt."):
        handout.write(NOTEBOOKS, tmp_path, handout.without_solutions)
    with pytest.raises(ArtifactError, match="is a file"):
        handout.write(NOTEBOOKS, tmp_path / "thesis.txt", handout.without_solutions)
    with pytest.raises(ArtifactError, match="holds the notebooks themselves"):
        handout.write(NOTEBOOKS, NOTEBOOKS, handout.without_solutions)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# Grading


def test_a_stub_is_found_by_its_tag_split_or_by_its_name(tmp_path):
    path = notebook(
        tmp_path / "a.ipynb",
        stub("02.4", "import math"),
        stub("02.4", "x = 1"),
        stub(None, "def last_value(text): return 1\n"),
        stub(None, "def (:"),
        stub(None, "!ls"),
        {"cell_type": "markdown", "metadata": {}, "source": ["a"]},
    )
    assert [(one.exercise, one.source) for one in stubs.stubs_of(path)] == [
        ("02.1", "def last_value(text): return 1"),
        ("02.4", "import math\n\nx = 1"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "least_weight = lambda a, b: max(max(a) - min(b), 0.0)",
        "import functools\n%matplotlib inline\nleast_weight = functools.partial(max)",
        "if True:\n    least_weight: object = max",
        "from builtins import max as least_weight",
        "class least_weight:\n    pass",
        "least_weight?\ndef least_weight(a, b): ...",
    ],
)
def test_a_cell_without_its_tag_is_found_whatever_gives_the_name(tmp_path, source):
    others = [stub(None, "print(least_weight)"), stub(None, "def f():\n    least_weight = 1")]
    path = notebook(tmp_path / "a.ipynb", others[0], stub(None, source), others[1])
    [found] = stubs.stubs_of(path)
    assert (found.exercise, found.source) == ("02.4", stubs.python_of(source))


RIGHT = "def least_weight(a, b):\n    return max(max(a) - min(b), 0.0)"


@pytest.mark.parametrize(
    "source",
    [
        f"max?\n{RIGHT}\nleast_weight??",
        f"if True:\n    !rm -r everything\n{RIGHT}",
        RIGHT.replace("    ", "    !ls {a}\n    %timeit b\n    "),
        f"%%time\n%pip install x\n{RIGHT}",
        f"lines = !ls\nfiles = %sx ls\nassert lines == []\n{RIGHT}",
        f"{RIGHT}\n!!ls\n/print 1\n",
        "    " + RIGHT.replace("\n", "\n    "),
    ],
)
def test_ipythons_own_syntax_is_read_and_does_nothing(source):
    with pytest.raises(SyntaxError):
        compile(source, "a cell", "exec")
    assert worker.graded(find("02.4"), stubs.python_of(source)).status == "passed"


def test_what_is_python_stays_as_it_is():
    """A line of a text may begin with a percent sign; what cannot be read is told by Python."""
    text = f'{RIGHT}\nKEPT = """\n%d %%\n!ls\n?\n"""\nassert KEPT.split()[0] == "%d"'
    assert stubs.python_of(text) == text
    assert worker.graded(find("02.4"), text).status == "passed"
    assert stubs.python_of("def (:") == "def (:" and stubs.names_of("def (:") == set()


def test_cells_of_other_languages_do_nothing_and_a_magic_on_top_is_of_its_own_cell(tmp_path):
    path = notebook(
        tmp_path / "a.ipynb",
        stub("02.4", "import math"),
        stub("02.4", f"%%capture out\n{RIGHT}"),
        stub("02.3", "%%bash\necho 'def f('"),
    )
    other, mine = stubs.stubs_of(path)
    assert worker.graded(find("02.4"), mine.source).status == "passed"
    verdict = worker.graded(find("02.3"), other.source)
    assert verdict == worker.Verdict("error", "the cell defines no overlong_penalty")


@pytest.mark.parametrize(
    "source, result, told",
    [
        ("def least_weight(a, b):\n    return max(max(a) - min(b), 0.0)", "passed", "right on"),
        (
            "%pip install x\ndef least_weight(a, b):\n    return max(a)",
            "wrong",
            "by its looks as well",
        ),
        ("def least_weight(a, b):\n    return max(a) - math.inf", "error", "name 'math' is not"),
        ("def least_weight(a, b)", "error", "the cell does not run: SyntaxError"),
        ("x = 1", "error", "the cell defines no least_weight"),
        ("least_weight = 3", "error", "give the function itself"),
        ("while True: pass", "late", "the cell itself was not done after 0.3 seconds"),
        ("raise SystemExit", "error", "the cell does not run: SystemExit"),
        ("def least_weight(a, b): ...", "untouched", "not solved"),
        (
            "from helpers.exercises.notebook_02 import least_weight as f\n"
            "def least_weight(a, b): return f(a, b)",
            "wrong",
            "this calls the reference",
        ),
        ("from helpers.exercises.notebook_02 import least_weight", "untouched", "the reference"),
    ],
)
def test_what_a_cell_is_graded(source, result, told):
    verdict = worker.graded(replace(find("02.4"), seconds=0.3), stubs.python_of(source))
    assert verdict.status == result and told in verdict.message


@pytest.mark.slow
def test_right_wrong_broken_and_dead_submissions_give_one_table(tmp_path, capsys):
    folder, out = tmp_path / "sent", tmp_path / "grades.csv"
    for exercise in of("00"):
        notebook(
            folder / "ann" / f"{exercise.number}.ipynb", stub(exercise.number, exercise.solution())
        )
    notebook(
        folder / "bob.ipynb",
        stub("00.1", "=1"),
        stub(
            "00.2", "def training_gb(p, t, b):\n    print(1)\n    return (p * b + 16 * t) / 2**30"
        ),
        stub("00.3", find("00.3").stub()),
    )
    (folder / "cy.ipynb").write_text("{broken")
    notebook(
        folder / "di" / "a.ipynb",
        stub("00.1", find("00.1").solution()),
        stub("00.2", "import os\nos._exit(0)"),
        stub("00.3", "x"),
    )
    notebook(
        folder / "ed.ipynb",
        stub("00.1", find("00.1").solution()),
        stub("00.2", "import time\ntime.sleep(10_000)"),
        stub("00.3", "x"),
        stub("99.1", "x"),
    )
    (folder / "notes.txt").write_text("not a submission")
    assert main(["grade", str(folder), "--out", str(out)]) == 0
    with open(out, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {(row["submission"], row["exercise"]): (row["result"], row["message"]) for row in rows}
    assert [found["ann", one.number][0] for one in of("00")] == ["passed"] * 3
    assert found["bob", "00.1"][0] == "error" and "SyntaxError" in found["bob", "00.1"][1]
    assert found["bob", "00.2"] == ("wrong", find("00.2").mistakes[0].message)
    assert found["bob", "00.3"] == ("untouched", "not solved yet")
    assert found["cy", ""][0] == "broken" and "cy.ipynb is no notebook" in found["cy", ""][1]
    assert [found["di", f"00.{n}"][0] for n in (1, 2, 3)] == ["passed", "error", "error"]
    assert "does the code end Python" in found["di", "00.2"][1]
    assert "NameError: name 'x'" in found["di", "00.3"][1]  # in a process of its own
    assert found["ed", "00.1"][0] == "passed" and found["ed", "00.2"][0] == "late"
    assert found["ed", "99.1"] == ("broken", "there is no such exercise")
    assert "ann: 3 of 3 passed" in capsys.readouterr().out


def test_a_submission_that_takes_too_long_is_ended():
    assert grading._run([stubs.Stub("a.ipynb", "00.1", "x")], seconds=0.01) == {
        "00.1": ("late", "not done when the submission's 0.01 seconds were over")
    }


def test_a_stub_stands_in_an_empty_folder_and_costs_no_other_its_result(tmp_path):
    """Relative paths lead nowhere: what deletes or writes there meets no file of anybody's."""
    path = notebook(
        tmp_path / "a.ipynb",
        stub("02.1", "import os\nraise ValueError(os.listdir())"),
        stub("02.2", "import os\ndef gated_advantages(*asked): os._exit(3)"),
        stub("02.3", "def overlong_penalty(*asked): raise KeyboardInterrupt"),
        stub("02.4", find("02.4").solution()),
    )
    found = results(grading.grade("a", [path]))
    assert found["02.1"] == ("error", "the cell does not run: ValueError: []")
    assert found["02.2"] == ("error", "the process ended before it: does the code end Python?")
    assert found["02.3"] == ("error", "overlong_penalty cannot be checked: KeyboardInterrupt")
    assert found["02.4"][0] == "passed"


def test_signs_that_utf_8_lacks_stop_no_table(tmp_path, monkeypatch, capsys):
    """Half of a surrogate pair in a message, or bytes in the name of a file."""
    lone = "def least_weight(a, b):\n    raise ValueError('a \\ud800')"
    verdict = worker.graded(find("02.4"), lone)
    assert verdict.status == "error" and "raised ValueError: a ? (line 2" in verdict.message
    rows = [grading.Row("ann \udcff", "a.ipynb", "02.4", "error", "\ud800")]
    monkeypatch.setattr(grading, "grade", lambda name, paths, seconds: rows)
    monkeypatch.setattr(grading, "submissions", lambda folder: {"ann \udcff": []})
    grading.grade_folder(tmp_path, tmp_path / "grades.csv")
    assert (tmp_path / "grades.csv").read_text(encoding="utf-8").splitlines()[1] == (
        "ann ?,a.ipynb,02.4,error,?"
    )
    assert capsys.readouterr().out.startswith("ann ?: 0 of ")


def test_what_is_missing_or_there_twice_is_said_without_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "_run", lambda stubs, seconds: {})
    one = notebook(tmp_path / "a.ipynb", stub("02.1", "x"))
    other = notebook(tmp_path / "b.ipynb", stub("02.1", "y"), stub("02.2", "z"))
    empty = notebook(tmp_path / "c.ipynb")
    rows = grading.grade("ann", [one, other, empty])
    found = results(rows)
    assert found["02.1"] == ("broken", "in more than one notebook: a.ipynb and b.ipynb")
    assert found["02.2"][0] == "error" and found["02.3"] == ("missing", "its cell is not there")
    assert found[""] == ("missing", "no cell of an exercise in it")


def test_no_text_in_the_table_is_a_formula():
    rows = [grading.Row("=cmd|x", "a.ipynb", "02.1", "wrong", "+1\n-2")]
    assert grading.table(rows).splitlines() == [
        "submission,notebook,exercise,result,message",
        "'=cmd|x,a.ipynb,02.1,wrong,'+1 -2",
    ]


def told(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_the_command_line_says_what_is_wrong(tmp_path, capsys):
    assert "there is no folder" in told(capsys, "grade", tmp_path / "none")
    assert "holds no notebook" in told(capsys, "grade", tmp_path)
    assert "there is no folder" in told(capsys, "handout", "--notebooks", tmp_path / "none")
    assert "holds no notebook" in told(capsys, "solutions", "--notebooks", tmp_path)
    notebook(tmp_path / "ann.ipynb")
    notebook(tmp_path / "Ann" / "02.ipynb")
    assert "two submissions are named 'ann': Ann and ann.ipynb" in told(capsys, "grade", tmp_path)
    (tmp_path / "ann.ipynb").write_text("[1, 2]")
    assert "is no notebook" in told(
        capsys, "handout", "--notebooks", tmp_path, "--out", tmp_path / "out"
    )
