"""A model's own best answers, to imitate: rejection sampling fine-tuning (RFT, Yuan et al. 2023,
arXiv:2308.01825; one round of expert iteration, Anthony et al. 2017, arXiv:1705.08439, and, without
its hints, of STaR, Zelikman et al. 2022, arXiv:2203.14465), and the two controls of it.

A row to learn from is {"id", "prompt", "completion", "tokens"}: `prompt` is the chat as the model
reads it, the completion comes without its end of turn, which trainers add, and `tokens` include it.
What is chosen from are the rows of `pairs.graded`: every problem's answers with their verdicts.
Answers that were cut off are no model's whole answer and never chosen, nor are empty ones.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.train.pairs import candidates

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "drawn.jsonl"  # of stage `pairs`: all answers that it has drawn, right or wrong


class AnswersError(ValueError):
    """Answers that nothing can be chosen from: what is wrong with them, and what to do."""


def load(folder: str | Path) -> list[dict]:
    """The graded rows that stage `pairs` has left in its folder."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise AnswersError(
            f"{path} is not there: these pairs were made when the answers were not "
            "kept. Make them again: run notebook 04, or --only pairs --force."
        )
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def right_and_different(
    rows: Sequence[dict], per_problem: int, seed: int = 0
) -> tuple[list[dict], dict[str, int]]:
    """RFT's choice: of each problem's right answers the different texts, at most `per_problem` of
    them, drawn at random where there are more; in random order. And what became of the answers:

    {"answers", "right", "different", "chosen", "problems", "solved"}, solved: with one to choose.

    AnswersError where no answer is right. The same rows and seed give the same choice.
    """
    draw, chosen = random.Random(seed), []
    counts: Counter[str] = Counter(problems=len(rows))
    for row in rows:
        right, _ = candidates(row)
        kept = draw.sample(right, min(per_problem, len(right)))
        chosen += [_example(row, *one) for one in kept]
        counts.update(
            answers=len(row["completions"]),
            right=sum(row["strict"]),
            different=len(right),
            chosen=len(kept),
            solved=int(bool(kept)),
        )
    if not chosen:
        raise AnswersError(
            f"none of {counts['answers']} answers to {len(rows)} problems is right, so there is "
            "nothing to imitate. Draw more (pairs.problems, pairs.num_generations), or tune sft "
            "longer first."
        )
    draw.shuffle(chosen)
    keys = ("answers", "right", "different", "chosen", "problems", "solved")
    return chosen, {key: counts[key] for key in keys}


def at_random(
    rows: Sequence[dict], like: Sequence[dict], seed: int = 0, right_only: bool = False
) -> list[dict]:
    """A control: as many answers of the same problems as in `like`, drawn at random, each draw at
    most once, among all of a problem's answers or, with `right_only`, among its right ones. So
    what was written more often is also imitated more often. In random order.

    AnswersError for a problem that `rows` lack, or that has too few answers.
    """
    draw, by_id, chosen = random.Random(seed), {row["id"]: row for row in rows}, []
    for name, count in Counter(one["id"] for one in like).items():
        pool = _whole(by_id[name], right_only) if name in by_id else []
        if len(pool) < count:
            raise AnswersError(
                f"problem {name}: {count} answers are asked for, and it has "
                f"{len(pool)}; give the rows that were chosen from"
            )
        chosen += [_example(by_id[name], *one) for one in draw.sample(pool, count)]
    draw.shuffle(chosen)
    return chosen


def _whole(row: dict, right_only: bool) -> list[tuple[str, int]]:
    """(text, tokens) of each draw that can be learned from, equal texts as often as they came."""
    drawn = zip(row["completions"], row["tokens"], row["truncated"], row["strict"], strict=True)
    return [
        (text, tokens)
        for text, tokens, cut, right in drawn
        if text.strip() and not cut and (right or not right_only)
    ]


def _example(row: dict, text: str, tokens: int) -> dict:
    return {"id": row["id"], "prompt": row["prompt"], "completion": text, "tokens": tokens}


def for_trainer(chosen: Sequence[dict]) -> "Dataset":
    """A `datasets.Dataset` with the columns that TRL's SFTTrainer reads."""
    from datasets import Dataset

    return Dataset.from_list(
        [{key: one[key] for key in ("prompt", "completion")} for one in chosen]
    )
