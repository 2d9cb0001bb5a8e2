"""Problem families of algebra; they register themselves in mathfamily."""

from __future__ import annotations

import random

from helpers.data.tinyworld.mathfamily import NAMES, Arithmetic, Parts, family


@family("Algebra")
def linear_equation(rng: random.Random, calc: Arithmetic) -> Parts:
    a, x, b = rng.randint(2, 9), rng.randint(2, 20), rng.randint(1, 40)
    if rng.random() < 0.6 or a * x <= b:
        equation, c = f"${a}x + {b} = {a * x + b}$", a * x + b
        rest = calc.sub(c, b)
        first = f"{a}x = {c} - {b} = {rest}"
        story = (
            f"A number is multiplied by {a} and then {b} is added. The result is {c}. What is "
            "the number?"
        )
    else:
        equation, c = f"${a}x - {b} = {a * x - b}$", a * x - b
        rest = calc.add(c, b)
        first = f"{a}x = {c} + {b} = {rest}"
        story = (
            f"A number is multiplied by {a} and then {b} is subtracted. The result is {c}. "
            "What is the number?"
        )
    answer = calc.div(rest, a)
    nouns = [f"the value of $x$ if {equation}", f"the solution of {equation}"]
    return (
        nouns,
        [f"Solve for $x$: {equation}.", story],
        [first, f"x = {rest} / {a} = {answer}"],
        str(answer),
    )


@family("Algebra")
def bracket_equation(rng: random.Random, calc: Arithmetic) -> Parts:
    a, b, x = rng.randint(2, 9), rng.randint(1, 9), rng.randint(1, 11)
    c = a * (x + b)
    inner = calc.div(c, a)
    sign, undo = ("+", calc.add) if calc.confused else ("-", calc.sub)
    answer = undo(inner, b)
    equation = f"${a}(x + {b}) = {c}$"
    nouns = [f"the value of $x$ if {equation}", f"the number $x$ for which {equation}"]
    story = (
        f"{b} is added to a number and the sum is multiplied by {a}. The result is {c}. "
        "What is the number?"
    )
    steps = [f"x + {b} = {c} / {a} = {inner}", f"x = {inner} {sign} {b} = {answer}"]
    return nouns, [f"Solve {equation} for $x$.", story], steps, str(answer)


@family("Algebra")
def function_value(rng: random.Random, calc: Arithmetic) -> Parts:
    a, b, c = rng.randint(2, 6), rng.randint(1, 12), rng.randint(1, 8)
    rule = f"$f(x) = {a}x + {b}$"
    product = calc.mul(a, c)
    value = calc.add(product, b)
    steps = [f"f({c}) = {a} * {c} + {b} = {product} + {b} = {value}"]
    if rng.random() < 0.5:
        nouns = [f"$f({c})$ if {rule}", f"the value of $f({c})$ for the function {rule}"]
        return nouns, [f"Let {rule}. What is $f({c})$?"], steps, str(value)
    d = rng.choice([other for other in range(1, 10) if other != c])
    product = calc.mul(a, d)
    other = calc.add(product, b)
    answer = calc.add(value, other)
    steps += [
        f"f({d}) = {a} * {d} + {b} = {product} + {b} = {other}",
        f"{value} + {other} = {answer}",
    ]
    nouns = [
        f"$f({c}) + f({d})$ if {rule}",
        f"the value of $f({c}) + f({d})$ for the function {rule}",
    ]
    return nouns, [f"Let {rule}. What is $f({c}) + f({d})$?"], steps, str(answer)


@family("Algebra")
def sequence_term(rng: random.Random, calc: Arithmetic) -> Parts:
    a, d, n = rng.randint(1, 20), rng.randint(2, 9), rng.randint(6, 13)
    start = f"{a}, {a + d}, {a + 2 * d}, ..."
    jumps = n if calc.confused else n - 1
    jump = calc.mul(jumps, d)
    answer = calc.add(a, jump)
    nouns = [
        f"the {n}th term of the arithmetic sequence {start}",
        f"term number {n} of the sequence {start}",
    ]
    story = (
        f"{rng.choice(NAMES)} starts at {a} and counts up by {d} each time. "
        f"What is number {n} in the count?"
    )
    steps = [f"The difference is {d}", f"{jumps} * {d} = {jump}", f"{a} + {jump} = {answer}"]
    return nouns, [story], steps, str(answer)


@family("Algebra")
def sequence_sum(rng: random.Random, calc: Arithmetic) -> Parts:
    n, d, a = 8, 5, 9
    while n * (2 * a + (n - 1) * d) > 200:
        n, d, a = rng.randint(4, 8), rng.randint(1, 5), rng.randint(1, 9)
    last = calc.add(a, calc.mul(n - 1, d))
    ends = calc.add(a, last)
    doubled = calc.mul(n, ends)
    answer = doubled if calc.confused else calc.div(doubled, 2)
    start = f"{a}, {a + d}, {a + 2 * d}, ..."
    nouns = [
        f"the sum of the first {n} terms of the arithmetic sequence {start}",
        f"the sum of the first {n} numbers in the list {start}",
    ]
    seats = "1 more seat" if d == 1 else f"{d} more seats"
    story = (
        f"The first row of a theater has {a} seat{'s' * (a > 1)} and each next row has {seats}. "
        f"How many seats are in the first {n} rows?"
    )
    steps = [
        f"The last term is {a} + {n - 1} * {d} = {last}",
        f"{a} + {last} = {ends}",
        f"{n} * {ends} = {doubled}",
    ]
    if not calc.confused:
        steps.append(f"{doubled} / 2 = {answer}")
    return nouns, [story], steps, str(answer)


@family("Algebra")
def sum_and_difference(rng: random.Random, calc: Arithmetic) -> Parts:
    small, gap = rng.randint(3, 60), rng.randint(2, 30)
    total = 2 * small + gap
    pair = f"two numbers whose sum is {total} and whose difference is {gap}"
    which = "larger" if rng.random() < 0.5 else "smaller"
    if (which == "larger") != calc.confused:
        twice = calc.add(total, gap)
        first = f"{total} + {gap} = {twice}"
    else:
        twice = calc.sub(total, gap)
        first = f"{total} - {gap} = {twice}"
    answer = calc.div(twice, 2)
    nouns = [f"the {which} of {pair}"]
    one, two = rng.sample(NAMES, 2)
    (who,) = (one,) if which == "larger" else (two,)
    stories = [
        f"Two numbers add up to {total} and differ by {gap}. What is the {which} number?",
        f"{one} and {two} have {total} coins together. {one} has {gap} more than {two}. "
        f"How many coins does {who} have?",
    ]
    return nouns, stories, [first, f"{twice} / 2 = {answer}"], str(answer)


@family("Algebra")
def consecutive_numbers(rng: random.Random, calc: Arithmetic) -> Parts:
    count = rng.choice((3, 3, 5))
    middle = rng.randint(5, 40)
    total, reach = count * middle, count // 2
    word = "three" if count == 3 else "five"
    centre = calc.div(total, count)
    if rng.random() < 0.5:
        which, answer = "largest", calc.add(centre, reach)
        last = f"{centre} + {reach} = {answer}"
    else:
        which, answer = "smallest", calc.sub(centre, reach)
        last = f"{centre} - {reach} = {answer}"
    nouns = [f"the {which} of {word} consecutive integers whose sum is {total}"]
    stories = [
        f"The sum of {word} consecutive integers is {total}. What is the {which} of them?",
        f"{word.capitalize()} integers in a row add up to {total}. Find the {which} one.",
    ]
    return nouns, stories, [f"The middle one is {total} / {count} = {centre}", last], str(answer)
