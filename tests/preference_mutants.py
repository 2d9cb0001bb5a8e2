"""Known mistakes in the losses of the reward model and of DPO, each with the checks that must
catch it. A mutant replaces functions of helpers/losses; `OK` are the right ones.
"""

import torch
import torch.nn.functional as F

from tests.loss_checks import OK


def bradley_terry(change):
    def bradley_terry_loss(chosen, rejected, margin=0.0, centering=0.0):
        return change(chosen, rejected, margin, centering)

    return {"bradley_terry_loss": bradley_terry_loss}


def by_difference(change):
    """The loss of the pairs from the difference of their scores; margin and centring as usual."""
    return bradley_terry(lambda c, r, m, k: change(c - r - m) + k * (c + r).square().mean())


def centred(change):
    return bradley_terry(lambda c, r, m, k: OK.bradley_terry_loss(c, r, m) + k * change(c, r))


def dpo(change):
    """dpo_loss replaced by `change` of the same arguments, all given."""
    def dpo_loss(chosen, rejected, ref_chosen, ref_rejected, beta=0.1):
        return change(chosen, rejected, ref_chosen, ref_rejected, beta)

    return {"dpo_loss": dpo_loss}


def beta_forgotten_in_the_loss(c, r, rc, rr, beta):
    _, good, bad = OK.dpo_loss(c, r, rc, rr, beta)
    return OK.dpo_loss(c, r, rc, rr, 1.0)[0], good, bad


def rewards_changed(change):
    """The loss is right, the implicit rewards are not."""
    return dpo(lambda c, r, rc, rr, beta: (OK.dpo_loss(c, r, rc, rr, beta)[0],
                                           change(c, rc, beta), change(r, rr, beta)))


def loss_changed(change):
    """The implicit rewards are right, the loss is not."""
    return dpo(lambda *a: (change(*a), *OK.dpo_loss(*a)[1:]))


