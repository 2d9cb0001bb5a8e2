"""From a completion to a verdict: find the answer, compare it exactly with the reference.

`extract` looks for the answer in the text, `equal` says whether two answers are the same, `grade`
does both, `together` does it for many answers at once, and `python -m helpers.verify` for a file of
JSON lines. Nothing here runs code found in a completion, and no string makes these functions raise.
"""

from helpers.verify.compare import equal
from helpers.verify.countdown import extract_expression, grade_countdown, value_of
from helpers.verify.extract import FORMATS, GRADINGS, extract
from helpers.verify.grade import grade, normalise, same_answer, without_name
from helpers.verify.quantity import number, quantity
from helpers.verify.together import together

__all__ = ["FORMATS", "GRADINGS", "equal", "extract", "extract_expression", "grade",
           "grade_countdown", "normalise", "number", "quantity", "same_answer", "together",
           "value_of", "without_name"]
