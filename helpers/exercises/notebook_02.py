"""Exercises of 02, verify and reward: the last number, a gated bonus, overlong answers, weights."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random
import re

import torch
from torch import Tensor

from helpers.exercises.exercise import Exercise, Mistake


def last_value(text: str) -> float | None:
    """The last number of a text, or None.

    A minus belongs to the number unless a digit or a closing parenthesis
    stands right before it; commas may part thousands.
    """
    found = re.findall(
        r"(?:(?<![\d)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", text)
    return float(found[-1].replace(",", "")) if found else None


def gated_advantages(correct: Tensor, formatted: Tensor,
                     bonus: float) -> Tensor:
    """Advantages (G,) of a group of G completions whose bonus for the
    format is paid to right answers only.

    correct, formatted: 0. or 1. (G,). reward = correct + bonus, advantage =
    (reward - mean) / (std + 1e-4), std with G - 1 as in notebook 07.
    """
    rewards = correct + bonus * formatted * correct
    return (rewards - rewards.mean()) / (rewards.std() + 1e-4)


def overlong_penalty(tokens: int, limit: int, margin: int) -> float:
    """0 for an answer that ends `margin` tokens before the limit or
    earlier, -1 at the limit and beyond, a straight line in between
    (DAPO, Yu et al. 2025, arXiv:2503.14476, eq. 13)."""
    safe = limit - margin
    return max(min((safe - tokens) / margin, 0.0), -1.0)


def least_weight(looks_wrong: list[float], looks_right: list[float]) -> float:
    """The weight of a right answer above which every right completion is
    paid more than every wrong one; 0 if looks alone do that.

    looks_wrong, looks_right: what wrong and right completions earn by
    everything but the answer; not empty.
    """
    return max(max(looks_wrong) - min(looks_right), 0.0)


def _found(pattern, place=-1):
    def value(text):
        found = re.findall(pattern, text)
        return float(found[place].replace(",", "")) if found else None

    return value


def _texts(rng: random.Random) -> list[tuple]:
    n, m = rng.randint(2, 99), rng.randint(100, 999)
    texts = [
        "The answer is -7.", "3 - 10 = -7", "so 12-5", "It costs 1,450 dollars", "no number",
        "(3+4)-2", "#### -1,250", "-0.5", "first 8, then 9.", "x = 2.50", "a 1 b 2",
        f"It is -{n}.", f"{m}-{n}", f"{n},{m} in all", f"from {n} to {m}.{n}", f"= {n}",
    ]
    rng.shuffle(texts)
    return [(text,) for text in texts]


def _advantages(rewards, ddof=1, eps=1e-4):
    return (rewards - rewards.mean()) / (rewards.std(correction=ddof) + eps)


def _groups(rng: random.Random) -> list[tuple]:
    def flags(n):
        return torch.tensor([float(rng.random() < 0.5) for _ in range(n)])

    fixed = (
        torch.tensor([1.0, 0, 1, 0, 0]),
        torch.tensor([1.0, 1, 0, 0, 1]),
        0.2,
    )
    none = (torch.zeros(4), torch.tensor([1.0, 0, 1, 0]), 0.2)
    return [
        fixed,
        none,
        *((flags(n), flags(n), rng.choice([0.1, 0.3])) for n in (4, 8, 8, 16)),
    ]


def _lengths(rng: random.Random) -> list[tuple]:
    found = []
    for _ in range(4):
        limit = rng.randint(100, 2000)
        margin = rng.randint(20, limit // 2)
        found += [
            (tokens, limit, margin)
            for tokens in (
                0,
                limit - margin,
                limit - margin // 3,
                limit,
                limit + 1,
                2 * limit,
            )
        ]
    return found


def _looks(rng: random.Random) -> list[tuple]:
    def some(n):
        return [rng.randint(0, 20) / 10 for _ in range(n)]

    return [
        ([0.1, 1.3], [0.4, 0.9]),
        ([0.2, 0.1], [0.5, 0.7]),
        ([1.5], [0.0, 2.0]),
        *((some(3), some(3)) for _ in range(5)),
    ]


EXERCISES = (
    Exercise(
        "02.1", "The last number, with its sign", 2, 10,
        "a text → a number or None",
        "`last_number` of section 2 has two faults: in `12-5` it finds −5, and `1,450` it takes "
        "apart. Write one that has neither, and gives a value instead of a text.",
        "`re.findall` with a pattern of three parts: a minus that may be there, `(?<![\\d)])` says "
        "after what it may not stand; digits, or up to three digits and groups of `,ddd`; a "
        "decimal part.",
        last_value, _texts,
        (Mistake("the minus is lost: −7 and 7 are different answers",
                  _found("(?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(?:\\.\\d+)?")),
         Mistake("in 12-5 the minus is a subtraction: after a digit or a closing parenthesis it "
                  "does not belong to the number",
                  _found("-?(?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(?:\\.\\d+)?")),
         Mistake("1,450 is one number: commas may part thousands",
                  _found("(?:(?<![\\d)])-)?\\d+(?:\\.\\d+)?")),
         Mistake("this is the first number; a solution ends with its answer",
                  _found("(?:(?<![\\d)])-)?(?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(?:\\.\\d+)?", 0)),
         Mistake("the decimal part is lost: 2.50 is one number, not 2 and 50",
                  _found("(?:(?<![\\d)])-)?(?:\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)"))),
        "[last_value(text) for text in\n"
        " ['so 12-5', 'It is -7.', 'pay 1,450', 'none']]",
        "Still a guess, and section 6 tells what such guesses cost: whatever stands last is taken.",
        "import re"),
    Exercise(
        "02.2", "A bonus behind a gate", 2, 10,
        "`(G,)`, `(G,)`, a number → `(G,)`",
        "In the experiment at the end of section 7 a bonus of 0.2 shouts in a group without a "
        "right answer. Pay it to right answers only, and compute what the group hears.",
        "`bonus * formatted * correct`. In a group without a right answer all rewards are equal: "
        "no signal, and that is the honest message.",
        gated_advantages, _groups,
        (Mistake("the bonus is paid to wrong answers too: multiply by `correct`",
                  lambda c, f, b: _advantages(c + b * f)),
         Mistake("you divided by G in the standard deviation; GRPO's code divides by G − 1, as "
                  "Tensor.std() does", lambda c, f, b: _advantages(c + b * f * c, ddof=0)),
         Mistake("this is reward − mean, Dr. GRPO's advantage; here it is divided by the standard "
                  "deviation as well", lambda c, f, b: c + b * f * c - (c + b * f * c).mean()),
         Mistake("the mean is not taken off: an advantage says how much better than the group",
                  lambda c, f, b: (c + b * f * c) / ((c + b * f * c).std() + 0.0001)),
         Mistake("the bonus is for the *format* of right answers, not for every right answer",
                  lambda c, f, b: _advantages(c + b * c)),
         Mistake("without 1e-4 a group of equal rewards gives 0 / 0, which is NaN",
                  lambda c, f, b: _advantages(c + b * f * c, eps=0.0))),
        "gated_advantages(torch.zeros(4), torch.tensor([1.0, 0, 1, 0]),\n"
        "                 0.2).tolist()",
        "The group of section 7 without a right answer is silent now.",
        "import torch\n"
        "from torch import Tensor"),
    Exercise(
        "02.3", "Softly too long", 1, 5,
        "three counts of tokens → a number from −1 to 0",
        "An answer that is cut off at the limit is punished, one that ends just before it is not: "
        "a cliff, and whether an answer falls is luck. DAPO lets the penalty grow over the last "
        "`margin` tokens.",
        "How far is the answer into the margin, from 0 (its beginning) to 1 (the limit)? Keep that "
        "within 0 and 1, then change the sign.",
        overlong_penalty, _lengths,
        (Mistake("a penalty is negative: 0 down to −1", lambda t, n, m: -overlong_penalty(t, n, m)),
         Mistake("the slope ends at −1: beyond the limit the penalty grows no more",
                  lambda t, n, m: -max((t - n + m) / m, 0.0)),
         Mistake("the slope begins `margin` tokens *before* the limit, not at it",
                  lambda t, n, m: -min(max((t - n) / m, 0.0), 1.0)),
         Mistake("this is the cliff: between limit − margin and limit the penalty grows in a "
                  "line", lambda t, n, m: -float(t > n)),
         Mistake("below limit − margin there is nothing to pay, and nothing to earn: not above 0",
                  lambda t, n, m: -min((t - n + m) / m, 1.0))),
        "[overlong_penalty(tokens, limit=100, margin=20)\n"
        " for tokens in (60, 80, 85, 99, 120)]"),
    Exercise(
        "02.4", "How much must the answer weigh?", 1, 5,
        "two lists of numbers → a number",
        "Section 7 moved a slider until a neat wrong completion overtook a bare right one. Compute "
        "where that happens, for any lists of what looks have earned.",
        "The worst case decides: the best-looking wrong completion against the worst-looking right "
        "one.",
        least_weight, _looks,
        (Mistake("a right answer may have earned something by its looks as well: take the least "
                  "of looks_right off", lambda w, r: max(max(w), 0.0)),
         Mistake("with means, some wrong completion still overtakes some right one: the worst "
                  "case decides", lambda w, r: max(sum(w) / len(w) - sum(r) / len(r), 0.0)),
         Mistake("a weight is not negative: 0 where looks alone put all right ones in front",
                  lambda w, r: max(w) - min(r)),
         Mistake("the *worst*-looking right completion must stay in front, not the best-looking "
                  "one", lambda w, r: max(max(w) - max(r), 0.0))),
        "least_weight(looks_wrong=[0.3, 1.3], looks_right=[0.0, 1.3])"),
)
