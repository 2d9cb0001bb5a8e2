"""The notebooks as files: the same opening everywhere, short cells, links that lead somewhere."""

import json
import re
import tomllib

import pytest

from helpers.config import ROOT
from tests import runs

FOLDER = ROOT / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]
URL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
REPOSITORY = URL.removeprefix("https://github.com/")
EXPECTED = [
    "00_start_here", "01_explore_the_data", "02_verify_and_reward", "03_supervised_finetuning",
    "04_reward_model", "05_dpo", "06_ppo", "07_grpo", "08_evaluation",
    "09_playground", "A1_pretraining_the_tiny_base", "A2_family_and_own_best",
]
notebooks = pytest.mark.parametrize("path", PATHS, ids=NAMES)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sources(path, kind):
    return ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == kind]


def tagged(path, tag):
    return ["".join(cell["source"]) for cell in read(path)["cells"]
            if tag in cell["metadata"].get("tags", [])]


def test_the_notebooks_of_the_course_are_there():
    assert set(EXPECTED) <= set(NAMES)
    numbers = [name.split("_")[0] for name in NAMES]
    assert len(set(numbers)) == len(numbers) and numbers == sorted(numbers)


@notebooks
def test_it_starts_with_its_one_title_and_its_badge(path):
    prose = sources(path, "markdown")
    titles = [text for text in prose for line in text.splitlines() if line.startswith("# ")]
    assert len(titles) == 1 and prose[0].startswith(f"# {path.stem.split('_')[0]} · ")
    badge = f"https://colab.research.google.com/github/{REPOSITORY}/blob/main/notebooks/{path.name}"
    assert badge in prose[0]
    assert "You will be able to" in prose[0] and "Needs" in prose[0] and "Makes" in prose[0]


@notebooks
@pytest.mark.parametrize("tag", ["setup", "parameters"])
def test_it_opens_like_all_others(path, tag):
    cells = tagged(path, tag)
    assert len(cells) == 1 and cells == tagged(PATHS[0], tag)
    if tag == "setup":
        assert f"{URL} course" in cells[0]
    else:
        names = re.findall(r"^(\w+) = ", cells[0], re.MULTILINE)
        assert names == ["preset", "task", "seed", "overrides"]
        offered = re.search(r"^task = .*# @param (.*)$", cells[0], re.MULTILINE)[1]
        assert set(json.loads(offered)) == {*runs.TASKS, "instruct"}


@notebooks
def test_it_says_which_tasks_it_is_for(path):
    """A notebook that trains or measures needs answers to check; instruct has none."""
    said = read(path)["metadata"]["course"].get("tasks")
    if path.stem[:2] in ("00", "03", "04", "05", "06", "07", "08", "09", "A2"):
        assert said == "checked"
    else:
        shown = {"01": ["gsm8k", "gsm8k_xml"], "02": ["gsm8k"]}  # in depth, column by column
        assert said == shown.get(path.stem[:2])


@notebooks
def test_the_parameters_are_checked_in_the_next_code_cell(path):
    code = sources(path, "code")
    after = code[code.index(tagged(path, "parameters")[0]) + 1]
    assert "Course.load(preset, task, seed, overrides)" in after


@notebooks
def test_cells_are_short_and_do_not_scroll(path):
    for text in sources(path, "code"):
        lines = text.splitlines()
        assert sum(bool(line.strip()) for line in lines) <= 30, text
        lines = [line for line in lines  # an address has no break, nor has a form of Colab's
                 if "https://" not in line and "# @param" not in line]
        assert max(map(len, lines), default=0) <= 79, max(lines, key=len)


@notebooks
def test_it_has_an_idea_before_most_cells(path):
    words = sum(len(text.split()) for text in sources(path, "markdown"))
    lines = sum(bool(line.strip()) for text in sources(path, "code") for line in text.splitlines())
    assert words / lines >= 3, f"{words} words for {lines} lines of code"


@notebooks
def test_its_metadata_is_clean(path):
    notebook = read(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"] and "papermill" not in notebook["metadata"]
    course = notebook["metadata"]["course"]
    assert {"needs", "makes", "uses", "minutes"} <= set(course)
    assert {"tiny", "colab", "a100"} <= set(course["minutes"])
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert cell.get("execution_count") is None
        assert not [o for o in cell.get("outputs", []) if o.get("name") == "stderr"]
        assert not [o for o in cell.get("outputs", []) if o["output_type"] == "error"]


@notebooks
def test_its_links_lead_somewhere(path):
    for text in sources(path, "markdown"):
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith(("http", "#", "mailto")):
                assert (FOLDER / target.split("#")[0]).exists(), target


def test_the_readme_links_every_notebook_and_its_badge():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in PATHS:
        assert f"(notebooks/{path.name})" in readme
        assert f"github/{REPOSITORY}/blob/main/notebooks/{path.name}" in readme
    for target in re.findall(r"\]\(([^)\s]+)\)", readme):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
