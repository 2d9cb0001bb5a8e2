"""Known mistakes in the family of policy gradients, each with the checks that must catch it.

A mutant replaces functions of helpers/losses; `OK` are the right ones.
"""

import torch

from tests.loss_checks import OK

FAR = 20.0


def log_ratios(change):
    """log_ratios replaced by `change(logp, old_logp, mask, sequence)`."""
    def replaced(logp, old_logp, mask, importance_sampling_level="token"):
        return change(logp, old_logp, mask, importance_sampling_level == "sequence")

    return {"log_ratios": replaced}


def sequence(change):
    """The ratio of a sequence from the logarithms of its tokens' ratios; a token's as it is."""
    return log_ratios(lambda p, o, m, whole: change((p - o) * m, m) if whole
                      else OK.log_ratios(p, o, m))


def level(name):
    return log_ratios(lambda p, o, m, whole: OK.log_ratios(p, o, m, name))


def cispo(change):
    """cispo_loss from its log-probabilities, plain ratios, advantages (B, 1) and cap."""
    def cispo_loss(logp, ratios, advantages, epsilon_high):
        return change(logp, ratios.exp(), advantages.unsqueeze(1), epsilon_high)

    return {"cispo_loss": cispo_loss}


def reinforce(change):
    return {"reinforce_loss": change}


def group(change):
    """group_advantages of all scales from centred rewards, rewards and scale."""
    def group_advantages(rewards, scale="group", eps=1e-4):
        centred = rewards - rewards.nanmean(1, keepdim=True)
        return change(centred, rewards, scale).nan_to_num(nan=0.0)

    return {"group_advantages": group_advantages}


def deviation(rewards, correction=1):
    known = (~rewards.isnan()).sum(1, keepdim=True)
    squares = (rewards - rewards.nanmean(1, keepdim=True)).square().nansum(1, keepdim=True)
    return (squares / (known - correction)).sqrt() + 1e-4


def divided(centred, rewards, scale, of_group=None, of_batch=None):
    of_batch = of_batch or (lambda r: r[~r.isnan()].std() + 1e-4)
    if scale in ("none", False):
        return centred
    return centred / (of_batch(rewards) if scale == "batch" else
                      (of_group or deviation)(rewards))


def weights(change):
    def token_weights(mask, loss_type="dapo", *more):
        return change(mask, loss_type, *more)

    return {"token_weights": token_weights}


def clipped(low=lambda ratio, push, e: (ratio < 1 - e) & (push < 0),
            high=lambda ratio, push, e: (ratio > 1 + e) & (push > 0),
            cap=lambda ratio, push, e: (ratio > e) & (push > 0)):
    """clipped_tokens with another idea of one of its three answers."""
    def clipped_tokens(ratios, advantages, loss_type="grpo", epsilon_low=0.2, epsilon_high=0.2):
        ratio, push = ratios.exp(), advantages.unsqueeze(1)
        if loss_type == "cispo":
            return {"cispo_clip_ratio": cap(ratio, push, epsilon_high)}
        return {"clip_ratio/low_mean": low(ratio, push, epsilon_low),
                "clip_ratio/high_mean": high(ratio, push, epsilon_high)}

    return {"clipped_tokens": clipped_tokens}


def unbounded_clip(logp, old, advantages, low=0.2, high=0.2):
    ratio = (logp - old).exp()
    advantages = advantages.unsqueeze(1) if advantages.dim() == 1 else advantages
    return -torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


