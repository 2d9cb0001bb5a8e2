"""A real kernel, spoken to as a page speaks to it: a click is handled while a model writes."""

import os
import time

import pytest
from jupyter_client.manager import start_new_kernel

from helpers.config import ROOT

pytestmark = pytest.mark.timeout(280)
LATEST = 10.0  # seconds; the benchmark measures the delay itself
CELL = """
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.widgets.asking import Sample
from helpers.widgets.stages import Offered
from helpers.widgets.try_problem import try_problem

def endless(name, problem, settings):
    "Writes until it is stopped, and keeps Python busy in between, as a model's loop does."
    sample = Sample()
    while True:
        sum(range(300_000))
        for values, value in ((sample.ids, 1), (sample.pieces, "x "), (sample.chances, .5)):
            values.append(value)
        sample.text += "x "
        yield [sample]
endless.notices = lambda name, problem, settings: []

course = Course.load()
problems = [Problem("What is 2 + 3?", "", "5", "gsm8k", "1")]
one = try_problem(course, engine=endless, models=[Offered("sft", course)], problems=problems)
"""
NAMES = ("question", "draw", "generate", "stop", "status", "columns", "head")


class Page:
    """The page's end of the line: it sends clicks and reads what changes."""

    def __init__(self, client):
        self.client, self.outputs, self.updates = client, [], []
        self.ids: dict[str, str] = {}

    def run(self, code: str) -> dict:
        """Execute a cell; its reply, whatever it put out is kept."""
        reply = self.client.execute_interactive(code, timeout=200, output_hook=self.read)
        assert reply["content"]["status"] == "ok", reply["content"]
        return reply["content"]

    def read(self, message: dict) -> None:
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data", "stream", "error"):
            self.outputs.append((message["msg_type"], content))
        if message["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
            self.updates.append((content["comm_id"], content["data"]["state"]))

    def click(self, name: str) -> None:
        message = self.client.session.msg("comm_msg", {
            "comm_id": self.ids[name], "data": {"method": "custom", "content": {"event": "click"}}})
        self.client.shell_channel.send(message)

    def until(self, holds) -> float:
        """Read until it holds; the seconds that took."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < 60, self.outputs[-5:]
            try:
                self.read(self.client.get_iopub_msg(timeout=0.5))
            except Exception as error:  # queue.Empty: nothing has come
                assert type(error).__name__ == "Empty", error
        return time.monotonic() - begun

    def last(self, name: str, key: str = "value"):
        """What a widget was last told to show."""
        found = [state[key] for comm, state in self.updates
                 if comm == self.ids[name] and key in state]
        return found[-1] if found else ""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    env = {"COURSE_ARTIFACTS": str(tmp_path_factory.mktemp("artifacts")), "PYTHONPATH": str(ROOT)}
    manager, client = start_new_kernel(env=os.environ | env, cwd=str(ROOT), startup_timeout=120)
    try:
        page = Page(client)
        page.run(CELL)
        for name in NAMES:
            said = page.client.execute_interactive(
                "", user_expressions={"id": f"one.controls.{name}.model_id"}, timeout=60,
                output_hook=page.read)
            page.ids[name] = eval_text(said["content"]["user_expressions"]["id"])
        yield page
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def eval_text(expression: dict) -> str:
    """The text that a string's repr stands for."""
    return expression["data"]["text/plain"].strip("'")


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
