"""LoRA in one product says what PEFT says, and steps aside where it cannot."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.layer import Linear
from torch import nn

from helpers.train import fused
from helpers.train.fused import OneProduct, fuse_lora


@pytest.fixture
def calls(monkeypatch):
    """How often the one product was taken; the patch is undone after the test."""
    plain = getattr(Linear.forward, "plain", Linear.forward)
    monkeypatch.setattr(Linear, "forward", plain)
    fuse_lora()
    taken = []
    apply = OneProduct.apply

    def counted(*args):
        taken.append(1)
        return apply(*args)

    monkeypatch.setattr(fused.OneProduct, "apply", counted)
    return taken


def adapted(bias=True, dropout=0.0, dtype=torch.float32, **more):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 20, bias=bias), nn.Tanh(), nn.Linear(20, 7, bias=bias))
    model = get_peft_model(net.to(dtype), LoraConfig(
        r=3, lora_alpha=6, lora_dropout=dropout, target_modules=["0", "2"], **more))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.3)
    return model


def run(model, x):
    """The output, and the gradients of the input and of everything that is trained."""
    x = x.clone().requires_grad_()
    model.zero_grad()
    said = model(x)
    (said.float() ** 2).sum().backward()
    return [said, x.grad] + [one.grad.clone() for one in model.parameters() if one.requires_grad]


@pytest.mark.parametrize("shape", [(25, 12), (7, 3, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_pefts(calls, monkeypatch, shape, bias):
    model, x = adapted(bias), torch.randn(*shape)
    ours = run(model, x)
    assert len(calls) == 2
    monkeypatch.setattr(Linear, "forward", Linear.forward.plain)
    theirs = run(model, x)
    assert len(calls) == 2 and len(ours) == len(theirs) == 2 + 4
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    sizes = [(4, 5), (6, 5), (2, 5), (6, 2)]
    x, weight, A, B = (torch.randn(*size, dtype=torch.double) for size in sizes)
    bias = torch.randn(6, dtype=torch.double)
    for one in (x, A, B):
        one.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, A, B: OneProduct.apply(x, weight, A, B, 0.7, bias), (x, A, B))


def test_nothing_is_kept_but_what_stands_there_anyway():
    x, weight = torch.randn(9, 12, requires_grad=True), torch.randn(20, 12)
    A, B = torch.randn(3, 12, requires_grad=True), torch.randn(20, 3, requires_grad=True)
    kept = []

    def pack(tensor):
        kept.append(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        OneProduct.apply(x, weight, A, B, 2.0, None)
    assert set(kept) <= {one.data_ptr() for one in (x, weight, A, B)}


def test_several_roles_on_one_layer_take_the_active_one(calls):
    model, x = adapted(), torch.randn(24, 12)
    model.add_adapter("other", LoraConfig(r=2, target_modules=["0", "2"]))
    first = run(model, x)[0]
    model.set_adapter("other")
    other = run(model, x)[0]
    assert len(calls) == 4 and not torch.allclose(first, other)
    with model.disable_adapter():
        torch.testing.assert_close(other, model(x))  # a fresh adapter adds nothing
    assert len(calls) == 4


@pytest.mark.parametrize("case", ["dropout", "bfloat16", "autocast", "few tokens", "merged", "dora",
                                  "two", "trained base"])
def test_it_steps_aside_for_everything_else(calls, case):
    more = {"dropout": {"dropout": 0.5}, "dora": {"use_dora": True},
            "bfloat16": {"dtype": torch.bfloat16}}.get(case, {})
    model, x = adapted(**more), torch.randn(24, 12).to(more.get("dtype", torch.float32))
    model.train()
    if case == "two":
        model.add_adapter("other", LoraConfig(r=2, target_modules=["0", "2"]))
        model.base_model.set_adapter(["default", "other"])
    if case == "merged":
        model.merge_adapter()
    if case == "trained base":
        for layer in model.modules():
            if isinstance(layer, Linear):
                layer.base_layer.weight.requires_grad_()
    if case == "few tokens":  # 12 x 20 weights in the first layer
        x = x[:20]
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        model(x)
    assert len(calls) == (case == "few tokens")  # the second layer is smaller


def test_what_is_compared_is_read_alike(calls):
    model, x = adapted(), torch.randn(24, 12)
    with torch.no_grad():
        look = model(x)
    assert torch.equal(look, model(x)) and len(calls) == 4
