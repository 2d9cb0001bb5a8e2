#!/usr/bin/env bash
# papermill: a cell that ends with sys.exit(0), as argparse does for --help and many scripts at
# their end.
#
# Guess: the notebook did not run to its end, so papermill fails; or it goes on with the next cell.
# Seen: it stops there, runs no further cell and exits with 0. Only the stored traceback in the
# output notebook shows that results are missing. sys.exit(1) and any other exception exit with 1.
# nbclient by itself treats sys.exit(0) as an error.
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


from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def book(how):
    return notebook(
        new_code_cell("print('first')"), new_code_cell(how), new_code_cell("print('last')")
    )


for how, expected in [("import sys; sys.exit(0)", 0), ("import sys; sys.exit(1)", 1)]:
    code, cells = papermill(book(how))
    seen = code, printed(cells[-1]) or "nothing"
    look(f"{how}: exit code of papermill, output of the last cell", seen,
         seen == (expected, "nothing"))
try:
    NotebookClient(book("import sys; sys.exit(0)"), timeout=60).execute()
    look("nbclient, sys.exit(0)", "no error", False)
except CellExecutionError as error:
    look("nbclient, sys.exit(0)", f"CellExecutionError of {error.ename}", True)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
