"""The same decoding on a GPU, with the step from token to token recorded once and replayed.

A step of a small language model with adapters starts many small kernels in every layer; where each
is done before Python has started the next, the card waits. A CUDA graph records the step once, and
one call starts it all again. Recorded kernels read and write fixed places, so the cache has its
full length from the beginning, and a mask says how much of it there is.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer

from helpers import decoding
from helpers.decoding import PIECE, StopText

ALIGNED = 16  # the attention kernels ask for masks whose rows begin at multiples of this
ALIKE = 1e-3  # relative difference of logits: the same kernels on the same numbers


class RecordingError(RuntimeError):
    """The step cannot be recorded on this card, with these libraries."""


class FixedLayer(DynamicLayer):
    """One layer's keys and values in buffers (B, heads, K, size) that never move; the next token's
    are written at `place`, a tensor (1,) that all layers have in common."""

    def __init__(self, layer: DynamicLayer, n: int, length: int, place: Tensor):
        super().__init__()
        self.place, self.is_initialized = place, True
        self.keys, self.values = (_with_room(one, n, length) for one in (layer.keys, layer.values))

    def update(self, key_states: Tensor, value_states: Tensor, *args,
               **kwargs) -> tuple[Tensor, Tensor]:
        self.keys.index_copy_(2, self.place, key_states.to(self.keys.dtype))
        self.values.index_copy_(2, self.place, value_states.to(self.values.dtype))
        return self.keys, self.values


def _with_room(old: Tensor, n: int, length: int) -> Tensor:
    """(P, heads, T, size) -> (P n, heads, length, size), zeros behind the first T."""
    rows, heads, have, size = old.shape
    new = old.new_zeros(rows * n, heads, length, size)
    new[:, :, :have] = old.repeat_interleave(n, dim=0)
    return new


class Step:
    """One new token a row: `logits(ids)` takes (B,) and gives (B, V), the cache grown by them.

    cache: of the prompts but for their last tokens, as `decoding.prefill` gives it for n = 1; mask
    (P, T): 1 on real tokens, the last included; each row is repeated n times, and `limit` tokens
    more can be asked for. On a CPU, or with `record` False, each call runs the model anew.
    """

    def __init__(self, model, cache: DynamicCache, mask: Tensor, n: int, limit: int,
                 record: bool = True):
        self.model, self.record = model, record and mask.is_cuda
        mask = mask.repeat_interleave(n, dim=0)
        width = mask.size(1)
        length = -(-(width + limit) // ALIGNED) * ALIGNED
        self.place = torch.tensor([width - 1], device=mask.device)
        self.seen = mask.new_zeros(len(mask), 1, 1, length, dtype=torch.bool)
        self.seen[:, 0, 0, :width - 1] = mask[:, :-1].bool()
        self.positions = mask.sum(1, keepdim=True) - 1
        self.ids = mask.new_zeros(len(mask), 1)
        for number, layer in enumerate(cache.layers):  # one after the other: less memory at once
            cache.layers[number] = FixedLayer(layer, n, length, self.place)
        self.cache, self.graph, self.said = cache, None, torch.empty(0)

    def logits(self, ids: Tensor) -> Tensor:
        self.ids.copy_(ids[:, None])
        if not self.record:
            return self._run()
        graph = self.graph = self.graph or self._capture()
        graph.replay()
        return self.said

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only."""
        self.graph, self.said = None, torch.empty(0)
        self.ids, self.positions, self.seen = (
            one[rows] for one in (self.ids, self.positions, self.seen))
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]

    def _run(self) -> Tensor:
        self.seen.index_fill_(3, self.place, True)
        said = self.model(input_ids=self.ids, position_ids=self.positions, use_cache=True,
                          attention_mask=self.seen, past_key_values=self.cache).logits[:, -1]
        self.place += 1
        self.positions += 1
        return said

    def _capture(self) -> torch.cuda.CUDAGraph:
        """Record the step. It runs once before, since first calls allocate and choose kernels; what
        that wrote into the cache lies where the recorded step writes next. Played once, the
        recording must say what that run said, else RecordingError."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside), _no_cast_is_kept():
            plain = self._back_after(self._run)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph), _no_cast_is_kept():
            self.said = self._run()
        self._back_after(graph.replay)
        if not (self.said - plain).float().norm() <= ALIKE * plain.float().norm():
            raise RecordingError("a recorded step says something else than the model")
        return graph

    def _back_after(self, act: Callable[[], Any]) -> Any:
        """What `act` gives, with place, positions and mask as they were before it."""
        moved = (self.place, self.positions, self.seen)
        before = [one.clone() for one in moved]
        said = act()
        for one, value in zip(moved, before, strict=True):
            one.copy_(value)
        return said


def _no_cast_is_kept():
    """The autocast that is on, if one is, but without its memory of weights that it has cast: a
    recorded step must cast them where they are, or it would go on with those of its recording."""
    if not torch.is_autocast_enabled("cuda"):
        return nullcontext()
    return torch.autocast("cuda", torch.get_autocast_dtype("cuda"), cache_enabled=False)


def draw(scores: Tensor, temperature: float, top_p: float) -> Tensor:
    """A token (B,) of each row of scores (B, V), by the largest p / e with e exponential: a token
    wins that race with probability p, and no row waits for a sum over its vocabulary."""
    scores = scores.float()
    for warp in decoding.warpers(temperature, top_p):
        scores = warp(None, scores)
    chances = scores.softmax(-1)
    return (chances / torch.empty_like(chances).exponential_()).argmax(-1)


def possible(model) -> bool:
    """Whether the model can be recorded: a GPU, and attention over all that went before in every
    layer."""
    layers = DynamicCache(config=model.config).layers
    return model.device.type == "cuda" and all(type(layer) is DynamicLayer for layer in layers)


def decode(model, tokenizer, encoded: Sequence[Sequence[int]], n: int, config: GenerationConfig,
           stop_text: str | None = None) -> list[list[int]]:
    """What `decoding.decode` gives, by recorded steps; by plain ones, with a warning, where this
    card or these libraries do not let a step be recorded."""
    asked = (model, tokenizer, encoded, n, config, stop_text)
    try:
        return write(*asked)
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        warnings.warn(f"sampling without recorded steps, which is slower: {error}", stacklevel=2)
        return decoding.decode(*asked)


@torch.no_grad()
def write(model, tokenizer, encoded: Sequence[Sequence[int]], n: int, config: GenerationConfig,
          stop_text: str | None = None, record: bool = True) -> list[list[int]]:
    """`decode`, recorded or not. Rows that have ended leave the batch when half of it has: each
    departure asks for a new recording."""
    ids, mask = decoding.padded_left(encoded, config.pad_token_id, model.device)
    if ids.size(1) < 2:  # nothing to read ahead, no cache to give a length
        return decoding.decode(model, tokenizer, encoded, n, config, stop_text)
    step = Step(model, decoding.prefill(model, ids, mask, 1), mask, n, config.max_new_tokens,
                record)
    last = ids[:, -1].repeat_interleave(n)
    rows: list[list[int]] = [[] for _ in range(len(last))]
    places = torch.arange(len(last), device=ids.device)  # of the rows still in the batch
    ends = torch.tensor(config.eos_token_id, device=ids.device)
    written = last.new_zeros(len(last), 0)
    over = torch.zeros_like(last, dtype=torch.bool)
    while len(places):
        stop = StopText(tokenizer, stop_text) if stop_text else None
        piece = []
        for _ in range(min(PIECE, config.max_new_tokens - written.size(1))):
            scores = step.logits(last)
            last = (draw(scores, float(config.temperature), config.top_p) if config.do_sample
                    else scores.argmax(-1))
            last = torch.where(over, config.pad_token_id, last)
            over = over | torch.isin(last, ends)
            piece.append(last)
        written = torch.cat([written, torch.stack(piece, 1)], dim=1)
        if stop:
            over = over | _stopped(stop, written)
        done = written.size(1) == config.max_new_tokens or bool(over.all())
        if done or 2 * int(over.sum()) >= len(over):
            leaves = torch.ones_like(over) if done else over
            for place, row in zip(places[leaves].tolist(), written[leaves].tolist(), strict=True):
                rows[place] = row
            stays = (~leaves).nonzero()[:, 0]
            places, last, over, written = (one[stays] for one in (places, last, over, written))
            if len(stays):
                step.keep(stays)
    return rows


def _stopped(stop: StopText, written: Tensor) -> Tensor:
    """(B,) bool: the rows whose text has the stop text, up to the last token written."""
    found = [any(stop.seen(row[:end]) for end in range(max(1, len(row) - PIECE), len(row) + 1))
             for row in written.tolist()]
    return torch.tensor(found, device=written.device)
