"""The families of stories: each function writes one drawn problem into a `Draft`.

A draft's structure (family and kinds of event, in order) is what "template" means in this world;
the wording of each sentence is drawn on top of it.
"""

from __future__ import annotations

from helpers.data.tinyworld import words
from helpers.data.tinyworld.draft import Draft, Ref, Unfit

RELATION = {"times": "times", "half": "fraction"}  # how two quantities relate -> its rule


def compare(d: Draft) -> None:
    """One has a number of things, a second relates to the first, perhaps a third to the second."""
    rng = d.rng
    people, (things, _) = d.world.people(rng, 3), d.world.thing(rng)
    has: int | Ref = d.world.start(rng)
    d.structure.append("compare")
    d.say(f"{people[0][0]} has {has} {things}.", f"{people[0][0]} owns {has} {things}.")
    values = [has]
    for (first, _), (second, _) in zip(people, people[1 : 1 + rng.choice([1, 1, 2])], strict=False):
        kind = rng.choice(["more", "fewer", "times", "half"])
        d.structure.append(kind)
        m, k = rng.randint(2, 29), rng.randint(2, 4)
        sums = {
            "more": ("+", m, f"{m} more {things} than"),
            "fewer": ("-", m, f"{m} fewer {things} than"),
            "times": ("*", k, f"{k} times as many {things} as"),
            "half": ("/", 2, f"half as many {things} as"),
        }
        op, number, words_ = sums[kind]
        d.say(f"{second} has {words_} {first}.")
        values.append(d.step(f"{second} has {{}} {things}.", values[-1], op, number,
                             rule=RELATION.get(kind, "")))
    last, first = people[len(values) - 1][0], people[0][0]
    ending = rng.choice(["last", "together", "difference"])
    d.structure.append(ending)
    if ending == "last":
        d.say(f"How many {things} does {last} have?")
    elif ending == "together":
        owners = "they" if len(values) > 2 else f"{first} and {last}"
        d.say(
            f"How many {things} do {owners} have together?",
            "How many is that in all?",
        )
        total = values[0]
        for value in values[1:]:
            total = d.step(f"Together that is {{}} {things}.", total, "+", value)
    else:
        big, small = sorted((0, -1), key=lambda i: -d.value(values[i]))
        names = {0: first, -1: last}
        d.say(f"How many more {things} does {names[big]} have than {names[small]}?")
        d.step(f"{names[big]} has {{}} more.", values[big], "-", values[small])


def rate(d: Draft) -> None:
    """Work at a steady rate: how much in all, how long, what is left, what it pays."""
    rng = d.rng
    (name, pronoun), (other, _) = d.world.people(rng, 2)
    verb, unit, per, base = rng.choice(words.RATES)
    r, t = rng.randint(2, 19), rng.randint(2, 9)
    ending = rng.choice(
        ["total", "goal", "pay", "two people", "two rates", "time", "spoiled", "need"]
    )
    d.structure += ["rate", base, ending]
    first = f"{name} {verb} {r} {unit} each {per}."
    if ending == "time":
        whole = r * t
        d.say(first, f"Each {per}, {name} {verb} {r} {unit}.")
        d.say(f"How many {per}s does {pronoun} need for {whole} {unit}?")
        d.step(f"{name} needs {{}} {per}s.", whole, "/", r)
        return
    if ending == "need":
        whole, done = d.world.start(rng), rng.randint(5, 40)
        d.say(f"{name} wants to {base} {whole} {unit} and has done {done}.")
        d.say(f"{pronoun.capitalize()} does the rest in {t} {per}s, the same number each {per}.")
        d.say(f"How many {unit} is that each {per}?")
        left = d.step(f"There are {{}} {unit} left.", whole, "-", done)
        d.step(f"That is {{}} {unit} each {per}.", left, "/", t)
        return
    d.say(f"{first[:-1]} for {t} {per}s.", f"For {t} {per}s, {name} {verb} {r} {unit} each {per}.")
    total = d.step(f"{name} {verb} {{}} {unit}.", r, "*", t, rule="rate")
    if ending == "total":
        d.say(f"How many {unit} is that in all?", f"How many {unit} does {name} {base}?")
    elif ending == "goal":
        goal = rng.randint(60, 190)
        d.say(f"The goal is {goal} {unit}. How many {unit} are still missing?")
        d.step(f"There are {{}} {unit} missing.", goal, "-", total)
    elif ending == "pay":
        k = rng.randint(2, 5)
        d.say(
            f"{pronoun.capitalize()} gets ${k} for each one. How many dollars does {pronoun} get?"
        )
        d.step("That pays {} dollars.", total, "*", k)
    elif ending == "two people":
        m = rng.randint(5, 60)
        d.say(f"{other} {verb} {m} {unit} in all. How many {unit} is that together?")
        d.step(f"Together that is {{}} {unit}.", total, "+", m)
    elif ending == "two rates":
        r2, t2 = rng.randint(2, 12), rng.randint(2, 9)
        d.say(
            f"Then {pronoun} {verb} {r2} {unit} each {per} for {t2} {per}s. "
            f"How many {unit} is that in all?"
        )
        more = d.step(f"Then {name} {verb} {{}} {unit}.", r2, "*", t2, rule="rate")
        d.step(f"In all that is {{}} {unit}.", total, "+", more)
    else:
        bad = rng.randint(2, 30)
        d.say(f"{bad} of them do not count. How many {unit} count?")
        d.step(f"So {{}} {unit} count.", total, "-", bad)


