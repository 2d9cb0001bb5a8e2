"""PPO's losses, proved four ways: by hand, by enumeration on a toy vocabulary, against the numbers
of TRL's last PPO trainer, and by wrong variants, each of which the named check must catch.
"""

import json
import math

import pytest
import torch

from helpers import losses
from tests import guards
from tests.loss_checks import (
    NOISE,
    caught_by,
    check_policy_gradient,
    checks_in,
    close,
    exact,
    flat_gradient,
    mask_of,
    run_check,
    with_changes,
)
from tests.ppo_mutants import PPO

# By hand


def check_whitening(under_test):
    """Deviations -2, 0, 2 from the mean 3; variance 8 / (3 - 1) = 4."""
    values, mask = exact([[1.0, 3.0], [5.0, NOISE]]), exact([[1, 1], [1, 0]])
    close(under_test.masked_whiten(values, mask), [[-1.0, 0.0], [1.0, 0.0]], atol=1e-8)
    torch.manual_seed(0)
    values, mask = 3 + 5 * torch.randn(4, 6).double(), mask_of([6, 1, 4, 2])
    white = under_test.masked_whiten(values, mask)
    close(white.sum(), 0.0)
    close(white.square().sum() / 12, 1.0, atol=1e-8)  # 13 real tokens
    assert not white[mask == 0].any()
    close(under_test.masked_whiten(values * 3 - 2, mask), white, atol=1e-8)


def check_rewards(under_test):
    logp = exact([[0.5, 0.25, 0.5], [0.5, 0.5, NOISE]]).log()
    ref = exact([[0.25, 0.5, 0.5], [0.5, 0.125, 1.0]]).log()
    mask, scores = mask_of([3, 2], width=3), exact([1.0, -2.0])
    ln2 = math.log(2)
    close(under_test.token_rewards(scores, logp, ref, mask, 0.1),
          [[-0.1 * ln2, 0.1 * ln2, 1.0], [0.0, -2 - 0.2 * ln2, 0.0]])
    # k3 = r - 1 - log r for r = 1/2, 2, 1 and 1, 1/4
    close(under_test.token_rewards(scores, logp, ref, mask, 0.1, kl=under_test.kl_k3),
          [[-0.1 * (ln2 - 0.5), -0.1 * (1 - ln2), 1.0], [0.0, -2 - 0.1 * (2 * ln2 - 0.75), 0.0]])


def check_gae_by_hand(under_test):
    """gamma .9, lambda .8, so gamma * lambda = .72.

    delta = 1 + .9 * 1 - .5 = 1.4;  2 + .9 * 2 - 1 = 2.8;  3 - 2 = 1
    A     = 1.4 + .72 * 3.52 = 3.9344;  2.8 + .72 * 1 = 3.52;  1
    and for the second completion, of two tokens: delta = 1 + .45 - 2 = -.55;  -1 - .5 = -1.5
    """
    rewards, values = exact([[1, 2, 3], [1, -1, NOISE]]), exact([[0.5, 1, 2], [2, 0.5, NOISE]])
    advantages, returns = under_test.gae(rewards, values, mask_of([3, 2], width=3), 0.9, 0.8)
    close(advantages, [[3.9344, 3.52, 1.0], [-0.55 - 0.72 * 1.5, -1.5, 0.0]])
    close(returns, [[4.4344, 4.52, 3.0], [0.37, -1.0, 0.0]])


def episodes():
    """Random rewards and values for completions of 1 to 6 tokens, noise on the padding."""
    torch.manual_seed(1)
    lengths = [6, 1, 4, 2, 5, 3]
    mask = mask_of(lengths)
    rewards, values = (torch.randn(6, 6).double() * mask + NOISE * (1 - mask) for _ in range(2))
    return rewards, values, mask, lengths


def check_gae_by_definition(under_test):
    """The sum of (gamma * lambda)^l * delta_(t+l), token by token, in plain numbers."""
    rewards, values, mask, lengths = episodes()
    advantages, returns = under_test.gae(rewards, values, mask, 0.9, 0.7)
    for row, length in enumerate(lengths):
        r, v = rewards[row, :length].tolist(), [*values[row, :length].tolist(), 0.0]
        delta = [r[t] + 0.9 * v[t + 1] - v[t] for t in range(length)]
        expected = [sum((0.9 * 0.7) ** n * delta[t + n] for n in range(length - t))
                    for t in range(length)]
        padding = [0.0] * (6 - length)
        close(advantages[row], expected + padding)
        close(returns[row], [a + b for a, b in zip(expected, v, strict=False)] + padding)


