"""A real kernel, spoken to as a page speaks to it: a click is handled while a model writes.

Twice: with the course's own ipywidgets and ipykernel, and with Colab's, which are older.
"""

import pytest
from packaging.requirements import Requirement

from helpers.config import ROOT
from tests import guards
from tests.widgets import kernel

pytestmark = pytest.mark.timeout(280)
LATEST = 10.0  # seconds, on a busy machine; `make bench` measures the delay
PINS = {"ours": "requirements.txt", "colab": "tests/widgets/requirements-old.txt"}


@pytest.fixture(scope="module", params=PINS)
def side(request):
    if request.param == "colab" and guards.old_widgets() is None:
        pytest.skip(guards.NO_OLD_WIDGETS)
    return request.param


@pytest.fixture(scope="module")
def page(side, tmp_path_factory):
    first = guards.old_widgets() if side == "colab" else None
    with kernel.opened(tmp_path_factory.mktemp("artifacts"), first) as page:
        yield page


def test_the_kernel_has_the_packages_of_its_side(page, side):
    text = (ROOT / PINS[side]).read_text(encoding="utf-8")
    pins = [Requirement(line) for line in text.splitlines() if line and line[0] != "#"]
    wanted = {one.name: str(one.specifier) for one in pins}
    for name, module in [("ipywidgets", "ipywidgets"), ("ipykernel", "ipykernel"),
                         ("ipython", "IPython")]:
        found = page.value(f"__import__('{module}').__version__").strip("'")
        assert wanted[name] == f"=={found}"


def test_a_click_is_handled_while_a_generation_goes_on(page):
    page.click("draw")
    page.until(lambda: page.last("question") == "What is 2 + 3?")
    page.click("generate")
    page.until(lambda: "sft: token" in page.last("status"))
    begun = page.last("status")
    page.run("one.controls.question.value = ''")
    page.updates.clear()
    page.click("draw")
    seconds = page.until(lambda: page.last("question") == "What is 2 + 3?")
    assert seconds < LATEST
    page.until(lambda: page.last("status") not in ("", begun))  # and it has gone on
    assert page.run("assert one.trying.running")["status"] == "ok", "a cell runs beside it, too"
    page.click("stop")
    page.until(lambda: "Stopped." in page.last("status"))


def test_its_copy_is_an_output_that_is_replaced(page):
    page.updates.clear()
    page.click("draw")
    page.click("generate")
    page.until(lambda: "sft: token" in page.last("status"))
    page.click("stop")
    page.until(lambda: "Stopped." in page.last("status"))
    page.until(lambda: "update_display_data" in [kind for kind, _ in page.outputs])
    shown = [content for kind, content in page.outputs if kind == "display_data"]
    view, copy = shown[0]["data"], shown[1]
    assert "application/vnd.jupyter.widget-view+json" in view
    kind, replaced = [one for one in page.outputs if "display" in one[0]][-1]
    assert kind == "update_display_data"
    assert replaced["transient"]["display_id"] == copy["transient"]["display_id"]
    assert "What is 2 + 3?" in replaced["data"]["text/html"]
    assert "stopped" in replaced["data"]["text/html"]
    assert not [content for kind, content in page.outputs if kind in ("stream", "error")]


@pytest.mark.parametrize("control, key, first, moved, set_to", [
    ("question", "value", "", "Zwölf Äpfel 🙂?", "What is 1 + 1?"),
    ("samples", "value", 4, 7, 2),
    ("temperature", "value", 1.0, 0.35, 1.5),
    ("choices.children[0]", "value", True, False, True),
    ("task", "index", 1, 0, 2),
], ids=["text", "integer", "float", "tick", "menu"])
def test_a_value_goes_to_the_kernel_and_comes_from_it(page, control, key, first, moved, set_to):
    control = f"one.controls.{control}"
    page.know(moved=control)
    if not control.endswith("question"):  # where others have written
        assert page.opened[page.ids["moved"]][key] == first
    page.change("moved", **{key: moved})
    assert page.value(f"{control}.{key}") == repr(moved)
    page.updates.clear()
    page.run(f"{control}.{key} = {set_to!r}")
    assert page.last("moved", key) == set_to


