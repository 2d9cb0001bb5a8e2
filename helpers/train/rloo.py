"""RLOO (Ahmadian et al. 2024, arXiv:2402.14740) on the page of GRPO, of which three lines differ.

An answer is compared with the *others* of its prompt, and nothing is divided by their deviation; a
batch is learned from once, so there is no ratio and no clip; and it is the whole answer that is
weighed, by the sum over its tokens, which is log p of it. From the paper departs: no KL term, as in
our GRPO (b. of `train.group`). Shapes: the legend in `helpers.losses`.
"""

from torch import Tensor

from helpers import losses
from helpers.train.group import GroupTrainer


class RLOOTrainer(GroupTrainer):
    """GRPO's trainer with RLOO's advantage and REINFORCE's loss. ValueError for arguments of
    GRPOConfig that ask for what RLOO has not: answers used again, or a KL term."""

    def __init__(self, model, args, *more, **named):
        if args.num_iterations != 1 or args.beta:
            raise ValueError(
                f"RLOO: num_iterations is {args.num_iterations} and beta {args.beta}; it learns "
                "once from each batch (1), without a KL term (0). For both take GRPO."
            )
        super().__init__(model, args, *more, **named)

    def advantages(self, rewards: Tensor) -> Tensor:
        """Reward minus the mean of the other answers' rewards: (P, G) of rewards (P, G)."""
        return losses.rloo_advantages(rewards)

    def token_loss(self, logp: Tensor, log_ratios: Tensor, advantages: Tensor) -> Tensor:
        """-A log p of each token, (b, t); every ratio is 1, for who wrote is who learns."""
        return -advantages.unsqueeze(1) * logp

    def token_weights(self, mask: Tensor, tokens: float) -> Tensor:
        """A sum over the tokens of an answer, a mean over answers: (B, T)."""
        return mask / len(mask)
