"""Token by token, by Hugging Face's generate, without the work that changes nothing.

- The prompt is read once for its n samples: its key-value cache is repeated, not computed again.
- Keys and values are written into buffers with room; the usual cache is copied whole for every
  token.
- `generate` is called for a few tokens at a time, and rows that have ended leave the batch between
  two calls. Else every row would wait for the longest.
- On a processor a token is drawn with one random number a row. `torch.multinomial` takes one for
  every token of the vocabulary, a quarter of all sampling there.
"""

import copy
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)
from transformers.cache_utils import DynamicLayer

PIECE = 16  # tokens between two looks at which rows have ended
ROOM = 64  # tokens of room that a full buffer gains


@lru_cache(maxsize=4)
def token_texts(tokenizer) -> list[str]:
    """The text of every token alone."""
    return tokenizer.batch_decode([[i] for i in range(len(tokenizer))])


class StopText(StoppingCriteria):
    """Ends a row once its generated text (from position `width` on) has the stop text, also where
    that lies across tokens: a small vocabulary may know one line break, but not two. `done` (B,)
    are the rows that it has ended."""

    def __init__(self, tokenizer, text: str, width: int = 0):
        self.texts, self.text, self.width = token_texts(tokenizer), text, width
        self.done: Tensor | bool = False

    def seen(self, ids: Sequence[int]) -> bool:
        """Whether the last of these tokens completes the text; a token has a character or more."""
        # A model may have more output rows than its tokenizer has tokens; those have no text.
        known = (self.texts[i] for i in ids[-len(self.text):] if i < len(self.texts))
        return self.text in "".join(known)

    def __call__(self, input_ids: Tensor, scores, **kwargs) -> Tensor:
        start = max(self.width, input_ids.shape[1] - len(self.text))
        now = [self.seen(row) for row in input_ids[:, start:].tolist()]
        self.done = self.done | torch.tensor(now, device=input_ids.device)
        return self.done


class Draw(LogitsProcessor):
    """Leaves only the token that was drawn: the first whose cumulated probability passes a random
    number (inverse transform sampling). scores: (B, V)."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        # Doubles: over 150,000 tokens the sums of floats would lose the smallest probabilities.
        summed = scores.softmax(-1).double().cumsum(-1)
        number = torch.rand(len(scores), 1, dtype=summed.dtype, device=scores.device)
        drawn = torch.searchsorted(summed, number * summed[:, -1:], right=True)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn, 0.0)


def warpers(temperature: float, top_p: float) -> list[LogitsProcessor]:
    """What shapes the distribution that is drawn from."""
    nucleus = [TopPLogitsWarper(top_p)] if top_p < 1 else []
    return [TemperatureLogitsWarper(float(temperature)), *nucleus]


def processors(config: GenerationConfig) -> list[LogitsProcessor]:
    """What becomes of the scores before the largest is taken: nothing, or a random draw."""
    return [*warpers(config.temperature, config.top_p), Draw()] if config.do_sample else []


def padded_left(encoded: Sequence[Sequence[int]], pad: int,
                device: torch.device) -> tuple[Tensor, Tensor]:
    """ids and mask (P, T) of rows of tokens, padded on the left to the longest."""
    width = max(map(len, encoded))
    ids = [[pad] * (width - len(row)) + list(row) for row in encoded]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in encoded]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


class RoomyLayer(DynamicLayer):
    """One layer's keys and values (B, heads, T, size), as views of buffers that have more room."""

    room: tuple[Tensor | None, Tensor | None] = (None, None)

    def update(self, key_states: Tensor, value_states: Tensor, *args,
               **kwargs) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys, keys = append(self.keys, self.room[0], key_states)
        self.values, values = append(self.values, self.room[1], value_states)
        self.room = (keys, values)
        return self.keys, self.values


def append(old: Tensor, room: Tensor | None, new: Tensor) -> tuple[Tensor, Tensor]:
    """(old and new side by side along T, the buffer that they are a view of). `old` is copied only
    where it is no view of `room` (it was repeated or thinned out since) or `room` is full."""
    have = old.shape[-2] if old.numel() else 0
    length = have + new.shape[-2]
    view = room is not None and have and old.data_ptr() == room.data_ptr()
    if not view or old.shape[0] != room.shape[0] or length > room.shape[-2]:
        room = new.new_empty(*new.shape[:2], length + ROOM, new.shape[-1])
        if have:
            room[:, :, :have] = old
    room[:, :, have:length] = new
    return room[:, :, :length], room


def roomy_cache(model) -> DynamicCache:
    """The model's cache; layers of the usual kind have room, others (sliding windows) are kept."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer
                    for layer in cache.layers]
    return cache


@torch.no_grad()
def prefill(model, input_ids: Tensor, attention_mask: Tensor, n: int) -> DynamicCache:
    """The key-value cache of all prompt tokens but the last, every row repeated n times.

    input_ids, attention_mask: (P, T), padded on the left. The last token is left to `generate`,
    which needs its logits; where there is nothing before it, the cache is empty. Positions count
    real tokens only, as `generate` counts them.
    """
    cache = roomy_cache(model)
    if input_ids.shape[1] < 2:
        return cache
    mask = attention_mask[:, :-1]
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    model(input_ids=input_ids[:, :-1], attention_mask=mask, position_ids=positions,
          past_key_values=cache, use_cache=True, logits_to_keep=1)
    if n > 1:  # a copy, also where nothing is repeated
        cache.batch_repeat_interleave(n)
    return cache


@torch.no_grad()
def decode(
    model, tokenizer, encoded: Sequence[Sequence[int]], n: int, config: GenerationConfig,
    stop_text: str | None = None,
) -> list[list[int]]:
    """Generated ids, n rows for each of the P prompts in turn; after a row's end there may be
    padding. `config` gives do_sample, temperature and top_p, and limits the length by
    max_new_tokens."""
    ids, mask = padded_left(encoded, config.pad_token_id, model.device)
    width, cache = ids.shape[1], prefill(model, ids, mask, n)
    ids, mask = ids.repeat_interleave(n, dim=0), mask.repeat_interleave(n, dim=0)
    rows: list[list[int]] = [[] for _ in range(len(ids))]
    places = torch.arange(len(ids), device=ids.device)  # of the rows still in the batch
    ends = torch.tensor(config.eos_token_id, device=ids.device)
    piece, chain = copy.copy(config), LogitsProcessorList()
    if model.device.type == "cpu":
        chain += processors(config)
        piece.update(do_sample=False, temperature=None, top_p=None, top_k=None, min_p=None)
    while len(ids):
        left = config.max_new_tokens - (ids.shape[1] - width)
        piece.max_new_tokens = min(PIECE, left)
        stop = StopText(tokenizer, stop_text, width) if stop_text else None
        ids = model.generate(input_ids=ids, attention_mask=mask, past_key_values=cache,
                             generation_config=piece, logits_processor=chain,
                             stopping_criteria=[stop] if stop else None)
        over = torch.isin(ids[:, width:], ends).any(1)
        over = over | stop.done if stop else over
        if piece.max_new_tokens == left:
            over = torch.ones_like(over)
        for place, row in zip(places[over].tolist(), ids[over, width:].tolist(), strict=True):
            rows[place] = row
        stays = (~over).nonzero()[:, 0]
        if len(stays) < len(ids):
            cache.batch_select_indices(stays)
            places, ids, mask = places[stays], ids[stays], mask[stays]
        mask = torch.cat([mask, torch.ones_like(ids[:, mask.shape[1]:])], dim=1)
    return rows
