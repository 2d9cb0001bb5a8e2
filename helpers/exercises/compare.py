"""In what two results differ, in words: type, length, shape, NaN, then the value.

Numbers of Python, numpy and torch are one kind, tuples and lists another; tensors and arrays are
compared by shape and value, not by dtype.
"""

import math
import numbers
import reprlib
from typing import Any

import numpy as np

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 160
SHORT.maxlist = SHORT.maxtuple = SHORT.maxdict = 8


def shown(value: Any) -> str:
    """A value on one line, cut where it is long; never an error."""
    try:
        if _is_array(value):
            small, kind = math.prod(value.shape) <= 24, type(value).__name__.lower()
            return f"{kind}({value.tolist()})" if small else f"{kind} of {tuple(value.shape)}"
        return " ".join(SHORT.repr(value).split())
    except Exception as error:  # a __repr__ of the reader's
        return f"a {type(value).__name__} whose repr raises {type(error).__name__}"


def difference(got: Any, expected: Any, tolerance: float = 1e-5) -> str:
    """What is wrong with `got`, after "it"; "" if nothing is."""
    if got is expected:
        return ""
    if got is None:
        return "returned None: is a `return` missing?"
    if _is_array(expected) and _dimensions(expected):
        return _of_arrays(got, expected, tolerance)
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        single = isinstance(got, np.generic) or (_is_array(got) and not _dimensions(got))
        plain = got.item() if single else got
        if type(plain) is not type(expected):
            return _type(got, expected)
        return "" if plain == expected else _value(got, expected)
    if isinstance(expected, numbers.Number) or _is_array(expected):
        return _of_numbers(got, expected, tolerance)
    if isinstance(expected, tuple | list):
        if not isinstance(got, tuple | list):
            return _type(got, expected)
        if len(got) != len(expected):
            return (
                f"returned {len(got)} entries where there should be {len(expected)}: "
                f"{shown(got)} for {shown(expected)}"
            )
        for place, pair in enumerate(zip(got, expected, strict=True)):
            if words := difference(*pair, tolerance):
                return f"{words} (entry {place} of {shown(got)})"
        return ""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return _type(got, expected)
        if got.keys() != expected.keys():
            return f"returned the keys {shown(list(got))}, not {shown(list(expected))}"
        return next(
            (
                f"{words} (at key {key!r})"
                for key in expected
                if (words := difference(got[key], expected[key], tolerance))
            ),
            "",
        )
    raise TypeError(f"a reference returns a {type(expected).__name__}; compare cannot judge that")


def alike(got: Any, other: Any, tolerance: float = 1e-5) -> bool:
    """Whether two results are the same, NaN and infinity included."""
    try:
        return not difference(got, other, tolerance)
    except TypeError:
        return False


def _of_numbers(got: Any, expected: Any, tolerance: float) -> str:
    if _is_array(got) and _dimensions(got):
        return f"returned shape {tuple(got.shape)} where one number is asked for"
    if isinstance(got, bool | np.bool_) or not (isinstance(got, numbers.Number) or _is_array(got)):
        return _type(got, expected)
    if isinstance(got, complex) and got.imag:
        return _value(got, expected)
    mine, right = float(getattr(got, "real", got)), float(expected)
    if math.isnan(mine) and not math.isnan(right):
        return f"returned NaN where {shown(expected)} is right"
    same = (
        mine == right
        or (math.isnan(mine) and math.isnan(right))
        or math.isclose(mine, right, rel_tol=tolerance, abs_tol=tolerance)
    )
    return "" if same else _value(got, expected)


def _of_arrays(got: Any, expected: Any, tolerance: float) -> str:
    if not _is_array(got):
        return _type(got, expected)
    if tuple(got.shape) != tuple(expected.shape):
        return f"returned shape {tuple(got.shape)}, not {tuple(expected.shape)}"
    mine, right = (_numpy(value) for value in (got, expected))
    if np.isnan(mine).any() and not np.isnan(right).any():
        where = tuple(int(axis[0]) for axis in np.nonzero(np.isnan(mine)))
        return f"returned NaN at {list(where)}"
    close = np.isclose(mine, right, rtol=tolerance, atol=tolerance, equal_nan=True)
    if close.all():
        return ""
    at = tuple(int(axis[0]) for axis in np.nonzero(~close))
    return (
        f"returned {mine[at]:g} at {list(at)} where {right[at]:g} is right "
        f"({int((~close).sum())} of {close.size} entries differ)"
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (
        type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")
    )


def _dimensions(value: Any) -> int:
    return len(value.shape)


def _numpy(value: Any) -> np.ndarray:
    plain = value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
    return np.asarray(plain, dtype=float)


def _type(got: Any, expected: Any) -> str:
    return f"returned {shown(got)}, {_kind(got)}, where {_kind(expected)} is asked for"


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiou" or name == "ndarray" else f"a {name}"


def _value(got: Any, expected: Any) -> str:
    return f"returned {shown(got)} where {shown(expected)} is right"