LOSS = "bradley terry, bradley terry gradient, bradley terry optimum, reward trainer"
DPO = "dpo, dpo gradient, dpo optimum, dpo trainer"
PREFERENCES = {
    # Bradley-Terry, on which DPO stands too
    "loss all zeros": (bradley_terry(lambda c, r, *_: 0 * (c + r).sum()),
                       f"{LOSS}, {DPO}, a common shift, the start"),
    "loss detached": (bradley_terry(lambda c, r, *a: 0 * (c + r).sum()
                                    + OK.bradley_terry_loss(c, r, *a).detach()),
                      "bradley terry gradient, bradley terry optimum, reward trainer, "
                      "dpo gradient, dpo optimum, dpo trainer"),
    "chosen and rejected swapped": (bradley_terry(lambda c, r, *a: OK.bradley_terry_loss(r, c, *a)),
                                    f"{LOSS}, {DPO}"),
    "sum for mean": (bradley_terry(lambda c, r, *a: OK.bradley_terry_loss(c, r, *a) * len(c)),
                     "bradley terry, bradley terry gradient, reward trainer, dpo, dpo gradient, "
                     "dpo trainer, the start"),
    "loss negated": (bradley_terry(lambda *a: -OK.bradley_terry_loss(*a)),
                     f"{LOSS}, {DPO}, the start"),
    "log of the sigmoid": (by_difference(lambda d: -torch.sigmoid(d).log().mean()),
                           "scores far apart"),
    "sigmoid without log": (by_difference(lambda d: -torch.sigmoid(d).mean()),
                            f"{LOSS}, {DPO}, the start"),
    "hinge": (by_difference(lambda d: F.relu(1 - d).mean()), f"{LOSS}, {DPO}, the start"),
    "square": (by_difference(lambda d: (1 - d).square().mean()), f"{LOSS}, {DPO}, the start"),
    "log of the mean": (by_difference(lambda d: -torch.sigmoid(d).mean().log()),
                        "bradley terry, bradley terry gradient, reward trainer, dpo, dpo trainer"),
    "chosen alone": (bradley_terry(lambda c, r, *a: OK.bradley_terry_loss(c, 0 * r, *a)),
                     f"{LOSS}, {DPO}, a common shift"),
    "sign of the margin": (bradley_terry(lambda c, r, m, k: OK.bradley_terry_loss(c, r, -m, k)),
                           "bradley terry, bradley terry gradient, reward trainer"),
    "margin forgotten": (bradley_terry(lambda c, r, m, k: OK.bradley_terry_loss(c, r, 0.0, k)),
                         "bradley terry, bradley terry gradient, reward trainer"),
    "margin outside the logarithm": (
        bradley_terry(lambda c, r, m, k: OK.bradley_terry_loss(c, r, 0.0, k)
                      + torch.as_tensor(m).mean()),
        "bradley terry, bradley terry gradient, reward trainer"),
    "mean of the margins": (
        bradley_terry(lambda c, r, m, k: OK.bradley_terry_loss(c, r, torch.as_tensor(m).mean(), k)),
        "bradley terry, bradley terry gradient, reward trainer"),
    "centring forgotten": (centred(lambda c, r: 0.0),
                           "bradley terry, bradley terry gradient, a common shift, reward trainer"),
    "difference centred": (centred(lambda c, r: (c - r).square().mean()),
                           "bradley terry, bradley terry gradient, a common shift, reward trainer"),
    "mean centred": (centred(lambda c, r: (c + r).mean().square()),
                     "bradley terry, bradley terry gradient, reward trainer"),
    "centring without a square": (centred(lambda c, r: (c + r).mean()),
                                  "bradley terry, bradley terry gradient, a common shift, "
                                  "reward trainer"),
    "always centred": (bradley_terry(lambda c, r, m, k: OK.bradley_terry_loss(c, r, m, k + 0.01)),
                       "bradley terry, bradley terry gradient, a common shift, reward trainer, "
                       "dpo gradient, dpo optimum, dpo trainer"),
    # DPO
    "beta forgotten": (loss_changed(lambda *a: beta_forgotten_in_the_loss(*a)[0]), DPO),
    "beta outside the logarithm": (loss_changed(lambda *a: a[4] * OK.dpo_loss(*a[:4], 1.0)[0]),
                                   f"{DPO}, the start"),
    "divided by beta": (dpo(lambda *a: OK.dpo_loss(*a[:4], 1 / a[4])), DPO),
    "another default of beta": ({"dpo_loss": lambda *a, beta=1.0: OK.dpo_loss(*a, beta)}, "dpo"),
    "reference swapped with policy": (dpo(lambda c, r, rc, rr, b: OK.dpo_loss(rc, rr, c, r, b)),
                                      DPO),
    "reference forgotten": (dpo(lambda c, r, rc, rr, b: OK.dpo_loss(c, r, 0 * rc, 0 * rr, b)),
                            f"{DPO}, the start"),
    "references crossed": (dpo(lambda c, r, rc, rr, b: OK.dpo_loss(c, r, rr, rc, b)),
                           f"{DPO}, the start"),
    "reference added": (dpo(lambda c, r, rc, rr, b: OK.dpo_loss(c, r, -rc, -rr, b)),
                        f"{DPO}, the start"),
    "pairs swapped": (loss_changed(lambda c, r, rc, rr, b: OK.dpo_loss(r, c, rr, rc, b)[0]), DPO),
    "rejected detached": (loss_changed(lambda c, r, *a: OK.dpo_loss(c, r.detach(), *a)[0]),
                          "dpo gradient, dpo trainer"),
    "rewards with gradient": (rewards_changed(lambda p, q, b: b * (p - q)), "dpo gradient"),
    "rewards without beta": (rewards_changed(lambda p, q, b: (p - q).detach()),
                             "dpo, dpo trainer"),
    "rewards without the reference": (rewards_changed(lambda p, q, b: b * p.detach()),
                                      "dpo, dpo trainer, the start"),
    "rewards swapped": (dpo(lambda *a: (lambda loss, good, bad: (loss, bad, good))(
        *OK.dpo_loss(*a))), "dpo, dpo trainer"),
}  # fmt: skip
