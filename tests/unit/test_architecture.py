"""Imports run one way, the map is what the code says, and CONTRIBUTING's answers exist."""

import ast

import pytest

from tests import architecture


@pytest.fixture(scope="module")
def sources():
    return architecture.modules()


def test_every_import_runs_upwards(sources):
    assert architecture.violations(sources) == []
    names = architecture.order()
    assert len(names) == len(set(names)) == len(sources) > 90


@pytest.mark.parametrize("module, added, told", [
    ("schema", "from helpers import config", "schema imports config, which stands below it"),
    ("config", "def f():\n    import helpers.models as m", "config imports models, which"),
    ("data/gsm8k", "from helpers.prompts import encode", "data/gsm8k imports prompts, which"),
    ("losses", "def f():\n    from helpers.train import rows", "losses imports train/rows, which"),
    ("stats", "from helpers import evaluate", "stats imports evaluate, which stands below it"),
    ("evaluate", "from helpers import plots", "evaluate imports plots, which stands below it"),
    ("rewards/text", "from helpers import data", "rewards/text imports data: its folder may not"),
    ("train/ppo/trainer", "from helpers.plots import BLUE",
     "train/ppo/trainer imports plots: its folder may not"),
    ("train/loop", "from helpers.widgets import controls",
     "train/loop imports widgets/controls: its folder may not"),
    ("plots/ppoplots", "from helpers.train import ppo", "plots/ppoplots imports train/ppo, which"),
    ("train/ppo/clinic", "from helpers.course import ensure",
     "train/ppo/clinic imports course, which stands below it"),
    ("prompts", "from tests import runs", "prompts imports tests, which is no module of helpers"),
    ("audit", "import notebooks.x", "audit imports notebooks/x, which is no module of helpers"),
    ("new", "", "new: not in ORDER of tests/architecture.py"),
])
def test_an_import_against_the_direction_is_found(sources, module, added, told):
    changed = sources | {module: f"{sources.get(module, '')}\n{added}\n"}
    found = architecture.violations(changed)
    assert len(found) == 1 and found[0].startswith(told)


def test_a_module_that_is_gone_and_a_relative_import_are_told(sources):
    fewer = {name: text for name, text in sources.items() if name != "course/map"}
    assert architecture.violations(fewer) == ["course/map: in ORDER, but there is no such module"]
    with pytest.raises(ValueError, match="line 2: write helpers. in full"):
        architecture.imports("x = 1\nfrom . import config", set())


def test_tracking_alone_of_train_draws(sources):
    drawing = [name for name, text in sources.items() if name.startswith("train/") and any(
        other.startswith("plots") for other in architecture.imports(text, set(sources)))]
    assert drawing == ["train/tracking"]


def test_the_map_is_what_the_code_says(sources):
    text = architecture.MAP.read_text(encoding="utf-8")
    assert text == architecture.written(), "helpers/README.md is old: make map"
    for name, source in sources.items():
        assert ast.get_docstring(ast.parse(source)), f"{name} does not say what it does"
        assert architecture.first_sentence(source)[-1] in ".?!", name


def test_the_first_sentence_of_a_module():
    say = architecture.first_sentence
    assert say('"""One line. And more."""') == "One line."
    assert say('"""Two\nlines: e.g.\n\nMore."""') == "Two lines: e.g."
    assert say('"""Words (Cobbe et al. 2021). And more."""') == "Words (Cobbe et al. 2021)."
    assert say("x = 1") == ""
