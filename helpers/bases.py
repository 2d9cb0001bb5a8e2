"""Frozen weights that the models of a process have in common, where they are read from the same
files: in memory once, however many models a notebook makes of them.

A notebook samples from a model, trains an adapter on it, has it as the reference and as the base of
a judge. Each of these is a model of its own: its modules, flags, hooks and adapters are nobody
else's. Only the numbers of the frozen weights are the same memory. What would change them for good
must `own` them first.
"""

import copy
import weakref
from collections.abc import Callable, Hashable
from pathlib import Path

import torch
from torch import nn

MARK = "_read"  # where a model keeps alive what its weights were read into


class Read:
    """A model as it was read. It is given to nobody, and lives as long as a model made of it."""

    def __init__(self, model: nn.Module):
        self.model = model

    def __deepcopy__(self, memo: dict) -> "Read":
        return self


_READ: dict[Hashable, weakref.ref[Read]] = {}


def shared(key: Hashable, read: Callable[[], nn.Module]) -> nn.Module:
    """A model of its own with the weights of what `read` reads, frozen; read only where no model
    with this key is alive."""
    found = _find(key)
    if found is None:
        found = Read(read().requires_grad_(False))
        _READ[key] = weakref.ref(found)
    return _twin(found)


def joined(model: nn.Module, key: Hashable) -> nn.Module:
    """`model`, read from the same files as those of `key` but with another head: what it has in
    common with them, if they are alive, becomes their memory. Frozen, but for what it has alone."""
    found = _find(key)
    if found is None:
        return model
    modules = dict(found.model.named_modules())
    for name, module in model.named_modules():
        for weight, mine in module._parameters.items():
            theirs = getattr(modules.get(name), "_parameters", {}).get(weight)
            if mine is not None and theirs is not None and _alike(mine, theirs):
                module._parameters[weight] = _again(theirs)
    setattr(model, MARK, found)
    return model


def alive(key: Hashable) -> bool:
    """Whether a model with this key would share weights that are there."""
    return _find(key) is not None


def own(model: nn.Module) -> nn.Module:
    """The same model with weights that no other model has, so that they may be changed."""
    for module in model.modules():
        found = vars(module).pop(MARK, None)
        if found is None:
            continue
        others, found = weakref.ref(found), None
        if others() is not None:
            for weight in module.parameters():
                weight.data = weight.data.clone()
    return model


def files(name: str) -> tuple:
    """What tells whether a model's files are still the same: of a folder names, sizes and times."""
    if not (folder := Path(name)).is_dir():
        return (name,)
    found = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
    return (name, *((one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in found))


def _find(key: Hashable) -> Read | None:
    return _READ[key]() if key in _READ else None


def _twin(found: Read) -> nn.Module:
    """A copy of everything but the numbers of the weights."""
    memo: dict[int, object] = {id(one): _again(one) for one in found.model.parameters()}
    for module in found.model.modules():  # of 4-bit layers: the scales, which belong to the weights
        if (state := getattr(module, "quant_state", None)) is not None:
            memo[id(state)] = state
    twin = copy.deepcopy(found.model, memo)
    setattr(twin, MARK, found)
    return twin


def _again(weight: nn.Parameter) -> nn.Parameter:
    """A parameter of its own with the same numbers; a packed one, which never changes, itself."""
    if type(weight) is nn.Parameter:
        return nn.Parameter(weight.data, requires_grad=False)
    return weight


def _alike(one: nn.Parameter, other: nn.Parameter) -> bool:
    return (type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
            and torch.equal(one.data, other.data))
