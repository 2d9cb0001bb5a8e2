"""Mutation testing of helpers/verify and helpers/rewards (`make mutants`).

    python -m tests.mutants [--share 0.25] [--seed 0] [--only compare]

Every mutant is one small mistake in one module: a comparison turned round, a number one too high,
`and` for `or`, a `not` lost, a result thrown away, a regular expression one repetition looser. The
tests of that module run against it until one fails. A mutant that no test notices survives and is
printed; `tests/survivors.md` says why those that are left do.

Libraries are loaded once; each mutant is tried in a fork of this process, which imports the mutated
source, so that a mutant costs a second or two. A fork that hangs is killed and counts as noticed;
with it goes every process it has started, and those that another fork leaves behind go as well.
"""

import argparse
import ast
import copy
import ctypes
import importlib.abc
import importlib.util
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from helpers.config import ROOT

LONGEST = 120  # seconds a mutant may take until it counts as hanging
ONE_TEST = 40  # seconds for one test of it
START = 20.0  # seconds for a process of math-verify to come up; a mutant's may never
# Long, and kill no more. Names are matched in part: a test of what "raises" is not meant.
SKIPPED = ("not hostile and not reads_a_file and not no_text_raises and not no_string_raises "
           "and not no_completion_raises")
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
    "verify/refusal": ["test_symbolic.py"],
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


def mutants(module: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, what is changed, the mutated source) for every place in a module."""
    source = (ROOT / "helpers" / f"{module}.py").read_text(encoding="utf-8")
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
                    yield child.lineno, what, ast.unparse(ast.fix_missing_locations(tree))
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


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from the mutated source."""

    def __init__(self, module: str, source: str) -> None:
        self.path = ROOT / "helpers" / f"{module}.py"
        self.name = f"helpers.{module.replace('/', '.')}".removesuffix(".__init__")
        self.source = source

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        package = self.path.name == "__init__.py"
        spec = importlib.util.spec_from_loader(name, self, origin=str(self.path),
        is_package=package)
        if package:
            spec.submodule_search_locations = [str(self.path.parent)]
        spec.has_location = True
        return spec

    def exec_module(self, module) -> None:
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def is_noticed(module: str, source: str) -> bool:
    """Run the module's tests against the mutated source, in a fork."""
    child = os.fork()
    if child == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os._exit(tests_fail(module, source))
    end = time.monotonic() + LONGEST
    try:
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status != 0
            time.sleep(0.02)
        return True
    finally:
        end_all()


def end_all() -> None:
    """Kill what a mutant has left, in whatever group: a fork that hangs, and all it has started."""
    while left := psutil.Process().children(recursive=True):
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(left, timeout=5)


def tests_fail(module: str, source: str) -> int:
    sys.meta_path.insert(0, Mutated(module, source))
    from helpers.verify import symbolic

    symbolic.START = START
    if module == "verify/symbolic_worker":  # a program, started by its path
        symbolic.PROGRAM = Path(tempfile.mkdtemp()) / "symbolic_worker.py"
        symbolic.PROGRAM.write_text(source, encoding="utf-8")
    files = [str(ROOT / "tests" / "unit" / name) for name in TESTS[module]]
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow",
                            "-k", SKIPPED, f"--timeout={ONE_TEST}", *files]))


def load_libraries() -> None:
    """Import what the tests import, the modules under test left out."""
    import hypothesis.strategies  # noqa: F401
    import mpmath  # noqa: F401
    import pydantic  # noqa: F401

    for name in [n for n in sys.modules if re.match(r"helpers\.(verify|rewards)", n)]:
        del sys.modules[name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of all mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a pattern in the names of modules")
    options = parser.parse_args()
    load_libraries()
    if sys.platform == "linux":  # what a killed fork has started becomes ours, so that we find it
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    draw, counts = random.Random(options.seed), Counter()
    for module in [name for name in TESTS if re.search(options.only, name)]:
        for line, what, source in list(mutants(module)):
            if draw.random() >= options.share:
                continue
            noticed = is_noticed(module, source)
            counts[module, noticed] += 1
            if not noticed:
                print(f"survived: {module}:{line} {what}", flush=True)
        killed, survived = counts[module, True], counts[module, False]
        print(f"{module}: {killed} of {killed + survived} killed", flush=True)
    killed = sum(count for (_, noticed), count in counts.items() if noticed)
    print(f"all: {killed} of {counts.total()} killed ({killed / max(1, counts.total()):.0%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
