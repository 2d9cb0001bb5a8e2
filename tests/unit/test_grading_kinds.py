r"""Kinds of answers that graders get wrong, each with at least fifty variants that are generated.

A kind is a function that yields (reference, answer, right). The right value is known by the way the
answer is made, never from a grader. Each answer is put into completions of every format; what is
right must be right wherever the format can hold it, what is wrong must be wrong everywhere.
"""

import itertools
from collections.abc import Iterator

import pytest

from helpers.verify import grade

NUMBERS = [5, 7, 12, 36, 90, 104, 512, 1450, 3, 61]
Kind = Iterator[tuple[str, str, bool]]

# Completions that hold an answer, and the formats in which each is strictly right.
MARKED = [
    (r"So it is $\boxed{%s}$.", ["boxed"]),
    (r"We get \boxed{%s}", ["boxed"]),
    (r"So it is $\boxed{%s}$. This completes the solution.", []),
    ("It is clear.\n<answer>%s</answer>", ["xml"]),
    ("<answer>\n%s\n</answer> That was it.", []),
    ("<think>\nIs it 99?\n</think>\nThe answer is \\boxed{%s}.", ["think", "boxed"]),
    ("<think>\n\\boxed{98}\n</think>\n<answer>%s</answer>", ["think", "xml"]),
]
FORMATS = ("hash", "xml", "boxed", "think")


def one_number_of_a_formula() -> Kind:
    shapes = [
        "x+{n}",
        "y = x + {n}",
        "x > {n}",
        "x < {n}",
        r"x \geq {n}",
        "{n}!",
        "x/{n}",
        r"\frac{{x}}{{{n}}}",
        "{n} + C",
        r"({n}, \infty)",
        "(x,{n})",
        "x, {n}",
        "f({n})",
        r"{n}\pi",
        r"\sqrt{{{n}}}",
        r"\sqrt {n}",
        r"\pm {n}",
        "-x={n}",
        r"\text{{not }}{n}",
        "{n}i",
        "3x={n}",
        "{n}x",
        "|x-{n}|",
        r"\log {n}",
        "{n}^2",
        "{n}π",
        "√{n}",
        "{n}²",
        "±{n}",
        "≥{n}",
        "≠{n}",
        "sqrt({n})",
        "({n}, {n})",
        "[{n}, 2]",
        "{n}:1",
        "{n}_7",
        r"e^{{{n}}}",
        "{n} \\pmod{{97}}",
        r"\lfloor x \rfloor + {n}",
        "x^{n}",
    ]
    for n in (5, 36, 104):
        for shape in shapes:
            formula = shape.format(n=n)
            yield str(n), formula, False
            yield formula, formula, True


def minus() -> Kind:
    for n in NUMBERS:
        for shape in [
            "- {n}",
            "x = - {n}",
            "-({n})",
            r"\text{{negative }}{n}",
            "- {n}.0",
            r"-\ {n}",
            "–{n}",
            "−{n}",
            r"\text{{minus }}{n}",
            r"{{-}}{n}",
            r"-{{{n}}}",
            r"-\,{n}\,",
            "—{n}",
            "－{n}",
            "negative {n}",
            "minus {n}",
            "-{n}",
        ]:
            yield f"-{n}", shape.format(n=n), True
            yield str(n), shape.format(n=n), False


def glued_digits() -> Kind:
    for a, b in itertools.combinations([3, 12, 40, 7, 100, 250], 2):
        for join in (r"{a}\text{{ or }}{b}", r"{a}\text{{ and }}{b}", "{a} or {b}", "{a}, {b}"):
            yield f"{a}{b}", join.format(a=a, b=b), False
            yield f"{b}, {a}", join.format(a=a, b=b), True
        pair = f"({a},{b})"
        yield f"{a}{b}", pair, False
        yield f"({a}, {b})", pair, True
        yield f"({b}, {a})", pair, False
        yield f"{a}{b}", rf"{a}\text{{ hours }}{b}\text{{ minutes}}", False
        yield f"x^{{{a}{b}}}", f"x^{{{a}}}{b}", False
        for space in (
            r"\;",
            r"\quad",
            r"\qquad ",
            r",\;",
            r",\,",
            r"\;,\;",
            r"\hspace{1em}",
            " ",
            r"\ ",
            r"\text{ }",
            r"\color{red}",
            r"\mbox{}",
        ):
            yield f"{a}{b}", f"{a}{space}{b}", len(str(b)) == 3 and space in (" ", r"\ ")


