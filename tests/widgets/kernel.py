"""A real kernel with *Try a problem* in it, and the page's end of the line to it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty

from jupyter_client.manager import start_new_kernel

from helpers.config import ROOT

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

def named(box, name):
    "The control of this name in a box, or in a box of it."
    for one in (box, *getattr(box, "children", ())):
        if getattr(one, "description", "") == name:
            return one
        if one is not box and (found := named(one, name)):
            return found

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
        self.opened: dict[str, dict] = {}  # the state that a widget was made with, by its id

    def run(self, code: str) -> dict:
        """Execute a cell; its reply, whatever it put out is kept."""
        reply = self.client.execute_interactive(code, timeout=200, output_hook=self.read)
        assert reply["content"]["status"] == "ok", reply["content"]
        return reply["content"]

    def value(self, expression: str) -> str:
        """What an expression gives in the kernel, as `repr` shows it."""
        said = self.client.execute_interactive(
            "", user_expressions={"it": expression}, timeout=60, output_hook=self.read)
        return said["content"]["user_expressions"]["it"]["data"]["text/plain"]

    def know(self, **widgets: str) -> None:
        """Call these widgets, an expression each, by a name."""
        for name, expression in widgets.items():
            self.ids[name] = self.value(f"{expression}.model_id").strip("'")

    def read(self, message: dict) -> None:
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data", "stream", "error"):
            self.outputs.append((message["msg_type"], content))
        if message["msg_type"] == "comm_open":
            self.opened[content["comm_id"]] = content["data"]["state"]
        if message["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
            self.updates.append((content["comm_id"], content["data"]["state"]))

    def click(self, name: str) -> None:
        self._send(name, {"method": "custom", "content": {"event": "click"}})

    def change(self, name: str, **state) -> None:
        """What a reader has moved, typed or chosen."""
        self._send(name, {"method": "update", "state": state, "buffer_paths": []})

    def _send(self, name: str, data: dict) -> None:
        self.client.shell_channel.send(self.client.session.msg(
            "comm_msg", {"comm_id": self.ids[name], "data": data}))

    def until(self, holds) -> float:
        """Read until it holds; the seconds that took."""
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < 60, str(self.outputs[-5:])[-2000:]
            try:
                self.read(self.client.get_iopub_msg(timeout=0.5))
            except Empty:
                continue
        return time.monotonic() - begun

    def last(self, name: str, key: str = "value"):
        """What a widget was last told to show."""
        found = [state[key] for comm, state in self.updates
                 if comm == self.ids[name] and key in state]
        return found[-1] if found else ""


@contextmanager
def opened(artifacts: Path, first: Path | None = None) -> Iterator[Page]:
    """A page beside a kernel that has run the cell; what it leaves goes to `artifacts`. The
    packages in the folder `first` stand before the course's own."""
    paths = os.pathsep.join(str(one) for one in (first, ROOT) if one)
    more = {"COURSE_ARTIFACTS": str(artifacts), "PYTHONPATH": paths}
    manager, client = start_new_kernel(env=os.environ | more, cwd=str(ROOT), startup_timeout=120)
    try:
        page = Page(client)
        page.run(CELL)
        page.know(**{name: f"one.controls.{name}" for name in NAMES})
        yield page
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