def check_gae_at_its_limits(under_test):
    """lambda 1: discounted sum of the rewards to come, minus the value. lambda 0: the TD error."""
    rewards, values, mask, lengths = episodes()
    whole, _ = under_test.gae(rewards, values, mask, 0.9, 1.0)
    one_step, _ = under_test.gae(rewards, values, mask, 0.9, 0.0)
    for row, length in enumerate(lengths):
        for t in range(length):
            to_come = sum(0.9**n * rewards[row, t + n] for n in range(length - t))
            close(whole[row, t], to_come - values[row, t])
            following = values[row, t + 1] if t + 1 < length else 0.0
            close(one_step[row, t], rewards[row, t] + 0.9 * following - values[row, t])


def check_policy_loss(under_test):
    """Ratios 1.5 and .5 clip at 1.2 and .8 only where that makes the objective smaller."""
    ratio, old = exact([[1.5, 1.5, 0.5], [0.5, 1.1, NOISE]]), exact([[-1.0] * 3] * 2)
    advantages, mask = exact([[2, -2, 2], [-2, 2, NOISE]]), mask_of([3, 2], width=3)
    logp = (old + ratio.log()).requires_grad_()
    loss = under_test.ppo_policy_loss(logp, old, advantages, mask, 0.2)
    close(loss.detach(), (-2.4 + 3.0 - 1.0 + 1.6 - 2.2) / 5)
    close(flat_gradient(loss, [logp]), [0, 3 / 5, -1 / 5, 0, -2.2 / 5, 0])


