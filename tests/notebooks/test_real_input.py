"""The same notebooks on real GSM8K rows, and on the A100 preset with a small local model.

A few steps only: that lengths, masks, extraction and tables work is the point, not accuracy.
"""

import pytest

from helpers import rungs
from helpers.config import ROOT
from tests import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]


def few(real_data, **model):
    """Settings for a few steps on real rows. The tiny tokenizer cuts real text into many tokens."""
    return {
        "dataset": {"path": str(real_data / "gsm8k")},
        "lengths": {"prompt": 900, "completion": 400},
        "data": {"train": 96, "validation": 8, "test": 8},
        "sft": {"max_steps": 3, "batch_size": 4, "gradient_accumulation_steps": 1,
                "save_steps": 2, "logging_steps": 1},
        "grpo": {"max_steps": 2, "prompts_per_step": 2, "num_generations": 4, "save_steps": 1},
        "evaluation": {"few_shot": 1, "rungs": ["sft", "grpo"], "sweep": runs.FEW_SETTINGS},
        "model": model,
    }


SETTINGS = {
    "tiny": {},
    "a100": {"name": "data/tiny/base", "precision": "float32"},
}


@pytest.mark.parametrize("preset", SETTINGS)
def test_real_rows_go_through_every_notebook(REAL_DATA, tmp_path, preset):  # noqa: N803
    overrides = few(REAL_DATA, **SETTINGS[preset])
    runs.run_cells(tmp_path, overrides, preset, only="01,02,03,07,08")
    folder = tmp_path / preset / "gsm8k-s0"
    explored = runs.read(folder / "explore_the_data" / "metrics.json")
    assert explored["rows"] == {"train": 7473, "test": 1055}
    assert explored["sets"]["gsm8k"]["rows"] == {"train": 7473, "test": 1055}
    if preset == "tiny":
        assert len(explored["sets"]) == 9 and not explored["skipped_sets"]
    else:  # these are on the hub, which the tests cannot reach
        assert list(explored["sets"]) == ["gsm8k"] and len(explored["skipped_sets"]) == 8
        assert "sets.paths.openr1" in explored["skipped_sets"]["openr1"]
    audit = runs.read(folder / "verify_and_reward" / "metrics.json")["audit"]["ours, lenient"]
    assert audit["right"] > 50 and audit["false_positives"] == audit["false_negatives"] == 0
    rows = runs.read(folder / "evaluation" / "samples_grpo.jsonl")
    assert len(rows) == 8 and all(len(row["completions"]) == 8 for row in rows)
    source = (REAL_DATA / "gsm8k" / "test_dev.jsonl").read_text(encoding="utf-8")
    assert all(row["question"][:40] in source.replace('\\"', '"') for row in rows)
    assert (folder / "grpo" / "model" / "model.safetensors").exists()
    board = runs.read(tmp_path / preset / "scoreboard.json")
    assert [row["stage"] for row in board["rows"]] == ["base", "base_few_shot", "sft", "grpo"]


COLAB = {  # rows of the hub's columns, few of them
    "dataset": {"path": "data/tiny/gsm8k"},
    "lengths": {"prompt": 128, "completion": 104},
    "data": {"train": 400, "validation": 32, "test": 8},
    "sft": {"max_steps": 4, "batch_size": 4, "gradient_accumulation_steps": 2},
    "pairs": {"problems": 48},
    "reward_model": {"max_steps": 2, "batch_size": 4, "gradient_accumulation_steps": 2},
    "dpo": {"max_steps": 2, "gradient_accumulation_steps": 1},
    "ppo": {"max_steps": 2, "prompts_per_step": 8, "minibatch_size": 4, "micro_batch_size": 4,
            "value_warmup_steps": 1, "save_steps": 1},
    "grpo": {"max_steps": 1, "prompts_per_step": 4},
    "rft": {"max_steps": 2, "gradient_accumulation_steps": 1},
    "rloo": {"max_steps": 1, "prompts_per_step": 4},
    "evaluation": {"n": 4, "few_shot": 1, "sweep": {"problems": 8, "n": 2}},
}


def test_preset_colab_climbs_every_rung(tuned, tmp_path):
    """Reward model, DPO and PPO need a model that is right at times: that of the tests' course,
    with the settings of Colab but for sizes and steps."""
    model = {"name": tuned, "precision": "float32"}
    runs.run_cells(tmp_path, COLAB | {"model": model}, "colab", only="08")
    board = runs.read(tmp_path / "colab" / "scoreboard.json")
    assert tuple(row["stage"] for row in board["rows"]) == rungs.MODELS
    folder = tmp_path / "colab" / "gsm8k-s0"
    settings = runs.read(folder / "ppo" / "manifest.json")["settings"]
    assert settings["preset"] == "colab" and settings["ppo"]["max_steps"] == 2
    steps = runs.curve(tmp_path, "ppo", "colab/gsm8k-s0")["step"].tolist()
    assert steps == [1, 2]


def test_the_course_ships_no_real_row(REAL_DATA):  # noqa: N803
    """Licences: real records are read where they are, never copied into the project."""
    shipped = (ROOT / "data" / "tiny" / "gsm8k" / "train.jsonl").read_text(encoding="utf-8")
    real = (REAL_DATA / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert not [line for line in real if line[15:75] in shipped]
