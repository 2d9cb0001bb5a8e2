r"""Exact ways to calculate with a formula's tree: fractions, and residues of a large prime.

Each is a class with the same few methods, and `evaluate` walks the tree for both (and for a third,
`digits`, where a root or a sine is no fraction). What takes a place in an exponent, before a
factorial sign or in a binomial must be whole and is calculated by `Exact` in each of them. A number
too large to be written down is refused (`TooLarge`), so nothing here runs long on a tree of
`formula`.
"""

import hashlib
import math
from fractions import Fraction
from typing import Any

from helpers.verify.tokens import GREEK
from helpers.verify.tree import Tree, symbols

MOST_BITS = 4096  # of a number that is written down
_LARGEST_FACTORIAL = 3000
_REAL = GREEK | set("tuvwxyz")  # letters that no reader takes for whole numbers, with any index


class NoValue(ArithmeticError):
    """There is no value: a division by 0, a factorial of 1/2, an infinite one."""


class TooLarge(NoValue):
    """A number on the way is too large to be calculated."""


class OtherArithmetic(Exception):
    """This arithmetic has no such number: a root has no fraction. Another one may."""


def is_real(letter: str) -> bool:
    """Whether a letter may be a fraction where others are whole: x is rounded, n need not be."""
    return letter.partition("_")[0] in _REAL


def drawn(point: int, name: str) -> int:
    """A number as if by chance for every point and letter. No checksum: those of two letters differ
    by the same bits at every point, so n + m would be even at all of them, or odd."""
    return int.from_bytes(hashlib.blake2b(f"{point} {name}".encode(), digest_size=8).digest())


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
        return self.number(Fraction(20 + drawn(self.point, name) % 300))

    def constant(self, name: str) -> Any:
        raise OtherArithmetic(name)

    def kept(self, value: Any) -> Any:
        if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
            raise TooLarge(f"more than {MOST_BITS} bits")
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
        if abs(other) * (size - 1) > MOST_BITS:
            raise TooLarge(f"more than {MOST_BITS} bits")
        if one == 0 and other <= 0:
            raise NoValue("0 to a power that is not above 0")
        return self.kept(one**other)

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
        if name != "abs" and any(map(is_real, symbols(of))):
            raise OtherArithmetic("a fraction is rounded")
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
        if value.denominator % self.PRIME == 0:
            raise OtherArithmetic("no residue")
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