def shopping(d: Draft) -> None:
    """Prices times numbers, sums, change, discounts, shared bills."""
    rng = d.rng
    (name, pronoun), (other, _) = d.world.people(rng, 2)
    (a, _), (b, _) = d.world.thing(rng), rng.choice(words.THINGS)
    if a == b:
        raise Unfit(a)
    n, p, m, q = (rng.randint(2, 9) for _ in range(4))
    items = rng.choice(["one item", "two items"])
    ending = rng.choice(["cost", "change", "coupon", "split", "saved", "delivery"])
    d.structure += ["shopping", items, ending]
    tail = f" and {m} {b} for ${q} each" if items == "two items" else ""
    d.say(
        f"{name} buys {n} {a} for ${p} each{tail}.",
        f"In a shop, {name} takes {n} {a} for ${p} each{tail}.",
    )
    cost = d.step(f"The {a} cost {{}}.", n, "*", p, money=True)
    if tail:
        second = d.step(f"The {b} cost {{}}.", m, "*", q, money=True)
        cost = d.step("Together they cost {}.", cost, "+", second, money=True)
    if ending == "cost":
        d.say(f"How many dollars does {pronoun} pay?", "How much is that in dollars?")
    elif ending == "change":
        pays = rng.choice([20, 50, 100, 150])
        d.say(
            f"{pronoun.capitalize()} pays with ${pays}. How many dollars does {pronoun} get back?"
        )
        d.step(f"{name} gets {{}} back.", pays, "-", cost, money=True)
    elif ending == "coupon":
        off = rng.randint(2, 15)
        d.say(f"A coupon takes ${off} off. How many dollars does {pronoun} pay?")
        d.step(f"{name} pays {{}}.", cost, "-", off, money=True)
    elif ending == "split":
        k = rng.randint(2, 5)
        d.say(f"{k} friends share the cost. How many dollars does each friend pay?")
        d.step("Each friend pays {}.", cost, "/", k, money=True)
    elif ending == "saved":
        saved = d.world.start(rng)
        d.say(f"{pronoun.capitalize()} had saved ${saved}. How many dollars are left?")
        d.step("There are {} left.", saved, "-", cost, money=True)
    else:
        fee = rng.randint(2, 12)
        d.say(f"The delivery is ${fee} more. How many dollars is that in all?")
        d.step("In all that is {}.", cost, "+", fee, money=True)


