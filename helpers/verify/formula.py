r"""Read a formula into a tree: numbers, letters, and what is done with them. Nothing is calculated.

The text is in canonical spelling (`latex.canonical`); what a tree is, `tree` says.

Signs of multiplication may be left out, and such a product is no closer than another one: `1/2x`
is half an x. A function without brackets takes the factors that follow up to the next function:
`\sin 2x \cos x` is sin(2x) cos(x). A whole number before a proper fraction is a mixed number.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from helpers.verify.tokens import (
    CONSTANTS,
    FUNCTIONS,
    GREEK,
    OVER,
    STARTS,
    TIMES,
    Unreadable,
    tokens,
)
from helpers.verify.tree import Tree, is_number

__all__ = ["DEEPEST", "LONGEST", "Unreadable", "read"]

LONGEST = 400  # characters
DEEPEST = 40  # brackets, fractions and powers inside each other

_FRACTION = re.compile(r"\\frac \{ ([0-9,]+) \} \{ ([0-9,]+) \}(?! [\^!])")  # tokens
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def read(text: str) -> Tree:
    """The tree of a formula; Unreadable (with the reason) for anything else, however it looks."""
    if len(text) > LONGEST:
        raise Unreadable(f"longer than {LONGEST} characters")
    reader = _Reader(tokens(text))
    try:
        tree = reader.sum()
    except RecursionError:
        raise Unreadable("nested too deep") from None
    if reader.place < len(reader.tokens):
        raise Unreadable(f"{reader.tokens[reader.place]!r} stands where nothing can")
    return tree


class _Reader:
    """One pass over the tokens, from the loosest tie (a sum) to the closest (a power)."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        self.bars = 0  # that are open

    def next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        """The next token if it is one of these, else ""."""
        token = self.next()
        if token and token in wanted:
            self.place += 1
            return token
        return ""

    def must(self, token: str) -> None:
        if not self.take(token):
            raise Unreadable(f"{token!r} is missing before {self.next()!r}")

    def sum(self) -> Tree:
        self.down()
        tree = self.product()
        while sign := self.take("+", "-"):
            right = self.product()
            tree = ("+", tree, right if sign == "+" else ("neg", right))
        if self.take(r"\pmod"):
            tree = ("mod", tree, self.group())
        elif self.take(r"\bmod", r"\mod"):
            tree = ("mod", tree, self.product())
        self.depth -= 1
        return tree

    def product(self) -> Tree:
        if self.next() in ("+", "-"):
            return self.negated(self.product)
        tree = last = self.power()
        while True:
            if self.take(*TIMES):
                last = self.signed()
                tree = ("*", tree, last)
            elif self.take(*OVER):
                last = self.signed()
                tree = ("/", tree, last)
            elif self.starts_factor():
                last = self.beside(last)
                tree = ("*", tree, last)
            else:
                return tree

    def signed(self) -> Tree:
        """A factor after a sign of multiplication may carry a sign of its own."""
        return self.negated(self.signed) if self.next() == "-" else self.power()

    def negated(self, rest: Callable[[], Tree]) -> Tree:
        """What follows a sign."""
        self.down()
        tree = ("neg", rest()) if self.take("-") or not self.take("+") else rest()
        self.depth -= 1
        return tree

    def down(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unreadable(f"deeper than {DEEPEST}")

    def beside(self, left: Tree) -> Tree:
        """A factor without a sign between it and the one before."""
        right = self.power()
        if right[0] == "num" and is_number(left):
            raise Unreadable("two numbers side by side")
        return right

    def starts_factor(self) -> bool:
        token = self.next()
        if token == "|":
            return not self.bars  # inside bars it closes them
        if not token or token in ")]}+-*/^_!°":
            return False
        return not token.startswith("\\") or token[1:] in STARTS

    def power(self) -> Tree:
        whole = self.next().replace(",", "").isdigit()
        tree = self.atom()
        if whole and (part := self.proper_fraction()):
            tree = ("num", tree[1] + part)
        while True:
            if self.next() == "!":
                return self.after_power(tree)
            if self.take("°"):
                tree = ("fn", "deg", tree)
            elif self.take("^"):
                return self.after_power(("^", tree, self.exponent()))
            else:
                return tree

    def proper_fraction(self) -> Fraction | None:
        r"""What makes a mixed number of the whole one before it: `2\frac12`, but not `2(\frac12)`,
        which is a product. None, with nothing taken, if it is no such thing."""
        found = _FRACTION.match(" ".join(self.tokens[self.place : self.place + 8]))
        top, bottom = (int(part.replace(",", "")) for part in found.groups()) if found else (0, 0)
        if not 0 < top < bottom:
            return None
        self.place += 7
        return Fraction(top, bottom)

    def after_power(self, tree: Tree) -> Tree:
        if self.next() == "^":
            raise Unreadable("a power after a power, without brackets")
        if self.take("!"):
            tree = ("!", tree)
            if self.next() in ("!", "^"):
                raise Unreadable("a factorial with more behind it, without brackets")
        return tree

    def exponent(self) -> Tree:
        """A group in brackets, or one atom: `x^12` is the twelfth power, as in print."""
        if self.next() in ("{", "("):
            return self.group()
        return self.negated(self.exponent) if self.next() == "-" else self.atom()

    def group(self) -> Tree:
        """What stands in brackets of any kind, or else one atom."""
        opened = self.take(*_CLOSING)
        if not opened:
            return self.atom()
        tree = self.sum()
        self.must(_CLOSING[opened])
        return tree

    def atom(self) -> Tree:
        token = self.next()
        if not token:
            raise Unreadable("it ends too early")
        self.place += 1
        if token[0].isdigit() or token[0] == ".":
            return ("num", Fraction(token.replace(",", "")))
        if token in ("(", "[", "{"):
            self.place -= 1
            return self.group()
        if token == "|":
            self.bars += 1
            tree = self.sum()
            self.must("|")
            self.bars -= 1
            return ("fn", "abs", tree)
        if token in ("e", "i"):
            return self.subscript(token) or ("const", token)
        if token.isalpha():
            return self.subscript(token) or ("sym", token)
        if token.startswith("\\"):
            return self.command(token[1:])
        raise Unreadable(f"{token!r} stands where a number or a letter should")

    def subscript(self, name: str) -> Tree | None:
        """`a_1`, `x_{10}`, `f'`: a letter of its own."""
        if self.take("_"):
            index = [self.next()]
            if not index[0]:
                raise Unreadable("an index is missing")
            self.place += 1
            if index == ["{"]:
                while self.next() not in ("}", ""):
                    index.append(self.next())
                    self.place += 1
                index.append("}")
                self.must("}")
            name += "_" + "".join(index).strip("{}")
            return ("sym", name)
        return None

    def command(self, name: str) -> Tree:
        if name in CONSTANTS:
            return ("const", CONSTANTS[name])
        if name in GREEK:
            return self.subscript(name) or ("sym", name)
        if name == "frac":
            return ("/", self.group(), self.group())
        if name == "binom":
            return ("binom", self.group(), self.group())
        if name == "sqrt":
            index = ("num", Fraction(2))
            if self.take("["):
                index = self.sum()
                self.must("]")
            return ("root", index, self.group())
        if name in ("lfloor", "lceil"):
            tree = self.sum()
            self.must(r"\rfloor" if name == "lfloor" else r"\rceil")
            return ("fn", name[1:], tree)
        if name in FUNCTIONS:
            return self.function(name)
        raise Unreadable(f"\\{name} is no command of a final answer")

    def function(self, name: str) -> Tree:
        base = self.group() if name == "log" and self.take("_") else None
        power = self.exponent() if self.take("^") else None
        inverse = power == ("neg", ("num", Fraction(1)))
        argument = self.argument()
        if name in ("log", "lg"):
            tree = ("log", base or ("num", Fraction(10)), argument)
        else:
            tree = ("fn", f"arc{name}" if inverse else name, argument)
        return tree if power is None or inverse else ("^", tree, power)

    def argument(self) -> Tree:
        """What stands in brackets, else the factors up to the next function or sign."""
        return self.group() if self.next() in _CLOSING else self.factors()

    def factors(self) -> Tree:
        tree = last = self.power()
        while self.starts_factor() and self.next()[1:] not in FUNCTIONS:
            last = self.beside(last)
            tree = ("*", tree, last)
        return tree

