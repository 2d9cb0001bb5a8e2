"""What a commit does to its files: python -m tests.hooks format|notebooks FILE…

`format`: a new file, and one whose last version was formatted, is formatted by ruff; the older
ones, with tables of numbers set by hand, stay as they are. `notebooks`: no execution counts,
progress, widget state or folder names, one space of indent. Exit code 1 if a file was changed, as
pre-commit wants it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from helpers.course.publish import clean_outputs

RUFF = [sys.executable, "-m", "ruff", "format", "--quiet"]


def formatted(text: bytes, name: str) -> bytes:
    """The text as ruff formats it."""
    line = [*RUFF, "--stdin-filename", name, "-"]
    return subprocess.run(line, input=text, capture_output=True, check=True).stdout


def format_file(path: Path) -> bool:
    """Format a file that is new or was formatted; whether it changed."""
    last = subprocess.run(["git", "show", f"HEAD:./{path.name}"], cwd=path.parent or None,
                          capture_output=True)
    if last.returncode == 0 and formatted(last.stdout, path.name) != last.stdout:
        return False
    before = path.read_bytes()
    path.write_bytes(formatted(before, path.name))
    return path.read_bytes() != before


def clean_notebook(path: Path) -> bool:
    """Take the noise out of a notebook; whether it changed."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.from_dict(json.loads(before))
    for name in ("widgets", "papermill"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = clean_outputs(cell.outputs)
            for name in ("papermill", "execution"):
                cell.metadata.pop(name, None)
    split = nbformat.v4.nbjson.split_lines(notebook)
    after = json.dumps(split, indent=1, ensure_ascii=False) + "\n"
    path.write_text(after, encoding="utf-8")
    return after != before


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 if a file was changed."""
    kind, *names = arguments
    change = {"format": format_file, "notebooks": clean_notebook}[kind]
    changed = [name for name in names if change(Path(name))]
    print("".join(f"changed: {name}\n" for name in changed), end="")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