def check_value_loss(under_test):
    """Old value 0, clip .2. Outside the clip the larger square counts: that of the clipped value
    where the critic moved towards the return (no gradient), its own where it moved away."""
    values = exact([[0.1, 0.5, 0.5], [-0.5, -0.5, NOISE]]).requires_grad_()
    returns, mask = exact([[1.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]), mask_of([3, 2], width=3)
    loss = under_test.ppo_value_loss(values, exact([[0.0] * 3] * 2), returns, mask, 0.2)
    close(loss.detach(), (0.81 + 0.64 + 0.25 + 0.64 + 0.25) / 5 / 2)
    close(flat_gradient(loss, [values]), [-0.9 / 5, 0, 0.5 / 5, 0, -0.5 / 5, 0])


def check_explained_variance(under_test):
    returns, mask = exact([[1.0, 2.0], [3.0, NOISE]]), exact([[1, 1], [1, 0]])

    def explained(values):
        return under_test.explained_variance(exact(values), returns, mask)

    assert explained([[1.0, 2.0], [3.0, 0.0]]) == 1
    assert explained([[6.0, 7.0], [8.0, 0.0]]) == 1  # a constant error is not variance
    assert explained([[4.0, 4.0], [4.0, 0.0]]) == 0
    # errors 0, 0, 1: variance 1/3 of the returns' 1
    assert math.isclose(explained([[1.0, 2.0], [2.0, 0.0]]), 2 / 3)
    assert explained([[-1.0, -2.0], [-3.0, 0.0]]) == -3
    assert math.isnan(under_test.explained_variance(returns, returns * 0 + 2, mask))
    for length in range(2, 40):  # in float32 the variance of equal numbers is not always 0
        equal = torch.full((1, length), 0.1)
        assert math.isnan(under_test.explained_variance(equal * 2, equal, equal > 0))


def check_chain_by_hand(under_test):
    """Two completions, of three tokens and of one, from log-probabilities to the total loss; the
    score on the last real token. gamma 1, lambda .5, KL coefficient .5, clips .2.

    rewards  -.1, .2, -.3 + 1 = .7;      -.2 - 1 = -1.2
    delta    -.1 + 0 - .5 = -.6;  .2 + .2 - 0 = .4;  .7 - .2 = .5;      -1.2 + .2 = -1
    A        -.6 + .325 = -.275;  .4 + .25 = .65;  .5;      -1
    """
    ref, mask = exact([[-2.0] * 3] * 2), mask_of([3, 1], width=3)
    old = ref + exact([[0.2, -0.4, 0.6], [0.4, NOISE, NOISE]])
    values = exact([[0.5, 0.0, 0.2], [-0.2, NOISE, NOISE]])
    rewards = under_test.token_rewards(exact([1.0, -1.0]), old, ref, mask, 0.5)
    close(rewards, [[-0.1, 0.2, 0.7], [-1.2, 0.0, 0.0]])
    advantages, returns = under_test.gae(rewards, values, mask, 1.0, 0.5)
    close(advantages, [[-0.275, 0.65, 0.5], [-1.0, 0.0, 0.0]])
    close(returns, [[0.225, 0.65, 0.7], [-1.2, 0.0, 0.0]])
    # mean -.125 / 4 = -.03125; squared deviations 1.74421875 / 3 = .58140625
    white = exact([[-0.24375, 0.68125, 0.53125], [-0.96875, 0.0, 0.0]]) / math.sqrt(0.58140625)
    close(under_test.masked_whiten(advantages, mask), white, atol=1e-7)
    logp = old + exact([[1.5, 1.0, 1.0], [0.5, 1.0, 1.0]]).log()
    policy = under_test.ppo_policy_loss(logp, old, advantages, mask, 0.2)
    close(policy, (0.4125 - 0.65 - 0.5 + 0.8) / 4)
    moved = exact([[0.6, 0.5, 0.2], [-1.2, 0.0, 0.0]])
    critic = under_test.ppo_value_loss(moved, values, returns, mask, 0.2)
    close(critic, (0.375**2 + 0.45**2 + 0.5**2 + 0.8**2) / 4 / 2)
    close(policy + 0.1 * critic, 0.0310390625)


# By enumeration


def test_k3_in_the_reward_is_not_the_gradient_of_the_kl():
    """Its expectation is the KL, its gradient is not: k1 belongs into the reward."""
    with pytest.raises(AssertionError):
        check_policy_gradient(losses, kl=losses.kl_k3, tolerance=1e-2)


# Against TRL 1.9.0, the last release with a PPO trainer: numbers published beside the real data


@pytest.fixture(scope="module")
def golden():
    if not guards.ppo_reference_file().is_file():
        pytest.skip(guards.NO_REFERENCE)
    return json.loads(guards.ppo_reference_file().read_text(encoding="utf-8"))


def numbers(values):
    return torch.tensor(values, dtype=torch.float32)


def check_golden(under_test, golden):
    """TRL puts the score one position *after* the last real token (on it when there is no room)
    and lets the critic forecast that position too. So our functions, whose score is *on* the last
    real token, give TRL's numbers with a mask that is one position longer; whitening and the
    policy loss are over the real tokens in both, the value loss over the longer mask."""
    given = {name: numbers(values) for name, values in golden["inputs"].items()}
    lengths = given["sequence_lengths"].long() + 1
    mask, longer = mask_of(lengths.tolist()).float(), mask_of((lengths + 1).tolist()).float()
    logp, ref = given["logprobs"] * mask + 1 - mask, given["ref_logprobs"] * mask + 1 - mask
    values = given["values"]
    for name, kl in [("k1", under_test.kl_k1), ("k3", under_test.kl_k3)]:
        wanted = golden["out"][name]
        rewards = under_test.token_rewards(given["scores"], logp, ref, longer, 0.05, kl)
        close(rewards, wanted["rewards"], 1e-6)
        advantages, returns = under_test.gae(rewards, values, longer, 1.0, 0.95)
        close(returns, wanted["returns"], 1e-6)
        white = under_test.masked_whiten(advantages, mask)
        close(white, wanted["advantages"], 1e-6)
        ours = under_test.token_rewards(given["scores"], logp, ref, mask, 0.05, kl)
        moved = numbers(wanted["rewards"]) * (longer - mask)  # TRL's score behind the text
        close(ours, (numbers(wanted["rewards"]) - moved) + moved.roll(-1, 1), 1e-6)
        if name == "k1":
            loss = golden["out"]["loss"]
            policy = under_test.ppo_policy_loss(
                numbers(loss["new_logprobs"]), logp, white, mask, 0.2)
            critic = under_test.ppo_value_loss(
                numbers(loss["vpred"]), values * longer, returns, longer, 0.2)
            close(policy, loss["pg_loss"], 1e-6)
            close(critic, loss["vf_loss"], 1e-6)
            close(policy + 0.1 * critic, loss["total"], 1e-6)


# Every check on the losses themselves, and on known mistakes (tests.ppo_mutants.py)

CHECKS = checks_in(dict(globals()))


@pytest.mark.parametrize("check", CHECKS)
def test_losses(check, request):
    run_check(CHECKS[check], losses, request)


@pytest.mark.parametrize(("mutant", "check"), caught_by(PPO))
def test_a_known_mistake_is_caught(mutant, check, request):
    with pytest.raises(AssertionError):
        run_check(CHECKS[check], with_changes(**PPO[mutant][0]), request)


def test_every_mutant_is_caught_without_the_published_numbers_and_every_check_catches_one():
    assert all(set(checks.split(", ")) - {"golden"} for _, checks in PPO.values())
    assert {check for _, check in caught_by(PPO)} == CHECKS.keys()
