"""Figures of an evaluation: drawn without error, with the numbers told in words as well."""

import numpy as np
import pandas as pd
import pytest

from helpers import plots
from helpers.plots import scoreplots

SCORES = {
    name: {
        "pass@1": one, "pass@1_ci95": [one - 0.1, one + 0.1],
        "lenient_pass@1": one + 0.2, "lenient_pass@1_ci95": [one + 0.1, one + 0.25],
    }
    for name, one in [("base", 0.1), ("sft", 0.4)]
}
TESTS = [
    {"better": "sft", "than": "base", "measure": "strict", "difference": 0.3,
     "ci95": [0.25, 0.35], "greedy_difference": 0.2, "p": 1e-9},
    {"better": "grpo", "than": "sft", "measure": "strict", "difference": -0.01,
     "ci95": [-0.03, 0.01], "greedy_difference": -0.02, "p": 0.4},
]


def figures():
    shares = pd.DataFrame({"right": [0.4, 0.5], "slip": [0.6, 0.5]}, index=["sft", "grpo"])
    share = np.array([0.0, 0.5, 1.0, 0.25])
    return {
        "strict_and_lenient": scoreplots.strict_and_lenient(SCORES),
        "pass_at_k_curves": scoreplots.pass_at_k_curves({"sft": [0.4, 0.6], "grpo": [0.7, 0.8]}),
        "forest": scoreplots.forest(TESTS),
        "right_of_n": scoreplots.right_of_n({"sft": [0, 2, 4, 1], "grpo": [4, 4, 4, 0]}, 4),
        "by_group": scoreplots.by_group(
            {"sft": share, "grpo": share}, {"1 step": share < 0.4, "2 steps": share > 0.4}),
        "stacked": scoreplots.stacked(shares, "Kinds of mistakes"),
        "covering": scoreplots.covering({"a": [(0.4, 0.6)], "b": [(0.6, 0.7)]}, 0.5),
        "grouped_bars": scoreplots.grouped_bars(shares, "Loss", "nats"),
    }


def test_every_figure_tells_its_numbers_in_words():
    told = {name: figure.get_label() for name, figure in figures().items()}
    assert "strict 40%, lenient 60%" in told["strict_and_lenient"]
    assert "sft from 40% at k = 1 to 60% at k = 2" in told["pass_at_k_curves"]
    assert "sft minus base, strict: +30.0 points [+25.0, +35.0], greedy +20.0" in told["forest"]
    assert "sft: never 25%, always 25%" in told["right_of_n"]
    assert "sft 12%, 75%" in told["by_group"]
    assert "slip 60%" in told["stacked"]
    assert "a: 0 of 1 miss it; b: 1 of 1 miss it" in told["covering"]
    assert "right: 0.40, 0.50" in told["grouped_bars"]


def test_a_difference_is_marked_sure_only_when_its_interval_is_above_zero():
    ax = scoreplots.forest(TESTS).axes[0]
    marks = [line.get_marker() for line in ax.lines if line.get_marker() in ("o", "X")]
    assert marks == ["X", "o"]  # drawn from the bottom up: the last test first


def test_a_model_looks_the_same_in_every_figure():
    styles = scoreplots.styles(["base", "sft", "grpo"])
    assert len(set(styles.values())) == 3
    assert styles["base"] == scoreplots.styles(["base"])["base"]
    many = scoreplots.styles([f"m{i}" for i in range(30)])
    assert len(set(many.values())) == 30  # none is left out, and no two look alike


@pytest.mark.parametrize("name", list(figures()))
def test_a_figure_can_be_saved(name, tmp_path):
    plots.save_figure(figures()[name], name)  # it has alt text, or this raises
    figures()[name].savefig(tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