def large_powers() -> Kind:
    for base, power in [(2, 300), (2, 2005), (3, 1001), (10, 41), (7, 5000), (6, 99)]:
        for c in (1, 7, 40):
            gold = f"{base}^{{{power}}}+{c}"
            yield gold, f"{c}+{base}^{{{power}}}", True
            yield gold, f"{base}^{{{power}}}+{c + 1}", False
            yield gold, f"{base}^{{{power}}}", False
            yield gold, rf"{base}\cdot {base}^{{{power - 1}}}+{c}", True
            yield gold, rf"{base}^{{{power - 1}}}\cdot {base}-{c}", False
        root = rf"{base}^{{{power}}}\sqrt{{2}}"
        yield root, rf"\sqrt{{2}}\cdot {base}^{{{power}}}", True
        yield root, root + "+1", False


def equations() -> Kind:
    for a, b, c in [(2, 3, 7), (1, -4, 9), (5, 2, -3), (-3, 8, 1), (4, 7, 6), (9, -2, 5)]:
        line = f"{a}x+{b}y={c}".replace("+-", "-").replace("1x", "x")
        yield line, f"{2 * a}x+{2 * b}y={2 * c}".replace("+-", "-"), True
        yield line, f"{-a}x+{-b}y={-c}".replace("+-", "-"), True
        yield line, f"{a}x+{b}y-{c}=0".replace("+-", "-").replace("--", "+"), True
        yield line, f"{c}={b}y+{a}x".replace("+-", "-"), True
        yield line, rf"y=\frac{{{c}-{a}x}}{{{b}}}".replace("--", "+"), True
        yield line, f"{a}x+{b}y={c + 1}".replace("+-", "-"), False
        yield line, f"{a}x+{b + 1}y={c}".replace("+-", "-"), False
        yield f"x^2+{abs(a)}x+90=0", f"x^2+{abs(a) + 1}x+80=0", False  # neither has a solution
        yield rf"\log_2(32)={abs(c)}", rf"\log_3(27)={abs(c) + 1}", False
        yield f"y={abs(a)}x^2", f"{abs(a)}x^2=y", True


def several_boxes() -> Kind:
    between = [
        r" \quad \text{and} \quad ",
        r"\) and \(",
        r"\] and \[",
        "; ",
        "\n",
        r" \text{ and } ",
        r"\;",
        ", ",
        " or ",
        r" \text{ or } ",
        "$ and $",
        r",\quad ",
    ]
    for a, b in [(-2, 1), (3, 8), (0, 5), (-7, -4), (12, 90)]:
        for sign in between:
            inside = rf"{a}}}{sign}\boxed{{{b}"
            yield f"{b}", inside, False
            yield f"{a}", inside, False
            yield f"{b}, {a}", inside, True


def names() -> Kind:
    for name in [
        "x",
        "a_{10}",
        "f(3)",
        "P(A)",
        r"\text{Area}",
        "|AB|",
        r"m\angle ABC",
        r"\tan A",
        r"f^{-1}(2)",
        "AB",
        r"\angle B",
        "S_n",
        "a+b+c",
        r"\theta",
        r"\overline{AB}",
    ]:
        for value in ["5", r"\frac12", r"2\sqrt3", r"-\frac{3}{4}"]:
            yield value, f"{name} = {value}", True
            yield value, f"{name} = {value}+1", False
        yield "7", f"7 = {name}", True
    for name in ["(x, y)", "(p,q)", "(a, b)"]:
        yield "(3,2)", f"{name} = (3, 2)", True
        yield "(3,2)", f"{name} = (2, 3)", False
    for name, other in (("x", "y"), ("a_1", "a_2"), (r"\alpha", r"\beta")):
        both = rf"{name}=2\text{{ or }}{name}=3"
        yield "2, 3", both, True
        yield "3", both, False
        yield "3", f"{name}=2, {other}=3", False
        yield f"0<{name}<3", f"0<{other}<3", False
        yield f"0<{name}<3", rf"{name}\in(0,3)", True


