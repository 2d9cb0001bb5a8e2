"""The group loop on one page: the steps of TRL's trainer, and ours where a good guess is wrong."""

import math

import pytest
import torch
from peft import PeftModel, get_peft_model

from helpers import losses, models
from helpers.train import group
from helpers.train.group import GroupTrainer
from helpers.train.loop import TrainingError
from helpers.train.methods import GRPO
from helpers.train.ppo.rollout import Rollout
from helpers.train.settings import lora_config
from tests import methods

SMALL = {"lora": {"dropout": 0.0}, "grpo": {"prompts_per_step": 4, "num_generations": 4}}


def pay(completions, **columns):
    """A reward that differs from text to text and says None of none."""
    texts = [one if isinstance(one, str) else one[0]["content"] for one in completions]
    return [float(sum(map(ord, text)) % 5) for text in texts]


def arguments(course, folder, **changes):
    return GRPO.arguments(course, folder, **{
        "max_steps": 3, "learning_rate": 1e-2, "warmup_steps": 0, "logging_steps": 1,
        "lr_scheduler_type": "constant", "save_strategy": "no",
        "adam_epsilon": 1e-3} | changes)  # with 1e-8 the rounding of a tiny gradient is a step


def ours(folder, reward=pay, **changes):
    """Our trainer on the small model of `tests.methods`; answers of up to 8 tokens."""
    course = methods.course_for("float32", **SMALL)
    tokenizer = models.load_tokenizer(course)
    torch.manual_seed(0)
    model = get_peft_model(models.load_model(course.model.name, course), lora_config(course))
    rows = [dict(row) for row in methods.rows_for("grpo", course, tokenizer)]
    return GroupTrainer(model, arguments(course, folder, **changes), rows, tokenizer,
                        [reward] if callable(reward) else reward)


def weights(trainer):
    return torch.cat([one.detach().flatten() for one in trainer.model.parameters()
                      if one.requires_grad])


def theirs(folder, monkeypatch, **changes):
    """TRL's trainer after three steps, the answers of each step, and its weights before."""
    course = methods.course_for("float32", **SMALL | {"grpo": SMALL["grpo"] | {"engine": "trl"}})
    tokenizer = models.load_tokenizer(course)
    trainer = GRPO.trainer(
        course, arguments(course, folder, **changes), methods.rows_for("grpo", course, tokenizer),
        tokenizer, start=course.model.name, reward_funcs=[pay])
    before = {name: one.clone() for name, one in trainer.model.state_dict().items()}
    written, scored = [], trainer._generate_and_score_completions

    def kept(inputs):
        found = scored(inputs)
        written.append([ids[real.bool()].tolist() for ids, real in zip(
            found["completion_ids"], found["completion_mask"], strict=True)])
        return found

    monkeypatch.setattr(trainer, "_generate_and_score_completions", kept)
    trainer.train()
    return trainer, written, before


@pytest.mark.parametrize("settings", [
    {}, {"loss_type": "grpo", "beta": 0.04, "scale_rewards": "batch"},
    {"loss_type": "dr_grpo", "scale_rewards": "none", "epsilon_high": 0.28},
    {"beta": 0.04, "use_bias_correction_kl": False, "temperature": 0.7},
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "beta": 0.04},
    {"loss_type": "cispo", "epsilon_high": 5.0}], ids=str)
def test_three_steps_are_those_of_trl(tmp_path, monkeypatch, settings):
    """The same answers, the same losses, norms of gradients and weights."""
    trl, written, before = theirs(tmp_path / "trl", monkeypatch, **settings)
    own = ours(tmp_path / "own", **settings)
    own.model.load_state_dict(before)
    sample = own.sample

    def given(step):
        rows, drawn = sample(step)
        texts = own.tokenizer.batch_decode(written[step], skip_special_tokens=True)
        cut = [ids[-1] != own.tokenizer.eos_token_id for ids in written[step]]
        return rows, Rollout(drawn.prompts, written[step], texts, torch.tensor(cut))

    monkeypatch.setattr(own, "sample", given)
    own.train()
    assert len(written) == 3 and (weights(own) - weights(trl)).abs().max() < 1e-5
    assert (weights(own) - torch.cat([
        before[name].flatten() for name, one in own.model.named_parameters()
        if one.requires_grad])).abs().max() > 1e-3
    keys = {"loss", "grad_norm", "reward", "reward_std", "frac_reward_zero_std",
            "completions/mean_length", "completions/clipped_ratio", "rewards/pay/mean",
            "learning_rate", *(["kl"] if settings.get("beta") else [])}
    for one, other in zip(own.state.log_history, trl.state.log_history, strict=False):
        assert {key: one[key] for key in keys} == pytest.approx(
            {key: other[key] for key in keys}, abs=2e-6)
        # TRL's is of the whole distribution, ours of the tokens that were drawn from it.
        assert one["entropy"] == pytest.approx(other["entropy"], rel=0.1)


def silent(completions, **columns):
    return [None] * len(completions)


def equal(completions, **columns):
    return [1.0] * len(completions)


