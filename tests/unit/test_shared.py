"""Prompts read once for their group and equal answers read once: the same numbers as row by row."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from helpers.train.ppo.rollout import Rollout
from helpers.train.rows import Rows, logprobs
from helpers.train.shared import group_batches, group_logprobs
from tests import methods

ASKED = [[5, 6, 7], [9, 8], [4], [3, 3, 3, 3]]  # four prompts, two to four answers each
ANSWERS = [[10, 11], [10, 11], [12], [10, 11, 13], [7], [7, 8, 9, 10, 11], [2, 2], [2, 2],
           [1, 5, 9], [1, 5]]
OF = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]
ADVANTAGES = [1.0, 1.0, -1.0, -1.0, 0.5, -0.5, 0.0, 0.0, 0.7, -0.7]


def rollout(advantages=ADVANTAGES, left_out=()):
    made = Rollout([ASKED[of] for of in OF], list(ANSWERS), ["x"] * len(OF),
                   torch.zeros(len(OF), dtype=torch.bool))
    made.advantages = torch.tensor(advantages)
    made.mask[list(left_out)] = 0
    return made


@pytest.fixture(scope="module", params=["Qwen2", "Qwen3"])
def model(request):
    folder = methods.model_folder(layers=2, family=request.param)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])


@pytest.mark.parametrize("size", [1, 3, 32])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_numbers_are_those_of_rows_that_are_read_alone(model, size, temperature):
    answers = rollout()
    weights = torch.rand(answers.mask.shape, generator=torch.Generator().manual_seed(0))
    weights = weights * answers.mask
    weights[1] = weights[0]  # equal answers count the same
    weights[7] = weights[6]
    alone, shared, found = 0.0, 0.0, torch.zeros_like(answers.mask)
    for row, (of, ids) in enumerate(zip(OF, ANSWERS, strict=True)):
        one = Rows([ASKED[of]], [ids])
        [logp] = logprobs(model, one.ids, one.places, one.targets, temperature)
        found[row, :len(ids)] = logp[0].detach()
        alone = alone + (logp * weights[row, :len(ids)]).sum()
    expected = gradient(model, alone)
    for batch in group_batches(answers, size, "cpu"):
        logp = group_logprobs(model, batch, temperature)
        torch.testing.assert_close(logp.detach() * batch.mask, batch.of(found), atol=2e-6, rtol=0)
        shared = shared + (logp * batch.copies * batch.of(weights)).sum()
    assert shared.item() == pytest.approx(alone.item(), abs=1e-4)
    torch.testing.assert_close(gradient(model, shared), expected, atol=2e-5, rtol=1e-4)


def test_nothing_is_read_twice(model, monkeypatch):
    seen = []
    plain = model.model.forward

    def counted(*args, **kwargs):
        seen.append(kwargs["input_ids"].numel())
        return plain(*args, **kwargs)

    monkeypatch.setattr(model.model, "forward", counted)
    [batch] = group_batches(rollout(), 32, "cpu")
    group_logprobs(model, batch)
    assert seen == [4 * 4, 8 * 4]  # four prompts of up to 4 tokens, 8 answers without their last


def test_equal_answers_are_one_row_that_counts_as_often():
    [batch] = group_batches(rollout(), 32, "cpu")
    assert sorted(batch.rows.tolist()) == [0, 2, 3, 4, 5, 6, 8, 9]
    copies = dict(zip(batch.rows.tolist(), batch.copies[:, 0].tolist(), strict=True))
    assert copies == {0: 2, 2: 1, 3: 1, 4: 1, 5: 1, 6: 2, 8: 1, 9: 1}


def test_what_is_paid_differently_or_left_out_is_another_row():
    advantages = [1.0, 0.9, *ADVANTAGES[2:]]
    [batch] = group_batches(rollout(advantages), 32, "cpu")
    assert {0, 1} <= set(batch.rows.tolist())
    [batch] = group_batches(rollout(left_out=[1]), 32, "cpu")
    assert {0, 1} <= set(batch.rows.tolist()) and batch.copies.sum() == len(OF)
    assert batch.mask[batch.rows.tolist().index(1)].sum() == 0


def test_the_same_answer_to_another_question_is_another_row():
    answers = rollout()
    answers.completions[6] = answers.completions[4]
    [batch] = group_batches(answers, 32, "cpu")
    assert {4, 6, 7} <= set(batch.rows.tolist())


def test_groups_without_an_advantage_come_last_and_groups_stay_together():
    batches = group_batches(rollout(), 3, "cpu")
    rows = [row for batch in batches for row in batch.rows.tolist()]
    assert rows[-1] == 6 and len(rows) == 8
    groups = [OF[row] for row in rows]
    assert groups == sorted(groups, key=groups.index)
    assert [len(batch.prompts) for batch in group_batches(rollout(), 32, "cpu")] == [4]


def test_with_checkpointing_every_row_is_read_with_its_prompt():
    folder = methods.model_folder(layers=2)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    [batch] = group_batches(rollout(), 32, "cpu")
    expected = group_logprobs(model, batch) * batch.mask
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
    torch.testing.assert_close(group_logprobs(model, batch) * batch.mask, expected,
                               atol=2e-6, rtol=0)
