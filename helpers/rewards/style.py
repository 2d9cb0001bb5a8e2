r"""Rewards for how an answer is written: format, length, reasoning. None of them needs a reference.

Each is a number from 0 to 1 (the length penalty from -1 to 0), paid once: to repeat a box, a
keyword or a line earns nothing more. They are small helps beside a reward for the right answer;
alone they would teach a model to look like reasoning.
"""

import re
from collections.abc import Sequence

from helpers.rewards.text import Completion, completion_text, field, words
from helpers.verify import extract, quantity, without_name

STEP_WORDS = frozenset({"step", "steps", "then", "therefore"})
SENTENCE_WORDS = 5  # a step word counts in a sentence with at least so many other words
MIN_WORDS = 8  # different words or numbers in a reasoning that is long enough
MIN_OUTPUT_WORDS = 2  # words or numbers in a field that is not trivial


def boxed(completions: list[Completion], **columns) -> list[float]:
    r"""Return 1.0 if the text ends with its only `\boxed{}`, and that is not empty; else 0.0.

    What stands inside `<think>` does not count.
    """
    texts = [completion_text(completion).rpartition("</think>")[2] for completion in completions]
    return [float(extract(text, "boxed") is not None) for text in texts]


def step_words(completions: list[Completion], **columns) -> list[float]:
    """Return 1.0 if a sentence uses "step", "then" or "therefore" among five other words, else 0.0.

    A bare list of such words is not reasoning and earns nothing.
    """
    return [float(any(map(_is_step, re.split(r"[.!?\n]", completion_text(completion)))))
            for completion in completions]


def _is_step(sentence: str) -> bool:
    used = set(words(sentence))
    return bool(used & STEP_WORDS) and len(used - STEP_WORDS) >= SENTENCE_WORDS


def length_penalty(
    completions: list[Completion], completion_ids: Sequence[Sequence[int]] | None = None, *,
    limit: int, buffer: int, **columns
) -> list[float]:
    """Return 0 for up to `limit - buffer` tokens, falling evenly to -1 at `limit` tokens and more.

    The soft overlong punishment of DAPO (Yu et al. 2025, arXiv:2503.14476, eq. 13). Lengths are
    those of `completion_ids` (TRL passes them); without them a ValueError says so.
    """
    if completion_ids is None:
        raise ValueError("length_penalty counts tokens: pass completion_ids, one list a completion")
    free = limit - buffer
    return [-min(1.0, max(0.0, (len(ids) - free) / buffer))
            for _, ids in zip(completions, completion_ids, strict=True)]


def formatting(completions: list[Completion], **columns) -> list[float]:
    """Return 1.0 for `<reasoning>`, `<output>` and `<answer>`, once each, in this order, none of
    them trivial and nothing around them; else 0.0."""
    return [float(_is_formatted(completion_text(completion))) for completion in completions]


def _is_formatted(text: str) -> bool:
    tags = re.findall(r"</?(?:reasoning|output|answer)>", text)
    in_order = [f"<{sign}{tag}>" for tag in ("reasoning", "output", "answer") for sign in ("", "/")]
    if tags != in_order:
        return False
    around = re.sub(r"<(reasoning|output|answer)>.*?</\1>", "", text, flags=re.DOTALL).strip()
    return not around and (
        len(words(field(text, "reasoning") or "")) >= MIN_OUTPUT_WORDS
        and len(words(field(text, "output") or "")) >= MIN_OUTPUT_WORDS
        and len(words(field(text, "answer") or "")) >= 1)


def reasoning(completions: list[Completion], **columns) -> list[float]:
    """Return 1.0 if `<reasoning>` has at least eight different words or numbers, else 0.0."""
    found = [field(completion_text(completion), "reasoning") or "" for completion in completions]
    return [float(len(set(words(text))) >= MIN_WORDS) for text in found]


def output_consistency(completions: list[Completion], **columns) -> list[float]:
    """Return 1.0 if `<output>` states the number that `<reasoning>` comes to, else 0.0.

    Both are the last number of their field. No number, no consistency.
    """
    return [float(_agrees(completion_text(completion))) for completion in completions]


def _agrees(text: str) -> bool:
    reached, stated = (_last_number(field(text, tag) or "") for tag in ("reasoning", "output"))
    return reached is not None and reached == stated


def _last_number(text: str):
    found = quantity(without_name(extract(text, grading="lenient")))
    return found[0] if found else None
