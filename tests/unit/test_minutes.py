"""The minutes at the head of a notebook: on a GPU those of the forecast, and everywhere the same in
its table as in its metadata, from which the runner plans."""

import json
import math
import re

import pytest

from helpers.config import ROOT, Course
from helpers.forecast import forecast
from helpers.machine import USUAL

# A notebook's stages as the forecast names them; the others train nothing. A2 trains rft and its
# two controls.
STAGES = {"03": ["sft"], "04": ["reward"], "05": ["dpo"], "06": ["ppo"], "07": ["grpo"],
          "08": ["evaluation"], "A2": [*3 * ["rft"], "rloo"]}
MEASURING, LOADING = 1.2, 5  # a notebook also measures, and loads models: a share, and minutes


def notebook(number: str) -> dict:
    [path] = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))


def expected(preset: str, stages: list[str]) -> int:
    """Minutes on the card that the preset is made for, in fives."""
    table = forecast(Course.load(preset), USUAL[preset]).set_index("stage")
    minutes = sum(table.loc[stage, "minutes"] for stage in stages)
    return 5 * math.ceil((MEASURING * minutes + LOADING) / 5)


@pytest.mark.parametrize("preset", USUAL)
@pytest.mark.parametrize("number", STAGES)
def test_the_header_says_what_the_forecast_says(number, preset):
    said = notebook(number)["metadata"]["course"]["minutes"][preset]
    assert said == expected(preset, STAGES[number])


@pytest.mark.parametrize("number", ["00", "01", "02", *STAGES, "09", "A1"])
def test_the_table_at_the_head_is_the_metadata(number):
    content = notebook(number)
    head = "".join(content["cells"][0]["source"])
    [row] = re.findall(r"(?m)^\| minutes[^|]*\|(.*)\|$", head)
    minutes = content["metadata"]["course"]["minutes"]
    assert [float(cell) for cell in row.split("|")] == [
        minutes[preset] for preset in ("tiny", "colab", "a100")]
