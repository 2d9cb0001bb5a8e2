"""How much memory a computation would take at its peak, counted on tensors that hold no numbers."""

import weakref

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Peak(TorchDispatchMode):
    """Bytes of all storages that operations inside have made: alive now, and at most. A view counts
    nothing; weights count once an operation has given a view of them."""

    def __init__(self):
        super().__init__()
        self.alive: dict[int, int] = {}
        self.now = self.most = 0

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.alive:
            self.alive[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.now -= self.alive.pop(key)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor)
        return found


def without_numbers(model: nn.Module) -> None:
    """Inside a FakeTensorMode: give a model that was built on the device "meta" weights of the same
    sizes there; what is trained becomes float32, as in training."""
    for module in model.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                kind = torch.float32 if weight.requires_grad else weight.dtype
                module._parameters[name] = nn.Parameter(
                    torch.empty(weight.shape, dtype=kind), requires_grad=weight.requires_grad)
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
