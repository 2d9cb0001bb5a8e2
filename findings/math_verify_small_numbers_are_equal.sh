#!/usr/bin/env bash
# math-verify: answers of the size of natural constants.
#
# Guess: numbers are compared to six significant digits (float_rounding=6).
# Seen: to six places after the point. Every two decimals below 5e-7 are equal: the charge and the
# mass of the electron, 1.6e-19 and 9.1e-31, are the same answer, and 1.0e-6 equals 1.4e-6. Against
# a whole 0 the rule does not hold, and from .001 on numbers differ as they should. float_rounding
# alone does not mend the first pair: products of powers of ten are cut at numeric_precision.
set -euo pipefail
pins=(
    math-verify==0.9.0 latex2sympy2_extended==1.11.0 sympy==1.14.0
    antlr4-python3-runtime==4.13.2
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


from math_verify import parse, verify


def boxed(text):
    return parse("\\boxed{" + text + "}")


def compare(gold, answer, expected, words=""):
    seen = verify(boxed(gold), boxed(answer))
    look(f"gold {gold}   answer {answer}   {words}", seen, seen is expected)


compare("1.6\\times10^{-19}", "9.1\\times10^{-31}", True)
compare("0.00000034", "0.00000012", True)
compare("0.000001", "0.0000014", True)
compare("6.67\\times10^{-11}", "0", False)
compare("0.001", "0.0014", False, "(right)")
compare("3.0\\times10^{8}", "3.1\\times10^{8}", False, "(right)")
pair = boxed("1.6\\times10^{-19}"), boxed("9.1\\times10^{-31}")
seen = verify(*pair, float_rounding=40)
look("the first pair with float_rounding=40", seen, seen is True)
seen = verify(*pair, float_rounding=40, numeric_precision=60)
look("the first pair with float_rounding=40 and numeric_precision=60", seen, seen is False)

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