@pytest.mark.parametrize("reward", [silent, equal])
def test_where_nothing_differs_nothing_moves(tmp_path, reward):
    """Neither by momentum nor by weight decay, which a step before has set going."""
    trainer = ours(tmp_path, weight_decay=0.1, max_steps=1)
    trainer.train()
    before = weights(trainer).clone()
    trainer.reward_funcs, trainer.args.max_steps = [reward], 2
    trainer.train()
    assert torch.equal(weights(trainer), before)
    last = trainer.state.log_history[-1]
    assert last["grad_norm"] == 0 and last["frac_reward_zero_std"] == 1
    assert math.isnan(last["reward"]) == (reward is silent)


def test_what_has_no_verdict_or_was_cut_is_in_no_mean(tmp_path):
    """Neither in its group's, nor in the loss's: no token of it counts."""
    def some(completions, **columns):
        return [None if place % 4 == 3 else float(place % 4 == 0)
                for place in range(len(completions))]

    trainer = ours(tmp_path, some, mask_truncated_completions=True)
    rows, answers = trainer.sample(0)
    answers.truncated[:] = torch.arange(16) % 4 == 2
    groups = trainer.reward(rows, answers)
    assert groups.isnan().int().sum(1).tolist() == [2] * 4
    assert answers.mask.any(1).tolist() == [True, True, False, False] * 4
    assert answers.scores.nanmean() == 0.5
    advantages = losses.group_advantages(groups, trainer.args.scale_rewards)
    assert torch.equal(advantages[:, 2:], torch.zeros(4, 2)) and (advantages[:, 0] > 0.7).all()
    assert not losses.token_weights(answers.mask, "dapo")[2::4].any()


def test_answers_used_again_are_clipped(tmp_path):
    trainer = ours(tmp_path, num_iterations=4, max_steps=1, learning_rate=0.05)
    trainer.train()
    [log] = trainer.state.log_history
    assert log["clip_ratio/low_mean"] + log["clip_ratio/high_mean"] > 0.01
    once = ours(tmp_path, max_steps=1)
    once.train()
    assert once.state.log_history[0]["clip_ratio/low_mean"] == 0


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    whole = ours(tmp_path / "whole")
    whole.train()
    first = ours(tmp_path / "parts", max_steps=2, save_strategy="steps", save_steps=2)
    first.train()
    second = ours(tmp_path / "parts")
    second.train(resume_from_checkpoint=tmp_path / "parts" / "checkpoint-2")
    assert torch.equal(weights(second), weights(whole))
    assert second.state.log_history[-1]["reward"] == whole.state.log_history[-1]["reward"]


def test_dropout_is_that_of_the_step_after_a_stop_too(tmp_path, monkeypatch):
    monkeypatch.setitem(SMALL, "lora", {"dropout": 0.3})
    whole = ours(tmp_path / "whole", save_strategy="steps", save_steps=2)
    whole.train()
    torch.rand(3)  # whatever else has been drawn
    second = ours(tmp_path / "parts")
    second.train(resume_from_checkpoint=tmp_path / "whole" / "checkpoint-2")
    assert torch.equal(weights(second), weights(whole))
    monkeypatch.setitem(SMALL, "lora", {"dropout": 0.0})
    plain = ours(tmp_path / "plain")
    plain.train()
    assert not torch.equal(weights(plain), weights(whole))


def test_what_is_saved_says_what_was_trained(tmp_path):
    """Twice into the same folder: the later one stands there, whole."""
    trainer = ours(tmp_path, max_steps=1)
    trainer.save_model(tmp_path / "adapter")
    trainer.train()
    trainer.save_model(tmp_path / "adapter")
    course = methods.course_for("float32", **SMALL)
    loaded = PeftModel.from_pretrained(models.load_model(course.model.name, course),
                                       tmp_path / "adapter")
    ids = torch.arange(5, 15)[None]
    with torch.no_grad():
        said, expected = (one(input_ids=ids).logits for one in (loaded, trainer.model))
    torch.testing.assert_close(said, expected)
    assert not [one for one in tmp_path.iterdir() if "partial" in one.name]


def test_groups_that_are_none_are_refused(tmp_path):
    """By the library's own settings, before anything is loaded."""
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="generation"):
            ours(tmp_path, num_generations=wrong)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_moves_nothing(tmp_path, monkeypatch, value):
    """Beside a loss that is one."""
    trainer, plain = ours(tmp_path), group.group_logprobs

    def broken(*asked):
        logp = plain(*asked)
        if logp.requires_grad:
            logp.register_hook(lambda gradient: gradient + value)
        return logp

    monkeypatch.setattr(group, "group_logprobs", broken)
    before = weights(trainer).clone()
    with pytest.raises(TrainingError, match="^step 1: the gradient of policy has norm (nan|inf)"):
        trainer.train()
    assert torch.equal(weights(trainer), before)


def test_a_loss_that_is_no_number_stops_the_run_with_its_step(tmp_path, monkeypatch):
    trainer, plain = ours(tmp_path), group.group_logprobs
    monkeypatch.setattr(group, "group_logprobs", lambda *asked: plain(*asked) + math.nan)
    before = weights(trainer).clone()
    with pytest.raises(TrainingError, match="step 1: the loss is nan.*lower learning rate"):
        trainer.train()
    assert torch.equal(weights(trainer), before)
