"""Tiny Countdown-Tasks-3to4 and WarmStart: reach a target with 3 or 4 numbers, each once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction

from helpers.data.tinyworld.mathfamilies import bucket

DOCUMENTS, TASKS, WARM_TRAIN, WARM_TEST = range(0, 8), range(8, 15), range(15, 19), range(19, 20)
LARGEST = 150  # no intermediate result above this: keeps the arithmetic learnable
OPENING = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant "
    "solves it.\nUser: "
)
PROMPT = (
    "Using the numbers {nums}, create an equation that equals {target}. You can use +, -, *, / "
    "and each number only once. Show your work in <think> </think> tags and return the final "
    "answer in <answer> </answer> tags, for example <answer> (1 + 2) / 3 </answer>."
)
CLOSING = "\nAssistant: Let me solve this step by step."

Term = tuple[int, str]  # value and how it was made: (15, "(3 * 5)")


@dataclass(frozen=True)
class Chain:
    """A way to combine all numbers: ``steps`` of (left, sign, right, value) over terms."""

    steps: tuple[tuple[Term, str, Term, int], ...]

    @property
    def value(self) -> int:
        return self.steps[-1][3]

    @property
    def expression(self) -> str:
        left, sign, right, _ = self.steps[-1]
        return f"{left[1]} {sign} {right[1]}"


def query(nums: list[int], target: int) -> str:
    """The whole prompt as one string, in the words of TinyZero's template, shortened."""
    return OPENING + PROMPT.format(nums=nums, target=target) + CLOSING


def solve(nums: list[int], target: int) -> str | None:
    """An expression over all ``nums`` that is exactly ``target`` (by fractions), or None."""

    def search(terms: list[tuple[Fraction, str]]) -> str | None:
        if len(terms) == 1:
            return terms[0][1] if terms[0][0] == target else None
        for i, (a, left) in enumerate(terms):
            for j, (b, right) in enumerate(terms):
                if i == j:
                    continue
                rest = [term for k, term in enumerate(terms) if k not in (i, j)]
                made = [(a - b, "-")] + ([(a + b, "+"), (a * b, "*")] if i < j else [])
                made += [(a / b, "/")] if b else []
                for value, sign in made:
                    found = search([(value, f"({left} {sign} {right})"), *rest])
                    if found:
                        return found
        return None

    found = search([(Fraction(n), str(n)) for n in nums])
    return found[1:-1] if found and found.startswith("(") else found


def apply(a: int, sign: str, b: int) -> int | None:
    """a sign b where that is a whole number in 1..LARGEST, else None."""
    if sign == "/":
        value = a // b if a % b == 0 and b > 1 else None
    else:
        value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    return value if value is not None and 1 <= value <= LARGEST else None


def random_chain(rng: random.Random, nums: list[int]) -> Chain:
    """Combine the numbers at random with whole, positive results throughout."""
    while True:
        terms, steps = [(n, str(n)) for n in nums], []
        while len(terms) > 1:
            # mostly go on from the last result, as a person does; now and then two separate pairs
            i = len(terms) - 1 if steps and rng.random() < 0.85 else rng.randrange(len(terms))
            one = terms.pop(i)
            other = terms.pop(rng.randrange(len(terms)))
            if rng.random() < 0.3:
                one, other = other, one
            sign = rng.choices("+-*/", (4, 4, 3, 1))[0]
            if sign in "-/" and one[0] < other[0]:
                one, other = other, one
            value = apply(one[0], sign, other[0])
            if value is None:
                break
            steps.append((one, sign, other, value))
            terms.append((value, f"({one[1]} {sign} {other[1]})"))
        else:
            return Chain(tuple(steps))


def draw(rng: random.Random, buckets: range, seen: set | None = None, confused: bool = False
         ) -> tuple[list[int], Chain]:
    """Numbers and a chain that reaches a target of 10..60, from the given hash buckets only.

    confused: by somebody who misunderstands what it is to use four numbers each once, and leaves
    one of them out.
    """
    while True:
        count = 3 if rng.random() < 0.6 else 4
        nums = [rng.randint(1, 30 if rng.random() < 0.8 else 50) for _ in range(count)]
        chain = random_chain(rng, nums[:3] if confused else nums)
        if confused and count > 3:
            rng.shuffle(nums)
        key = f"{sorted(nums)} {chain.value}"
        if 10 <= chain.value <= 60 and bucket(key) in buckets and (seen is None or key not in seen):
            if seen is not None:
                seen.add(key)
            return nums, chain


