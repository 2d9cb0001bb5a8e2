"""LoRA in one product, for training in float32 on a processor.

An adapted layer says y = x W^T + s (x A^T) B^T (Hu et al. 2021, arXiv:2106.09685, eq. 3). As it
stands that is three products, of which two are thin, and a sum; with s B A added to W first, it is
one. The gradients are LoRA's own, and W has none:

    dL/dx = g (W + s B A),  dL/dB = s g^T (x A^T),  dL/dA = s (g B)^T x

Only rounding differs, and less is kept for the backward pass. With more tokens than the layer is
wide this is less work (`make bench` measures PPO with it). All else (few tokens, a GPU, 16 or 4
bits, autocast, dropout, several adapters, variants of LoRA) goes PEFT's way. Forward passes that
are compared must be alike, so it does not matter whether gradients are on.
"""

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear


class OneProduct(torch.autograd.Function):
    """x (..., in), weight (out, in), A (r, in), B (out, r), scaling, bias (out,) -> (..., out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, A: Tensor, B: Tensor, scaling: float,
                bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight, A, B)
        ctx.scaling = scaling
        return linear(x, torch.addmm(weight, B, A, alpha=scaling), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, A, B = ctx.saved_tensors
        of_x, _, of_A, of_B = ctx.needs_input_grad[:4]
        rows, g = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
        # The sum is made again: kept from the forward pass, it would be every weight twice.
        dx = (g @ torch.addmm(weight, B, A, alpha=ctx.scaling)).view_as(x) if of_x else None
        dA = ((g @ B).t() @ rows).mul_(ctx.scaling) if of_A else None
        dB = (g.t() @ (rows @ A.t())).mul_(ctx.scaling) if of_B else None
        return dx, None, dA, dB, None, None


def _plain(layer: Linear, x: Tensor) -> str | None:
    """The adapter, where one product says all that the layer says; else None."""
    names = layer.active_adapters
    if (len(names) != 1 or names[0] not in layer.lora_A or names[0] in layer.lora_variant
            or layer.disable_adapters or layer.merged or layer.fan_in_fan_out
            or type(layer) is not Linear or type(layer.base_layer) is not nn.Linear):
        return None
    [name], base = names, layer.base_layer
    down, up = layer.lora_A[name], layer.lora_B[name]
    usual = (x.numel() > base.weight.numel() and up.bias is None
             and type(layer.lora_dropout[name]) is nn.Identity and not base.weight.requires_grad
             and (base.bias is None or not base.bias.requires_grad)
             and all(one.dtype == torch.float32 and one.device.type == "cpu"
                     for one in (x, base.weight, down.weight, up.weight)))
    return name if usual else None


def fuse_lora() -> None:
    """Let PEFT's adapted layers take the one product where that changes rounding only."""
    if hasattr(Linear.forward, "plain"):  # done before
        return
    plain = Linear.forward

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        if (args or kwargs or torch.is_autocast_enabled("cpu")
                or (name := _plain(self, x)) is None):
            return plain(self, x, *args, **kwargs)
        return OneProduct.apply(x, self.base_layer.weight, self.lora_A[name].weight,
                                self.lora_B[name].weight, self.scaling[name],
                                self.base_layer.bias)

    vars(forward)["plain"] = plain
    Linear.forward = forward
