"""More kinds of instructions: questions about the small world's facts, and greetings."""

from __future__ import annotations

import random

from helpers.data.tinyworld import smallworld as world
from helpers.data.tinyworld.instructkinds import Made, a, kind, sentence, words


def _column(rows, subject: int, column: int):
    """A check: the answer holds the words of the row's ``column`` whose subject was asked for."""
    table = {row[subject]: row[column] for row in rows}
    return lambda m, s: m[1] in table and f" {table[m[1]]}" in f" {s.lower()}"


def _wrong(rng, rows, column, right):
    return rng.choice([row[column] for row in rows if row[column] != right])


@kind("openhermes-50k", r"[Ww]here does an? (\w+) live", _column(world.ANIMALS, 0, 1))
def where_lives(rng: random.Random) -> Made:
    animal, home, _, does = rng.choice(world.ANIMALS)
    asked = rng.choice(("Where does {} live?", "Tell me, where does {} live?"))
    good = [
        f"{sentence(a(animal))} lives {home}.",
        f"{sentence(a(animal))} lives {home}. It {does}.",
    ]
    wrong = _wrong(rng, world.ANIMALS, 1, home)
    return (
        asked.format(a(animal)),
        good,
        [f"{sentence(a(animal))} lives {wrong}.", f"{sentence(a(animal))} {does}."],
    )


@kind("openhermes-50k", r"[Ww]hat does an? (\w+) eat", _column(world.ANIMALS, 0, 2))
def what_eats(rng: random.Random) -> Made:
    animal, home, food, _ = rng.choice(world.ANIMALS)
    asked = rng.choice(("What does {} eat?", "Tell me, what does {} eat?"))
    good = [
        f"{sentence(a(animal))} eats {food}.",
        f"{sentence(a(animal))} eats {food} and lives {home}.",
    ]
    wrong = _wrong(rng, world.ANIMALS, 2, food)
    return (
        asked.format(a(animal)),
        good,
        [f"{sentence(a(animal))} eats {wrong}.", f"{sentence(a(animal))} lives {home}."],
    )


@kind("openhermes-50k", r"[Ww]hat does an? (\w+) do", _column(world.WORKERS, 0, 1))
def what_does(rng: random.Random) -> Made:
    worker, does, where = rng.choice(world.WORKERS)
    asked = rng.choice(("What does {} do?", "Tell me, what does {} do?"))
    good = [f"{sentence(a(worker))} {does}.", f"{sentence(a(worker))} {does} {where}."]
    wrong = _wrong(rng, world.WORKERS, 1, does)
    return asked.format(a(worker)), good, [f"{sentence(a(worker))} {wrong}.", "It is a job."]


@kind("openhermes-50k", r"[Ww]hat color is ([\w ]+)", _column(world.COLOR_OF, 0, 1))
def what_color(rng: random.Random) -> Made:
    thing, color = rng.choice(world.COLOR_OF)
    wrong = _wrong(rng, world.COLOR_OF, 1, color)
    asked = rng.choice(("What color is {}?", "Tell me, what color is {}?"))
    good = [f"{sentence(thing)} is {color}.", f"It is {color}."]
    return asked.format(thing), good, [f"{sentence(thing)} is {wrong}.", "It has a color."]


def _explained(match, answer):
    keys = {question: key for question, _, key in world.EXPLANATIONS}
    return keys.get(match[1]) in words(answer) and len(words(answer)) <= 24


@kind(
    "smol-magpie-ultra-short",
    r"((?:Why|How|What) (?:"
    + "|".join(sorted({question.split(" ", 1)[1][:-1] for question, _, _ in world.EXPLANATIONS}))
    + r")\?)",
    _explained,
)
def explain(rng: random.Random) -> Made:
    question, answer, key = rng.choice(world.EXPLANATIONS)
    tail = rng.choice(("", " Explain it briefly.", " Answer in one sentence."))
    wrong = rng.choice([text for _, text, _ in world.EXPLANATIONS if key not in words(text)])
    return question + tail, [answer], [wrong, "Because it is so.", "I do not know."]


@kind(
    "everyday-conversations",
    r"(?:I am|My name is) (\w+)",
    lambda m, s: (
        m[1] in s and any(word in s for word in ("Hello", "Hi", "Nice")) and len(words(s)) <= 16
    ),
)
def greeting(rng: random.Random) -> Made:
    name = rng.choice(world.NAMES)
    hello = rng.choice(
        ("Hello!", "Hi!", "Good morning!", "Hi there!", "Hello there!", "Good evening!")
    )
    asked = rng.choice(
        (
            f"{hello} I am {name}.",
            f"{hello} My name is {name}.",
            f"{hello} I am {name}. How are you?",
        )
    )
    good = [
        f"Hello {name}! How can I help you?",
        f"Hi {name}! Nice to meet you. What can I do for you?",
    ]
    other = rng.choice([n for n in world.NAMES if n != name])
    return asked, good, ["What do you want?", f"Hello {other}!", "Goodbye."]
