r"""Three ways to calculate with a formula's tree: exact fractions, residues of a prime, many digits.

Each is a class with the same few methods, and `evaluate` walks the tree for all of them. What takes
a place in an exponent, before a factorial sign or in a binomial must be whole and is calculated by
`Exact` in each of them. A number too large to be written down is refused (`TooLarge`), so nothing
here runs long on a tree of `formula`.
"""

import math
import zlib
from fractions import Fraction
from typing import Any

import mpmath

from helpers.verify.formula import Tree

_MOST_BITS = 4096  # of a number that is written down
_LARGEST_FACTORIAL = 3000
_MOST_DIGITS = 8000  # of the largest number on the way, when calculated by digits
_MOST_OF_FUNCTIONS = 1500  # the same for sin, log, …, which cost more


class NoValue(ArithmeticError):
    """There is no value: a division by 0, a factorial of 1/2, an infinite one."""


class TooLarge(NoValue):
    """A number on the way is too large to be calculated."""


class OtherArithmetic(Exception):
    """This arithmetic has no such number: a root has no fraction. Another one may."""


def evaluate(tree: Tree, by: "Exact") -> Any:
    """The value of a tree in one arithmetic."""
    kind, *parts = tree
    if kind == "num":
        return by.number(parts[0])
    if kind == "sym":
        return by.letter(parts[0])
    if kind == "const":
        return by.constant(parts[0])
    if kind == "fn":
        return by.function(parts[0], parts[1])
    if kind in ("^", "!", "binom", "log", "root", "mod"):
        return _METHODS[kind](by, *parts)
    one, *more = (evaluate(part, by) for part in parts)
    if kind == "neg":
        return by.kept(-one)
    if kind == "+":
        return by.kept(one + more[0])
    return by.kept(one * more[0]) if kind == "*" else by.over(one, more[0])


class Exact:
    """Fractions. Letters are whole numbers from 20 to 319, other ones at every `point`."""

    def __init__(self, point: int) -> None:
        self.point = point

    def number(self, value: Fraction) -> Any:
        return value

    def letter(self, name: str) -> Any:
        return self.number(Fraction(20 + zlib.crc32(f"{self.point} {name}".encode()) % 300))

    def constant(self, name: str) -> Any:
        raise OtherArithmetic(name)

    def kept(self, value: Any) -> Any:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
            raise TooLarge(f"more than {_MOST_BITS} bits")
        return value

    def over(self, one: Any, other: Any) -> Any:
        if other == 0:
            raise NoValue("a division by 0")
        return self.kept(one / other)

    def whole(self, tree: Tree) -> int:
        """The value of what must be a whole number."""
        value = evaluate(tree, Exact(self.point))
        if value.denominator != 1:
            raise OtherArithmetic("not a whole number")
        return value.numerator

    def power(self, base: Tree, exponent: Tree) -> Any:
        one, other = evaluate(base, self), self.whole(exponent)
        size = max(one.numerator.bit_length(), one.denominator.bit_length())
        if abs(other) * (size - 1) > _MOST_BITS:
            raise TooLarge(f"more than {_MOST_BITS} bits")
        if one == 0 and other <= 0:
            raise NoValue("0 to a power that is not above 0")
        return self.kept(one ** (other if size > 1 else other % 2 + 2))

    def factorial(self, of: Tree) -> Any:
        return self.number(Fraction(math.factorial(self.small(of))))

    def binomial(self, of: Tree, chosen: Tree) -> Any:
        return self.number(Fraction(math.comb(self.small(of), self.small(chosen))))

    def small(self, tree: Tree) -> int:
        value = self.whole(tree)
        if value < 0:
            raise NoValue("a factorial of a number below 0")
        if value > _LARGEST_FACTORIAL:
            raise TooLarge(f"a factorial of more than {_LARGEST_FACTORIAL}")
        return value

    def remainder(self, of: Tree, modulus: Tree) -> Any:
        raise OtherArithmetic("a class of remainders")

    def function(self, name: str, of: Tree) -> Any:
        rounding = {"floor": math.floor, "ceil": math.ceil, "abs": abs}
        if name not in rounding:
            raise OtherArithmetic(name)
        return self.number(Fraction(rounding[name](evaluate(of, Exact(self.point)))))

    def logarithm(self, base: Tree, of: Tree) -> Any:
        raise OtherArithmetic("a logarithm")

    def root(self, index: Tree, of: Tree) -> Any:
        raise OtherArithmetic("a root")


_METHODS = {"^": lambda by, *parts: by.power(*parts), "!": lambda by, *parts: by.factorial(*parts),
            "binom": lambda by, *parts: by.binomial(*parts),
            "log": lambda by, *parts: by.logarithm(*parts),
            "root": lambda by, *parts: by.root(*parts),
            "mod": lambda by, *parts: by.remainder(*parts)}


