"""Publishing takes outputs over, and nothing that differs between two equal runs."""

import re

import nbformat
import pytest

from helpers.artifacts import ArtifactError
from helpers.config import ROOT, Course
from helpers.course.publish import WIDGETS, clean_outputs, publish_figures, with_outputs


def a_notebook(*cells):
    notebook = nbformat.v4.new_notebook()
    for number, (source, outputs) in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=number + 5)
        cell["id"] = f"t-{number}"
        notebook.cells.append(cell)
    return notebook


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", text=text, name=name)


def shown(**data):
    return nbformat.v4.new_output("display_data", data=data)


def test_streams_are_joined_and_stderr_is_dropped():
    outputs = clean_outputs([stream("a\n"), stream("bar", "stderr"), stream("b\n")])
    assert [output["text"] for output in outputs] == ["a\nb\n"]


def test_widgets_leave_their_readable_part_only():
    both = shown(**{WIDGETS: {"model_id": "x"}, "text/html": "<b>1</b>"})
    alone = shown(**{WIDGETS: {"model_id": "x"}})
    outputs = clean_outputs([both, alone])
    assert [dict(output["data"]) for output in outputs] == [{"text/html": "<b>1</b>"}]


def test_an_object_is_told_without_its_address():
    [output] = clean_outputs([shown(**{"text/plain": "<pandas.Styler at 0x7f634c0474d0>",
                                       "text/html": "<i>&lt;A at 0x7f&gt;</i>"})])
    assert output["data"] == {"text/plain": "<pandas.Styler>", "text/html": "<i>&lt;A&gt;</i>"}


def test_the_copy_of_a_widget_has_no_name_of_its_own():
    [output] = clean_outputs([shown(**{"text/html": '<div class="copy-0123456789ab">1</div>'})])
    assert output["data"]["text/html"] == "<div>1</div>"


def test_folders_of_the_machine_are_not_published():
    picture = "iVBORw0K" + str(ROOT)
    outputs = clean_outputs([stream(f"saved {ROOT}/data/x"),
                             shown(**{"text/html": f"<i>{ROOT}</i>", "image/png": picture})])
    assert outputs[0]["text"] == "saved data/x"
    assert outputs[1]["data"]["text/html"] == "<i>.</i>"
    assert outputs[1]["data"]["image/png"] == picture, "bytes of a picture are not text"


def test_outputs_land_under_their_cells_and_injected_cells_vanish():
    source = a_notebook(("x = 1", []), ("x", []))
    executed = a_notebook(("x = 1", []), ("x", [stream("1")]))
    injected = nbformat.v4.new_code_cell("preset = 'tiny'")
    executed.cells.insert(1, injected)
    done = with_outputs(source, executed)
    assert [cell["source"] for cell in done.cells] == ["x = 1", "x"]
    assert done.cells[1]["outputs"][0]["text"] == "1"
    assert all(cell["execution_count"] is None for cell in done.cells)
    assert not source.cells[1]["outputs"], "the source is left as it was"


def test_a_run_of_other_code_is_refused():
    with pytest.raises(ArtifactError, match="t-0 has changed"):
        with_outputs(a_notebook(("x = 2", [])), a_notebook(("x = 1", [])))


def test_the_figures_of_the_readme_are_the_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path / "artifacts"))
    course, folder = Course.load(), tmp_path / "figures"
    made = course.dir() / "figures"
    made.mkdir(parents=True)
    folder.mkdir()
    (folder / "gone.svg").write_text("an old one")
    (made / "b.svg").write_text("other")
    readme = tmp_path / "README.md"
    readme.write_text("![a](figures/a.svg) and figures/b.svg, which is not shown")
    with pytest.raises(ArtifactError, match="a.svg"):
        publish_figures(course, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["gone.svg"]
    (made / "a.svg").write_text("<svg/>")
    assert publish_figures(course, tmp_path) == [folder / "a.svg"]
    assert [path.read_text() for path in folder.iterdir()] == ["<svg/>"]


def test_what_the_readme_shows_is_there():
    shown = re.findall(r"\]\((figures/[^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown and all((ROOT / name).is_file() for name in shown)
