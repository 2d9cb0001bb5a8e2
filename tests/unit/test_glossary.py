"""The words of the course: every one stands in the notebook that is said to introduce it."""

import json
import re

import pytest

from helpers.config import ROOT

FOLDER = ROOT / "notebooks"
TEXT = (FOLDER / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^\*\*(.+?)\.\*\* (.+?)(?=\n\n|\Z)", TEXT, re.MULTILINE | re.DOTALL)


def markdown(file):
    cells = json.loads((FOLDER / file).read_text(encoding="utf-8"))["cells"]
    return "".join("".join(cell["source"]).lower() for cell in cells)


def test_the_words_stand_in_their_order_and_once():
    words = [word.lower() for word, _ in ENTRIES]
    assert len(words) > 30 and words == sorted(set(words))


@pytest.mark.parametrize(("word", "meaning"), ENTRIES)
def test_a_word_stands_where_it_is_said_to_be_introduced(word, meaning):
    files = re.findall(r"\]\((\w+\.ipynb)\)", meaning)
    assert files, "no notebook"
    named = [part.strip().lower() for part in word.split(",")]
    for file in files:
        assert any(part in markdown(file) for part in named), (word, file)


def test_every_notebook_leads_to_the_words():
    for file in sorted(FOLDER.glob("*.ipynb")):
        first = json.loads(file.read_text(encoding="utf-8"))["cells"][0]
        assert "(glossary.md)" in "".join(first["source"]), file.name


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (FOLDER / target).resolve().exists(), target
