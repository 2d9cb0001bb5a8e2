"""Runs that must not pass the ladder: if one of them did, the ladder would prove nothing."""

import json
from pathlib import Path

from helpers.config import ROOT
from tests import runs

SAMPLES = 3
# A control with an sft of its own need not look at as many validation problems: no claim is of
# them. The steps of sft come in small pieces, which 03's short lessons take as well.
OWN_SFT = runs.SHORTER | {"data": runs.SHORTER["data"] | {"validation": 64}}
WORKED = "reward where solutions are"  # needs a folder of data: `only_worked`
CONTROLS = {
    "learning rate 0": OWN_SFT | {  # one step changes as little as many
        "sft": {"learning_rate": 0.0, "max_steps": 2},
        "grpo": {"learning_rate": 0.0, "max_steps": 1, "save_steps": 1},
        "evaluation": {"n": SAMPLES, "rungs": ["sft", "grpo"], "sweep": runs.FEW_SETTINGS}},
    "random reward": runs.SHORTER | {
        "rewards": {"exact_answer": 0.0, "random_reward": 1.0},
        "ppo": {"reward_model_weight": 0.0, "max_steps": 8, "prompts_per_step": 64},
        "grpo": {"max_steps": 12}, "evaluation": {
            "n": SAMPLES, "rungs": ["sft", "ppo", "grpo"], "sweep": runs.FEW_SETTINGS}},
    "shuffled answers": OWN_SFT | {
        "sft": {"shuffle_answers": True, "batch_size": 4, "gradient_accumulation_steps": 8},
        "grpo": {"max_steps": 1, "save_steps": 1},
        "evaluation": {"n": SAMPLES, "rungs": ["sft", "grpo"], "sweep": runs.FEW_SETTINGS}},
    WORKED: OWN_SFT | {
        "grpo": {"max_steps": 30},
        "evaluation": {"n": SAMPLES, "rungs": ["sft", "grpo"], "sweep": runs.FEW_SETTINGS}},
}


def only_worked(folder: Path) -> Path:
    """The tiny gsm8k without the rows that hold an answer only: reward is paid for the kinds of
    problem alone that have demonstrations."""
    for split in ("train", "test"):
        rows = runs.read(ROOT / "data" / "tiny" / "gsm8k" / f"{split}.jsonl")
        kept = [row for row in rows if "<<" in row["answer"]]
        assert (len(kept) < len(rows)) == (split == "train")
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    return folder


def run(name: str, artifacts: Path, **more) -> list[dict]:
    """The gains at temperature 1, on all problems (`claims.all_gains`), of a control that was run
    in this folder; `more`: settings besides."""
    runs.run_cells(artifacts, CONTROLS[name] | more)
    board = runs.read(artifacts / "tiny" / "scoreboard.json")
    assert {(row["n"], row["samples"]) for row in board["rows"]} == {
        (runs.SHORTER["data"]["test"], SAMPLES)}
    return [gain for gain in board["gains"] if gain["part"] == "all" and not gain["at_best"]]


def better(control: list[dict], model: str, than: str, measure: str) -> bool:
    """Whether the control passes for better: the interval lies above 0."""
    [gain] = [gain for gain in control if (gain["better"], gain["than"], gain["measure"]) == (
        model, than, measure)]
    return gain["ci95"][0] > 0
