"""Problem families of prealgebra; they register themselves in mathfamily."""

from __future__ import annotations

import random
from math import gcd

from helpers.data.tinyworld.mathfamily import NAMES, THINGS, Arithmetic, Parts, family, fraction


@family("Prealgebra")
def fraction_of_number(rng: random.Random, calc: Arithmetic) -> Parts:
    bottom = rng.randint(3, 9)
    top = rng.choice([t for t in range(1, bottom) if gcd(t, bottom) == 1])
    whole = bottom * rng.randint(2, 15)
    sign, take = ("-", calc.sub) if calc.confused else ("/", calc.div)
    part = take(whole, bottom)
    answer = calc.mul(top, part) if top > 1 else part
    share, things = f"$\\frac{{{top}}}{{{bottom}}}$", rng.choice(THINGS)
    nouns = [f"{share} of {whole}", f"the number that is {share} of {whole}"]
    story = (
        f"{rng.choice(NAMES)} has {whole} {things} and gives away {share} of them. How many "
        f"{things} are given away?"
    )
    steps = [f"{whole} {sign} {bottom} = {part}"] + [f"{top} * {part} = {answer}"] * (top > 1)
    return nouns, [story], steps, str(answer)


@family("Prealgebra")
def percent_of_number(rng: random.Random, calc: Arithmetic) -> Parts:
    tens, whole = rng.randint(2, 9), 10 * rng.randint(2, 20)
    tenth = 10 if calc.confused else calc.div(whole, 10)
    answer = calc.mul(tens, tenth)
    things = rng.choice(THINGS)
    nouns = [f"{tens}0\\% of {whole}", f"the number that is {tens}0\\% of {whole}"]
    story = f"Of {whole} {things}, {tens}0\\% are sold. How many {things} are sold?"
    reason = "" if calc.confused else f"{whole} / 10 = "
    steps = [f"10\\% of {whole} is {reason}{tenth}", f"{tens} * {tenth} = {answer}"]
    return nouns, [story], steps, str(answer)


@family("Prealgebra")
def percent_change(rng: random.Random, calc: Arithmetic) -> Parts:
    tens, price, up = rng.randint(1, 6), 10 * rng.randint(2, 15), rng.random() < 0.5
    tenth = 10 if calc.confused else calc.div(price, 10)
    change = calc.mul(tens, tenth)
    answer = calc.add(price, change) if up else calc.sub(price, change)
    verb, sign = ("increased", "+") if up else ("decreased", "-")
    move = "goes up" if up else "goes down"
    nouns = [
        f"the result when {price} is {verb} by {tens}0\\%",
        f"the new price if a price of {price} dollars is {verb} by {tens}0\\%",
    ]
    story = (
        f"A ticket costs {price} dollars. The price {move} by {tens}0\\%. What is the new "
        "price in dollars?"
    )
    steps = [
        f"10\\% of {price} is {tenth}",
        f"{tens} * {tenth} = {change}",
        f"{price} {sign} {change} = {answer}",
    ]
    return (
        nouns,
        [story, f"A price of {price} dollars {move} by {tens}0\\%. Find the new price."],
        steps,
        str(answer),
    )


@family("Prealgebra")
def average(rng: random.Random, calc: Arithmetic) -> Parts:
    count, mean = rng.choice((3, 3, 4)), rng.randint(6, 30)
    spread = [rng.randint(-5, 5) for _ in range(count - 1)]
    numbers = [mean + s for s in spread]
    numbers.append(count * mean - sum(numbers))
    if numbers[-1] < 1:
        numbers = [mean] * (count - 2) + [mean - 3, mean + 3]
    rng.shuffle(numbers)
    total, steps = numbers[0], []
    for number in numbers[1:]:
        after = calc.add(total, number)
        steps.append(f"{total} + {number} = {after}")
        total = after
    answer = calc.div(total, count)
    listed = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
    nouns = [f"the average of {listed}", f"the mean of the numbers {listed}"]
    story = (
        f"{rng.choice(NAMES)} scored {listed} points in {count} games. What was the average score?"
    )
    return nouns, [story], steps + [f"{total} / {count} = {answer}"], str(answer)


@family("Prealgebra")
def missing_number(rng: random.Random, calc: Arithmetic) -> Parts:
    mean, count = rng.randint(11, 30), 3
    a, b = mean + rng.randint(-5, 5), mean + rng.randint(-5, 5)
    total = calc.mul(count, mean)
    known = calc.add(a, b)
    answer = calc.sub(total, known)
    nouns = [
        f"the third number if the average of three numbers is {mean} and two of them are "
        f"{a} and {b}"
    ]
    stories = [
        f"The average of three numbers is {mean}. Two of them are {a} and {b}. What is the third?",
        f"The mean of {a}, {b} and $x$ is {mean}. Find $x$.",
    ]
    steps = [f"{count} * {mean} = {total}", f"{a} + {b} = {known}", f"{total} - {known} = {answer}"]
    return nouns, stories, steps, str(answer)


@family("Prealgebra")
def ratio_share(rng: random.Random, calc: Arithmetic) -> Parts:
    while True:
        p, q = rng.sample(range(1, 8), 2)
        if gcd(p, q) == 1:
            break
    unit = rng.randint(2, 12)
    total, large = (p + q) * unit, rng.random() < 0.5
    one, two = rng.sample(NAMES, 2)
    parts = calc.add(p, q)
    each = calc.div(total, parts)
    times = max(p, q) if large else min(p, q)
    answer = calc.mul(times, each) if times > 1 else each
    which = "larger" if large else "smaller"
    things = rng.choice(THINGS)
    who = one if times == p else two
    nouns = [f"the {which} part when {total} is divided in the ratio {p}:{q}"]
    stories = [
        f"{total} is split into two parts in the ratio {p}:{q}. What is the {which} part?",
        f"{one} and {two} share {total} {things} in the ratio {p}:{q}. How many {things} "
        f"does {who} get?",
    ]
    steps = [f"{p} + {q} = {parts}", f"{total} / {parts} = {each}"]
    return nouns, stories, steps + [f"{times} * {each} = {answer}"] * (times > 1), str(answer)


@family("Prealgebra")
def fraction_sum(rng: random.Random, calc: Arithmetic) -> Parts:
    b, d = rng.sample(range(2, 9), 2)
    a = rng.choice([t for t in range(1, b) if gcd(t, b) == 1])
    c = rng.choice([t for t in range(1, d) if gcd(t, d) == 1])
    bottom = b * d // gcd(b, d)
    left, right = calc.mul(a, bottom // b), calc.mul(c, bottom // d)
    top = calc.add(left, right)
    answer = fraction(top, bottom)
    one, two = f"\\frac{{{a}}}{{{b}}}", f"\\frac{{{c}}}{{{d}}}"
    nouns = [f"${one} + {two}$", f"the sum of ${one}$ and ${two}$"]
    story = (
        f"{rng.choice(NAMES)} walks ${one}$ of a mile and then ${two}$ of a mile. "
        "How many miles is that in all, as a fraction in lowest terms?"
    )
    steps = [
        f"The common denominator is {bottom}",
        f"{left} + {right} = {top}",
        f"\\frac{{{top}}}{{{bottom}}} = {answer}"
        if answer != f"\\frac{{{top}}}{{{bottom}}}"
        else f"The sum is {answer}",
    ]
    return nouns, [story], steps, answer
