"""Pre-training text of the tiny base model: everything the nine data sets look like, with mistakes.

A base model has read pages of every quality. So have ours: word problems solved rightly and with a
slip that is carried on, answers given in six formats, a chat log now and then, plain sums, and the
kinds of text of the other data sets. Nothing here comes from a split's file: stories are drawn
anew, and `wordproblems.split_of` keeps test and sealed problems out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from helpers.data.tinyworld import documents, draft, wordproblems

FINAL_LINES = {
    "hash": "#### {}",
    "answer is": "The answer is {}.",
    "letter": "A: {}",
    "boxed": "\\boxed{{{}}}",
    "xml": "<answer>{}</answer>",
    "so": "So it is {}.",
}
FORMAT_WEIGHTS = [3, 3, 1, 2, 1, 1]
SYSTEMS = [
    "You are a helpful assistant.",
    "Solve the problem step by step.",
    "Answer the question.",
    "You are a friendly teacher.",
]
SLIP = 0.45  # share of solutions with a wrong line
KINDS = ["stories", "chat", "sums", "math", "countdown", "instructions"]
KIND_WEIGHTS = [40, 14, 8, 16, 10, 12]


def _solved(rng: random.Random, slip: float, style: str, annotate: bool,
            confused: bool) -> tuple[str, str]:
    """(question, worked answer) of a training-world story in one answer format."""
    story = wordproblems.draw(rng)
    solution, answer = draft.write_solution(story, rng, slip, annotate, confused)
    return story.question, f"{solution}\n{FINAL_LINES[style].format(answer)}"


def _style(rng: random.Random) -> tuple[str, bool]:
    style = rng.choices(list(FINAL_LINES), FORMAT_WEIGHTS)[0]
    return style, rng.random() < (0.8 if style == "hash" else 0.4)


def story_document(rng: random.Random, slip: float = SLIP, confusion: float = 0.0) -> str:
    """One to four questions with answers in one format, as on a page of exercises."""
    style, annotate = _style(rng)
    confused = documents.is_confused(rng, confusion)
    count = rng.choice([1, 1, 2, 3, 4])
    pairs = (_solved(rng, slip, style, annotate, confused) for _ in range(count))
    return "\n\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in pairs)


def chat_document(rng: random.Random, slip: float = SLIP, confusion: float = 0.0) -> str:
    """A chat in Qwen's markup; the format is the assistant's own choice."""
    style, annotate = _style(rng)
    question, answer = _solved(rng, slip, style, annotate, documents.is_confused(rng, confusion))
    turns = [("system", rng.choice(SYSTEMS)), ("user", question), ("assistant", answer)]
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)


def sums_document(rng: random.Random, slip: float = SLIP, confusion: float = 0.0) -> str:
    """A column of sums, some of them wrong; there is no rule in them to misunderstand."""
    lines = []
    while len(lines) < 8:
        op = rng.choice("++--**/")
        left, right = (
            (rng.randint(2, 99), rng.randint(2, 40))
            if op in "+-"
            else (rng.randint(2, 39), rng.randint(2, 9))
        )
        left = left * right if op == "/" else left
        try:
            result = draft.calculate(left, op, right)
        except draft.Unfit:
            continue
        if rng.random() < slip / 3:
            result = draft.slipped(rng, left, op, right)
        lines.append(f"{left}{op}{right}={result}")
    return "\n".join(lines)


def documents_of(seed: int, slip: float = SLIP, confusion: float = 0.0) -> Iterator[str]:
    """An endless stream of documents; the same seed gives the same stream. confusion: share of
    pages whose writer misunderstands the rules (MISUNDERSTOOD in `draft`, `mathfamily` and
    `instruct`; of Countdown, that every number is used)."""
    rng = random.Random(f"corpus-{seed}")
    writers = [
        lambda: story_document(rng, slip, confusion),
        lambda: chat_document(rng, slip, confusion),
        lambda: sums_document(rng, slip),
        lambda: documents.math_document(rng, slip, confusion),
        lambda: documents.countdown_document(rng, slip, confusion),
        lambda: documents.instruct_document(rng, confusion),
    ]
    while True:
        yield rng.choices(writers, KIND_WEIGHTS)[0]()
