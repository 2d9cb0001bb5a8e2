"""The shipped base is the file that the recorded run of notebook A1 made, and no other."""

import json

import pandas as pd
import pytest

from helpers.config import ROOT, Course
from helpers.files import sha256

BASE, RECORDED = ROOT / "data" / "tiny" / "base", ROOT / "data" / "recorded" / "tiny_base"


def read_json(name):
    return json.loads((RECORDED / name).read_text())


@pytest.fixture(scope="module")
def manifest():
    return json.loads((RECORDED / "manifest.json").read_text())


def test_every_file_of_the_base_is_the_recorded_run_s(manifest):
    made = {name.removeprefix("model/"): entry["sha256"]
            for name, entry in manifest["files"].items() if name.startswith("model/")}
    shipped = {path.name: sha256(path) for path in BASE.iterdir() if path.name != "README.md"}
    assert shipped == made and "model.safetensors" in made


def test_the_record_is_whole(manifest):
    for name in ("curve.parquet", "metrics.json"):
        assert sha256(RECORDED / name) == manifest["files"][name]["sha256"]
    steps = manifest["settings"]["pretraining"]["full_steps"]
    assert manifest["full"] and manifest["steps"] == steps
    assert pd.read_parquet(RECORDED / "curve.parquet")["step"].tolist() == [*range(1, steps + 1)]


def test_the_base_knows_more_than_it_can_do_at_once():
    """Measured on validation problems: what the course wants of a base, in numbers."""
    few_shot = json.loads((RECORDED / "metrics.json").read_text())["few_shot"]
    assert 0.15 < few_shot["lenient_pass@1"] < 0.40
    assert few_shot["pass@8"] > 0.60


def test_the_card_tells_the_recorded_scores():
    metrics = json.loads((RECORDED / "metrics.json").read_text())
    card = (BASE / "README.md").read_text(encoding="utf-8")
    told = card[card.index("**Measured**"):]
    for way in ("few_shot", "zero_shot"):
        for key in ("pass@1", "lenient_pass@1", "pass@8"):
            assert f"{metrics[way][key]:.3f}".lstrip("0") in told


RECIPE = ("hidden_size", "slip", "confusion", "steps")


def recipe_of(row):
    return tuple(row[key] for key in RECIPE)


def test_the_experiment_has_the_shipped_recipe_and_one_without_confusion_with_three_seeds():
    rungs, ours = read_json("rungs.json"), Course.load().pretraining
    shipped = (ours.hidden_size, ours.slip, ours.confusion, ours.full_steps)
    other = {recipe_of(row) for row in rungs} - {shipped}
    assert len(other) == 1 and {recipe[2] for recipe in other} == {0.0}
    measured = {(recipe_of(row), row["seed"]) for row in rungs}
    assert measured == {(recipe, seed) for recipe in (shipped, *other) for seed in (0, 1, 2)}
    assert len(rungs) == len(measured)
    assert {shipped, *other} <= {recipe_of(row) for row in read_json("search.json")}


def test_reward_moves_the_best_guess_where_rules_were_misunderstood_and_hardly_where_not():
    """What the tiny world is for. Both bases, the same problems, a short GRPO, every seed."""
    for row in read_json("rungs.json"):
        gain = row["grpo_greedy"] - row["sft_greedy"]
        assert gain > 0.12 if row["confusion"] else gain < 0.06, row
        if row["confusion"]:  # its likeliest way is a wrong one, and imitation leaves it there
            assert row["sft_greedy_unshown"] < 0.1 and row["sft_greedy"] > 0.5
            assert row["grpo_greedy_unshown"] > row["sft_greedy_unshown"] + 0.25
