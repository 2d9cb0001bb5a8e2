"""Short competition-like problems with steps, for tiny OpenR1, DeepScaleR, AIME and MATH-500."""

from __future__ import annotations

import hashlib
import random

from helpers.data.tinyworld import (  # noqa: F401  (importing them registers the families)
    mathfamilies_algebra,
    mathfamilies_geometry,
    mathfamilies_numbers,
    mathfamilies_prealgebra,
)
from helpers.data.tinyworld.mathfamily import FAMILIES, Arithmetic, Item

OPENINGS = ("What is {}?", "Find {}.", "Compute {}.", "Determine {}.", "Calculate {}.")


def bucket(text: str, count: int = 20) -> int:
    """Number 0..count-1 that depends on the text alone: keeps sets and splits apart."""
    return int(hashlib.sha256(f"tiny world: {text}".encode()).hexdigest(), 16) % count


def make(rng: random.Random, slip: float = 0.0, families: tuple[str, ...] | None = None,
         confused: bool = False) -> Item:
    """Draw one problem; with probability ``slip`` exactly one of its calculations goes wrong."""
    name = rng.choice(families or tuple(sorted(FAMILIES)))
    return write(name, rng.getrandbits(48), rng, rng.random() < slip, confused)


def write(name: str, seed: int, rng: random.Random, slipped: bool = False,
          confused: bool = False) -> Item:
    """The problem that ``seed`` gives in family ``name``; ``rng`` chooses only the slip.

    confused: solved by somebody who misunderstands the family's rule, where it has one; where that
    leads to no positive number, it is solved as it should be.
    """
    subject, function = FAMILIES[name]
    exact = Arithmetic()
    nouns, whole, steps, answer = function(random.Random(seed), exact)
    pick = random.Random(seed + 1)
    noun = pick.choice(nouns)
    chances = [opening.format(noun) for opening in pick.sample(OPENINGS, 2)] + whole
    chances = [text.replace("....", "...") for text in chances]  # one list's dots end the sentence
    problem = pick.choice(chances)
    reached, hardness = answer, exact.count
    if confused:
        wrong = Arithmetic(confused=True)
        _, _, other_steps, other = function(random.Random(seed), wrong)
        confused = wrong.lowest >= 0 and other != "0"
        if confused:
            exact, steps, reached = wrong, other_steps, other
    if slipped:
        for _ in range(8):  # a page with a negative number of apples is no likely mistake
            wrong = Arithmetic(rng.randrange(exact.count), rng, confused)
            _, _, steps, reached = function(random.Random(seed), wrong)
            if wrong.lowest >= 0:
                break
    return Item(
        name, subject, problem, noun, tuple(steps), reached, answer, min(5, hardness), seed
    )


def draw(
    rng: random.Random,
    buckets: range,
    seen: set[str],
    slip: float = 0.0,
    families: tuple[str, ...] | None = None,
) -> Item:
    """A problem not in ``seen`` whose text falls into ``buckets``; it is added to ``seen``."""
    while True:
        item = make(rng, slip, families)
        if bucket(item.problem) in buckets and item.problem not in seen:
            seen.add(item.problem)
            return item
