r"""Whether two formulas have the same value wherever their letters are put.

By a modulus where both are rational (no root, no function, no constant but i), else by digits:

- *Modulus.* Calculated in the field of a prime of 61 bits, `2^{2005}+1` costs as little as 3, and
  two different numbers leave the same residue with a chance of about 1 in 10^18. Letters are put at
  eight points of 300 whole numbers each, for they may stand in an exponent: a polynomial of degree
  d that is not 0 is 0 at all eight with a chance of at most (d / 300)^8 (Schwartz 1980,
  doi:10.1145/322217.322225). In an exponent they have 32: `(-1)^n` and `(-1)^k` are the same at
  every second one.
- *Digits.* 60 digits beyond the largest number on the way, at points on both sides of 0: the root
  of x^2 is not x.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import mpmath

from helpers.verify.arithmetic import Modulus, OtherArithmetic, TooLarge, evaluate
from helpers.verify.digits import DIGITS, Digits, MoreDigits
from helpers.verify.tree import Tree, symbols

_SAME = 40  # digits in which two values agree, if they are the same
_FRACTIONS = 3  # points, where letters may be fractions
_POLYNOMIAL = 8  # where they are whole
_WHOLE = 32  # where they must be whole, and much may depend on whether they are even
_ROUNDED = 128  # where values are rounded: to meet one where the root of n - 1 is whole; at every
# second one x may be a fraction, for else to round it would change nothing
_arithmetic = mpmath.MPContext()  # its number of digits is changed on the way: one thread at a time
_one_at_a_time = threading.Lock()


def same(one: Tree, other: Tree) -> bool:
    """Whether both have one value at every point; NoValue if that cannot be said."""
    with _calculating():
        points = max(_points(one), _points(other))
        residues = [_residues(tree, points) for tree in (one, other)]
        if None not in residues:
            return residues[0] == residues[1]
        pairs = zip(_digits(one, points), _digits(other, points), strict=True)
        return all(_agree(*pair) for pair in pairs)


def ratio(one: Tree, other: Tree) -> int:
    """1 if `one` is everywhere the same multiple of `other` and that is above 0, -1 if it is below,
    0 if there is none. Then `one = 0` says what `other = 0` says, whatever its solutions are.
    """
    ratios, seen = [], set()
    with _calculating():
        points = max(_points(one), _points(other))
        pairs = zip(_digits(one, points), _digits(other, points), strict=True)
        for (a, noise), (b, more_noise) in pairs:
            if abs(a) <= noise or abs(b) <= more_noise:
                return 0
            _arithmetic.dps = DIGITS
            ratios.append(a / b)
            seen.add(_arithmetic.nstr(a, _SAME // 2))
        if len(seen) == 1:  # nothing depends on the letters: no line, and no solution
            return 0
        most = abs(ratios[0]) * _arithmetic.mpf(10) ** -_SAME
        if any(abs(found - ratios[0]) > most for found in ratios) or abs(ratios[0].imag) > most:
            return 0
        return 1 if ratios[0].real > 0 else -1


@contextmanager
def _calculating() -> Iterator[None]:
    """One thread at a time; a tree too deep for Python's stack is too large."""
    with _one_at_a_time:
        try:
            yield
        except RecursionError:
            raise TooLarge("nested too deep") from None


def _agree(measured: tuple, against: tuple) -> bool:
    (a, noise), (b, more_noise) = measured, against
    _arithmetic.dps = DIGITS  # of what is left: mpmath rounds a difference, not what it is of
    least = min(1, abs(a)) * _arithmetic.mpf(10) ** -_SAME
    return bool(abs(a - b) <= max(noise, more_noise, least))


@lru_cache(maxsize=4096)
def _residues(tree: Tree, points: int) -> tuple | None:
    """The residues of a tree at so many points; None if it is not rational."""
    try:
        points = max(points, _POLYNOMIAL)
        return _everywhere(tree, points, lambda point: evaluate(tree, Modulus(point)))
    except OtherArithmetic:
        return None


@lru_cache(maxsize=4096)
def _digits(tree: Tree, points: int) -> tuple:
    """(value, noise) of a tree at each point."""
    return _everywhere(tree, points, lambda point: _measured(tree, point, points))


def _everywhere(tree: Tree, points: int, value: Callable[[int], Any]) -> tuple:
    """The value at each point; without letters it is the same at all of them."""
    return tuple(map(value, range(points))) if symbols(tree) else (value(0),) * points


def _measured(tree: Tree, point: int, points: int) -> tuple:
    whole = "none" if points <= _FRACTIONS else "all"
    if points == _ROUNDED and point % 2:
        whole = "but x"
    digits, more = DIGITS, 0
    while True:
        _arithmetic.dps = digits
        by = Digits(point, whole, _arithmetic)
        try:
            value = evaluate(tree, by)
        except MoreDigits:
            digits = by.needed + 5
            continue
        if digits < by.needed + more:  # what cancels leaves nothing but noise
            digits = by.needed + more + 5
        elif by.is_zero(value) and value and not more:
            more = 100  # is it small, or nothing? Below 10^-150 it is nothing
            digits += more
        else:
            return value, by.noise


@lru_cache(maxsize=4096)
def _points(tree: Tree) -> int:
    """How many points are needed, and so which: more where letters must be whole."""
    if tree[:2] in (("fn", "floor"), ("fn", "ceil")):
        return _ROUNDED if symbols(tree) else _FRACTIONS
    whole = tree[0] in ("!", "binom") and symbols(tree)
    whole = whole or (tree[0] == "^" and symbols(tree[2]))
    below = (_points(part) for part in tree[1:] if isinstance(part, tuple))
    return max([_WHOLE if whole else _FRACTIONS, *below])


def _renew_lock() -> None:
    """In a forked child: the thread that may hold it is not there."""
    global _one_at_a_time
    _one_at_a_time = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)
