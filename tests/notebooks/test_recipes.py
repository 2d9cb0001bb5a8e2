"""The recipes as they stand, a few steps of every stage each: their model and data set ids from a
hub on the loopback address, their methods, formats and rewards; one begins through papermill.

They start from the course's tuned model, which can do sums, so that some answers are right.
"""

import json
import subprocess
import sys

import pytest

from helpers.config import ROOT, Course
from tests import recipe_runs, runs
from tests.hub.server import Hub
from tests.unit.test_recipes import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def place(tuned, tmp_path_factory):
    """(artifacts, the running hub) of this file's runs."""
    root = tmp_path_factory.mktemp("recipes")
    recipe_runs.make_hub(root / "hub", tuned)
    with Hub(root / "hub") as hub:
        yield root / "artifacts", hub


def made(artifacts, course: Course) -> dict[str, dict]:
    """{stage: its manifest} in the recipe's own folder."""
    folder = artifacts / course.recipe.name / f"{course.task}-s0"
    return {path.parent.name: runs.read(path) for path in folder.glob("[a-z]*/manifest.json")}


@pytest.fixture(scope="module")
def xml(place):
    """The run of gsm8k_xml_grpo, whose first notebook was started by papermill."""
    artifacts, hub = place
    file = artifacts.parent / "gsm8k_xml_grpo.yaml"
    file.write_text(json.dumps(recipe_runs.parameters("gsm8k_xml_grpo", recipe_runs.NO_LADDER)))
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "-f", file, "-k", "python3",
         "notebooks/03_supervised_finetuning.ipynb", artifacts.parent / "out.ipynb"],
        env=recipe_runs.environment(artifacts, hub), cwd=ROOT, capture_output=True, text=True,
        check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    begun = runs.read(artifacts / "gsm8k_xml_grpo" / "gsm8k_xml-s0" / "sft" / "manifest.json")
    course = recipe_runs.run(artifacts, hub, "gsm8k_xml_grpo", recipe_runs.NO_LADDER)
    return course, made(artifacts, course), begun


def test_papermill_and_the_runner_share_a_folder_of_the_recipes_name(place, xml):
    course, stages, begun = xml
    assert {"sft", "grpo"} == stages.keys() and stages["sft"]["run_id"] == begun["run_id"]
    asked = "\n".join(place[1].requests)
    assert course.model.name in asked and "openai/gsm8k" in asked
    curve = runs.curve(place[0], "grpo", "gsm8k_xml_grpo/gsm8k_xml-s0")
    assert {"eval_reward", "eval_right", "reward"} <= set(curve) and len(curve) == 2


def test_training_goes_on_from_the_model_of_another_recipe(place, xml):
    artifacts, hub = place
    course = recipe_runs.run(artifacts, hub, "openr1_continued", recipe_runs.NO_LADDER)
    stages = made(artifacts, course)
    assert stages["sft"]["start_run_id"] == xml[1]["grpo"]["run_id"]
    assert stages["grpo"]["needs"] == {"sft": stages["sft"]["run_id"]}
    curve = runs.curve(artifacts, "grpo", "openr1_continued/openr1-s0")
    assert curve["eval_reward"].notna().all()


@pytest.mark.parametrize("name", ["qwen25_math_7b", "qwen3_gsm8k_qlora"])
def test_supervised_tuning_reward_model_and_ppo(place, name):
    artifacts, hub = place
    course = recipe_runs.run(artifacts, hub, name, recipe_runs.MORE.get(name))
    stages = made(artifacts, course)
    assert stages.keys() == set(SETTINGS[name]["recipe.stages"])
    for stage in stages.values():
        assert stage["settings"]["model"]["quantization"] == course.model.quantization
    pairs = runs.read(artifacts / name / f"{course.task}-s0" / "pairs" / "pairs.jsonl")
    assert 0 < len(pairs) <= (course.pairs.total or len(pairs))
