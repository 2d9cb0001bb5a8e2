"""Pairs of answers by the model itself, one right and one wrong, for reward models and DPO.

A pair is one line of `pairs.jsonl`:

    {"id", "prompt", "chosen", "rejected", "chosen_tokens", "rejected_tokens"}

`prompt` is the chat as the model reads it; the two answers come without their end of turn, which
trainers add, while the token counts include it. Every pair is *on-policy*: both answers were
sampled from the model that will be trained. The chosen one is strictly right, the rejected one
is not.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers.config import Course
from helpers.data.problem import Problem
from helpers.prompts import END_OF_TURN, START_OF_TURN
from helpers.track import Track

KEYS = ("id", "prompt", "chosen", "rejected", "chosen_tokens", "rejected_tokens")
TEXTS, COUNTS = ("prompt", "chosen", "rejected"), ("chosen_tokens", "rejected_tokens")


class PairError(ValueError):
    """Pairs that nothing can be learned from: which one, what is wrong with it, what to do."""


def graded(
    model, tokenizer, problems: Sequence[Problem], course: Course, n: int,
    temperature: float = 1.0, seed: int = 0, progress: Callable[[int, int], None] | None = None,
) -> list[dict]:
    """n sampled answers to every problem with their verdicts, one row a problem:

    {"id", "prompt", "question", "answer", "completions", "tokens", "truncated", "strict",
    "lenient"}, the lists with one entry an answer, and whatever else `Track.columns` gives.
    """
    from helpers import sampling

    track = Track(course)
    texts = [track.text(tokenizer, problem) for problem in problems]
    samples = sampling.generate(
        model, tokenizer, texts, n=n, temperature=temperature, seed=seed, progress=progress,
        max_new_tokens=course.lengths.completion, batch_size=course.generation.batch_size)
    verdicts = track.all_verdicts(list(zip(problems, samples, strict=True)))
    rows = []
    for problem, prompt, answers, right in zip(problems, texts, samples, verdicts, strict=True):
        rows.append({"id": problem.id, "prompt": prompt, "question": problem.question,
                     **track.columns(problem), "completions": [one.text for one in answers],
                     "tokens": [one.tokens for one in answers],
                     "truncated": [one.truncated for one in answers],
                     **right})
    return rows


def candidates(row: dict) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The different right and the different wrong answers of one graded row, as (text, tokens).

    Answers that were cut off are left out (a trainer would end them with a token that the model
    did not write), and so are empty ones.
    """
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    verdicts = zip(row["completions"], row["tokens"], row["truncated"], row["strict"], strict=True)
    for text, tokens, truncated, correct in verdicts:
        if text.strip() and not truncated:
            (right if correct else wrong).setdefault(text, tokens)
    return list(right.items()), list(wrong.items())


def make_pairs(
    rows: Sequence[dict], per_problem: int, seed: int = 0, balance: bool = True
) -> tuple[list[dict], dict[str, int]]:
    """Pairs from graded rows, and counts of what became of the problems.

    Of a problem at most `per_problem` pairs are taken. Each wrong answer stands in one pair only;
    right ones, of which there are fewer different texts, take turns. With `balance` the length
    cannot tell the chosen answer: for every difference d of the two lengths there are as many
    pairs with +d as with -d. Where a problem offers several pairs, one is taken whose difference
    is still missing on the other side; what remains uneven is dropped and counted. The same rows
    and seed give the same pairs.
    """
    draw = random.Random(seed)
    order = list(rows)
    draw.shuffle(order)
    seen: Counter[int] = Counter()  # pairs so far with each difference of lengths
    pairs: list[dict] = []
    counts = {"problems": len(order), "always_right": 0, "never_right": 0, "unusable": 0}
    for row in order:
        right, wrong = candidates(row)
        if not right or not wrong:
            solved = sum(row["strict"])
            kind = ("always_right" if solved == len(row["strict"]) else
                    "never_right" if solved == 0 else "unusable")
            counts[kind] += 1
            continue
        draw.shuffle(right)
        draw.shuffle(wrong)
        used: Counter[str] = Counter()
        for _ in range(min(per_problem, len(wrong))):
            offers = [(good, bad) for good in right for bad in wrong]
            good, bad = min(offers, key=lambda pair: (
                _excess(seen, pair) if balance else 0, used[pair[0][0]]))
            wrong.remove(bad)
            used[good[0]] += 1
            seen[good[1] - bad[1]] += 1
            pairs.append({"id": row["id"], "prompt": row["prompt"], "chosen": good[0],
                          "rejected": bad[0], "chosen_tokens": good[1], "rejected_tokens": bad[1]})
    draw.shuffle(pairs)
    kept = _even(pairs) if balance else pairs
    counts |= {"uneven": len(pairs) - len(kept), "pairs": len(kept)}
    if pairs and not kept:
        raise PairError(f"no pairs: there are {len(pairs)}, but none with the opposite difference "
                        f"of lengths to balance it. Take more problems (pairs.problems) or answers "
                        f"(pairs.num_generations), or balance=False.")
    check(kept)
    return kept, counts


