"""How large a model is, counted without loading it.

The model is built on torch's meta device, which knows shapes but holds no numbers, so 7 billion
parameters are counted in about a second and take no memory.
"""

from dataclasses import dataclass

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from helpers.config import ROOT, Course
from helpers.models import ModelError

# Dimensions from the model cards and config.json of Qwen2.5 (arXiv:2412.15115, table 1).
_SMALL, _LARGE = {"vocab_size": 151936, "tie_word_embeddings": True}, {"vocab_size": 152064}
DIMENSIONS = {  # width, feed-forward, layers, query heads, key and value heads
    "0.5B": (896, 4864, 24, 14, 2, _SMALL),
    "1.5B": (1536, 8960, 28, 12, 2, _SMALL),
    "3B": (2048, 11008, 36, 16, 2, _SMALL),
    "7B": (3584, 18944, 28, 28, 4, _LARGE),
}
# The same of Qwen3 (arXiv:2505.09388, table 1), whose heads are wider than their share.
QWEN3 = {
    "0.6B": (1024, 3072, 28, 16, 8, _SMALL),
    "1.7B": (2048, 6144, 28, 16, 8, _SMALL),
}


def architecture(course: Course) -> PretrainedConfig:
    """The model's configuration: from its folder, the table above or the hub's local cache, never
    from the network. ModelError if all three have none."""
    name = course.model.name
    if (ROOT / name / "config.json").is_file():
        return AutoConfig.from_pretrained(ROOT / name)
    for start, table, kind, more in (("Qwen/Qwen2.5-", DIMENSIONS, Qwen2Config, {}),
                                     ("Qwen/Qwen3-", QWEN3, Qwen3Config, {"head_dim": 128})):
        family = name.removeprefix(start).removeprefix("Math-")
        family = family.removesuffix("-Instruct").removesuffix("-Base")
        if name.startswith(start) and family in table:
            h, f, layers, heads, kv_heads, rest = table[family]
            return kind(hidden_size=h, intermediate_size=f, num_hidden_layers=layers,
                        num_attention_heads=heads, num_key_value_heads=kv_heads, **rest, **more)
    try:
        return AutoConfig.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model.name {name!r}: its size is not known here. Known without network are Qwen2.5 "
            f"{', '.join(DIMENSIONS)} and Qwen3 {', '.join(QWEN3)}; for another model load it "
            f"once, or give its folder."
        ) from error


@dataclass(frozen=True)
class Size:
    """What the formulas need of a model; `trained` counts LoRA's parameters."""

    parameters: int
    embedding: int
    trained: int
    layers: int
    width: int
    kv: int
    feed_forward: int
    vocabulary: int
    q: int = 0  # of all queries together; 0: as wide as the hidden states
    normed: bool = False  # queries and keys have norms of their own, as in Qwen3

    @property
    def in_products(self) -> int:
        """Parameters that every token is multiplied with. A tied embedding is also the output."""
        return self.parameters - self.embedding // 2 if self.untied else self.parameters

    @property
    def untied(self) -> bool:
        return self.embedding == 2 * self.vocabulary * self.width


_SIZES: dict[tuple, Size] = {}  # counted once: what is asked for changes rarely


def size(course: Course) -> Size:
    """Count the model's parameters, and those that LoRA would add and train."""
    config = architecture(course)
    asked = (config.to_json_string(), str(course.lora.target_modules), course.lora.r)
    if asked not in _SIZES:
        _SIZES[asked] = _count(config, course)
    return _SIZES[asked]


def _count(config: PretrainedConfig, course: Course) -> Size:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    total = sum(p.numel() for p in model.parameters())
    ends = {id(m.weight): m.weight.numel()  # one entry where they are tied
            for m in (model.get_input_embeddings(), model.get_output_embeddings())}
    return shape(config, total, sum(ends.values()), lora_parameters(model, course))


def shape(config: PretrainedConfig, parameters: int = 0, embedding: int = 0, trained: int = 0
          ) -> Size:
    """What a configuration says by itself, with what was counted of its model, if it was."""
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Size(parameters, embedding, trained, config.num_hidden_layers, config.hidden_size,
                head * config.num_key_value_heads, config.intermediate_size, config.vocab_size,
                head * config.num_attention_heads, config.model_type.startswith("qwen3"))


def lora_parameters(model: torch.nn.Module, course: Course) -> int:
    """Sum of r (inputs + outputs) over the adapted layers: A is (r, inputs), B is (outputs, r).

    "all-linear" means every linear layer but the one that gives the logits.
    """
    wanted, output = course.lora.target_modules, model.get_output_embeddings()
    return sum(
        course.lora.r * (layer.in_features + layer.out_features)
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not output
        and (wanted == "all-linear" or name.rpartition(".")[2] in wanted)
    )


def weight_bytes(model: Size, kind: int, four_bit: bool = False) -> float:
    """P x bytes of a number. In 4 bits the layers take 0.5 byte and 1/64 for their scales; the
    embedding keeps its precision (QLoRA, arXiv:2305.14314, section 3)."""
    layers = (model.parameters - model.embedding) * ((0.5 + 1 / 64) if four_bit else kind)
    return layers + model.embedding * kind
