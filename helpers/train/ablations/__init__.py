"""Short runs that differ in one thing, recorded once and shown in notebooks 06 and 07."""

from helpers.train.ablations.record import (
    Band,
    band,
    compared,
    ends,
    held_out,
    load,
    meeting,
    panels,
    progress,
    seeds,
    table,
    verdict,
)
from helpers.train.ablations.variants import CHAPTERS, START, VARIANTS

__all__ = [
    "Band", "CHAPTERS", "START", "VARIANTS", "band", "compared", "ends", "held_out", "load",
    "meeting", "panels", "progress", "seeds", "table", "verdict",
]  # fmt: skip
