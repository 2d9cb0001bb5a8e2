"""The reward does not rise: look here first. Reads a run's curve and names the likely fault.

Most runs that learn nothing fail in one of few ways, and each leaves its mark on curves that every
GRPO trainer logs (TRL's names). A finding is a lead, not a proof; none says that the reward itself
is a good one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

MOST = 0.5  # of the answers cut: more than half cannot earn anything
ALL = 0.95  # of the groups without a signal
CURVES = ("reward", "learning_rate", "grad_norm", "frac_reward_zero_std",
          "completions/clipped_ratio")
TURNS = ("<|im_start|>", "<|im_end|>", "<|user|>", "<|assistant|>", "[INST]")


class Finding(NamedTuple):
    """name: of the fault; seen: what shows it, with numbers; try_: what to do about it."""

    name: str
    seen: str
    try_: str

    def __str__(self) -> str:
        return f"{self.name}: {self.seen}. {self.try_}."


def diagnose(curve: pd.DataFrame, rows: Sequence[dict] = (), floor: float = 0.02
             ) -> list[Finding]:
    """The likely faults of a run that is paid too little, the one to mend first at the head; []
    where nothing looks wrong.

    curve: one row a logged step with "reward", and as far as logged "learning_rate", "grad_norm",
    "frac_reward_zero_std", "completions/clipped_ratio". rows: answers of the model, as
    `evaluate.measure` gives them ("completions", "strict", "lenient"), which tell a wrong form from
    wrong answers. floor: a mean reward up to it counts as none. ValueError for a curve without
    rewards.
    """
    if "reward" not in curve or not len(curve):
        raise ValueError("a curve without the column reward says nothing about rewards: give the "
                         "curve of a run that is paid, as the stage saved it")
    mean = {key: float(curve[key].astype(float).mean()) for key in CURVES
            if key in curve and curve[key].notna().any()}
    if "reward" not in mean:
        judged = any(str(key).startswith("rewards/") and curve[key].notna().any() for key in curve)
        if judged and (found := _of_answers(mean, rows, False)):  # paid, but left out as cut
            return found
        return [Finding("no verdict", "every reward is None",
                        "Call the reward function on one row by hand: it misses a column, or "
                        "declines every answer")]
    reward = mean["reward"]
    found = [*_of_answers(mean, rows, reward <= floor), *_of_groups(mean, reward, floor)]
    if mean.get("learning_rate") == 0:
        found.append(Finding("learning rate", "it is 0 at every step",
                             "Set learning_rate, and look at the scheduler and max_steps: a run "
                             "that is longer than planned ends at 0"))
    elif mean.get("grad_norm") == 0 and not found:
        found.append(Finding("nothing is trained", "the gradient is 0 though rewards differ",
                             "Look whether the adapter is active and asks for gradients"))
    return found


def _of_answers(mean: dict[str, float], rows: Sequence[dict], unpaid: bool) -> list[Finding]:
    """Faults that show in what the model writes."""
    found = []
    cut = mean.get("completions/clipped_ratio", 0.0)
    if cut > MOST:
        found.append(Finding("limit", f"{cut:.0%} of the answers are cut at the length limit",
                             "Raise lengths.completion, or start from a model that ends its "
                             "answers"))
    texts = [text for row in rows for text in row["completions"]]
    turns = sum(any(mark in text for mark in TURNS) for text in texts)
    if texts and turns > MOST * len(texts):
        found.append(Finding("template", f"{turns} of {len(texts)} answers write turns of a chat",
                             "The prompt is not of the model's own template, or its end token is "
                             "not among those that end an answer"))
    right = sum(loose and not strict for row in rows for loose, strict in zip(
        row["lenient"], row.get("strict") or [False] * len(row["lenient"]), strict=True))
    if unpaid and right > 0.02 * len(texts):
        found.append(Finding("format", f"{right} of {len(texts)} answers are right in a form that "
                                       "is not paid",
                             "Teach the form first (notebook 03), or ask for it in the prompt, or "
                             "pay for it"))
    return found


def _of_groups(mean: dict[str, float], reward: float, floor: float) -> list[Finding]:
    """Faults that show in the groups: all of their rewards are equal."""
    silent = mean.get("frac_reward_zero_std", 0.0)
    if silent < ALL:
        return []
    seen = f"{silent:.0%} of the groups have equal rewards, {reward:.2g} on average"
    if reward <= floor:
        return [Finding("silent groups", seen, "Nothing is ever right: take easier problems, more "
                        "answers a group, or a better start")]
    return [Finding("silent groups", seen, "The answers of a group are alike: raise the "
                    "temperature, or take problems that are neither solved nor hopeless")]
