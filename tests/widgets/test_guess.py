"""*Guess, then look* in a browser: live on a page of Voila, and folded on a page without Python.

For a look at the pages: SCREENSHOTS=folder.
"""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest
from nbconvert import HTMLExporter

from helpers.config import ROOT
from helpers.course.playground import HOST, free_port
from tests import guards
from tests.widgets.test_browser import EVIL, SECONDS, WIDER, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LONG = "the one whose name is as long as a whole sentence, with the reason why behind it"
ASKED = f"Which of the two is right {EVIL}?"
CELL = f"""
from helpers.widgets.guess import guess
guess({ASKED!r}, "ours", {f"Ours it is, said {EVIL} at length. " * 9!r},
      options=["ours", "theirs", {LONG!r}])
guess("How many of {"1234567890" * 8}?", 200, "200 it is.", factor=1.25)
"""
CUT = """() => [...document.querySelectorAll('.widget-radio-box label')].filter(one =>
  one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1).length"""
INSIDE = """one => {
  const right = document.documentElement.clientWidth;
  return [one, ...one.querySelectorAll('*')].every(each => {
    const box = each.getBoundingClientRect();
    return box.width === 0 || box.left >= 0 && box.right <= right + 1;
  });
}"""


@pytest.fixture(scope="module")
def browser():
    if guards.chromium() is None:
        pytest.skip(guards.NO_CHROMIUM)
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=guards.chromium(), args=root)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def link(browser, tmp_path_factory):
    """The address of a page with two guesses, served by Voila."""
    path, port = tmp_path_factory.mktemp("guess") / "guess.ipynb", free_port(0)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)]), path)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "voila",
            str(path),
            f"--Voila.ip={HOST}",
            f"--port={port}",
            "--no-browser",
            "--Voila.log_level=ERROR",
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address, end = f"http://{HOST}:{port}/", time.monotonic() + SECONDS
    try:
        while True:
            assert process.poll() is None and time.monotonic() < end, "no page"
            try:
                urllib.request.urlopen(f"{address}voila/static/none", timeout=5)
            except urllib.error.HTTPError:  # somebody listens
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def page(browser, link):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.set_default_timeout(1000 * SECONDS)
    page.goto(link, wait_until="commit")
    page.get_by_role("button", name="Look").nth(1).wait_for()
    yield page
    page.close()


def told(page, words: str):
    return page.locator(".widget-html").get_by_text(words).first.wait_for()


def test_nothing_says_the_answer_before_a_click(page):
    assert "Ours it is" not in page.locator("body").inner_text()
    assert page.locator('[class^="copy-"]').count() == 2
    assert not any(one.is_visible() for one in page.locator('[class^="copy-"]').all())
    page.get_by_role("button", name="Look").first.press("Enter")
    told(page, "choose one first")
    assert "Ours it is" not in page.locator("body").inner_text()


def test_a_guess_is_chosen_and_looked_up_by_keyboard(page):
    page.get_by_role("radio", name="ours", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="theirs").is_checked()
    while not page.get_by_role("button", name="Look").first.evaluate(
        "one => one === document.activeElement"
    ):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    told(page, "You said theirs: no.")
    told(page, "0 of 1 guess hit")
    assert page.get_by_text("Ours it is").first.is_visible()
    page.get_by_role("radio", name="ours", exact=True).press("Space")
    page.get_by_role("button", name="Look").first.press("Enter")
    told(page, "You said ours: right.")
    told(page, "0 of 1 guess hit")  # only the first one counts


def test_a_number_is_typed_and_the_score_counts(page):
    field = page.get_by_placeholder("a number")
    field.fill("many")
    page.get_by_role("button", name="Look").nth(1).press("Enter")
    told(page, "type a number first")
    field.fill("210")
    page.get_by_role("button", name="Look").nth(1).press("Enter")
    told(page, "You said 210: near enough.")
    told(page, "1 of 2 guesses hit")


@pytest.mark.parametrize("width", [1000, 390])
def test_nothing_is_wider_than_the_page(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)
    picture(page, f"guess-{width}")
    assert page.evaluate(WIDER) == [] and page.evaluate(CUT) == 0
    assert page.locator(".widget-radio-box label").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.hacked") is None


def stored() -> nbformat.NotebookNode:
    """The cells of all notebooks that ask for a guess, executed, as they are stored."""
    cells = [
        cell
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and "\nguess(" in cell.source
    ]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_page_without_python_unfolds_the_answer_at_a_click(browser, tmp_path):
    """Converted by what makes the pages of a run's report."""
    asked, html = stored(), tmp_path / "page.html"
    html.write_text(HTMLExporter().from_notebook_node(asked)[0], encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.route(re.compile("^http"), lambda route: route.abort())  # no network is needed
    page.goto(html.as_uri(), wait_until="domcontentloaded")
    found = page.locator("details", has_text="Guess, then click.").all()
    assert len(found) == len(asked.cells) >= 3
    for place, folded in enumerate(found):
        answer = folded.locator("div").first
        assert not answer.is_visible()
        folded.locator("summary").click()
        assert answer.is_visible() and answer.inner_text().strip()
        picture(page, f"folded-{place}")
        assert folded.evaluate(INSIDE)
        folded.locator("summary").press("Enter")
        assert not answer.is_visible()
    page.close()
