"""Random inputs that exercises share: normal numbers, and masks of answers of unequal length."""

import random

import torch
from torch import Tensor


def normal(rng: random.Random, *shape: int) -> Tensor:
    """Numbers with mean 0 and deviation 1, drawn without the global state of torch."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rng.getrandbits(40)))


def masks(rng: random.Random) -> list[Tensor]:
    """Three masks (B, T): one answer fills its row, the others end after 2 tokens or later."""
    found = []
    for rows, width in ((2, 4), (3, 6), (4, 9)):
        lengths = [width, *(rng.randint(2, width - 1) for _ in range(rows - 1))]
        found.append((torch.arange(width) < torch.tensor(lengths)[:, None]).float())
    return found


def like(rng: random.Random, count: int) -> list[tuple[Tensor, ...]]:
    """A mask and `count` tensors of normal numbers of its shape (B, T), three times."""
    return [(mask, *(normal(rng, *mask.shape) for _ in range(count))) for mask in masks(rng)]
