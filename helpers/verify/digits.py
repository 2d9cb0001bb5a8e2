r"""Formulas calculated to many digits: roots, powers, functions, pi and e.

The largest number on the way is noted, for its last digit is the noise of all that is smaller.
"""

from fractions import Fraction
from typing import Any

import mpmath

from helpers.verify.arithmetic import Exact, NoValue, TooLarge, drawn, evaluate, is_real
from helpers.verify.tree import Tree

DIGITS = 60  # that are always right
_MOST_DIGITS = 8000  # of the largest number on the way
_MOST_OF_FUNCTIONS = 1500  # the same for sin, log, …, which cost more


class MoreDigits(Exception):
    """What is left of two large numbers may be nothing, or be seen with more digits."""


class Digits(Exact):
    """Complex numbers of many digits; letters are fractions, above 0 at point 0, below at 1.

    `whole`: which letters are whole numbers instead: "none", "all", or all "but x" (`is_real`).
    `m` is an mpmath context, which holds the number of digits: one for each thread.
    """

    def __init__(self, point: int, whole: str, m: mpmath.MPContext) -> None:
        super().__init__(point)
        self.whole_letters = whole
        self.m = m
        self.largest = m.mpf(1)  # number on the way: its last digit is the noise of all

    @property
    def noise(self) -> mpmath.mpf:
        """What is smaller cannot be told from 0."""
        return self.largest * self.m.mpf(10) ** (12 - self.m.dps)

    def number(self, value: Fraction) -> Any:
        return self.kept(self.m.mpc(value.numerator) / value.denominator)

    def letter(self, name: str) -> Any:
        if self.whole_letters == "all" or (self.whole_letters == "but x" and not is_real(name)):
            return super().letter(name)
        number = drawn(self.point, name)
        sign = (1, -1, 1 - 2 * (number >> 20 & 1))[self.point % 3]
        return self.number(sign * Fraction(300 + number % 2000, 1009))

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

    def is_nothing(self, value: Any) -> bool:
        """`is_zero` where it decides something: MoreDigits if it cannot be said with so few."""
        if value and self.is_zero(value) and self.m.dps < self.needed:
            raise MoreDigits
        return self.is_zero(value)

    @property
    def needed(self) -> int:
        """Digits with which DIGITS are left behind the largest number on the way."""
        return DIGITS + int(self.m.mag(self.largest) * 0.302)

    def over(self, one: Any, other: Any) -> Any:
        if self.is_nothing(other):
            raise NoValue("a division by 0")
        return self.kept(one / other)

    def power(self, base: Tree, exponent: Tree) -> Any:
        one, other = evaluate(base, self), evaluate(exponent, self)
        if self.is_nothing(one):
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
        if name == "ln" and self.is_nothing(value):
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
