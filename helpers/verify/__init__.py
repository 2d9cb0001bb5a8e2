"""From a completion to a verdict: find the answer, read it as a number, compare it exactly.

`extract` looks for the answer in the text, `grade` says whether it is the right one, and
`python -m helpers.verify` does both for a file of JSON lines. Nothing here runs code found in a
completion, and no string makes these functions raise.
"""

from helpers.verify.extract import FORMATS, GRADINGS, extract
from helpers.verify.grade import grade, normalise, number

__all__ = ["FORMATS", "GRADINGS", "extract", "grade", "normalise", "number"]
