"""Runs that must not pass the ladder: if one of them did, the ladder would prove nothing."""

from pathlib import Path

from helpers.course import ladder
from tests import runs

SAMPLES = 3
# A control with an sft of its own need not look at as many validation problems: no claim is of
# them. The steps of sft come in small pieces, which 03's short lessons take as well.
OWN_SFT = runs.SHORTER | {"data": runs.SHORTER["data"] | {"validation": 64}}
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
}


def run(name: str, artifacts: Path) -> dict[str, dict]:
    """{claim: its row of ladder.check} of a control that was run in this folder."""
    runs.run_cells(artifacts, CONTROLS[name])
    board = runs.read(artifacts / "tiny" / "scoreboard.json")
    assert {(row["n"], row["samples"]) for row in board["rows"]} == {
        (runs.SHORTER["data"]["test"], SAMPLES)}
    return {row["claim"]: row for row in ladder.check(board)}


def held(control: dict, better: str, than: str, measure: str) -> bool:
    """Whether the control passed this claim."""
    claims = [row for claim, row in control.items()
              if claim.startswith(f"{better} > {than} ({measure})")]
    assert len(claims) == 1 and claims[0]["ci95"] is not None
    return claims[0]["holds"]
