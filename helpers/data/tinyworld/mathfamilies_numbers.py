"""Problem families of number theory; they register themselves in mathfamily."""

from __future__ import annotations

import random
from math import gcd

from helpers.data.tinyworld.mathfamily import NAMES, Arithmetic, Parts, family


@family("Number Theory")
def remainder(rng: random.Random, calc: Arithmetic) -> Parts:
    m, n = rng.randint(3, 12), rng.randint(20, 150)
    fits = calc.mul(m, n // m)
    answer = calc.sub(n, fits)
    nouns = [f"the remainder when {n} is divided by {m}", f"the value of ${n} \\bmod {m}$"]
    story = (
        f"{rng.choice(NAMES)} packs {n} apples into bags of {m} until no more full bag is "
        "possible. "
        "How many apples are left over?"
    )
    steps = [f"{m} * {n // m} = {fits}", f"{n} - {fits} = {answer}"]
    return nouns, [f"When {n} is divided by {m}, what is the remainder?", story], steps, str(answer)


@family("Number Theory")
def greatest_common_divisor(rng: random.Random, calc: Arithmetic) -> Parts:
    g = rng.randint(2, 12)
    p, q = rng.sample(range(2, 9), 2)
    big, small = g * max(p, q), g * min(p, q)
    a, b, steps = big, small, []
    for _ in range(8):  # Euclid; the bound only matters after a slip
        left = calc.mod(a, b)
        steps.append(f"{a} divided by {b} leaves {left}")
        a, b = b, left
        if b == 0 or b >= a:
            break
    one, two = rng.sample((big, small), 2)
    nouns = [f"the greatest common divisor of {one} and {two}", f"$\\gcd({one}, {two})$"]
    stories = [
        f"What is the largest integer that divides both {one} and {two}?",
        f"Two ropes are {one} and {two} feet long. They are cut into equal pieces with "
        "nothing left. "
        "What is the greatest possible length of a piece in feet?",
    ]
    return nouns, stories, steps + [f"The greatest common divisor is {a}"], str(a)


@family("Number Theory")
def least_common_multiple(rng: random.Random, calc: Arithmetic) -> Parts:
    while True:
        a, b = rng.sample(range(3, 21), 2)
        if a * b <= 200 and max(a, b) % min(a, b):
            break
    g = gcd(a, b)
    product = calc.mul(a, b)
    answer = product if calc.confused else calc.div(product, g)
    nouns = [
        f"the least common multiple of {a} and {b}",
        f"the smallest positive multiple of both {a} and {b}",
    ]
    story = (
        f"One lamp flashes every {a} seconds and another every {b} seconds. They flash "
        "together now. "
        "After how many seconds do they flash together again?"
    )
    steps = [
        f"The greatest common divisor of {a} and {b} is {g}",
        f"{a} * {b} = {product}",
        f"{product} / {g} = {answer}",
    ]
    if calc.confused:
        steps = [f"{a} * {b} = {product}"]
    return nouns, [f"What is $\\text{{lcm}}({a}, {b})$?", story], steps, str(answer)


@family("Number Theory")
def power_remainder(rng: random.Random, calc: Arithmetic) -> Parts:
    base, power, m = rng.randint(2, 6), rng.randint(3, 5), rng.randint(3, 11)
    left, steps = base % m, []
    start = f"{base} leaves {left} when divided by {m}"
    for _ in range(power - 1):
        product = calc.mul(left, base)
        after = calc.mod(product, m)
        steps.append(f"{left} * {base} = {product}, which leaves {after}")
        left = after
    nouns = [
        f"the remainder when ${base}^{power}$ is divided by {m}",
        f"the value of ${base}^{power} \\bmod {m}$",
    ]
    whole = [f"When ${base}^{power}$ is divided by {m}, what is the remainder?"]
    return nouns, whole, [start, *steps], str(left)


@family("Number Theory")
def counting_multiples(rng: random.Random, calc: Arithmetic) -> Parts:
    m, low, high = rng.randint(3, 12), rng.randint(10, 40), rng.randint(60, 150)
    upto = calc.div(high, m)
    below = calc.div(low, m)
    answer = calc.sub(upto, below)
    nouns = [
        f"the number of multiples of {m} that are greater than {low} and at most {high}",
        f"the number of integers from {low + 1} to {high} that are divisible by {m}",
    ]
    whole = [f"How many integers from {low + 1} to {high} are divisible by {m}?"]
    steps = [
        f"The count up to {high} is {upto}",
        f"The count up to {low} is {below}",
        f"{upto} - {below} = {answer}",
    ]
    return nouns, whole, steps, str(answer)
