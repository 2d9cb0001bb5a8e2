"""The formulas of learning from preferences and from rewards, from scratch: functions of tensors.

The legend of shapes, for the whole library:

    B     prompts, one completion each; (B, G): G completions a prompt, a group
    T     tokens of a completion, padded on the right to the longest; `mask` is 1 on real ones
    V     words of the vocabulary
    b, t  the same of a micro-batch, a part of the B rows, cut to its own longest
    L     tokens of prompt and completion together
    P     places among these L that are looked at: T of them, or one a row
    H     width of the hidden states
    N     answers to a problem in an evaluation, where (problems, N) is a table of them

All logarithms are natural.

Sources: Bradley and Terry 1952, as in Ouyang et al. 2022, arXiv:2203.02155 (reward model); Rafailov
et al. 2023, arXiv:2305.18290 (DPO); Williams 1992 (REINFORCE); Schulman et al. 2016,
arXiv:1506.02438 (GAE); Schulman et al. 2017, arXiv:1707.06347 (PPO); Ahmadian et al. 2024,
arXiv:2402.14740 (RLOO); Shao et al. 2024, arXiv:2402.03300 (GRPO); Liu et al. 2025,
arXiv:2503.20783 (Dr. GRPO); Yu et al. 2025, arXiv:2503.14476 (DAPO); Zheng et al. 2025,
arXiv:2507.18071 (GSPO); MiniMax 2025, arXiv:2506.13585 (CISPO); Schulman 2020, "Approximating KL
divergence" (joschu.net/blog/kl-approx.html).
"""

from helpers.losses.advantages import (
    group_advantages,
    reinforce_advantages,
    rloo_advantages,
    unequal,
)
from helpers.losses.policy import (
    LOSS_TYPES,
    SAMPLING_LEVELS,
    check_settings,
    cispo_loss,
    clipped_policy_loss,
    clipped_tokens,
    grpo_loss,
    kl_k1,
    kl_k2,
    kl_k3,
    log_ratios,
    policy_token_loss,
    reinforce_loss,
    token_weights,
)
from helpers.losses.ppo import (
    explained_variance,
    gae,
    ppo_policy_loss,
    ppo_value_loss,
    token_rewards,
)
from helpers.losses.preferences import bradley_terry_loss, dpo_loss
from helpers.losses.tokens import entropy, masked_mean, masked_whiten, on_real, token_logprobs

__all__ = [
    "LOSS_TYPES", "SAMPLING_LEVELS", "bradley_terry_loss", "check_settings", "cispo_loss",
    "clipped_policy_loss", "clipped_tokens", "dpo_loss", "entropy", "explained_variance", "gae",
    "group_advantages", "grpo_loss", "kl_k1", "kl_k2", "kl_k3", "log_ratios", "masked_mean",
    "masked_whiten", "on_real", "policy_token_loss", "ppo_policy_loss", "ppo_value_loss",
    "reinforce_advantages", "reinforce_loss", "rloo_advantages", "token_logprobs",
    "token_rewards", "token_weights", "unequal",
]  # fmt: skip
