"""Exercises of 01, explore the data: repeated wordings, the majority's answer, splits, puzzles."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import hashlib
import itertools
import random
import re
from collections import Counter

from helpers.exercises.exercise import Exercise, Mistake


def repeated_wordings(questions: list[str]) -> list[list[int]]:
    """Places of the questions that differ in numbers, blanks and letter
    case only: a list for each wording that occurs at least twice, in order
    of its first place. A number is digits (12 is one number)."""
    places: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        plain = " ".join(question.casefold().split())
        plain = re.sub(r"\d+", "#", plain)
        places.setdefault(plain, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def majority_baseline(train: list[str], test: list[str]) -> float:
    """Share of the test that is right for whoever always gives the answer
    that is most frequent in training.

    train, test: the answers of their problems, not empty.
    """
    [(answer, _)] = Counter(train).most_common(1)
    return sum(one == answer for one in test) / len(test)


def is_held_out(question: str, share: float) -> bool:
    """Whether a question belongs to validation, of which it takes `share`
    (0 to 1): its sha256, as a number divided by 2**256, is below it."""
    digest = hashlib.sha256(question.encode()).hexdigest()
    return int(digest, 16) / 2**256 < share


def plus_minus(nums: list[int], target: int) -> bool:
    """Whether + and - alone reach the target with all nums, each once.
    No number has a sign of its own: the first one is added.

    nums: 2 to 4 positive numbers. target: positive.
    """
    for first, *others in itertools.permutations(nums):
        for signs in itertools.product((1, -1), repeat=len(others)):
            signed = zip(signs, others, strict=True)
            if first + sum(sign * n for sign, n in signed) == target:
                return True
    return False


def _grouped(questions, key, least=2):
    places: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        places.setdefault(key(question), []).append(place)
    return [group for group in places.values() if len(group) >= least]


def _questions(rng: random.Random) -> list[tuple]:
    def written(template):
        text = template.format(*(rng.choice([7, 12, 35, 128]) for _ in range(2)))
        text = text.upper() if rng.random() < 0.3 else text
        return text.replace(" ", "  ", 1) if rng.random() < 0.3 else text

    templates = [
        "Ann has {} eggs. She buys {}.", "Bo sells {} of {} pens.", "What is {} plus {}?",
        "A bus with {} seats takes {} trips.", "Half of {} apples and {} pears?",
    ]
    fixed = [
        "I see 3 cats.", "i see  12 CATS.", "I see 5 dogs.", "I see 4 cats.", "You see 4 cats.",
        "I see  3 cats.", "He ran 10 miles.", "He ran 10  miles.", "HE RAN 10 miles.",
    ]
    return [
        (fixed,),
        *(([*fixed, *(written(rng.choice(templates)) for _ in range(8))],) for _ in range(3)),
    ]


def _answers(rng: random.Random) -> list[tuple]:
    found = []
    for _ in range(4):
        front, other = rng.sample([str(n) for n in range(2, 40)], 2)
        train = [front] * rng.randint(8, 12) + [other] * 5 + ["1", "50", "60"]
        test = [front] * rng.randint(1, 4) + [other] * rng.randint(8, 12) + ["1", "7", "50"]
        rng.shuffle(train)
        rng.shuffle(test)
        found.append((train, test))
    return found


def _hashed(question):
    return int(hashlib.sha256(question.encode()).hexdigest(), 16)


def _splits(rng: random.Random) -> list[tuple]:
    return [
        (
            f"How many are {rng.randint(10, 10**6)} eggs?",
            rng.choice([0.05, 0.25, 0.37, 0.7]),
        )
        for _ in range(200)
    ]


def _puzzles(rng: random.Random) -> list[tuple]:
    found: list[tuple] = [
        ([9, 5], 4), ([5, 9], 4), ([5, 9], 14), ([5, 9, 2], 14), ([4, 6], 24), ([50, 8, 2], 44),
        ([3, 4, 5], 4), ([2, 9, 1, 30], 20),
    ]
    for _ in range(12):
        nums = [rng.randint(1, 60) for _ in range(rng.randint(3, 4))]
        signs = [1, *(rng.choice([1, -1]) for _ in nums[1:])]
        reached = sum(sign * n for sign, n in zip(signs, nums, strict=True))
        rng.shuffle(nums)
        found.append((nums, reached if reached > 0 else rng.randint(1, 99)))
    return found


def _some_numbers(nums, target):
    parts = (
        part for size in range(1, len(nums) + 1) for part in itertools.combinations(nums, size)
    )
    return any(plus_minus(list(part), target) for part in parts)


def _in_order(nums, target):
    return any(
        nums[0] + sum(s * n for s, n in zip(signs, nums[1:], strict=True)) == target
        for signs in itertools.product((1, -1), repeat=len(nums) - 1)
    )


_GIVEN = """
from helpers.config import Course
from helpers.data import load_problems
train, test = (load_problems(Course.load(), split) for split in ("train", "test"))
"""

EXERCISES = (
    Exercise(
        "01.1", "The same story with other numbers", 1, 5,
        "a list of texts → a list of lists of places",
        "Section 3 counted test questions whose wording occurs in training. *Within* a split the "
        "question is another: which ones tell the same story? Such groups weigh more in training "
        "than they seem to.",
        "A dictionary from the plain wording to the places where it was seen; then leave out those "
        "that were seen once.",
        repeated_wordings, _questions,
        (Mistake("questions that differ in letter case are the same wording: casefold() first",
                  lambda q: _grouped(q, lambda x: re.sub("\\d+", "#", " ".join(x.split())))),
         Mistake("questions that differ in blanks are the same wording: \" \".join(text.split())",
                  lambda q: _grouped(q, lambda x: re.sub("\\d+", "#", x.casefold()))),
         Mistake("questions that differ in numbers are the same wording: write one sign for each "
                  "number", lambda q: _grouped(q, lambda x: " ".join(x.casefold().split()))),
         Mistake("you replaced each digit, so that 3 and 12 still differ: a number is \\d+",
                  lambda q: _grouped(
                      q, lambda x: re.sub(r"\d", "#", " ".join(x.casefold().split())))),
         Mistake("a wording that occurs once is not repeated: leave groups of one out",
                  lambda q: _grouped(q, lambda x: re.sub(
                      r"\d+", "#", " ".join(x.casefold().split())), least=1))),
        "len(train), [len(group) for group in repeated_wordings(\n"
        "    [p.question for p in train])][:12]",
        "(On preset tiny: the number of questions, and the sizes of the first groups.) Generated "
        "problems come from templates, so their stories repeat; what section 7 measures is whether "
        "one gains by it.",
        "import re",
        _GIVEN),
    Exercise(
        "01.2", "The most frequent answer", 1, 5,
        "two lists of texts → a share",
        "A student who has read no question at all may still know which answer is most frequent. "
        "What does that earn on the test? This *majority baseline* stands beside the copying "
        "student of section 7 under every score.",
        "`collections.Counter(train).most_common(1)`. Nothing may be learned from the test's "
        "answers.",
        majority_baseline, _answers,
        (Mistake("you took the answer that is most frequent in the *test*: that is peeking. Learn "
                  "it from train", lambda train, test: max(Counter(test).values()) / len(test)),
         Mistake("this is its share in training; the score is measured on the test",
                  lambda train, test: max(Counter(train).values()) / len(train)),
         Mistake("you returned how many are right; the score is their share of the test",
                  lambda train, test: sum(
                      one == Counter(train).most_common(1)[0][0] for one in test)),
         Mistake("you divided by the number of training problems; the score is a share of the "
                  "test",
                  lambda train, test: majority_baseline(train, test) * len(test) / len(train))),
        "round(majority_baseline([p.answer for p in train],\n"
        "                        [p.answer for p in test]), 3)",
        "(On preset tiny.) A model below this number has learned less than a list of answers "
        "holds.",
        "from collections import Counter",
        _GIVEN),
    Exercise(
        "01.3", "Any share held out", 2, 5,
        "a text and a share → true or false",
        "Section 2 let the last digit of a hash decide, so only tenths can be held out. Let the "
        "*whole* hash decide, as a number from 0 to 1, and any share can be.",
        "`int(hashlib.sha256(question.encode()).hexdigest(), 16)` is below $2^{256}$. Division "
        "gives a number that looks as if drawn evenly from 0 to 1.",
        is_held_out, _splits,
        (Mistake("Python's own hash() of a text changes with every start of Python: the split "
                  "would be another one tomorrow",
                  lambda q, share: hash(q) % 2**64 / 2**64 < share),
         Mistake("you took the last decimal digit: with it only tenths can be held out",
                  lambda q, share: _hashed(q) % 10 < 10 * share),
         Mistake("validation takes the numbers *below* the share, not those above",
                  lambda q, share: not is_held_out(q, share)),
         Mistake("the number has 256 bits: divide by 2**256, not by 2**255",
                  lambda q, share: _hashed(q) / 2**255 < share)),
        "round(sum(is_held_out(p.question, 0.25) for p in train)\n"
        "      / len(train), 3)",
        "(On preset tiny.) Near .25, not exactly: each question decides for itself. A larger share "
        "holds out all that a smaller one does, so validation can grow without a problem changing "
        "sides twice.",
        "import hashlib",
        _GIVEN),
    Exercise(
        "01.4", "Puzzles for beginners", 2, 10,
        "a list of 2 to 4 numbers and a target → true or false",
        "Which Countdown puzzles can be solved with `+` and `-` alone? A model may find those "
        "first, and its reward rises before it has tried a multiplication.",
        "All orders, `itertools.permutations(nums)`, and for all but the first number both signs, "
        "`itertools.product((1, -1), repeat=len(nums) - 1)`.",
        plus_minus, _puzzles,
        (Mistake("every number must be used; you also allow to leave some out", _some_numbers),
         Mistake("the numbers may stand in any order: 9 − 5 is allowed where nums is [5, 9]",
                  _in_order),
         Mistake("you only add; try − as well", lambda nums, target: sum(nums) == target),
         Mistake("one minus sign is not the end: all signs but the first may be −",
                  lambda nums, target: any(sum(nums) - 2 * n == target for n in [0, *nums]))),
        "[plus_minus(nums, target) for nums, target in\n"
        " [([3, 7, 2, 50], 42), ([9, 5], 45), ([1, 2, 30], 27)]]",
        "On the set itself: `records = sets[\"countdown\"].records`, then count.",
        "import itertools"),
)
