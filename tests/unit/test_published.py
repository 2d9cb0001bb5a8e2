"""The table of what others published, what ours measured, and self-consistency in both senses."""

import json
import shutil

import pytest

from helpers import models
from helpers.artifacts import Stage
from helpers.config import Course, artifacts_root
from helpers.course import measuring, published, recipes
from helpers.data import FAMILIES
from helpers.evaluate.consistency import consistency
from helpers.rungs import MODELS
from helpers.stats import wilson_interval


def row_of(*answers, reference="5"):
    return {"answer": reference, "completions": [f"#### {one}" if one else "?" for one in answers]}


def test_the_most_frequent_answer_may_be_agreed_on_and_wrong():
    agreed_wrong = [row_of("7", "7.0", "7", "5", None)]
    assert consistency(agreed_wrong) == {"maj@5": 0.0, "agreement": 0.6}
    right = [row_of("5", "5", "7", "8", None)]
    assert consistency(right) == {"maj@5": 1.0, "agreement": 0.4}
    assert consistency([row_of(None, None, "5")]) == {"maj@3": 1.0, "agreement": pytest.approx(2/3)}
    assert consistency(agreed_wrong + right) == {"maj@5": 0.5, "agreement": 0.5}
    tie = consistency([row_of("5", "7")])
    assert tie == {"maj@2": 0.5, "agreement": 0.5}


def test_every_published_row_has_a_source_and_says_what_differs():
    found = published.load()
    assert {row["source"] for row in found["rows"]} == found["sources"].keys()
    for one in found["sources"].values():
        assert one["url"].startswith("https://") and one["name"] and one["read"]
    for row in found["rows"]:
        assert row["recipe"] is None or row["recipe"] in recipes.names()
        assert row["set"] in FAMILIES and row["differs"] and row["how"]
        assert all(0 < value < 1 for value in row["published"].values())
        if row["recipe"]:
            assert set(row["published"]) <= set(MODELS)
            assert row["set"] in recipes.load(row["recipe"]).recipe.measured
    by_place = {(row["set"], row["measure"]): row["published"] for row in found["rows"]
                if row["recipe"] == "qwen25_math_7b"}
    # Theirs of the samples' agreement is above pass@5, which no accuracy of a vote can be.
    assert by_place["openr1", "agreement"]["base"] > by_place["openr1", "pass@5"]["base"]


def test_empty_cells_say_what_is_needed_and_measured_ones_show_it():
    found = published.load()
    rows = [line for line in published.table(found, {}).splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(found["rows"])
    assert all(published.NOT_YET in row for row in rows)
    scores = {"pass@1": 0.5, "pass@1_ci95": [0.4, 0.6], "n": 40, "samples": 5, "pass@5": None}
    measured = {"qwen25_math_7b": {"openr1": {"sft": scores}}}
    lines = [line for line in published.table(found, measured).splitlines() if "openr1" in line]
    [one] = [line for line in lines if "| pass@1 " in line]
    assert "sft 50.0 [40.0, 60.0] (40 x 5)" in one and published.NOT_YET not in one
    assert all(published.NOT_YET in line for line in lines if line != one)
    low, high = wilson_interval(33, 132)
    assert f"base 25.0 [{100 * low:.1f}, {100 * high:.1f}]" in one


def test_what_runs_measured_is_found_and_recorded(monkeypatch, tmp_path):
    file = tmp_path / "published.json"
    file.write_text(json.dumps(published.load()))
    monkeypatch.setattr(published, "FILE", file)
    for name, seed, greedy in (("gsm8k_xml_grpo", 10, 0.5), ("gsm8k_xml_grpo", 9, 0.25),
                               ("mine", 0, 0.5)):
        folder = artifacts_root() / name / f"gsm8k_xml-s{seed}"
        folder.mkdir(parents=True)
        (folder / "measured.json").write_text(json.dumps({"gsm8k": {"base": {"greedy": greedy}}}))
    assert published.measured_here().keys() == {"gsm8k_xml_grpo", "mine"}
    assert published.record() == ["gsm8k_xml_grpo"]
    assert published.load()["measured"] == {"gsm8k_xml_grpo": {"gsm8k": {
        "base": {"greedy": 0.25}}}}


def test_the_models_of_a_run_are_measured_side_by_side(monkeypatch):
    """With a real tiny model, on two sets of the tiny world, and shown with their answers."""
    course = Course.load(task="deepscaler", overrides={
        "recipe": {"name": "mine", "measured": ["aime24", "gsm8k"]}, "data": {"test": 3},
        "evaluation": {"n": 2, "max_new_tokens": 12}})
    assert list(measuring.models_of(course)) == ["base"]
    found = measuring.measure_models(course)
    assert list(found) == ["aime24", "gsm8k"] and found == measuring.measured(course)
    scores = found["gsm8k"]["base"]
    assert (scores["n"], scores["samples"]) == (3, 2) and {"maj@2", "agreement"} <= scores.keys()
    assert scores["mean_tokens"] <= 12
    table = measuring.table(found).splitlines()
    assert len(table) == 4 and "| gsm8k  | base" in table[3]
    said = measuring.shown(course, 1)
    assert said.count("the reference is") == 2 and "[aime24] " in said
    more = measuring.measure_models(course, ["math500"])
    assert measuring.measured(course).keys() == {"aime24", "gsm8k", "math500"} > more.keys()


def test_scores_of_a_model_made_anew_or_asked_otherwise_are_not_its_scores():
    few = {"data": {"test": 2}, "evaluation": {"n": 2, "max_new_tokens": 4}}
    course = Course.load(overrides=few)
    stage = Stage.begin(course, "sft", uses=["sft"])
    tokenizer = models.load_tokenizer(course)
    models.load_base(course, "none").save_pretrained(stage.path / "model")
    tokenizer.save_pretrained(stage.path / "model")
    stage.finish()
    found = measuring.measure_models(course)
    assert found["gsm8k"].keys() == {"base", "sft"} and measuring.measured(course) == found
    other = Course.load(overrides=few | {"evaluation": {"n": 2, "max_new_tokens": 5}})
    assert measuring.measured(other) == {}
    again = Stage.begin(course, "sft", uses=["sft"])
    shutil.copytree(course.dir("sft") / "model", again.path / "model")
    again.finish()
    assert measuring.measured(course)["gsm8k"].keys() == {"base"}
