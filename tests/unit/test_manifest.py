"""What a manifest says of the code that made a stage, and when it warns."""

import json
import sys
from types import ModuleType

import pytest

from helpers import manifest
from helpers.artifacts import Stage, command, find, is_made
from helpers.config import Course

SOURCE = '''"""A module."""
# a remark


def price(x):
    """What it costs."""
    return 2 * x  # twice
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The file of a module `helpers.toy` that this process has imported."""
    path = tmp_path / "toy.py"
    path.write_text(SOURCE)
    module = ModuleType("helpers.toy")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "helpers.toy", module)
    return path


@pytest.fixture
def course():
    return Course.load()


def test_a_stage_of_older_code_is_found_with_one_line_about_it(course, toy, capsys):
    Stage.begin(course, "sft").finish()
    find(course, "sft")
    assert capsys.readouterr().out == ""
    toy.write_text(SOURCE.replace("2 * x", "3 * x"))
    assert is_made(course, "sft") and capsys.readouterr().out == ""
    Stage.begin(course, "grpo", needs=["sft"])
    assert capsys.readouterr().out == (
        "stage 'sft' was made by older code: helpers.toy changed; to make it again: "
        f"{command(course, 'sft')} --force\n")
    find(course, "sft")
    assert capsys.readouterr().out == ""  # said once


@pytest.mark.parametrize("old, new", [
    ("A module.", "What it does."), ("What it costs.", "Its price:\n    in full."),
    ("# a remark\n", ""), ("  # twice", ""), ("\n\n\ndef", "\ndef")])
def test_prose_is_no_change(toy, old, new):
    before = manifest.code()["helpers.toy"]
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    toy.write_text(changed)
    assert manifest.code()["helpers.toy"] == before


@pytest.mark.parametrize("new", ["return 2 * y", "return 2 + x", "return '2 * x'"])
def test_code_is(toy, new):
    before = manifest.code()["helpers.toy"]
    toy.write_text(SOURCE.replace("return 2 * x", new))
    assert manifest.code()["helpers.toy"] != before


def test_a_module_that_is_gone_or_cannot_be_read(toy):
    noted = {"code": {"helpers.toy": manifest.code()["helpers.toy"]}}
    toy.write_text("def (")
    assert manifest.older_code(noted) == "made by older code: helpers.toy changed"
    toy.unlink()
    assert manifest.older_code(noted) == "made by older code: helpers.toy changed"


def test_many_changes_are_counted_and_an_old_manifest_says_nothing():
    noted = {"code": {f"helpers.x{n}": "0" for n in range(9)}}
    assert manifest.older_code(noted) == ("made by older code: helpers.x0, helpers.x1, helpers.x2, "
                                          "helpers.x3 and 5 more changed")
    assert manifest.older_code({}) is None and manifest.older_code({"code": None}) is None


def test_a_module_that_is_not_loaded_is_looked_up_by_its_name(monkeypatch):
    import helpers.stats

    before = manifest.code()
    assert {"helpers", "helpers.stats", "helpers.manifest"} <= before.keys()
    monkeypatch.delitem(sys.modules, "helpers.stats")
    assert manifest.older_code({"code": before}) is None
    assert helpers.stats.__file__.endswith("stats.py")


def test_the_code_of_its_first_part_is_kept_by_a_resumed_run(course, toy):
    first = Stage.begin(course, "sft")
    begun = json.loads((first.path / "begun.json").read_text())["code"]["helpers.toy"]
    toy.write_text(SOURCE.replace("2 * x", "3 * x"))
    noted = Stage.begin(course, "sft").finish()
    assert noted["code"]["helpers.toy"] == begun
    assert manifest.older_code(noted) == "made by older code: helpers.toy changed"
