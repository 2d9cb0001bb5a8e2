"""Figures of data sets: what is drawn, and what the alt text says."""

import numpy as np
import pandas as pd
import pytest

from helpers.plots import dataplots

LENGTHS = {
    "one": pd.DataFrame({"prompt": [10.0, 20, 30], "answer": [40.0, np.nan, 90]}),
    "two": pd.DataFrame({"prompt": [15.0], "answer": [np.nan]}),
}
LIMITS = {"one": (25, 80), "two": (64, 64)}


def test_every_set_has_a_panel_with_its_limits():
    fig = dataplots.length_panels(LENGTHS, LIMITS)
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in shown] == ["one", "two"]
    for ax, name in zip(shown, LIMITS, strict=True):
        at = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2]
        assert tuple(at) == LIMITS[name]
        assert ax.get_xlim()[0] < 10 and ax.get_xlim()[1] > 90
    assert shown[0].get_xlim() == shown[1].get_xlim()
    alt = fig.get_label()
    assert "one: prompt median 20, longest 30, limit 25; answer median 65, longest 90" in alt
    assert "two: prompt median 15, longest 15, limit 64; no answers." in alt


def test_nothing_is_lost_from_a_histogram():
    fig = dataplots.length_panels(LENGTHS, LIMITS)
    heights = [patch.get_xy()[:, 1].max() for patch in fig.axes[0].patches]
    assert len(heights) == 2 and all(heights)


@pytest.mark.parametrize("sets", [1, 3, 4, 9])
def test_any_number_of_sets_fits(sets):
    lengths = {f"set {n}": LENGTHS["one"] for n in range(sets)}
    fig = dataplots.length_panels(lengths, dict.fromkeys(lengths, (25, 80)))
    assert sum(ax.get_visible() for ax in fig.axes) == sets


def test_bars_are_cut_into_shares_that_are_named():
    shares = pd.DataFrame({"integer": [0.9, 0.5], "none": [0.0, 0.0], "text": [0.1, 0.5]},
                          index=["one", "two"])
    fig = dataplots.share_bars(shares, "share of the answers")
    (ax,) = fig.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.9, 0.5, 0.1, 0.5])
    assert [bar.get_x() for bar in ax.patches] == pytest.approx([0, 0, 0.9, 0.5])
    assert [text.get_text() for text in ax.texts] == ["90%", "50%", "10%", "50%"]
    assert [text.get_text() for text in fig.legends[0].texts] == ["integer", "text"]
    assert fig.get_label() == ("Share of the answers. one: integer 90%, text 10%; "
                               "two: integer 50%, text 50%.")


def test_there_are_fills_for_all_types_of_answers():
    from helpers.data.kinds import ANSWER_TYPES

    assert len(dataplots.FILLS) >= len(ANSWER_TYPES)
    assert len({(colour, hatch) for colour, hatch, _ in dataplots.FILLS}) == len(dataplots.FILLS)


@pytest.mark.parametrize(("number", "split"), [(10**70 + 3, "train"), (10**70, "validation")])
def test_the_last_digit_decides_which_split_is_marked(number, split):
    fig = dataplots.split_by_hash("How many dollars does he pay? " * 9, number)
    fig.canvas.draw()
    bold = [text.get_text() for text in fig.axes[0].texts if text.get_weight() == "bold"]
    assert bold == [split] and f"belongs to {split}" in fig.get_label()


def test_only_the_last_turn_is_marked_with_loss_and_nothing_leaves_the_picture():
    turns = [("system", "Be brief. " * 9), ("user", "How many $ and <<1+1=2>>?\nSay."),
             ("assistant", "one line\n" * 20)]
    fig = dataplots.chat_and_loss(turns, "<s>", "</s>")
    fig.canvas.draw()
    texts = fig.axes[0].texts
    marked = [text.get_text() for text in texts if text.get_text().startswith("loss")]
    assert len(marked) == 1 and "(system, user, assistant)" in fig.get_label()
    assert [text.get_text() for text in texts].count("</s>") == 2  # the third carries loss
    page = fig.bbox
    for text in texts:
        box = text.get_window_extent()
        assert box.y0 > page.y0 and box.x1 < page.x1, text.get_text()
    for one, other in zip(texts, texts[1:], strict=False):
        if "loss" not in one.get_text() and "loss" not in other.get_text():
            assert one.get_window_extent().y0 > other.get_window_extent().y1 - 1
