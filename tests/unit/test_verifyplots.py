"""Figures about graders and rewards say in words what they show; sliders redraw them."""

import ipywidgets
import pytest

from helpers import plots
from helpers.plots import verifyplots
from helpers.widgets import controls, live

RATES = {"fp_rate": 0.25, "fp_ci95": (0.1, 0.5), "fn_rate": 0.5, "fn_ci95": (0.3, 0.7)}
ROW = {"hack": "spam", "naive, honest": 0.2, "naive, hack": 5.0, "ours, honest": 1.0,
       "ours, hack": 0.0}


def said(fig) -> str:
    fig.canvas.draw()  # a figure that cannot be drawn would only fail in a notebook
    return fig.get_label()


def test_bars_carry_their_counts():
    fig = verifyplots.bars({"box": 3, "tags": 1}, "completions, of 4")
    assert said(fig) == "Completions, of 4: box 3, tags 1."
    assert [bar.get_width() for bar in fig.axes[0].patches] == [3, 1]


def test_braces_are_counted_along_the_text():
    text = r"\boxed{\frac{1}{2}}"
    fig = verifyplots.braces(text, text.index("}"))
    depth = list(fig.axes[0].lines[0].get_ydata())
    assert depth[0] == 0 and max(depth) == 2 and depth[-1] == 0
    assert "stops at character 15, with 1 still open" in said(fig)
    assert f"shut at character {len(text)}." in fig.get_label()


def test_a_tree_has_a_mark_for_every_number_and_sign():
    fig = verifyplots.tree("8 / (3 - 8 / 3)")
    assert "8 / (3 - 8 / 3)" in said(fig)
    assert sorted(text.get_text() for text in fig.axes[0].texts) == sorted("8÷3−8÷3")


def test_times_are_in_milliseconds_beside_the_deadline():
    fig = verifyplots.times(["2+2", r"\binom{99999999}{99999}"], [0.001, 2.0], 2.0)
    assert "2+2 1," in said(fig) and r"\binom{9999999… 2e+03" in fig.get_label()
    assert fig.axes[0].lines[0].get_xdata()[0] == 2000


def test_error_rates_are_shown_with_their_intervals():
    fig = verifyplots.error_rates({"naive": RATES})
    assert "naive calls 25.0% of the wrong right and 50.0% of the right wrong" in said(fig)
    interval, point = fig.axes[0].lines
    assert tuple(interval.get_xdata()) == (0.1, 0.5) and list(point.get_xdata()) == [0.25]
    assert list(fig.axes[1].lines[1].get_xdata()) == [0.5]


def test_stacked_bars_are_ranked_and_add_up():
    totals, parts = {"low": 0.3, "high": 2.3}, {"form": [1.0, 1.0], "answer": [0.0, 1.0]}
    fig = verifyplots.stacked(totals, parts, {"form": 0.3, "answer": 2.0})
    assert said(fig) == "Ranking: high 2.3, low 0.3."
    ends = [bar.get_x() + bar.get_width() for bar in fig.axes[0].patches]
    assert ends == pytest.approx([0.3, 0.3, 2.3, 0.3])


def test_advantages_of_each_group_are_told():
    fig = verifyplots.advantage_bars(
        {"none right": {"answer": [0.0, 0.0], "with bonus": [0.7, -0.7]}, "one right": {
            "answer": [0.7, -0.7], "with bonus": [0.5, -0.5]}},
        {"none right": ["wrong", "wrong"], "one right": ["right", "wrong"]})
    assert "none right, with bonus: 0.70, -0.70" in said(fig) and len(fig.axes) == 2


def test_the_pay_of_a_hack_is_a_multiple_of_honest_pay():
    fig = verifyplots.hack_pay([ROW])
    assert "spam: naive 5.0 for 0.2, ours 0.0 for 1.0" in said(fig)
    naive, ours = fig.axes[0].lines[:2]
    assert naive.get_xdata()[0] == 25.0 and ours.get_xdata()[0] == 0.0


def test_a_moved_slider_redraws_the_same_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(live, "output", lambda data, *more: shown.append(data))
    monkeypatch.setattr(plots, "show", lambda fig, alt, name, update=False: shown.append(
        (alt, name, update)))

    def ranking(answer, form_weight):
        fig, _ = plots.new_figure()
        fig.set_label(f"{answer} {form_weight}")
        return fig

    slider = ipywidgets.FloatSlider(2.0, min=0, max=4)
    first = controls.with_sliders(ranking, answer=slider,
                                  form_weight=ipywidgets.FloatSlider(0.5, min=0, max=4))
    assert first.get_label() == "2.0 0.5"
    assert shown[0]["text/plain"] == (
        "Run this cell in Jupyter or Colab to get sliders for answer, form weight.")
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    label, picture, update = shown[1]
    assert (label, update) == ("2.0 0.5", False)
    slider.value = 3.0
    assert shown[2:] == [("3.0 0.5", picture, True)]
    other = ipywidgets.FloatSlider(1.0, min=0, max=4)
    controls.with_sliders(ranking, answer=other, form_weight=ipywidgets.FloatSlider(0.5))
    assert shown[4][1] != picture, "two cells share a picture: a slider would redraw both"
    other.value = 4.0
    assert shown[5:] == [("4.0 0.5", shown[4][1], True)]


def test_the_names_of_sliders_are_given_room(monkeypatch):
    monkeypatch.setattr(live, "output", lambda *args, **kwargs: None)
    monkeypatch.setattr(plots, "show", lambda *args, **kwargs: None)
    slider = ipywidgets.FloatSlider(2.0, min=0, max=4)
    controls.with_sliders(lambda output_consistency: plots.new_figure()[0],
                          output_consistency=slider)
    assert slider.description == "output consistency"
    room = float(slider.style.description_width.removesuffix("em"))
    assert room > 0.55 * len(slider.description), "the name would be cut"
    assert float(slider.layout.width.removesuffix("em")) > 2 * room


def test_in_voila_the_figure_stands_in_the_widget(monkeypatch):
    """There no output of a cell can be replaced once the page is on its way."""
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    boxes = []
    monkeypatch.setattr(live.Live, "show", lambda self: boxes.append(self.box))
    slider = ipywidgets.FloatSlider(2.0, min=0, max=4)

    def draw(x):
        fig, _ = plots.new_figure()
        fig.set_label(f"x is {x} <")
        return fig

    controls.with_sliders(draw, x=slider)
    sliders, picture = boxes[0].children
    assert sliders is slider and 'alt="x is 2.0 &lt;"' in picture.value
    slider.value = 3.0
    assert 'alt="x is 3.0 &lt;"' in picture.value and "data:image/png;base64," in picture.value
    assert len(boxes[0].children) == 2


def test_the_way_of_a_grader_ends_in_its_verdict():
    fig = verifyplots.grading_steps("#### $1", "“$1”", "1", "2", False)
    assert "compared with 2: wrong" in said(fig)
    assert "= 2?\n✗ wrong" in [text.get_text() for text in fig.axes[0].texts]


def test_text_in_the_four_cases_stays_inside_its_box():
    fig = verifyplots.two_mistakes()
    assert "false positive" in said(fig).lower()
    boxes = [patch.get_window_extent() for patch in fig.axes[0].patches]
    for text in fig.axes[0].texts:
        one = text.get_window_extent()
        inside = [box for box in boxes if box.x0 < one.x0 and one.x1 < box.x1
                  and box.y0 < one.y0 and one.y1 < box.y1]
        assert inside or text.get_weight() == "bold", text.get_text()
