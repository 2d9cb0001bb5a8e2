#!/usr/bin/env bash
# math-verify: two numbers side by side in a boxed answer.
#
# Guess: 2(3) and (2)(3) are products, as 2(1+3) is; "1 234" is 1234 or no answer.
# Seen: the rule for mixed numbers (2 1/2) is applied to all neighbours: they are added. 2(3) is
# 5, so the wrong answer 5 is paid and the right one, 6, is not; "20 25" equals 45, "1 234" is 235,
# and a mixed number with a slash, 2 1/2, is 3/2. With \frac it is right.
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


compare("6", "2(3)", False)
compare("5", "2(3)", True)
compare("20", "(4)(5)", False)
compare("9", "(4)(5)", True)
compare("8", "2(1+3)", True, "(a sum inside: a product, as guessed)")
compare("45", "20 25", True)
compare("235", "1 234", True)
compare("2.5", "2 1/2", False)
compare("1.5", "2 1/2", True)
compare("2.5", "2\\frac{1}{2}", True, "(right)")

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
