r"""Kinds of completions without a mark, or with more behind it, each with at least fifty variants.

As in `test_grading_kinds`: a kind yields (reference, completion, right), and right is known by the
way the completion is made. It holds for lenient grading in every format. In strict grading nothing
is right here but a line after `####`, for which a kind's last entry is True.
"""

import itertools
from collections.abc import Iterator

import pytest

from helpers.verify import FORMATS, grade

Kind = Iterator[tuple]
NUMBERS = (5, 34, 120, 7, 61)
LETTERS = "ABCDE"


def phrases() -> Kind:
    for n in NUMBERS:
        for text in [
            "Final Answer: The largest $k$ is {n}.",
            "The answer is **{n}**.",
            "The answer is {n}.",
            "Answer: ${n}$",
            "**Answer:** {n}",
            "The answer is $x = {n}$.",
            "The answers are {n}.",
            "A: {n}",
            "So it costs {n} dollars.",
            "The final answer is:\n{n}",
            "The answer is 5 + 3 = {n}.",
            "The answer is \\({n}\\).",
        ]:
            yield str(n), text.format(n=n), True
            yield str(n + 1), text.format(n=n), False


def phrases_with_a_formula() -> Kind:
    for n in NUMBERS:
        for formula in [
            rf"\sqrt{{{n}}}",
            f"x + {n}",
            f"{n}x",
            f"({n}, 4)",
            f"{n}!",
            rf"\frac{{{n}}}{{x}}",
            rf"{n}\pi",
            f"[{n}, 9)",
            f"x > {n}",
        ]:
            yield str(n), f"The answer is ${formula}$.", False
            yield formula, f"The answer is ${formula}$.", True
        for text in [
            "The answer is {n} - sin({n}).",
            r"The answer is \sqrt{{{n}}}.",
            "The answer is ${n}$ and $4$.",
            "The answer is {n}π.",
            "The answer is {n}!",
            "The answer is x + {n}.",
            "The answer is ({n}, 4).",
            "The answer is {n}x.",
            "The answer is x > {n}.",
            "The answer is 2 < x < {n}.",
            "The answer is x=2 or x={n}.",
            "The answer is x=2, y={n}.",
            "The answer is 10:{n}.",
            r"The answer is \sum_{{k=1}}^{{{n}}} k.",
        ]:
            yield str(n), text.format(n=n), False
        yield f"2, {n}", f"The answer is x=2 or x={n}.", True
        yield f"10:{n}", f"The answer is 10:{n}.", True
        yield f"x>{n}", f"The answer is x > {n}.", True
        yield f"4, {n}", f"The answers are {n} and 4.", True
        yield f"4, {n}", f"The answer is ${n}$ or $4$.", True


def minus_in_prose() -> Kind:
    for n in NUMBERS:
        for text in [
            "The answer is -{n}.",
            "The answer is - {n}.",
            "The answer is $- {n}$.",
            "The answer is –{n}.",
            "The answer is minus {n}.",
            "The answer is negative {n}.",
        ]:
            yield f"-{n}", text.format(n=n), True
            yield str(n), text.format(n=n), False
        line = f"So it sinks.\n#### - {n}"
        yield f"-{n}", line, True, True
        yield str(n), line, False


def grouped_digits_in_prose() -> Kind:
    for n, sign in itertools.product(NUMBERS, (" ", "{,}", r"\,", "\u00a0", ",")):
        for text in ("The answer is {0}500.", "The answer is {0}500.25", "Answer: ${0}500$"):
            more = ".25" if ".25" in text else ""
            yield f"{n}500{more}", text.format(f"{n}{sign}"), True
            yield f"500{more}", text.format(f"{n}{sign}"), False
        if sign != " ":  # two numbers side by side are one only where nothing but the answer stands
            yield f"{n}500", f"So it costs {n}{sign}500 dollars.", True
    yield "200", "It was in 2010 200 times.", True
    yield "200", "Of the boxes of 30 200 are left.", True
    yield "30200", "Of the boxes of 30 200 are left.", False


def bold_letters_and_names() -> Kind:
    for letter, other in itertools.permutations(LETTERS, 2):
        yield letter, f"The answer is **{letter}**.", True
        yield other, f"The answer is **({letter})**.", False
        yield letter, f"The answer is: **{letter}. 17**", True
    for name, other in itertools.pairwise(["Evelyn", "Tom", "Monday", "Ann", "Paris"]):
        for shape in ("**{0}**", "{0}", r"\text{{{0}}}"):
            text = f"The answer is {shape}."
            yield name, text.format(name), True
            yield other, text.format(name), False


def a_letter_before_a_number() -> Kind:
    for letter, n in itertools.product(LETTERS, (3, 12)):
        for text in [
            "The answer is {0}, because there are {1} of them.",
            "The answer is ({0}).",
            "The answer is ({0}) {1}.",
            "The answer is {0} since {1} > 2.",
            "Answer: {0}; there are {1}",
            "The correct answer is option {0}: {1} apples.",
            "The correct answer is {0}) {1}",
            "The answer is **{0}. {1}**",
        ]:
            yield letter, text.format(letter, n), True
            yield str(n), text.format(letter, n), False
        yield str(n), f"The answer is A train of {n} cars.", True
    yield "a", "The answer is (a).", True


def a_mark_before_a_phrase() -> Kind:
    for n in NUMBERS:
        for text in [
            r"So $\boxed{{{n}}}$. We check that the answer is right: {n} + 1 = {m}.",
            r"\boxed{{{n}}} (the old answer is {m})",
            r"Is the answer {m}? No: \boxed{{{n}}}. The answer is in {m} pieces.",
            "#### {n}\nI hope this answer is helpful to {m} people.",
            "#### {n}\nA: {m}",
            "<answer>{n}</answer> The answer is not {m}.",
            "<answer>{n}</answer>\nAnswer: {m} was wrong.",
        ]:
            yield str(n), text.format(n=n, m=n + 1), True
            yield str(n + 1), text.format(n=n, m=n + 1), False
        formula = rf"\boxed{{x+{n}}}. The answer is {n}."
        yield f"x+{n}", formula, True
        yield str(n), formula, False
    for letter in LETTERS:
        yield letter, rf"\boxed{{{letter}}}. The answer is 3.", True
        yield "3", rf"\boxed{{{letter}}}. The answer is 3.", False


KINDS = [
    phrases,
    phrases_with_a_formula,
    minus_in_prose,
    grouped_digits_in_prose,
    bold_letters_and_names,
    a_letter_before_a_number,
    a_mark_before_a_phrase,
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_graded_right_in_every_format(kind):
    wrong, cases = [], list(dict.fromkeys(kind()))
    for reference, text, right, *hash_line in cases:
        for answer_format in FORMATS:
            given = [grade(text, reference, answer_format, how) for how in ("lenient", "strict")]
            if given != [right, bool(hash_line) and answer_format == "hash"]:
                wrong.append((reference, text, answer_format, given))
    assert len(cases) >= 50
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"
