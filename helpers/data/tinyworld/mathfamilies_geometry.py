"""Problem families of geometry and counting; they register in mathfamily."""

from __future__ import annotations

import random

from helpers.data.tinyworld.mathfamily import NAMES, THINGS, Arithmetic, Parts, family, fraction


@family("Geometry")
def area_from_perimeter(rng: random.Random, calc: Arithmetic) -> Parts:
    width, length = sorted(rng.sample(range(2, 15), 2))
    around = 2 * (width + length)
    half = calc.div(around, 2)
    side = calc.sub(half, length)
    answer = calc.mul(length, side)
    nouns = [f"the area of a rectangle with perimeter {around} and length {length}"]
    stories = [
        f"A rectangle has perimeter {around} and length {length}. What is its area?",
        f"A fence of {around} meters goes around a rectangular garden that is {length} "
        "meters long. "
        "How many square meters is the garden?",
    ]
    steps = [
        f"{around} / 2 = {half}",
        f"The width is {half} - {length} = {side}",
        f"{length} * {side} = {answer}",
    ]
    return nouns, stories, steps, str(answer)


@family("Geometry")
def perimeter_from_area(rng: random.Random, calc: Arithmetic) -> Parts:
    width, length = sorted(rng.sample(range(2, 14), 2))
    area = width * length
    side = calc.div(area, length)
    half = calc.add(length, side)
    answer = half if calc.confused else calc.mul(2, half)
    nouns = [f"the perimeter of a rectangle with area {area} and length {length}"]
    stories = [
        f"A rectangle has area {area} and length {length}. What is its perimeter?",
        f"A rectangular room of {area} square feet is {length} feet long. "
        "How many feet is it around the room?",
    ]
    steps = [
        f"The width is {area} / {length} = {side}",
        f"{length} + {side} = {half}",
    ]
    if not calc.confused:
        steps.append(f"2 * {half} = {answer}")
    return nouns, stories, steps, str(answer)


@family("Geometry")
def triangle_area(rng: random.Random, calc: Arithmetic) -> Parts:
    base, height = 2 * rng.randint(1, 10), rng.randint(2, 12)
    if rng.random() < 0.5:
        base, height = height, base
    product = calc.mul(base, height)
    steps = [f"{base} * {height} = {product}"]
    answer = product
    if not calc.confused:
        answer = calc.div(product, 2)
        steps.append(f"{product} / 2 = {answer}")
    nouns = [
        f"the area of a triangle with base {base} and height {height}",
        f"the area of a right triangle with legs {base} and {height}",
    ]
    story = (
        f"A triangular sail has a base of {base} feet and a height of {height} feet. What "
        "is its area in square feet?"
    )
    return nouns, [story], steps, str(answer)


@family("Geometry")
def triangle_angle(rng: random.Random, calc: Arithmetic) -> Parts:
    a, b = 5 * rng.randint(4, 16), 5 * rng.randint(4, 16)
    known = calc.add(a, b)
    whole = 360 if calc.confused else 180
    answer = calc.sub(whole, known)
    nouns = [f"the third angle, in degrees, of a triangle with angles of {a} and {b} degrees"]
    stories = [
        f"Two angles of a triangle are {a} and {b} degrees. How many degrees is the third angle?",
        f"In triangle $ABC$, angle $A$ is {a} degrees and angle $B$ is {b} degrees. Find "
        "angle $C$ in degrees.",
    ]
    return nouns, stories, [f"{a} + {b} = {known}", f"{whole} - {known} = {answer}"], str(answer)


@family("Counting & Probability")
def pairs(rng: random.Random, calc: Arithmetic) -> Parts:
    n = rng.randint(4, 20)
    product = calc.mul(n, n - 1)
    steps = [f"{n} * {n - 1} = {product}"]
    answer = product
    if not calc.confused:
        answer = calc.div(product, 2)
        steps.append(f"{product} / 2 = {answer}")
    things = rng.choice(THINGS)
    nouns = [
        f"the number of ways to choose 2 {things} from {n} different {things}",
        f"$\\binom{{{n}}}{{2}}$",
    ]
    stories = [
        f"{n} people meet and each pair shakes hands once. How many handshakes are there?",
        f"In a league of {n} teams, each team plays each other team once. How many games "
        "are played?",
    ]
    return nouns, stories, steps, str(answer)


@family("Counting & Probability")
def choices(rng: random.Random, calc: Arithmetic) -> Parts:
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 6)
    while a * b * c > 200:
        a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 6)
    sign, put = ("+", calc.add) if calc.confused else ("*", calc.mul)
    first = put(a, b)
    answer = put(first, c)
    nouns = [f"the number of outfits with one of {a} shirts, one of {b} hats and one of {c} coats"]
    stories = [
        f"A cafe has {a} soups, {b} main dishes and {c} desserts. How many meals of one "
        "each are possible?",
        f"{rng.choice(NAMES)} has {a} pens, {b} pads and {c} bags. In how many ways can one "
        "of each be chosen?",
    ]
    steps = [f"{a} {sign} {b} = {first}", f"{first} {sign} {c} = {answer}"]
    return nouns, stories, steps, str(answer)


@family("Counting & Probability")
def probability(rng: random.Random, calc: Arithmetic) -> Parts:
    red, blue = rng.randint(2, 12), rng.randint(2, 12)
    total = calc.add(red, blue)
    answer = fraction(red, total)
    plain = f"\\frac{{{red}}}{{{total}}}"
    nouns = [
        f"the probability of drawing a red ball from a bag with {red} red balls and {blue} "
        "blue balls"
    ]
    stories = [
        f"A bag holds {red} red and {blue} blue balls. One ball is drawn. What is the "
        "probability that it is red?",
        f"A box has {red} red pens and {blue} black pens. What is the chance that a random "
        "pen is red?",
    ]
    steps = [f"There are {red} + {blue} = {total} in all", f"The probability is {plain}"]
    return nouns, stories, steps + [f"{plain} = {answer}"] * (plain != answer), answer
