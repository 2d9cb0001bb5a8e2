"""The largest family of stories: someone has things, and one to three things happen to them."""

from __future__ import annotations

from helpers.data.tinyworld import words
from helpers.data.tinyworld.draft import Draft, Ref, Unfit


def _event(
    d: Draft, kind: str, has: int | Ref, who: tuple[str, str], other: str, things: str
) -> Ref:
    """Tell one change of what `who` has; returns the new quantity."""
    name, pronoun = who
    she, rng = pronoun.capitalize(), d.rng
    m = rng.randint(2, 39)
    now = f"{name} now has {{}} {things}."
    d.structure.append(kind)
    if kind == "gain":
        d.say(
            f"{she} finds {m} more.",
            f"{other} gives {name} {m} {things}.",
            f"{name} buys {m} more {things}.",
            f"Then {pronoun} gets {m} more from {other}.",
        )
        return d.step(now, has, "+", m)
    if kind == "lose":
        d.say(
            f"{she} gives {m} {things} to {other}.",
            f"{name} loses {m} of them.",
            f"Then {pronoun} sells {m} {things}.",
            f"{other} takes {m} {things} away.",
        )
        return d.step(now, has, "-", m)
    k = rng.randint(2, 9)
    if kind in ("packs in", "packs out"):
        packs, _ = rng.choice(words.PACKS)
        each = rng.randint(2, 9)
        amount = f"{k} {packs} of {each} {things}"
        if kind == "packs in":
            d.say(f"{name} buys {amount} each.", f"{other} brings {name} {amount} each.")
            got = d.step(f"{k} {packs} hold {{}} {things}.", k, "*", each)
            return d.step(now, has, "+", got)
        d.say(f"{she} gives away {amount} each.", f"{name} sells {amount} each.")
        gone = d.step(f"{k} {packs} hold {{}} {things}.", k, "*", each)
        return d.step(now, has, "-", gone)
    if kind == "friends":
        each = rng.randint(2, 9)
        d.say(
            f"{she} gives {each} {things} to each of {k} friends.",
            f"{k} friends get {each} {things} each from {name}.",
        )
        gone = d.step(f"The friends get {{}} {things}.", k, "*", each)
        return d.step(now, has, "-", gone)
    if kind == "multiply":
        word, k = rng.choice([("doubles", 2), ("triples", 3)])
        d.say(
            f"Then {pronoun} {word} the number of {things}.", f"{name} {word} what {pronoun} has."
        )
        return d.step(now, has, "*", k)
    word, k = rng.choice([("half", 2), ("a third", 3), ("a quarter", 4)])  # kind "part"
    if d.value(has) % k:
        raise Unfit(kind)
    d.say(f"{she} gives {word} of them to {other}.", f"{name} loses {word} of the {things}.")
    gone = d.step(f"{word.capitalize()} of them is {{}} {things}.", has, "/", k)
    return d.step(now, has, "-", gone)


EVENTS = ["gain", "lose", "packs in", "packs out", "friends", "multiply", "part"]


def change(d: Draft) -> None:
    """Someone has things; one to three events; how many now, per box, or for how much money?"""
    rng = d.rng
    (who, other), (things, _) = d.world.people(rng, 2), d.world.thing(rng)
    name, pronoun = who
    start = d.world.start(rng)
    d.structure.append("change")
    d.say(
        f"{name} has {start} {things}.",
        f"There are {start} {things} in {name}'s room.",
        f"{name} starts the day with {start} {things}.",
        f"{name} owns {start} {things}.",
    )
    has: int | Ref = start
    ending = rng.choices(["now", "share", "sell"], [6, 1, 1])[0]
    for kind in rng.choices(
        EVENTS, k=rng.choices([1, 2, 3], [4, 5, 1 if ending == "now" else 0])[0]
    ):
        has = _event(d, kind, has, who, other[0], things)
    d.structure.append(ending)
    if ending == "now":
        d.say(
            f"How many {things} does {name} have now?",
            f"How many {things} does {pronoun} have in the end?",
            f"How many {things} are left with {name}?",
        )
    elif ending == "share":
        k = rng.randint(2, 9)
        packs, pack = rng.choice(words.PACKS)
        d.say(
            f"{name} puts all of them into {k} {packs}, the same number in each. "
            f"How many {things} are in each {pack}?"
        )
        d.step(f"Each {pack} holds {{}} {things}.", has, "/", k)
    else:
        price = rng.randint(2, 5)
        d.say(
            f"{name} sells all of them for ${price} each. How much money does {pronoun} get?",
            f"How many dollars are they worth at ${price} each?",
        )
        d.step("The money is {} dollars.", has, "*", price)
