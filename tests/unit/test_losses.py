"""The losses, proved four ways: by hand, by enumeration on a toy vocabulary, against TRL, and by
wrong variants, each of which the named check must catch.

Every check is a function of the loss under test, so that the same check can be run on a mutant.
"""

import itertools
import math

import pytest
import torch

from helpers import losses
from tests.loss_checks import (
    OK,
    close,
    exact,
    flat_gradient,
    random_batch,
    same_as_trl,
    trl_loss,
    trl_trainer,
    with_changes,
)

# By hand


def test_token_logprobs_and_entropy_by_hand():
    logits = exact([[[0.0, 0.0, 0.0, 0.0], [math.log(3), 0.0, -1e9, -1e9]]])
    close(losses.token_logprobs(logits, torch.tensor([[2, 1]])), [[-math.log(4), -math.log(4)]])
    three_to_one = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    close(losses.entropy(logits), [[math.log(4), three_to_one]])


def test_token_logprobs_have_the_gradient_of_log_softmax():
    torch.manual_seed(0)
    logits, ids = torch.randn(2, 3, 5).double().requires_grad_(), torch.randint(5, (2, 3))
    (gradient,) = torch.autograd.grad(losses.token_logprobs(logits, ids).sum(), logits)
    close(gradient, torch.nn.functional.one_hot(ids, 5) - logits.detach().softmax(-1))


def test_masked_mean_leaves_the_padding_out():
    values, mask = torch.tensor([[1.0, 3.0], [5.0, 99.0]]), torch.tensor([[1, 1], [1, 0]])
    close(losses.masked_mean(values, mask), 3.0)
    close(losses.masked_mean(values, mask, dim=1), [2.0, 5.0])
    close(losses.masked_mean(values, torch.zeros(2, 2)), 0.0)


def test_kl_estimators_by_hand():
    logp, ref = exact([math.log(0.5)]), exact([math.log(0.25)])
    close(losses.kl_k1(logp, ref), [math.log(2)])
    close(losses.kl_k2(logp, ref), [math.log(2) ** 2 / 2])
    close(losses.kl_k3(logp, ref), [0.5 - 1 + math.log(2)])


def check_advantages_by_hand(under_test):
    rewards = exact([[1.0, 0.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0], [4.0, 0.0, 0.0, 0.0]])
    close(under_test.reinforce_advantages(rewards, 0.5)[0], [0.5, -0.5, -0.5, 0.5])
    # the mean of the three others: 1/3 for a right answer, 2/3 for a wrong one
    close(under_test.rloo_advantages(rewards), [[2 / 3, -2 / 3, -2 / 3, 2 / 3], [0.0] * 4,
                                                [4.0, -4 / 3, -4 / 3, -4 / 3]])
    close(under_test.group_advantages(rewards, scale=False),
          [[0.5, -0.5, -0.5, 0.5], [0.0] * 4, [3.0, -1.0, -1.0, -1.0]])
    first, last = math.sqrt(1 / 3) + 1e-4, 2 + 1e-4  # deviations, divided by G - 1
    close(under_test.group_advantages(rewards), [
        [0.5 / first, -0.5 / first, -0.5 / first, 0.5 / first], [0.0] * 4,
        [3 / last, -1 / last, -1 / last, -1 / last]])


def test_advantages_by_hand():
    check_advantages_by_hand(losses)


def test_a_completion_without_a_reward_is_left_out():
    rewards = exact([[1.0, 0.0, math.nan], [math.nan, math.nan, 1.0], [math.nan] * 3])
    unit = 0.5 / (math.sqrt(0.5) + 1e-4)
    close(losses.rloo_advantages(rewards), [[1.0, -1.0, 0.0], [0.0] * 3, [0.0] * 3])
    close(losses.group_advantages(rewards), [[unit, -unit, 0.0], [0.0] * 3, [0.0] * 3])
    close(losses.group_advantages(rewards, scale=False)[0], [0.5, -0.5, 0.0])
    close(losses.reinforce_advantages(rewards)[0], [1.0, 0.0, 0.0])


