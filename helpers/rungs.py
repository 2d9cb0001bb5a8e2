"""The rungs of the ladder: what each is compared with, what the course claims of it, how it learns.

A rung is a trained model with a stage, a section of settings and a row on the scoreboard, all three
of its name. Settings, fingerprints, forecast, scoreboard, claims and notebook 08 read this list;
CONTRIBUTING.md says what else a new rung needs.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rung:
    """name: of the stage that its notebook makes, of its section in `helpers.schema` and of its
    row on the scoreboard. than: the models that it is compared with, strictly and
    leniently."""

    name: str
    than: tuple[str, ...] = ("sft",)
    claim: Literal["better", "no worse", "none"] = "better"  # than each of these, in every run
    points: float = 0.0  # the least gain that is claimed, strict: 0.10 is ten percentage points
    at_best: bool = False  # whether "better", strictly, is claimed at each one's best setting, too
    pays_rewards: bool = False  # whether it depends on the setting `rewards`
    costs_like: str | None = None  # the rung whose arithmetic forecasts it; None: not forecast
    always: bool = False  # whether notebook 08 cannot do without it


RUNGS = (  # in the order of the course
    Rung("sft", than=("base", "base_few_shot"), at_best=True, costs_like="sft", always=True),
    Rung("dpo", claim="no worse", costs_like="dpo"),
    Rung("ppo", pays_rewards=True, costs_like="ppo"),
    Rung("grpo", points=0.10, pays_rewards=True, costs_like="grpo", always=True),
)
BASES = ("base", "base_few_shot")  # measured, not trained
NAMES = tuple(rung.name for rung in RUNGS)
MODELS = (*BASES, *NAMES)  # in the order of every table
COMPARISONS = tuple((rung.name, other) for rung in RUNGS for other in rung.than)


def compared_with(model: str) -> tuple[str, ...]:
    """The models that this one is compared with; one that is no rung, with sft."""
    if model in BASES:
        return ()
    return next((rung.than for rung in RUNGS if rung.name == model), ("sft",))
