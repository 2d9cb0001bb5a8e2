"""The family of policy gradients (REINFORCE, RLOO, GRPO, GSPO, CISPO), proved as the other losses
are: by hand, by enumeration on a toy policy, against TRL on every combination of its settings, at
the ends of the numbers, and by wrong variants, each of which the named check must catch.
"""

import itertools
import logging
import math
import sys

import pytest
import torch

from helpers import losses
from tests.loss_checks import (
    IDS,
    MASK,
    NOISE,
    caught_by,
    checks_in,
    close,
    exact,
    expected,
    flat_gradient,
    random_batch,
    run_check,
    same_as_trl,
    table,
    toy_logp,
    trl_advantages,
    trl_loss,
    trl_trainer,
    with_changes,
)
from tests.policy_mutants import POLICY_GRADIENTS

NAN, INF = math.nan, math.inf

# By hand


def batch():
    """Two completions of three tokens and of one, of ratios 1, 1.5, .5 and 1.1; noise on padding.
    Log-probabilities of policy and writer, mask, advantages."""
    ratio = exact([[1.0, 1.5, 0.5], [1.1, 7.0, 7.0]])
    old = exact([[0.5, 0.5, 0.5], [0.5, 0.1, 0.1]]).log()
    mask = exact([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    return (old + ratio.log()).requires_grad_(), old, mask, exact([1.0, -1.0])


def check_reinforce_by_hand(under_test):
    logp, mask = exact([[-1.0, -2.0, -3.0], [-4.0, NOISE, NOISE]]), batch()[2]
    loss = under_test.reinforce_loss(logp, exact([2.0, -1.0]), mask)
    close(loss, (2 * 6.0 - 1 * 4.0) / 2)
    close(under_test.reinforce_advantages(exact([[1.0, 0.0, NAN]])), [[1.0, 0.0, 0.0]])
    rewards, baselines = exact([[1.0, 0.0, NAN], [3.0, 1.0, 2.0]]), exact([[0.25], [2.0]])
    close(under_test.reinforce_advantages(rewards, baselines),
          [[0.75, -0.25, 0.0], [1.0, -1.0, 0.0]])


def check_rloo_by_hand(under_test):
    rewards = exact([[4.0, 0.0, 1.0, 1.0], [1.0, NAN, 0.0, NAN], [NAN, NAN, 2.0, NAN]])
    close(under_test.rloo_advantages(rewards),
          [[4 - 2 / 3, -2.0, 1 - 5 / 3, 1 - 5 / 3], [1.0, 0.0, -1.0, 0.0], [0.0] * 4])


def check_scales_by_hand(under_test):
    """Rewards 1, 0, - and 4, 2, 3: of all five the mean is 2 and the deviation sqrt(10 / 4)."""
    rewards = exact([[1.0, 0.0, NAN], [4.0, 2.0, 3.0]])
    for scale, ones in [("none", (1.0, 1.0)), (False, (1.0, 1.0)),
                        ("group", (math.sqrt(0.5) + 1e-4, 1 + 1e-4)),
                        (True, (math.sqrt(0.5) + 1e-4, 1 + 1e-4)),
                        ("batch", (math.sqrt(2.5) + 1e-4,) * 2)]:
        close(under_test.group_advantages(rewards, scale),
              [[0.5 / ones[0], -0.5 / ones[0], 0.0], [1 / ones[1], -1 / ones[1], 0.0]])


def check_equal_rewards(under_test):
    """Exactly nothing, also where the mean of equal numbers is another one in float32; and what
    has no reward is no difference."""
    for reward, size in itertools.product((0.1, 0.3, 0.7, 1.2, 1.4), (2, 3, 7, 8, 16)):
        rewards = torch.full((2, size), reward)
        rewards[1, 1] = NAN
        for scale in ("group", "batch", "none"):
            assert not under_test.group_advantages(rewards, scale).any(), (reward, size)
        assert not under_test.rloo_advantages(rewards).any()
        assert not under_test.unequal(rewards).any()
        rewards[0, -1], rewards[1, 0] = reward + 1e-3, reward + 1e-3
        assert under_test.unequal(rewards).tolist() == [True, size > 2]
        assert under_test.group_advantages(rewards, "none")[0].all()
    assert under_test.unequal(exact([[NAN, NAN], [NAN, 2.0], [2.0, -1.0]])).tolist() == [
        False, False, True]


def check_gspo_by_hand(under_test):
    """The geometric means are .75^(1/3) = .9086 and 1.1. With clips of .05 the first is below, but
    pushed up, and the second above, but pushed down: neither is cut. Turned round, both are."""
    logp, old, mask, advantages = batch()
    low, high = 0.75 ** (1 / 3), 1.1
    ratios = under_test.log_ratios(logp, old, mask, "sequence")
    close(ratios.detach().exp(), [[low], [high]])
    settings = {"loss_type": "grpo", "importance_sampling_level": "sequence",
                "epsilon_low": 0.05, "epsilon_high": 0.05}
    loss = under_test.grpo_loss(logp, old, advantages, mask, **settings)
    close(loss.detach(), (-low + high) / 2)
    close(flat_gradient(loss, [logp]), [-low / 6] * 3 + [high / 2, 0.0, 0.0])
    loss = under_test.grpo_loss(logp, old, -advantages, mask, **settings)
    close(loss.detach(), (0.95 - 1.05) / 2)
    close(flat_gradient(loss, [logp]), [0.0] * 6)


def check_cispo_by_hand(under_test):
    """Ratios 1, 1.5 (capped at 1.2), .5 and 1.1: each a constant before A log p, whose gradient no
    token loses; a mean over the four tokens."""
    logp, old, mask, advantages = batch()
    loss = under_test.grpo_loss(logp, old, advantages, mask, loss_type="cispo", epsilon_high=1.2)
    said, weight = logp.detach(), exact([1.0, 1.2, 0.5])
    close(loss.detach(), (-(weight * said[0]).sum() + 1.1 * said[1, 0]) / 4)
    close(flat_gradient(loss, [logp]), [-0.25, -0.3, -0.125, 0.275, 0.0, 0.0])


def check_clipped_tokens(under_test):
    ratios = exact([[1.0, 1.5, 0.5], [1.0, 1.5, 0.5]]).log()
    found = under_test.clipped_tokens(ratios, exact([1.0, -1.0]), "dapo", 0.2, 0.3)
    assert {name: one.tolist() for name, one in found.items()} == {
        "clip_ratio/low_mean": [[False] * 3, [False, False, True]],
        "clip_ratio/high_mean": [[False, True, False], [False] * 3]}
    found = under_test.clipped_tokens(ratios, exact([1.0, -1.0]), "cispo", 0.2, 1.2)
    assert {name: one.tolist() for name, one in found.items()} == {
        "cispo_clip_ratio": [[False, True, False], [False] * 3]}


# By enumeration: the fifteen completions of the toy policy in tests/loss_checks.py

REWARDS = exact([3.0, 1.0, 0.0, 0.0, -1.0, 2.0, 0.25, 0.0, 1.0, -2.0, 0.5, 0.0, 1.5, 0.0, 1.0])
NOISY = NOISE * (1 - MASK)


def expected_gradient(loss_of, size, policy):
    """Exact expectation, over all 15^size groups, of minus the gradient of loss_of(logp, rows)."""
    logp = toy_logp(policy) + NOISY
    chance, total = (logp * MASK).sum(1).exp().detach(), 0.0
    for group in itertools.product(range(15), repeat=size):
        total = total - chance[list(group)].prod() * loss_of(logp[list(group)], list(group))
    return flat_gradient(total, policy)


def truth(policy, rewards=REWARDS):
    found = flat_gradient(expected(rewards, toy_logp(policy)), policy)
    assert found.norm() > 0.3
    return found


def check_reinforce_by_enumeration(under_test):
    """Unbiased with any baseline that does not look at the completion."""
    policy = table(0, 3)
    for baseline in (0.0, 0.7, exact([[-3.0]])):
        def loss(logp, rows, baseline=baseline):
            advantages = under_test.reinforce_advantages(REWARDS[rows][None], baseline)[0]
            return under_test.reinforce_loss(logp, advantages, MASK[rows])

        close(expected_gradient(loss, 1, policy), truth(policy))


def check_rloo_by_enumeration(under_test):
    """Unbiased: the others do not know what this one said."""
    policy = table(0, 3)

    def loss(logp, rows):
        advantages = under_test.rloo_advantages(REWARDS[rows][None])[0]
        return under_test.reinforce_loss(logp, advantages, MASK[rows])

    close(expected_gradient(loss, 2, policy), truth(policy))


def check_gspo_by_enumeration(under_test):
    """On fresh completions the gradient of E[reward / length], the length taken as given: GSPO's
    exponent 1 / |y| lets each completion, not each token, weigh the same."""
    policy = table(0, 3)

    def loss(logp, rows):
        return under_test.grpo_loss(logp, logp.detach(), REWARDS[rows], MASK[rows],
                                    loss_type="grpo", importance_sampling_level="sequence")

    close(expected_gradient(loss, 1, policy), truth(policy, REWARDS / MASK.sum(1)))


def check_cispo_by_enumeration(under_test):
    """On fresh completions REINFORCE; `total_tokens` 1 is a sum over tokens."""
    policy = table(0, 3)

    def loss(logp, rows):
        return under_test.grpo_loss(logp, logp.detach(), REWARDS[rows], MASK[rows],
                                    loss_type="cispo", epsilon_high=5.0, total_tokens=1)

    close(expected_gradient(loss, 1, policy), truth(policy))


def test_a_baseline_that_looks_at_the_completion_is_biased():
    policy = table(0, 3)

    def loss(logp, rows):
        return losses.reinforce_loss(
            logp, losses.reinforce_advantages(REWARDS[rows], REWARDS[rows] / 2), MASK[rows])

    assert (expected_gradient(loss, 1, policy) - truth(policy)).norm() > 0.1


def test_dividing_by_the_deviation_weighs_hard_and_easy_prompts_up():
    """Right or wrong, paid 1 or 0: without the division the push is that of the expected reward,
    times (G - 1) / G, for every prompt; with it a prompt that is nearly always solved weighs more
    beside one that is solved every other time, and the sum points elsewhere (2503.20783)."""
    def pushes(scale):
        found = []
        for right in (0.5, 0.97):
            logit = exact([math.log(right / (1 - right))]).requires_grad_()
            logp = torch.nn.functional.logsigmoid(torch.cat([logit, -logit]))
            total = 0.0
            for group in itertools.product((0, 1), repeat=4):
                rows = list(group)
                advantages = losses.group_advantages(1.0 - exact([rows]), scale)[0]
                loss = losses.reinforce_loss(logp[rows][:, None], advantages, torch.ones(4, 1))
                total = total - logp[rows].detach().sum().exp() * loss
            found.append(flat_gradient(total, [logit]).item())
        return found

    half, easy = 0.5 * 0.5, 0.97 * 0.03  # d p / d logit
    close(exact(pushes("none")), [half * 3 / 4, easy * 3 / 4])
    divided = pushes("group")
    assert divided[1] / divided[0] > 1.05 * easy / half


# Against TRL: every combination of its settings

REWARDS_OF_TRL = torch.tensor([[0.0, 1.0, 0.0, 0.5], [1.0, NAN, 0.0, 1.25]])
# cispo's ratio is capped at its epsilon_high, others are clipped at 1 + theirs.
CELLS = [{"loss_type": kind, "scale_rewards": scale, "beta": beta,
          "importance_sampling_level": level, "epsilon_low": 0.15,
          "epsilon_high": 1.1 if kind == "cispo" else 0.2}
         for kind, scale, beta, level in itertools.product(
             losses.LOSS_TYPES, ("group", "batch", "none"), (0.0, 0.04), losses.SAMPLING_LEVELS)]
INVALID = [(kind, "sequence") for kind in ("bnpo", "dr_grpo", "dapo", "cispo")]
VALID = [cell for cell in CELLS
         if (cell["loss_type"], cell["importance_sampling_level"]) not in INVALID]


@pytest.fixture(scope="module")
def trl(tmp_path_factory):
    """A GRPOTrainer, and its advantages at each scale."""
    trainer = trl_trainer("GRPO", tmp_path_factory.mktemp("trl"))
    found = {}
    for trainer.scale_rewards in ("group", "batch", "none"):
        found[trainer.scale_rewards] = trl_advantages(trainer, REWARDS_OF_TRL)
    return trainer, found


def in_cell(under_test, trl, cell):
    """The largest difference in advantages, loss and gradient; one completion has no token left,
    as where it was cut (`mask_truncated_completions`)."""
    trainer, advantages = trl
    cell = dict(cell)
    theirs = advantages[cell.pop("scale_rewards")]
    ours = under_test.group_advantages(REWARDS_OF_TRL, trainer_scale(trl, theirs)).flatten()
    close(ours, theirs, atol=1e-6)
    worst = float((ours - theirs).abs().max())
    for seed in (1, 2):
        logp, old, ref, mask, _ = random_batch(seed)
        mask[3] = 0
        mine, its = logp.clone().requires_grad_(), logp.clone().requires_grad_()
        found = under_test.grpo_loss(
            mine, old, ours, mask, ref_logp=ref,
            max_completion_length=trainer.max_completion_length, **cell)
        wanted = trl_loss(trainer, its, old, ref, mask, theirs, **cell)
        worst = max(worst, same_as_trl(found, wanted, mine, its))
    return worst


def trainer_scale(trl, advantages):
    return next(scale for scale, one in trl[1].items() if one is advantages)


def check_trl_grid(under_test, trl):
    for cell in VALID:
        in_cell(under_test, trl, cell)


@pytest.mark.parametrize("cell", VALID, ids=lambda cell: "-".join(map(str, cell.values())))
def test_advantages_loss_and_gradient_equal_trl(trl, cell):
    assert in_cell(losses, trl, cell) < 1e-6


def test_the_grid_is_whole():
    assert len(CELLS) == 60 and len(VALID) == 36


def check_what_trl_calls_invalid(under_test):
    """The combinations that TRL warns of, and a cap of which it says nothing; all others pass."""
    refused = set()
    for kind, level in itertools.product(losses.LOSS_TYPES, losses.SAMPLING_LEVELS):
        logp, old, mask, advantages = batch()
        try:
            under_test.grpo_loss(logp, old, advantages, mask, loss_type=kind, epsilon_high=5.0,
                                 importance_sampling_level=level, max_completion_length=3)
        except ValueError as error:
            assert kind in str(error) and "take loss_type grpo" in str(error)
            refused.add((kind, level))
    assert refused == set(INVALID)
    try:
        under_test.grpo_loss(*batch()[:2], exact([1.0, -1.0]), batch()[2], loss_type="cispo")
    except ValueError as error:
        assert "epsilon_high 0.2" in str(error)
    else:
        raise AssertionError("a cap below 1 passes")


@pytest.mark.parametrize("kind", losses.LOSS_TYPES)
def test_trl_warns_of_what_is_refused_here(kind, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        trl_trainer("GRPO", tmp_path, loss_type=kind, importance_sampling_level="sequence")
    warned = any("weights each sequence by its completion length" in one for one in caplog.messages)
    assert warned == ((kind, "sequence") in INVALID)


@pytest.fixture(scope="module")
def rloo(tmp_path_factory):
    return trl_trainer("RLOO", tmp_path_factory.mktemp("rloo"))


def check_rloo_trainer(under_test, rloo):
    for rewards in (REWARDS_OF_TRL, torch.tensor([[1.0, NAN, NAN, NAN], [2.0, -1.0, 0.5, 4.0]])):
        close(under_test.rloo_advantages(rewards).flatten(), trl_advantages(rloo, rewards), 1e-6)


def test_where_trl_leaves_equal_rewards_to_rounding(trl):
    """Eight times 1.2 in one group: advantages of -.001, and `frac_reward_zero_std` is 0. Where
    there is nothing else, Adam makes a whole step of them. Ours are 0 (check_equal_rewards)."""
    trainer, _ = trl
    trainer.num_generations, trainer.scale_rewards = 8, "group"
    try:
        found = trl_advantages(trainer, torch.full((2, 4), 1.2))
    finally:
        trainer.num_generations = 4
    assert 1e-3 < found.abs().max() < 2e-3
    assert trainer._metrics["train"]["frac_reward_zero_std"][-1] == 0


# The ends of the numbers, in float32


def check_k3_at_its_ends(under_test):
    """Near 0 it is x^2 / 2, never below 0; far away it stays a number."""
    near = torch.logspace(-10, -2, 4001)
    for x in (near, -near):
        k3 = under_test.kl_k3(torch.zeros_like(x), x)
        assert (k3 >= 0).all()
        large = near > 1e-3
        torch.testing.assert_close(k3[large], x[large].square() / 2 * (1 + x[large] / 3),
                                   rtol=1e-3, atol=0.0)
    far = torch.tensor([-1e4, -90.0, -20.0, 20.0, 90.0, 1e4]).requires_grad_()
    k3 = under_test.kl_k3(torch.zeros(6), far)
    assert k3.isfinite().all() and (k3 >= 0).all()
    assert flat_gradient(k3.sum(), [far]).isfinite().all()
    close(k3[:2].detach(), [1e4 - 1, 89.0], atol=1e-3)


def check_far_ratios(under_test):
    """A token that has become e^90 times as likely, or as unlikely, or whose log-probability is
    minus infinity, beside usual ones, in every loss with advantages of both signs."""
    old, mask = torch.zeros(2, 3), torch.ones(2, 3)
    for far, cell in itertools.product((90.0, -90.0, -INF), VALID):
        logp = torch.tensor([[far, 0.1, -0.1], [far, 0.2, 0.0]]).requires_grad_()
        settings = {key: value for key, value in cell.items() if key != "scale_rewards"}
        if far == -INF and cell["loss_type"] == "cispo":
            continue  # minus infinity itself is in its value
        loss = under_test.grpo_loss(logp, old, torch.tensor([1.0, -1.0]), mask, ref_logp=old,
                                    max_completion_length=3, **settings)
        assert loss.isfinite(), (far, cell)
        assert flat_gradient(loss, [logp]).isfinite().all(), (far, cell)
    loss = under_test.ppo_policy_loss(
        torch.full((1, 2), 90.0).requires_grad_(), torch.zeros(1, 2), torch.ones(1, 2),
        torch.ones(1, 2))
    close(loss.detach(), -1.2)


def check_padding_of_any_value(under_test):
    """Minus infinity on padding, in policy, writer and reference, changes no value, and its
    gradient is 0."""
    plain = random_batch(seed=3)
    mask, advantages = plain[3], plain[4]
    bad = [one.masked_fill(mask == 0, -INF) for one in plain[:3]]

    def calls(logp, old, ref):
        for cell in VALID[:2] + VALID[-2:] + VALID[6:8]:
            settings = {key: value for key, value in cell.items() if key != "scale_rewards"}
            yield under_test.grpo_loss(logp, old, advantages, mask, ref_logp=ref,
                                       max_completion_length=6, **settings)
        yield under_test.reinforce_loss(logp, advantages, mask)
        yield under_test.ppo_policy_loss(logp, old, ref, mask)
        yield under_test.masked_mean(logp, mask)
        yield under_test.masked_whiten(logp, mask).square().mul(torch.arange(6)).sum()
        yield under_test.token_rewards(advantages, logp, ref, mask).sum()
        yield under_test.gae(logp, old, mask)[0].sum()

    good, logp = plain[0].clone().requires_grad_(), bad[0].clone().requires_grad_()
    for wanted, found in zip(calls(good, *plain[1:3]), calls(logp, *bad[1:]), strict=True):
        close(found.detach(), wanted.detach(), atol=1e-5)
        close(flat_gradient(found, [logp]), flat_gradient(wanted, [good]), atol=1e-5)


def test_groups_of_one_are_refused():
    for function in (losses.group_advantages, losses.rloo_advantages):
        with pytest.raises(ValueError, match="groups of 1 have no neighbour"):
            function(torch.ones(3, 1))


def test_unknown_settings_are_named():
    logp, old, mask, advantages = batch()
    with pytest.raises(ValueError, match="'sentence'; known: token, sequence"):
        losses.log_ratios(logp, old, mask, "sentence")
    with pytest.raises(ValueError, match="unknown scale 'groups'"):
        losses.group_advantages(REWARDS[None], "groups")


def test_one_reward_in_a_batch_teaches_nothing():
    rewards = torch.tensor([[NAN, 2.0], [NAN, NAN]])
    for scale in ("group", "batch", "none"):
        assert not losses.group_advantages(rewards, scale).any()


# Every check on the losses themselves, and on known mistakes (tests/policy_mutants.py)

CHECKS = checks_in(dict(globals()))


@pytest.mark.parametrize("check", CHECKS)
def test_losses(check, request):
    run_check(CHECKS[check], losses, request)


@pytest.mark.parametrize(("mutant", "check"), caught_by(POLICY_GRADIENTS))
def test_a_known_mistake_is_caught(mutant, check, request):
    with pytest.raises(AssertionError):
        run_check(CHECKS[check], with_changes(**POLICY_GRADIENTS[mutant][0]), request)


def test_every_check_catches_a_mutant():
    assert {check for _, check in caught_by(POLICY_GRADIENTS)} == CHECKS.keys()


def test_a_mutant_is_put_in_wherever_it_is_called_from():
    """In every module of the package that knows the name; the real ones stay as they are."""
    real = {name: module for name, module in sys.modules.items()
            if name.split(".")[:2] == ["helpers", "losses"]}
    assert len(real) == 6
    places = 0
    for name in losses.__all__:
        if not callable(getattr(losses, name)):
            continue
        wrong = with_changes(**{name: len})
        assert getattr(wrong, name) is len and wrong is not losses
        for module in real:
            own = vars(real[module])
            assert own.get(name) is not len
            copy = wrong if module == "helpers.losses" else getattr(
                wrong, module.rpartition(".")[2])
            assert (vars(copy).get(name) is len) == (name in own)
            places += name in own
    assert places > 60
    assert all(sys.modules[name] is module for name, module in real.items())
    assert IDS.shape == MASK.shape
