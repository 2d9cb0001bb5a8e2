"""Four roles on one base: policy, value, reference and reward, told apart by their adapters.

PPO needs four models. All of them are the same frozen base here, each with a LoRA adapter of its
own (Hu et al. 2021, arXiv:2106.09685); value, and some reward models, also have a linear head that
turns a hidden state into one number. One base in memory instead of four, at the price of switching.

Two things go wrong in silence when adapters are switched, and both give a policy that never learns:
switching makes one adapter trainable and freezes all others, and a backward pass with gradient
checkpointing computes its forward pass again, with whatever adapter is active *then*. So `role`
sets every flag itself, and each branch must run its backward pass before the next switch.
`learning` is both at once: a role, and checkpointing, which belongs to learning alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from helpers.merging import merged_where_exact
from helpers.train import adapters
from helpers.train.adapters import Adapter, AdapterError, causal, new_head, read_adapter
from helpers.train.rows import hidden_states, logprobs

ROLES = ("policy", "value", "reference", "reward")
TRAINED = ("policy", "value")


class AdapterBank(nn.Module):
    """One causal language model with an adapter for each role; `with bank.role("value"): …`.

    base: the frozen model everything sits on. policy: a LoraConfig for a fresh adapter, or the
    folder of one to go on from; then the reference is a frozen copy of it, else the bare base.
    reward: the folder of a reward model's adapter, trained on this base; None leaves that role out.
    The value adapter starts as a copy of the reward's (fresh without one), and so does its head;
    where the reward model has no head, that of the value is new and says 0.
    """

    def __init__(self, base: nn.Module, policy: LoraConfig | str | Path,
                 reward: str | Path | None = None, gradient_checkpointing: bool = False):
        super().__init__()
        start = None if isinstance(policy, LoraConfig) else read_adapter(policy, base)
        judge = read_adapter(reward, base) if reward else None
        self.model: PeftModel = get_peft_model(
            base, causal(start.config if start else policy), adapter_name="policy")
        self.has_reference_adapter = start is not None
        self.roles = ROLES if judge else ROLES[:3]
        self.heads = nn.ModuleDict({"value": new_head(base)})
        if start:
            start.onto(self.model, "policy")
            self._add("reference", start)
        if judge:
            self._add("reward", judge)
            self._add("value", judge)
        else:
            self.model.add_adapter("value", causal(start.config if start else policy))
        if gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
        self._flags()
        self.eval()  # no dropout: a log-probability must be the same when it is computed again

    def _add(self, role: str, adapter: Adapter) -> None:
        """A role with a copy of an adapter, and of its head, if it has one."""
        self.model.add_adapter(role, causal(adapter.config))
        adapter.onto(self.model, role)
        if adapter.score is not None:
            self.heads[role] = new_head(self.model.get_base_model())
            self.heads[role].weight.data.copy_(adapter.score)

    @contextmanager
    def role(self, name: str) -> Iterator["AdapterBank"]:
        """Everything inside runs with this role's adapter; the policy's is active again after."""
        if name not in self.roles:
            raise AdapterError(f"role {name!r} does not exist; there are {', '.join(self.roles)}")
        bare = name == "reference" and not self.has_reference_adapter
        try:
            self.model.set_adapter("policy" if bare else name)
            with self.model.disable_adapter() if bare else nullcontext():
                self._flags()
                yield self
        finally:
            self.model.set_adapter("policy")
            self._flags()

    @contextmanager
    def writing(self) -> Iterator[PeftModel]:
        """The model to sample from: the policy's, on a processor with its adapter merged."""
        with self.role("policy"), merged_where_exact(self.model) as model:
            yield model

    @contextmanager
    def learning(self, name: str) -> Iterator["AdapterBank"]:
        """`role`, for a pass that goes backward: with checkpointing, if the bank was made with it.

        transformers checkpoints in training mode only, which would also switch dropout on and take
        its cache from sampling. So the layers alone are told that they train, not what is in them,
        and only here."""
        layers = [one for one in self.modules() if isinstance(one, GradientCheckpointingLayer)]
        with self.role(name):
            try:
                for layer in layers:
                    layer.training = True
                yield self
            finally:
                for layer in layers:
                    layer.training = False

    def _flags(self) -> None:
        """Policy, value and its head are trained whatever is active; nothing else ever is."""
        for name, weight in self.named_parameters():
            weight.requires_grad_(_owner(name) in TRAINED)

    def parameters_of(self, role: str) -> list[nn.Parameter]:
        """The weights of a role, its head included; "base": all that belongs to no role."""
        return [weight for name, weight in self.named_parameters() if _owner(name) == role]

    def trained(self) -> dict[str, Tensor]:
        """The weights that training changes, by name: what a checkpoint has to keep."""
        return {name: one.data for name, one in self.named_parameters() if one.requires_grad}

    def logprobs(self, ids: Tensor, places: Tensor, targets: Tensor, *how) -> list[Tensor]:
        """Of each target under the active role; see helpers.train.rows.logprobs for `how`."""
        return logprobs(self.model.get_base_model(), ids, places, targets, *how)

    def numbers(self, role: str, ids: Tensor, places: Tensor) -> Tensor:
        """What the role's head says at `places`, (B, P), in float32: forecasts of value, scores of
        reward."""
        states = hidden_states(self.model.get_base_model(), ids, places)
        return self.heads[role](states).squeeze(-1)

    def digest(self, role: str) -> str:
        """sha256 of a role's weights ("base": of the shared ones)."""
        return adapters.digest(self.parameters_of(role))


def _owner(name: str) -> str:
    """Which role a parameter belongs to, by its name."""
    parts = name.split(".")
    return next((part for part in parts if part in ROLES), "base")
