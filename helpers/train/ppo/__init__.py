"""PPO with four roles on one base: policy, value, reference and reward as LoRA adapters."""

from helpers.train.ppo.bank import AdapterBank, AdapterError
from helpers.train.ppo.collect import Collector, PPOError
from helpers.train.ppo.config import PPOConfig
from helpers.train.ppo.rollout import Rollout
from helpers.train.ppo.trainer import PPOTrainer

__all__ = ["AdapterBank", "AdapterError", "Collector", "PPOConfig", "PPOError",
           "PPOTrainer", "Rollout"]
