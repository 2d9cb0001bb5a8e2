"""The course as a whole: nothing imports it but notebooks. `python -m helpers.course run|…`."""

from helpers.course.course import ensure
from helpers.course.opening import check_parameters

__all__ = ["check_parameters", "ensure"]