def brackets() -> Kind:
    """A number in brackets, in braces, in letters of another kind: nothing but the number."""
    shapes = [
        r"\left({n}\right)", "({n})", "(({n}))", "{{{n}}}", r"\left({{{n}}}\right)",
        r"\mathbf{{{n}}}", r"\boldsymbol{{{n}}}", r"\textbf{{{n}}}", r"{{\bf {n}}}",
        r"\underline{{{n}}}", r"\big({n}\big)", r"\textcolor{{red}}{{{n}}}", r"\text{{{n}}}",
        r"\,{n}\,", "**{n}**", r"\text{{Answer: }}{n}",
        r"\displaystyle{{{n}}}", r"\phantom{{-}}{n}", r"\left\{{{n}\right\}}",
    ]  # fmt: skip
    for n in ("5", "90", "1450", r"\frac{3}{4}", "-7"):
        for shape in shapes:
            yield n, shape.format(n=n), True
        yield n, rf"\left({n}, {n}\right)", False
        yield n, rf"\left[{n}\right)", False
        yield n, rf"2\left({n}\right)", False


def arguments_and_roundings() -> Kind:
    """What a function is of is no unit in brackets, and rounding x is something else than x."""
    for name in ("sin", "cos", "tan", "ln", "exp", "arctan"):
        for letter, other in ("xy", "sx", "ms"):
            yield rf"\{name}({letter})", rf"\{name} {letter}", True
            yield rf"\{name}({letter})", rf"\{name}({other})", False
            yield rf"2\{name}({letter})", rf"\{name}({letter})\cdot 2", True
    for letter in ("x", "t", r"\theta", "y_1"):
        down, up = rf"\lfloor {letter}\rfloor", rf"\lceil {letter}\rceil"
        yield down, letter, False
        yield down, up, False
        yield f"{down}+1", rf"\lfloor {letter}+1\rfloor", True
        yield up, rf"-\lfloor -{letter}\rfloor", True
    for factor, letter in (("2", "m"), ("3", "s"), (r"\frac12", "g")):
        product = rf"{factor}({letter}+1)({letter})"
        yield product, rf"{factor}{letter}+{factor}{letter}^2", True
        yield product, f"{factor}({letter}+1)", False
    for letter in "nkm":
        half = rf"\lceil\frac{{{letter}}}{{2}}\rceil"
        yield half, rf"\lfloor\frac{{{letter}+1}}{{2}}\rfloor", True
        yield half, rf"\lfloor\frac{{{letter}}}{{2}}\rfloor", False


def number_words() -> Kind:
    for n in ("5", "12", "3.5", "1.25"):
        for word, zeros in (
            ("hundred", 2),
            ("thousand", 3),
            ("million", 6),
            ("billion", 9),
            ("trillion", 12),
        ):
            value = str(round(float(n) * 10**zeros))
            yield value, rf"{n}\text{{ {word}}}", True
            yield rf"{n}\text{{ {word}}}", value, True
            yield value, rf"{n}\text{{ {word} dollars}}", True
            yield n, rf"{n}\text{{ {word}}}", False
            yield value + "0", rf"{n}\text{{ {word}}}", False


def units_after_formulas() -> Kind:
    units = ["cm", "square units", "cm^2", "feet", "meters", "sq. units", "cubic inches"]
    for formula in (r"12\pi", r"2\sqrt{3}", r"\frac{\pi}{4}", r"3+\sqrt{5}", "4x"):
        for unit in units:
            yield formula, rf"{formula}\text{{ {unit}}}", True
            yield rf"{formula}\text{{ {unit}}}", formula, True
        yield rf"{formula}\text{{ cm}}", rf"{formula}\text{{ hours}}", False
        yield rf"{formula}\text{{ meters}}", rf"{formula}\text{{ miles}}", False
        yield rf"{formula}\text{{ cm}}", rf"{formula}\text{{ cm}}^2", False


