"""Figures of an evaluation: drawn without error, with the numbers told in words as well."""

import numpy as np
import pandas as pd
import pytest

from helpers import plots
from helpers.plots import examplots, scoreplots

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

CURVE = [{"temperature": t, "top_p": p, "pass@1": 0.6 - 0.2 * t, "pass@k": 0.9 if t else None,
          "k": 4 if t else 1} for t, p in [(0.0, 1.0), (0.5, 0.9), (0.5, 1.0), (1.0, 1.0)]]
EXPLAINED = [{"better": "grpo", "than": "sft", "measure": measure, "verdict": "temperature",
              "at_one": {"difference": 0.1, "ci95": [0.05, 0.15]},
              "at_best": {"difference": -0.01, "ci95": [-0.04, 0.02]}}
             for measure in ("strict", "lenient")]


def figures():
    learned = pd.DataFrame({"drawn": [100, 200, 300], "right": [0.4, 0.5, 0.6]})
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
        "over_settings": examplots.over_settings(
            {"sft": CURVE, "grpo": CURVE}, {"sft": (0.5, 1.0), "grpo": (0.0, 1.0)}),
        "twice": examplots.twice(EXPLAINED),
        "price": examplots.price(
            {"ppo": learned[:2], "grpo": learned}, 200,
            {"sft, vote": ([46, 92], [0.4, 0.5]), "another, one": ([46], [0.6])}),
        "price, no rewards": examplots.price({}, 0, {"sft, vote": ([46, 92], [0.4, 0.5])}),
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
    assert "pass@1 of sft: 60% at 0, 50% at 0.5, 40% at 1" in told["over_settings"]
    assert "pass@4 of sft: 90% at 0.5, 90% at 1" in told["over_settings"]
    assert "grpo minus sft, lenient, each at its best: -1.0 [-4.0, +2.0]" in told["twice"]
    assert "ppo: 40% first, 50% after 200 answers" in told["price"]
    assert "sft, vote: 40% for 46 tokens, 50% for 92 tokens" in told["price"]


def test_a_difference_is_marked_sure_only_when_its_interval_is_above_zero():
    ax = scoreplots.forest(TESTS).axes[0]
    marks = [line.get_marker() for line in ax.lines if line.get_marker() in ("o", "X")]
    assert marks == ["X", "o"]  # drawn from the bottom up: the last test first


def test_what_was_measured_stands_beside_a_line_only_where_lines_differ_in_it():
    def named(tests):
        return [tick.get_text() for tick in scoreplots.forest(tests).axes[0].get_yticklabels()]

    assert named(TESTS) == ["grpo − sft", "sft − base"]
    assert named([TESTS[0], TESTS[1] | {"measure": "lenient"}]) == [
        "grpo − sft, lenient", "sft − base, strict"]


def test_only_what_is_shown_is_filled():
    """Of both panels: at temperature 1 the interval lies above 0, at the best settings not."""
    for ax in examplots.twice(EXPLAINED).axes:
        faces = [line.get_markerfacecolor() for line in ax.lines
                 if line.get_marker() in ("o", "s") and len(line.get_xdata())]
        assert faces == [plots.SKY, "white"]


def test_the_chosen_setting_is_ringed_and_greedy_is_at_zero():
    ax = examplots.over_settings({"sft": CURVE}, {"sft": (0.5, 1.0)}).axes[0]
    rings = [line for line in ax.lines if line.get_markersize() == 11]
    assert [(float(ring.get_xdata()[0]), float(ring.get_ydata()[0])) for ring in rings] == [
        (0.5, 50.0)]
    assert float(ax.lines[0].get_xdata()[0]) == 0


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
