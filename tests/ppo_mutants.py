"""Known mistakes in the losses of PPO, each with the checks that must catch it.

A mutant replaces functions of helpers/losses; `OK` are the right ones.
"""

import torch

from tests.loss_checks import OK


def rewards(change):
    """token_rewards replaced by `change` of the same arguments, all given."""
    def token_rewards(scores, logp, ref_logp, mask, kl_coef=0.05, kl=OK.kl_k1):
        return change(scores, logp, ref_logp, mask, kl_coef, kl)

    return {"token_rewards": token_rewards}


def score_at(place):
    """The score at place(last, T) instead of at `last`, the index of the last real token."""
    def change(scores, logp, ref_logp, mask, kl_coef, kl):
        found, rows = -kl_coef * kl(logp, ref_logp) * mask, torch.arange(len(mask))
        where = place(mask.sum(1).long() - 1, mask.size(1)).expand(len(mask))
        return found.index_put((rows, where), scores, accumulate=True)

    return rewards(change)


def score_replaces_kl(scores, logp, ref_logp, mask, kl_coef, kl):
    found = -kl_coef * kl(logp, ref_logp) * mask
    return found.index_put((torch.arange(len(mask)), mask.sum(1).long() - 1), scores)


def advantages(change):
    def gae(rewards, values, mask, gamma=1.0, lam=0.95):
        return change(rewards, values, mask, gamma, lam)

    return {"gae": gae}


def recursion(following=lambda v: v, decay=lambda gamma, lam: gamma * lam, padding=0.0):
    """GAE with a wrong next value or decay, or with values left as they are on the padding."""
    def change(rewards, values, mask, gamma, lam):
        rewards, values = rewards * mask, values * (mask if padding == 0 else 1)
        found, later, next_value = torch.zeros_like(values), 0.0, torch.zeros_like(values[:, 0])
        for t in reversed(range(values.size(1))):
            delta = rewards[:, t] + gamma * following(next_value) - values[:, t]
            found[:, t] = later = (delta + decay(gamma, lam) * later) * mask[:, t]
            next_value = values[:, t]
        return found, (found + values) * mask

    return advantages(change)


def later(advantages, returns):
    """Everything one position to the left."""
    return advantages.roll(-1, 1), returns.roll(-1, 1)


def whitening(change):
    return {"masked_whiten": change}


def policy(change):
    def ppo_policy_loss(logp, old_logp, advantages, mask, cliprange=0.2):
        return change(logp, old_logp, advantages, mask, cliprange)

    return {"ppo_policy_loss": ppo_policy_loss}


def clipped(change):
    """The loss of each token from ratio * A and clipped ratio * A."""
    def token_loss(logp, old_logp, advantages, low=0.2, high=0.2):
        ratio = (logp - old_logp).exp()
        return -change(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)

    return {"clipped_policy_loss": token_loss}


def critic(change):
    def ppo_value_loss(values, old_values, returns, mask, cliprange_value=0.2):
        return change(values, old_values, returns, mask, cliprange_value)

    return {"ppo_value_loss": ppo_value_loss}


def squares(change, low=1.0, high=1.0):
    """The value loss from its two squares, with a clip that may differ below and above."""
    def value_loss(values, old, returns, mask, clip):
        near = old + (values - old).clamp(-clip * low, clip * high)
        worst = change((values - returns).square(), (near - returns).square())
        return OK.masked_mean(worst, mask) / 2

    return critic(value_loss)


def explained(change):
    """1 - change(errors, returns, values) over real tokens."""
    def explained_variance(values, returns, mask):
        r, v = returns[mask.bool()], values[mask.bool()]
        return float(1 - change(r - v, r, v)) if r.var() > 0 else float("nan")

    return {"explained_variance": explained_variance}


