r"""The signs of a formula, one by one: numbers, commands, letters; blanks say nothing.

`sqrt(2)`, `sin`, `pi` without a backslash are the same commands; any other word is its letters.
"""

import re


class Unreadable(ValueError):
    """The text is no formula that this reader knows."""


FUNCTIONS = frozenset("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln exp "
                      "log lg".split())
GREEK = frozenset("alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta kappa lambda "
                  "mu nu xi rho sigma tau phi varphi chi psi omega Gamma Delta Theta Lambda "
                  "Sigma Phi Psi Omega ell".split())
CONSTANTS = {"pi": "pi", "infty": "oo"}
TIMES, OVER = {"*", r"\cdot", r"\times"}, {"/", r"\div"}
# Commands, with or without a backslash: no words.
COMMAND = re.compile(r"\\[A-Za-z]+|sqrt|(?:arc)?(?:sin|cos|tan)h?|sec|csc|cot|log|exp")
STARTS = FUNCTIONS | GREEK | set(CONSTANTS) | {"frac", "binom", "sqrt", "lfloor", "lceil"}
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
    r"(?P<power>[eE][-+]?[0-9]{1,4}(?![0-9A-Za-z]))?"
    r"|(?P<command>\\[A-Za-z]+|\\[{}])|(?P<word>sqrt|arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|"
    r"tan|cot|sec|csc|ln|log|exp|pi(?![a-z]))|(?P<letter>[A-Za-z])|(?P<sign>[-+*/^_!()\[\]{}|°])"
    r"|(?P<space>\s+)"
)


def tokens(text: str) -> list[str]:
    """The tokens of a text; Unreadable if there is a sign that no formula has."""
    found, place = [], 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if not token:
            raise Unreadable(f"{text[place]!r} is no sign of a formula")
        if token["word"]:
            found.append("\\" + token["word"])
        elif not token["space"]:
            found.append(token[0])
        place = token.end()
    return found
