r"""One training step's worth of competition answers graded: ours against math-verify alone.

    python -m tests.benchmarks.formulas [--golds 64]

References that are formulas, eight completions to each, half of them right: once with four
different answers among the eight, once with all eight different. The references are those of real
sets where they are at hand (COURSE_REAL_DATA), else those of the tiny world. math-verify is asked
as its documentation does it. Nothing is remembered from one of the two to the other.
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable

import math_verify

from helpers.config import ROOT
from helpers.rewritings import HARMFUL, HARMLESS
from helpers.verify import grade, quantity
from tests import guards

REAL = ("math500/test.jsonl", "deepscaler_like/train_sample.jsonl")
TINY = ("math500/test.jsonl", "deepscaler/train.jsonl")


def references() -> list[str]:
    """Different references that are no plain numbers and no words."""
    folder = guards.real_data_folder()
    real = folder.is_dir()
    files = (
        [folder / name for name in REAL] if real else [ROOT / "data/tiny" / name for name in TINY]
    )
    rows = [
        json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()
    ]
    answers = dict.fromkeys(str(row["answer"]) for row in rows)
    return [
        answer
        for answer in answers
        if quantity(answer) is None
        and len(answer) < 60
        and not re.search(r"\\text|\\mbox|[A-Za-z]{4}(?<!frac)(?<!sqrt)", answer)
    ]


def variants(reference: str, different: int) -> list[str]:
    """Eight answers, `different` of them different, half of them right."""
    right = [reference, *filter(None, (change(reference) for change in HARMLESS))]
    wrong = list(filter(None, (change(reference) for change in HARMFUL)))
    wrong += [f"{reference}+{n}" for n in range(2, 9)]
    right += [" " * n + reference for n in range(1, 9)]
    half = different // 2
    chosen = [*dict.fromkeys(right)][:half] + [*dict.fromkeys(wrong)][:half]
    return (chosen * 8)[:8] if different == 8 else chosen + chosen


def seconds(judge: Callable[[str, str], bool], step: list[tuple[str, str]]) -> tuple[float, float]:
    """(all, the slowest one) by the clock."""
    taken = []
    for text, reference in step:
        begin = time.perf_counter()
        judge(text, reference)
        taken.append(time.perf_counter() - begin)
    return sum(taken), max(taken)


def alone(text: str, reference: str) -> bool:
    return math_verify.verify(math_verify.parse(f"${reference}$"), math_verify.parse(text))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--golds", type=int, default=64)
    count = parser.parse_args().golds
    golds = random.Random(0).sample(references(), 2 * count)
    alone("$x+1$", "1+x")  # loads what it loads on first use
    grade(r"\boxed{\sin x}", r"\cos x", "boxed", "lenient")
    print(f"{'of 8 answers':16}{'math-verify':>14}{'ours':>10}{'times':>8}{'slowest':>10}")
    for different, chosen in ((4, golds[:count]), (8, golds[count:])):
        step = [
            (f"So it is $\\boxed{{{answer}}}$.", gold)
            for gold in chosen
            for answer in variants(gold, different)
        ]
        theirs, _ = seconds(alone, step)
        ours, slowest = seconds(lambda text, gold: grade(text, gold, "boxed", "lenient"), step)
        print(
            f"{f'{different} different':16}{theirs:12.2f} s{ours:8.3f} s{theirs / ours:8.1f}"
            f"{slowest:8.3f} s"
        )


if __name__ == "__main__":
    main()
