"""How the tiny base model is made: a Qwen tokenizer, a small Qwen2, and next-token prediction.

Used by notebook A1 only. Everything here is deterministic for one seed and one thread count; other
thread counts change the order of float additions and thereby the last digits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerBase, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from helpers.files import atomic_write

CHAT_TOKENS = ["<|im_start|>", "<|im_end|>"]
# Worked examples before a question wherever recipes of a base are compared: in notebook A1, whose
# recorded scores stand on the base's card, and in tests/benchmarks/bases.py. The same for all, so
# that recipes can be compared; the number that suits a base best is `evaluate.few_shot`'s.
SHOTS = 4


def train_tokenizer(documents: list[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE with Qwen's own splitting (single digits), special tokens and chat template.

    It is trained *as* a Qwen2Tokenizer: AutoTokenizer rebuilds that class with Qwen's splitting,
    so a tokenizer with any other splitting would silently give other ids after a reload.
    """
    from trl.chat_template_utils import qwen2_5_chat_template

    fresh = Qwen2Tokenizer(eos_token="<|im_end|>", pad_token="<|endoftext|>")
    pieces = (piece for document in documents for piece in split_markup(document))
    trained = fresh.train_new_from_iterator(
        pieces, vocab_size, new_special_tokens=CHAT_TOKENS, show_progress=False
    )
    trained.chat_template = qwen2_5_chat_template
    return trained


def split_markup(document: str) -> list[str]:
    """The text between chat markers: the markers are special tokens, not text to merge."""
    for token in CHAT_TOKENS:
        document = document.replace(token, "\0")
    return [piece for piece in document.split("\0") if piece]


def small_qwen2(
    tokenizer: PreTrainedTokenizerBase,
    hidden_size: int,
    layers: int,
    heads: int = 4,
    key_value_heads: int = 2,
    seed: int = 0,
) -> Qwen2ForCausalLM:
    """A Qwen2 with random weights: grouped-query attention, tied embeddings, as Qwen2.5-0.5B."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        intermediate_size=hidden_size * 8 // 3 // 32 * 32,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        eos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.02,
    )
    return Qwen2ForCausalLM(config)


def packed_batches(
    documents: Iterator[str], tokenizer: PreTrainedTokenizerBase, batch_size: int, length: int
) -> Iterator[Tensor]:
    """Batches of ids (batch_size, length): documents joined by <|endoftext|>, cut to length."""
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    ids: list[int] = []
    while True:
        while len(ids) < batch_size * length:
            chunk = list(itertools.islice(documents, 64))
            for document in tokenizer(chunk, add_special_tokens=False)["input_ids"]:
                ids += [*document, end]
        yield torch.tensor(ids[: batch_size * length]).view(batch_size, length)
        ids = ids[batch_size * length :]


def cosine_rate(step: int, steps: int, peak: float, warmup: int = 100) -> float:
    """Learning rate of `step`: linear warm-up, then a cosine down to a tenth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))


def optimizers(model: Qwen2ForCausalLM, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices inside the layers, AdamW for the rest.

    Muon orthogonalises each update, which on this model needs fewer tokens for the same loss.
    Its rate is scaled to AdamW's update size (Liu et al. 2025, arXiv:2502.16982), so both share
    one learning rate.
    """
    inside = [p for name, p in model.named_parameters() if p.dim() == 2 and "layers" in name]
    rest = [p for name, p in model.named_parameters() if p.dim() != 2 or "layers" not in name]
    muon = torch.optim.Muon(
        inside, lr=learning_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    return [muon, adamw]


def save_checkpoint(
    path: Path, step: int, model: Qwen2ForCausalLM, parts: Sequence[torch.optim.Optimizer]
) -> None:
    """Weights, optimizer state and the number of steps done, in one file that is whole or absent.

    Safetensors holds nothing but tensors, so opening a checkpoint can never run code.
    """
    tensors = {f"model/{name}": weight.detach() for name, weight in model.named_parameters()}
    for number, part in enumerate(parts):
        for index, state in part.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"{number}/{index}/{key}"] = torch.as_tensor(value)
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    atomic_write(path, lambda file: save_file(whole, file, metadata={"step": str(step)}))


def load_checkpoint(
    path: Path, model: Qwen2ForCausalLM, parts: Sequence[torch.optim.Optimizer]
) -> int:
    """Put a checkpoint's weights and optimizer state in place; returns the steps it has done."""
    weights = dict(model.named_parameters())
    states: list[dict] = [{} for _ in parts]
    with safe_open(path, "pt") as file, torch.no_grad():
        for name in file.keys():
            where, _, key = name.rpartition("/")
            if where == "model":
                weights[key].copy_(file.get_tensor(name))
            else:
                number, index = map(int, where.split("/"))
                states[number].setdefault(index, {})[key] = file.get_tensor(name)
        step = int(file.metadata()["step"])
    for part, state in zip(parts, states, strict=True):
        part.load_state_dict({**part.state_dict(), "state": state})
    return step


def pretrain(
    model: Qwen2ForCausalLM,
    batches: Iterator[Tensor],
    steps: int,
    learning_rate: float,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Next-token prediction for `steps` batches of ids (B, T); `on_step(step, loss)` after each."""
    parts = optimizers(model, learning_rate)
    model.train()
    for step in range(steps):
        ids = next(batches).to(model.device)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in parts:
            for group in part.param_groups:
                group["lr"] = cosine_rate(step, steps, learning_rate)
            part.step()
            part.zero_grad(set_to_none=True)
        on_step(step + 1, loss.item())
    model.eval()
