"""In how many passes a step is read: the fastest that fits, as passes were measured on a card."""

import json

import pytest

from helpers.config import ROOT
from helpers.machine import USUAL, Machine, card_speed
from helpers.model_size import Size
from helpers.passes import LAYER_PASS, SLACK, forward_seconds, pass_seconds, passes

QWEN = Size(1_543_714_304, 233_373_696, 18_464_768, 28, 1536, 256, 8960, 151_936)
GB = 1e9
H200 = Machine("NVIDIA H200", 141.0, 790.0, 4800.0, gpu=True)
A100, T4 = USUAL["a100"], USUAL["colab"]


@pytest.mark.parametrize("card, free, wanted", [
    # 896 tokens a row, 2.7 MB a token kept, .18 MB with checkpointing.
    (H200, 100, (16, False)),  # 32 would be as fast
    (H200, 20, (8, False)), (H200, 12, (16, True)), (H200, 1, (4, True)), (H200, 0.01, (0, True)),
    (A100, 100, (8, False)), (A100, 12, (4, False)), (A100, 8, (4, True)),
    (T4, 12, (1, False)), (T4, 2, (1, True))])
def test_the_fastest_that_fits_is_taken(card, free, wanted):
    found = passes(QWEN, 32, 896, 2, free * GB / SLACK, card.tflops)
    assert (found.rows, found.checkpointing) == wanted
    assert not found.rows or found.bytes <= free * GB


def test_one_row_may_take_what_is_kept_free_else():
    one = passes(QWEN, 32, 896, 2, 1e12, A100.tflops)
    assert one.rows > 1
    need = passes(QWEN, 1, 896, 2, 0.0, A100.tflops).bytes  # one row, computed again
    for free, rows in ((1.01 * need, 1), (0.99 * need, 0)):
        found = passes(QWEN, 32, 896, 2, free, A100.tflops)
        assert (found.rows, found.checkpointing, found.free) == (rows, True, free)


@pytest.mark.parametrize("name, speed", [
    ("Tesla T4", 65), ("NVIDIA A100-SXM4-40GB", 312), ("NVIDIA H200", 790), ("NVIDIA A10G", 150),
    ("NVIDIA A10", 125), ("NVIDIA L4", 121), ("Some Card", 150)])
def test_a_cards_speed_is_known_by_its_name(name, speed):
    assert card_speed(name) == speed


def recorded(**wanted):
    """The one row of steps on a card with these values (make bench-gpu)."""
    lines = (ROOT / "data" / "recorded" / "gpu" / "steps.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if wanted.items() <= row.items()]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("cap", [None, 15.5])
def test_a_pass_takes_about_what_it_took(cap):
    """PPO's learning on an H200, 64 and 8 rows at once: two roles, two epochs, 128 rows."""
    row = recorded(code="new", method="ppo", cap_gb=cap, size="1.5B")
    count = 2 * 2 * row["prompts"] // row["rows_at_once"]
    tokens = row["rows_at_once"] * (row["prompt_tokens"] + row["completion"])
    told = count * pass_seconds(QWEN, tokens, row["checkpointing"], H200.tflops)
    assert told == pytest.approx(row["learning_seconds"][0], rel=0.15)


def test_rows_divide_a_step_and_pairs_count_twice():
    one, two = (passes(QWEN, 12, 512, 2, 1e12, T4.tflops, texts) for texts in (1, 2))
    assert 12 % one.rows == 12 % two.rows == 0 and one.rows == 2 * two.rows


def test_reading_forward_only_is_half_of_learning_or_a_third():
    """Where products take the time; of kernels that start, a third or a quarter."""
    for tokens, shares in ((1e6, (1 / 2, 1 / 3)), (1, (1 / 3, 1 / 4))):
        once = forward_seconds(QWEN, tokens, H200.tflops)
        assert [once / pass_seconds(QWEN, tokens, again, H200.tflops)
                for again in (False, True)] == pytest.approx(shares)
    assert once == pytest.approx(28 * LAYER_PASS / 3)  # of one token
    by_hand = 2 * 1_543_714_304 * 1e6 / (0.3 * 790e12)
    assert forward_seconds(QWEN, 1e6, H200.tflops) == pytest.approx(by_hand)
