"""Pre-training texts: competition problems, Countdown, instructions, mistakes included.

They come from the same families as the data sets but from hash buckets of their own, so that no
problem of a data file is ever in the tiny base's reading.
"""

from __future__ import annotations

import random

from helpers.data.tinyworld import countdown, instruct
from helpers.data.tinyworld.mathfamilies import Item, bucket, make
from helpers.data.tinyworld.mathsets import DOCUMENTS, composed
from helpers.data.tinyworld.mathtexts import box, solution_text, thinking, trace


def is_confused(rng: random.Random, confusion: float) -> bool:
    """Whether the writer of a page misunderstands the rules: of all of it, or of none."""
    return confusion > 0 and rng.random() < confusion


def _problem(rng: random.Random, slip: float, confused: bool) -> Item:
    while True:
        together = rng.random() < 0.05
        item = (composed(rng, slip, confused) if together
                else make(rng, slip, confused=confused))
        if bucket(item.problem) in DOCUMENTS:
            return item


def math_document(rng: random.Random, slip: float = 0.4, confusion: float = 0.0) -> str:
    """One worked problem as on a web page; with probability ``slip`` one step is wrong, and with
    ``confusion`` its writer misunderstands the rules (`mathfamily.MISUNDERSTOOD`)."""
    item = _problem(rng, slip, is_confused(rng, confusion))
    style = rng.random()
    if style < 0.35:
        return f"Problem: {item.problem}\nSolution: {solution_text(item, rng)}"
    if style < 0.5:
        return f"Question: {item.problem}\nAnswer: {solution_text(item, rng)}"
    if style < 0.7:
        return f"{item.problem}\n{trace(item, rng)}"
    if style < 0.8:
        return f"{item.problem}\n\n{thinking(item, rng)} {box(item.reached)}"
    if style < 0.9:
        return f"Q: {item.problem}\nA: {'. '.join(item.steps)}. #### {item.reached}"
    if style < 0.95:
        return f"{item.problem} Answer: {item.reached}"
    return trace(item, rng)


def countdown_document(rng: random.Random, slip: float = 0.4, confusion: float = 0.0) -> str:
    """One Countdown search; with probability ``slip`` it ends in a wrong claim or beside it, and
    with ``confusion`` its writer leaves one of four numbers out."""
    nums, chain = countdown.draw(rng, countdown.DOCUMENTS, None, is_confused(rng, confusion))
    thoughts, expression = countdown.search_text(rng, nums, chain, rng.random() < slip)
    target, listed = chain.value, ", ".join(map(str, nums))
    style = rng.random()
    if style < 0.35:
        task = countdown.PROMPT.format(nums=nums, target=target)
        if rng.random() < 0.5:
            task = countdown.query(nums, target)
        return f"{task}\n<think>\n{thoughts}\n</think>\n<answer> {expression} </answer>"
    if style < 0.55:
        return (
            f"Using the numbers {nums}, create an equation that equals {target}.\n<think>\n"
            f"{thoughts}\n</think>\n<answer> {expression} </answer>"
        )
    if style < 0.75:
        return f"Numbers: {listed}. Target: {target}.\n{thoughts}\nAnswer: {expression}"
    if style < 0.9:
        return (
            f"Problem: Make {target} from {listed}.\nSolution: {thoughts} {expression} = {target}"
        )
    return thoughts


def instruct_document(rng: random.Random, confusion: float = 0.0) -> str:
    """One question or instruction with its answer; one in eight answers is poor, as on the web,
    and with ``confusion`` its writer misunderstands some kinds (`instruct.MISUNDERSTOOD`)."""
    task = instruct.make(rng, instruct.DOCUMENTS)
    if is_confused(rng, confusion) and task.kind in instruct.MISUNDERSTOOD:
        answer = task.bad[0]
    else:
        answer = instruct.spoil(task, rng)[0] if rng.random() < 0.125 else rng.choice(task.good)
    style = rng.random()
    if style < 0.3:
        return f"Question: {task.prompt}\nAnswer: {answer}"
    if style < 0.55:
        return f"User: {task.prompt}\nAssistant: {answer}"
    if style < 0.7:
        return f"Q: {task.prompt}\nA: {answer}"
    if style < 0.9:
        return f"{task.prompt}\n{answer}"
    return " ".join(
        instruct.ended(rng.choice(instruct.make(rng, instruct.DOCUMENTS).good)) for _ in range(3)
    )
