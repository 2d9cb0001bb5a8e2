"""The course as a whole: nothing imports it but notebooks. `python -m helpers.course run|…`."""

import sys

from helpers.course.course import ensure
from helpers.course.opening import check_parameters

__all__ = ["check_parameters", "ensure"]

# nbformat's validator could check addresses (RFC 3987). No notebook's schema asks for it, and
# rfc3987-syntax compiles a grammar for it at every start: 1.7 of nbformat's 2 seconds of import.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
