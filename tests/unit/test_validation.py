"""Validation while GRPO trains: what is measured, which adapter remains, also after a stop."""

import pytest
import torch
from transformers import TrainerCallback, TrainerControl

from helpers import models, prompts, rewards, sampling
from helpers.artifacts import Stage
from helpers.config import ConfigError, Course
from helpers.track import Track
from helpers.train import validation
from helpers.train.methods import GRPO
from helpers.train.tracking import CourseCallback
from helpers.train.validation import SavePasses, Validation, measured, watching
from tests import methods
from tests.unit.test_group import pay

SMALL = {"lora": {"dropout": 0.0}}


def course_with(**changes):
    grpo = {"prompts_per_step": 2, "num_generations": 2, "save_steps": 1, "eval_steps": 1,
            "keep_best": True}
    return methods.course_for("float32", **SMALL, grpo=grpo | changes)


class Weights(TrainerCallback):
    """The adapter's weights after every step."""

    def __init__(self):
        self.seen = []

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.seen.append(weights(model))


def weights(model):
    return torch.cat([one.detach().flatten().clone() for name, one in model.named_parameters()
                      if "lora_" in name])


def trained(course, monkeypatch, told, steps=3, resume=None):
    """A trainer after its steps, its weights after each, and the curve; `told`: the rewards that
    validation finds, step by step."""
    found = iter(told)
    monkeypatch.setattr(validation, "measured", lambda *_: {
        "eval_reward": next(found), "eval_right": 0.5})
    stage = Stage.begin(course, "grpo", uses=["grpo"])
    tokenizer = models.load_tokenizer(course)
    live, watch = CourseCallback(stage, every=1e9), Weights()
    args = GRPO.arguments(course, stage.checkpoints, max_steps=steps, learning_rate=1e-2,
                          warmup_steps=0, lr_scheduler_type="constant")
    trainer = GRPO.trainer(
        course, args, methods.rows_for("grpo", course, tokenizer), tokenizer,
        [live, *watching(course, live, methods.PROBLEMS[:2], 8), watch],
        start=course.model.name, reward_funcs=[pay])
    trainer.train(resume_from_checkpoint=resume and str(stage.checkpoints / resume))
    return trainer, watch.seen, live.curve()


@pytest.mark.parametrize("engine", ["ours", "trl"])
def test_the_best_adapter_remains(monkeypatch, engine):
    trainer, seen, curve = trained(course_with(engine=engine), monkeypatch, [1.0, 3.0, 2.0])
    assert torch.equal(weights(trainer.model), seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert curve["eval_reward"].tolist() == [1.0, 3.0, 2.0] and "reward" in curve


def test_without_keep_best_and_of_equals_it_is_the_last_and_the_first(monkeypatch):
    trainer, seen, _ = trained(course_with(keep_best=False), monkeypatch, [1.0, 3.0, 2.0])
    assert torch.equal(weights(trainer.model), seen[2])
    assert not [*Course.dir(course_with()).rglob("best-*")]
    trainer, seen, _ = trained(course_with(max_steps=5), monkeypatch, [2.0, 2.0, 2.0])
    assert torch.equal(weights(trainer.model), seen[0])


def test_a_resumed_run_goes_on_with_the_best_it_had_then(monkeypatch):
    course = course_with()
    trained(course, monkeypatch, [3.0, 1.0, 9.0])  # the 9 is of a step that is trained again
    trainer, seen, curve = trained(course, monkeypatch, [2.0], resume="checkpoint-2")
    assert len(seen) == 1 and curve["eval_reward"].tolist() == [3.0, 1.0, 2.0]
    assert not torch.equal(weights(trainer.model), seen[0])
    watching_now = next(one for one in trainer.callbacks.callbacks if isinstance(one, Validation))
    assert watching_now.best == {"step": 1, "eval_reward": 3.0}


def test_what_is_measured_is_one_greedy_answer_a_problem():
    course = course_with()
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    track, problems = Track(course), methods.PROBLEMS[:4]
    texts = [prompts.chat_text(tokenizer, prompts.messages(one, course)) for one in problems]
    answers = [one for [one] in sampling.generate(model, tokenizer, texts, greedy=True,
                                                  max_new_tokens=course.lengths.completion)]
    paid = [rewards.weighted_sum(course, **track.reward_inputs(problem, [one]))[0][0]
            for problem, one in zip(problems, answers, strict=True)]
    state = torch.get_rng_state()
    assert measured(model, tokenizer, track, problems) == {
        "eval_reward": sum(paid) / 4, "eval_right": 0.0}
    assert torch.equal(torch.get_rng_state(), state)


def test_a_problem_without_a_verdict_is_in_no_mean(monkeypatch):
    course = course_with()
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    totals = iter([[1.0], [None], [0.0]])
    monkeypatch.setattr(rewards, "weighted_sum", lambda *_, **__: (next(totals), {}))
    found = measured(model, tokenizer, Track(course), methods.PROBLEMS[:3])
    assert found["eval_reward"] == 0.5


def test_a_checkpoint_after_every_pass():
    saved, state = [], type("State", (), {"global_step": 0})()
    for step in range(1, 13):
        state.global_step, control = step, TrainerControl()
        SavePasses(10, 4).on_step_end(None, state, control)
        saved += [step] if control.should_save else []
    assert saved == [3, 5, 8, 10]  # 12, 20, 32 and 40 problems


def test_by_default_nothing_watches():
    course = Course.load()
    assert watching(course, None, [], 100) == []
    kinds = [type(one) for one in watching(
        Course.load(overrides={"grpo": {"eval_steps": 5, "save_passes": True}}), None, [], 100)]
    assert kinds == [Validation, SavePasses]
    with pytest.raises(ConfigError, match="grpo.keep_best: .* needs eval_steps"):
        Course.load(overrides={"grpo": {"keep_best": True}})
