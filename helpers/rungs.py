"""The rungs of the ladder: what each is compared with, what the course claims of it, how it learns.

A rung is a trained model with a stage, a section of settings and a row on the scoreboard, all three
of its name. Settings, fingerprints, forecast, scoreboard, claims and notebook 08 read this list;
CONTRIBUTING.md says what else a new rung needs.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Gain:
    """More than the model that the rung is compared with: the interval lies above 0, and
    the gain is `points` or more; with `points` below 0, no loss: the interval lies above `points`.

    measure and part as `evaluate.claims.apart` has them: "greedy" answers on the problems "without"
    demonstrations. at_best: each model at its own best setting, else at temperature 1 (which greedy
    answers do not have). pooled: claimed of several seeds taken together, not of each."""

    measure: str
    points: float = 0.0  # as a share: 0.10 is ten percentage points
    part: Literal["all", "with", "without"] = "all"
    at_best: bool = False
    pooled: bool = False


@dataclass(frozen=True)
class Rung:
    """name: of the stage that its notebook makes, of its section in `helpers.schema` and of its
    row on the scoreboard. than: the models that it is compared with, strictly and
    leniently. claims: over the first of them."""

    name: str
    than: tuple[str, ...] = ("sft",)
    claims: tuple[Gain, ...] = ()
    pays_rewards: bool = False  # whether it depends on the setting `rewards`
    from_pairs: bool = False  # whether it learns from the answers that stage `pairs` has drawn
    costs_like: str | None = None  # the rung whose arithmetic forecasts it; None: not forecast
    always: bool = False  # whether notebook 08 cannot do without it


RUNGS = (  # in the order of the course
    # Over the base with worked examples nothing is claimed, nor leniently: imitation of kinds that
    # are understood teaches the form, and with as many as suit it best the base has that, too.
    Rung("sft", than=("base", "base_few_shot"),
         claims=(Gain("strict"), Gain("strict", at_best=True)), costs_like="sft", always=True),
    Rung("dpo", claims=(Gain("strict"), Gain("greedy")), from_pairs=True, costs_like="dpo"),
    Rung("ppo", claims=(Gain("strict"), Gain("lenient"), Gain("greedy", 0.08)),
         pays_rewards=True, costs_like="ppo"),
    Rung("grpo", claims=(
        Gain("strict", 0.10), Gain("lenient"), Gain("greedy", 0.12),
        Gain("greedy", 0.25, "without"),
        Gain("strict", 0.10, at_best=True), Gain("lenient", 0.08, at_best=True),
        # One seed of 512 problems leaves +-3.3 points here, and +-5.7 of those without
        # demonstrations: the size is a matter of several.
        Gain("lenient_pass@8"), Gain("lenient_pass@8", 0.05, pooled=True),
        Gain("lenient_pass@8", 0.0, "without"),
        Gain("lenient_pass@8", 0.15, "without", pooled=True),
        Gain("maj@8", 0.05), Gain("maj@8", 0.15, "without"),
        Gain("greedy", -0.05, "with", pooled=True),
    ), pays_rewards=True, costs_like="grpo", always=True),
    Rung("rft", claims=(Gain("strict"),), from_pairs=True, costs_like="rft"),
    Rung("rloo", claims=(Gain("strict"), Gain("greedy")), pays_rewards=True, costs_like="grpo"),
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
