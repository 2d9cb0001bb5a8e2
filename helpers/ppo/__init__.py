"""PPO with four roles on one base: policy, value, reference and reward as LoRA adapters."""

from helpers.ppo.bank import AdapterBank, AdapterError
from helpers.ppo.collect import Collector, PPOError
from helpers.ppo.config import PPOConfig
from helpers.ppo.rollout import Rollout
from helpers.ppo.trainer import PPOTrainer

__all__ = ["AdapterBank", "AdapterError", "Collector", "PPOConfig", "PPOError",
           "PPOTrainer", "Rollout"]
