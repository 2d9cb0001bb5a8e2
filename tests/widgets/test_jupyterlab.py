"""The playground's notebook in JupyterLab, in a real browser: run all, and move a slider.

For a look at the page: SCREENSHOTS=folder.
"""

import os
import re
import signal
import subprocess
import sys
import threading

import nbformat
import pytest

from helpers.config import ROOT, Course
from helpers.course import playground
from tests import guards
from tests.widgets.test_browser import SECONDS, moved, picture, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TALL = 12_000  # pixels: JupyterLab draws only the cells that can be seen
PICTURES = "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(one => one.src)"


def pictures(page) -> list[str]:
    """The pictures below the widgets, from the top."""
    return page.evaluate(PICTURES)


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    """JupyterLab's address of the notebook up to its last widget, with its token."""
    if guards.chromium() is None:
        pytest.skip(guards.NO_CHROMIUM)
    folder = tmp_path_factory.mktemp("lab")
    notebook = playground.served(Course.load(), ROOT / "notebooks" / f"{playground.NOTEBOOK}.ipynb")
    nbformat.write(notebook, folder / "09.ipynb")
    environment = os.environ | {
        "COURSE_ARTIFACTS": str(folder / "artifacts"), "PYTHONPATH": str(ROOT),
        **{f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME")}}
    root = ["--allow-root"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1",
         "--ServerApp.port=0", "--IdentityProvider.token=a-token-for-this-test", *root,
         f"--ServerApp.root_dir={folder}"], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    late = threading.Timer(SECONDS, process.kill)
    late.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=", line):
                late.cancel()
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield f"http://127.0.0.1:{found[1]}/lab/tree/09.ipynb?token=a-token-for-this-test"
                break
        else:
            pytest.fail("no JupyterLab:\n" + "".join(said))
    finally:
        late.cancel()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def test_the_notebook_runs_and_its_widgets_answer(link):
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=guards.chromium(), args=root)
        page = browser.new_page(viewport={"width": 1200, "height": TALL})
        page.set_default_timeout(1000 * SECONDS)
        page.goto(link, wait_until="commit")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.get_by_text("Python 3", exact=False).first.wait_for()  # the kernel is there
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        wait_for(page, "2 of 8 right.")
        page.get_by_label("answer 3 right", exact=True).press("Space")
        wait_for(page, "3 of 8 right.")
        wait_for(page, "objective 1.20, slope 0.00")
        wait_for(page, "One answer is right in 0.50 of cases")  # the last cells have run
        wait_for(page, "at temperature 1: pass@1")
        before = pictures(page)
        moved(page, "Ratio", "ArrowLeft", 4)
        wait_for(page, "objective 1.10, slope 1.00")
        page.wait_for_function(f"() => ({PICTURES})()[0] !== {before[0]!r}")
        assert pictures(page)[1:] == before[1:], "only the one below its widget was replaced"
        assert not any(one.is_visible() for one in page.locator('[class^="copy-"]').all())
        picture(page, "jupyterlab")
        browser.close()
