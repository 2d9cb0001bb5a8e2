"""LoRA merged into the weights, for saving: what can be merged, and a proof that it says the same.

The original is left untouched. Where a merge would give another model, it is refused.
"""

import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from helpers import bases
from helpers.schema import Lora


class ModelError(RuntimeError):
    """A model cannot be loaded or used as asked: one line with what, where and what to do."""


def check_targets(model: torch.nn.Module, lora: Lora) -> None:
    """ModelError where `lora.target_modules` names a layer whose weights are another layer's too
    (tied: lm_head and embed_tokens). Each would be trained with an adapter of its own, and merging
    adds the one's to both: the merged model is another, by several percent of its logits."""
    targets = lora.target_modules
    if targets == "all-linear" or not targets:  # PEFT leaves the output layer out of these
        return

    def named(layer: str) -> bool:
        if isinstance(targets, str):
            return re.fullmatch(targets, layer) is not None
        return any(layer == one or layer.endswith(f".{one}") for one in targets)

    if tied := sorted(layer.rpartition(".")[2] for layer in _shared(model) if named(layer)):
        raise ModelError(f"lora.target_modules: {tied[0]} has its weights in common with another "
                         f"layer of this model, so an adapter on it cannot be merged. Leave it "
                         f"out, or use 'all-linear'.")


def _shared(model: torch.nn.Module) -> set[str]:
    """Names of the modules whose weight is another module's as well."""
    weights = {name: module._parameters["weight"] for name, module in model.named_modules()
               if module._parameters.get("weight") is not None}
    holders = Counter(map(id, weights.values()))
    return {name for name, weight in weights.items() if holders[id(weight)] > 1}


def _lora_layers(peft_model) -> list[tuple[str, torch.nn.Module]]:
    layers = [(name, module) for name, module in peft_model.get_base_model().named_modules()
              if hasattr(module, "lora_A") and hasattr(module, "base_layer")]
    shared = _shared(peft_model.get_base_model())
    for name, layer in layers:
        if f"{name}.base_layer" in shared:
            raise ModelError(f"{name}: has its weights in common with another layer, and merged "
                             f"its adapter would change both. Train without it: set "
                             f"lora.target_modules to 'all-linear'.")
        if not layer.base_layer.weight.is_floating_point():
            raise ModelError(f"{name}: a 4-bit base cannot be merged exactly. Load the base with "
                             f"quantization='none', put the adapter on it and merge that.")
        if layer.merged_adapters:
            raise ModelError(f"{name}: the adapter is already merged.")
    return layers


@contextmanager
def merged_copy(peft_model) -> Iterator[torch.nn.Module]:
    """The same model with its active adapter merged, for saving; restored afterwards.

    The weights are saved and put back, byte for byte. Subtracting the adapter again, as unmerging
    does, would change about one float32 weight in ten. They are saved in main memory: a GPU need
    not hold them twice.
    """
    layers = _lora_layers(peft_model)
    saved = [layer.base_layer.weight.detach().to("cpu", copy=True) for _, layer in layers]
    try:
        for _, layer in layers:
            layer.merge()
        yield peft_model
    finally:
        for (_, layer), weight in zip(layers, saved, strict=True):
            layer.merged_adapters.clear()
            layer.base_layer.weight.data.copy_(weight)


def merged_where_exact(peft_model) -> AbstractContextManager[torch.nn.Module]:
    """`merged_copy` to sample from, where that is cheap and changes rounding only: float32 in main
    memory. Elsewhere the model as it is; a 4-bit base has no exact merged copy."""
    weights = list(peft_model.parameters())
    exact = all(one.dtype == torch.float32 and one.device.type == "cpu" for one in weights)
    return merged_copy(peft_model) if exact else nullcontext(peft_model)


def merge_and_save(peft_model, tokenizer, path: str | Path) -> Path:
    """Save the model with its adapter merged as a plain model folder, tokenizer included.

    Written beside `path` first and renamed when complete. `peft_model` is left as it was. Where
    the merged model says something else than the adapted one, ModelError, and nothing is written.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    base = peft_model.get_base_model()
    adapted = _few_logits(peft_model)
    with merged_copy(peft_model):
        _check(f"{path}: not saved", adapted, _few_logits(peft_model), merge_bound(base))
        weights = {name.replace(".base_layer.", "."): weight
                   for name, weight in base.state_dict().items() if ".lora_" not in name}
        if whole := [name for name in weights if ".modules_to_save." in name]:
            raise ModelError(f"{path}: not saved, {whole[0]} was trained whole, beside LoRA. Only "
                             f"adapters can be merged: leave modules_to_save out.")
        base.save_pretrained(partial, state_dict=weights)
    tokenizer.save_pretrained(partial)
    if path.exists():
        shutil.rmtree(path)
    os.replace(partial, path)
    return path


def merge(peft_model, path: str | Path) -> torch.nn.Module:
    """The plain model with the adapter that was read from `path` merged for good; ModelError where
    it says something else than the adapted one."""
    adapted, bound = _few_logits(peft_model), merge_bound(peft_model.get_base_model())
    model = bases.own(peft_model).merge_and_unload()
    _check(f"{path}: not merged", adapted, _few_logits(model), bound)
    return model


def _check(what: str, adapted: torch.Tensor, merged: torch.Tensor, bound: float) -> None:
    """ModelError where the two models' logits differ by more than rounding explains."""
    off = ((adapted - merged).norm() / adapted.norm()).item()
    if not off < bound:
        raise ModelError(f"{what}, the merged model's logits are {off:.1%} off those of the model "
                         f"with its adapter, and rounding explains {bound:.2%}. The adapter is "
                         f"whole; train again with lora.target_modules 'all-linear' or "
                         f"model.precision 'float32'.")


@torch.no_grad()
def _few_logits(peft_model) -> torch.Tensor:
    """Logits (1, 32, V) in float32 for tokens from all over the vocabulary, without dropout."""
    size = peft_model.get_input_embeddings().weight.shape[0]
    ids = torch.linspace(0, size - 1, 32).long()[None].to(peft_model.device)
    training = peft_model.training
    try:
        return peft_model.eval()(input_ids=ids, use_cache=False).logits.float()
    finally:
        peft_model.train(training)


def merge_bound(model) -> float:
    """The relative difference of logits that rounding can explain after merging. A float32 merge is
    off by some 1e-6. In 16 bits every layer adds rounding of its own, at random: the bound grows
    with the root of their number (measured: at most .8 of precision times that root with small
    weights, 2.4 with random ones in bfloat16 on a GPU)."""
    kind = next(model.parameters()).dtype
    if kind == torch.float32:
        return 1e-4
    return 3 * torch.finfo(kind).eps * math.sqrt(model.config.num_hidden_layers)
