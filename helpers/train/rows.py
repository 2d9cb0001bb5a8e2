"""Prompts with their completions as tensors, and what a causal language model says of them.

Rows are padded on the right: no real token ever looks at padding, so no attention mask is needed.
Shapes: the legend in `helpers.losses`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from helpers import losses
from helpers.costs import LOGITS


class Rows:
    """b completions of up to t tokens, each behind its prompt.

    ids (b, L): prompt and completion without a gap. places (b, t): where the hidden state stands
    that predicts each completion token; targets (b, t): those tokens; mask (b, t): 1 on real ones;
    last (b, 1): the place of the last token.
    """

    def __init__(self, prompts: Sequence[list[int]], completions: Sequence[list[int]],
                 device: torch.device | str = "cpu"):
        texts = [prompt + completion
                 for prompt, completion in zip(prompts, completions, strict=True)]
        lengths = torch.tensor([[len(completion)] for completion in completions])
        self.ids, self.targets = padded(texts).to(device), padded(completions).to(device)
        self.width = self.targets.size(1)
        steps = torch.arange(self.width)
        self.mask = (steps < lengths).float().to(device)
        first = torch.tensor([[len(prompt) - 1] for prompt in prompts])
        self.places = (first + steps).clamp(max=self.ids.size(1) - 1).to(device)
        self.last = (first + lengths).to(device)


class MicroBatch(Rows):
    """Some `rows` (b,) of a larger batch; knows its place in that batch's (B, T) tensors."""

    def __init__(self, prompts: Sequence[list[int]], completions: Sequence[list[int]],
                 rows: list[int], device: torch.device | str):
        super().__init__([prompts[row] for row in rows], [completions[row] for row in rows], device)
        self.rows = torch.tensor(rows)

    def of(self, values: Tensor) -> Tensor:
        """These rows of a (B, T) tensor, cut to this micro-batch's width."""
        return values[self.rows, :self.width].to(self.ids.device)

    def into(self, values: Tensor, part: Tensor) -> None:
        """Write this micro-batch's (b, t) into its rows of (B, T); padding stays as it is."""
        width = part.size(1)
        values[self.rows, :width] = (part.float() * self.mask[:, :width]).cpu()


def by_length(prompts: Sequence[list[int]], completions: Sequence[list[int]]) -> list[int]:
    """The rows in the order of their length, those of equal length in their own."""
    length = [len(p) + len(c) for p, c in zip(prompts, completions, strict=True)]
    return sorted(range(len(length)), key=lambda row: (length[row], row))


def micro_batches(prompts: Sequence[list[int]], completions: Sequence[list[int]], size: int,
                  device: torch.device | str) -> list[MicroBatch]:
    """All rows in micro-batches of at most `size`, rows of like length together: less padding."""
    order = by_length(prompts, completions)
    return [MicroBatch(prompts, completions, order[start:start + size], device)
            for start in range(0, len(order), size)]


def padded(rows: Sequence[list[int]]) -> Tensor:
    """(rows, longest), filled up with 0 on the right."""
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def hidden_states(model: nn.Module, ids: Tensor, places: Tensor) -> Tensor:
    """Last hidden states (B, P, H) of a language model at `places` (B, P) of ids (B, L)."""
    states = getattr(model, model.base_model_prefix)(input_ids=ids, use_cache=False)[0]
    return states.gather(1, places.unsqueeze(-1).expand(-1, -1, states.size(-1)))


def logprobs(model: nn.Module, ids: Tensor, places: Tensor, targets: Tensor,
             temperature: float = 1.0, with_entropy: bool = False) -> list[Tensor]:
    """[log-probability of each target (B, P)], and with it, if wanted, the entropy (B, P) of what
    it was drawn from: a second pass over all logits.

    targets (B, P) are the tokens that follow `places` (B, P) of ids (B, L).
    """
    return said(model, hidden_states(model, ids, places), targets, temperature, with_entropy)


def said(model: nn.Module, states: Tensor, targets: Tensor, temperature: float = 1.0,
         with_entropy: bool = False) -> list[Tensor]:
    """`logprobs` from the last hidden states (B, P, H) before each target. Logits exist for LOGITS
    numbers at a time, in backward passes too, where each piece is computed again."""
    head = model.get_output_embeddings()
    size = max(1, LOGITS // head.out_features)  # in tokens

    def piece(states: Tensor, targets: Tensor) -> list[Tensor]:
        logits = head(states).float()
        if temperature != 1:  # a copy of all logits
            logits = logits / temperature
        logp = losses.token_logprobs(logits, targets)
        return [logp, losses.entropy(logits)] if with_entropy else [logp]

    if targets.numel() <= size:
        return piece(states, targets)
    pieces = [checkpoint(piece, *one, use_reentrant=False) if torch.is_grad_enabled()
              else piece(*one)
              for one in zip(states.flatten(0, 1)[None].split(size, 1),
                             targets.flatten()[None].split(size, 1), strict=True)]
    return [torch.cat(parts, 1).view_as(targets) for parts in zip(*pieces, strict=True)]
