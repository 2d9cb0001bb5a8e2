"""The losses of the reward model and of DPO, proved four ways: by hand, by their optimum over five
listed completions, against TRL, and by wrong variants, each of which the named check must catch.
"""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from helpers import losses
from tests.loss_checks import (
    caught_by,
    checks_in,
    close,
    exact,
    flat_gradient,
    on_cpu,
    run_check,
    tiny_model,
    tiny_tokenizer,
    with_changes,
)
from tests.preference_mutants import PREFERENCES

LN2, LN3 = math.log(2), math.log(3)

# By hand


def check_bradley_terry(under_test):
    """Differences log 3 and -log 3: the chosen one wins with probability 3/4 and 1/4."""
    chosen, rejected = exact([LN3, LN3]), exact([0.0, 2 * LN3])
    plain = (math.log(4 / 3) + math.log(4)) / 2
    close(under_test.bradley_terry_loss(chosen, rejected), plain)
    # margin log 3: differences 0 and -2 log 3, probabilities 1/2 and 1/10
    close(under_test.bradley_terry_loss(chosen, rejected, LN3), (LN2 + math.log(10)) / 2)
    margins = exact([LN3, 0.0])  # one a pair
    close(under_test.bradley_terry_loss(chosen, rejected, margins), (LN2 + math.log(4)) / 2)
    middle = (LN3**2 + (3 * LN3) ** 2) / 2
    close(under_test.bradley_terry_loss(chosen, rejected, centering=0.1), plain + 0.1 * middle)


def check_dpo(under_test):
    """Log-ratios log 2 and -log 2, so a difference of log 4; and log 2 for both, so of 0."""
    half, quarter = -LN2, -2 * LN2
    logp, ref = exact([half, half]), exact([quarter, quarter])
    rejected, ref_rejected = exact([quarter, half]), exact([half, quarter])
    loss, good, bad = under_test.dpo_loss(logp, rejected, ref, ref_rejected, beta=1.0)
    close(loss, (math.log(5 / 4) + LN2) / 2)
    close(good, [LN2, LN2])
    close(bad, [-LN2, LN2])
    loss, good, bad = under_test.dpo_loss(logp, rejected, ref, ref_rejected, beta=0.5)
    close(loss, (math.log(3 / 2) + LN2) / 2)
    close(good, [LN2 / 2, LN2 / 2])
    close(bad, [-LN2 / 2, LN2 / 2])
    loss = under_test.dpo_loss(logp, rejected, ref, ref_rejected)[0]  # beta .1
    close(loss, (math.log(1 + 4**-0.1) + LN2) / 2)


