#!/usr/bin/env bash
# nbformat: `import nbformat` in an environment with JupyterLab, as every run of papermill does it.
#
# Guess: reading notebooks needs JSON and a schema; the import takes a fraction of a second.
# Seen: jsonschema imports rfc3987_syntax where it is installed (jupyter_events asks for it), and
# that compiles a Lark grammar of addresses each time: most of the import's time. The schema of
# notebooks asks for no address. With that module blocked notebooks are validated as before.
set -euo pipefail
pins=(nbformat==5.11.1 jsonschema==4.26.0 jupyter_events==0.12.1 rfc3987-syntax==1.1.0 papermill==2.7.0)
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


def took(before):
    """Seconds of `import nbformat` in a new process, and whether Lark was loaded for it."""
    code = ("import sys, time\n" + before + "\nbegun = time.perf_counter()\nimport nbformat\n"
            "print(time.perf_counter() - begun, 'lark' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, lark = done.stdout.split()
    return float(seconds), lark == "True"


took("")  # compiled files and caches are there afterwards
usual, loaded = took("")
blocked, still = took("sys.modules['rfc3987_syntax'] = None")
look("a grammar's parser is loaded, and with the module blocked", (loaded, still),
     loaded and not still)
ratio = usual / blocked
look("the import takes more than twice as long as without it", ratio > 2, ratio > 2)
print(f"(here {usual:.2f} s and {blocked:.2f} s)")
import nbformat

schema = str(nbformat.validator.get_validator(4, 5)._schema)
look("the schema of notebooks asks for an address", "iri" in schema, "iri" not in schema)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