class Modulus(Exact):
    """Residues of a prime of 61 bits in which -1 has a root: a power costs no more than a sum."""

    PRIME = 2**61 - 31
    ROOT = pow(7, (PRIME - 1) // 4, PRIME)  # its square is -1

    def number(self, value: Fraction) -> int:
        return value.numerator * pow(value.denominator, -1, self.PRIME) % self.PRIME

    def constant(self, name: str) -> int:
        if name != "i":
            raise OtherArithmetic(name)
        return self.ROOT

    def function(self, name: str, of: Tree) -> int:
        if name == "abs":  # a residue has no sign
            raise OtherArithmetic(name)
        return super().function(name, of)

    def kept(self, value: int) -> int:
        return value % self.PRIME

    def over(self, one: int, other: int) -> int:
        if other == 0:
            raise NoValue("a division by 0")
        return one * pow(other, -1, self.PRIME) % self.PRIME

    def power(self, base: Tree, exponent: Tree) -> int:
        one, other = evaluate(base, self), self.whole(exponent)
        if one == 0 and other <= 0:
            raise NoValue("0 to a power that is not above 0")
        return pow(one, other, self.PRIME)


class Digits(Exact):
    """Complex numbers of many digits; letters are fractions, above 0 at point 0, below at 1.

    `m` is an mpmath context, which holds the number of digits: one for each thread.
    """

    def __init__(self, point: int, whole: bool, m: mpmath.MPContext) -> None:
        super().__init__(point)
        self.are_whole = whole
        self.m = m
        self.largest = m.mpf(1)  # number on the way: its last digit is the noise of all

    @property
    def noise(self) -> mpmath.mpf:
        """What is smaller cannot be told from 0."""
        return self.largest * self.m.mpf(10) ** (12 - self.m.dps)

    def number(self, value: Fraction) -> Any:
        return self.kept(self.m.mpc(value.numerator) / value.denominator)

    def letter(self, name: str) -> Any:
        if self.are_whole:
            return super().letter(name)
        drawn = zlib.crc32(f"{self.point} {name}".encode())
        sign = (1, -1, 1 - 2 * (drawn >> 20 & 1))[self.point % 3]
        return self.number(sign * Fraction(300 + drawn % 2000, 1009))

    def constant(self, name: str) -> Any:
        if name == "oo":
            raise NoValue("infinite")
        return self.m.mpc(*{"pi": (self.m.pi,), "e": (self.m.e,), "i": (0, 1)}[name])

    def kept(self, value: Any) -> Any:
        size = abs(value)
        if not self.m.isfinite(size):
            raise NoValue("infinite")
        if size > self.largest:
            if size > self.m.mpf(10) ** _MOST_DIGITS:
                raise TooLarge(f"more than {_MOST_DIGITS} digits")
            self.largest = size
        return self.m.mpc(value)

    def is_zero(self, value: Any) -> bool:
        return abs(value) <= self.noise

    def over(self, one: Any, other: Any) -> Any:
        if self.is_zero(other):
            raise NoValue("a division by 0")
        return self.kept(one / other)

    def power(self, base: Tree, exponent: Tree) -> Any:
        one, other = evaluate(base, self), evaluate(exponent, self)
        if self.is_zero(one):
            if other.real <= 0:
                raise NoValue("0 to a power that is not above 0")
            return self.m.mpc(0)
        if abs(other) * (abs(self.m.mag(one)) + 1) > 4 * _MOST_DIGITS:  # in bits, about
            raise TooLarge(f"more than {_MOST_DIGITS} digits")
        near = self.m.nint(other.real)  # a whole power of -2 is real
        if self.is_zero(other - near):
            return self.kept(one ** int(near))
        self.affordable()
        return self.kept(one**other)

    def affordable(self) -> None:
        if self.m.dps > _MOST_OF_FUNCTIONS:
            raise TooLarge(f"a function to more than {_MOST_OF_FUNCTIONS} digits")

    def function(self, name: str, of: Tree) -> Any:
        value = evaluate(of, self)
        if name in ("abs", "deg"):
            return self.kept(abs(value) if name == "abs" else value * self.m.pi / 180)
        self.affordable()
        if name in ("floor", "ceil"):
            near = self.m.nint(value.real)  # only noise may part it from that
            return self.kept(near if self.is_zero(value - near)
                             else getattr(self.m, name)(value.real))
        if name in _RECIPROCAL:
            return self.over(self.m.mpc(1), getattr(self.m, _RECIPROCAL[name])(value))
        if name == "ln" and self.is_zero(value):
            raise NoValue("a logarithm of 0")
        if name in ("exp", "sinh", "cosh") and abs(value) > 2 * _MOST_DIGITS:
            raise TooLarge(f"more than {_MOST_DIGITS} digits")
        return self.kept(getattr(self.m, _INVERSE.get(name, name))(value))

    def logarithm(self, base: Tree, of: Tree) -> Any:
        return self.over(self.function("ln", of), self.function("ln", base))

    def root(self, index: Tree, of: Tree) -> Any:
        n, value = self.whole(index), evaluate(of, self)
        if not 1 <= n <= 1000:
            raise NoValue("no such root")
        if n > 2:
            self.affordable()
        if n % 2 and value.real < 0 and self.is_zero(value.imag):
            return self.kept(-self.m.root(-value.real, n))  # the real one: of -8 it is -2
        return self.kept(self.m.root(value, n))


_RECIPROCAL = {"cot": "tan", "sec": "cos", "csc": "sin"}
_INVERSE = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}
