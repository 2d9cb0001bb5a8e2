"""GSM8K: grade-school word problems (Cobbe et al. 2021, arXiv:2110.14168).

A row is `question` and `answer`; `answer` holds the worked steps with calculator annotations
`<<48/2=24>>` and a last line `#### N`. N is one plain number, a comma between groups of three
digits and a point before decimals: 1450, 1,450, -7, 27.0, $5, 50%. A fraction and a mixed number
are read as the fraction in lowest terms that they are (`2 1/2` -> 5/2). All else is refused with
the line and what to write: `1,5` and `1.450,00` (is the comma a decimal one?), `1.450.000`, `1 450`
and words or units (`12 apples`). `1.450` is 1.45: the point is always a decimal one.
"""

import re
from fractions import Fraction

from helpers.data.columns import TEXT
from helpers.data.errors import DataError
from helpers.data.problem import Problem, question_hash

COLUMNS = {"question": TEXT, "answer": TEXT}
MARK = "####"

_PLAIN = re.compile(r"[-+−]?[€£¥]?-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?[%€£¥]?")
_FRACTION = re.compile(r"(?P<minus>[-−]?)(?:(?P<whole>[0-9]+) )?(?P<top>[0-9]+)/(?P<bottom>[0-9]+)")
_SPACED = re.compile(r"(?<=[-+−€£¥$]) +| +(?=[%€£¥$])")  # between a number and its sign
_CONTINENTAL = re.compile(r"-?(?:[0-9]{1,3}(?:\.[0-9]{3})*,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3}){2,})")
_FIRST = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def to_problem(row: dict[str, str], place: str = "", split: str = "") -> Problem:
    """One row as a Problem; without text, or without one plain number after `####`, DataError."""
    question, worked = row["question"], row["answer"]
    if not isinstance(question, str) or not question.strip():
        raise DataError(f"a row has no question text ({question!r}). Remove that row.")
    solution, mark, final = worked.rpartition(MARK) if isinstance(worked, str) else ("", "", "")
    if not mark or not final.strip(" \n\t$,."):
        raise DataError(f"no '{MARK} N' line in the answer to {question[:60]!r}. "
                        f"Add the line, or remove that row.")
    try:
        answer = normalise(final)
    except ValueError as error:
        raise DataError(f"the answer to {question[:60]!r} {error}") from None
    return Problem(question, solution.strip(), answer, "gsm8k", question_hash(question)[:16])


def normalise(answer: str) -> str:
    """The bare number: no commas, no `$`, no blanks, no full stop (`$1,450,000.` -> `1450000`).

    Raises ValueError for what is not one plain number, see above: never another number's digits.
    """
    text = _SPACED.sub("", answer.strip()).replace("$", "").rstrip(".")
    if _PLAIN.fullmatch(text) and re.search("[0-9]", text):
        return text.replace(",", "")
    if found := _FRACTION.fullmatch(text):
        top, bottom = int(found["top"]), int(found["bottom"])
        if bottom and (found["whole"] is None or top < bottom):
            value = int(found["whole"] or 0) + Fraction(top, bottom)
            return str(-value if found["minus"] else value)
    shown = " ".join(answer.split())
    raise ValueError(f"ends in '{MARK} {shown[:40]}', which is not one plain number: a comma "
                     f"stands before three digits, a point before decimals. {_advice(text)}")


def _advice(text: str) -> str:
    if _CONTINENTAL.fullmatch(text):
        meant = text.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"-?[0-9]{1,3}(?:[ '’  ][0-9]{3})+", text):
        meant = re.sub(r"[^-0-9]", "", text)
    elif len(numbers := _FIRST.findall(text)) == 1:
        meant = numbers[0]
    else:
        return "Write one number, such as 1450, 1.5 or 3/4."
    return f"Write {meant} if that is meant."
