"""The playground in a real browser: what a reader types, presses, and sees, on a page of Voila.

The models are the tiny base under the names of two rungs, so they really write; two more can be
made, by notebooks that wait until there is a file `go`. For a look at the pages:
SCREENSHOTS=folder.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest

from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from tests import guards
from tests.unit.test_making import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 300  # for a page on a busy machine
EVIL = '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">'
PROBLEM = "Mia has 12 shells. Tom has 5 more shells than Mia. How many shells does Tom have?"
MAKES = """import os, shutil, time
from pathlib import Path
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
stage = Stage.begin(Course.load(preset, task, seed, overrides), "{}")
while not Path(os.environ["COURSE_ARTIFACTS"], "go").exists():
    time.sleep(0.1)
shutil.copytree(ROOT / "data" / "tiny" / "base", stage.path / "model")
stage.finish()"""
WIDER = """() => {
  const right = document.documentElement.clientWidth;
  return [...document.querySelectorAll('.jupyter-widgets, .jupyter-widgets *')].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.right > right + 1;
  }).map(one => one.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """The playground, and beside it nothing but what makes two stages."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(ROOT / "notebooks" / "09_playground.ipynb", folder)
    for name, stage, minutes in (("05_dpo", "dpo", 1), ("06_ppo", "ppo", 100)):
        codes = ['preset = "tiny"\ntask = "gsm8k"\nseed = 0\noverrides = {}', MAKES.format(stage)]
        notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, codes)))
        notebook.cells[0].metadata["tags"] = ["parameters"]
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        notebook.metadata["course"] = {"needs": [], "makes": [stage], "minutes": {"tiny": minutes}}
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def link(artifacts, notebooks):
    """The playground's address with its token, as `make playground` prints it."""
    if guards.chromium() is None:
        pytest.skip(guards.NO_CHROMIUM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_ARTIFACTS", str(artifacts))
        for name in ("sft", "grpo"):
            stage = Stage.begin(Course.load(), name)
            shutil.copytree(ROOT / "data" / "tiny" / "base", stage.path / "model")
            stage.finish()
    environment = os.environ | {"COURSE_ARTIFACTS": str(artifacts), "PYTHONPATH": str(ROOT),
                                "COURSE_NOTEBOOKS": str(notebooks)}
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.course.playground", "--port", "0"], cwd=ROOT,
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    late = threading.Timer(SECONDS, process.kill)
    late.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line):
                late.cancel()
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield found[0]
                break
        else:
            pytest.fail("no playground:\n" + "".join(said))
    finally:
        late.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def page(link):
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=guards.chromium(), args=root)
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        page.set_default_timeout(1000 * SECONDS)
        page.goto(link, wait_until="commit")
        page.get_by_role("button", name="Generate").wait_for()
        yield page
        browser.close()


