"""The runs that are compared: each differs from its neighbour in one thing, and draws as much.

Every run starts from the same `sft`, asks the same problems and draws as many answers a step, for
as many steps. A chapter is one comparison; a run may stand in several and is trained once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from helpers.config import Course

STEPS = 16
# Of a group's methods: 8 problems x 8 answers a step. Few steps: the rate falls over all of them.
GROUPS = {
    "max_steps": STEPS,
    "prompts_per_step": 8,
    "num_generations": 8,
    "warmup_steps": 0,
    "loss_type": "grpo",
    "logging_steps": 1,
}
# Of PPO: as many answers a step, and four updates on them.
SINGLE = {
    "max_steps": STEPS,
    "prompts_per_step": 64,
    "minibatch_size": 32,
    "micro_batch_size": 16,
    "num_ppo_epochs": 2,
    "warmup_steps": 0,
    "value_warmup_steps": 1,
    "logging_steps": 1,
}
FAR = 1e6  # an epsilon that no ratio reaches
HELD_OUT = {"n": 4}  # samples a validation problem, beside the greedy answer


@dataclass(frozen=True)
class Variant:
    """One kind of run. settings: those of its section that differ from the chapter's common ones;
    uses: how often a batch is gone over (GRPO); against: what an answer's reward is compared with,
    a name in `watched.BASELINES`, or as the settings say; rewards: of the course, where others
    pay; critic: whether PPO's advantages come from its critic."""

    name: str
    words: str
    section: str = "grpo"
    settings: Mapping[str, Any] = field(default_factory=dict)
    uses: int = 1
    against: str | None = None
    rewards: Mapping[str, float] | None = None
    critic: bool = True

    def counts(self, key: str) -> bool:
        """Whether a curve of the record says something of it. What is outside the run's own clip
        is 0 where it has none: PPO's "outside", a group's "clipped" (its "outside" is counted
        against the usual range, whatever its clip is)."""
        own = "outside" if self.section == "ppo" else "clipped"
        return key != own or FAR not in self.settings.values()

    def course(
        self,
        preset: str = "tiny",
        task: str = "gsm8k",
        seed: int = 0,
        small: Mapping[str, Mapping] = MappingProxyType({}),
    ) -> Course:
        """The course of this run; `small` overrides whole sections' settings, for a trial."""
        common = GROUPS if self.section == "grpo" else SINGLE
        wanted: dict[str, dict] = {
            self.section: {**common, **self.settings},
            "evaluation": dict(HELD_OUT),
        }
        if self.rewards:
            wanted["rewards"] = dict(self.rewards)
        for section, settings in small.items():
            wanted[section] = wanted.get(section, {}) | dict(settings)
        return Course.load(preset, task, seed, wanted)

    def plan(self, seed: int = 0, small: Mapping[str, Mapping] = MappingProxyType({})) -> dict:
        """Everything that a run of it depends on, but for the model it starts from: two runs of one
        plan and one seed are the same run."""
        course = self.course(seed=seed, small=small)
        return {
            "settings": course.overrides,
            "section": getattr(course, self.section).model_dump(),
            "uses": self.uses,
            "against": self.against,
            "critic": self.critic,
        }

    def answers(self, small: Mapping[str, Mapping] = MappingProxyType({})) -> int:
        """How many answers a run of it draws."""
        course = self.course(small=small)
        if self.section == "ppo":
            return course.ppo.max_steps * course.ppo.prompts_per_step
        return course.grpo.max_steps * course.grpo.prompts_per_step * course.grpo.num_generations


def _ppo(name: str, words: str, **settings) -> Variant:
    critic = settings.pop("critic", True)
    return Variant(name, words, "ppo", settings, critic=critic)


SUM = {"loss_type": "dr_grpo"}  # tokens are added up and divided by a constant
# Ratios of whole answers move less than those of tokens: narrower bounds (arXiv:2507.18071).
GSPO = {"importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4}
VARIANTS = {
    one.name: one
    for one in (
        Variant("coin", "paid by a coin", rewards={"exact_answer": 0.0, "random_reward": 1.0}),
        Variant("grpo", "GRPO, used once"),
        Variant("dapo", "mean over tokens (DAPO)", settings={"loss_type": "dapo"}),
        Variant("trl", "TRL's trainer", settings={"loss_type": "dapo", "engine": "trl"}),
        Variant("clip_4", "used 4 times, clip", uses=4),
        Variant("free_4", "used 4 times, no clip", uses=4, settings={"epsilon": FAR}),
        Variant("gspo_4", "used 4 times, GSPO", uses=4, settings=GSPO),
        Variant("clip_16", "used 16 times, clip", uses=16),
        Variant("free_16", "used 16 times, no clip", uses=16, settings={"epsilon": FAR}),
        Variant("gspo_16", "used 16 times, GSPO", uses=16, settings=GSPO),
        Variant("reinforce", "REINFORCE", settings=SUM, against="nothing"),
        Variant("baseline", "a baseline: the other problems' mean", settings=SUM, against="others"),
        Variant("rloo", "RLOO: the group's other answers", settings=SUM, against="rloo"),
        Variant("dr_grpo", "Dr. GRPO", settings={**SUM, "scale_rewards": "none"}),
        Variant(
            "higher_4",
            "used 4 times, clip-higher (DAPO)",
            uses=4,
            settings={"loss_type": "dapo", "epsilon_high": 0.28},
        ),
        Variant(
            "cispo_4",
            "used 4 times, CISPO",
            uses=4,
            settings={"loss_type": "cispo", "epsilon_high": 5.0},
        ),
        _ppo("ppo", "lambda 1, judge 0.2, clip"),
        _ppo("lambda_95", "lambda 0.95", lam=0.95),
        _ppo("lambda_50", "lambda 0.5", lam=0.5),
        _ppo("mean_critic", "a mean for a critic", critic=False),
        _ppo("judge_0", "no judge", reward_model_weight=0.0),
        _ppo("judge_1", "judge 1", reward_model_weight=1.0),
        _ppo("again", "5 passes, clip", num_ppo_epochs=5),
        _ppo("again_free", "5 passes, no clip", num_ppo_epochs=5, cliprange=FAR),
    )
}

CHAPTERS = {
    "coin": ("grpo", "coin"),
    "engines": ("dapo", "trl"),
    "reuse": ("grpo", "clip_4", "free_4", "gspo_4", "clip_16", "free_16", "gspo_16"),
    "methods": ("reinforce", "baseline", "rloo", "grpo", "dr_grpo", "dapo"),
    "methods again": ("clip_4", "higher_4", "gspo_4", "cispo_4"),
    "lambda": ("ppo", "lambda_95", "lambda_50"),
    "critic": ("ppo", "mean_critic"),
    "judge": ("ppo", "judge_0", "judge_1"),
    "clip": ("ppo", "again", "again_free"),
}
START = "start"  # no run: the model that all start from, measured as they are


def queue(
    seeds: tuple[int, ...] | list[int], chapters: tuple[str, ...] | list[str] = ()
) -> list[tuple[str, int]]:
    """(name, seed) of all runs of some chapters (default: all), each once, all of a seed before the
    next seed, so that what is recorded is of use at any time."""
    names = [
        START,
        *dict.fromkeys(name for chapter in chapters or CHAPTERS for name in CHAPTERS[chapter]),
    ]
    return [(name, seed) for seed in seeds for name in names if name != START or seed == seeds[0]]
