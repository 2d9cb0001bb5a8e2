r"""Units of answers: which written ones are the same, and which contradict each other.

A unit that is not written contradicts nothing: what a question asks for is not known here, so `5`
is right where `5 cm` is the reference. Two that are written must be one: a table holds the usual
ones with their spellings, any other word is a unit by itself (`apples`, `apple`). Nothing is
converted: 300 cm is not 3 m.
"""

import re
from functools import lru_cache

_SPELLINGS = """
mm millimeter millimetre
cm centimeter centimetre
m meter metre
km kilometer kilometre kms
in inch
ft foot feet
yd yard
mi mile
mg milligram
g gram gm
kg kilogram kilo kgs
lb pound lbs
oz ounce
t ton tonne
ms millisecond
s second sec
min minute mins
h hour hr hrs
day
week wk
month
year yr yrs
ml mL milliliter millilitre
l L liter litre
gal gallon
deg ° degree
rad radian
°C celsius
°F fahrenheit
$ dollar usd buck
¢ cent
€ euro eur
£ pound_sterling gbp
¥ yen yuan
% percent
unit
"""
_SAME = {word: line.split()[0] for line in _SPELLINGS.splitlines() for word in line.split()}
SHORT = frozenset(word for word in _SAME if word.isalpha() and len(word) < 3) - {"t"}
_POWER = re.compile(r"(?:\^|\*\*)\{?([23])\}?$")
_WORDS_OF_SIZE = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}


def same_unit(one: str, other: str) -> bool:
    """Whether two units may be the same; one that is not written may be any."""
    first, second = unit(one), unit(other)
    return not first or not second or first == second


@lru_cache(maxsize=2048)
def unit(written: str) -> tuple[tuple[str, int], ...]:
    """A unit as (what is counted, its power) of every part: `miles per hour` is (mi, 1), (h, -1).

    Empty for none, and for the word "units" alone, which says no more.
    """
    parts, sign = [], 1
    power = 1
    text = re.sub(r"\bmph\b", "miles per hour", written.strip(" ().").replace("-", " "))
    for word in re.sub(r"/", " per ", text).split():
        if word in ("per", "an", "a", "of"):
            sign = -1 if word == "per" else sign
        elif (size := word.casefold().rstrip(".")) in _WORDS_OF_SIZE:
            power = _WORDS_OF_SIZE[size]
        elif word in ("squared", "cubed") and parts:
            parts[-1] = (parts[-1][0], parts[-1][1] * (2 if word == "squared" else 3))
        else:
            if raised := _POWER.search(word):
                power, word = int(raised[1]), word[: raised.start()]
            parts.append((_stem(word), sign * power))
            power = 1
    return tuple(sorted(part for part in parts if part[0] != "unit"))


def _stem(word: str) -> str:
    if word in _SAME:
        return _SAME[word]
    plain = word.casefold().rstrip(".")
    for end in ("", "s", "es"):
        stem = plain.removesuffix(end)
        if stem in _SAME:
            return _SAME[stem]
    return plain.removesuffix("s")


def is_known(written: str) -> bool:
    """Whether all words of a unit are usual ones."""
    return all(name in _SAME.values() for name, _ in unit(written))
