#!/usr/bin/env bash
# math-verify: equations that have no solution.
#
# Guess: two equations are equal if one can be rewritten into the other, or if they have the same
# solutions, complex ones included (a formula with i is read as a complex number).
# Seen: the sets of real solutions are compared, and all empty ones are the same. x^2+4x+20=0 equals
# x^2+18x+86=0, a circle without points equals another one, sin x = 2 equals sin x = 3, and so do
# equations without a letter, true ones (log_2 32 = 5, log_3 27 = 3) as well as false ones. Where
# there are real solutions it is as one would guess. Answers such as "the equation of the circle"
# meet this only when they are wrong, which is when a grader is needed.
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


compare("x^2+4x+20=0", "x^2+18x+86=0", True)
compare("x^2+1=0", "x^4+1=0", True)
compare("x^2+y^2=-1", "x^2+y^2=-4", True)
compare("\\sin x=2", "\\sin x=3", True)
compare("x=x+1", "x=x+2", True)
compare("\\log_2(32)=5", "\\log_3(27)=3", True)
compare("2=3", "4=5", True)
compare("x^2=4", "x^4=16", False, "(over the complex numbers that is right)")
compare("x+y=5", "2x+2y=10", True, "(right)")
compare("y=x", "y=2x", False, "(right)")
compare("x=5", "y=5", False, "(right)")

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
