"""Groups of answers as tensors: a prompt is read once for all of its answers, and an answer that
was written more than once is read once and counted as often.

Nothing changes but rounding: answers look back at the same keys and values, and equal answers have
equal gradients. (With dropout they share what is dropped, which leaves the gradient's mean as it
is.) Shapes: the legend in `helpers.losses`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from helpers.decoding import padded_left
from helpers.train.ppo.rollout import Rollout
from helpers.train.rows import MicroBatch, logprobs, said


class GroupBatch(MicroBatch):
    """Some `rows` (b,) of a larger batch with the p different prompts that they stand behind.

    prompts, seen (p, P): their ids and mask, padded on the left; prompt_of (b,): which is whose.
    copies (b, 1): how many answers each row stands for.
    """

    def __init__(self, prompts: Sequence[list[int]], completions: Sequence[list[int]],
                 rows: list[int], copies: Sequence[int], device: torch.device | str):
        super().__init__(prompts, completions, rows, device)
        different = list(dict.fromkeys(tuple(prompts[row]) for row in rows))
        self.prompts, self.seen = padded_left(different, 0, torch.device(device))
        self.prompt_of = torch.tensor([different.index(tuple(prompts[row])) for row in rows],
                                      device=device)
        self.copies = torch.tensor([[float(copies[row])] for row in rows], device=device)


def group_batches(answers: Rollout, size: int, device: torch.device | str) -> list[GroupBatch]:
    """The different answers of a rollout with advantages (B,), in batches of at most `size` rows.

    Groups stay together, those of like length side by side, and those without an advantage come
    last, so that as few batches as possible need a gradient. Answers are equal if prompt, tokens,
    advantage and whether they count are.
    """
    if answers.advantages is None:
        raise ValueError("answers are batched once they have advantages")
    first: dict[tuple, int] = {}
    copies = [0] * len(answers)
    keys = [(tuple(prompt), tuple(ids), push, counts) for prompt, ids, push, counts in zip(
        answers.prompts, answers.completions, answers.advantages.tolist(),
        answers.judged.tolist(), strict=True)]
    for row, key in enumerate(keys):
        copies[first.setdefault(key, row)] += 1
    groups: dict[tuple, list[int]] = {}
    for (prompt, *_), row in first.items():
        groups.setdefault(prompt, []).append(row)
    order = sorted(groups.values(), key=lambda rows: (
        not any(keys[row][2] for row in rows), max(len(keys[row][1]) for row in rows), rows[0]))
    rows = [row for group in order for row in group]
    batches = [GroupBatch(answers.prompts, answers.completions, rows[start:start + size], copies,
                          device) for start in range(0, len(rows), size)]
    for batch in batches:
        batch.mask = batch.of(answers.mask)
    return batches


def group_logprobs(model: nn.Module, batch: GroupBatch, temperature: float = 1.0) -> Tensor:
    """Log-probability (b, t) of each answer's tokens, as `rows.logprobs` has it."""
    if any(getattr(one, "gradient_checkpointing", False) for one in model.modules()):
        # Its layers keep no keys and values.
        return logprobs(model, batch.ids, batch.places, batch.targets, temperature)[0]
    body, cache = getattr(model, model.base_model_prefix), DynamicCache(config=model.config)
    positions = (batch.seen.cumsum(-1) - 1).clamp(min=0)
    states = body(input_ids=batch.prompts, attention_mask=batch.seen, position_ids=positions,
                  past_key_values=cache, use_cache=True)[0][batch.prompt_of, -1:]
    given = batch.targets[:, :-1]  # read to predict the next ones
    if given.size(1):
        cache.batch_select_indices(batch.prompt_of)
        seen = torch.cat([batch.seen[batch.prompt_of], torch.ones_like(given)], 1)
        steps = torch.arange(given.size(1), device=given.device)
        rest = body(input_ids=given, attention_mask=seen, past_key_values=cache, use_cache=True,
                    position_ids=positions[batch.prompt_of, -1:] + 1 + steps)[0]
        states = torch.cat([states, rest], 1)
    return said(model, states, batch.targets, temperature)[0]
