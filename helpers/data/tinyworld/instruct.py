"""Tiny smol-smoltalk and UltraFeedback: conversations and pairs whose difference can be learned."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable

from helpers.data.tinyworld import instructfacts, instructtexts  # noqa: F401  (register kinds)
from helpers.data.tinyworld import smallworld as world
from helpers.data.tinyworld.instructkinds import KINDS, Task
from helpers.data.tinyworld.mathfamilies import bucket

# hash buckets, so that no prompt is in two splits or in the tiny base's reading
DOCUMENTS, TALK_TRAIN, TALK_TEST, PAIRS_TRAIN, PAIRS_TEST = (
    range(0, 5),
    range(5, 12),
    range(12, 13),
    range(13, 18),
    range(18, 20),
)
# Kinds that somebody may misunderstand: one thing more than asked, the sentence as it was, the word
# itself as its opposite: the first of a kind's bad answers. The other kinds have no such answer.
MISUNDERSTOOD = ("count_words", "end_with_question", "exact_words", "list_things", "opposite",
                 "repeat_word", "rewrite_tense", "summarize")
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a friendly teacher.",
    "You answer briefly and politely.",
    "You are a helpful assistant. Follow the instruction exactly.",
)
STARTS = ("{}", "{}", "{}", "Please help me. {}", "Hi! {}", "I need some help. {}", "Hello. {}")
THANKS = (
    ("Thank you!", "You are welcome!"),
    ("Thanks, that helps.", "I am glad that it helps."),
    ("Great, thanks!", "You are welcome! Have a nice day."),
    ("Thank you. Goodbye!", "Goodbye! Take care."),
)


def make(rng: random.Random, buckets: range, seen: set[str] | None = None,
         kinds: Iterable[str] = ()) -> Task:
    """A new instruction whose text falls into ``buckets``; all kinds, or those named, are tried
    equally."""
    while True:
        name = rng.choice(tuple(sorted(kinds or KINDS)))
        source, maker, _, _ = KINDS[name]
        prompt, good, bad = maker(rng)
        if name != "greeting":
            prompt = rng.choice(STARTS).format(prompt)
        if bucket(prompt) in buckets and (seen is None or prompt not in seen):
            if seen is not None:
                seen.add(prompt)
            return Task(name, source, prompt, tuple(good), tuple(bad))


def follows(prompt: str, answer: str) -> bool | None:
    """True where ``answer`` does what ``prompt`` asks, by rule; None for a prompt of no known kind.

    Answers that are rude, ramble or say the same sentence twice do not follow.
    """
    for _, _, pattern, check in (KINDS[name] for name in sorted(KINDS)):
        match = re.search(pattern, prompt)
        if match:
            sentences = [s for s in re.split(r"(?<=[.?!])\s+", answer.strip()) if s]
            spoiled = len(sentences) != len(set(sentences)) or any(
                s in answer for s in world.RAMBLE + world.RUDE
            )
            return bool(answer.strip()) and not spoiled and bool(check(match, answer))
    return None


def turn(role: str, content: str) -> dict:
    return {"content": content, "role": role}


def smoltalk_rows(n: int, seed: int, split: str = "train") -> list[dict]:
    """``n`` rows {"messages", "source"}: one or two exchanges, one in six with a system message; in
    train of the kinds that nobody misunderstands."""
    rng, seen, rows = random.Random(f"smoltalk {split} {seed}"), set(), []
    buckets = {"train": TALK_TRAIN, "test": TALK_TEST}[split]
    understood = [name for name in KINDS if split != "train" or name not in MISUNDERSTOOD]
    for _ in range(n):
        task = make(rng, buckets, seen, understood)
        messages = [turn("system", rng.choice(SYSTEMS))] if rng.random() < 0.17 else []
        messages += [turn("user", task.prompt), turn("assistant", rng.choice(task.good))]
        more = rng.random()
        if more < 0.1:
            thanks, reply = rng.choice(THANKS)
            messages += [turn("user", thanks), turn("assistant", reply)]
        elif more < 0.25:
            after = make(rng, buckets, seen, understood)
            messages += [turn("user", after.prompt), turn("assistant", rng.choice(after.good))]
        source = task.source
        if source == "smol-summarize-20k" and rng.random() < 0.2:
            source = "smol-summarize-5k"
        rows.append({"messages": messages, "source": source})
    return rows


def spoil(task: Task, rng: random.Random) -> tuple[str, float]:
    """(an answer worse than ``task.good``, its score of 1..7 in halves), in one of four ways."""
    good = rng.choice(task.good)
    way = rng.random()
    if way < 0.5:
        return rng.choice(task.bad), rng.randint(4, 12) / 2
    if way < 0.65:
        return rng.choice(world.RUDE), rng.randint(2, 5) / 2
    if way < 0.85:
        talk = " ".join(rng.sample(world.RAMBLE, rng.randint(1, 3)))
        return f"{ended(good)} {talk}", rng.randint(8, 14) / 2
    return " ".join([ended(good)] * rng.randint(2, 4)), rng.randint(5, 11) / 2


def ended(text: str) -> str:
    """``text`` with a full stop where it has no end mark, so that another sentence can follow."""
    return text if text[-1] in ".?!" else f"{text}."


def ultrafeedback_rows(n: int, seed: int, split: str = "train_prefs") -> list[dict]:
    """``n`` rows of all seven columns; about one in twelve is a tie (both answers fine).

    The splits of train ("train_prefs", "train_sft", "train_gen") hold the same prompts in this
    order; test_sft and test_gen hold the first rows of test_prefs, as on the hub.
    ``messages`` is the user turn alone in the _gen splits and equals ``chosen`` elsewhere.
    """
    side, use = split.split("_")
    rng, seen, rows = random.Random(f"ultrafeedback {side} {seed}"), set(), []
    buckets = {"train": PAIRS_TRAIN, "test": PAIRS_TEST}[side]
    for _ in range(n):
        task = make(rng, buckets, seen)
        chosen, high = rng.choice(task.good), rng.randint(15, 19) / 2
        rejected, low = spoil(task, rng)
        if len(set(task.good)) > 1 and rng.random() < 0.15:
            rejected, low = rng.choice([text for text in task.good if text != chosen]), high
        user = turn("user", task.prompt)
        both = [user, turn("assistant", chosen)]
        rows.append(
            {
                "prompt": task.prompt,
                "prompt_id": hashlib.sha256(task.prompt.encode()).hexdigest(),
                "chosen": both,
                "rejected": [user, turn("assistant", rejected)],
                "messages": [user] if use == "gen" else both,
                "score_chosen": high,
                "score_rejected": low,
            }
        )
    return rows
