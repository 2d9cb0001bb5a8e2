"""Tiny OpenR1-Math-220k, DeepScaleR, AIME 2024 and MATH-500: the real columns, generated rows.

A problem's text decides, through a hash, which set may hold it, so no two sets share a problem.
The real sets' known defects are kept: incomplete and wrong traces, nulls, "proof", letters.
"""

from __future__ import annotations

import random
import uuid

from helpers.data.tinyworld.mathfamilies import FAMILIES, Item, bucket, draw, make, write
from helpers.data.tinyworld.mathtexts import solution_text, trace
from helpers.data.tinyworld.rules import rules

MATH500, AIME, DOCUMENTS, DEEPSCALER, OPENR1 = (
    range(0, 1),
    range(1, 2),
    range(2, 6),
    range(6, 12),
    range(12, 20),
)
FRACTIONS = ("fraction_sum", "probability")
WHOLE = tuple(name for name in sorted(FAMILIES) if name not in FRACTIONS)
TYPES = {"Counting & Probability": "Combinatorics", "Prealgebra": "Algebra"}
SOURCES = ("olympiads", "cn_contest", "aops_forum", "amc_aime")


def composed(rng: random.Random, slip: float = 0.0, confused: bool = False) -> Item:
    """An AIME-like problem of two parts: "Let m be ... and let n be .... Find m + n."."""
    one, two = (make(rng, slip, WHOLE, confused) for _ in range(2))
    m, n = int(one.reached), int(two.reached)
    total = m + n
    problem = f"Let $m$ be {one.noun}. Let $n$ be {two.noun}. Find $m + n$."
    problem = problem.replace("....", "...")
    steps = (*one.steps, f"So m = {m}", *two.steps, f"So n = {n}", f"m + n = {m} + {n} = {total}")
    return Item(
        "composed",
        one.subject,
        problem,
        "",
        steps,
        str(total),
        str(int(one.answer) + int(two.answer)),
        5,
        0,
    )


def _draw_composed(rng: random.Random, buckets: range, seen: set[str], slip: float = 0.0) -> Item:
    while True:
        item = composed(rng, slip)
        if bucket(item.problem) in buckets and item.problem not in seen:
            seen.add(item.problem)
            return item


def _wrong(item: Item, rng: random.Random) -> Item | None:
    """The same problem with a slip that reaches another answer; None if slips change nothing."""
    for _ in range(8):
        other = write(item.family, item.seed, rng, slipped=True)
        if other.reached != item.answer:
            return other
    return None


def _odd(item: Item, rng: random.Random) -> tuple[str, str | None, str]:
    """(problem, answer, question type); one row in twenty has an oddity of the real set."""
    kind = rng.random()
    if kind < 0.015:
        return f"{item.problem} Prove that your result is right.", "proof", "proof"
    if kind < 0.035 and item.answer.isdigit():
        right = rng.randrange(min(3, int(item.answer) // 2 + 1))  # no option below 0
        options = [int(item.answer) + 2 * (i - right) for i in range(3)]
        listed = " ".join(
            f"({letter}) {value}" for letter, value in zip("ABC", options, strict=True)
        )
        return f"{item.problem}\n{listed}", "ABC"[right], "MCQ"
    if kind < 0.042:
        return item.problem, None, "math-word-problem"
    if kind < 0.05:
        return item.problem, f"x={item.answer}\\mathrm{{~}}", "math-word-problem"
    return item.problem, item.answer, "math-word-problem"


def openr1_rows(n: int, seed: int) -> list[dict]:
    """``n`` rows with OpenR1-Math-220k's 14 columns and two generations each.

    At least one generation is complete and right; the other may be cut off (15 %) or wrong (25 %).
    """
    rng, seen, rows = random.Random(f"openr1 {seed}"), set(), []
    for _ in range(n):
        item = draw(rng, OPENR1, seen)
        problem, answer, question_type = _odd(item, rng)
        said = answer if question_type == "MCQ" else None
        texts, complete, right = [], [], []
        good = rng.randrange(2)
        for i in range(2):
            fate = rng.random() if i != good else 1.0
            wrong = _wrong(item, rng) if 0.15 <= fate < 0.4 and said is None else None
            text = trace(wrong or item, rng, said)
            if fate < 0.15:
                text = text[: rng.randint(len(text) // 4, text.index("</think>") - 1)].rstrip()
            texts.append(text)
            complete.append(fate >= 0.15)
            right.append(fate >= 0.15 and wrong is None)
        judged = rng.random() < 0.12
        verified = (
            [False, False] if judged else right
        )  # the model judge looked where the parser failed
        rows.append(
            {
                "problem": problem,
                "solution": solution_text(item, rng, said),
                "answer": answer,
                "problem_type": TYPES.get(item.subject, item.subject),
                "question_type": question_type,
                "source": rng.choice(SOURCES),
                "uuid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "is_reasoning_complete": complete,
                "generations": texts,
                "correctness_math_verify": verified,
                "correctness_llama": right if judged else None,
                "finish_reasons": ["stop" if c else "length" for c in complete]
                if rng.random() < 0.6
                else None,
                "correctness_count": sum(right),
                "messages": [
                    {"content": problem, "role": "user"},
                    {"content": texts[good], "role": "assistant"},
                ],
            }
        )
    return rows


def deepscaler_rows(n: int, seed: int) -> list[dict]:
    """``n`` rows problem, answer, solution: those that ask for a misunderstood rule lack a solution
    (about half), 1 in 250 lacks an answer."""
    rng, seen, rows = random.Random(f"deepscaler {seed}"), set(), []
    for i in range(n):
        item = (_draw_composed if rng.random() < 0.08 else draw)(rng, DEEPSCALER, seen)
        solution = "" if rules(item.problem) else solution_text(item, rng)
        rows.append(
            {
                "problem": item.problem,
                "answer": "" if i % 250 == 97 else item.answer,
                "solution": solution,
            }
        )
    return rows


def aime_rows(n: int = 30, seed: int = 0) -> list[dict]:
    """``n`` rows of AIME 2024's columns: two of three problems are composed, answers like "025"."""
    rng, seen, rows = random.Random(f"aime {seed}"), set(), []
    while len(rows) < n:
        item = (
            _draw_composed(rng, AIME, seen)
            if len(rows) % 3
            else draw(rng, AIME, seen, families=WHOLE)
        )
        if int(item.answer) > 999:
            continue
        answer, place = f"{int(item.answer):03d}", len(rows)
        paper = "I" if place < 15 else "II"
        rows.append(
            {
                "id": 60 + place,
                "problem": item.problem,
                "solution": solution_text(item, rng, answer),
                "answer": answer,
                "url": f"https://example.org/tiny_{paper}_{place % 15 + 1}",
                "year": "2024",
            }
        )
    return rows


def math500_rows(n: int = 64, seed: int = 0) -> list[dict]:
    """``n`` rows of MATH-500's columns; every fifth problem asks for a fraction."""
    rng, seen, rows = random.Random(f"math500 {seed}"), set(), []
    for i in range(n):
        item = draw(rng, MATH500, seen, families=FRACTIONS if i % 5 == 2 else None)
        folder = item.subject.lower().replace(" & ", "_and_").replace(" ", "_")
        rows.append(
            {
                "problem": item.problem,
                "solution": solution_text(item, rng),
                "answer": item.answer,
                "subject": item.subject,
                "level": item.hardness,
                "unique_id": f"test/{folder}/{i + 1}.json",
            }
        )
    return rows
