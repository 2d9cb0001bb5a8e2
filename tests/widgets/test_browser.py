"""*Try a problem* in a real browser: what a reader types, presses, and sees, on a page of Voila.

The models are the tiny base under the names of two rungs, so they really write. For a look at the
pages: SCREENSHOTS=folder.
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

import pytest

from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from tests import guards

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 300  # for a page on a busy machine
EVIL = '<script>window.hacked=1</script><img src=x onerror="window.hacked=2">'
PROBLEM = "Mia has 12 shells. Tom has 5 more shells than Mia. How many shells does Tom have?"
WIDER = """() => {
  const right = document.documentElement.clientWidth;
  return [...document.querySelectorAll('.jupyter-widgets, .jupyter-widgets *')].filter(one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.right > right + 1;
  }).map(one => one.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """The playground's address with its token, as `make playground` prints it."""
    if guards.chromium() is None:
        pytest.skip(guards.NO_CHROMIUM)
    artifacts = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_ARTIFACTS", str(artifacts))
        for name in ("sft", "grpo"):
            stage = Stage.begin(Course.load(), name)
            shutil.copytree(ROOT / "data" / "tiny" / "base", stage.path / "model")
            stage.finish()
    environment = os.environ | {"COURSE_ARTIFACTS": str(artifacts), "PYTHONPATH": str(ROOT)}
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
    page.get_by_role("button", name=name).press("Enter")


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
    page.get_by_label("Problem").fill(f"{PROBLEM} {EVIL}")
    page.get_by_label("Answer").fill("17")
    for name in ("sft", "grpo"):
        page.get_by_label(name, exact=True).check()
    assert page.get_by_label("dpo", exact=True).is_disabled()
    press(page, "Generate")
    page.get_by_text("Done.").wait_for()
    page.wait_for_timeout(500)
    text = shown(page)
    assert text.count("Vote: ") == 2 and "There is no problem yet" not in text
    assert text.count("strict ✗ wrong") + text.count("strict ✓ right") == 8
    assert text.count("answer found: ") == 8 and text.count("exact_answer") == 8
    assert EVIL in text, "it is shown as it was typed"
    assert page.evaluate("window.hacked") is None
    assert page.locator(".widget-html img, .widget-html script").count() == 0
    assert page.locator('span[title^="probability"]').count() > 50


def test_the_copy_is_hidden_where_the_widget_lives(page):
    copies = page.locator('[class^="copy-"]')
    assert copies.count() == 1 and not copies.first.is_visible()


@pytest.mark.parametrize("width", [1000, 390])
def test_nothing_is_wider_than_the_page(page, width):
    page.set_viewport_size({"width": width, "height": 2600})
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
    page.wait_for_function("document.querySelectorAll('select option').length >= 3")
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
    assert page.get_by_label("Answer").input_value()
    press(page, "Generate")
    page.get_by_text("Done.").wait_for()
    page.wait_for_timeout(500)
    assert "temperature 0" in shown(page) and shown(page).count("answer found: ") == 2
