"""Drawn ideas draw the numbers they are given, and say them in words."""

import numpy as np
import pytest

from helpers import stats
from helpers.plots import examplots, sketches
from helpers.plots.style import GREEN


def said(fig) -> str:
    fig.canvas.draw()
    return fig.get_label()


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_the_backward_pass_is_gae_in_numbers():
    fig = sketches.backward_pass(["a", "b", "end"], [0.0, 0.0, 1.0], [0.5, 0.5, 0.75], 1.0, 0.5)
    written = words(fig.axes[0])
    assert written.count("+0.25") == 3  # two surprises, and the last one is its own advantage
    assert {"+0.19", "+0.38", "·0.50", "a", "end"} <= set(written)
    assert "Advantages: a +0.19, b +0.38, end +0.25" in said(fig)
    fig = sketches.backward_pass(["a"], [0.0], [0.5], 1.0, 0.5)
    assert "−0.50" in words(fig.axes[0]) and "a -0.50" in said(fig)


@pytest.mark.parametrize(
    "right, k",
    [
        ([True, False, False, False], 2),
        ([True] * 3, 1),
        ([False] * 5, 3),
        ([True, True, False, False, False, True], 4),
    ],
)
def test_draws_are_all_there_and_pass_at_k_is_the_share_that_hits(right, k):
    fig = sketches.draws(right, k)
    written = words(fig.axes[0])
    hits, misses = written.count("holds one"), written.count("wrong only")
    assert hits / (hits + misses) == pytest.approx(stats.pass_at_k(len(right), sum(right), k))
    marks = fig.axes[0].lines
    assert len(marks) == len(right) * (1 + hits + misses)
    assert sum(line.get_color() == GREEN for line in marks[: len(right)]) == sum(right)
    assert f"{hits} of them hold a right one" in said(fig)


def test_packed_rows_lose_no_token_before_their_end():
    fig = sketches.packing([5, 7, 3, 9], 8)  # 28 tokens with their end marks: 3 rows
    bars = [bar for bar in fig.axes[0].patches if bar.get_height() > 0]
    assert sum(bar.get_width() for bar in bars) == 24
    assert all(bar.get_x() + bar.get_width() <= 8 for bar in bars)
    assert "4 documents" in said(fig) and "3 rows of 8" in said(fig)
    assert "1 rows" in said(sketches.packing([2], 8))


def test_who_does_what_names_the_four_roles():
    text = said(sketches.who_does_what())
    assert all(role in text for role in ("policy", "judge", "reference", "critic"))


def test_a_bootstrap_is_drawn_with_replacement_and_its_middle_told():
    shares = [1, 0, 0, 1, 0.5, 0.5, 1, 0]
    left, right = (fig := examplots.resampling(shares, seed=0)).axes
    cells = [int(text) for text in words(left) if text.isdigit()]
    assert cells[:8] == [*range(1, 9)]
    draws = np.reshape(cells[8:], (4, 8))
    assert all(len(set(row)) < 8 for row in draws)  # one problem twice
    for row, mean in zip(draws, [text for text in words(left) if "%" in text][1:], strict=True):
        assert mean == f"{100 * np.mean([shares[one - 1] for one in row]):.0f} %"
    assert sum(bar.get_height() for bar in right.patches[:-1]) == 2000
    low, high = (100 * end for end in stats.bootstrap_interval(np.array(shares)))
    reach = said(fig).split("reach from ")[1].split(" %")[0].split(" to ")
    assert [float(end) for end in reach] == pytest.approx([low, high], abs=4)


def test_a_temperature_is_the_power_of_one_over_it():
    fig = examplots.tempered({"a": 0.8, "b": 0.2}, (1.0, 0.5, 0.0))
    heights = [[bar.get_height() for bar in ax.patches] for ax in fig.axes]
    assert heights[0] == pytest.approx([80, 20]) and heights[2] == [100, 0]
    assert heights[1] == pytest.approx([100 * 16 / 17, 100 / 17])
    assert "T = 0.5: a 94 %, b 6 %" in said(fig)


def test_a_step_of_groups_has_the_sections_and_the_counts_of_this_run():
    fig = sketches.step_of_groups(3, 5)
    written = words(fig.axes[0])
    assert written.count("3 × 5\nanswers") == 1 and "3 × 5\nadvantages" in written
    assert [word for word in written if word.startswith("section")] == [
        f"section {number}" for number in (1, 1, 2, 3, 4)
    ]
    assert "5 answers to each of 3 prompts" in said(fig) and "all 15 answers" in said(fig)


def test_pushes_are_coloured_by_their_sign_below_the_plain_rows():
    fig = sketches.pushes(["a", "b", "c"], {"reward": [1, 0, 1], "push": [0.5, -1.0, 0.0]})
    pale = {
        text.get_text(): text.get_bbox_patch().get_facecolor()
        for text in fig.axes[0].texts
        if text.get_bbox_patch()
    }
    assert set(pale) == {"1.00", "0.00", "+0.50", "−1.00"}
    assert len({pale["1.00"], pale["+0.50"], pale["−1.00"]}) == 3
    assert "push: 0.50, -1.00, 0.00" in said(fig)
