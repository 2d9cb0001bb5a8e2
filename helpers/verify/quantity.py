r"""Read an answer as an exact number with its unit: `1\frac{4}{5}\text{ cups}` is 9/5 cups.

`number` knows the plain spellings only (what a GSM8K answer may be); `quantity` also reads LaTeX,
mixed numbers, powers of ten, number words and units. Both are exact: values are fractions, never
floats.
"""

import math
import re
from fractions import Fraction

from helpers.verify.latex import canonical
from helpers.verify.units import SHORT

LONGEST = 100  # characters; no answer of the course is longer, and it bounds the arithmetic

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\s?(?:\\?[$€£¥]\s?(?P<inner_sign>-?)\s?)?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?P<decimals>\.[0-9]*)?"
    r"(?:/(?P<denominator>[0-9]+))?(?:\s?\\?[%$€£¥])?"
)
_SIGNS_OF_UNITS = frozenset("$€£¥%")
_MINUS = str.maketrans("−–", "--")
# Words that count something ("cups", "square feet", "miles/hour", "apples per day"), after a
# space. One or two letters may be variables (2k, 3 xy), so the short units stand by name.
UNIT = (
    rf"°[CF]?|[%$€£¥]|\((?:[A-Za-z]{{3,}}(?: [A-Za-z]+)*|{'|'.join(sorted(SHORT))})\)"
    r"| ?(?!(?:sin|cos|tan|cot|sec|csc|log|exp|mod|sqrt|pi|and|or)\b)"
    rf"(?:(?<= )[A-Za-z]{{3,}}|(?<= )(?:{'|'.join(sorted(SHORT))}|sq|cu)\b\.?"
    r"|(?<=[0-9])(?:cm|mm|km|kg|mg|ml|mL|lbs?)\b)"
    r"(?:[ /-][A-Za-z]+)*(?:\^[23])?"
)
_MANY = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_FRACTION = (
    r"\\frac\{(?P<top>-?[0-9]+)\}\{(?P<bottom>-?[0-9]+)\}|(?P<over>[0-9]+)/(?P<under>[0-9]+)"
)
_QUANTITY = re.compile(
    rf"(?P<sign>[-+]?)(?P<currency>[$€£¥]?)"
    rf"(?:(?:(?P<whole>[0-9]+)(?: |(?=\\)))?(?:{_FRACTION})"
    r"|(?P<plain>[0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:(?:(?:\\times|\\cdot|[*x]) ?10\^|[eE](?=[-+0-9]))"
    r"(?:(?P<digit>[-+]?[0-9]{1,3})|\{(?P<power>[-+]?[0-9]{1,3})\}))?)"
    rf"(?: (?P<many>{'|'.join(_MANY)})s?\b)?(?P<unit>{UNIT})?"
)
_PERIODIC = re.compile(r"([-+]?)([0-9]*)\.([0-9]*)\\(?:overline|bar|dot)\{([0-9]+)\}")
_SIGNS = {"dollar": "$", "dollars": "$", "percent": "%"}
def number(answer: str | None) -> Fraction | None:
    """Read an answer as an exact number, or return None if it is not a plain one.

    Accepted: `1,450,000`, `-10`, `−10` (Unicode minus), `$1,234.50`, `-$5`, `025`, `27.0`, `18.`,
    `.5`, and a fraction in lowest terms (`3/4`; but `60/12` is a calculation left undone).
    A percent sign is a unit, like `$`: `50%` is 50, never 0.5. Commas must group by three.
    """
    if answer is None or len(answer) > LONGEST:
        return None
    text = answer.strip()
    found = _NUMBER.fullmatch(text if text.isascii() else text.translate(_MINUS))
    if not found or (found["sign"] and found["inner_sign"]):
        return None
    whole, decimals = (found["whole"] or "").replace(",", ""), (found["decimals"] or "")[1:]
    if not whole + decimals:
        return None
    value = Fraction(int(whole + decimals), 10 ** len(decimals))
    if found["denominator"]:
        denominator = int(found["denominator"])
        if decimals or not denominator or math.gcd(int(whole), denominator) != 1:
            return None
        value /= denominator
    return -value if "-" in (found["sign"], found["inner_sign"]) else value


def quantity(answer: str | None) -> tuple[Fraction, str] | None:
    r"""Read an answer as (exact value, unit), the unit "" if there is none; None if it is neither.

    Beside all that `number` reads: `\frac{3}{4}`, `\frac34`, mixed numbers (`1\frac{4}{5}`,
    `137 1/2`), powers of ten (`6.5 \times 10^{-3}`, `6.5e-3`), number words (`5 million`), units as
    words, in `\text{}` or in brackets, degrees. A fraction may be unreduced, but a division that
    comes out whole (`60/12`) is a calculation left undone, not a number. Times of day are no
    quantities: 3 p.m. is not 3 a.m.
    """
    if answer is None or len(answer) > LONGEST:
        return None
    plain = number(answer)
    return written_quantity(canonical(answer)) if plain is None else (plain, sign_of(answer))


def written_quantity(written: str) -> tuple[Fraction, str] | None:
    """`quantity` of a text in canonical spelling."""
    if len(written) > LONGEST:
        return None
    plain = number(written)
    if plain is not None:
        return plain, sign_of(written)
    if periodic := _PERIODIC.fullmatch(written):
        return _periodic(*periodic.groups("")), ""
    found = _QUANTITY.fullmatch(written)
    value = _value(found) if found else None
    if value is None:
        return None
    value *= 10 ** _MANY.get(found["many"], 0)
    unit = (found["unit"] or "").strip(" ()") or found["currency"]
    return (-value if found["sign"] == "-" else value), _SIGNS.get(unit, unit)


def sign_of(answer: str) -> str:
    """The currency or percent sign of a plain number, "" if there is none."""
    if _SIGNS_OF_UNITS.isdisjoint(answer):
        return ""
    return next(sign for sign in answer if sign in _SIGNS_OF_UNITS)


def _periodic(sign: str, whole: str, once: str, again: str) -> Fraction:
    """`0.1\\overline{6}` is 1/6: `once` after the point, then `again` for ever."""
    tail = Fraction(int(again), 10 ** len(once) * (10 ** len(again) - 1))
    value = Fraction(int(f"0{whole}{once}"), 10 ** len(once)) + tail
    return -value if sign == "-" else value


def _value(found: re.Match) -> Fraction | None:
    if found["plain"] is not None:
        value = number(found["plain"])
        power = int(found["power"] or found["digit"] or 0)
        return None if value is None else value * Fraction(10) ** power
    top, bottom = int(found["top"] or found["over"]), int(found["bottom"] or found["under"])
    if bottom == 0 or top % bottom == 0:
        return None
    if found["whole"] is None:
        return Fraction(top, bottom)
    proper = 0 < top < bottom
    return int(found["whole"]) + Fraction(top, bottom) if proper else None
