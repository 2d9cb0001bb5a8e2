"""A word problem under construction: the story's sentences, its steps, and how it is written down.

A step's operands are numbers of the story or results of earlier steps (`Ref`), so the same draft
can be written down correctly, or with a *slip*: one wrong result that is carried on, as in the
mistaken pages that a real pre-training corpus holds. Or it is written by somebody who
*misunderstands* a rule, and then follows the wrong one wherever it applies: "3 times as many" is
added, a third is subtracted. The written form is GSM8K's (Cobbe et al. 2021, arXiv:2110.14168):
`<<a+b=c>>` after each sum, `#### N` at the end.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from helpers.data.tinyworld import words

LARGEST = 199  # no number of a story or a step is larger: three digits at most


class Ref(int):
    """Operand that stands for the result of step number `int(self)`."""


@dataclass(frozen=True)
class Step:
    text: str  # one sentence; {} is where the calculation goes
    left: int
    op: str  # one of + - * /
    right: int
    money: bool = False
    rule: str = ""  # of MISUNDERSTOOD: what one has to understand to choose this calculation


# Rule -> the operation that somebody takes who misunderstands it, for the right one.
MISUNDERSTOOD = {
    "times": {"*": "+"},  # "3 times as many" is 3 more
    "fraction": {"/": "-"},  # a third, and half as many, is 3 or 2 fewer
    "rate": {"*": "+"},  # 4 an hour for 3 hours is 4 and 3
    "backwards": {"+": "-", "-": "+", "/": "*"},  # what happened is done once more, not undone
}


class Unfit(ValueError):
    """The drawn numbers give no whole, positive, small result: draw again."""


def calculate(left: int, op: str, right: int) -> int:
    """Exact result of one step; division must come out even."""
    if op == "/" and (right == 0 or left % right):
        raise Unfit(f"{left}/{right}")
    result = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "/": left // right if right else 0,
    }[op]
    if not 0 < result <= LARGEST:
        raise Unfit(f"{left}{op}{right}")
    return result


@dataclass(frozen=True)
class World:
    """Which names, things, numbers and structures a story may use."""

    new_names: bool = False
    new_numbers: bool = False  # starting quantities 70..89, which training never starts from
    new_structures: bool = False

    def people(self, rng: random.Random, count: int) -> list[tuple[str, str]]:
        """`count` different (name, pronoun) pairs."""
        she, he = (words.NEW_SHE, words.NEW_HE) if self.new_names else (words.SHE, words.HE)
        pool = [(name, "she") for name in she] + [(name, "he") for name in he]
        return rng.sample(pool, count)

    def thing(self, rng: random.Random) -> tuple[str, str]:
        return rng.choice(words.NEW_THINGS if self.new_names else words.THINGS)

    def start(self, rng: random.Random) -> int:
        """A starting quantity: 8..69 in training, 70..89 where the range is new."""
        return rng.randint(70, 89) if self.new_numbers else rng.randint(8, 69)

    def allows(self, structure: str) -> bool:
        """One structure in six is held out of training, chosen by hash."""
        held_out = hashlib.sha256(structure.encode()).digest()[0] % 6 == 0
        return held_out == self.new_structures


@dataclass
class Draft:
    """A story under construction: sentences, steps, and the structure they follow."""

    rng: random.Random
    world: World
    sentences: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    structure: list[str] = field(default_factory=list)
    results: list[int] = field(default_factory=list)

    def say(self, *phrasings: str) -> None:
        self.sentences.append(self.rng.choice(phrasings))

    def value(self, operand: int) -> int:
        return self.results[operand] if isinstance(operand, Ref) else int(operand)

    def step(self, text: str, left: int, op: str, right: int, money: bool = False,
             rule: str = "") -> Ref:
        """Add a step and return a reference to its result."""
        self.results.append(calculate(self.value(left), op, self.value(right)))
        self.steps.append(Step(text, left, op, right, money, rule))
        return Ref(len(self.steps) - 1)

    @property
    def rules(self) -> set[str]:
        """What of MISUNDERSTOOD this problem asks to be understood."""
        return {step.rule for step in self.steps} - {""}

    @property
    def question(self) -> str:
        return " ".join(self.sentences)


def slipped(rng: random.Random, left: int, op: str, right: int) -> int:
    """A plausible wrong result: off by one, two or ten, two digits swapped, the wrong operation."""
    right_result = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "/": left // max(right, 1),
    }[op]
    swapped = int(str(right_result)[::-1]) if right_result > 9 else right_result + 3
    other = left - right if op == "+" and left > right else left + right
    wrong = rng.choice(
        [
            right_result + 1,
            right_result - 1,
            right_result + 2,
            right_result - 2,
            right_result + 10,
            right_result - 10,
            swapped,
            other,
        ]
    )
    return wrong if wrong > 0 and wrong != right_result else right_result + 1


def write_solution(
    draft: Draft, rng: random.Random | None = None, slip: float = 0.0, annotate: bool = True,
    confused: bool = False,
) -> tuple[str, int]:
    """(the worked lines, the number they end with); with probability `slip` one line is wrong.

    annotate: GSM8K's `<<a+b=c>>` after the equals sign, as its calculator expects them. confused:
    by somebody who misunderstands every rule of MISUNDERSTOOD; where that leads to no positive
    number, the step is left as it is.
    """
    wrong_at = -1
    if slip and rng.random() < slip:
        wrong_at = rng.randrange(len(draft.steps))
    results: list[int] = []
    lines = []
    for index, step in enumerate(draft.steps):
        left, right = (
            results[o] if isinstance(o, Ref) else int(o) for o in (step.left, step.right)
        )
        op = step.op
        if confused and step.rule:
            other = MISUNDERSTOOD[step.rule][op]
            op = op if other == "-" and left <= right else other
        if index == wrong_at:
            result = slipped(rng, left, op, right)
        elif op == "/":
            result = left // max(right, 1)  # exact unless a mistake came before
        else:
            result = {"+": left + right, "-": left - right, "*": left * right}[op]
        results.append(result)
        sum_text = f"{left}{op}{right}"
        note = f"<<{sum_text}={result}>>" if annotate else ""
        dollar = "$" if step.money else ""
        lines.append(step.text.format(f"{sum_text}={dollar}{note}{result}"))
    return "\n".join(lines), results[-1]
