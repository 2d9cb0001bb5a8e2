"""The command line: `python -m helpers.course run|plan|status|report|clean`."""

import sys

from helpers.course.course import main

if __name__ == "__main__":
    sys.exit(main())
