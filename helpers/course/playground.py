"""Serves the playground, notebook 09, in the browser: `python -m helpers.course.playground`.

Voila runs the notebook up to its last widget and shows no code. The server listens on this machine
alone (127.0.0.1), and only who has the link with its token is let in: a kernel runs behind the
page.
"""

import argparse
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat

from helpers.artifacts import ArtifactError
from helpers.config import HUB_ID, ROOT, ConfigError, Course
from helpers.course import graph, opening, recipes, smollm2

NOTEBOOK = "09_playground"
LAST = "playground"  # the tag of the last cell that is served
HOST, PORT = "127.0.0.1", 8866
WAIT_SECONDS = 60.0
# The page asks nobody else for anything: it works without a network, and sends nothing out.
OWN_ONLY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"


def headers() -> dict[str, str]:
    """What every response of this server says.

    The cookie is for a page that is closed: Voila's script sends its value with the request to end
    the page's kernel, and Jupyter's server refuses that without it. By itself it sets the cookie
    only on its login form, which a link with a token passes by. It is of this server alone, and no
    other site's page makes a browser send it."""
    kept = f"_xsrf={secrets.token_hex(16)}; Path=/; SameSite=Strict"
    return {"Content-Security-Policy": OWN_ONLY, "Set-Cookie": kept}


def served(course: Course, path: Path) -> nbformat.NotebookNode:
    """The notebook as it is served: its title, the parameters of this run, and all up to its last
    widget. The library is found by PYTHONPATH, so the set-up cell goes."""
    values = {"preset": course.preset, "task": course.task, "seed": course.seed,
              "overrides": course.overrides}
    lines = [opening.INJECTED, *(f"{name} = {value!r}" for name, value in values.items())]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = notebook.cells[0].source.splitlines()[0]
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code":
            cell.outputs = []
        if "setup" in tags:
            cell.source = "import os"
        cells.append(cell)
        if "parameters" in tags:
            cells.append(nbformat.v4.new_code_cell("\n".join(lines)))
        if LAST in tags:
            break
    notebook.cells = cells
    return notebook


def free_port(wanted: int) -> int:
    """The wanted port of this machine, or any other where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind((HOST, port))
            except OSError:
                continue
            return door.getsockname()[1]
    raise ConfigError(f"no port of {HOST} is free")


def say_when_open(port: int, token: str) -> None:
    """Print the link as soon as somebody listens."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        with socket.socket() as door:
            if door.connect_ex((HOST, port)) == 0:
                print(f"\nPlayground: http://{HOST}:{port}/?token={token}\n"
                      "Open this link; Ctrl-C here ends it.\n", flush=True)
                return
        time.sleep(0.1)


def found(model: str) -> str:
    """The folder, absolute, or the id on the hub; ConfigError where there can be no model. By the
    name of `smollm2` that one, which is fetched the first time."""
    if model.lower() == smollm2.NAME:
        return str(smollm2.fetched().resolve())
    place = Path(model).expanduser()
    place = place if place.is_dir() else ROOT / place
    if (place / "config.json").is_file():
        return str(place.resolve())
    if not place.exists() and HUB_ID.fullmatch(model):
        return model
    raise ConfigError(f"MODEL: no model in {place} (no config.json); give a folder that "
                      f"save_pretrained wrote, of a whole model, the id of one on the hub, or "
                      f"{smollm2.NAME}")


def serve(course: Course, model: str | None = None, port: int = PORT) -> None:
    """Serve until Ctrl-C. ConfigError before anything starts, for a course that has no
    playground and a model that is none. `model`: as `found` takes it."""
    from voila.app import Voila

    opening.check_course(course)
    notebooks, others = graph.load(course)
    [notebook] = graph.select(NOTEBOOK, notebooks, others)
    if model:
        os.environ["COURSE_MODEL"] = found(model)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # of the page's kernel
    token, port = secrets.token_urlsafe(24), free_port(port)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NOTEBOOK}.ipynb"
        nbformat.write(served(course, notebook.path), path)
        threading.Thread(target=say_when_open, args=(port, token), daemon=True).start()
        Voila.launch_instance(
            [str(path), f"--Voila.ip={HOST}", f"--port={port}", "--Voila.port_retries=0",
             f"--token={token}", "--no-browser", "--Voila.log_level=ERROR"],
            tornado_settings={"headers": headers()})


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers.course.playground",
                                     description=__doc__)
    parser.add_argument("--recipe", help="a recipe's models: its name, or a file of yours")
    parser.add_argument("--preset", help="(tiny)")
    parser.add_argument("--task", help="(gsm8k)")
    parser.add_argument("--seed", type=int, help="(0)")
    parser.add_argument("--overrides", default=None, help="a YAML or JSON mapping")
    parser.add_argument("--model", help="one more model: a folder, an id on the hub, or smollm2")
    parser.add_argument("--port", type=int, default=PORT)
    options = parser.parse_args(arguments)
    try:
        given = {key: getattr(options, key) for key in ("preset", "task", "seed")}
        given = {key: value for key, value in given.items() if value is not None}
        course = (recipes.load(options.recipe, None, options.overrides, **given) if options.recipe
                  else Course.load(**given, overrides=options.overrides))
        serve(course, options.model, options.port)
    except (ArtifactError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
