"""The small parts of grading by themselves: units, how an answer is put together, exact values."""

import itertools
import math
from fractions import Fraction

import mpmath
import pytest

from helpers.verify.arithmetic import (
    MOST_BITS,
    Exact,
    Modulus,
    NoValue,
    OtherArithmetic,
    TooLarge,
    drawn,
    evaluate,
)
from helpers.verify.digits import Digits
from helpers.verify.formula import read
from helpers.verify.latex import canonical, ungrouped
from helpers.verify.quantity import quantity
from helpers.verify.relations import named
from helpers.verify.structure import chain, parts, split, unwrap
from helpers.verify.units import is_known, same_unit, unit

UNITS = {
    "": (), "units": (), "unit": (), "square units": (), "(cm)": (("cm", 1),), " cm ": (("cm", 1),),
    "cm": (("cm", 1),), "centimetres": (("cm", 1),), "inches": (("in", 1),), "in.": (("in", 1),),
    "Hours": (("h", 1),), "hrs.": (("h", 1),), "mL": (("ml", 1),), "apples": (("apple", 1),),
    "ft. per sec.": (("ft", 1), ("s", -1)),
    "m/s": (("m", 1), ("s", -1)), "m/s^2": (("m", 1), ("s", -2)), "mph": (("h", -1), ("mi", 1)),
    "miles per hour": (("h", -1), ("mi", 1)), "miles an hour": (("h", 1), ("mi", 1)),
    "dollars per pound": (("$", 1), ("lb", -1)), "cups of tea": (("cup", 1), ("tea", 1)),
    "square feet": (("ft", 2),), "sq ft": (("ft", 2),), "sq. ft": (("ft", 2),),
    "cu m": (("m", 3),), "cubic inches": (("in", 3),), "Square feet": (("ft", 2),),
    "feet squared": (("ft", 2),), "meters cubed": (("m", 3),), "cm^2": (("cm", 2),),
    "cm^{3}": (("cm", 3),), "cm**3": (("cm", 3),), "square miles per hour": (("h", -1), ("mi", 2)),
    "kg per square meter": (("kg", 1), ("m", -2)), "kg per second squared": (("kg", 1), ("s", -2)),
    "kg per meter cubed": (("kg", 1), ("m", -3)), "newton-meters": (("m", 1), ("newton", 1)),
    "squared": (("squared", 1),), "cubed": (("cubed", 1),), "a day": (("day", 1),),
    "USD": (("$", 1),), "°": (("deg", 1),), "buses": (("buse", 1),), "kilogram": (("kg", 1),),
}  # fmt: skip


@pytest.mark.parametrize("written", UNITS)
def test_a_unit_is_read(written):
    assert unit(written) == UNITS[written]


def test_units_contradict_each_other_or_not():
    assert same_unit("cm", "centimeters") and same_unit("", "cm") and same_unit("cm", "")
    assert same_unit("units", "cm") and same_unit("square units", "cm^2")
    for one, other in [("cm", "m"), ("cm", "cm^2"), ("m/s", "m"), ("miles", "meters")]:
        assert not same_unit(one, other)
    assert is_known("square miles per hour") and is_known("$") and is_known("")
    assert not is_known("apples") and not is_known("miles per apple")


