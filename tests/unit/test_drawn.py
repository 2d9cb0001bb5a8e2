"""What a step has drawn, before it is learned from: dynamic sampling by hand, in the group loop,
and with known mistakes; and bad input, named in one line with its step."""

import math
import warnings

import pytest
import torch

from helpers import losses
from helpers.config import ConfigError, Course
from helpers.rewards import RewardError
from helpers.train import drawn
from helpers.train.loop import EmptyTextError
from helpers.train.ppo.rollout import Rollout
from tests.loss_checks import caught_by, checks_in, with_changes
from tests.unit.test_group import ours, weights

NAN = math.nan


def rollout(first, rewards):
    """Groups whose prompts are first, first + 1, …; answer n of a prompt p is [p, n], of two tokens
    or, every third, of one; one without a reward counts nothing."""
    rewards = torch.tensor(rewards)
    groups, size = rewards.shape
    found = Rollout(
        [[first + group] for group in range(groups) for _ in range(size)],
        [[first + group, n][:1 if n % 3 == 2 else 2] for group in range(groups)
         for n in range(size)],
        [f"{first + group}.{n}" for group in range(groups) for n in range(size)],
        torch.arange(groups * size) % 2 == 0)
    found.scores, found.parts = rewards.flatten(), {"pay": rewards.flatten() * 2}
    found.mask[found.scores.isnan()] = 0
    return found, rewards


class Draws:
    """Answers prompts by what is planned for each of them, and remembers which were asked."""

    def __init__(self, plan):
        self.plan, self.asked = plan, []

    def __call__(self, places):
        self.asked.append(list(places))
        pieces = [rollout(place, [self.plan[place]]) for place in places]
        found, rewards = pieces[0]
        for n, (other, theirs) in enumerate(pieces[1:], 1):
            found = drawn.picked(found, other, list(range(n + 1)), rewards.size(1))
            rewards = torch.cat([rewards, theirs])
        return found, rewards


FIRST = [[1.0, 1.0, 1.0], [0.0, 1.0, 0.0], [NAN, 2.0, NAN], [0.5, 0.5, 0.5]]


def check_filled(under_test):
    """Three of four groups teach nothing. Of 10, 11, 12 only 11 teaches, and takes the first place;
    of 13, 14 both do. The second group stays where it is."""
    draw = Draws({10: [2.0, 2.0, 2.0], 11: [3.0, 4.0, NAN], 12: [NAN] * 3, 13: [5.0, 6.0, 6.0],
                  14: [7.0, 8.0, 7.0]})
    answers, rewards, told = under_test.refilled(*rollout(0, FIRST), draw, range(10, 20), 5)
    assert draw.asked == [[10, 11, 12], [13, 14]]
    assert [group[0] for group in answers.prompts[::3]] == [11, 1, 13, 14]
    assert rewards[:, :2].tolist() == [[3.0, 4.0], [0.0, 1.0], [5.0, 6.0], [7.0, 8.0]]
    assert told == {"groups_drawn": 9.0, "groups_that_teach": 4.0}


def check_what_is_carried(under_test):
    """Everything that is known of an answer goes with it, and who has no reward counts nothing."""
    draw = Draws({10: [3.0, 4.0, NAN]})
    answers, rewards, _ = under_test.refilled(*rollout(0, FIRST), draw, [10], 1)
    there = [[10], [1], [2], [3]]
    assert answers.prompts == [prompt for prompt in there for _ in range(3)]
    assert answers.texts == [f"{prompt[0]}.{n}" for prompt in there for n in range(3)]
    assert answers.completions[:3] == [[10, 0], [10, 1], [10]]
    assert torch.equal(answers.scores.nan_to_num(-1), rewards.flatten().nan_to_num(-1))
    assert torch.equal(answers.parts["pay"].nan_to_num(-1), 2 * rewards.flatten().nan_to_num(-0.5))
    assert answers.judged.tolist() == (~rewards.flatten().isnan()).tolist()
    assert answers.mask[:3].tolist() == [[1, 1], [1, 1], [0, 0]]
    assert answers.truncated.tolist() == [True, False, True, *(torch.arange(3, 12) % 2 == 0)]


