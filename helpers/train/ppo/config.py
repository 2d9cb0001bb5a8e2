"""The settings of PPO: a TrainingArguments with the names that TRL's PPOConfig had."""

from dataclasses import dataclass

from transformers import TrainingArguments


@dataclass
class PPOConfig(TrainingArguments):
    """Lengths in tokens, batches in completions of one process, `max_steps` in rollouts.

    A rollout of `prompts_per_step` completions is split into minibatches of `minibatch_size`, one
    optimiser step each, `num_ppo_epochs` times over. They are dealt in micro-batches of
    `micro_batch_size` completions of like length, which are read one after the other;
    `rows_at_once` reads more or fewer in one pass, and the minibatches stay the same.
    """

    prompts_per_step: int = 64
    num_ppo_epochs: int = 2
    minibatch_size: int = 32
    micro_batch_size: int = 8
    rows_at_once: int | None = None  # a divisor of minibatch_size; None: a micro-batch
    value_learning_rate: float = 1e-4
    value_warmup_steps: int = 0  # first steps, in which only the critic learns
    max_prompt_length: int = 512
    max_completion_length: int = 256
    temperature: float = 1.0  # of sampling and of every log-probability
    top_p: float = 1.0
    reward_model_weight: float = 1.0
    missing_eos_penalty: float = 0.0  # taken off the score of a completion that was cut off
    kl_coef: float = 0.05
    kl_estimator: str = "k1"
    target_kl: float | None = None  # nats a completion; kl_coef then adapts
    gamma: float = 1.0
    lam: float = 0.95
    cliprange: float = 0.2
    cliprange_value: float = 0.2
    generation_batch_size: int | None = 256  # None: what a GPU has room for

    def __post_init__(self):
        super().__post_init__()
        for small, large in [("minibatch_size", "prompts_per_step"),
                             ("micro_batch_size", "minibatch_size")]:
            if getattr(self, large) % getattr(self, small):
                raise ValueError(f"{large} is {getattr(self, large)}; it must be a multiple of "
                                 f"{small}, which is {getattr(self, small)}")
        if self.rows_at_once and self.minibatch_size % self.rows_at_once:
            raise ValueError(f"rows_at_once is {self.rows_at_once}; minibatch_size, which is "
                             f"{self.minibatch_size}, must be a multiple of it")
        if self.kl_estimator not in ("k1", "k3"):
            raise ValueError(f"kl_estimator is {self.kl_estimator!r}; there are 'k1' and 'k3'")
        if self.max_steps < 1:
            raise ValueError("max_steps: PPO counts in rollouts, give their number")