def random_pairs(seed, dtype=torch.float64):
    """Scores or log-probabilities of eight pairs and those of a reference: four times (8,)."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(8, generator=generator).to(dtype).requires_grad_() for _ in range(4)]


def check_bradley_terry_gradient(under_test):
    """d / d chosen = (-sigmoid(-(c - r - m)) + 2 * centering * (c + r)) / B; for the rejected one
    the sign of the first term changes."""
    c, r, m, _ = random_pairs(0)
    for margin, centering in [(0.0, 0.0), (m.detach(), 0.0), (m.detach(), 0.3)]:
        loss = under_test.bradley_terry_loss(c, r, margin, centering)
        wrong = torch.sigmoid(-(c - r - margin)).detach()
        pull = 2 * centering * (c + r).detach()
        close(flat_gradient(loss, [c, r]), torch.cat([pull - wrong, pull + wrong]) / 8)


def check_dpo_gradient(under_test):
    """-beta * sigmoid(reward of the rejected - reward of the chosen) / B for the chosen one, the
    opposite for the rejected one (2305.18290, section 4); rewards without gradient."""
    pairs = random_pairs(1)
    c, r, ref_c, ref_r = pairs
    for beta in (0.1, 0.7):
        loss, good, bad = under_test.dpo_loss(*pairs, beta=beta)
        assert not good.requires_grad and not bad.requires_grad
        wrong = beta * torch.sigmoid(beta * ((r - ref_r) - (c - ref_c))).detach() / 8
        close(flat_gradient(loss, [c, r]), torch.cat([-wrong, wrong]))


def check_a_common_shift(under_test):
    """Bradley-Terry cannot see the level of the scores, centring can; DPO cannot see both
    log-probabilities fall together."""
    c, r, ref_c, ref_r = random_pairs(2)
    plain = under_test.bradley_terry_loss(c, r, 0.2)
    close(under_test.bradley_terry_loss(c + 9, r + 9, 0.2), plain.detach())
    centred = [under_test.bradley_terry_loss(c + shift, r + shift, 0.2, 0.01)
               for shift in (0.0, 9.0, -9.0)]
    assert plain < centred[0] < min(centred[1:])
    before = under_test.dpo_loss(c, r, ref_c, ref_r)[0]
    close(under_test.dpo_loss(c - 9, r - 9, ref_c, ref_r)[0], before.detach())


def check_scores_far_apart(under_test):
    """In float32 sigmoid(-200) is 0: its logarithm must not be taken of that."""
    c, r = torch.tensor([200.0, 0.0]).requires_grad_(), torch.tensor([0.0, 200.0]).requires_grad_()
    loss = under_test.bradley_terry_loss(c, r)
    close(loss.detach(), 100.0)
    close(flat_gradient(loss, [c, r]), [0.0, -0.5, 0.0, 0.5])


def check_the_start(under_test):
    """Policy equal to reference, whatever it is: log 2, and rewards of 0."""
    c, r, *_ = random_pairs(3)
    for beta in (0.1, 2.0):
        loss, good, bad = under_test.dpo_loss(c, r, c, r, beta)
        close(loss.detach(), LN2)
        assert not good.any() and not bad.any()


# The optimum, with infinitely many pairs drawn by Bradley-Terry from known rewards

REWARD = exact([1.0, -0.5, 0.3, 2.0, -1.2])
PAIRS = torch.tensor(list(itertools.permutations(range(5), 2)))
WIN = torch.sigmoid(REWARD[PAIRS[:, 0]] - REWARD[PAIRS[:, 1]])  # first is preferred to second


def minimum(loss_of_pair):
    """The five numbers x that minimise the expectation of loss_of_pair(x, preferred, other)."""
    x = torch.zeros(5).double().requires_grad_()
    optimizer = torch.optim.LBFGS([x], max_iter=60, tolerance_grad=1e-11, tolerance_change=0.0,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = sum(win * loss_of_pair(x, a, b) for win, (a, b) in zip(WIN, PAIRS, strict=True))
        loss.backward()
        return loss

    optimizer.step(closure)
    return x.detach()


def check_bradley_terry_optimum(under_test):
    """The rewards, up to a constant."""
    found = minimum(lambda x, a, b: under_test.bradley_terry_loss(x[a : a + 1], x[b : b + 1]))
    close(found - found.mean(), REWARD - REWARD.mean(), atol=1e-6)


def check_dpo_optimum(under_test):
    """Softmax policy: proportional to reference * exp(reward / beta) (2305.18290, eq. 4)."""
    reference = exact([0.3, -0.4, 0.8, -1.0, 0.1]).log_softmax(0)
    for beta in (0.5, 2.0):

        def loss(x, a, b, beta=beta):
            logp = x.log_softmax(0)
            return under_test.dpo_loss(
                *(v[i : i + 1] for v in (logp, reference) for i in (a, b)), beta=beta)[0]

        wanted = (reference + REWARD / beta).softmax(0)
        assert (wanted - reference.exp()).abs().max() > 0.1
        close(minimum(loss).softmax(0), wanted, atol=1e-6)


# Against TRL: its trainers on a random model, whose outputs are replaced by chosen numbers


@pytest.fixture(scope="module")
def trainers(tmp_path_factory):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    settings = on_cpu(tmp_path_factory.mktemp("trl"))
    shared = {
        "processing_class": tiny_tokenizer(),
        "train_dataset": Dataset.from_dict({"prompt": ["a"], "chosen": ["a"], "rejected": ["b"]})}
    return SimpleNamespace(
        reward=RewardTrainer(tiny_model("Qwen2ForSequenceClassification", num_labels=1),
                             args=RewardConfig(**settings), **shared),
        dpo=DPOTrainer(tiny_model("Qwen2ForCausalLM"), tiny_model("Qwen2ForCausalLM"),
                       args=DPOConfig(**settings), **shared))


def same(ours, theirs, our_inputs, their_inputs):
    close(ours.detach(), theirs.detach(), atol=1e-6)
    wanted = flat_gradient(theirs, their_inputs)
    assert wanted.abs().max() > 1e-3
    close(flat_gradient(ours, our_inputs), wanted, atol=1e-6)


def check_reward_trainer(under_test, trainers):
    trainer, ids = trainers.reward, torch.ones(16, 3, dtype=torch.long)
    c, r, m, _ = random_pairs(4, torch.float32)
    for margin, centering in itertools.product([None, m.detach()], [None, 0.01, 0.3]):
        trainer.args.center_rewards_coefficient = centering
        inputs = {"input_ids": ids, "attention_mask": ids}
        theirs = trainer.compute_loss(
            lambda **_: SimpleNamespace(logits=torch.cat([c, r]).unsqueeze(1)),
            inputs if margin is None else {**inputs, "margin": margin})
        ours = under_test.bradley_terry_loss(
            c, r, 0.0 if margin is None else margin, centering or 0.0)
        same(ours, theirs, [c, r], [c, r])


def check_dpo_trainer(under_test, trainers):
    """TRL sums the log-probabilities of the tokens itself: five tokens a completion."""
    trainer, ids = trainers.dpo, torch.ones(16, 6, dtype=torch.long)
    torch.manual_seed(5)
    tokens, ref_tokens = -torch.rand(16, 5), -torch.rand(16, 5)
    tokens.requires_grad_()

    def model_of(values):
        rest = torch.zeros(16, 5)
        return lambda **_: SimpleNamespace(
            log_probs=values, entropy=rest, mean_logits=rest, is_top1=rest.bool())

    trainer.ref_model = model_of(ref_tokens)
    for trainer.beta in (0.1, 0.3, 3.0):
        theirs = trainer.compute_loss(model_of(tokens), {
            "input_ids": ids, "attention_mask": ids, "completion_mask": ids})
        sums = [*tokens.sum(1).chunk(2), *ref_tokens.sum(1).chunk(2)]
        ours, good, bad = under_test.dpo_loss(*sums, beta=trainer.beta)
        same(ours, theirs, [tokens], [tokens])
        metrics = trainer._metrics["train"]
        close(good.mean(), metrics["rewards/chosen"][-1], atol=1e-6)
        close(bad.mean(), metrics["rewards/rejected"][-1], atol=1e-6)


# Every check on the losses themselves, and on known mistakes (tests/preference_mutants.py)

CHECKS = checks_in(dict(globals()))


@pytest.mark.parametrize("check", CHECKS)
def test_losses(check, request):
    run_check(CHECKS[check], losses, request)


@pytest.mark.parametrize(("mutant", "check"), caught_by(PREFERENCES))
def test_a_known_mistake_is_caught(mutant, check, request):
    with pytest.raises(AssertionError):
        run_check(CHECKS[check], with_changes(**PREFERENCES[mutant][0]), request)


def test_every_check_catches_a_mutant():
    assert {check for _, check in caught_by(PREFERENCES)} == CHECKS.keys()
