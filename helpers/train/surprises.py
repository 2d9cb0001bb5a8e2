"""Where a good guess about TRL's GRPOTrainer is wrong: each executed, beside the guess and ours."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

import pandas as pd
import torch

from helpers import losses
from helpers.train.one_step import GROUP, MANY, PROMPTS, Paid, by_ours, by_trl, entropy, paid


class Surprise(NamedTuple):
    """what: was looked at; guess, trl, ours: numbers, of the answers of a group or one alone."""

    what: str
    guess: list[float]
    trl: list[float]
    ours: list[float]


def trl_version() -> str:
    """The version of TRL that answers here."""
    return version("trl")


def _of_group(values: Sequence[float]) -> list[float]:
    """Of the first group, rounded."""
    return [round(one, 3) + 0.0 for one in values[:GROUP]]


def _group(*rewards: float) -> list[float]:
    return _of_group(
        losses.group_advantages(torch.tensor([rewards], dtype=torch.float32))[0].tolist()
    )


def _advantages(what: str, guess: list[float], rewards: Sequence[Paid], **settings) -> Surprise:
    return Surprise(
        what,
        guess,
        _of_group(by_trl(rewards, **settings)[0]),
        _of_group(by_ours(rewards, **settings)[0]),
    )


def _said(what: str, key: str, guess: float, rewards: Sequence[Paid], **settings) -> Surprise:
    logs = (by(rewards, **settings)[1] for by in (by_trl, by_ours))
    return Surprise(what, [round(guess, 3)], *([round(float(log[key]), 3)] for log in logs))


def surprises() -> list[Surprise]:
    """Each fact, executed now. Advantages are of the first group of four answers, of which the last
    is cut at the length limit."""
    one_of_two = [paid(1, 1, 1, 1, name="right"), paid(0.5, 0.5, 0.5, None, name="style")]
    half_silent = paid(1, 0, 1, 0, 1, 1, 1, 1)
    return [
        _advantages(
            "rewards 1, None, 0, 0: advantages (guess: None counts 0)",
            _group(1, 0, 0, 0),
            [paid(1, None, 0, 0)],
        ),
        _advantages(
            "rewards 1.5, and the fourth's second function says None: advantages (guess: "
            "without a verdict, so without an advantage)",
            [0.0] * GROUP,
            one_of_two,
        ),
        _advantages(
            "rewards 0, 0, 0, 1, the last one cut and masked: advantages (guess: what is "
            "masked counts nowhere)",
            [0.0] * GROUP,
            [paid(0, 0, 0, 1)],
            mask_truncated_completions=True,
        ),
        _said(
            "one group of two is silent, scaled by the batch: frac_reward_zero_std",
            "frac_reward_zero_std",
            0.5,
            [half_silent],
            scale_rewards="batch",
        ),
        _said(
            "answers drawn at temperature 2: entropy, nats (guess: the model's own)",
            "entropy",
            entropy(1.0),
            [paid(1, 0, 0, 0)],
            drawn=True,
            temperature=2.0,
            num_generations=MANY,
            per_device_train_batch_size=MANY * len(PROMPTS),
        ),
    ]


def table(found: Sequence[Surprise]) -> pd.DataFrame:
    """A row a fact: the guess, TRL's value with its version, ours."""

    def text(values: Sequence[float]) -> str:
        return ", ".join(f"{value:.3g}" for value in values)

    return pd.DataFrame(
        [
            {
                "what": one.what,
                "a good guess": text(one.guess),
                f"TRL {trl_version()}": text(one.trl),
                "ours": text(one.ours),
            }
            for one in found
        ]
    )
