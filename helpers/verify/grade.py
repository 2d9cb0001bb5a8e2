"""Compare an extracted answer with the reference answer, exactly."""

import math
import re
from fractions import Fraction

from helpers.verify.extract import extract

LONGEST = 100  # characters; no answer of the course is longer, and it bounds the arithmetic

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?:\\?[$€£¥]\s?(?P<inner_sign>-?))?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?P<decimals>\.[0-9]*)?"
    r"(?:/(?P<denominator>[0-9]+))?(?:\s?\\?[%$€£¥])?"
)


def number(answer: str | None) -> Fraction | None:
    """Read an answer as an exact number, or return None if it is not one.

    Accepted: `1,450,000`, `-10`, `−10` (Unicode minus), `$1,234.50`, `-$5`, `025`, `27.0`, `18.`,
    `.5`, and a fraction in lowest terms (`3/4`; but `60/12` is a calculation left undone).
    A percent sign is a unit, like `$`: `50%` is 50, never 0.5. Commas must group by three.
    """
    if answer is None or len(answer) > LONGEST:
        return None
    found = _NUMBER.fullmatch(answer.strip().replace("−", "-"))
    if not found or (found["sign"] and found["inner_sign"]):
        return None
    whole, decimals = (found["whole"] or "").replace(",", ""), (found["decimals"] or "")[1:]
    if not whole + decimals:
        return None
    value = Fraction(int(whole + decimals), 10 ** len(decimals))
    if found["denominator"]:
        denominator = int(found["denominator"])
        if decimals or math.gcd(int(whole), denominator) != 1:
            return None
        value /= denominator
    return -value if "-" in (found["sign"], found["inner_sign"]) else value


def normalise(answer: str | None) -> str | None:
    """Return one spelling for equal answers (`1,450.0` -> `1450`), the text itself if no number.

    Used to count votes and distinct answers; None stays None.
    """
    value = number(answer)
    return answer if value is None else str(value)


def grade(text: str, answer: str, answer_format: str = "hash", grading: str = "strict") -> bool:
    """Say whether the completion `text` gives the reference `answer`.

    Both are read as exact fractions: no tolerance, so 0.33 is not 1/3. An answer or reference
    that is not a number is never right: check references with `number` before training on them.
    """
    value = number(extract(text, answer_format, grading))
    return value is not None and value == number(answer)
