"""Puts the outputs of a finished run into the notebooks of the project (`make notebooks`), or the
figures that the README shows into `figures/` (`make readme`).

    python -m helpers.course.publish [--preset tiny] [--task gsm8k] [--seed 0] [--figures]

Only outputs are taken over, cleaned so that two runs differ in nothing but their results: no
execution counts, no progress on stderr, no widget state (without it GitHub refuses a notebook), no
metadata of papermill, no folder names of the machine, no addresses in its memory, no names of
widgets' copies. The cells themselves stay as they are.
"""

import argparse
import copy
import html
import re
import sys
from pathlib import Path

import nbformat

from helpers.artifacts import ArtifactError
from helpers.config import ROOT, ConfigError, Course
from helpers.course import graph, states
from helpers.files import atomic_write_text
from helpers.plots import first_screen

WIDGETS = "application/vnd.jupyter.widget-view+json"
COPY = re.compile(r'<div class="copy-[0-9a-f]{12}">')  # of a widget's copy: a name of its own
ADDRESS = re.compile(r" at 0x[0-9a-f]+(?=>|&gt;)")  # of an object in memory, behind its class


def clean_outputs(outputs: list) -> list:
    """Outputs without what differs from run to run; streams that follow each other are joined."""
    kept: list = []
    for output in copy.deepcopy(outputs):
        if output.get("name") == "stderr":
            continue
        output.get("data", {}).pop(WIDGETS, None)
        if output["output_type"] in ("display_data", "execute_result") and not output["data"]:
            continue
        if "execution_count" in output:
            output["execution_count"] = None
        if output["output_type"] == "stream" and kept and kept[-1]["output_type"] == "stream":
            kept[-1]["text"] += output["text"]
            continue
        kept.append(output)
    return [_without_places(output) for output in kept]


def _without_places(output):
    """The output with paths inside the project written relative to it, and others shortened."""
    if isinstance(output, str):
        text = output.replace(f"{ROOT}/", "").replace(str(ROOT), ".")
        text = ADDRESS.sub("", COPY.sub("<div>", text))
        return re.sub(re.escape(str(Path.home())) + r"(?=/)", "~", text)
    if isinstance(output, list):
        return [_without_places(item) for item in output]
    if isinstance(output, dict):
        return nbformat.from_dict({
            key: value if key.startswith("image/") else _without_places(value)
            for key, value in output.items()})
    return output


def with_outputs(source: nbformat.NotebookNode, executed: nbformat.NotebookNode):
    """The source notebook with the executed one's outputs, matched by cell id.

    Raises ArtifactError where a code cell has no executed twin: then the run is not of this
    notebook, and its outputs would stand under other code.
    """
    twins = {cell["id"]: cell for cell in executed.cells}
    notebook = copy.deepcopy(source)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        twin = twins.get(cell["id"])
        if twin is None or twin["source"] != cell["source"]:
            raise ArtifactError(f"cell {cell['id']} has changed since the run; run it again")
        cell["outputs"] = clean_outputs(twin["outputs"])
        cell["execution_count"] = None
    return notebook


def publish(course: Course) -> list[Path]:
    """Write every notebook of the run back into its folder; ArtifactError if one is not made."""
    written = []
    for notebook in graph.load_graph(course):
        if states.state(course, notebook) != "made":
            raise ArtifactError(f"{notebook.name} is not made with its present code: make course")
        executed = nbformat.read(states.kept(course, notebook.name), as_version=4)
        source = nbformat.read(notebook.path, as_version=4)
        text = nbformat.writes(with_outputs(source, executed))
        atomic_write_text(notebook.path, text if text.endswith("\n") else text + "\n")
        written.append(notebook.path)
    return written


def publish_figures(course: Course, root: Path = ROOT) -> list[Path]:
    """Copy the run's figures that README.md links as figures/NAME.svg; others there are removed.

    ArtifactError names a figure that the run does not have; then nothing is changed.
    """
    folder, made = root / "figures", course.dir() / "figures"
    text = (root / "README.md").read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"\(figures/([\w.-]+\.svg)\)", text)))
    if missing := [name for name in names if not (made / name).is_file()]:
        raise ArtifactError(f"README.md shows figures/{missing[0]}, which {made} lacks: run the "
                            "course, or correct the link")
    for name in names:
        atomic_write_text(folder / name, (made / name).read_text(encoding="utf-8"))
    for other in set(folder.glob("*.svg")) - {folder / name for name in names}:
        other.unlink()
    return [folder / name for name in names]


def publish_openings(course: Course) -> list[Path]:
    """Keep the figures of the run that the notebooks open with (`helpers.plots.first_screen`);
    those that this run has not drawn stay as they are."""
    written = []
    for name, figure in first_screen.PICTURES.items():
        drawn = course.dir() / "figures" / f"{figure}.svg"
        if drawn.is_file():
            [alt] = re.findall(r"<dc:description>(.*?)</dc:description>",
                               drawn.read_text(encoding="utf-8"), re.DOTALL)
            written.append(first_screen.keep(name, drawn.with_suffix(".png"), html.unescape(alt)))
    return written


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers.course.publish", description=__doc__)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figures", action="store_true", help="the README's, not the notebooks")
    options = parser.parse_args(arguments)
    try:
        course = Course.load(options.preset, options.task, options.seed)
        for path in (publish_figures(course) if options.figures
                     else publish(course) + publish_openings(course)):
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB")
    except (ArtifactError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