def check_limits(under_test):
    """It ends after `times` draws, where no prompt is left, and at once where all groups teach;
    what then still teaches nothing stays."""
    flat = Draws(dict.fromkeys(range(10, 30), [1.0, 1.0, 1.0]))
    answers, rewards, told = under_test.refilled(*rollout(0, FIRST), flat, range(10, 30), 2)
    assert len(flat.asked) == 2 and told == {"groups_drawn": 10.0, "groups_that_teach": 1.0}
    assert [group[0] for group in answers.prompts[::3]] == [0, 1, 2, 3] and len(rewards) == 4
    few = Draws({10: [0.0, 1.0, 0.0]})
    _, _, told = under_test.refilled(*rollout(0, FIRST), few, [10], 9)
    assert few.asked == [[10]] and told == {"groups_drawn": 5.0, "groups_that_teach": 2.0}
    _, _, told = under_test.refilled(*rollout(0, FIRST[1:2]), None, [10], 9)
    assert told == {"groups_drawn": 1.0, "groups_that_teach": 1.0}


def check_other_places(under_test):
    """None that this step asks, each once, the same again, others in another step; what the
    processes get is apart."""
    def places(step, **more):
        return under_test.other_places(10, 2, 7, step, **more)

    assert sorted(places(0)) == list(range(2, 10)) and sorted(places(1)) == [0, 1, *range(4, 10)]
    assert sorted(places(6)) == [0, 1, *range(4, 10)]  # rows 12 and 13, that is 2 and 3
    assert places(3) == places(3) and [one for one in places(3) if one in places(4)] != [
        one for one in places(4) if one in places(3)]
    halves = [places(1, rank=rank, world=2) for rank in (0, 1)]
    assert sorted(halves[0] + halves[1]) == [0, 1, 2, 3, 8, 9] and len(halves[0]) == 3


def check_first_look(under_test):
    answers, rewards = rollout(0, FIRST)
    told = under_test.first_look(answers, rewards, 0)
    assert told["reward"] == pytest.approx(0.75) and told["frac_reward_zero_std"] == 0.75
    assert told["rewards/pay/mean"] == pytest.approx(1.5)
    assert told["reward_std"] == pytest.approx(answers.scores[~answers.scores.isnan()].std().item())


def refilled(change):
    def wrong(answers, rewards, draw, places, times):
        return change(answers, rewards, draw, places, times)

    return {"refilled": wrong}


def picked(change):
    def wrong(*given):
        found = drawn.picked(*given)
        change(found)
        return found

    return {"picked": wrong}


def places(change):
    def other_places(rows, prompts, seed, step, rank=0, world=1):
        return change(rows, prompts, seed, step, rank, world)

    return {"other_places": other_places}


def look(key, change):
    def first_look(answers, rewards, step):
        return drawn.first_look(answers, rewards, step) | {key: change(answers, rewards)}

    return {"first_look": first_look}


MUTANTS = {
    "nothing replaced": (refilled(lambda a, r, draw, p, times: drawn.refilled(a, r, draw, p, 0)),
                         "filled, what is carried, limits"),
    "drawn once": (refilled(lambda a, r, draw, p, times: drawn.refilled(a, r, draw, p, 1)),
                   "filled, limits"),
    "no limit": (refilled(lambda a, r, draw, p, times: drawn.refilled(a, r, draw, p, 99)),
                 "limits"),
    "rewards left behind": (refilled(lambda a, r, *more: (
        lambda found: (found[0], r, found[2]))(drawn.refilled(a, r, *more))),
        "filled, what is carried"),
    "answers left behind": (refilled(lambda a, r, *more: (a, *drawn.refilled(a, r, *more)[1:])),
                            "filled, what is carried"),
    "mask forgotten": (picked(lambda found: found.mask.fill_(1.0)), "what is carried"),
    "cuts forgotten": (picked(lambda found: found.truncated.fill_(False)), "what is carried"),
    "scores shuffled": (picked(lambda found: found.scores.copy_(found.scores.flip(0))),
                        "what is carried"),
    "parts forgotten": (picked(lambda found: found.parts["pay"].zero_()), "what is carried"),
    "texts turned round": (picked(lambda found: found.texts.reverse()), "what is carried"),
    "this step's prompts again": (places(lambda rows, *more: torch.randperm(rows).tolist()),
                                  "other places"),
    "always the same order": (places(lambda rows, p, seed, step, *more: [
        one for one in range(rows) if one not in {n % rows for n in range(
            step * more[1] * p, (step + 1) * more[1] * p)}][more[0]::more[1]]), "other places"),
    "the same for all processes": (places(lambda rows, p, seed, step, rank, world:
                                          drawn.other_places(rows, p, seed, step)),
                                   "other places"),
    "laps forgotten": (places(lambda rows, p, seed, step, rank, world: [
        one for one in torch.randperm(rows, generator=drawn.generator(seed, step)).tolist()
        if not step * world * p <= one < (step + 1) * world * p][rank::world]), "other places"),
    "no reward counted as 0": (look("reward", lambda a, r: float(r.nan_to_num(0.0).mean())),
                               "first look"),
    "groups that teach": (look("frac_reward_zero_std",
                               lambda a, r: float(losses.unequal(r).float().mean())),
                          "first look"),
}  # fmt: skip
CHECKS = checks_in(dict(globals()))


