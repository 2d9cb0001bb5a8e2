"""LoRA adapters as folders: read one, see that it belongs to this base, put it on a model."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn

from helpers.files import remove
from helpers.models import ScoreHead

HEAD = "score.weight"  # of a reward model with a head of its own


class AdapterError(RuntimeError):
    """An adapter that does not fit: one line with which one, why, and what to do."""


@dataclass
class Adapter:
    """What a folder holds; `score` (1, H): the head of a reward model, if it has one."""

    folder: Path
    config: LoraConfig
    weights: dict[str, Tensor]
    score: Tensor | None

    def onto(self, model: PeftModel, name: str = "default") -> None:
        """Fill the adapter `name` of a model; AdapterError unless every weight finds its place."""
        weights = dict(self.weights)
        if self.score is not None and hasattr(model.get_base_model(), "score"):
            weights[f"base_model.model.{HEAD}"] = self.score
        try:
            result = set_peft_model_state_dict(model, weights, adapter_name=name)
            unfit = [key for key in result.missing_keys if f".{name}." in key]
            unfit += result.unexpected_keys
        except RuntimeError as error:  # sizes differ; the second line says which
            unfit = [str(error).splitlines()[-1].strip()]
        if unfit:
            raise AdapterError(f"{self.folder}: is of another base, {unfit[0]} does not fit. "
                               "Train it again on this one.")


def read_adapter(folder: str | Path, base: nn.Module) -> Adapter:
    """An adapter for `base`; AdapterError where there is none, it was made on another base, or it
    holds numbers that are none."""
    folder = Path(folder)
    try:
        config = LoraConfig.from_pretrained(str(folder))
        weights = load_file(folder / "adapter_model.safetensors")
    except Exception as error:
        raise AdapterError(f"{folder}: no readable adapter ({type(error).__name__}: {error}). "
                           "Make it with the notebook that trains it.") from None
    made_on = config.base_model_name_or_path
    if made_on and base.name_or_path and not _same(made_on, base.name_or_path):
        raise AdapterError(f"{folder}: is of another base: it was trained on {made_on}, this is "
                           f"{base.name_or_path}. Train it again on this one.")
    if broken := [name for name, weight in weights.items() if not weight.isfinite().all()]:
        raise AdapterError(f"{folder}: {broken[0]} holds NaN or infinity. Train it again.")
    score = next((weights.pop(name) for name in list(weights) if name.endswith(HEAD)), None)
    return Adapter(folder, config, weights, score)


def _same(one: str, other: str) -> bool:
    """Whether two names mean the same model. Folders are compared by content, since a run that was
    copied is still the same; a folder that is gone cannot be compared, and the sizes must tell."""
    folders = [Path(name) for name in (one, other)]
    if one != other and all(folder.is_dir() for folder in folders):
        return len({_content(folder) for folder in folders}) == 1
    return one == other or any(path.is_absolute() and not path.exists() for path in folders)


def _content(folder: Path) -> str:
    """sha256 of a model folder's weight files."""
    total = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def causal(config: LoraConfig) -> LoraConfig:
    """The same adapter for a causal language model, without a head of its own, to be trained."""
    return replace(config, task_type="CAUSAL_LM", modules_to_save=None, inference_mode=False)


def new_head(base: nn.Module) -> ScoreHead:
    """A linear head that says 0 of everything, until it is loaded or trained."""
    head = ScoreHead(base.config.hidden_size, 1, bias=False, device=base.device)
    nn.init.zeros_(head.weight)
    return head


def save_adapter(model: PeftModel, name: str, folder: str | Path) -> None:
    """One adapter of a model as a peft folder of its own, whole or not at all. (peft gives each a
    folder of its name, but the one named "default".)"""
    folder, partial = Path(folder), Path(f"{folder}.partial")
    remove(partial)
    model.save_pretrained(partial, selected_adapters=[name])
    remove(folder)
    os.replace(partial if name == "default" else partial / name, folder)
    remove(partial)


def digest(weights: list[Tensor]) -> str:
    """sha256 of tensors: equal bytes, equal digest."""
    total = hashlib.sha256()
    for weight in weights:
        total.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