def test_clipped_policy_loss_by_hand():
    ratio, old = exact([[1.0, 1.1, 1.5, 0.9, 0.5]]), exact([[-1.0] * 5])
    for advantage, expected in [(2.0, [-2.0, -2.2, -2.6, -1.8, -1.0]),
                                (-2.0, [2.0, 2.2, 3.0, 1.8, 1.6])]:
        loss = losses.clipped_policy_loss(old + ratio.log(), old, exact([advantage]), 0.2, 0.3)
        close(loss, [expected])


def by_hand():
    """Two completions, three tokens and one token: ratios 1, 1.5, 0.5 and 1.1; one padding token
    with values that would be noticed."""
    ratio = exact([[1.0, 1.5, 0.5], [1.1, 7.0, 7.0]])
    old = exact([[0.5, 0.5, 0.5], [0.5, 0.1, 0.1]]).log()
    ref = exact([[0.5, 0.5, 0.5], [0.5, 0.9, 0.9]]).log()
    mask = exact([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    return old + ratio.log(), old, ref, mask, exact([1.0, -1.0])


def check_loss_by_hand(under_test):
    logp, old, ref, mask, advantages = by_hand()

    def loss(kind, **more):
        return under_test.grpo_loss(logp, old, advantages, mask, loss_type=kind, epsilon_low=0.2,
                                    epsilon_high=0.2, max_completion_length=5, **more)

    # -1 - 1.2 (clipped) - 0.5 = -2.7 for the first completion, +1.1 for the second
    close(loss("grpo"), (-2.7 / 3 + 1.1) / 2)
    close(loss("bnpo"), -1.6 / 4)
    close(loss("dapo"), -1.6 / 4)
    close(loss("dapo", total_tokens=16), -1.6 / 16)
    close(loss("dr_grpo"), -1.6 / 10)


def check_kl_term_by_hand(under_test):
    logp, old, ref, mask, advantages = by_hand()
    k3 = [1 / r - math.log(1 / r) - 1 for r in (1.0, 1.5, 0.5, 1.1)]
    weighted = [k * r for k, r in zip(k3, (1.0, 1.5, 0.5, 1.1), strict=True)]
    for bias_correction, values in [(False, k3), (True, weighted)]:
        loss = under_test.grpo_loss(
            logp, old, advantages, mask, loss_type="bnpo", ref_logp=ref, beta=0.1,
            use_bias_correction_kl=bias_correction)
        close(loss, -1.6 / 4 + 0.1 * sum(values) / 4)


def test_loss_by_hand():
    check_loss_by_hand(losses)


def test_kl_term_by_hand():
    check_kl_term_by_hand(losses)


def test_missing_inputs_are_named():
    logp, old, ref, mask, advantages = by_hand()
    with pytest.raises(ValueError, match="ref_logp"):
        losses.grpo_loss(logp, old, advantages, mask, beta=0.1)
    with pytest.raises(ValueError, match="max_completion_length"):
        losses.grpo_loss(logp, old, advantages, mask, loss_type="dr_grpo")
    with pytest.raises(ValueError, match="'gpro'.*dr_grpo"):
        losses.grpo_loss(logp, old, advantages, mask, loss_type="gpro")


# By enumeration: three tokens, the first of which ends the text; so every completion is one of
# [end], [1, x] or [2, x], and all seven can be listed with their exact probabilities.

IDS = torch.tensor([[0, 0], *([a, b] for a in (1, 2) for b in (0, 1, 2))])
MASK = exact([[1.0, 0.0]] + [[1.0, 1.0]] * 6)
REWARDS = exact([3.0, 1.0, 0.0, 0.0, -1.0, 2.0, 0.25])


def toy_policy(seed):
    """Logits (7, 2, 3) of the toy policy: a table for the first token, one a token for the next."""
    torch.manual_seed(seed)
    first, second = torch.randn(3).double(), torch.randn(3, 3).double()
    return first.requires_grad_(), second.requires_grad_()


def toy_logp(policy):
    """(7, 2): log-probabilities of the tokens of all seven completions, padding included."""
    first, second = policy
    return losses.token_logprobs(torch.stack([first.expand(7, 3), second[IDS[:, 0]]], dim=1), IDS)


def probabilities(logp):
    return (logp * MASK).sum(1).exp()


def true_gradient(policy):
    return flat_gradient((probabilities(toy_logp(policy)) * REWARDS).sum(), policy)


def expected_gradient(under_test, advantages_of, size, policy):
    """Exact expectation, over all 7^size groups, of minus the gradient of the loss (times T = 2,
    dr_grpo's divisor)."""
    logp = toy_logp(policy)
    chance, total = probabilities(logp).detach(), 0.0
    for group in itertools.product(range(7), repeat=size):
        rows = list(group)
        advantages = advantages_of(REWARDS[rows].unsqueeze(0)).squeeze(0)
        loss = under_test.grpo_loss(logp[rows], logp[rows].detach(), advantages, MASK[rows],
                                    loss_type="dr_grpo", max_completion_length=2)
        total = total - 2 * chance[rows].prod() * loss
    return flat_gradient(total, policy)


def test_the_toy_policy_is_a_distribution():
    close(probabilities(toy_logp(toy_policy(0))).sum(), 1.0)


def check_policy_gradient_by_enumeration(under_test):
    policy = toy_policy(0)
    truth = true_gradient(policy)
    assert truth.norm() > 0.3
    for baseline in (0.0, 0.7):  # a constant baseline changes the variance, not the expectation
        found = expected_gradient(
            under_test, lambda r, b=baseline: under_test.reinforce_advantages(r, b), 1, policy)
        close(found, truth)
    close(expected_gradient(under_test, under_test.rloo_advantages, 2, policy), truth)
    close(expected_gradient(under_test, under_test.rloo_advantages, 3, policy), truth)


def check_group_gradient_by_enumeration(under_test):
    """The group mean holds the completion's own reward: (G - 1) / G of the gradient, exactly."""
    policy = toy_policy(1)

    def without_std(rewards):
        return under_test.group_advantages(rewards, scale=False)

    close(expected_gradient(under_test, without_std, 3, policy), true_gradient(policy) * 2 / 3)


def test_policy_gradient_by_enumeration():
    check_policy_gradient_by_enumeration(losses)


def test_group_gradient_by_enumeration():
    check_group_gradient_by_enumeration(losses)


def test_dividing_by_the_deviation_changes_the_direction():
    """Dr. GRPO's point: with the division it is no longer the gradient of the expected reward."""
    policy = toy_policy(1)
    found = expected_gradient(losses, losses.group_advantages, 3, policy)
    assert torch.cosine_similarity(found, true_gradient(policy), dim=0) < 0.999


def check_kl_by_enumeration(under_test):
    """k1 and k3 are unbiased: their expectation over the policy's own samples is the exact KL."""
    policy, reference = toy_logp(toy_policy(0)).detach(), toy_logp(toy_policy(1)).detach()
    chance = probabilities(policy)
    divergence = (chance * (chance / probabilities(reference)).log()).sum()
    assert divergence > 0.1
    for estimator in (under_test.kl_k1, under_test.kl_k3):
        token_kl = estimator(policy, reference)
        close((chance * (token_kl * MASK).sum(1)).sum(), divergence)


def test_kl_by_enumeration():
    check_kl_by_enumeration(losses)


def test_k2_is_biased_but_has_the_gradient_of_the_kl():
    policy, reference = toy_policy(0), toy_logp(toy_policy(1)).detach()
    logp = toy_logp(policy)
    chance = probabilities(logp)
    divergence = (chance * ((logp - reference) * MASK).sum(1)).sum()
    k2 = (chance.detach() * (losses.kl_k2((logp * MASK).sum(1), (reference * MASK).sum(1)))).sum()
    assert abs(k2 - divergence) > 0.01
    close(flat_gradient(k2, policy), flat_gradient(divergence, policy))


def test_k3_and_k2_are_never_negative_and_k1_can_be():
    logp, ref = toy_logp(toy_policy(0)), toy_logp(toy_policy(1))
    assert losses.kl_k3(logp, ref).min() >= 0 and losses.kl_k2(logp, ref).min() >= 0
    assert losses.kl_k1(logp, ref).min() < 0


# Against TRL


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return trl_trainer("GRPO", tmp_path_factory.mktemp("trl"))


TRL_SETTINGS = [
    {"loss_type": kind, "epsilon_low": low, "epsilon_high": high, "beta": beta,
     "use_bias_correction_kl": correction}
    for kind in ("grpo", "bnpo", "dr_grpo", "dapo")  # cispo: test_policy_gradients.py
    for low, high in [(0.2, 0.2), (0.1, 0.28)]
    for beta, correction in [(0.0, True), (0.04, True), (0.04, False)]
]


def check_loss_against_trl(under_test, trainer, settings):
    logp, old, ref, mask, advantages = random_batch(seed=1)
    theirs, ours = logp.clone().requires_grad_(), logp.clone().requires_grad_()
    expected = trl_loss(trainer, theirs, old, ref, mask, advantages, **settings)
    found = under_test.grpo_loss(ours, old, advantages, mask, ref_logp=ref,
                                 max_completion_length=trainer.max_completion_length, **settings)
    same_as_trl(found, expected, ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bool, torch.long, torch.float64])
def test_any_kind_of_mask_will_do(dtype):
    logp, old, ref, mask, advantages = random_batch(seed=2)
    for function, *inputs in [
        (losses.masked_mean, old), (losses.masked_whiten, old), (losses.gae, logp, ref),
        (losses.token_rewards, advantages, old, ref), (losses.ppo_policy_loss, logp, old, ref),
        (losses.ppo_value_loss, logp, old, ref), (losses.explained_variance, logp, old),
        (losses.grpo_loss, logp, old, advantages),
    ]:
        found, expected = function(*inputs, mask.to(dtype)), function(*inputs, mask)
        torch.testing.assert_close(found, expected, check_dtype=False)


def test_scores_of_another_precision_will_do():
    """A reward model in bfloat16, or rules in double precision, beside float32."""
    logp, old, ref, mask, scores = random_batch(seed=2)
    expected = losses.token_rewards(scores.bfloat16().float(), logp, ref, mask)
    close(losses.token_rewards(scores.bfloat16(), logp, ref, mask), expected, atol=0.0)
    close(losses.token_rewards(scores.bfloat16().double(), logp, ref, mask), expected, atol=0.0)


@pytest.mark.parametrize("settings", TRL_SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_loss_and_gradient_equal_trl(trainer, settings):
    check_loss_against_trl(losses, trainer, settings)


# Mutants: known mistakes, each with the check that must catch it


def clip_nothing(logp, old, advantages, *_):
    return -(logp - old).exp() * advantages.unsqueeze(1)


def clip_both_ways(logp, old, advantages, low, high):
    """Forgets the minimum: also clips where the objective must stay steep."""
    return -(logp - old).exp().clamp(1 - low, 1 + high) * advantages.unsqueeze(1)


def wrong_loss(change):
    def grpo_loss(logp, old, advantages, mask, **settings):
        return change(logp, old, advantages, mask, settings)

    return {"grpo_loss": grpo_loss}


MUTANTS = {
    "all zeros": wrong_loss(lambda logp, *_: logp.sum() * 0),
    "mask forgotten": wrong_loss(lambda p, o, a, m, s: OK.grpo_loss(p, o, a, m * 0 + 1, **s)),
    "wrong sign": wrong_loss(lambda p, o, a, m, s: -OK.grpo_loss(p, o, a, m, **s)),
    "detached": wrong_loss(
        lambda p, o, a, m, s: OK.grpo_loss(p, o, a, m, **s).detach() + 0 * p.sum()),
    "padding in the denominator": {"token_weights": lambda m, *_, **__: m / m.numel()},
    "tokens for completions": {"token_weights": lambda m, *_, **__: m / m.sum()},
    "no clipping": {"clipped_policy_loss": clip_nothing},
    "clipped both ways": {"clipped_policy_loss": clip_both_ways},
    "kl sign flipped": {"kl_k3": lambda p, r: -OK.kl_k3(p, r)},
    "kl direction flipped": {"kl_k3": lambda p, r: OK.kl_k3(r, p)},
    "k1 flipped": {"kl_k1": lambda p, r: r - p},
    "own reward in the baseline": {"rloo_advantages": lambda r: r - r.mean(1, keepdim=True)},
    "mean over all prompts": {"rloo_advantages": lambda r: r - r.mean()},
    "deviation with G": {"group_advantages": lambda r, scale=True: (r - r.mean(1, keepdim=True)) / (
        r.std(1, keepdim=True, correction=0) + 1e-4 if scale else 1)},
    "always divided": {"group_advantages": lambda r, scale=True: OK.group_advantages(r)},
}
CHECKS = {
    "loss by hand": check_loss_by_hand,
    "kl term by hand": check_kl_term_by_hand,
    "advantages by hand": check_advantages_by_hand,
    "policy gradient by enumeration": check_policy_gradient_by_enumeration,
    "group gradient by enumeration": check_group_gradient_by_enumeration,
    "kl by enumeration": check_kl_by_enumeration,
    "trl": None,  # all settings; needs the trainer
}
CAUGHT_BY = [
    ("all zeros", "loss by hand"), ("all zeros", "policy gradient by enumeration"),
    ("all zeros", "trl"),
    ("mask forgotten", "loss by hand"), ("mask forgotten", "policy gradient by enumeration"),
    ("mask forgotten", "trl"),
    ("wrong sign", "loss by hand"), ("wrong sign", "policy gradient by enumeration"),
    ("detached", "policy gradient by enumeration"), ("detached", "trl"),
    ("padding in the denominator", "loss by hand"), ("padding in the denominator", "trl"),
    ("tokens for completions", "loss by hand"), ("tokens for completions", "trl"),
    ("no clipping", "loss by hand"), ("no clipping", "trl"),
    ("clipped both ways", "loss by hand"), ("clipped both ways", "trl"),
    ("kl sign flipped", "kl term by hand"), ("kl sign flipped", "kl by enumeration"),
    ("kl sign flipped", "trl"),
    ("kl direction flipped", "kl term by hand"), ("kl direction flipped", "kl by enumeration"),
    ("kl direction flipped", "trl"),
    ("k1 flipped", "kl by enumeration"),
    ("own reward in the baseline", "advantages by hand"),
    ("own reward in the baseline", "policy gradient by enumeration"),
    ("mean over all prompts", "advantages by hand"),
    ("deviation with G", "advantages by hand"),
    ("always divided", "group gradient by enumeration"),
]


@pytest.mark.parametrize(("mutant", "check"), CAUGHT_BY)
def test_a_known_mistake_is_caught(mutant, check, request):
    wrong = with_changes(**MUTANTS[mutant])
    with pytest.raises(AssertionError):
        if check == "trl":
            trainer = request.getfixturevalue("trainer")
            for settings in TRL_SETTINGS:
                check_loss_against_trl(wrong, trainer, settings)
        else:
            CHECKS[check](wrong)


def test_every_mutant_is_caught_and_every_check_catches_one():
    assert {mutant for mutant, _ in CAUGHT_BY} == MUTANTS.keys()
    assert {check for _, check in CAUGHT_BY} == CHECKS.keys()