@pytest.mark.parametrize("check", CHECKS)
def test_drawn(check):
    CHECKS[check](drawn)


@pytest.mark.parametrize(("mutant", "check"), caught_by(MUTANTS))
def test_a_known_mistake_is_caught(mutant, check):
    with pytest.raises(AssertionError):
        CHECKS[check](with_changes("helpers.train.drawn", **MUTANTS[mutant][0]))


def test_every_check_catches_a_mutant():
    assert {check for _, check in caught_by(MUTANTS)} == CHECKS.keys()


# In the group loop: its small trainer, with four prompts a step and four answers each


def seldom(completions, prompts, **columns):
    """Pays every other prompt's answers differently, and the rest alike."""
    return [float(n % 2) if sum(map(ord, prompt)) % 2 else 1.0
            for n, prompt in enumerate(prompts)]


def test_the_loop_fills_its_batch_and_goes_on_after_a_stop(tmp_path):
    plain = ours(tmp_path / "plain", seldom, max_steps=2)
    plain.train()
    settings = {"max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    whole = ours(tmp_path / "whole", seldom, **settings)
    whole.dynamic_sampling = 8
    whole.train()
    first, filled = plain.state.log_history[0], whole.state.log_history[0]
    assert "groups_drawn" not in first and first["frac_reward_zero_std"] > 0
    assert filled["groups_that_teach"] == 4 and filled["groups_drawn"] > 4
    for key in ("reward", "frac_reward_zero_std", "completions/mean_length"):
        assert first[key] == filled[key], key  # both are of what was drawn first
    assert not torch.equal(weights(plain), weights(whole))
    again = ours(tmp_path / "whole", seldom, **settings)
    again.dynamic_sampling = 8
    again.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-1")
    assert torch.equal(weights(again), weights(whole))


def test_where_all_rewards_are_equal_it_gives_up_and_nothing_moves(tmp_path):
    trainer = ours(tmp_path, lambda completions, **_: [1.0] * len(completions), max_steps=1)
    trainer.dynamic_sampling, before = 2, weights(trainer).clone()
    trainer.train()
    [log] = trainer.state.log_history
    assert len(trainer.rows) == 8  # four are asked, and four are left
    assert log["groups_drawn"] == 8 and log["groups_that_teach"] == 0
    assert torch.equal(weights(trainer), before)


def test_rewards_that_are_equal_but_for_rounding_move_nothing(tmp_path):
    """1.2 for every answer: in float32 the mean of equal numbers can be another one."""
    trainer = ours(tmp_path, lambda completions, **_: [1.2] * len(completions), max_steps=1,
                   weight_decay=0.1, num_generations=8)
    before = weights(trainer).clone()
    trainer.train()
    assert torch.equal(weights(trainer), before)
    assert trainer.state.log_history[0]["frac_reward_zero_std"] == 1


@pytest.mark.parametrize("settings", [
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4},
    {"loss_type": "cispo", "epsilon_high": 5.0}], ids=["gspo", "cispo"])
def test_gspo_and_cispo_learn_and_are_clipped(tmp_path, settings):
    """Once used, every ratio is 1: nothing is clipped. Used again, something is."""
    if settings["loss_type"] == "cispo":
        settings = settings | {"epsilon_high": 1.0}
    trainer = ours(tmp_path, max_steps=1, num_iterations=3, learning_rate=0.05, **settings)
    before = weights(trainer).clone()
    trainer.train()
    [log] = trainer.state.log_history
    keys = [key for key in log if "clip_ratio" in key and key != "completions/clipped_ratio"]
    assert len(keys) == (1 if settings["loss_type"] == "cispo" else 2)
    assert sum(log[key] for key in keys) > 0.01
    assert not torch.equal(weights(trainer), before)


@pytest.mark.parametrize("settings, words", [
    ({"importance_sampling_level": "sequence"}, "take loss_type grpo"),
    ({"loss_type": "cispo"}, "epsilon_high 0.2"),
    ({"loss_type": "gpro"}, "unknown loss_type 'gpro'")])
def test_what_does_not_go_together_is_refused_before_anything_runs(tmp_path, settings, words):
    with pytest.raises(ValueError, match=words):
        ours(tmp_path, **settings)


