"""A small model inside the shape of a large one: the same words with the same probabilities, at the
large one's memory and work. So notebooks that need right answers can be tried at a real size where
nothing can be downloaded.

    python -m tests.widened 1.5B FOLDER     the tiny base in the shape of Qwen2.5-1.5B

The small model keeps the first features, heads and layers; what is added writes nothing into the
residual stream. Adapters can train all of it.
"""

import argparse
import math
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig

from helpers.config import ROOT, Course
from helpers.model_size import architecture

MARK = 1e-3  # in one feature of every token of the small vocabulary: too little for a norm to see
NEVER = 1e4  # in the same feature of the tokens that are added, with the other sign


def widened(small: Path, config: PretrainedConfig) -> torch.nn.Module:
    """The Qwen2 at `small` in the shape of `config`, in float32; rotary angles and noise of norms
    are the small one's. ValueError where the shape has no room for it."""
    old = AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32)
    was = old.config
    head, was_head = (one.hidden_size // one.num_attention_heads for one in (config, was))
    room = (config.hidden_size > was.hidden_size and head % was_head == 0
            and config.intermediate_size >= was.intermediate_size
            and config.num_hidden_layers >= was.num_hidden_layers
            and config.num_key_value_heads >= was.num_key_value_heads
            and _group(config) >= _group(was) and config.vocab_size >= was.vocab_size)
    if not room:
        raise ValueError(f"{small}: does not fit into {config.hidden_size} features, "
                         f"{config.num_hidden_layers} layers of {config.num_attention_heads} heads")
    config.rope_parameters = dict(was.rope_parameters)
    share = was.hidden_size / config.hidden_size
    config.rms_norm_eps = was.rms_norm_eps * share  # a mean of squares over more features
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config, key, getattr(was, key))
    torch.manual_seed(0)
    new = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    new.generation_config = old.generation_config

    scale, mark = math.sqrt(share), was.hidden_size  # the first feature that is new
    with torch.no_grad():
        # The small model's output may have a matrix of its own or share the embedding's.
        for old_end, new_end in [(old.get_input_embeddings(), new.get_input_embeddings()),
                                 (old.get_output_embeddings(), new.get_output_embeddings())]:
            new_end.weight.zero_()
            new_end.weight[:was.vocab_size, :mark] = old_end.weight
            new_end.weight[:, mark] = -NEVER
            new_end.weight[:was.vocab_size, mark] = MARK
        for number, layer in enumerate(new.model.layers):
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
            for norm in (layer.input_layernorm, layer.post_attention_layernorm):
                norm.weight[mark:] = 0  # what is added is not read
            if number < was.num_hidden_layers:
                _layer(old.model.layers[number], layer, was, config, head, was_head, scale)
        new.model.norm.weight.zero_()
        new.model.norm.weight[:mark] = old.model.norm.weight * scale
        new.model.norm.weight[mark] = 100.0
    return new


def _group(config: PretrainedConfig) -> int:
    """Query heads that share a key and value head."""
    return config.num_attention_heads // config.num_key_value_heads


def _layer(old, new, was, config, head: int, was_head: int, scale: float) -> None:
    """One layer: features to the first, heads to the first of their group. A head is longer, so its
    pairs of rotating features go where the angle is the same, and queries grow by what the longer
    head divides by."""
    width, wide, stride = was.hidden_size, was.intermediate_size, head // was_head
    pairs = torch.arange(was_head // 2) * stride
    turning = torch.cat([pairs, pairs + head // 2])
    queries = [(h // _group(was)) * _group(config) + h % _group(was)
               for h in range(was.num_attention_heads)]
    values = torch.arange(was_head)
    for name, heads, inside, factor in [
            ("q_proj", queries, turning, math.sqrt(stride)),
            ("k_proj", list(range(was.num_key_value_heads)), turning, 1.0),
            ("v_proj", list(range(was.num_key_value_heads)), values, 1.0)]:
        rows = torch.cat([one * head + inside for one in heads])
        one, other = getattr(old.self_attn, name), getattr(new.self_attn, name)
        for group in heads:  # a head is the small one's alone
            other.weight[group * head:(group + 1) * head] = 0
            other.bias[group * head:(group + 1) * head] = 0
        other.weight[rows, :width] = one.weight * factor
        other.bias[rows] = one.bias * factor
    columns = torch.cat([one * head + values for one in queries])
    new.self_attn.o_proj.weight[:width, columns] = old.self_attn.o_proj.weight
    for name in ("gate_proj", "up_proj"):
        getattr(new.mlp, name).weight[:wide, :width] = getattr(old.mlp, name).weight
    new.mlp.down_proj.weight[:width, :wide] = old.mlp.down_proj.weight
    for name in ("input_layernorm", "post_attention_layernorm"):
        getattr(new, name).weight[:width] = getattr(old, name).weight * scale


def write(small: Path, size: str, folder: Path) -> Path:
    """The widened model of Qwen2.5's `size` and the small one's tokenizer, in bfloat16."""
    config = architecture(Course.load("a100", overrides={
        "model": {"name": f"Qwen/Qwen2.5-{size}"}}))
    widened(small, config).bfloat16().save_pretrained(folder)
    AutoTokenizer.from_pretrained(small).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=["0.5B", "1.5B"])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    write(ROOT / "data" / "tiny" / "base", given.size, given.folder)
