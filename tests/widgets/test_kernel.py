"""A real kernel, spoken to as a page speaks to it: a click is handled while a model writes."""

import pytest

from tests.widgets import kernel

pytestmark = pytest.mark.timeout(280)
LATEST = 10.0  # seconds, on a busy machine; `make bench` measures the delay


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with kernel.opened(tmp_path_factory.mktemp("artifacts")) as page:
        yield page


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