ENUMERATED = "reinforce by enumeration, rloo by enumeration"
POLICY_GRADIENTS = {
    # REINFORCE
    "loss all zeros": (reinforce(lambda p, a, m: p.sum() * 0), f"reinforce by hand, {ENUMERATED}"),
    "loss negated": (reinforce(lambda *a: -OK.reinforce_loss(*a)),
                     f"reinforce by hand, {ENUMERATED}"),
    "loss detached": (reinforce(lambda p, *a: OK.reinforce_loss(p, *a).detach() + 0 * p.sum()),
                      ENUMERATED),
    "mean within completions": (
        reinforce(lambda p, a, m: -(a * (p * m).sum(1) / m.sum(1)).mean()),
        f"reinforce by hand, {ENUMERATED}"),
    "padding counted": (reinforce(lambda p, a, m: -(a * p.sum(1)).mean()),
                        f"reinforce by hand, {ENUMERATED}"),
    "sum over completions": (reinforce(lambda p, a, m: -(a * (p * m).sum(1)).sum()),
                             "reinforce by hand, rloo by enumeration"),
    "probability for its logarithm": (
        reinforce(lambda p, a, m: -(a * (p * m).sum(1).exp()).mean()),
        f"reinforce by hand, {ENUMERATED}"),
    "baseline added": ({"reinforce_advantages": lambda r, b=0.0: (r + b).nan_to_num(nan=0.0)},
                       "reinforce by hand"),
    "baseline forgotten": ({"reinforce_advantages": lambda r, b=0.0: r.nan_to_num(nan=0.0)},
                           "reinforce by hand"),
    "baseline times the reward": (
        {"reinforce_advantages": lambda r, b=0.0: (r - b * r).nan_to_num(nan=0.0)},
        "reinforce by hand, reinforce by enumeration"),
    "no reward paid the baseline": (
        {"reinforce_advantages": lambda r, b=0.0: r.nan_to_num(nan=0.0) - b}, "reinforce by hand"),
    # RLOO
    "own reward in the baseline": (
        {"rloo_advantages": lambda r: (r - r.nanmean(1, keepdim=True)).nan_to_num(nan=0.0)},
        "rloo by hand, rloo by enumeration, rloo trainer"),
    "mean over all prompts": (
        {"rloo_advantages": lambda r: (r - r.nanmean()).nan_to_num(nan=0.0)},
        "rloo by hand, rloo trainer"),
    "the best other for the mean": (
        {"rloo_advantages": lambda r: r - torch.stack(
            [r[:, [j for j in range(r.size(1)) if j != i]].amax(1) for i in range(r.size(1))], 1)},
        "rloo by hand, rloo trainer"),
    "no reward counted as 0": (
        {"rloo_advantages": lambda r: OK.rloo_advantages(r.nan_to_num(nan=0.0))},
        "rloo by hand, rloo trainer"),
    "divided by G": ({"rloo_advantages": lambda r: (
        (r - r.nanmean(1, keepdim=True)) * r.size(1) / (r.size(1) - 1)).nan_to_num(nan=0.0)},
        "rloo by hand, rloo trainer"),
    # GRPO's advantages
    "group for batch": (group(lambda c, r, s: divided(c, r, "group" if s == "batch" else s)),
                        "scales by hand, trl grid"),
    "batch for group": (group(lambda c, r, s: divided(c, r, "batch" if s == "group" else s)),
                        "scales by hand, trl grid"),
    "always divided": (group(lambda c, r, s: divided(c, r, "group")), "scales by hand, trl grid"),
    "deviation with G": (group(lambda c, r, s: divided(c, r, s, lambda q: deviation(q, 0))),
                         "scales by hand, trl grid"),
    "deviation of all groups' own means": (
        group(lambda c, r, s: divided(c, r, s, None, lambda q: c[~c.isnan()].std() + 1e-4)),
        "scales by hand, trl grid"),
    "variance for deviation": (
        group(lambda c, r, s: divided(c, r, s, lambda q: deviation(q).square())),
        "scales by hand, trl grid"),
    "equal rewards left to rounding": (group(divided), "equal rewards"),
    # Which groups teach
    "all groups teach": ({"unequal": lambda r: torch.ones(len(r)).bool()}, "equal rewards"),
    "no group teaches": ({"unequal": lambda r: torch.zeros(len(r)).bool()}, "equal rewards"),
    "the first two compared": ({"unequal": lambda r: r[:, 0] != r[:, 1]}, "equal rewards"),
    "no reward differs": ({"unequal": lambda r: OK.unequal(r.nan_to_num(nan=0.0))},
                          "equal rewards"),
    # Ratios
    "sum for mean": (sequence(lambda d, m: d.sum(1, keepdim=True)),
                     "gspo by hand, gspo by enumeration, trl grid"),
    "padding in the length": (sequence(lambda d, m: d.mean(1, keepdim=True)),
                              "gspo by hand, gspo by enumeration, trl grid"),
    "arithmetic mean of the ratios": (
        sequence(lambda d, m: ((d.exp() * m).sum(1, keepdim=True)
                               / m.sum(1, keepdim=True).clamp(min=1)).clamp(min=1e-9).log()),
        "gspo by hand"),
    "mean of the batch": (sequence(lambda d, m: (d.sum() / m.sum()).expand(len(m), 1)),
                          "gspo by hand, trl grid"),
    "always a token's": (level("token"), "gspo by hand, trl grid"),
    "always a sequence's": (level("sequence"), "trl grid, cispo by hand"),
    "policy and writer swapped": (
        log_ratios(lambda p, o, m, whole: OK.log_ratios(o, p, m, "sequence" if whole else "token")),
        "gspo by hand, gspo by enumeration, cispo by hand, trl grid"),
    "ratio detached": (
        log_ratios(lambda p, o, m, whole: OK.log_ratios(
            p, o, m, "sequence" if whole else "token").detach() + 0 * (p * m).sum()),
        "gspo by hand, gspo by enumeration, trl grid"),
    "padding in the ratio": (
        log_ratios(lambda p, o, m, whole: ((p - o) * m).sum(1, keepdim=True).div(
            m.sum(1, keepdim=True).clamp(min=1)) if whole else p - o), "padding of any value"),
    "ratio without bounds": (log_ratios(lambda p, o, m, whole: OK.on_real(p, m) - OK.on_real(o, m))
                             | {"clipped_policy_loss": unbounded_clip}, "far ratios"),
    # CISPO
    "ratio with gradient": (cispo(lambda p, r, a, cap: -r.clamp(max=cap) * a * p),
                            "cispo by hand, cispo by enumeration, trl grid"),
    "cap above 1": (cispo(lambda p, r, a, cap: -r.detach().clamp(max=1 + cap) * a * p),
                    "cispo by hand, trl grid"),
    "no cap": (cispo(lambda p, r, a, cap: -r.detach() * a * p), "cispo by hand, trl grid"),
    "clipped below": (cispo(lambda p, r, a, cap: -r.detach().clamp(0.8, cap) * a * p),
                      "cispo by hand, trl grid"),
    "ratio forgotten": (cispo(lambda p, r, a, cap: -a * p), "cispo by hand, trl grid"),
    "log-probability forgotten": (cispo(lambda p, r, a, cap: -r.clamp(max=cap) * a),
                                  "cispo by hand, trl grid"),
    "probability for logarithm": (
        cispo(lambda p, r, a, cap: -r.detach().clamp(max=cap) * a * p.exp()),
        "cispo by hand, cispo by enumeration, trl grid"),
    "reward pushed down": (cispo(lambda p, r, a, cap: r.detach().clamp(max=cap) * a * p),
                           "cispo by hand, cispo by enumeration, trl grid"),
    "cispo clipped as ppo": (
        {"policy_token_loss": lambda p, r, a, kind="grpo", low=0.2, high=0.2:
         OK.clipped_policy_loss(r, 0 * r, a, low, high)}, "cispo by hand, trl grid"),
    "all as cispo": (
        {"policy_token_loss": lambda p, r, a, kind="grpo", low=0.2, high=0.2:
         OK.cispo_loss(p, r, a, 1 + high)}, "gspo by hand, trl grid"),
    "cispo averaged as grpo": (
        weights(lambda m, kind, *more: OK.token_weights(m, "grpo" if kind == "cispo" else kind,
                                                        *more)),
        "cispo by hand, cispo by enumeration, trl grid"),
    "total of the step forgotten": (
        weights(lambda m, kind, limit=None, total=None: OK.token_weights(m, kind, limit)),
        "cispo by enumeration"),
    # What is clipped
    "every low ratio": (clipped(low=lambda r, a, e: r < 1 - e), "clipped tokens"),
    "every high ratio": (clipped(high=lambda r, a, e: r > 1 + e), "clipped tokens"),
    "every capped ratio": (clipped(cap=lambda r, a, e: r > e), "clipped tokens"),
    "cap of ppo": (clipped(cap=lambda r, a, e: (r > 1 + e) & (a > 0)), "clipped tokens"),
    "advantages turned round": (clipped(low=lambda r, a, e: (r < 1 - e) & (a > 0)),
                                "clipped tokens"),
    # The ends of the numbers
    "k3 by a difference": ({"kl_k3": lambda p, q: (q - p).exp() - 1 - (q - p)},
                           "k3 at its ends, far ratios"),
    "k3 without bound": ({"kl_k3": lambda p, q: torch.expm1(q - p) - (q - p)},
                         "k3 at its ends, far ratios"),
    "k3 with r turned round": ({"kl_k3": lambda p, q: OK.kl_k3(q, p)}, "trl grid"),
    "times the mask": ({"on_real": lambda v, m: v * m}, "padding of any value"),
    "padding left as it is": ({"on_real": lambda v, m: v}, "padding of any value"),
    # What does not go together
    "nothing refused": ({"check_settings": lambda *_: None}, "what trl calls invalid"),
    "warned of in silence": ({"check_settings": lambda kind, *_: OK.check_settings(
        kind, "token", 5.0)}, "what trl calls invalid"),
}  # fmt: skip
