"""Guess, then look: what is said to a guess, and a page that says nothing before a click."""

import ast
import json
import re

import numpy as np
import pytest

from helpers.config import ROOT
from helpers.exercises import cells
from helpers.widgets import guess as module
from helpers.widgets.guess import Guess, Score, guess


@pytest.fixture
def outputs(monkeypatch):
    found = []
    monkeypatch.setattr(module, "SCORE", Score())
    monkeypatch.setattr(
        "helpers.widgets.live.output", lambda data, name, update=False: found.append((data, update))
    )
    monkeypatch.setattr(module, "output", lambda data, name: found.append((data, False)))
    return found


def made(one, value):
    one.field.value = value
    one.button.click()
    return one.page.value


def test_a_number_hits_within_its_factor_and_counts_once(outputs):
    one = Guess("How many?", 89, "89 of 1000 <b>", factor=1.25)
    assert "type a number first" in made(one, "many") and "type a number" in made(one, "inf")
    assert "89" not in one.page.value
    text = made(one, "100,0")
    assert "You said 100: near enough." in text and "1 of 1 guess hit" in text
    assert "&lt;b&gt;" in text and "89 of 1000 <b>" not in text
    assert "no." in made(one, "20") and "1 of 1 guess hit" in one.page.value
    other = Guess("How many?", 2, "2", factor=1)
    assert "1 of 2 guesses hit" in made(other, "3")


def test_numbers_are_read_as_they_are_written(outputs):
    large, half = Guess("?", np.int64(12345), "12,345"), Guess("?", np.float32(0.5), "0.5")
    assert "near enough" in made(large, "12,345") and "near enough" in made(half, "0,5")
    assert "no." in made(large, "12,34") and "near enough" in made(large, "12_345.0")


def test_a_choice_is_right_or_not(outputs):
    one = Guess("Which?", "ours", "ours", options=["ours", "theirs"])
    assert one.field.value is None and "choose one first" in made(one, None)
    assert "You said theirs: no." in made(one, "theirs")
    assert "You said ours: right." in made(one, "ours") and "0 of 1 guess hit" in one.page.value


@pytest.mark.parametrize(
    "answer, options, told", [("x", ["a", "b"], "none of the options"), ("x", [], "is no number")]
)
def test_an_answer_that_cannot_be_given_is_an_error(answer, options, told):
    with pytest.raises(ValueError, match=told):
        Guess("Which?", answer, "", options)


@pytest.mark.parametrize("answer", [None, float("nan")])
def test_where_a_run_has_no_answer_nothing_is_asked(outputs, answer):
    guess("How many?", answer, "nothing was <i>logged", options=["a"])
    [(page, _)] = outputs
    assert page["text/plain"] == "nothing was <i>logged"
    assert "nothing was &lt;i&gt;logged" in page["text/html"] and "<details" not in str(page)


def test_the_static_page_folds_the_answer_and_says_it_nowhere_else(outputs):
    guess("How many <i>?", 4711, "it is 4711 <i>")
    (live, _), (copy, _) = outputs
    assert "4711" not in live["text/plain"] and "4711" not in copy["text/plain"]
    before, inside = copy["text/html"].split("</summary>")
    assert "<details" in before and " open" not in before and "4711" not in before
    assert "it is 4711 &lt;i&gt;" in inside and "<i>" not in copy["text/html"]


def test_the_static_page_has_the_options_to_choose_from(outputs):
    guess("Which?", "ours <1>", "it is ours", options=["ours <1>", "theirs"])
    before, _ = outputs[1][0]["text/html"].split("</summary>")
    assert "○ ours &lt;1&gt;" in before and "○ theirs" in before and "it is" not in before


def asking(path):
    return [
        cell
        for cell in cells.read(path)["cells"]
        if cell["cell_type"] == "code" and "\nguess(" in "\n" + "".join(cell["source"])
    ]


def page_of(cell):
    return "".join(cell["outputs"][1]["data"]["text/html"])


def said_openly(cell):
    """Everything of the cell and its outputs that can be read without a click."""
    [live, copy], head = cell["outputs"], page_of(cell).split("</summary>")[0]
    return json.dumps([cell["source"], live, head, copy["data"]["text/plain"]])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("0[012]*.ipynb")), ids=lambda path: path.stem
)
def test_guesses_of_the_notebooks_are_stored_folded(path):
    assert len(asking(path)) >= 3
    for cell in asking(path):
        if not cell["outputs"]:
            continue  # not run yet
        assert [o["output_type"] for o in cell["outputs"]] == ["display_data"] * 2
        page = page_of(cell)
        assert page.count("<details") == 1 and " open" not in page
        if "options=" in "".join(cell["source"]):
            continue  # the right one is among those that are offered
        told = page.split("</summary>")[1].split(">")[1].split("<")[0]
        numbers = [word.strip(".,:;()%") for word in told.split()]
        numbers = [word for word in numbers if word.replace(",", "").isdigit() and len(word) > 1]
        seen, asked = said_openly(cell), page.split("</summary>")[0]
        for number in numbers:
            alone = rf"(?<![\w.,]){number}(?![\w])"
            assert re.search(alone, asked) or not re.search(alone, seen), (asked, number)


def asks(node):
    names = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return any(isinstance(name, ast.Name) and name.id == "guess" for name in names)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_a_cell_that_asks_shows_nothing_behind_its_question(path):
    for cell in cells.read(path)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "guess(" in source:
            body = ast.parse(source).body
            assert all(at == len(body) - 1 for at, one in enumerate(body) if asks(one)), source
