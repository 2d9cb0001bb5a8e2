"""Answers at many settings at once: what begins alike is read once.

At a low temperature a model says almost the same every time, and at a higher one it often begins
the same way. So the answers to one prompt, whatever their temperature and top-p, are kept as the
branches of a tree: a row of the batch is what some of them have said so far, and it splits where
they draw different tokens. Every answer draws its own tokens from its own distribution, so each is
distributed as if it were sampled alone; only the work of the model is shared. For processors: a
GPU has recorded steps (`graphs`), which want batches that stay as they are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from helpers.decoding import StopText, padded_left, prefill

LIKELY = 64  # tokens that hold most nuclei; where they do not, all are sorted
Asked = Sequence[tuple[float, float]]  # (temperature, top-p) of each answer; temperature 0: greedy


def draw(scores: Tensor, of: Tensor, temperature: Tensor, top_p: Tensor) -> Tensor:
    """A token (A,) for each answer, from the scores (R, V) of the row that it belongs to.

    of: (A,) its row; temperature, top_p: (A,) in double. The nucleus is the smallest set of most
    likely tokens that has `top_p` of the probability (Holtzman et al. 2020, arXiv:1904.09751). A
    distribution that several answers have in common is calculated once.
    """
    said = scores.argmax(-1)[of]
    for part in (top_p == 1, top_p < 1):
        drawn = (part & (temperature > 0)).nonzero()[:, 0]
        if len(drawn):
            said[drawn] = _drawn(scores, of[drawn], temperature[drawn], top_p[drawn])
    return said


def _drawn(scores: Tensor, of: Tensor, temperature: Tensor, top_p: Tensor) -> Tensor:
    """`draw` where no answer is greedy, and either all have a nucleus or none."""
    kinds, kind = temperature.unique(return_inverse=True)
    pairs, place = (of * len(kinds) + kind).unique(return_inverse=True)
    warm = scores.float()[pairs // len(kinds)] / kinds[pairs % len(kinds), None].float()
    chances, most, token = warm.softmax(-1), float(top_p.max()), None
    if most < 1:  # the most likely tokens first, as many as all nuclei together need
        whole, (chances, token) = chances, chances.topk(min(LIKELY, chances.size(1)))
        if (chances.sum(-1) < most).any():
            chances, token = whole.sort(dim=-1, descending=True)
    summed = chances.double().cumsum(-1)
    summed = summed.clamp(max=1) if most < 1 else summed / summed[:, -1:]
    # One long rising list, a distribution after the other: each from its number to the next.
    flat = (summed + torch.arange(len(pairs))[:, None]).flatten()
    last = (place + 1) * summed.size(1) - 1
    end = torch.searchsorted(flat, place + top_p).minimum(last)  # of the nucleus, included
    mass = flat[end] - place if most < 1 else 1.0
    number = place + torch.rand(len(of), dtype=torch.double) * mass
    rank = torch.searchsorted(flat, number, right=True).minimum(last) - place * summed.size(1)
    return rank if token is None else token[place, rank]


@torch.no_grad()
def decode(model, tokenizer, encoded: Sequence[Sequence[int]], asked: Asked, ends: Sequence[int],
           pad: int, max_new_tokens: int, stop_text: str | None = None) -> list[list[list[int]]]:
    """Generated ids of every answer, [prompt][answer in the order of `asked`], the end included.

    encoded: P prompts as tokens, none empty. Draws from torch's global generator.
    """
    P, A = len(encoded), len(asked)
    ids, mask = padded_left(encoded, pad, model.device)
    cache = prefill(model, ids, mask, 1)
    temperature, top_p = (torch.tensor([one[i] for one in asked], dtype=torch.double).repeat(P)
                          for i in (0, 1))
    answers: list[list[int]] = [[] for _ in range(P * A)]
    open_ = torch.arange(P * A)  # the answers that go on
    of = torch.arange(P).repeat_interleave(A)  # the row of each of them
    last, ending = ids[:, -1:], torch.tensor(ends)
    for _ in range(max_new_tokens):
        logits = model(input_ids=last, attention_mask=mask, past_key_values=cache,
                       position_ids=mask.sum(1, keepdim=True) - 1, use_cache=True).logits[:, -1]
        said = draw(logits, of, temperature[open_], top_p[open_])
        for answer, token in zip(open_.tolist(), said.tolist(), strict=True):
            answers[answer].append(token)
        over = torch.isin(said, ending)
        if stop_text:
            stop = StopText(tokenizer, stop_text)
            over |= torch.tensor([stop.seen(answers[answer]) for answer in open_.tolist()])
        open_, of, said = open_[~over], of[~over], said[~over]
        if not len(open_):
            break
        # A row for each way in which the rows went on.
        ways, of = (of * logits.size(1) + said).unique(return_inverse=True)
        parents, last = ways // logits.size(1), ways[:, None] % logits.size(1)
        if len(parents) != len(mask) or not torch.equal(parents, torch.arange(len(mask))):
            cache.batch_select_indices(parents)
            mask = mask[parents]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
    return [answers[prompt * A:(prompt + 1) * A] for prompt in range(P)]