def picture(page, name: str) -> None:
    """For whoever looks, if a folder is given."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")


def press(page, name: str) -> None:
    """A button, by keyboard."""
    page.get_by_role("button", name=name, exact=True).press("Enter")


def shown(page) -> str:
    return page.locator("body").inner_text()


def test_nobody_is_let_in_without_the_token(link):
    address = link.partition("?")[0]
    for wrong in (address, f"{address}?token=wrong"):
        try:
            with urllib.request.urlopen(wrong, timeout=60) as answer:
                assert "login" in answer.url and "Try a problem" not in answer.read().decode()
        except urllib.error.HTTPError as error:
            assert error.code in (401, 403)


def test_an_empty_problem_is_one_message(page):
    press(page, "Generate")
    page.get_by_role("alert").get_by_text("There is no problem yet").wait_for()


def test_a_typed_problem_is_answered_side_by_side(page):
    parts = shown(page).count("exact_answer")  # the reward mixer names it, too
    page.get_by_label("Problem", exact=True).fill(f"{PROBLEM} {EVIL}")
    page.get_by_label("Answer", exact=True).fill("17")
    for name in ("sft", "grpo"):
        page.get_by_label(name, exact=True).check()
    assert page.get_by_label("dpo", exact=True).is_disabled()
    press(page, "Generate")
    page.get_by_text("Done.").wait_for()
    page.wait_for_timeout(500)
    text = shown(page)
    assert text.count("Vote: ") == 2 and "There is no problem yet" not in text
    assert text.count("strict ✗ wrong") + text.count("strict ✓ right") == 8
    assert text.count("answer found: ") == 8 and text.count("exact_answer") == parts + 8
    assert EVIL in text, "it is shown as it was typed"
    assert page.evaluate("window.hacked") is None
    assert page.locator('.widget-html img[src="x"], .widget-html script').count() == 0
    assert page.locator('span[title^="probability"]').count() > 50


def test_the_copies_are_hidden_where_the_widgets_live(page):
    copies = page.locator('[class^="copy-"]')
    assert copies.count() == 9 and not any(one.is_visible() for one in copies.all())


@pytest.mark.parametrize("width", [1000, 390])
def test_nothing_is_wider_than_the_page(page, width):
    page.set_viewport_size({"width": width, "height": 9000 if width < 500 else 6000})
    page.locator("summary", has_text="Not made yet").click()
    page.wait_for_timeout(500)
    picture(page, f"try-{width}")
    assert page.evaluate(WIDER) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("summary", has_text="Not made yet").click()
    page.set_viewport_size({"width": 1000, "height": 900})


def test_sliders_move_by_keyboard_and_stop_stops(page):
    handles = page.get_by_role("slider")
    temperature, _, samples, length = (handles.nth(place) for place in range(4))
    for handle, key in ((temperature, "End"), (samples, "End"), (length, "End")):
        handle.focus()
        handle.press(key)
    assert [handle.get_attribute("aria-valuenow") for handle in (temperature, samples, length)] == [
        "2.0", "8.0", "512.0"]
    press(page, "Generate")
    page.get_by_text(re.compile(r"sft: token \d+")).wait_for()
    press(page, "Stop")
    page.get_by_text("Stopped.").wait_for()
    assert "stopped, " in shown(page) and page.evaluate("window.hacked") is None
    picture(page, "stopped")


def test_earlier_tries_come_back(page):
    menu = page.get_by_label("Earlier tries")
    page.wait_for_function("one => one.options.length >= 3", arg=menu.element_handle())
    menu.select_option(index=2)  # the first try
    page.get_by_text("An earlier try.").wait_for()
    page.wait_for_timeout(500)
    assert shown(page).count("Vote: ") == 2 and page.evaluate("window.hacked") is None


def test_a_drawn_problem_is_answered_after_all_that(page):
    for place in (0, 2):
        handle = page.get_by_role("slider").nth(place)
        handle.focus()
        handle.press("Home")  # greedy
    press(page, "Draw a problem")
    page.wait_for_function("document.querySelector('textarea').value.indexOf('script') < 0")
    assert page.get_by_label("Answer", exact=True).input_value()
    press(page, "Generate")
    page.get_by_text("Done.").wait_for()
    page.wait_for_timeout(500)
    assert "temperature 0" in shown(page) and shown(page).count("answer found: ") == 2


# The other widgets of the page


def part(page, heading: str):
    """What stands between this heading and the next one: found by the heading's words."""
    return page.get_by_role("heading", name=heading, exact=True)


def wait_for(page, words) -> None:
    """Until a widget shows it; its hidden copy does not count."""
    page.locator(".widget-html").get_by_text(words).first.wait_for()


def moved(page, label: str, key: str, times: int = 1) -> None:
    """A slider by its label, moved by keyboard."""
    handle = page.locator(".widget-slider", has=page.locator(
        f'label:text-is("{label}")')).get_by_role("slider")
    handle.focus()
    for _ in range(times):
        handle.press(key)


def test_every_widget_has_its_heading(page):
    for heading in ("Be the grader", "Reward mixer", "Advantages", "The clip", "GAE",
                    "Rollout inspector", "pass@k and the vote", "How temperature moves them"):
        assert part(page, heading).count() == 1, heading
    assert shown(page).count("a record that comes with the course") >= 3


def test_answers_are_labelled_by_keyboard_and_compared(page):
    wait_for(page, re.compile(r"Answer 1 of 8, 0 labelled"))
    assert "you agree with the" not in shown(page)
    press(page, "Compare")
    page.get_by_role("alert").get_by_text("Label an answer first").wait_for()
    for place in range(8):
        press(page, "Right" if place % 2 else "Wrong")
        wait_for(page, re.compile(f"{place + 1} (of 8 )?labelled"))
    wait_for(page, "where you disagree, and why")
    assert "you agree with the" in shown(page) and "lenient grading" in shown(page)
    picture(page, "graded")


def test_an_answer_is_ticked_in_advantages(page):
    wait_for(page, "2 of 8 right.")
    page.get_by_label("answer 3 right", exact=True).press("Space")
    wait_for(page, "3 of 8 right.")
    moved(page, "Answers, G", "ArrowLeft", 4)
    wait_for(page, "3 of 4 right.")