PARTS = {
    "(3,4]": ("row(]", ["3", "4"]), "(3,4)": ("row()", ["3", "4"]), "[3;4)": ("row[)", ["3", "4"]),
    r"\{3,4\}": ("set", ["3", "4"]), r"\{3\}": ("set", ["3"]), "3,4": ("set", ["3", "4"]),
    "(1,2),(3,4)": ("set", ["(1,2)", "(3,4)"]), "(3)": ("", []), "3": ("", []), "x+1": ("", []),
    r"1\pm\sqrt{2}": ("set", [r"1+\sqrt{2}", r"1-\sqrt{2}"]), r"\pm 2": ("set", [" 2", "- 2"]),
    r"\{\pm 2,5\}": ("set", [" 2", "- 2", "5"]), r"(1,2)\cup[3,4]": ("union", ["(1,2)", "[3,4]"]),
    r"1\pm 2\pm 3": ("set", ["1+ 2+ 3", "1+ 2- 3", "1- 2+ 3", "1- 2- 3"]),
    r"1\pm 2\mp 3": ("set", ["1+ 2- 3", "1- 2+ 3"]), r"\mp 2\pm 3": ("set", ["- 2+ 3", " 2- 3"]),
    r"\pm 1\mp 2,\pm 3": ("set", [" 1- 2", "- 1+ 2", " 3", "- 3"]),
    r"\mp 2": ("set", ["- 2", " 2"]), r"3\pmod{7}": ("", []), r"\mpx": ("", []),
    r"\{1,1\}": ("set", ["1", "1"]),
    "(1,(2,3))": ("row()", ["1", "(2,3)"]), "f(1,2)": ("", []), "(1)(2,3)": ("", []),
    **{rf"\begin{{{kind}}}1&2\\3&4\end{{{kind}}}": ("matrix 2x2", ["1", "2", "3", "4"])
       for kind in ("matrix", "pmatrix", "bmatrix", "smallmatrix")},
    r"\begin{pmatrix}1\\2\\\end{pmatrix}": ("matrix 1x1", ["1", "2"]),
}  # fmt: skip


@pytest.mark.parametrize("text", PARTS)
def test_an_answer_is_taken_apart(text):
    assert parts(text) == PARTS[text]


def test_signs_of_too_many_values_are_opened_no_further():
    for entry, values in ((r"\pm1" * 4, 16), (r"\pm1" * 5 + "+x", 32), ("x" * 192 + r"\pm1\pm1", 4),
                          ("x" * 500 + r"\pm1", 2), (r"\pm1" * 99 + r"\mp1", 2)):  # fmt: skip
        kind, found = parts(entry)
        assert kind == "set" and len(set(found)) == len(found) == values
    for entry in (r"\pm1" * 6, "x" * 193 + r"\pm1\pm1", r"\pm1" * 999):
        assert parts(entry) == ("set", [""]) and parts(f"{entry},5") == ("set", ["", "5"])


def test_brackets_and_chains():
    assert unwrap("(1,2]") == ("(]", "1,2") and unwrap(r"\{1\}") == (r"\{\}", "1")
    assert unwrap("((1))") == ("()", "(1)") and unwrap("()") == ("()", "")
    for text in ("", "(", ")", "(1", "1)", "(1)(2)", "(1)2",
                 "{1}", "(1}", "{1)", "x", ")1(", "[1]+[2]"):
        assert unwrap(text) == ("", text)
    assert chain(r"1<x\leq 3") == (["1", "x", "3"], ["<", r"\leq"])
    assert chain("(x=1)") == (["(x=1)"], []) and chain("") == ([""], [])
    assert split("(1,2),3", {","}) == ["(1,2)", "3"] and split(r"\{1,2\}", {","}) == [r"\{1,2\}"]
    assert named("2x=3x-x") is None and named("3x-x=2x") is None


def value(text):
    return evaluate(read(canonical(text)), Exact(0))


