"""The drawn ideas of notebooks 03 to 05: they say what their formulas say, and hide no outlier."""

import numpy as np
import pytest

from helpers import losses
from helpers.config import Course
from helpers.plots import dpoplots, judgeplots, lossplots, new_figure
from helpers.plots.figures import curve_plot
from helpers.widgets import recorded


def words(fig) -> list[str]:
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def test_the_mask_lets_only_the_answer_carry_loss_one_place_before_it_is_read():
    turns = (("ask", 0), ("2+3?", 0), ("5", 1), ("end", 1))
    said = words(lossplots.masked_example(turns))
    assert said.count("−log p") == 2 and said.count("−100") == 1  # nobody predicts the first
    assert said.count("5") == 2 and said.count("ask") == said.count("end") == 1


def test_lora_is_drawn_to_scale():
    fig = lossplots.low_rank(60, 30, 3)
    boxes = [(box.get_height(), box.get_width()) for box in fig.axes[0].patches]
    (tall, wide), b, a = boxes
    assert tall == pytest.approx(2 * wide) and b[0] == tall and a[1] == wide
    assert b[1] == a[0] == pytest.approx(tall / 20)
    assert {"1,800 numbers, frozen", "270 numbers, trained"} <= set(words(fig))


@pytest.mark.parametrize("shift", [0, 3])
def test_a_pair_stands_on_the_curve_by_its_difference_alone(shift):
    _, curve = judgeplots.one_pair(1 + shift, shift).axes
    assert curve.get_title("left") == "P(chosen wins) = 73%, loss 0.31"
    [x], [y] = curve.lines[-1].get_data()
    assert (x, y) == (1, pytest.approx(1 / (1 + np.exp(-1))))


def test_the_slip_is_the_longest_bar():
    _, old_head = judgeplots.two_judges((("1", -0.1), ("9", -2.0), ("end", -0.3))).axes
    deep = [bar.get_height() for bar in old_head.patches]
    assert np.argmin(deep) == 1


def test_an_implicit_reward_counts_only_the_difference_in_the_margin():
    for pair in [(1.0, -3.0), (-4.0, -8.0)]:
        box = words(dpoplots.implicit_reward(*pair, beta=0.5))[-1]
        loss, _, _ = losses.dpo_loss(*map(np_tensor, (*pair, 0.0, 0.0)), 0.5)
        assert box == f"margin +2.0\nloss {loss:.2f}\nweight 0.12"


def np_tensor(value: float):
    import torch

    return torch.tensor([value])


def test_calm_values_are_all_on_the_axis():
    calm = np.linspace(-1, 1, 60)
    fig = dpoplots.moves(calm, calm - 1)
    assert not fig.axes[0].get_legend().get_title().get_text()
    fig = judgeplots.score_by_length(np.full((30, 2), 30), calm.reshape(30, 2), np.ones((30, 2)))
    assert not fig.axes[0].get_title("left") and fig.axes[0].get_ylim()[0] < -1


def test_wild_values_leave_the_axis_and_are_counted():
    calm = np.linspace(-1, 1, 400)
    fig = dpoplots.moves(np.append(calm, -80), np.append(calm - 1, -90))
    assert fig.axes[0].get_xlim()[0] > -3
    told = fig.axes[0].get_legend().get_title().get_text()
    assert int(told.split()[0]) >= 1 and told.endswith("pairs lie outside")
    fig = judgeplots.score_by_length(
        np.full((40, 10), 30),
        np.append(np.linspace(-1, 1, 399), -500).reshape(40, 10),
        np.ones((40, 10), bool),
    )
    assert fig.axes[0].get_ylim()[0] > -3
    assert "of 400 answers lie below" in fig.axes[0].get_title("left")


@pytest.mark.parametrize("points, lines", [(19, 1), (20, 2)])
def test_a_running_mean_is_drawn_where_it_is_one(points, lines):
    _, ax = new_figure()
    curve_plot(ax, range(points), np.arange(points))
    assert len(ax.lines) == lines


def test_the_recorded_scoreboard_has_what_the_notebooks_ask_of_it():
    rows = recorded.scores()
    assert {"base", "sft", "dpo"} <= set(rows)
    assert all(
        0 <= rows[name][key] <= 1
        for name in ("base", "sft", "dpo")
        for key in ("pass@1", "lenient_pass@1", "greedy")
    )


def test_the_two_answers_to_judge_are_one_right_and_one_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    row, good, bad = recorded.right_and_wrong(Course.load())
    verdicts = {
        text: (strict, lenient)
        for text, strict, lenient in zip(
            row["completions"], row["strict"], row["lenient"], strict=True
        )
    }
    assert verdicts[good][0] and not verdicts[bad][1]
    monkeypatch.setattr(recorded, "samples", lambda *_: recorded.Record([], "", Course.load()))
    assert recorded.right_and_wrong(Course.load()) is None