def _excess(seen: Counter[int], pair: tuple[tuple[str, int], tuple[str, int]]) -> int:
    """How many more pairs there are with this difference of lengths than with the opposite one."""
    d = pair[0][1] - pair[1][1]
    return seen[d] - seen[-d]


def _even(pairs: Sequence[dict]) -> list[dict]:
    """As many pairs with a difference of +d as with -d; the last ones too many are dropped."""
    total = Counter(map(difference, pairs))
    left = {d: count if d == 0 else min(count, total[-d]) for d, count in total.items()}
    kept = []
    for pair in pairs:
        d = difference(pair)
        if left[d] > 0:
            left[d] -= 1
            kept.append(pair)
    return kept


def difference(pair: dict) -> int:
    """Tokens of the chosen answer minus tokens of the rejected one."""
    return pair["chosen_tokens"] - pair["rejected_tokens"]


def length_matched(pairs: Sequence[dict], tolerance: int) -> list[bool]:
    """Of each pair, whether its answers differ by at most `tolerance` tokens in length; where that
    is so of none, whether no other pair differs by less."""
    apart = [abs(difference(pair)) for pair in pairs]
    tolerance = max(tolerance, min(apart, default=0))
    return [tokens <= tolerance for tokens in apart]


def shorter_wins(pairs: Sequence[dict]) -> float:
    """Pair accuracy of a judge that prefers the shorter answer and tosses a coin at a tie."""
    points = [0.5 if difference(pair) == 0 else float(difference(pair) < 0) for pair in pairs]
    return sum(points) / len(points)


def check(pairs: Sequence[dict]) -> None:
    """Raise PairError at the first pair that cannot be trained on, or if there is none."""
    if not pairs:
        raise PairError("no pairs: the model answers every problem always or never rightly. Take "
                        "more problems (pairs.problems) or answers (pairs.num_generations).")
    for place, pair in enumerate(pairs):
        where = f"pair {place} ({pair.get('id', 'no id')})" if isinstance(pair, dict) else "a pair"
        if not isinstance(pair, dict) or set(pair) != set(KEYS):
            raise PairError(f"{where}: needs the keys {', '.join(KEYS)}")
        for key in TEXTS:
            if not isinstance(pair[key], str) or not pair[key].strip():
                raise PairError(f"{where}: {key} is empty. Leave the pair out.")
        if pair["chosen"].strip() == pair["rejected"].strip():
            raise PairError(f"{where}: chosen and rejected are equal texts. Leave the pair out: "
                            "its loss is log 2 whatever the model says.")
        for key in COUNTS:
            if type(pair[key]) is not int or pair[key] < 1:
                raise PairError(f"{where}: {key} is {pair[key]!r}, not a number of tokens")
        for mark in (START_OF_TURN, END_OF_TURN):
            if marked := [key for key in TEXTS[1:] if mark in pair[key]]:
                raise PairError(f"{where}: {marked[0]} holds {mark}, which opens or ends a turn, "
                                "not part of an answer. Cut the text before it.")


def that_fit(pairs: Sequence[dict], course: Course, tokenizer) -> tuple[list[dict], int]:
    """The pairs within the course's lengths, and how many are not: these are left out, never cut
    (an answer that lost its end has lost what it is judged by)."""
    check(pairs)
    ids = tokenizer([pair["prompt"] for pair in pairs], add_special_tokens=False)["input_ids"]
    limit = course.lengths
    kept = [pair for pair, prompt in zip(pairs, ids, strict=True)
            if len(prompt) <= limit.prompt
            and max(pair["chosen_tokens"], pair["rejected_tokens"]) <= limit.completion]
    if not kept:
        raise PairError(f"none of {len(pairs)} pairs fits: raise lengths.prompt ({limit.prompt}) "
                        f"or lengths.completion ({limit.completion})")
    return kept, len(pairs) - len(kept)


def load(path: str | Path) -> list[dict]:
    """The pairs of a JSON-lines file, checked; PairError names the line that is none."""
    found = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                found.append(json.loads(line))
            except ValueError:
                raise PairError(f"{path}, line {number}: not JSON; make the pairs again") from None
    check(found)
    return found


def for_trainer(pairs: Sequence[dict]):
    """A `datasets.Dataset` with the columns that TRL's RewardTrainer and DPOTrainer read."""
    from datasets import Dataset

    return Dataset.from_list([{key: pair[key] for key in TEXTS} for pair in pairs])