@pytest.mark.parametrize("settings, words", [
    ({"importance_sampling_level": "sequence"},
     "grpo.importance_sampling_level: .*needs loss_type grpo"),
    ({"loss_type": "cispo"}, "grpo.loss_type: .*needs an epsilon_high of 1 or more"),
    ({"loss_type": "cispo", "epsilon_high": 0.28}, "has 0.28"),
    ({"engine": "trl", "dynamic_sampling": 2}, "grpo.dynamic_sampling: .*needs engine ours"),
    ({"dynamic_sampling": -1}, "grpo.dynamic_sampling: is -1")])
def test_settings_say_so_too(settings, words):
    with pytest.raises(ConfigError, match=words) as error:
        Course.load(overrides={"grpo": settings})
    assert "\n" not in str(error.value)


def test_settings_that_go_together_load_and_defaults_change_no_fingerprint():
    plain = Course.load()
    for settings in ({"loss_type": "grpo", "importance_sampling_level": "sequence"},
                     {"loss_type": "cispo", "epsilon_high": 5.0}, {"dynamic_sampling": 3}):
        course = Course.load(overrides={"grpo": settings})
        assert course.fingerprint(["grpo"]) != plain.fingerprint(["grpo"])
    same = Course.load(overrides={"grpo": {"importance_sampling_level": "token",
                                           "dynamic_sampling": 0}})
    assert same.fingerprint(["grpo"]) == plain.fingerprint(["grpo"])


# Bad input: named in one line with the step, and nothing moved


def one_line(error):
    return "\n" not in str(error.value)


def test_a_reward_that_is_no_number_stops_the_run_with_its_step(tmp_path):
    def broken(completions, trainer_state, **columns):
        return [NAN if trainer_state.global_step == 1 and n == 5 else float(n % 3)
                for n in range(len(completions))]

    trainer = ours(tmp_path, broken)
    one = ours(tmp_path / "one", broken)
    one.args.max_steps = 1  # the schedule is of three steps
    one.train()
    with pytest.raises(RewardError, match="^step 2: reward broken is nan for compl.* 5;") as error:
        trainer.train()
    assert one_line(error) and trainer.state.global_step == 1
    assert torch.equal(weights(trainer), weights(one))


def test_an_answer_of_no_tokens_stops_the_run_with_its_step(tmp_path, monkeypatch):
    trainer = ours(tmp_path)
    sample = trainer.sample

    def empty(step, *others):
        rows, answers = sample(step, *others)
        completions = [[], *answers.completions[1:]]
        return rows, Rollout(answers.prompts, completions, answers.texts, answers.truncated)

    monkeypatch.setattr(trainer, "sample", empty)
    before = weights(trainer).clone()
    with pytest.raises(EmptyTextError, match="^step 1: completion 0 is empty") as error:
        trainer.train()
    assert one_line(error) and torch.equal(weights(trainer), before)


def nothing(completions, **columns):
    return [None] * len(completions)


@pytest.mark.parametrize("reward, settings, words", [
    (nothing, {}, "step {} teaches nothing: all 16 answers have no reward"),
    (None, {"mask_truncated_completions": True},
     "step {} teaches nothing: all 16 answers were cut at the length limit")])
def test_where_no_answer_counts_it_is_said_and_the_run_goes_on(tmp_path, monkeypatch, reward,
                                                               settings, words):
    trainer = ours(tmp_path, max_steps=2, weight_decay=0.1, **settings)
    sample = trainer.sample

    def cut(step, *others):
        rows, answers = sample(step, *others)
        answers.truncated[:] = reward is None
        return rows, answers

    monkeypatch.setattr(trainer, "sample", cut)
    if reward:
        trainer.reward_funcs = [reward]
    before = weights(trainer).clone()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        trainer.train()
    said = [str(one.message) for one in seen if "teaches nothing" in str(one.message)]
    assert [one.startswith(words.format(n + 1)) for n, one in enumerate(said)] == [True, True]
    assert trainer.state.global_step == 2 and torch.equal(weights(trainer), before)
    assert all(log["loss"] == 0 and log["grad_norm"] == 0 for log in trainer.state.log_history)


def test_a_cut_answer_among_others_is_no_silence(tmp_path):
    answers, rewards = rollout(0, FIRST)
    answers.truncated[:] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn.first_look(answers, rewards, 0)  # all cut, but one group teaches
        answers.truncated[0] = False
        drawn.first_look(answers, torch.ones(4, 3), 0)  # equal, but judged


def test_groups_of_one_are_refused_by_settings_and_arguments(tmp_path):
    with pytest.raises(ConfigError, match="grpo.num_generations"):
        Course.load(overrides={"grpo": {"num_generations": 1}})
    with pytest.raises(ValueError, match="at least 2 generations"):
        ours(tmp_path, num_generations=1)
