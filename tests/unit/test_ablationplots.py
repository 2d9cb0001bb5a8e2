"""Figures of runs over seeds say in words what they show, and draw what they were given."""

import numpy as np
import pytest

from helpers.plots import ablationplots

CURVE = ([1, 2], [0.25, 0.5], [0.0, 0.5], [0.5, 0.5], 2)


def said(fig) -> str:
    fig.canvas.draw()  # a figure that cannot be drawn would only fail in a notebook
    return fig.get_label()


def test_a_band_reaches_from_the_lowest_to_the_highest_seed():
    fig = ablationplots.bands({"reward": {"ours": CURVE, "theirs": CURVE}, "KL": {"ours": CURVE}})
    left, right = fig.axes
    assert len(left.lines) == len(left.collections) == 2 and len(right.lines) == 1
    assert left.lines[0].get_color() == right.lines[0].get_color()  # a run looks alike everywhere
    edge = left.collections[0].get_paths()[0].vertices
    assert edge[:, 1].min() == 0 and edge[:, 1].max() == 0.5
    assert [text.get_text() for text in fig.legends[0].texts] == ["ours", "theirs"]
    assert "reward, ours: from 0.25 to 0.5" in said(fig) and left.get_title(loc="left") == "reward"


def test_what_is_not_known_and_what_a_logarithm_cannot_show_leaves_a_gap():
    curve = ([1, 2, 3], [0.0, np.nan, 0.1], [0.0, np.nan, 0.1], [0.1, np.nan, 0.1], 1)
    fig = ablationplots.bands({"KL": {"ours": curve}}, logarithmic=["KL"])
    assert np.isnan(fig.axes[0].lines[0].get_ydata()).tolist() == [True, True, False]
    assert fig.axes[0].get_yscale() == "log" and said(fig)
    assert "Nothing" in said(ablationplots.bands({"KL": {}}))


@pytest.mark.parametrize("line", [None, ("sft", 0.4)])
def test_scores_stand_in_the_order_given(line):
    fig = ablationplots.scores({"one": (0.5, 0.4, 0.6), "two": (0.3, 0.3, 0.3)}, line)
    [ax] = fig.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert ax.yaxis_inverted() and list(ax.lines[0].get_xdata()) == [0.4, 0.6]
    assert "one 0.500 (0.400 to 0.600), two" in said(fig)
    assert ("sft 0.400" in said(fig)) == bool(line)
