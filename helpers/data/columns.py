"""What may stand in a column, and one line about what else was found there.

A kind is one of the names below, or `[kind]` for a list, or `{key: kind}` for an object; None is a
column that nothing of the course reads. null may stand everywhere: whether a row can do without is
for the data set's adapter to say. Nothing is converted but the number of an ANSWER, to the text
that stands in the file: no text becomes a date, no whole number a rounded one.
"""

from decimal import Decimal

TEXT, WHOLE, NUMBER, FLAG = "text", "a whole number", "a number", "true or false"
ANSWER = "text or a number"
TURNS = [{"role": TEXT, "content": TEXT}]
_DIGITS = 15  # that every program keeps of a decimal number
_TYPES = {  # what a column of the hub may have: the beginnings of arrow's names
    TEXT: ("string", "large_string"), ANSWER: ("string", "large_string", "int", "uint"),
    WHOLE: ("int", "uint"), NUMBER: ("int", "uint", "float"), FLAG: ("bool",),
}


class Misfit(ValueError):  # noqa: N818 - a value, and what to write instead
    """A value that does not belong in its column: (what it is, what to do)."""


def fitted(value: object, kind: object) -> object:
    """The JSON value as the table holds it; decimal numbers come as `Decimal`, so that no digit of
    them is lost on the way. Raises Misfit."""
    if value is None:
        return None
    if isinstance(kind, list) and isinstance(value, list):
        return [fitted(one, kind[0]) for one in value]
    if isinstance(kind, dict) and isinstance(value, dict):
        return {key: fitted(one, kind.get(key)) for key, one in value.items()}
    if kind is None and isinstance(value, list | dict):
        return fitted(value, [None] if isinstance(value, list) else {})
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if kind == ANSWER and isinstance(value, int | Decimal) and number:
        return _digits(value)
    whole = number and not isinstance(value, Decimal)
    right = {TEXT: isinstance(value, str), ANSWER: isinstance(value, str), WHOLE: whole,
             NUMBER: number, FLAG: isinstance(value, bool), None: True}
    if isinstance(kind, list | dict) or not right[kind]:
        raise Misfit(described(value), _advice(value, kind))
    if whole and not -2**63 <= value < 2**63:
        raise Misfit(described(value), "A table's whole numbers end below 2^63: write it as text.")
    if isinstance(value, Decimal):
        if abs(value) > Decimal("1e308"):
            raise Misfit(described(value), "Write a number below 1e308.")
        return float(value)
    return value


def kind_of(value: object) -> object:
    """The kind that a value shows: all others in its column must be of that kind too."""
    if isinstance(value, list):
        return [next((kind_of(one) for one in value if one is not None), None)]
    if isinstance(value, dict):
        return {key: kind_of(one) for key, one in value.items()}
    for type_, kind in ((str, TEXT), (bool, FLAG), (int | Decimal, NUMBER)):
        if isinstance(value, type_):
            return kind
    return None


def fits(feature: object, kind: object) -> bool:
    """Whether a column of the hub, by its type in `datasets`, is of that kind: a text that was read
    as a time is not, nor are whole numbers that were rounded to floats."""
    dtype = getattr(feature, "dtype", "")
    if kind is None or dtype == "null":
        return True
    if isinstance(kind, list):
        inner = getattr(feature, "feature", None)
        return inner is not None and fits(inner, kind[0])
    if isinstance(kind, dict):
        return isinstance(feature, dict) and all(
            fits(feature[key], one) for key, one in kind.items() if key in feature)
    return str(dtype).startswith(_TYPES[kind])


def said(kind: object) -> str:
    """A kind in words: "a list of {role, content}"."""
    if isinstance(kind, list):
        inner = said(kind[0]).removeprefix("a ").replace("number", "numbers")
        return f"a list of {inner}" if kind[0] is not None else "a list"
    return f"{{{', '.join(kind)}}}" if isinstance(kind, dict) else str(kind or "anything")


def described(value: object) -> str:
    """A value in words, short: "the number 7", "a list"."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, bool):
        return "true" if value else "false"
    shown = repr(value) if isinstance(value, str) else str(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]} …"
    return f"the {'text' if isinstance(value, str) else 'number'} {shown}"


def _digits(value: int | Decimal) -> str:
    """A number as its digits, exactly as it stands in the file (1e3 -> 1000)."""
    if isinstance(value, int):
        return str(value)
    if len(value.as_tuple().digits) > _DIGITS or not -_DIGITS <= value.adjusted() <= _DIGITS:
        raise Misfit(described(value), "Such a decimal is a rounded one: write the exact answer as "
                                       "text, such as \"1/3\".")
    return format(value, "f")


def _advice(value: object, kind: object) -> str:
    if isinstance(value, str) and kind in (WHOLE, NUMBER, FLAG):
        return "Write it without quotes." if kind != FLAG else "Write true or false, no quotes."
    if kind in (TEXT, ANSWER) and not isinstance(value, list | dict):
        return "Put it in quotes."
    return f"Write {said(kind)} there, or null."