def test_exact_powers():
    for power in (3, 999_999_999, -3):
        assert value(f"(-1)^{{{power}}}") == -1 and value(f"1^{{{power}}}") == 1
        assert value(f"(-1)^{{{power + 1}}}") == 1
    assert value("1^0") == value("(-1)^0") == value("7^0") == 1 and value("0^1") == 0
    assert value("0^{99999}") == 0 and value("2^{-3}") == Fraction(1, 8)
    assert value(r"(\frac12)^3") == Fraction(1, 8) and value(r"(\frac23)^{-2}") == Fraction(9, 4)
    for text in ("0^0", "0^{-1}", "1/0"):
        with pytest.raises(NoValue):
            value(text)
        with pytest.raises(NoValue):
            evaluate(read(canonical(text)), Modulus(0))
    for text, number in (("1^0", 1), ("0^1", 0), ("1^{-2}", 1), ("2^{-1}", 2**60 - 15),
                         ("0.5", 2**60 - 15)):
        assert evaluate(read(text), Modulus(0)) == number
    assert value(f"2^{{{MOST_BITS - 1}}}") == 2 ** (MOST_BITS - 1)
    for text in (f"2^{{{MOST_BITS}}}", f"2^{{-{MOST_BITS}}}", f"3^{{{MOST_BITS}}}"):
        with pytest.raises(TooLarge):
            value(text)


def test_exact_functions():
    assert value("5!") == 120 and value("0!") == 1 and value(r"\binom{5}{2}") == 10
    assert (
        value(r"\binom{2}{5}") == 0 and value("|-3|") == 3 and value(r"\lfloor -7/2\rfloor") == -4
    )
    assert value("|x|") == value("x") == value("|-x|") and value("3000!") == math.factorial(3000)
    assert value(r"\lceil -7/2\rceil") == -3 and value(r"\lfloor 3\rfloor") == 3
    for by in (Exact(0), Modulus(0)):
        with pytest.raises(OtherArithmetic, match="remainders"):
            evaluate(read(r"(3\bmod 7)+x"), by)
    for text in ("(-1)!", r"\binom{-1}{2}", "3001!"):
        with pytest.raises(NoValue):
            value(text)


@pytest.fixture
def digits():
    return lambda point=0, whole="none": Digits(point, whole, mpmath.mp)


def test_letters_are_put_at_fractions_on_both_sides_of_0(digits):
    with mpmath.workdps(60):
        for name in ("x", "n", "theta"):
            first, second = digits(0).letter(name), digits(1).letter(name)
            assert 0.29 < first.real < 2.29 and -2.29 < second.real < -0.29
            assert first != -second and first == digits(0).letter(name)
        third = [digits(2).letter(name).real for name in "abcdefgh"]
        assert min(third) < 0 < max(third) and all(0.29 < abs(one) < 2.29 for one in third)
        assert digits(0).letter("x") == mpmath.mpc(300 + drawn(0, "x") % 2000) / 1009
        assert digits(0, "all").letter("x") == Exact(0).letter("x")
        assert Exact(0).letter("x") == 20 + drawn(0, "x") % 300
        assert digits(0, "but x").letter("x") == digits(0).letter("x")
        assert digits(0, "but x").letter("y_1") == digits(0).letter("y_1")
        assert digits(0, "but x").letter("n") == Exact(0).letter("n")


def test_whether_one_letter_is_even_says_nothing_of_another():
    even = {name: [Exact(n).letter(name) % 2 for n in range(32)] for name in "abcdghknmpqrtxyz"}
    for one, other in itertools.combinations(even.values(), 2):
        assert {a == b for a, b in zip(one, other, strict=True)} == {True, False}


def test_digits_in_groups():
    assert ungrouped("10 000", "") == "10000" and ungrouped("10 000", "", blanks=False) == "10 000"
    for sign in ("{,}", r"\,", "\u00a0", "\u202f", "\u2009", "~", r",\!", r"\ "):
        for blanks in (True, False):
            assert ungrouped(f"it is 9{sign}500{sign}000.", ",", blanks) == "it is 9,500,000."
    for text in ("9{,}50", "1234{,}567", "9{,}5000", r"1\,000/3", r"5\,100_8", r"5\,100\frac12"):
        assert ungrouped(text, "") == text
    assert quantity(r"10\,000.5") == (Fraction(20001, 2), "") and canonical("10 000") == "10000"
    assert canonical(r"3\;100") == "3, 100" and canonical("3  100", joined=False) == "3 100"
