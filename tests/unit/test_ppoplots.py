"""Figures of PPO say in words what they show, and draw the formulas of helpers.losses."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.plots import ppoplots

TOKENS, REWARDS, VALUES = ["a", "b", "end"], [0.0, 0.0, 1.0], [0.5, 0.5, 0.75]
RUN = {"words": "paid well", "steps": [1, 2], "curves": {"paid": [0.25, 1.0], "right": [0.5, 0.0]}}


def said(fig) -> str:
    fig.canvas.draw()  # a figure that cannot be drawn would only fail in a notebook
    return fig.get_label()


def heights(ax):
    return [bar.get_height() for bar in ax.patches]


@pytest.mark.parametrize("lam, expected", [(0.0, [0.0, 0.25, 0.25]), (1.0, [0.5, 0.5, 0.25]),
                                           (0.5, [0.1875, 0.375, 0.25])])
def test_credit_is_the_advantage_of_each_token(lam, expected):
    fig = ppoplots.credit(TOKENS, REWARDS, VALUES, 1.0, lam)
    top, bottom = fig.axes
    assert heights(bottom) == pytest.approx(expected)
    assert [list(line.get_ydata()) for line in top.lines[:2]] == [VALUES, REWARDS]
    assert f"lambda {lam:.2f}: a {expected[0]:+.2f}, b" in said(fig)


def test_credit_marks_both_ends_of_the_dial_and_discounts():
    fig = ppoplots.credit(TOKENS, REWARDS, VALUES, 0.5, 0.95)
    ends = [list(line.get_ydata()) for line in fig.axes[1].lines[:2]]
    assert ends[0] == pytest.approx([-0.25, -0.125, 0.25])  # 0.5 * next - this, lambda 0
    assert ends[1] == pytest.approx([-0.25, 0.0, 0.25])     # 0.25 - 0.5, 0.5 - 0.5, 1 - 0.75
    assert "gamma 0.50" in said(fig)


def test_the_clip_is_flat_on_the_right_sides_only():
    fig = ppoplots.clipped_objective(0.25)
    good, bad = ([np.asarray(values) for values in ax.lines[1].get_data()] for ax in fig.axes)
    assert good[1][-1] == pytest.approx(1.25) and good[1][0] == pytest.approx(0.4)
    assert bad[1][0] == pytest.approx(-0.75) and bad[1][-1] == pytest.approx(-1.6)
    assert "up to 1.25, then flat" in said(fig) and "flat up to 0.75" in fig.get_label()


def test_memory_adds_up():
    fig = ppoplots.memory({"four": {"policy": 2.0, "value": 2.0}, "one": {"base": 2.0, "value": 1}})
    assert said(fig) == "Weights in memory: four 4.0 MB, one 3.0 MB."
    assert fig.axes[0].get_legend().get_texts()[0].get_text() == "base"
    ends = {(bar.get_y(), bar.get_x() + bar.get_width()) for bar in fig.axes[0].patches}
    assert {round(end, 6) for _, end in ends} >= {2.0, 3.0, 4.0}


def test_ratios_count_who_followed_and_who_left():
    fig = ppoplots.ratios([1.1, 0.9, 1.5, 0.95], [1.0, -1.0, -1.0, 1.0], 0.2)
    assert said(fig) == ("Ratios of 4 tokens over their advantages: of all of them, sure ones "
                         "included, 50% moved the way of their advantage; 25% left the clip range.")


def test_diagnostics_survive_gaps_and_draw_a_bad_critic_at_the_floor():
    curve = pd.DataFrame({"step": [1, 2, 3], "val/explained_variance": [None, -80.0, 0.25],
                          "objective/kl": [0.0, 1.0, 2.0]})
    fig = ppoplots.diagnostics(curve)
    assert "Explained variance from -80 to 0.25" in said(fig)
    assert "KL to the reference from 0 to 2" in fig.get_label()
    assert "Entropy" not in fig.get_label()
    assert list(fig.axes[0].lines[0].get_ydata()) == [ppoplots.FLOOR, 0.25]


def test_tenths_of_answers_count_real_tokens_only():
    values = torch.arange(20.0).repeat(2, 1)
    values[1, 10:] = 1000.0  # padding
    mask = torch.ones(2, 20)
    mask[1, 10:] = 0
    found = ppoplots.by_tenth(values, mask)
    # two tokens of the long answer (0, 1), one of the short one (0), and so on
    assert found == pytest.approx([(2 * i + 2 * i + 1 + i) / 3 for i in range(10)])
    few = ppoplots.by_tenth(values[:1, :1], mask[:1, :1])
    assert few[0] == 0.0 and np.isnan(few[1:]).all()


def test_forecasts_reward_parts_and_clinic_tell_both_ends():
    fig = ppoplots.forecasts({"right": np.linspace(0, 1, 10), "wrong": np.linspace(0, -1, 10)})
    assert "right from 0.00 to 1.00, wrong from 0.00 to -1.00" in said(fig)
    curve = pd.DataFrame({"step": [1, 2], "rule": [0.25, 0.5], "judge": [-1.0, -0.5]})
    fig = ppoplots.reward_parts(curve, {"rule": ("rule", "mean"), "judge": ("judge", "mean")})
    assert said(fig) == "Parts of the score: rule from 0.25 to 0.5; judge from -1 to -0.5."
    fig = ppoplots.clinic({"a": RUN, "b": RUN | {"words": "paid badly"}}, ["b"],
                          {"paid": "score", "right": "right answers"})
    assert said(fig) == ("Recorded runs. score, paid badly: from 0.25 to 1; "
                         "right answers, paid badly: from 0.5 to 0.")
