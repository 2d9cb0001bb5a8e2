"""What a step has drawn, before it is learned from: groups that teach nothing are replaced by other
prompts' (dynamic sampling), and it is said where nothing at all can be learned.

Shapes: the legend in `helpers.losses`.
"""

import warnings
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from helpers import losses
from helpers.train.loop import generator
from helpers.train.ppo.rollout import Rollout, known_mean, known_std


def to_learn_from(
    trainer: Any, step: int, answers: Rollout, rewards: Tensor
) -> tuple[Rollout, Tensor, dict[str, float]]:
    """The answers and rewards (P, G) of a step of a `group.GroupTrainer` as it learns from them,
    and the metrics of what was drawn first: others are chosen by their rewards."""
    told = first_look(answers, rewards, step)
    if trainer.dynamic_sampling:
        loop, rows = trainer.accelerator, len(trainer.rows)
        places = other_places(rows, trainer.prompts, trainer.args.seed, step, loop.process_index,
                              loop.num_processes)

        def draw(others: list[int]) -> tuple[Rollout, Tensor]:
            asked, new = trainer.sample(step, *others)
            return new, trainer.reward(asked, new)

        answers, rewards, more = refilled(answers, rewards, draw, places, trainer.dynamic_sampling)
        told |= more
    return answers, rewards, told


def refilled(
    answers: Rollout, rewards: Tensor, draw: Callable[[list[int]], tuple[Rollout, Tensor]],
    places: Iterable[int], times: int,
) -> tuple[Rollout, Tensor, dict[str, float]]:  # fmt: skip
    """The step's answers and rewards (P, G) with groups of equal rewards replaced by others' whose
    rewards differ (DAPO, 2503.14476, section 3.2, eq. 11); how many groups were drawn and teach.

    `draw` answers the prompts at some of `places`: B answers, rewards (groups, G). It is called
    `times` at most, each time for as many groups as still lack; what then is still equal stays and
    has advantage 0. The order of the groups stays, and so does their number. What differs is the
    whole reward, as the advantage sees it; the paper counts right answers.
    """
    left, groups, drawn = iter(places), len(rewards), len(rewards)
    for _ in range(times):
        equal = (~losses.unequal(rewards)).nonzero()[:, 0].tolist()
        if not equal or not (asked := list(islice(left, len(equal)))):
            break
        others, theirs = draw(asked)
        drawn += len(theirs)
        chosen = list(range(groups))
        for old, new in zip(equal, losses.unequal(theirs).nonzero()[:, 0].tolist(), strict=False):
            chosen[old] = groups + new
        answers = picked(answers, others, chosen, rewards.size(1))
        rewards = torch.cat([rewards, theirs])[chosen]
    teach = float(losses.unequal(rewards).sum())
    return answers, rewards, {"groups_drawn": float(drawn), "groups_that_teach": teach}


def picked(first: Rollout, second: Rollout, groups: list[int], size: int) -> Rollout:
    """Some groups of `size` answers of two rollouts, counted through: those of the second follow
    those of the first. With scores, parts and which answers count."""
    rows = [row for group in groups for row in range(group * size, (group + 1) * size)]

    def both(one: list, other: list) -> list:
        together = one + other
        return [together[row] for row in rows]

    found = Rollout(both(first.prompts, second.prompts),
                    both(first.completions, second.completions), both(first.texts, second.texts),
                    torch.cat([first.truncated, second.truncated])[rows])
    found.mask[~torch.cat([first.judged, second.judged])[rows]] = 0
    found.scores = torch.cat([first.scores, second.scores])[rows]
    found.parts = {name: torch.cat([part, second.parts[name]])[rows]
                   for name, part in first.parts.items()}
    return found


def other_places(rows: int, prompts: int, seed: int, step: int, rank: int = 0, world: int = 1
                 ) -> list[int]:
    """Of `rows` rows those that no process asks in this step, in a random order that a resumed run
    finds again; each of the `world` processes has its share. prompts: what one of them asks."""
    asked = {place % rows for place in range(step * world * prompts, (step + 1) * world * prompts)}
    order = torch.randperm(rows, generator=generator(seed, step)).tolist()
    return [place for place in order if place not in asked][rank::world]


def first_look(answers: Rollout, rewards: Tensor, step: int) -> dict[str, float]:
    """The rewards (P, G) and lengths of what a step has drawn, by TRL's names.

    A warning, in one line, where no group teaches anything for a reason that may stay: all answers
    were cut, or none has a reward. The run goes on, and nothing moves.
    """
    why = ("were cut at the length limit; raise lengths.completion" if answers.truncated.all() else
           "have no reward; look at what the reward functions return"
           if not answers.judged.any() else None)
    if why and not losses.unequal(rewards).any():
        warnings.warn(f"step {step + 1} teaches nothing: all {len(answers)} answers {why}",
                      stacklevel=2)
    return answers.metrics() | {
        "completions/clipped_ratio": float(answers.truncated.float().mean()),  # left out or not
        "reward": known_mean(answers.scores), "reward_std": known_std(answers.scores),
        "frac_reward_zero_std": float((~losses.unequal(rewards)).float().mean())}
