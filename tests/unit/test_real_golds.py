r"""References of real competition sets, each against itself and against itself written otherwise.

`helpers/rewritings.py` says how; what is harmful is unequal by the way it is made.
"""

import ast
import json

import pytest

from helpers.rewritings import HARMFUL, HARMLESS
from helpers.verify import grade


def rows(folder, name):
    text = (folder / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def golds(REAL_DATA) -> list[str]:  # noqa: N803
    found = [
        row["answer"]
        for name in (
            "math500/test.jsonl",
            "amc23/test.jsonl",
            "aime24/test.jsonl",
            "deepscaler_like/train_sample.jsonl",
        )
        for row in rows(REAL_DATA, name)
    ]
    for row in rows(REAL_DATA, "olympiadbench/test_first100.jsonl"):
        answers = row["answer"]
        found += ast.literal_eval(answers) if isinstance(answers, str) else answers
    different = list(dict.fromkeys(str(answer) for answer in found))
    assert len(different) > 900
    return different


def in_box(answer: str) -> str:
    return (
        rf"So it is $\boxed{{{answer}}}$."
        if "$" not in answer
        else rf"So it is \boxed{{{answer}}}."
    )


@pytest.mark.parametrize("answer_format", ["boxed", "hash", "xml", "think"])
@pytest.mark.parametrize("after", ["", " This completes the solution."])
def test_every_reference_equals_itself(golds, answer_format, after):
    wrong = [
        gold for gold in golds if not grade(in_box(gold) + after, gold, answer_format, "lenient")
    ]
    assert not wrong


@pytest.mark.parametrize("answer_format", ["boxed", "hash"])
def test_harmless_rewritings_stay_right(golds, answer_format):
    cases = [
        (gold, new)
        for gold in golds
        for change in HARMLESS
        if (new := change(gold.strip("$"))) is not None
    ]
    wrong = [
        case for case in cases if not grade(in_box(case[1]), case[0], answer_format, "lenient")
    ]
    assert len(cases) > 5000 and len(wrong) <= 0.01 * len(cases), wrong[:10]


@pytest.mark.parametrize("answer_format", ["boxed", "hash"])
def test_harmful_rewritings_are_wrong(golds, answer_format):
    cases = [
        (gold, new)
        for gold in golds
        for change in HARMFUL
        if (new := change(gold.strip("$"))) is not None
    ]
    passed = [case for case in cases if grade(in_box(case[1]), case[0], answer_format, "lenient")]
    assert len(cases) > 4000 and len(passed) <= 0.001 * len(cases), passed[:10]


@pytest.mark.parametrize("change", HARMLESS + HARMFUL)
def test_every_rewriting_has_its_place(golds, change):
    """A rewriting that applies nowhere would prove nothing."""
    new = [(gold, change(gold.strip("$"))) for gold in golds]
    assert sum(written is not None for _, written in new) >= 5
    assert all(written != gold.strip("$") for gold, written in new)
