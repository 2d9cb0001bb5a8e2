"""What this process may still take of its GPU, and what to do where that was too little."""

import gc
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

from helpers.config import ConfigError

LIMIT = "COURSE_GPU_GB"  # of the environment: GB of the GPU that this process may plan with
Item = TypeVar("Item")
Found = TypeVar("Found")


class OutOfMemory(RuntimeError):
    """The GPU had no room for what was planned: one line with what to set, and that nothing is
    lost."""


def free_bytes() -> float:
    """What this process may still take of its GPU: free on the card, within its own share if one
    was set (torch.cuda.set_per_process_memory_fraction), and within COURSE_GPU_GB."""
    free, total = torch.cuda.mem_get_info()
    mine = torch.cuda.memory_allocated()
    of_all = getattr(torch.cuda, "get_per_process_memory_fraction", lambda: 1.0)  # torch 2.8
    limits = [free + torch.cuda.memory_reserved(), of_all() * total, limit_bytes()]
    return min(limits) - mine


def others_gb() -> float:
    """GB of the GPU that this process neither has nor could take: what other programs hold, and the
    half GB or so that each program needs by itself."""
    if not torch.cuda.is_available():
        return 0.0
    free, total = torch.cuda.mem_get_info()
    return max(0.0, total - free - torch.cuda.memory_reserved()) / 1e9


def limit_bytes() -> float:
    """COURSE_GPU_GB in bytes, infinite where it is not set; ConfigError for what is no size."""
    asked = os.environ.get(LIMIT, "").strip() or "inf"
    try:
        size = float(asked)
    except ValueError:
        size = 0.0
    if not size > 0:
        raise ConfigError(f"{LIMIT}: is {asked!r}, must be a number of GB, such as 14.5")
    return size * 1e9


def used_gb() -> float:
    """GB of the GPU that torch holds for this process."""
    return torch.cuda.memory_reserved() / 1e9 if torch.cuda.is_available() else 0.0


def halving(
    batches: Iterable[Sequence[Item]], work: Callable[[Sequence[Item]], Found], alone: str
) -> Iterator[tuple[Sequence[Item], Found]]:
    """Each batch with what `work` makes of it. Where the GPU has no room for one, it and all that
    follow are read in pieces half as long, and it goes on. OutOfMemory where one item is too much;
    `alone` says of what, and what to set."""
    waiting = list(batches)
    while waiting:
        batch, found = waiting[0], []
        try:
            found.append(work(batch))
        except torch.cuda.OutOfMemoryError as error:
            used = used_gb()
            if len(batch) == 1:
                raise OutOfMemory(f"the GPU ran out of memory at {used:.1f} GB, {alone}") from error
        if found:
            yield batch, found[0]
            waiting = waiting[1:]
            continue
        # Only here, with the error, is what the attempt had made gone.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = -(-len(batch) // 2)
        warnings.warn(f"the GPU ran out of memory at {used:.1f} GB with {len(batch)} at once: it "
                      f"goes on with {half}", stacklevel=2)
        waiting = [part[start:start + half] for part in waiting
                   for start in range(0, len(part), half)]
