"""Countdown: reach a target from three or four numbers with + - * / and parentheses.

Two sets: Countdown-Tasks-3to4 (Pan et al., TinyZero, 2025) has numbers and target only; the
WarmStart set (Gandhi et al. 2025, arXiv:2503.01307: cognitive behaviors) has whole prompts with a
written search. Both become the same question, so that what is learned from one serves the other.
WarmStart's searches are not all right; they stay as they are.
"""

import re

from helpers.data.columns import TEXT, WHOLE
from helpers.data.conversation import Conversation
from helpers.data.family import Family, LeftOut, text
from helpers.data.problem import Problem, puzzle_key, question_hash

QUESTION = "Using the numbers [{nums}], create an equation that equals {target}."
_ASKED = re.compile(r"Using the numbers\s+\[([\d\s,]+)\],\s+create an equation that equals\s+(\d+)")
_FORM = re.compile(r"<think>.*</think>\s*<answer>[^<]*\S[^<]*</answer>", re.DOTALL)


def question(nums: tuple[int, ...], target: int) -> str:
    """The question, without the rules of the game: those are the task's system prompt."""
    return QUESTION.format(nums=", ".join(map(str, nums)), target=target)


def to_problem(row: dict, place: str, split: str) -> Problem:
    """One row of Countdown-Tasks as a Problem with `nums` and `target`; LeftOut for a defect."""
    nums, target = row["nums"], row["target"]
    if not isinstance(target, int) or not nums or not all(isinstance(n, int) for n in nums):
        raise LeftOut("no numbers or no target")
    nums = tuple(nums)
    return Problem(question(nums, target), "", str(target), "countdown",
                   question_hash(puzzle_key(nums, target))[:16], nums, target)


def to_conversation(row: dict, place: str, split: str) -> Conversation:
    """One row of WarmStart as question and search; LeftOut for a defect.

    The query is one string with a dialogue in it; its puzzle is asked again in the course's words.
    """
    asked = _ASKED.search(text(row["query"], "no query"))
    if not asked:
        raise LeftOut("no puzzle in the query")
    nums, target = tuple(map(int, re.findall(r"\d+", asked[1]))), int(asked[2])
    answer = text(row["completion"], "no completion")
    if not _FORM.fullmatch(answer):
        raise LeftOut("completion without <think>…</think> and <answer>…</answer>")
    turns = [{"role": "user", "content": question(nums, target)},
             {"role": "assistant", "content": answer}]
    key = puzzle_key(nums, target)
    return Conversation(turns, "warmstart", question_hash(key)[:16], key)


def puzzle(talk: Conversation) -> Problem:
    """The puzzle that a WarmStart conversation asks, as a Problem; ValueError if it asks none."""
    asked = _ASKED.search(talk.prompt[-1]["content"])
    if not asked:
        raise ValueError(f"conversation {talk.id} asks no puzzle")
    nums = [int(one) for one in re.findall(r"\d+", asked[1])]
    return to_problem({"nums": nums, "target": int(asked[2])}, talk.source, "train")


TASKS = Family({"target": WHOLE, "nums": [WHOLE]},
               {"train": "train", "validation": "train", "test": "train"}, to_problem)
WARMSTART = Family({"query": TEXT, "completion": TEXT},
                   {"train": "train", "validation": "train", "test": "test"},
                   to_conversation, more_columns=True)