MAKE = """
import sys
from helpers.widgets.making import Making
from tests.unit.test_making import RUN
missing = ["dpo"]
def offered():
    return [Offered(name, course, missing=name in missing and "no", makeable=name in missing)
            for name in ("sft", "dpo")]
runs = Making(course, lambda verb, stage: [sys.executable, "-uc", RUN, verb, stage, {!r}, "works"])
two = try_problem(course, engine=endless, models=[], problems=problems, runs=runs)
two._look = offered
two.look_again()
"""


def test_a_stage_is_made_while_the_kernel_answers(page, tmp_path):
    page.run(MAKE.format(str(tmp_path)))
    page.know(menu="two.maker.menu", make="two.maker.make", end="two.maker.end",
              line="two.maker.line", told="two.maker.message", words="two.maker.words",
              another="two.controls.draw", asked="two.controls.question")
    page.updates.clear()
    page.change("menu", index=1)
    page.until(lambda: page.last("make", "description") == "Make it (about 7 minutes)")
    assert "Needed first: sft" in page.last("words")
    for _ in range(2):
        page.click("make")
    page.until(lambda: "cell 3/9" in page.last("line"))
    assert "&lt;script&gt;" in page.last("line")
    page.until(lambda: "dpo is being made" in page.last("told"))
    page.click("another")
    page.until(lambda: page.last("asked") == "What is 2 + 3?")
    page.click("end")
    page.until(lambda: "Stopped." in page.last("told"))
    page.click("make")
    page.until(lambda: (tmp_path / "begun").read_text() == "xx")
    page.run("missing.clear()")
    (tmp_path / "go").touch()
    page.until(lambda: "dpo is made." in page.last("told"))
    assert page.value("[box.disabled for box in two.controls.choices.children]") == "[False, False]"
    (tmp_path / "go").unlink()
    page.run("runs.start('dpo')\ntwo.controls.box.close()")
    assert page.value("runs.wait(60)") == "True", "a closed widget has ended its run"
    assert not [content for kind, content in page.outputs if kind in ("stream", "error")]


# One change in each of the others: widget, control, what is sent, and what is said then.
OTHERS = {
    "advantages": ("advantages.advantages()", "answer 3 right", {"value": True}, "3 of 8 right."),
    "clip": ("clip.clip()", "Ratio", {"value": 1.1}, "objective 1.10, slope 1.00"),
    "gae": ("gae.gae()", "Rewards", {"value": "0, 0, 0, 0, 0, 1"}, "of token 6, “end”"),
    "pass_at_k": ("pass_at_k.pass_at_k()", "Mean chance", {"value": 0.05},
                  "One answer is right in 0.05 of cases"),
    "temperatures": ("temperatures.temperatures(course)", "Temperature", {"index": 0},
                     "at temperature 0.1: pass@1"),
    "reward_mixer": ("reward_mixer.reward_mixer(course)", "boxed", {"value": 1.5},
                     "answers would be pushed up"),
    "grader": ("grader.be_the_grader(course)", "Right", None, "Answer 2 of 8, 1 labelled"),
    "rollout_inspector": ("rollout_inspector.rollout_inspector(course)", "Step", {"index": 4},
                          "Step 80: "),
    "rollout_inspector of ppo": ("rollout_inspector.rollout_inspector(course)", "Run",
                                 {"index": 1}, "forecast goes from"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_each_of_the_other_widgets_answers(page, name):
    call, control, state, words = OTHERS[name]
    page.outputs.clear()
    page.run(f"from helpers.widgets import {name.split()[0]}\nshown = {call}")
    page.know(moved=f"named(shown.box, {control!r})", result="shown.result")
    page.updates.clear()
    if state is None:
        page.click("moved")
    else:
        page.change("moved", **state)
    page.until(lambda: words in page.last("result"))
    page.until(lambda: "update_display_data" in [kind for kind, _ in page.outputs])
    assert not [content for kind, content in page.outputs if kind in ("stream", "error")]


def test_a_guess_is_chosen_and_looked_up(page):
    page.run("from helpers.widgets.guess import Guess\n"
             "asked = Guess('Which?', 'ours', 'Ours it is.', ['ours', 'theirs'])\nasked.show()")
    page.know(field="asked.field", look="asked.button", told="asked.page")
    assert page.opened[page.ids["field"]]["index"] is None, "nothing is chosen yet"
    page.change("field", index=1)
    page.click("look")
    page.until(lambda: "You said theirs: no." in page.last("told"))
    page.change("field", index=0)
    page.click("look")
    page.until(lambda: "You said ours: right." in page.last("told"))
