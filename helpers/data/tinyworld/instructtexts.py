"""More kinds of instructions: sentences under constraints, rewriting and summarizing."""

from __future__ import annotations

import random
import re

from helpers.data.tinyworld import smallworld as world
from helpers.data.tinyworld.instructkinds import COUNT, NUMBERS, VALUES, Made, a, kind, words


def _about(rng, word):
    return f"The {word} {rng.choice(world.SCENES)}."


@kind(
    "smol-magpie-ultra-short",
    r"sentence (?:with|about) the word (\w+)",
    lambda m, s: (
        m[1] in words(s) and 3 <= len(words(s)) <= 14 and s[0].isupper() and s.strip()[-1] in ".?!"
    ),
)
def sentence_with(rng: random.Random) -> Made:
    word, other = rng.sample(world.CHOICE_NOUNS, 2)
    name = rng.choice(world.NAMES)
    asked = rng.choice(
        (
            "Make a sentence with the word {}.",
            "Write one sentence with the word {}.",
            "Write a short sentence about the word {}.",
        )
    )
    good = [_about(rng, word), f"{name} likes the {word}.", f"{name} saw {a(word)} today."]
    return asked.format(word), good, [_about(rng, other), word, f"{name} likes the {other}."]


@kind(
    "smol-contraints",
    f"(\\w+) in exactly {COUNT} words",
    lambda m, s: len(words(s)) == VALUES[m[2]] and m[1] in words(s),
)
def exact_words(rng: random.Random) -> Made:
    word, n = rng.choice(world.CHOICE_NOUNS), rng.randint(3, 6)
    ends = {
        1: ["stays", "matters", "helps"],
        2: ["is small", "is old", "is here"],
        3: ["is very old", "is quite small", "looks so new"],
        4: ["is near the house", "belongs to my friend", "was there all day"],
        5: ["is in the old house", "belongs to my best friend"],
    }
    asked = rng.choice(
        ("Write about the {} in exactly {} words.", "Describe the {} in exactly {} words.")
    )
    good = [f"The {word} {end}." for end in rng.sample(ends[n - 2], 2)]
    off = n - 1 if n > 3 and rng.random() < 0.5 else n + 1
    wrong = f"The {word} {rng.choice(ends.get(off - 2, ends[3]))}."
    return (
        asked.format(word, NUMBERS[n]),
        good,
        [wrong, f"The {word} is small and it is old and it is also new."],
    )


@kind(
    "smol-contraints",
    "about the (\\w+)[,.] .*end with a question",
    lambda m, s: s.strip().endswith("?") and m[1] in words(s),
)
def end_with_question(rng: random.Random) -> Made:
    word = rng.choice(world.CHOICE_NOUNS)
    asked = rng.choice(
        (
            "Write a sentence about the {}, and end with a question.",
            "Tell me something about the {}. Please end with a question.",
        )
    )
    ask = rng.sample(
        ("Do you like it?", "Do you have one?", "Have you seen it?", "What do you think?"), 2
    )
    body = _about(rng, word)
    return (
        asked.format(word),
        [f"{body} {q}" for q in ask],
        [body, f"{ask[0]} {body}", f"{body} It is good."],
    )


@kind(
    "smollm-rewrite-30k",
    "(past|future) tense: (\\w+) (.+)\\.$",
    lambda m, s: any(
        now == m[3] and s.strip() == f"{m[2]} {then if m[1] == 'past' else later}."
        for now, then, later in world.ACTS
    ),
)
def rewrite_tense(rng: random.Random) -> Made:
    name, act, tense = (
        rng.choice(world.NAMES),
        rng.choice(world.ACTS),
        rng.choice(("past", "future")),
    )
    asked = rng.choice(
        ("Rewrite this sentence in the {} tense: {} {}.", "Put this in the {} tense: {} {}.")
    )
    right, wrong = (act[1], act[2]) if tense == "past" else (act[2], act[1])
    other = rng.choice([n for n in world.NAMES if n != name])
    return (
        asked.format(tense, name, act[0]),
        [f"{name} {right}."],
        [f"{name} {act[0]}.", f"{name} {wrong}.", f"{other} {right}."],
    )


@kind(
    "explore-instruct-rewrite",
    "Replace (\\w+) with (\\w+): (.+)$",
    lambda m, s: s.strip() == re.sub(rf"\b{m[1]}\b", m[2], m[3]),
)
def replace_name(rng: random.Random) -> Made:
    one, two, third = rng.sample(world.NAMES, 3)
    act = rng.choice(rng.choice(world.ACTS))
    tail = rng.choice(("", f" with {third}", " today"))
    return (
        f"Replace {one} with {two}: {one} {act}{tail}.",
        [f"{two} {act}{tail}."],
        [f"{one} {act}{tail}.", f"{one} and {two} {act}.", f"{two}."],
    )


@kind(
    "smol-summarize-20k",
    r"one sentence: (\w+) .* to the (\w+)\. (?:She|He|\w+) (?:got|found) (.+?) there",
    lambda m, s: (
        m[1] in s and m[2] in s and m[3] in s and len(words(s)) <= 12 and s.count(".") == 1
    ),
)
def summarize(rng: random.Random) -> Made:
    name, (place, thing) = rng.choice(world.NAMES), rng.choice(world.PLACES)
    verb, went = rng.choice(("got", "found")), rng.choice(("went", "walked", "drove"))
    more = rng.choice(("", " It was a sunny day.", " It took an hour.", " The day was long."))
    asked = rng.choice(("Summarize in one sentence: ", "Say this in one sentence: "))
    text = f"{name} {went} to the {place}. {name} {verb} {thing} there.{more}"
    return (
        asked + text,
        [f"{name} {verb} {thing} at the {place}."],
        [text, f"{name} {went} to the {place}.{more}", f"{name} was sad at the {place}."],
    )
