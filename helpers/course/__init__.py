"""The course as a whole: nothing imports it but notebooks. `python -m helpers.course run|…`."""

from helpers.course.course import ensure

__all__ = ["ensure"]
