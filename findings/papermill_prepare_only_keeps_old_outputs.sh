#!/usr/bin/env bash
# papermill: --prepare-only with other parameters on a notebook that has stored outputs.
#
# Guess: a notebook that was only prepared holds no results.
# Seen: the new parameters are put in, the old outputs and execution numbers stay. The file reads
# as if the run with rate = 9 had printed what rate = 1 did. A real run is unlike that: it clears
# all outputs first, also of the cells that an error keeps it from reaching.
set -euo pipefail
pins=(
    papermill==2.7.0 nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0
)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [[ -n ${FINDINGS_PYTHON:-} ]]; then
    python=$(command -v "$FINDINGS_PYTHON")
    python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
else
    python3 -m venv "$folder/venv"
    python=$folder/venv/bin/python
    "$python" -m pip install -q "${pins[@]}"
fi
cd "$folder"
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 OMP_NUM_THREADS=1
cat >finding.py <<'EOF'
import sys
import warnings
from importlib.metadata import version

for pin in sys.argv[1:]:
    name, wanted = pin.split("==")
    found = version(name).split("+")[0]
    print(name, found)
    if found != wanted:
        print(f"{name} {wanted} is needed, not {found}")
        sys.exit(2)
warnings.simplefilter("ignore")
seen_as_before = []


def look(words, seen, holds):
    """Print what was seen; remember whether it is still what this script says."""
    print(f"{words}: {seen}{'' if holds else '   <- CHANGED'}")
    seen_as_before.append(bool(holds))


import subprocess

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output


def notebook(*cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=list(cells), metadata={"kernelspec": kernel})


def papermill(book, *arguments):
    nbformat.write(book, "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", *arguments]
    ran = subprocess.run([*command, "--no-progress-bar"], capture_output=True, text=True)
    return ran.returncode, nbformat.read("out.ipynb", as_version=4).cells


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs).strip()


first = new_code_cell("rate = 1", metadata={"tags": ["parameters"]})
second = new_code_cell("print('with rate', rate)")
_, cells = papermill(notebook(first, second))
finished = notebook(*cells)
look("run with rate = 1", printed(cells[-1]), printed(cells[-1]) == "with rate 1")
code, cells = papermill(finished, "-p", "rate", "9", "--prepare-only")
injected = next(c for c in cells if "injected-parameters" in c.metadata.get("tags", []))
look("prepared with rate = 9: exit code, injected cell", (code, injected.source.split()[-3:]),
     code == 0 and "rate = 9" in injected.source)
last = cells[-1]
look("output below it, its execution number", (printed(last), last.execution_count),
     printed(last) == "with rate 1" and last.execution_count is not None)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
