"""Runs that must not pass the ladder: if one of them did, the ladder would prove nothing.

They reuse the finished course as far as its settings are theirs, so only what differs is run. The
positive control is the course itself, with as few samples a problem: it must pass.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import rungs
from helpers.course import ladder
from helpers.evaluate import compare
from tests import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]
SAMPLES = 3
# A control with an sft of its own need not look at as many validation problems: no claim is of
# them. The steps of sft come in small pieces, which 03's short lessons take as well.
OWN_SFT = runs.SHORTER | {"data": runs.SHORTER["data"] | {"validation": 64}}
CONTROLS = {
    "learning rate 0": OWN_SFT | {  # one step changes as little as many
        "sft": {"learning_rate": 0.0, "max_steps": 2},
        "grpo": {"learning_rate": 0.0, "max_steps": 2},
        "evaluation": {"n": SAMPLES, "rungs": ["sft", "grpo"]}},
    "random reward": runs.SHORTER | {
        "rewards": {"exact_answer": 0.0, "random_reward": 1.0},
        "ppo": {"reward_model_weight": 0.0, "max_steps": 8, "prompts_per_step": 64},
        "grpo": {"max_steps": 12}, "evaluation": {"n": SAMPLES, "rungs": ["sft", "ppo", "grpo"]}},
    "shuffled answers": OWN_SFT | {
        "sft": {"shuffle_answers": True, "batch_size": 4, "gradient_accumulation_steps": 8},
        "grpo": {"max_steps": 1, "save_steps": 1},
        "evaluation": {"n": SAMPLES, "rungs": ["sft", "grpo"]}},
}


@pytest.fixture(scope="module")
def controls(course, tmp_path_factory):
    """{name: {claim: its row of ladder.check}} of every control; two run at a time."""
    folders = {name: tmp_path_factory.mktemp("control") for name in CONTROLS}

    def run(name: str) -> dict[str, dict]:
        artifacts = folders[name] / "artifacts"
        shutil.copytree(course["artifacts"], artifacts)
        runs.run_cells(artifacts, CONTROLS[name])
        board = runs.read(artifacts / "tiny" / "scoreboard.json")
        assert {(row["n"], row["samples"]) for row in board["rows"]} == {
            (runs.SHORTER["data"]["test"], SAMPLES)}
        return {row["claim"]: row for row in ladder.check(board)}

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CONTROLS, pool.map(run, CONTROLS), strict=True))


def held(control: dict, better: str, than: str, measure: str) -> bool:
    """Whether the control passed this claim."""
    claims = [row for claim, row in control.items()
              if claim.startswith(f"{better} > {than} ({measure})")]
    assert len(claims) == 1 and claims[0]["ci95"] is not None
    return claims[0]["holds"]


def test_the_real_run_passes_with_as_few_samples(run_folder):
    def few(row: dict) -> dict:
        return row | {key: row[key][:SAMPLES] for key in ("completions", "strict", "lenient")}

    samples = {name: [few(row) for row in runs.read(
        run_folder / "evaluation" / f"samples_{name}.jsonl")] for name in rungs.MODELS}
    claims = [claim for claim in ladder.CLAIMS if not claim.at_least]  # "no worse" takes them all
    for claim in claims:
        rows = (samples[claim.better], samples[claim.than])
        assert claim.holds(compare(*rows, claim.measure)), str(claim)


@pytest.mark.parametrize("measure", ["strict", "lenient"])
def test_with_learning_rate_0_no_rung_rises(controls, measure):
    assert not held(controls["learning rate 0"], "sft", "base", measure)
    assert not held(controls["learning rate 0"], "grpo", "sft", measure)


@pytest.mark.parametrize("measure", ["strict", "lenient"])
@pytest.mark.parametrize("rung", ["ppo", "grpo"])
def test_with_random_rewards_no_rung_rises(controls, rung, measure):
    assert not held(controls["random reward"], rung, "sft", measure)


def test_with_shuffled_answers_sft_gains_no_maths(controls):
    assert not held(controls["shuffled answers"], "sft", "base_few_shot", "strict")
    assert not held(controls["shuffled answers"], "sft", "base_few_shot", "lenient")
