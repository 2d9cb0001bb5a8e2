"""The process behind `symbolic`: reads one question a line, writes one verdict a line.

A question is JSON, `[number, reference, answer, seconds]`; the verdict `<number> true <seconds>` or
`<number> false <seconds>`, or `late` or `crashed`. Seconds are processor time. The answering is
done by a fork of this process, which the kernel's timer kills at the deadline whatever it is doing;
this process then forks the next one, which takes milliseconds because sympy is loaded here already.
At the end of the input both end.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import sympy
from math_verify import LatexExtractionConfig, parse, verify

MEMORY = 2 * 2**30  # bytes of address space
DIGITS = 50
AGREE = sympy.Float("1e-40")  # relative; two closed forms that agree so far are equal
# Where formulas with variables are compared: no special values, and negative ones too, where the
# root of x^2 is not x.
POINTS = ([sympy.Rational(n, 1009) for n in (1117, 1427, 1723, 2039, 2341, 2657)],
          [sympy.Rational(-n, 2003) for n in (907, 1201, 577, 1877, 1433, 1613)])


@lru_cache(maxsize=2048)
def parsed(formula: str) -> Any:
    """The formula as a sympy object with exact decimals, or None."""
    found = parse(f"${formula}$", [LatexExtractionConfig()], fallback_mode="no_fallback",
                  parsing_timeout=None)
    if not found:
        return None
    try:
        floats = {number: sympy.Rational(str(number)) for number in found[0].atoms(sympy.Float)}
        return found[0].xreplace(floats) if floats else found[0]
    except (AttributeError, TypeError):  # a matrix of a kind that knows no atoms
        return found[0]


@lru_cache(maxsize=2048)
def values(formula: str) -> tuple | None:
    """The formula's value at each point to DIGITS digits; None if it has none (a set, an equation).
    """
    expression = parsed(formula)
    if not isinstance(expression, sympy.Expr) or expression.has(sympy.oo, sympy.zoo, sympy.nan):
        return None
    symbols = sorted(expression.free_symbols, key=str)
    if len(symbols) > len(POINTS[0]):
        return None
    found = []
    for point in POINTS if symbols else POINTS[:1]:
        by_name = dict(zip(symbols, point, strict=False))
        value = sympy.N(expression.doit().subs(by_name), DIGITS)
        if not value.is_number or value.has(sympy.oo, sympy.zoo, sympy.nan):
            return None
        found.append(value)
    return tuple(symbols), found


def same(reference: str, answer: str) -> bool:
    one, other = parsed(reference), parsed(answer)
    if one is None or other is None:
        return False
    measured, against = values(reference), values(answer)
    if measured is None or against is None:
        return verify(one, other, timeout_seconds=None, allow_set_relation_comp=True)
    if measured[0] != against[0]:
        return False
    return all(abs(sympy.N(a - b, DIGITS)) <= AGREE * abs(a)
               for a, b in zip(measured[1], against[1], strict=True))


def answer_questions(lines: Iterable[bytes]) -> None:
    for line in lines:
        number, reference, answer, seconds = json.loads(line)
        before = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its default action: the process ends
        try:
            verdict = bool(same(reference, answer))
        except Exception:  # sympy raises many kinds, and none of them says "equal"
            verdict = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        reply(f"{number} {json.dumps(verdict)} {time.process_time() - before:.3f}")


def reply(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def read_lines() -> Iterator[bytes]:
    """Lines of the input, read no further than necessary: a killed fork loses what it has read."""
    rest = b""
    while piece := os.read(0, 1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def main() -> None:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ValueError, OSError):  # a system that cannot bound it (macOS); the deadline remains
        pass
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    same("x+1", "1+x")  # loads what sympy and the parser load on first use
    reply("ready")
    while True:
        child = os.fork()
        if child == 0:
            answer_questions(read_lines())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            sys.exit(0)  # the end of the input
        by_timer = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        reply("late" if by_timer else "crashed")


if __name__ == "__main__":
    main()
