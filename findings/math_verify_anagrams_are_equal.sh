#!/usr/bin/env bash
# math-verify: boxed answers that are words.
#
# Guess: a word equals itself only; \text around it does not matter.
# Seen: a bare word is a product of its letters, which commute: anagrams are equal (east and seat,
# Mary and Army, the answers no and on), capitals as well. In \text{...} the word is one symbol and
# anagrams differ. "7 apples" is 7, but "7 cookies" is 7 times c, o, o, k, i, e and s and so not 7:
# only words that stand in a list of units are taken away, and of the fruit that is the apple.
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


compare("east", "seat", True)
compare("Mary", "Army", True)
compare("no", "on", True)
compare("ABC", "cab", True)
compare("\\text{east}", "\\text{seat}", False, "(right)")
compare("7", "7 apples", True, "(right)")
compare("7", "7 cookies", False)
print("7 cookies reads as", boxed("7 cookies")[0])

sys.exit(0 if all(seen_as_before) else 1)
EOF
"$python" finding.py "${pins[@]}"
