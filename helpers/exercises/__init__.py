"""Exercises that answer: a stub in a notebook, a check that names the mistake, and what is graded.

exercises.check("08.1", mean_pass_at_k, course)    in a notebook
python -m helpers.exercises handout|solutions|grade|cells    for instructors
"""

from helpers.exercises.checks import check
from helpers.exercises.progress import passed

__all__ = ["check", "passed"]
