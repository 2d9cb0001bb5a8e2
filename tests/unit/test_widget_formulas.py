"""*Advantages*, *The clip*, *GAE* and *pass@k*: hand-computed values, and what is on the page.

Where a wrong formula is often written, the test names it, and shows that it would give another
number.
"""

import itertools
import re

import numpy as np
import pytest

from helpers import losses
from helpers.widgets import advantages, clip, gae, pass_at_k
from helpers.widgets.advantages import METHODS


def text(panel) -> str:
    """What the result says, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", panel.result.value))


def said(panel) -> str:
    return re.sub(r"<[^>]+>", "", panel.message.value)


# Advantages


def test_advantages_by_hand():
    found = advantages.table([1, 0, 0, 0])
    assert found["RLOO"] == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3])
    assert found["REINFORCE, mean baseline"] == pytest.approx([0.75, -0.25, -0.25, -0.25])
    assert found["Dr. GRPO"] == found["REINFORCE, mean baseline"]
    assert found["GRPO"] == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-3)  # std .5, n - 1
    assert found["GRPO"][0] != pytest.approx(3 ** 0.5, abs=0.05), "the deviation divides by n - 1"
    assert found["RLOO"][0] != pytest.approx(0.75), "its baseline leaves the answer itself out"


def test_a_group_that_agrees_teaches_nothing_and_one_answer_is_no_group():
    for rewards in ([1, 1, 1], [0, 0]):
        assert all(not any(values) for values in advantages.table(rewards).values())
    with pytest.raises(ValueError, match="two answers at least"):
        advantages.table([1])


def test_ticking_an_answer_changes_the_table():
    panel = advantages.advantages(4, 1)
    assert "1 of 4 right" in text(panel) and text(panel).count("✓ right") == 1
    assert "+1.00" in text(panel) and "−0.33" in text(panel)
    _, shown = panel.box.children[1:3]
    assert [box.description for box in shown.children][-1] == "answer 4 right"
    shown.children[1].value = True
    assert "2 of 4 right" in text(panel) and "+0.67" in text(panel)
    for box in shown.children:
        box.value = True
    assert "every advantage is 0" in text(panel) and "+" not in text(panel).partition("Dr.")[2]
    panel.box.children[1].value = 12
    assert len(shown.children) == 12 and "4 of 12 right" in text(panel)


def test_the_sentence_tells_how_loud_the_division_makes_a_group():
    loud = METHODS["GRPO"], METHODS["Dr. GRPO"]
    assert len(loud) == 2 and "2.2 times as loud" in advantages.said([True] * 2 + [False] * 6)
    assert "None of 3" in advantages.said([False] * 3) and "All of 2" in advantages.said([True] * 2)


# The clip


@pytest.mark.parametrize("ratio, advantage, objective, slope", [
    (1.3, 1.0, 1.2, 0.0), (1.1, 1.0, 1.1, 1.0), (0.5, 1.0, 0.5, 1.0),
    (0.7, -1.0, -0.8, 0.0), (0.9, -1.0, -0.9, -1.0), (1.5, -1.0, -1.5, -1.0),
    (1.3, 2.0, 2.4, 0.0),
])
def test_the_surrogate_and_its_slope_by_hand(ratio, advantage, objective, slope):
    """A clip alone, without the minimum, would give slope 0 at (0.5, +1) and (1.5, -1), too."""
    assert clip.surrogate(ratio, advantage) == pytest.approx((objective, slope))


def test_the_two_sides_of_the_clip_are_two_settings():
    assert clip.surrogate(1.25, 1.0, 0.2, 0.28) == pytest.approx((1.25, 1.0))  # clip-higher
    assert clip.surrogate(0.75, -1.0, 0.2, 0.28) == pytest.approx((-0.8, 0.0))
    with pytest.raises(ValueError, match="above 0"):
        clip.surrogate(0.0, 1.0)


def test_dragging_the_ratio_changes_what_is_said():
    panel = clip.clip()
    ratio, sign, low, high = panel.box.children[1:5]
    assert "objective 1.20, slope 0.00" in text(panel) and "the clip holds" in text(panel)
    ratio.value = 0.5
    assert "objective 0.50, slope 1.00" in text(panel) and "the wrong way" in text(panel)
    sign.value = -1.0
    assert "advantage −1: objective −0.80, slope 0.00" in text(panel)
    low.value = 0.5
    assert "objective −0.50, slope −1.00" in text(panel) and high.value == 0.2


# GAE


def test_gae_by_hand():
    found = gae.table([0, 0, 1], [0.5, 0.6, 0.9], 1.0, 0.5)
    assert found["delta"] == pytest.approx([0.1, 0.3, 0.1])
    assert found["advantage"] == pytest.approx([0.1 + 0.5 * 0.35, 0.35, 0.1])
    assert found["return"] == pytest.approx([0.775, 0.95, 1.0])


def test_the_two_ends_of_lambda():
    rewards, values = [0.0, -0.2, 1.0], [0.5, 0.6, 0.9]
    one = gae.table(rewards, values, 0.9, 1.0)
    to_come = [0.9 * -0.2 + 0.81 * 1.0, -0.2 + 0.9 * 1.0, 1.0]
    assert one["return"] == pytest.approx(to_come), "with lambda 1 the sum of what comes"
    assert one["advantage"] == pytest.approx([r - v for r, v in zip(to_come, values, strict=True)])
    zero = gae.table(rewards, values, 0.9, 0.0)
    assert zero["advantage"] == zero["delta"] == pytest.approx([0.04, 0.01, 0.1])
    forwards = [0.04, 0.01 + 0.9 * 0.5 * 0.04, 0.1]  # summed from the left, as is often written
    assert gae.table(rewards, values, 0.9, 0.5)["advantage"] != pytest.approx(forwards)


def test_fields_are_read_as_numbers_and_never_run():
    assert gae.numbers("0, -1  2.5,−3", 4, "Rewards") == [0, -1, 2.5, -3]
    for wrong, words in [("0, 1", "2 numbers for 3 tokens"), ("1, __import__('os')", "not a numb"),
                         ("1, 2, nan", "out of range"), ("1e9 0 0", "out of range"),
                         ("", "0 numbers for 3")]:
        with pytest.raises(ValueError, match=words):
            gae.numbers(wrong, 3, "Rewards")


def test_a_mistake_in_a_field_is_one_message_and_the_table_stays():
    panel = gae.gae()
    rewards, values, gamma, lam = panel.box.children[1:5]
    before = text(panel)
    assert "of token 5, “13”" in before and not said(panel)
    rewards.value = "0, 0, <img src=x>"
    assert "'<img' is not a number" in panel.message.value.replace("&lt;", "<").replace("&#x27;",
                                                                                     "'")
    assert "<img" not in panel.message.value and text(panel) == before
    rewards.value = "0, 0, 0, 0, 0, 1"
    lam.value = 1
    assert not said(panel) and "a mere baseline" in text(panel)
    assert text(panel).count("+1.00") == 6, "every return is the one reward that comes"
    gamma.value = 0
    assert text(panel).count("+1.00") == 1 and values.value.startswith("0.6")


# pass@k and the vote


def test_pass_at_k_of_a_known_chance():
    assert pass_at_k.pass_at(0.5, 3) == pytest.approx(0.875)
    assert pass_at_k.pass_at([0.0, 1.0], 8).tolist() == [0.0, 1.0]
    alike = pass_at_k.pass_at(pass_at_k.difficulties(0.5, 0.0), 8).mean()
    apart = pass_at_k.pass_at(pass_at_k.difficulties(0.5, 0.9), 8).mean()
    assert alike == pytest.approx(1 - 0.5 ** 8) and apart < 0.65, "problems differ, so it is less"


def test_the_vote_by_hand():
    assert pass_at_k.maj_at_k(0.6, 3, 1) == pytest.approx(0.648)
    assert pass_at_k.maj_at_k(0.6, 2, 1) == pytest.approx(0.36 + 0.48 / 2), "a tie counts half"
    assert pass_at_k.maj_at_k([0.3, 0.7], 1, 4) == pytest.approx([0.3, 0.7])
    # Three answers, two wrong ones to choose from: right with two votes, or 1 of 3 in a tie of all.
    assert pass_at_k.maj_at_k(0.4, 3, 2) == pytest.approx(
        0.4**3 + 3 * 0.4**2 * 0.6 + 3 * 0.4 * 0.36 * 0.5 / 3)


@pytest.mark.parametrize("k, wrong", [(1, 3), (3, 2), (4, 3), (5, 2)])
def test_the_vote_is_what_counting_all_draws_gives(k, wrong):
    p, total = 0.37, 0.0
    for draw in itertools.product(range(wrong + 1), repeat=k):  # 0 is the right answer
        counts = np.bincount(draw, minlength=wrong + 1)
        chance = np.prod([p if one == 0 else (1 - p) / wrong for one in draw])
        total += chance * (counts[0] == counts.max()) / (counts == counts.max()).sum()
    assert pass_at_k.maj_at_k(p, k, wrong) == pytest.approx(total)


def test_difficulties_have_the_mean_and_the_spread_that_are_asked():
    p = pass_at_k.difficulties(0.3, 0.5, 20_000)
    assert p.mean() == pytest.approx(0.3, abs=1e-3)
    assert p.var() / 0.21 == pytest.approx(0.5, abs=0.01)


def test_sliders_of_pass_at_k_change_what_is_said():
    panel = pass_at_k.pass_at_k(spread=0.0)
    mean, spread, k, wrong = panel.box.children[1:5]
    assert "so a vote helps" in text(panel) and "pass@8 1.00" in text(panel)
    mean.value, wrong.value = 0.3, 1
    assert "so a vote hurts" in text(panel), "what is usually wrong is voted wrong"
    k.value = 1
    assert "pass@1 0.30, maj@1 0.30, so a vote changes little" in text(panel)
    spread.value = 0.95
    assert "right in 0.30" in text(panel)


def test_each_widget_uses_the_functions_of_the_course(monkeypatch):
    """If the course's formula were broken, these pages would show it."""
    monkeypatch.setattr(losses, "gae", lambda r, v, mask, gamma, lam: (r + 7, v))
    assert gae.table([0, 0], [0, 0], 1, 1)["advantage"] == [7, 7]
    monkeypatch.setattr(losses, "clipped_policy_loss", lambda logp, *_: -logp.exp() * 5)
    assert clip.surrogate(1.3, 1.0) == pytest.approx((6.5, 5.0))
