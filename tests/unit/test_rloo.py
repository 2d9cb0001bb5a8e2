"""RLOO on GRPO's page: its first step is that of the formula, written out by hand."""

import pytest
import torch
from peft import get_peft_model

from helpers import losses, models
from helpers.config import Course
from helpers.train.methods import RLOO
from helpers.train.rloo import RLOOTrainer
from helpers.train.settings import lora_config
from tests import methods
from tests.unit.test_group import pay

SIZES = {"lora": {"dropout": 0.0}, "rloo": {"prompts_per_step": 4, "num_generations": 4}}
PLAIN = {
    "max_steps": 1,
    "learning_rate": 1e-2,
    "warmup_steps": 0,
    "save_strategy": "no",
    "logging_steps": 1,
    "lr_scheduler_type": "constant",
    "max_grad_norm": 1e9,
}


def trainer(folder, kind=RLOOTrainer, reward=pay, **changes):
    """RLOO on the small model of `tests.methods`; answers of up to 8 tokens."""
    course = methods.course_for("float32", **SIZES)
    tokenizer = models.load_tokenizer(course)
    torch.manual_seed(0)
    model = get_peft_model(models.load_model(course.model.name, course), lora_config(course))
    args = RLOO.arguments(course, folder, **PLAIN | changes)
    rows = [dict(row) for row in methods.rows_for("rloo", course, tokenizer)]
    return kind(model, args, rows, tokenizer, [reward])


def log_probabilities(one, answers):
    """Of each whole answer, (16,), read alone."""
    found = []
    for prompt, text in zip(answers.prompts, answers.completions, strict=True):
        logits = one.model(input_ids=torch.tensor([prompt + text])).logits[0, -len(text) - 1 : -1]
        logp = (logits / one.args.temperature).log_softmax(-1)
        found.append(logp[torch.arange(len(text)), torch.tensor(text)].sum())
    return torch.stack(found)


def by_hand(one):
    """The gradient of the first step: each answer's log p times its reward minus the mean reward
    of the three others of its prompt, a mean over answers."""
    rows, answers = one.sample(0)
    paid, total = one.reward(rows, answers), 0.0  # (4, 4)
    for place, logp in enumerate(log_probabilities(one, answers)):
        group, own = divmod(place, 4)
        others = [paid[group, other] for other in range(4) if other != own]
        total = total - (paid[group, own] - sum(others) / 3) * logp / 16
    one.model.zero_grad()
    total.backward()
    return torch.cat([weight.grad.flatten() for weight in one.trained]), total.item()


def of_the_page(one):
    """The gradient of the page's first step, before the optimiser takes it, and its loss."""
    found = {}
    update = one.update

    def kept(groups):
        found["gradient"] = torch.cat([weight.grad.flatten() for weight in one.trained])
        return update(groups)

    one.update = kept
    loss = one.training_step(0)["loss"]
    return found["gradient"], loss


def test_the_first_step_is_the_formula(tmp_path):
    expected, loss = by_hand(trainer(tmp_path))
    gradient, told = of_the_page(trainer(tmp_path))
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-3)
    assert told == pytest.approx(loss, rel=1e-3)


class OwnMean(RLOOTrainer):
    """The answer counts in its own baseline."""

    def advantages(self, rewards):
        return losses.group_advantages(rewards, "none")


class Divided(RLOOTrainer):
    """GRPO's advantage."""

    def advantages(self, rewards):
        return losses.group_advantages(rewards)


class MeanOfTokens(RLOOTrainer):
    """A mean over all tokens of the step."""

    def token_weights(self, mask, tokens):
        return mask / tokens


class Upside(RLOOTrainer):
    """Good answers become less likely."""

    def token_loss(self, logp, log_ratios, advantages):
        return advantages.unsqueeze(1) * logp


@pytest.mark.parametrize("kind", [OwnMean, Divided, MeanOfTokens, Upside])
def test_a_page_with_another_line_takes_another_step(tmp_path, kind):
    expected, _ = by_hand(trainer(tmp_path))
    gradient, _ = of_the_page(trainer(tmp_path, kind))
    assert (gradient - expected).abs().max() > 0.1 * expected.abs().max()


def test_a_step_makes_what_was_paid_likelier(tmp_path):
    """Of the answers that it learned from: those above the others rise against those below."""
    one = trainer(tmp_path, learning_rate=1e-3)
    rows, answers = one.sample(0)
    advantages = losses.rloo_advantages(one.reward(rows, answers)).flatten()
    before = log_probabilities(one, answers)
    one.training_step(0)
    assert advantages.abs().max() > 0.5
    assert ((log_probabilities(one, answers) - before) * advantages).sum() > 0.01


@pytest.mark.parametrize("changes", [{"num_iterations": 2}, {"beta": 0.04}])
def test_what_it_has_not_is_refused_in_one_line(tmp_path, changes):
    with pytest.raises(ValueError, match=r"^RLOO: num_iterations is \d and beta .* take GRPO.$"):
        trainer(tmp_path, **changes)


def test_it_draws_as_many_answers_as_grpo_in_as_many_steps():
    for preset in ("tiny", "colab", "a100"):
        course = Course.load(preset)
        for name in (
            "max_steps",
            "prompts_per_step",
            "num_generations",
            "temperature",
            "learning_rate",
            "lr_scheduler",
            "warmup_steps",
            "mask_truncated_completions",
        ):
            assert getattr(course.rloo, name) == getattr(course.grpo, name), (preset, name)
