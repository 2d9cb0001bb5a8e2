"""Four roles on one base: policy, value, reference and reward, told apart by their adapters.

PPO needs four models. All of them are the same frozen base here, each with a LoRA adapter of its
own (Hu et al. 2021, arXiv:2106.09685); value and reward also have a linear head that turns a hidden
state into one number. One base in memory instead of four, at the price of switching.

Two things go wrong in silence when adapters are switched, and both give a policy that never learns:
switching makes one adapter trainable and freezes all others, and a backward pass with gradient
checkpointing computes its forward pass again, with whatever adapter is active *then*. So `role`
sets every flag itself, and each branch must run its backward pass before the next switch.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import load_peft_weights
from torch import Tensor, nn

from helpers import losses, models
from helpers.files import remove

ROLES = ("policy", "value", "reference", "reward")
TRAINED = ("policy", "value")


class AdapterError(RuntimeError):
    """An adapter that does not fit: one line with which one, why, and what to do."""


class AdapterBank(nn.Module):
    """One causal language model with an adapter for each role; `with bank.role("value"): …`.

    base: the frozen model everything sits on. policy: a LoraConfig for a fresh adapter, or the
    folder of one to go on from; then the reference is a frozen copy of it, else the bare base.
    reward: the folder of a reward model's adapter, trained on this base; None leaves that role out.
    The value adapter starts as a copy of the reward's (of a fresh policy without one), head
    included: it then knows right from wrong before its first step.
    """

    def __init__(self, base: nn.Module, policy: LoraConfig | str | Path,
                 reward: str | Path | None = None, gradient_checkpointing: bool = False):
        super().__init__()
        fresh = isinstance(policy, LoraConfig)
        config = policy if fresh else _adapter_config(policy, base)
        self.base_name = base.name_or_path
        self.model: PeftModel = get_peft_model(base, config, adapter_name="policy")
        if not fresh:
            self._load(policy, "policy")
            self._add("reference", config)
            self._load(policy, "reference")
        reward_config = _adapter_config(reward, base) if reward else None
        self._add("value", reward_config or config)
        self.heads = nn.ModuleDict({"value": _head(base)})
        if reward:
            self._add("reward", reward_config)
            self.heads["reward"] = _head(base)
            for role in ("reward", "value"):
                score = self._load(reward, role)
                if score is None:
                    raise AdapterError(f"{reward}: this adapter has no score.weight, so it is no "
                                       f"reward model. Train one with notebook 04.")
                self.heads[role].weight.data.copy_(score)
        self.has_reference_adapter = not fresh
        if gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
            base.config.use_cache = False
        self._flags()
        self.eval()  # no dropout: a log-probability must be the same when it is computed again

    @property
    def roles(self) -> tuple[str, ...]:
        return ROLES if "reward" in self.heads else ROLES[:3]

    @contextmanager
    def role(self, name: str) -> Iterator["AdapterBank"]:
        """Everything inside runs with this role's adapter; the policy's is active again after."""
        if name not in self.roles:
            raise AdapterError(f"role {name!r} does not exist; there are {', '.join(self.roles)}")
        try:
            if name == "reference" and not self.has_reference_adapter:
                with self.model.disable_adapter():
                    self._flags()
                    yield self
            else:
                self.model.set_adapter(name)
                self._flags()
                yield self
        finally:
            self.model.set_adapter("policy")
            self._flags()

    def _flags(self) -> None:
        """Policy, value and its head are trained whatever is active; nothing else ever is."""
        for name, weight in self.named_parameters():
            weight.requires_grad_(_owner(name) in TRAINED)

    def parameters_of(self, role: str) -> list[nn.Parameter]:
        """The weights of a role, its head included; "base": all that belongs to no role."""
        return [weight for name, weight in self.named_parameters() if _owner(name) == role]

    def trained(self) -> dict[str, Tensor]:
        """The weights that training changes, by name: what a checkpoint has to keep."""
        return {name: weight.data for name, weight in self.named_parameters()
                if weight.requires_grad}

    def hidden(self, ids: Tensor, places: Tensor) -> Tensor:
        """Last hidden states (B, P, H) of the active role at `places` (B, P) of ids (B, L).

        Rows are padded on the right: no real token ever looks at padding, so no mask is needed.
        """
        base = self.model.get_base_model()
        states = getattr(base, base.base_model_prefix)(input_ids=ids, use_cache=False)[0]
        return states.gather(1, places.unsqueeze(-1).expand(-1, -1, states.size(-1)))

    def logprobs(self, ids: Tensor, places: Tensor, targets: Tensor, temperature: float = 1.0
                 ) -> tuple[Tensor, Tensor]:
        """Log-probability of each target under the active role, and entropy (no gradient), (B, T).

        targets (B, T) are the tokens that follow `places` (B, T) of ids (B, L).
        """
        head = self.model.get_base_model().get_output_embeddings()
        logits = head(self.hidden(ids, places)).float() / temperature
        with torch.no_grad():
            entropy = losses.entropy(logits)
        return losses.token_logprobs(logits, targets), entropy

    def numbers(self, role: str, ids: Tensor, places: Tensor) -> Tensor:
        """What the role's head says at `places`, (B, P): forecasts of value, scores of reward."""
        return self.heads[role](self.hidden(ids, places).float()).squeeze(-1)

    @contextmanager
    def merged(self) -> Iterator[nn.Module]:
        """The policy for sampling: merged, its weights restored afterwards; a 4-bit base as is."""
        with self.role("policy"):
            if getattr(self.model.get_base_model(), "is_loaded_in_4bit", False):
                yield self.model
            else:
                with models.merged_copy(self.model):
                    yield self.model

    def save(self, role: str, folder: str | Path) -> None:
        """A role's adapter as a peft folder of its own."""
        folder, partial = Path(folder), Path(f"{folder}.partial")
        remove(partial)
        self.model.save_pretrained(partial, selected_adapters=[role])
        remove(folder)
        os.replace(partial / role, folder)
        remove(partial)

    def digest(self, role: str) -> str:
        """sha256 of a role's weights ("base": of the shared ones): equal bytes, equal digest."""
        total = hashlib.sha256()
        for weight in self.parameters_of(role):
            total.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return total.hexdigest()

    def _add(self, role: str, config: LoraConfig) -> None:
        self.model.add_adapter(role, config)

    def _load(self, folder: str | Path, role: str) -> Tensor | None:
        """Fill a role's adapter from a folder; returns its score head, if it has one."""
        state = load_peft_weights(str(folder), device="cpu")
        score = next((state.pop(key) for key in list(state) if ".score." in key), None)
        result = set_peft_model_state_dict(self.model, state, adapter_name=role)
        missing = [key for key in result.missing_keys if f".{role}." in key]
        if missing or result.unexpected_keys:
            raise AdapterError(f"{folder}: this adapter is of another base: "
                               f"{(missing or result.unexpected_keys)[0]} does not fit.")
        return score


def _owner(name: str) -> str:
    """Which role a parameter belongs to, by its name."""
    parts = name.split(".")
    return next((part for part in parts if part in ROLES), "base")


def _head(base: nn.Module) -> nn.Linear:
    """A linear head that says 0 of everything, until it is loaded or trained."""
    head = nn.Linear(base.config.hidden_size, 1, bias=False, device=base.device)
    nn.init.zeros_(head.weight)
    return head


def _adapter_config(folder: str | Path, base: nn.Module) -> LoraConfig:
    """The configuration of a saved adapter, as one of a causal language model without a head."""
    try:
        config = LoraConfig.from_pretrained(str(folder))
    except (ValueError, OSError) as error:
        raise AdapterError(f"{folder}: no adapter there. Make it with the notebook that trains "
                           f"it.") from error
    made_on = config.base_model_name_or_path
    if made_on and base.name_or_path and Path(made_on) != Path(base.name_or_path):
        raise AdapterError(f"{folder}: this adapter was trained on {made_on}, but the base is "
                           f"{base.name_or_path}. Train it again on this base.")
    config.task_type, config.modules_to_save, config.inference_mode = "CAUSAL_LM", None, False
    return config
