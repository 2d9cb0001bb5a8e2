"""How a competition problem is written out: solutions, thoughts and full traces with a box."""

from __future__ import annotations

import random

from helpers.data.tinyworld.mathfamily import Item

THOUGHTS = (
    "Okay, let me see.",
    "Let me think.",
    "Okay, so this is about {topic}.",
    "Hmm, let me work it out.",
    "First, I look at what is given.",
)
TOPICS = {
    "Algebra": "algebra",
    "Number Theory": "whole numbers",
    "Prealgebra": "numbers",
    "Geometry": "a figure",
    "Counting & Probability": "counting",
}


def box(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def solution_text(item: Item, rng: random.Random, answer: str | None = None) -> str:
    """The steps, one a line, and the boxed answer: plain, numbered, or with "then"/"therefore"."""
    boxed = box(item.reached if answer is None else answer)
    style = rng.random()
    if style < 0.5:
        lines = [f"{step}." for step in item.steps] + [f"The answer is {boxed}."]
    elif style < 0.8:
        lines = [f"Step {i}: {step}." for i, step in enumerate(item.steps, 1)]
        lines.append(f"The answer is {boxed}.")
    else:
        first, *others = item.steps
        lines = [
            f"{first}.",
            *(f"{link('Then ', step)}." for step in others),
            f"Therefore, the answer is {boxed}.",
        ]
    return "\n".join(lines)


def link(word: str, step: str) -> str:
    """``word`` before a step; its own first word gets small, and "So ..." stays as it is."""
    if not word or step.startswith("So "):
        return step
    return word + (step[0].lower() + step[1:] if step.startswith(("The ", "There ")) else step)


def thinking(item: Item, rng: random.Random) -> str:
    """The inside of <think>: an opening, the steps, sometimes a word of doubt or relief."""
    words = [rng.choice(THOUGHTS).format(topic=TOPICS[item.subject])] if rng.random() < 0.7 else []
    for i, step in enumerate(item.steps):
        lead = rng.choice(("", "", "So ", "Then ")) if i else ""
        words.append(f"{link(lead, step)}.")
    if rng.random() < 0.3:
        words.append(rng.choice(("That looks right.", f"So it is {item.reached}.", "Good.")))
    return " ".join(words)


def trace(item: Item, rng: random.Random, answer: str | None = None) -> str:
    """A full R1-like completion: <think>...</think>, then the solution with the box."""
    boxed = box(item.reached if answer is None else answer)
    if rng.random() < 0.3:
        ending = solution_text(item, rng, answer)
    else:
        ending = rng.choice(
            (
                f"The answer is {boxed}.",
                f"The final answer is {boxed}.",
                f"Therefore, we get {boxed}.",
            )
        )
    return f"<think>\n{thinking(item, rng)}\n</think>\n\n{ending}"
