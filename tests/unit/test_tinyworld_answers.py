"""The tiny data sets: answers calculated again, slips, and Countdown expressions."""

from __future__ import annotations

import ast
import operator
import random
import re
from fractions import Fraction
from math import comb, gcd

import pytest

from helpers.data.tinyworld import countdown, mathfamilies

SIGNS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def value(text: str) -> Fraction:
    """An arithmetic expression's exact value; KeyError or TypeError for anything else in it."""

    def of(node):
        if isinstance(node, ast.Constant):
            return Fraction(node.value)
        return SIGNS[type(node.op)](of(node.left), of(node.right))

    return of(ast.parse(text.strip(), mode="eval").body)


def test_there_are_ten_or_more_families_with_three_or_more_phrasings():
    rng = random.Random(1)
    assert len(mathfamilies.FAMILIES) >= 20
    for name in mathfamilies.FAMILIES:
        items = [mathfamilies.make(rng, families=(name,)) for _ in range(200)]
        shapes = {re.sub(r"\d+", "", item.problem).split()[0] for item in items}
        assert len(shapes) >= 3, name
        assert all(1 <= len(item.steps) <= 6 for item in items), name


# what a problem's text says, calculated again without the generator
AGAIN = {
    "remainder": (r"(\d+) is divided by (\d+)", lambda n, m: n % m),
    "greatest_common_divisor": (r"(\d+)(?:, | and )(\d+)", gcd),
    "least_common_multiple": (r"(\d+)(?:, | and )(\d+)", lambda a, b: a * b // gcd(a, b)),
    "power_remainder": (r"\$(\d+)\^(\d+).*?(\d+)\D*$", pow),
    "pairs": (r"(?:from|^) ?(\d+)|binom\{(\d+)\}|of (\d+) teams", lambda n: comb(n, 2)),
    "linear_equation": (r"\$(\d+)x \+ (\d+) = (\d+)\$", lambda a, b, c: Fraction(c - b, a)),
    "bracket_equation": (r"\$(\d+)\(x \+ (\d+)\) = (\d+)\$", lambda a, b, c: Fraction(c, a) - b),
    "triangle_angle": (r"(\d+)\D+(\d+)", lambda a, b: 180 - a - b),
    "percent_of_number": (r"(\d+)\\% of (\d+)", lambda p, n: Fraction(p * n, 100)),
    "triangle_area": (r"(\d+)\D+(\d+)", lambda a, b: Fraction(a * b, 2)),
    "area_from_perimeter": (r"(\d+)\D+(\d+)", lambda p, x: (Fraction(p, 2) - x) * x),
    "perimeter_from_area": (r"(\d+)\D+(\d+)", lambda s, x: 2 * (Fraction(s, x) + x)),
    "choices": (r"(\d+)\D+(\d+)\D+(\d+)", lambda a, b, c: a * b * c),
    "missing_number": (r"is (\d+)\D+(\d+) and (\d+)", lambda m, a, b: 3 * m - a - b),
    "sum_and_difference": (
        r"larger of two numbers whose sum is (\d+) and whose difference is (\d+)",
        lambda s, d: Fraction(s + d, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGAIN)
def test_answers_are_right_when_calculated_again(name):
    rng, (pattern, calculate), checked = random.Random(name), AGAIN[name], 0
    for _ in range(150):
        item = mathfamilies.make(rng, families=(name,))
        found = re.search(pattern, item.problem)
        if found:
            checked += 1
            assert calculate(*(int(g) for g in found.groups() if g)) == int(item.answer), (
                item.problem
            )
    assert checked >= 20


def test_every_equation_of_a_correct_solution_holds():
    rng = random.Random(2)
    for _ in range(3000):
        item = mathfamilies.make(rng)
        assert item.reached == item.answer
        for left, right in re.findall(
            r"(?<![\w{])(\d+(?: [-+*/] \d+)+) = (\d+)\b(?! [-+*/])", " ; ".join(item.steps)
        ):
            assert value(left) == int(right), item.steps


def test_a_slip_is_carried_to_a_wrong_answer_most_of_the_time():
    rng = random.Random(3)
    items = [mathfamilies.make(rng, slip=0.4) for _ in range(3000)]
    wrong = sum(item.reached != item.answer for item in items) / len(items)
    assert 0.33 < wrong < 0.41
    assert sum("= -" in " ".join(item.steps) for item in items) < 5


def test_countdown_tasks_can_be_solved():
    rows = countdown.countdown_rows(1500, seed=0)
    for row in rows:
        assert len(row["nums"]) in (3, 4) and 10 <= row["target"] <= 60
        found = countdown.solve(row["nums"], row["target"])
        assert found is not None and value(found) == row["target"]
        assert sorted(map(int, re.findall(r"\d+", found))) == sorted(row["nums"])
    assert countdown.solve([1, 1, 1], 50) is None
    assert value(countdown.solve([3, 3, 8, 8], 24)) == 24  # only fractions reach it


def test_warmstart_answers_are_right_but_for_one_in_ten():
    right = 0
    rows = countdown.warmstart_rows(1000, seed=0)
    for row in rows:
        numbers, target = re.search(
            r"\[([\d, ]+)\], create an equation that equals (\d+)", row["query"]
        ).groups()
        assert row["query"].split("\nAssistant:")[0].split("User:")[1].strip().startswith("Using")
        assert row["completion"].startswith("<think>\n") and row["completion"].endswith("</answer>")
        expression = re.search(r"<answer> (.+) </answer>$", row["completion"]).group(1)
        assert sorted(re.findall(r"\d+", expression)) == sorted(re.findall(r"\d+", numbers))
        right += value(expression) == int(target)
    assert 0.87 < right / len(rows) < 0.93
