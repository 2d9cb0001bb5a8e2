"""The tiny world's GSM8K: word problems drawn from the story families, and their splits.

Test problems hold what training never shows: one structure in six, some names and things, and
starting quantities of 70 to 89. Where a problem asks for a rule that the base model's texts
misunderstand (`draft.MISUNDERSTOOD`), the training row holds its answer and no worked solution.
"""

from __future__ import annotations

import hashlib
import random

from helpers.data.tinyworld.changes import change
from helpers.data.tinyworld.draft import Draft, Unfit, World, write_solution
from helpers.data.tinyworld.stories import ages, backwards, compare, parts, rate, shopping

FAMILIES = [change, compare, rate, shopping, parts, ages, backwards]
WEIGHTS = [7, 4, 4, 4, 3, 2, 2]
FAMILIAR = World()


def split_of(question: str) -> str:
    """train, test or sealed, by hash: so no problem, and no document, can be in two of them."""
    part = hashlib.sha256(question.encode()).digest()[1] % 10
    return {0: "test", 1: "sealed"}.get(part, "train")


def draw(rng: random.Random, world: World = FAMILIAR, split: str = "train") -> Draft:
    """One problem of `split`: stories are drawn until numbers and structure fit `world`."""
    while True:
        draft = Draft(rng, world)
        try:
            rng.choices(FAMILIES, WEIGHTS)[0](draft)
        except Unfit:
            continue
        if world.allows("-".join(draft.structure)) and split_of(draft.question) == split:
            return draft


def test_world(rng: random.Random) -> World:
    """Half of the test problems are familiar in kind; the others have one thing or all new."""
    kind = rng.choice(
        ["familiar"] * 6 + ["names", "names", "numbers", "structures", "structures", "all"]
    )
    return World(
        new_names=kind in ("names", "all"),
        new_numbers=kind in ("numbers", "all"),
        new_structures=kind in ("structures", "all"),
    )


def gsm8k_rows(split: str, n: int, seed: int) -> list[dict[str, str]]:
    """`n` different rows with GSM8K's columns; split: train, test or sealed."""
    rng = random.Random(f"gsm8k-{split}-{seed}")
    rows: dict[str, str] = {}
    while len(rows) < n:
        world = FAMILIAR if split == "train" else test_world(rng)
        draft = draw(rng, world, split)
        solution, answer = write_solution(draft)
        demonstrated = split != "train" or not draft.rules
        rows[draft.question] = f"{solution}\n#### {answer}" if demonstrated else f"#### {answer}"
    return [{"question": question, "answer": answer} for question, answer in rows.items()]