def units_by_their_letters() -> Kind:
    kinds = [
        ["cm", "centimeters"],
        ["hours", "hour", "hr"],
        ["meters", "metres", "m"],
        ["miles", "mile"],
        ["kg", "kilograms"],
        ["km", "kilometers"],
        ["feet", "foot", "ft"],
        ["apples", "apple"],
        ["radians", "rad"],
        ["dollars", "dollar"],
    ]
    for n, (one, other) in enumerate(itertools.combinations(kinds, 2)):
        yield rf"{n}\text{{ {one[0]}}}", rf"{n}\text{{ {other[0]}}}", False
    for n, kind in enumerate(kinds):
        for one, other in itertools.pairwise(kind):
            yield rf"{n}\text{{ {one}}}", rf"{n}\text{{ {other}}}", True
        yield rf"{n}\pi", rf"{n}\pi\text{{ {kind[0]}}}", True
    for n in (5, 12, 3):
        yield rf"{n}^\circ", rf"{n}\text{{ radians}}", False
        yield rf"{n}^\circ", f"{n} degrees", True
        yield rf"{n}\text{{ cm}}", rf"{n}\text{{ hours}}", False
        yield rf"{n}\text{{ cm}}", f"{n}", True


def scientific() -> Kind:
    for digits, power in itertools.product(["4.5", "3", "6.02", "1.25"], [33, 6, 12, -5]):
        gold = f"{digits}e{power}"
        for times in (r"\times", r"\cdot"):
            yield gold, rf"{digits} {times} 10^{{{power}}}", True
            yield gold, rf"{digits} {times} 10^{{{power + 1}}}", False
        yield gold, gold, True
        yield gold, digits, False


def spelling() -> Kind:
    for a, b in [(5, 2), (13, 3), (7, 4), (100, 50), (6, 5), (11, 8)]:
        yield rf"\binom{{{a}}}{{{b}}}", rf"\dbinom{{{a}}}{{{b}}}", True
        yield rf"{b}\binom{{{a}}}{{{b}}}", rf"{b} \cdot \binom{{{a}}}{{{b}}}", True
        yield rf"{a}!\cdot 2^{{{b}}}", rf"{a}!\,2^{{{b}}}", True
        yield f"{a}", f"{{{a}}}", True
        yield rf"\frac{{1}}{{{a}}}", rf"\left(\frac1{{{a}}}\right)", True
        yield rf"\{{{a},{b}\}}", rf"\lbrace {b},{a}\rbrace", True
        yield rf"{b}\sqrt{{{a}}}", f"{b}*sqrt({a})", True
        yield rf"{b}\sqrt{{{a}}}", f"{b}√{a}", len(str(a)) == 1
        yield f"{a}+{b}i", f"i({b}-{a}i)", True
        yield "ab-cd", "-cd+ab", True
        yield f"{a}-i", f"{a}-1i", True
        yield rf"{b} \pmod {{{a}}}", rf"{b} \pmod{{{a}}}", True
        yield rf"{b} \pmod {{{a}}}", rf"{a + b}\pmod{{{a}}}", True
        yield rf"{b} \pmod {{{a}}}", rf"{b}\pmod{{{a + 2}}}", False
        yield f"({a}000, {b})", f"({a}{{,}}000, {b})", True
        yield f"{a}", rf"\left({a}\right)", True
        yield rf"\frac34+{a}x", rf"{a}x+\frac34", True
        yield rf"\frac{{{b}}}{{{a}}}", rf"{{{b} \over {a}}}", True
        yield rf"\frac{{{b}}}{{{a}}}", rf"{{{b}}}/{{{a}}}", True
        yield f"x^{{{a}}}-{b}", f"x**{a}-{b}", True
        yield f"{a}.5x", f"{a}½x", True
        yield f"({a},050, {b})", f"({a}050,{b})", True
        yield f"({a}{{,}}500,{b})", f"({a}500, {b})", True


KINDS = [
    one_number_of_a_formula,
    minus,
    glued_digits,
    large_powers,
    equations,
    several_boxes,
    names,
    brackets,
    arguments_and_roundings,
    number_words,
    units_after_formulas,
    units_by_their_letters,
    scientific,
    spelling,
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_graded_right_in_every_format(kind):
    wrong, cases = [], list(dict.fromkeys(kind()))
    for reference, answer, right in cases:
        for text, strict in MARKED:
            if kind is several_boxes and "boxed{%s" not in text:
                continue
            completion = text % answer
            for answer_format in FORMATS:
                for grading in ("lenient", "strict"):
                    given = grade(completion, reference, answer_format, grading)
                    may = grading == "lenient" or (
                        answer_format in strict and kind is not several_boxes
                    )
                    if given != (right and may):
                        wrong.append((reference, completion, answer_format, grading, given))
    assert len(cases) >= 50
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"
