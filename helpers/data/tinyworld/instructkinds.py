"""Kinds of small instructions: a prompt, good answers, wrong ones, and a judging rule."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from helpers.data.tinyworld import smallworld as world

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
VALUES = {word: value for value, word in NUMBERS.items()}
COUNT = "(two|three|four|five|six)"


@dataclass(frozen=True)
class Task:
    """One instruction. ``good``: one or more right answers; ``bad``: answers beside the point."""

    kind: str
    source: str
    prompt: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


Made = tuple[str, list[str], list[str]]  # a prompt, good answers, wrong ones
Maker = Callable[[random.Random], Made]
KINDS: dict[str, tuple[str, Maker, str, Callable[[re.Match, str], bool]]] = {}


def kind(source: str, pattern: str, check: Callable[[re.Match, str], bool]
         ) -> Callable[[Maker], Maker]:
    """Register a maker; ``pattern`` finds its prompts again, ``check`` judges an answer."""

    def register(function: Maker) -> Maker:
        KINDS[function.__name__] = (source, function, pattern, check)
        return function

    return register


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _listed(match, answer):
    items = [
        item.strip(" .").lower() for item in re.split(r",|\band\b|\n", answer) if item.strip(" .")
    ]
    return len(items) == VALUES[match[1]] == len(set(items)) and all(
        item in world.CATEGORIES[match[2]] for item in items
    )


@kind("smol-magpie-ultra-short", f"{COUNT} ({'|'.join(world.CATEGORIES)})[.?]", _listed)
def list_things(rng: random.Random) -> Made:
    group, n = rng.choice(list(world.CATEGORIES)), rng.randint(2, 5)
    asked = rng.choice(("List {} {}.", "Name {} {}.", "Give me {} {}.", "Can you tell me {} {}?"))
    join = rng.choice((", ", "\n"))

    def answer(count, name=group):
        return sentence(join.join(rng.sample(world.CATEGORIES[name], count)))

    other = rng.choice([name for name in world.CATEGORIES if name != group])
    once = rng.choice(world.CATEGORIES[group])
    bad = [
        answer(n + 1),
        answer(n - 1) if n > 2 else answer(n + 2),
        answer(n, other),
        sentence(join.join([once] * n)),
    ]
    return asked.format(NUMBERS[n], group), [answer(n), answer(n)], bad


@kind(
    "self-oss-instruct",
    f"word (\\w+) {COUNT} times",
    lambda m, s: s.strip(" .").lower().split() == [m[1]] * VALUES[m[2]],
)
def repeat_word(rng: random.Random) -> Made:
    word, n = rng.choice(world.CHOICE_NOUNS), rng.randint(2, 5)
    asked = rng.choice(
        ("Repeat the word {} {} times.", "Write the word {} {} times.", "Say the word {} {} times.")
    )
    bad = [" ".join([word] * (n + 2)), word, " ".join(rng.sample(world.CHOICE_NOUNS, n))]
    return asked.format(word, NUMBERS[n]), [" ".join([word] * n)], bad


@kind(
    "self-oss-instruct",
    "capital letters: (.+)$",
    lambda m, s: s.strip(" .") == m[1].strip(" .").upper(),
)
def capital_letters(rng: random.Random) -> Made:
    first, second = rng.sample(world.CHOICE_NOUNS, 2)
    text = rng.choice((f"the {first} and the {second}", f"my {first}", f"a new {second}", first))
    asked = rng.choice(("Write in capital letters: {}", "Put this in capital letters: {}"))
    return (
        asked.format(text),
        [text.upper()],
        [text, sentence(text) + ".", second.upper() + " " + text.upper()],
    )


@kind(
    "self-oss-instruct",
    "[Hh]ow many words .*: (.+)$",
    lambda m, s: str(len(words(m[1]))) in re.findall(r"\d+", s),
)
def count_words(rng: random.Random) -> Made:
    name, act = rng.choice(world.NAMES), rng.choice(rng.choice(world.ACTS))
    text = rng.choice(
        (f"{name} {act}", f"the {rng.choice(world.CHOICE_NOUNS)} of {name}", f"today {name} {act}")
    )
    n = len(text.split())
    asked = rng.choice(
        ("How many words are in this text: {}", "Tell me how many words this has: {}")
    )
    good = [f"{n} words", f"The text has {n} words."]
    return (
        asked.format(text),
        good,
        [f"{n + 2} words", f"The text has {max(1, n - 1)} words.", "Many words."],
    )


@kind(
    "openhermes-50k",
    r"opposite of (\w+)",
    lambda m, s: any(
        {m[1], other} == set(pair) for pair in world.OPPOSITES for other in words(s)[-1:]
    ),
)
def opposite(rng: random.Random) -> Made:
    pair = rng.sample(rng.choice(world.OPPOSITES), 2)
    wrong = rng.choice([p for p in world.OPPOSITES if pair[0] not in p])[0]
    asked = rng.choice(
        ("What is the opposite of {}?", "Give the opposite of {}.", "Tell me the opposite of {}.")
    )
    good = [f"The opposite of {pair[0]} is {pair[1]}.", sentence(pair[1]) + "."]
    return (
        asked.format(pair[0]),
        good,
        [
            f"The opposite of {pair[0]} is {pair[0]}.",
            f"The opposite of {pair[0]} is {wrong}.",
            "It has no opposite.",
        ],
    )
