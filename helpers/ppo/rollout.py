"""One batch of experience: what the policy wrote, and what everybody thinks of it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from helpers.rows import Rows


@dataclass
class Rollout:
    """B completions of up to T tokens. Rows are ragged lists of ids; tensors are padded right.

    prompts, completions: token ids; a completion has its end token, if it came to its end.
    logp, ref_logp, entropy, values, advantages, returns: (B, T), 0 on padding; scores (B,); parts:
    the score's parts by name, (B,) each, before weighting. What is not computed yet is None.
    """

    prompts: list[list[int]]
    completions: list[list[int]]
    texts: list[str]
    truncated: Tensor  # (B,) bool
    mask: Tensor = field(init=False)  # (B, T) float, 1 on real tokens
    logp: Tensor | None = None
    ref_logp: Tensor | None = None
    entropy: Tensor | None = None
    values: Tensor | None = None
    scores: Tensor | None = None
    parts: dict[str, Tensor] = field(default_factory=dict)
    advantages: Tensor | None = None
    returns: Tensor | None = None
    _pieces: list["MicroBatch"] = field(default_factory=list, repr=False)

    def __post_init__(self):
        rows = len(self.prompts)
        if not rows == len(self.completions) == len(self.texts) == len(self.truncated):
            raise ValueError("prompts, completions, texts and truncated differ in number")
        for name, lists in [("prompt", self.prompts), ("completion", self.completions)]:
            if empty := [row for row, ids in enumerate(lists) if not ids]:
                raise ValueError(f"{name} {empty[0]} is empty; it needs at least one token")
        lengths = torch.tensor([len(ids) for ids in self.completions])
        self.mask = (torch.arange(int(lengths.max())) < lengths[:, None]).float()

    def __len__(self) -> int:
        return len(self.prompts)

    def micro_batches(self, size: int, device: torch.device) -> list["MicroBatch"]:
        """All rows in pieces of at most `size`, rows of like length together: less padding.

        Cut once and kept: rounding depends on what shares a batch, and log-probabilities that are
        compared must come from the same ones. Then every ratio is 1 before the first step.
        """
        if not self._pieces:
            length = [len(p) + len(c) for p, c in zip(self.prompts, self.completions, strict=True)]
            order = sorted(range(len(self)), key=lambda row: (length[row], row))
            self._pieces = [MicroBatch(self, order[start:start + size], device)
                            for start in range(0, len(order), size)]
        return self._pieces


class MicroBatch(Rows):
    """Some rows of a rollout as tensors, cut to the longest of them; `mask` is the rollout's."""

    def __init__(self, rollout: Rollout, rows: list[int], device: torch.device):
        super().__init__([rollout.prompts[row] for row in rows],
                         [rollout.completions[row] for row in rows], device)
        self.rows = torch.tensor(rows)
        self.mask = self.of(rollout.mask)

    def of(self, values: Tensor) -> Tensor:
        """These rows of a (B, T) tensor, cut to this batch's width."""
        return values[self.rows, :self.width].to(self.ids.device)

    def into(self, values: Tensor, part: Tensor) -> None:
        """Write this batch's (b, t) into its rows of a (B, T) tensor; padding stays as it is."""
        width = part.size(1)
        values[self.rows, :width] = (part.float() * self.mask[:, :width]).cpu()
