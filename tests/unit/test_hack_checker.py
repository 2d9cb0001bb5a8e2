"""The hack checker: what it says of a text, and that no text runs or leaves its cell."""

import pytest

from helpers.widgets import live
from helpers.widgets.hack_checker import Wish, hack_checker, page

BOX = Wish(lambda text: 0.2 * text.count("box"), lambda text: float(text.count("box") == 1), "box")


def test_pay_is_a_multiple_of_honest_work():
    assert BOX.pay("box") == (1, 1) and BOX.pay("box box box") == (pytest.approx(3), 0)
    html = page({"a box <i>": BOX}, "box box <b>")
    assert "paid by 1 of 1 naive rewards, and by 0 of ours" in html
    assert "▲ 2.0" in html and "<b>" not in html and "<i>" not in html
    assert "paid by 0 of 1 naive rewards, and by 0 of ours" in page({"a box": BOX}, "")


def test_a_reward_that_cannot_judge_pays_nothing_and_one_that_is_no_reward_is_an_error():
    silent = Wish(BOX.naive, lambda text: 1.0 if text == "box" else None, "box")
    assert silent.pay("boxes") == (1, 0)
    with pytest.raises(ValueError, match="pays its honest completion nothing"):
        Wish(BOX.naive, BOX.ours, "no").pay("box")


def test_the_field_and_the_button_make_the_result_anew(monkeypatch):
    made = []
    monkeypatch.setattr(live, "output", lambda data, name, update=False: made.append(data))
    panel = hack_checker({"a box": BOX}, "A question?", "box box")
    assert "▲ 2.0" in made[-1]["text/html"] and "A question?" in made[-1]["text/html"]
    _, field, buttons, *_ = panel.box.children
    field.value = "box"
    assert "and by 1 of ours" in panel.result.value
    count = len(made)
    buttons.children[0].click()
    assert len(made) == count + 1