ones = torch.ones_like
PPO = {
    # rewards
    "kl flipped": (rewards(lambda s, p, r, m, c, kl: OK.token_rewards(s, r, p, m, c, kl)),
                   "rewards, chain by hand, policy gradient, golden"),
    "kl rewarded": (rewards(lambda s, p, r, m, c, kl: OK.token_rewards(s, p, r, m, -c, kl)),
                    "rewards, chain by hand, policy gradient, golden"),
    "kl forgotten": (rewards(lambda s, p, r, m, c, kl: OK.token_rewards(s, p, r, m, 0.0, kl)),
                     "rewards, chain by hand, policy gradient, golden"),
    "kl on padding": (rewards(lambda s, p, r, m, c, kl: -c * kl(p, r) * (1 - m)
                              + OK.token_rewards(s, p, r, m, c, kl)), "rewards, chain by hand"),
    "always k1": (rewards(lambda s, p, r, m, c, kl: OK.token_rewards(s, p, r, m, c)),
                  "rewards, golden"),
    "score one token early": (score_at(lambda last, width: (last - 1).clamp(min=0)),
                              "rewards, chain by hand, policy gradient, golden"),
    "score one token late": (score_at(lambda last, width: (last + 1).clamp(max=width - 1)),
                             "rewards, chain by hand, policy gradient, golden"),
    "score in the last column": (score_at(lambda last, width: torch.tensor(width - 1)),
                                 "rewards, chain by hand, policy gradient, golden"),
    "score in the first column": (score_at(lambda last, width: torch.tensor(0)),
                                  "rewards, chain by hand, golden"),
    "score replaces the kl": (rewards(score_replaces_kl),
                              "rewards, chain by hand, policy gradient, golden"),
    "score on every token": (rewards(lambda s, p, r, m, c, kl: -c * kl(p, r) * m
                                     + s.unsqueeze(1) * m),
                             "rewards, chain by hand, policy gradient, golden"),
    "rewards all zeros": (rewards(lambda s, p, *_: p * 0), "rewards, policy gradient, golden"),
    # advantages
    "lambda and gamma swapped": (advantages(lambda r, v, m, g, lam: OK.gae(r, v, m, lam, g)),
                                 "gae by hand, gae by definition, gae at its limits, "
                                 "chain by hand, golden"),
    "mask forgotten in gae": (advantages(lambda r, v, m, *s: OK.gae(r, v, ones(m), *s)),
                              "gae by hand, gae by definition, policy gradient"),
    "next value from padding": (recursion(padding=None),
                                "gae by hand, gae by definition, gae at its limits, "
                                "chain by hand, policy gradient"),
    "no next value": (recursion(following=lambda v: 0.0),
                      "gae by hand, gae by definition, gae at its limits, policy gradient, golden"),
    "gamma forgotten in the decay": (recursion(decay=lambda g, lam: lam),
                                     "gae by hand, gae by definition, gae at its limits"),
    "lambda forgotten": (recursion(decay=lambda g, lam: g),
                         "gae by hand, gae by definition, gae at its limits, golden"),
    "returns without the values": (advantages(lambda *a: (OK.gae(*a)[0],) * 2),
                                   "gae by hand, gae by definition, chain by hand, golden"),
    "advantages without the values": (advantages(lambda *a: (OK.gae(*a)[1],) * 2),
                                      "gae by hand, gae at its limits, chain by hand, golden"),
    "advantages one token late": (advantages(lambda *a: later(*OK.gae(*a))),
                                  "gae by hand, gae by definition, policy gradient, golden"),
    "advantages all zeros": (advantages(lambda r, *_: (r * 0, r * 0)),
                             "gae by hand, gae at its limits, policy gradient, golden"),
    # whitening
    "whitening over padding": (whitening(lambda v, m: OK.masked_whiten(v, ones(m)) * m),
                               "whitening, chain by hand, golden"),
    "zeros counted in": (whitening(lambda v, m: OK.masked_whiten(v * m, ones(m)) * m),
                         "whitening, chain by hand, golden"),
    "padding not zeroed": (whitening(lambda v, m: (v - OK.masked_mean(v, m)) / v[m > 0].std()),
                           "whitening, chain by hand, golden"),
    "biased variance": (whitening(lambda v, m: (v - OK.masked_mean(v, m)) * m
                                  / v[m > 0].std(correction=0)),
                        "whitening, chain by hand, golden"),
    "variance for deviation": (whitening(lambda v, m: (v - OK.masked_mean(v, m)) * m
                                         / v[m > 0].var()), "whitening, chain by hand, golden"),
    "mean not subtracted": (whitening(lambda v, m: v * m / v[m > 0].std()),
                            "whitening, chain by hand, golden"),
    "not whitened": (whitening(lambda v, m: v * m), "whitening, chain by hand, golden"),
    # policy loss
    "policy loss all zeros": (policy(lambda p, *_: p.sum() * 0),
                              "policy loss, chain by hand, policy gradient, golden"),
    "policy loss detached": (policy(lambda p, *a: OK.ppo_policy_loss(p, *a).detach()
                                    + 0 * p.sum()), "policy loss, policy gradient"),
    "policy loss negated": (policy(lambda *a: -OK.ppo_policy_loss(*a)),
                            "policy loss, chain by hand, policy gradient, golden"),
    "mask forgotten in the policy loss": (
        policy(lambda p, o, a, m, c: OK.ppo_policy_loss(p, o, a, ones(m), c)),
        "policy loss, chain by hand, policy gradient, golden"),
    "mean of the completions": (
        policy(lambda p, o, a, m, c: OK.masked_mean(
            OK.clipped_policy_loss(p, o, a, c, c), m, dim=1).mean()),
        "policy loss, chain by hand, golden"),
    "ratio turned round": (policy(lambda p, o, *a: OK.ppo_policy_loss(o, p, *a)),
                           "policy loss, chain by hand, policy gradient, golden"),
    "larger of the objectives": (clipped(torch.max), "policy loss, chain by hand, golden"),
    "clipped both ways": (clipped(lambda free, near: near), "policy loss"),
    "never clipped": (clipped(lambda free, near: free), "policy loss, chain by hand, golden"),
    # shared denominator
    "padding in the denominator": ({"masked_mean": lambda v, m, dim=None: (v * m).mean()},
                                   "whitening, policy loss, value loss, chain by hand, "
                                   "policy gradient, golden"),
    "sum for mean": ({"masked_mean": lambda v, m, dim=None: (v * m).sum()},
                     "policy loss, value loss, chain by hand, policy gradient, golden"),
    # value loss
    "value loss all zeros": (critic(lambda v, *_: v.sum() * 0),
                             "value loss, chain by hand, golden"),
    "value detached": (critic(lambda v, *a: OK.ppo_value_loss(v, *a).detach() + 0 * v.sum()),
                       "value loss"),
    "mask forgotten in the value loss": (
        critic(lambda v, o, r, m, c: OK.ppo_value_loss(v, o, r, ones(m), c)),
        "value loss, chain by hand, golden"),
    "half forgotten": (critic(lambda *a: 2 * OK.ppo_value_loss(*a)),
                       "value loss, chain by hand, golden"),
    "smaller of the squares": (squares(torch.min), "value loss, chain by hand, golden"),
    "clipped square only": (squares(lambda free, near: near), "value loss, golden"),
    "value never clipped": (squares(lambda free, near: free), "value loss, chain by hand, golden"),
    "clipped above only": (squares(torch.max, low=1e9), "value loss"),
    "clipped below only": (squares(torch.max, high=1e9), "value loss, chain by hand"),
    "clipped around the returns": (
        critic(lambda v, o, r, m, c: OK.ppo_value_loss(v, r, r, m, c)),
        "value loss, chain by hand, golden"),
    # explained variance
    "explained variance all zeros": ({"explained_variance": lambda *_: 0.0}, "explained variance"),
    "squares for variances": (explained(lambda e, r, v: e.square().mean() / r.square().mean()),
                              "explained variance"),
    "variance of the values": (explained(lambda e, r, v: e.var() / v.var()), "explained variance"),
    "explained share not subtracted": (explained(lambda e, r, v: 1 - e.var() / r.var()),
                                       "explained variance"),
    "mask forgotten in the variance": (
        {"explained_variance": lambda v, r, m: OK.explained_variance(v, r, ones(m))},
        "explained variance"),
    "equal returns called unexplained": (
        {"explained_variance": lambda v, r, m: OK.explained_variance(v, r, m)
         if r[m > 0].var() > 0 else 0.0}, "explained variance"),
    "equal only where the variance is 0": (
        {"explained_variance": lambda v, r, m: OK.explained_variance(v, r, m)
         if r[m > 0].var() == 0 else float(1 - (r - v)[m > 0].var() / r[m > 0].var())},
        "explained variance"),
}  # fmt: skip
