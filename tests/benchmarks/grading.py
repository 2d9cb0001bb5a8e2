"""Answers graded a second on one core: ours against math-verify alone, in one run (`make bench`).

    python -m tests.benchmarks.grading [--answers 20000]

Half of the completions are right. math-verify is measured on the same completions with its own
extraction and time limit, as its documentation uses it, on fewer of them because it is slow.
"""

import argparse
import time
from collections.abc import Callable

import math_verify

from helpers.verify import equal, grade

COMPLETIONS = {  # format -> a completion that answers {}
    "hash": "She bakes 6 x 3 = {0} rolls.\n#### {0}",
    "xml": "<reasoning>\n6 x 3 = {0}\n</reasoning>\n<answer>\n{0}\n</answer>",
    "boxed": "She bakes $6 \\times 3 = {0}$ rolls. The answer is $\\boxed{{{0}}}$.",
    "think": "<think>\n6 x 3 = {0}\n</think>\nThe answer is \\boxed{{{0}}}.",
}


def rate(judge: Callable[[str, str], bool], pairs: list[tuple[str, str]]) -> float:
    """Pairs a second; the verdicts are checked, so that nothing wrong counts as fast."""
    begin = time.process_time()
    verdicts = [judge(*pair) for pair in pairs]
    seconds = time.process_time() - begin
    assert verdicts == [n % 2 == 0 for n in range(len(pairs))]
    return len(pairs) / seconds


def pairs_of(template: str, count: int) -> list[tuple[str, str]]:
    """(completion, reference): every second completion is wrong."""
    return [(template.format(7 * n + n % 2), str(7 * n)) for n in range(count)]


def with_math_verify(completion: str, reference: str) -> bool:
    return math_verify.verify(math_verify.parse(reference), math_verify.parse(completion))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=20_000)
    count = parser.parse_args().answers
    math_verify.parse("1")  # loads what it loads on first use
    alone = rate(with_math_verify, pairs_of(COMPLETIONS["boxed"], max(2, count // 40)))
    print(f"{'what is graded':32}{'answers/s':>12}{'x math-verify':>16}")
    print(f"{'math-verify alone, boxed':32}{alone:12,.0f}{1:16.1f}")
    numbers = [(str(7 * n), str(7 * n + n % 2)) for n in range(count)]
    rows = {"two numbers": rate(equal, numbers)}
    for answer_format, template in COMPLETIONS.items():
        for grading in ("strict", "lenient"):
            rows[f"{answer_format}, {grading}"] = rate(
                lambda text, answer, f=answer_format, g=grading: grade(text, answer, f, g),
                pairs_of(template, count))
    for name, found in rows.items():
        print(f"{name:32}{found:12,.0f}{found / alone:16.1f}")


if __name__ == "__main__":
    main()
