"""Short runs that differ in one thing, recorded once and shown in notebooks 06 and 07: what each
change of the method does, to how many answers nobody can tell, and where a control stands."""

from helpers.train.ablations.record import (
    Band,
    band,
    compared,
    ends,
    held_out,
    load,
    progress,
    seeds,
)
from helpers.train.ablations.variants import CHAPTERS, START, VARIANTS

__all__ = [
    "Band", "CHAPTERS", "START", "VARIANTS", "band", "compared", "ends", "held_out", "load",
    "progress", "seeds",
]  # fmt: skip