def parts(d: Draft) -> None:
    """A whole and its parts: a fraction or a number of one kind, the rest of the other."""
    rng = d.rng
    opening, members, one, rest = rng.choice(words.GROUPS)
    whole = d.world.start(rng)
    given = rng.choice(["number", "half", "third", "quarter", "fifth"])
    ending = rng.choice(["rest", "rest more", "rest fewer", "rest groups", "difference"])
    d.structure += ["parts", given, ending]
    if given == "number":
        part: int | Ref = rng.randint(3, 40)
        d.say(f"{opening} {whole} {members}. {part} are {one} and the rest are {rest}.")
    else:
        k = {"half": 2, "third": 3, "quarter": 4, "fifth": 5}[given]
        name = "Half" if k == 2 else f"One {given}"
        d.say(f"{opening} {whole} {members}. {name} of them are {one} and the rest are {rest}.")
        part = d.step(f"{{}} are {one}.", whole, "/", k, rule="fraction")
    left = d.step(f"{{}} are {rest}.", whole, "-", part)
    m, k = rng.randint(2, 30), rng.randint(2, 6)
    if ending == "rest":
        d.say(f"How many are {rest}?", f"How many of the {members} are {rest}?")
    elif ending == "rest more":
        d.say(f"Then {m} more that are {rest} come. How many are {rest} now?")
        d.step(f"Now {{}} are {rest}.", left, "+", m)
    elif ending == "rest fewer":
        d.say(f"Then {m} of those that are {rest} go. How many are {rest} now?")
        d.step(f"Now {{}} are {rest}.", left, "-", m)
    elif ending == "rest groups":
        d.say(f"Those that are {rest} make {k} equal groups. How many are in each group?")
        d.step("Each group has {}.", left, "/", k)
    else:
        d.say(f"How many more are {rest} than {one}?")
        d.step(f"{{}} more are {rest}.", left, "-", part)


def ages(d: Draft) -> None:
    """Ages of two people, now, in some years or some years ago."""
    rng = d.rng
    (a, _), (b, _) = d.world.people(rng, 2)
    age = rng.randint(4, 40)
    relation = rng.choice(["older", "younger", "times", "half"])
    ending = rng.choice(["now", "future", "past", "sum"])
    d.structure += ["ages", relation, ending]
    m, k, years = rng.randint(2, 20), rng.randint(2, 4), rng.randint(2, 15)
    op, number, text = {
        "older": ("+", m, f"{m} years older than"),
        "younger": ("-", m, f"{m} years younger than"),
        "times": ("*", k, f"{k} times as old as"),
        "half": ("/", 2, "half as old as"),
    }[relation]
    d.say(f"{a} is {age} years old. {b} is {text} {a}.")
    other = d.step(f"{b} is {{}} years old.", age, op, number, rule=RELATION.get(relation, ""))
    if ending == "now":
        d.say(f"How old is {b}?")
    elif ending == "sum":
        d.say("How old are they together?", "What is the sum of their ages?")
        d.step("Together they are {}.", age, "+", other)
    elif ending == "future":
        d.say(f"How old will {b} be in {years} years?")
        d.step(f"Then {b} is {{}}.", other, "+", years)
    else:
        d.say(f"How old was {b} {years} years ago?")
        d.step(f"Then {b} was {{}}.", other, "-", years)


def backwards(d: Draft) -> None:
    """The end is known, the start is asked."""
    rng = d.rng
    (who, other), (things, _) = d.world.people(rng, 2), d.world.thing(rng)
    name, end = who[0], d.world.start(rng)
    kinds = [rng.choice(["gave", "got", "doubled"]) for _ in range(rng.choice([1, 2]))]
    d.structure += ["backwards", *kinds]
    d.say(f"{name} has some {things}.", f"Nobody knows how many {things} {name} has.")
    undo = []
    for kind in kinds:
        m = rng.randint(2, 30)
        if kind == "gave":
            d.say(f"{name} gives {m} {things} to {other[0]}.", f"{name} loses {m} {things}.")
            undo.append(("+", m))
        elif kind == "got":
            d.say(f"{name} gets {m} more from {other[0]}.", f"{name} finds {m} more.")
            undo.append(("-", m))
        else:
            d.say(f"{name} doubles the number of {things}.")
            undo.append(("/", 2))
    d.say(f"Now {name} has {end} {things}. How many {things} did {name} have at first?")
    has: int | Ref = end
    for op, m in reversed(undo):
        has = d.step(f"Before that {name} had {{}} {things}.", has, op, m, rule="backwards")
