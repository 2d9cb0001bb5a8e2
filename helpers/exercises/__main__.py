"""The command line for instructors: `python -m helpers.exercises handout|solutions|grade|cells`."""

import argparse
import sys
from pathlib import Path

from helpers.config import ROOT, artifacts_root
from helpers.exercises import cells, grading, handout
from helpers.exercises.exercise import of
from helpers.files import ArtifactError

NOTEBOOKS = ROOT / "notebooks"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.exercises", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in (
        ("handout", "notebooks without solutions"),
        ("solutions", "notebooks with the solutions in the stubs"),
    ):
        one = commands.add_parser(name, help=said)
        one.add_argument("--out", type=Path, default=artifacts_root() / name)
        one.add_argument("--notebooks", type=Path, default=NOTEBOOKS)
    one = commands.add_parser("grade", help="grade a folder of submitted notebooks")
    one.add_argument("folder", type=Path)
    one.add_argument("--out", type=Path, default=artifacts_root() / "grades.csv")
    one.add_argument("--seconds", type=float, default=grading.SECONDS, help="for one submission")
    commands.add_parser("cells", help="write the exercises' cells into the notebooks again")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 1 with one line on stderr if it cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "grade":
            rows = grading.grade_folder(options.folder, options.out, options.seconds)
            print(f"{options.out}: {len(rows)} lines")
        elif options.command == "cells":
            for path in sorted(NOTEBOOKS.glob("*.ipynb")):
                if of(path.stem.partition("_")[0]) and cells.refresh(path):
                    print(f"{path.name}: written anew")
        else:
            change = {"handout": handout.without_solutions, "solutions": handout.with_solutions}[
                options.command
            ]
            written = handout.write(options.notebooks, options.out, change)
            print(f"{options.out}: {len(written)} notebooks")
    except ArtifactError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
