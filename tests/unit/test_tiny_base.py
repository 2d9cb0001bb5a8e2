"""The shipped base is the file that the recorded run of notebook A1 made, and no other."""

import json

import pandas as pd
import pytest

from helpers.config import ROOT
from helpers.files import sha256

BASE, RECORDED = ROOT / "data" / "tiny" / "base", ROOT / "data" / "recorded" / "tiny_base"


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