def test_the_ratio_is_moved_by_keyboard_and_the_slope_changes(page):
    wait_for(page, "objective 1.20, slope 0.00")
    moved(page, "Ratio", "ArrowLeft", 4)
    wait_for(page, "objective 1.10, slope 1.00")
    page.get_by_label("Advantage", exact=True).select_option(index=1)
    wait_for(page, "objective −1.10, slope −1.00")


def test_a_weight_a_reward_a_step_a_spread_and_a_temperature(page):
    """One change in each of the others; what it says follows."""
    moved(page, "exact_answer", "Home")
    wait_for(page, re.compile(r"\d of \d answers would be pushed up"))
    rewards = page.get_by_label("Rewards", exact=True)
    rewards.fill("0, 0, 0, 0, 0")
    rewards.press("Tab")
    page.get_by_role("alert").get_by_text("5 numbers for 6 tokens").wait_for()
    rewards.fill("0, 0, 0, 0, 0, 1")
    rewards.press("Tab")
    moved(page, "Lambda", "Home")
    wait_for(page, "only the next forecast counts")
    wait_for(page, re.compile(r"Step 0: \d of 6 answers right"))
    moved(page, "Step", "End")
    wait_for(page, re.compile(r"Step 80: \d of 6 answers right"))
    moved(page, "Mean chance", "Home")
    wait_for(page, "One answer is right in 0.05 of cases")


def test_sliders_over_what_was_recorded_are_moved_too(page):
    handle = page.locator(".widget-inline-hbox", has=page.locator(
        'label:text-is("Temperature")')).get_by_role("slider").last
    handle.focus()
    handle.press("Home")
    wait_for(page, re.compile("at temperature 0.1: pass@1"))


def test_ppos_record_is_chosen_and_a_token_is_looked_up(page):
    page.get_by_label("Run", exact=True).select_option("ppo")
    wait_for(page, "advantages of tokens are not known at this step")
    moved(page, "Step", "End")
    wait_for(page, re.compile("forecast goes from .* advantages of tokens from"))
    page.locator(".widget-html summary", has_text="token by token").first.press("Enter")
    wait_for(page, re.compile("KL +reward +forecast +advantage +token"))


@pytest.mark.parametrize("width", [1000, 390])
def test_no_widget_is_wider_than_the_page_after_all_that(page, width):
    page.set_viewport_size({"width": width, "height": 11000 if width < 500 else 7000})
    page.wait_for_timeout(1000)
    picture(page, f"all-{width}")
    assert page.evaluate(WIDER) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1000, "height": 900})


# A model that is not made


def runs(artifacts: Path) -> list[psutil.Process]:
    """Runs of the course that write there, and the notebooks that they execute."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = {"--watched", "helpers.course.execute"} & set(process.cmdline())
            if ours and process.environ().get("COURSE_ARTIFACTS") == str(artifacts):
                found.append(process)
        except psutil.Error:  # it has just ended, or is another user's
            continue
    return found


def test_a_model_is_made_by_keyboard_beside_the_page(page, artifacts):
    page.get_by_label("Make a model", exact=True).select_option("dpo")
    button = "Make it (about 1 minute)"
    press(page, button)
    wait_for(page, re.compile("Making dpo: "))
    press(page, "Stop making it")
    page.get_by_role("status").get_by_text("Stopped. What is finished is kept").wait_for()
    assert not runs(artifacts) and page.get_by_label("dpo", exact=True).is_disabled()
    press(page, button)
    wait_for(page, re.compile(r"Making dpo: \[1/1\] 05_dpo cell \d/3"))
    picture(page, "making")
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate(WIDER) == []
    page.set_viewport_size({"width": 1000, "height": 900})
    press(page, button)
    page.get_by_role("alert").get_by_text("dpo is being made: stop that").wait_for()
    (artifacts / "go").touch()
    page.get_by_role("status").get_by_text("dpo is made.").wait_for()
    page.get_by_label("dpo", exact=True).check()
    (artifacts / "go").unlink()


def test_with_the_page_goes_its_run(page, artifacts):
    """The last test: nothing is on the page any more."""
    page.get_by_label("Make a model", exact=True).select_option("ppo")
    press(page, "Make it (about 1.7 hours)")
    wait_for(page, re.compile(r"Making ppo: \[1/1\] 06_ppo cell \d/3"))
    assert len(runs(artifacts)) == 2
    page.goto("about:blank")
    until(lambda: not runs(artifacts))
