"""Figures of notebook 00: bytes add up, arrows lead from the mean to the reward."""

import pytest

from helpers.plots import startplots


def said(fig) -> str:
    fig.canvas.draw()  # a figure that cannot be drawn would only fail in a notebook
    return fig.get_label()


def test_training_all_weights_keeps_16_bytes_each_and_lora_4_beside_its_own_16():
    fig = startplots.lora_memory(1_000_000, 100_000)
    widths = [bar.get_width() for bar in fig.axes[1].patches]
    # (weights, gradients, means) of both rows, in megabytes
    assert widths == pytest.approx([4, 4, 8, 4.4, 0.4, 0.8])
    assert "16.0 megabytes" in said(fig) and fig.get_label().endswith("LoRA 5.6.")


@pytest.mark.parametrize("rewards", [[1, 0, 0, 1], [1, 1, 1, 1], [0.1, 0, 0, 0]])
def test_an_advantage_is_the_distance_from_the_mean(rewards):
    fig = startplots.reward_to_advantage(rewards)
    mean = sum(rewards) / 4
    assert f"from the mean {mean:.2f}: {rewards[0]:g} ({rewards[0] - mean:+.2f})" in said(fig)
    arrows = [text for text in fig.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert [(tip.xyann[1], tip.xy[1]) for tip in arrows] == [
        (mean, reward) for reward in rewards if reward != mean
    ]