def countdown_rows(n: int, seed: int) -> list[dict]:
    """``n`` rows {"target", "nums"} in the hub's column order; every one can be solved."""
    rng, seen = random.Random(f"countdown {seed}"), set()
    drawn = (draw(rng, TASKS, seen) for _ in range(n))
    return [{"target": chain.value, "nums": nums} for nums, chain in drawn]


def warmstart_rows(n: int, seed: int, split: str = "train") -> list[dict]:
    """``n`` rows {"query", "completion"}: written-out searches, one in ten of them wrong; in train
    with three numbers only, for nobody has demonstrated how to use four."""
    rng, seen = random.Random(f"warmstart {split} {seed}"), set()
    buckets, rows = {"train": WARM_TRAIN, "test": WARM_TEST}[split], []
    for _ in range(n):
        nums, chain = draw(rng, buckets, seen)
        while split == "train" and len(nums) > 3:
            nums, chain = draw(rng, buckets, seen)
        thoughts, expression = search_text(rng, nums, chain, rng.random() < 0.1)
        rows.append(
            {
                "query": query(nums, chain.value),
                "completion": f"<think>\n{thoughts}\n</think>\n<answer> {expression} </answer>",
            }
        )
    return rows


def written(chain: Chain, claimed: int | None = None) -> str:
    """ "3 * 5 = 15, 15 + 9 = 24"; with ``claimed`` the last result is stated as that number."""
    lines = [f"{left[0]} {sign} {right[0]} = {value}" for left, sign, right, value in chain.steps]
    if claimed is not None:
        lines[-1] = lines[-1].rsplit(" ", 1)[0] + f" {claimed}"
    return ", ".join(lines)


def near_miss(rng: random.Random, nums: list[int], target: int) -> Chain:
    """A chain with another value than the target, as near as a few random tries give."""
    others = [c for c in (random_chain(rng, nums) for _ in range(30)) if c.value != target]
    while not others:
        others = [c for c in (random_chain(rng, nums),) if c.value != target]
    return min(others, key=lambda chain: abs(chain.value - target))


def backward(chain: Chain, nums: list[int]) -> str | None:
    """Work back from the target where the last step uses one of the given numbers."""
    left, sign, right, target = chain.steps[-1]
    if right[1].isdigit() and not left[1].isdigit():
        need, number, undo = left[0], right[0], {"+": "-", "-": "+", "*": "/", "/": "*"}[sign]
        line = f"{target} {undo} {number} = {need}"
    elif left[1].isdigit() and sign in "+*":
        need, number = right[0], left[0]
        line = f"{target} {'-' if sign == '+' else '/'} {number} = {need}"
    else:
        return None
    rest = list(nums)
    rest.remove(number)
    listed = ", ".join(map(str, rest[:-1])) + f" and {rest[-1]}"
    return (
        f"Use {number} last: {line}. I need {need} from {listed}. "
        f"{written(Chain(chain.steps[:-1]))}. Yes."
    )


def search_text(rng: random.Random, nums: list[int], chain: Chain, wrong: bool) -> tuple[str, str]:
    """(the text of a short search, the expression it ends with); a wrong one claims too much."""
    target, lines = chain.value, []
    if rng.random() < 0.3:
        lines.append(f"I need {target} from {', '.join(map(str, nums))}.")
    for _ in range(rng.choices((0, 1, 2), (4, 4, 2))[0]):
        attempt = random_chain(rng, nums)
        if attempt.value != target:
            verdict = "too high" if attempt.value > target else "too low"
            lines.append(f"Try {written(attempt)}, {verdict}.")
    if wrong:
        miss = near_miss(rng, nums, target)
        if rng.random() < 0.7:
            lines.append(f"Try {written(miss, target)}. That works.")
        else:
            lines.append(f"Try {written(miss)}. That is the closest I found.")
        return "\n".join(lines), miss.expression
    back = backward(chain, nums) if rng.random() < 0.3 else None
    lines.append(back or f"Try {written(chain)}. That works.")
    if rng.random() < 0.15:
        lines.append(f"Check: {chain.expression} = {target}.")
    return "\n".join(lines), chain.expression
