"""Mutation testing of helpers/verify and helpers/rewards (`make mutants`).

    python -m tests.mutants [--share 0.25] [--seed 0] [--only compare] [--lines 7 9] [--killers]

Every mutant is one small mistake in one module: a comparison turned round, a number one too high,
`and` for `or`, a `not` lost, a result thrown away, a regular expression one repetition looser. The
tests of that module run against it until one fails. A mutant that no test notices survives and is
printed; `tests/survivors.md` says why those that are left do.

How a mutant is tried, and when it counts as hanging, says `tests/mutant_runs.py`.
"""

import argparse
import ast
import copy
import math
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.mutant_runs import HUNG, SURVIVED, Mutant, load_libraries, path_of, recorded, verdicts

KINDS = ("killed", SURVIVED, HUNG)
ANSWERS = ["test_verify.py", "test_grading_phrases.py", "test_verify_equal.py",
           "test_grading_kinds.py"]
PARTS = ["test_verify_parts.py", *ANSWERS[::-1]]
FORMULAS = ["test_formula.py", "test_verify_parts.py", *ANSWERS[2:]]
TESTS = {  # module -> test files, the most telling first
    "verify/extract": ANSWERS, "verify/stated": ANSWERS, "verify/latex": PARTS,
    "verify/quantity": ANSWERS, "verify/units": PARTS, "verify/structure": PARTS,
    "verify/tokens": FORMULAS, "verify/tree": FORMULAS, "verify/formula": FORMULAS,
    "verify/arithmetic": FORMULAS,
    "verify/digits": FORMULAS, "verify/value": FORMULAS, "verify/relations": FORMULAS,
    "verify/compare": [*ANSWERS[2:], *ANSWERS[:2], "test_symbolic.py"], "verify/grade": ANSWERS,
    "verify/__main__": ["test_verify.py"], "verify/countdown": ["test_countdown.py"],
    "verify/refusal": ["test_refusal.py", "test_symbolic.py"],
    "verify/together": ["test_together.py", "test_rewards.py"],
    "verify/symbolic": ["test_symbolic.py", "test_together.py", "test_verify_equal.py"],
    "verify/symbolic_worker": ["test_symbolic_worker.py", "test_symbolic.py"],
    "rewards/__init__": ["test_rewards.py"], "rewards/answers": ["test_rewards.py"],
    "rewards/style": ["test_rewards.py"], "rewards/text": ["test_rewards.py"],
    "rewards/cut": ["test_rewards.py"],
}  # fmt: skip
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
               ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
               ast.Is: ast.IsNot, ast.IsNot: ast.Is}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield (what is changed, the node with one mistake)."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield "comparison", changed(node, ops=[COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield "arithmetic", changed(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield "and/or", changed(node, op=other)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not lost", node.operand
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        yield "condition turned", changed(node, test=ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Constant | None):
        yield "result lost", changed(node, value=ast.Constant(None))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "boolean", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "number", ast.Constant(node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield from ((f"pattern {n}", ast.Constant(text)) for n, text in patterns(node.value))


def changed(node: ast.AST, **fields) -> ast.AST:
    """A copy of the node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def patterns(text: str) -> Iterator[tuple[str, str]]:
    """A regular expression with one repetition changed; any other text is spoilt."""
    if not re.search(r"[\])\\][*+?]|\\[a-z{(]", text):
        yield "text", text + "~"
        return
    for name, old, new in (("?", r"(?<=[\])a-z])\?(?!\))", ""), ("*", r"(?<=[\]a-z])\*(?!\))", "+"),
                           ("+", r"(?<=[\]a-z])\+", "*"), ("lookaround", r"\(\?!", "(?=")):
        other = re.sub(old, new, text, count=1)
        if other != text:
            yield name, other


def mutants(module: str) -> Iterator[Mutant]:
    """Yield one for every place in a module."""
    source = Path(path_of(module)).read_text(encoding="utf-8")
    tree = ast.parse(source)
    silent = {id(part) for node in ast.walk(tree) for part in untested(node)}
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            places = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for place, child in places:
                if not isinstance(child, ast.AST) or id(child) in silent:
                    continue
                for what, other in changes(child):
                    put(node, name, place, ast.copy_location(other, child))
                    what = f"{what}: {difference(ast.unparse(child), ast.unparse(other))}"
                    mutated = ast.unparse(ast.fix_missing_locations(tree))
                    yield Mutant(child.lineno, what, mutated)
                    put(node, name, place, child)


def difference(old: str, new: str) -> str:
    """Where two texts part, with a little of what stands around it."""
    same = len(os.path.commonprefix([old, new]))
    part = slice(max(0, same - 25), same + 35)
    return f"{old[part]!r} -> {new[part]!r}"


def put(node: ast.AST, name: str, place: int | None, child: ast.AST) -> None:
    if place is None:
        setattr(node, name, child)
    else:
        getattr(node, name)[place] = child


def untested(node: ast.AST) -> Iterator[ast.AST]:
    """Parts whose change is no mistake: docstrings, annotations, messages, what argparse prints."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    annotations = [getattr(node, field, None) for field in ("annotation", "returns")]
    prints = isinstance(node, ast.Call) and re.search(
        r"warning|ArgumentParser|add_argument|print|exit|Error|NoValue|TooLarge|Other|Unreadable|"
        r"NoVerdict", ast.unparse(node.func))
    for part in [*annotations, *([node] if isinstance(node, ast.JoinedStr) or prints else [])]:
        if part is not None:
            yield from ast.walk(part)
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        yield from ast.walk(node)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of all mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[""], help="patterns in names of modules")
    parser.add_argument("--lines", type=int, nargs="+", help="only mutants of these lines")
    parser.add_argument("--longest", type=float, default=math.inf, metavar="SECONDS",
                        help="leave out tests that take longer: a first look")
    parser.add_argument("--killers", action="store_true", help="print what notices the others, too")
    options = parser.parse_args()
    load_libraries()
    draw, counts = random.Random(options.seed), Counter()
    modules = list(dict.fromkeys(name for only in options.only for name in TESTS
                                 if re.search(only, name)))
    files = list(dict.fromkeys(file for module in modules for file in TESTS[module]))
    seconds, by_line = recorded(modules, files)
    seconds = {test: took for test, took in seconds.items() if took <= options.longest}
    for module in modules:
        drawn = [mutant for mutant in mutants(module) if draw.random() < options.share
                 and mutant.line in (options.lines or [mutant.line])]
        for mutant, verdict in verdicts(module, TESTS[module], drawn, seconds,
                                        by_line[module]):
            kind = verdict.split(",")[0] if verdict.startswith((SURVIVED, HUNG)) else "killed"
            counts[module, kind] += 1
            if kind != "killed":
                print(f"{verdict}: {module}:{mutant.line} {mutant.what}", flush=True)
            elif options.killers:
                print(f"killed: {module}:{mutant.line} {mutant.what} by {verdict}", flush=True)
        print(summary(module, {kind: counts[module, kind] for kind in KINDS}), flush=True)
    print(summary("all", {kind: sum(counts[name, kind] for name in TESTS) for kind in KINDS}))
    return 0


def summary(name: str, counts: dict[str, int]) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"{name}: {sum(counts.values())} mutants, {kinds}"


if __name__ == "__main__":
    sys.exit(main())
