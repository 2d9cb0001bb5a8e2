"""An answer token by token, with a look in between: what was drawn, and how likely it was.

`decoding` writes many answers fast; here a few are written so that one can watch and stop them.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from helpers.decoding import padded_left, prefill, warpers
from helpers.engines import cut, end_ids
from helpers.models import PADDING
from helpers.widgets.asking import Sample, Settings

BACK = 6  # tokens that the next one's text may depend on
BROKEN = "\ufffd"  # what stands for a character of which only some bytes are there


def write(
    model, tokenizer, prompt: Sequence[int], settings: Settings, stop_text: str | None = None
) -> Iterator[list[Sample]]:
    """The samples after every token, until all are done. `prompt`: token ids, one at least.

    The random numbers are the settings' own: the global state is not touched, for this may run in
    a thread beside the reader's code.
    """
    ends = end_ids(tokenizer)
    pad = tokenizer.convert_tokens_to_ids(PADDING)
    samples = [Sample() for _ in range(settings.samples)]
    going = list(samples)
    device = model.device
    generator = torch.Generator(device).manual_seed(settings.seed)
    ids, mask = padded_left([prompt], pad, device)
    cache = prefill(model, ids, mask, len(samples))
    last, mask = ids[:, -1:].repeat(len(samples), 1), mask.repeat(len(samples), 1)
    for step in range(1, settings.max_new_tokens + 1):
        with torch.no_grad():  # inside: a generator that waits would leave it on for others
            scores = model(input_ids=last, attention_mask=mask, past_key_values=cache,
                           position_ids=mask.sum(1, keepdim=True) - 1,
                           use_cache=True).logits[:, -1].float()
            said = drawn(scores, settings, generator)
            chances = scores.softmax(-1).gather(1, said[:, None])[:, 0].tolist()
        for sample, token, chance in zip(going, said.tolist(), chances, strict=True):
            _add(sample, token, chance, tokenizer, ends, stop_text)
            sample.full = not sample.ended and step == settings.max_new_tokens
        stays = [place for place, sample in enumerate(going) if not sample.done]
        yield samples
        if not stays:
            return
        if len(stays) < len(going):
            kept = torch.tensor(stays, device=device)
            cache.batch_select_indices(kept)
            going, said, mask = [going[place] for place in stays], said[kept], mask[kept]
        last, mask = said[:, None], torch.cat([mask, mask.new_ones(len(mask), 1)], 1)


def drawn(scores: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """A token (B,) for each row of scores (B, V), at the settings' temperature and top-p."""
    if not settings.temperature:
        return scores.argmax(-1)
    for shape in warpers(settings.temperature, settings.top_p):
        scores = shape(None, scores)
    # As `decoding.Draw`: one random number a row, doubles for the sums of many small chances.
    summed = scores.softmax(-1).double().cumsum(-1)
    number = torch.rand(len(scores), 1, dtype=summed.dtype, device=scores.device,
                        generator=generator)
    token = torch.searchsorted(summed, number * summed[:, -1:], right=True)[:, 0]
    return token.clamp(max=scores.size(1) - 1)


def _add(sample: Sample, token: int, chance: float, tokenizer, ends: Sequence[int],
         stop_text: str | None) -> None:
    """One more token, and the answer's text as it is then."""
    sample.ids.append(token)
    sample.chances.append(chance)
    sample.pieces.append("" if token in ends else _piece(tokenizer, sample))
    written = "".join(sample.pieces)
    sample.text = cut(written, stop_text)
    sample.ended = token in ends or sample.text != written
    if sample.done:  # as `sampling` reads it, all at once
        sample.text = cut(text_of(tokenizer, sample.ids), stop_text)


def _piece(tokenizer, sample: Sample) -> str:
    """What the last token adds to the text: nothing yet where a character is not whole, then the
    character with its last token."""
    open_ = 0  # tokens before this one that are a part of a character only
    while open_ < len(sample.pieces) and sample.pieces[-1 - open_] == "" and open_ < BACK:
        open_ += 1
    start = max(0, len(sample.ids) - 1 - open_)
    before = text_of(tokenizer, sample.ids[max(0, start - BACK):start])
    now = text_of(tokenizer, sample.ids[max(0, start - BACK):])
    added = now[len(before):]
    return "" if added.endswith(BROKEN) and open_ < BACK else added


def text_of(tokenizer, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
