"""Tries the mutants of one module (`tests/mutants.py`): with which tests, in which process.

Only a test that executes the changed statement can notice it. So a first run writes down which
test comes to which line, with all caches emptied before each test. A mutant then meets the tests
that come to its statement, those first that have noticed others, then the fastest; one that no test
comes to survives at once. What runs while modules are imported, and a program that is started by
its path, meets all tests.

A mistake inside a function is put into a fork of a process that has collected the tests already:
there the function gets the code of the mutated source, under whatever names it is known. So do
constants; but what survives there, with whatever else runs while modules are imported, is tried in
a fork of a process that has imported no module under test, and imports the mutated source.

A mutant hangs when one test has used up its processor time (ten seconds, and three times what it
takes without a mistake), or when nothing has used any for a minute: both stay the same on a busy
machine.
"""

import ast
import ctypes
import functools
import gc
import importlib
import importlib.abc
import importlib.util
import json
import math
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

import coverage
import psutil
import pytest

from helpers.config import ROOT

ASLEEP = 60.0  # seconds by the clock without use of the processor
START = 600.0  # seconds by the clock for a process of math-verify to come up; asleep it gets fewer
# Long, and kill no more. Names are matched in part: a test of what "raises" is not meant.
SKIPPED = ("not hostile and not reads_a_file and not no_text_raises and not no_string_raises "
           "and not no_completion_raises")
OPTIONS = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "-k", SKIPPED, "--timeout=0"]
PROGRAM = "verify/symbolic_worker"  # is started by its path
SURVIVED, HUNG = "survived", "hung"


class Mutant(NamedTuple):
    line: int
    what: str
    source: str  # of the whole module


def path_of(module: str) -> str:
    return str(ROOT / "helpers" / f"{module}.py")


def name_of(module: str) -> str:
    return f"helpers.{module.replace('/', '.')}".removesuffix(".__init__")


def recorded(modules: list[str], files: list[str]) -> tuple[dict, dict]:
    """({test: processor seconds}, {module: {line: tests that come there}}) without any mutant."""
    return tuple(json.loads("".join(in_fork(record, modules, files))))


def verdicts(module: str, files: list[str], mutants: list[Mutant], seconds: dict, by_line: dict
             ) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant with SURVIVED, HUNG or the test that notices it."""
    own = tuple(f"tests/unit/{name}::" for name in files)
    fastest = sorted((test for test in seconds if test.startswith(own)), key=seconds.get)
    inside, outside = [], []
    for mutant in mutants:
        function, lines = place(module, mutant.line)
        tests = {test for line in lines for test in by_line.get(str(line), [])}
        quick = function is not None and "" not in tests
        chosen = [test for test in fastest if test in tests or not quick or module == PROGRAM]
        if not chosen:
            yield mutant, f"{SURVIVED}, no test comes there"
        elif quick:
            inside.append((mutant, function, chosen))
        else:
            inside.append((mutant, None, chosen))
    told = in_fork(try_inside, module, files, seconds, inside)
    for mutant, function, _ in inside:
        found = next(told, None)
        if found is None:
            raise RuntimeError(f"{module}: not all mutants were tried")
        if function is None and found == SURVIVED:
            outside.append(mutant)
        else:
            yield mutant, found
    for mutant in outside:
        yield mutant, verdict(in_fork(try_module, module, files, seconds, mutant.source,
                                      may_hang=True))


def verdict(told: Iterator[str]) -> str:
    return next(told, "ended without a word")


def place(module: str, line: int) -> tuple[str | None, range]:
    """(the outermost function around a line, None outside; the lines of the statement there)."""
    around = [node for node in statements(module) if node.lineno <= line <= node.end_lineno]
    if not around:  # a decorator
        return None, range(line, line + 1)
    innermost = min(around, key=lambda node: node.end_lineno - node.lineno)
    names = []
    for node in around:  # from outside to inside
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
        if isinstance(node, ast.FunctionDef):
            inside = node.lineno < node.body[0].lineno <= line
            return ".".join(names) if inside else None, span(innermost)
    return None, span(innermost)


@functools.cache
def statements(module: str) -> list[ast.stmt]:
    tree = ast.parse(Path(path_of(module)).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def span(node: ast.stmt) -> range:
    return range(node.lineno, node.end_lineno + 1)


# Processes


def in_fork(work: Callable, *arguments, may_hang: bool = False) -> Iterator[str]:
    """Yield the lines that `work(tell, *arguments)` tells in a fork, and HUNG if that hangs."""
    if sys.platform == "linux":  # what a killed fork has started becomes ours, so that we find it
        ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            os.setsid()
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            tempfile.tempdir = folder
            try:
                work(lambda line: os.write(file.fileno(), f"{line}\n".encode()), *arguments)
            except BaseException:
                os.write(file.fileno(), f"error: {traceback.format_exc()!r}\n".encode())
            finally:
                os._exit(0)
        try:
            yield from lines_until_end(child, file.fileno(), may_hang)
        finally:
            end_all()


def lines_until_end(child: int, file: int, may_hang: bool) -> Iterator[str]:
    begin, rest, used, since, looked = 0, b"", 0.0, time.monotonic(), time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        piece = os.pread(file, 1 << 24, begin)
        begin += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"error: "):
                raise RuntimeError(line.decode())
            yield line.decode()
        if ended:
            if os.WIFSIGNALED(status):
                yield HUNG if os.WTERMSIG(status) == signal.SIGXCPU else "a crash"
            return
        time.sleep(0.01)
        if may_hang and time.monotonic() > looked + 1:
            looked, before, used = time.monotonic(), used, processor_time(child)
            if used != before:
                since = looked
            if looked > since + ASLEEP:
                yield HUNG
                return


def processor_time(child: int) -> float:
    """Of a process and all it has started, in seconds."""
    total = 0.0
    try:
        for process in [psutil.Process(child), *psutil.Process(child).children(recursive=True)]:
            total += sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:  # one has just ended: next time
        pass
    return total


def end_all() -> None:
    """Kill what a mutant has left, in whatever group: a fork that hangs, and all it has started."""
    while left := psutil.Process().children(recursive=True):
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(left, timeout=5)


# What forks do


class Teller:
    """A plugin: tells which test has failed, runs the fastest first, and bounds their time."""

    def __init__(self, tell: Callable, seconds: dict[str, float]) -> None:
        self.tell, self.seconds, self.failed = tell, seconds, False
        bound_time(30)  # until all are collected

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.seconds),
                          key=lambda item: self.seconds[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        bound_time(10 + 3 * self.seconds[nodeid])

    def pytest_runtest_logreport(self, report) -> None:
        if report.failed:
            self.failed = True
            self.tell(report.nodeid)

    pytest_collectreport = pytest_runtest_logreport


def bound_time(seconds: float) -> None:
    """Of this process from now on; the kernel kills it then (SIGXCPU)."""
    until = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def run_tests(files: list[str], *plugins, options: tuple[str, ...] = ()) -> int:
    paths = [str(ROOT / "tests" / "unit" / name) for name in files]
    return pytest.main([*OPTIONS, *options, *paths], plugins=plugins)


def record(tell: Callable, modules: list[str], files: list[str]) -> None:
    """A line is also come to "" while modules are imported."""
    paths = {module: path_of(module) for module in modules}
    tracer = coverage.Coverage(data_file=None, config_file=False, include=list(paths.values()))
    seconds, caches, asked = {}, [], []

    class Recorder:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item):
            forget(caches)
            tracer.switch_context(item.nodeid)
            start, before = time.process_time(), len(asked)
            try:
                return (yield)
            finally:
                seconds[item.nodeid] = time.process_time() - start + (len(asked) > before)
                tracer.switch_context("")

        def pytest_collection_finish(self):
            from helpers.verify import symbolic

            caches.extend(found_caches())
            ask = symbolic._ask  # in a process that takes a second to start
            symbolic._ask = lambda *question: asked.append(question) or ask(*question)

    tracer.start()
    if run_tests(files, Recorder()) != 0:
        raise AssertionError("the tests fail without any mutant")
    tracer.stop()
    lines = {module: tracer.get_data().contexts_by_lineno(path) for module, path in paths.items()}
    tell(json.dumps([seconds, lines]))


def found_caches() -> list:
    return [thing for thing in gc.get_objects() if isinstance(thing, functools._lru_cache_wrapper)
            and thing.__module__.startswith("helpers.")]


def found_functions(module: str) -> list[FunctionType]:
    return [thing for thing in gc.get_objects() if isinstance(thing, FunctionType)
            and thing.__module__ == module]


def forget(caches: list) -> None:
    for cache in caches:
        cache.cache_clear()
    if symbolic := sys.modules.get("helpers.verify.symbolic"):
        symbolic._verdicts.clear()


def try_inside(tell: Callable, module: str, files: list[str], seconds: dict[str, float],
               mutants: list[tuple[Mutant, str | None, list[str]]]) -> None:
    """Tell the verdict on each (mutant, function, tests), collecting the tests once."""

    class Runner:
        def pytest_runtestloop(self, session):
            importlib.import_module(name_of(module))
            caches, functions = found_caches(), found_functions(name_of(module))
            gc.freeze()  # else each fork copies what it only looks at
            tests = {item.nodeid: item for item in session.items}
            noticed = Counter()
            for mutant, function, chosen in mutants:
                items = [tests[test] for test in sorted(chosen, key=lambda test: -noticed[test])]
                found = verdict(in_fork(try_one, module, function, mutant.source, items, seconds,
                                        functions, caches, may_hang=True))
                noticed[found] += 1
                tell(found)
            return True

    run_tests(files, Runner())


def try_one(tell: Callable, module: str, function: str | None, source: str,
            items: list[pytest.Item], seconds: dict[str, float], functions: list[FunctionType],
            caches: list) -> None:
    prepare(module, source)
    pytest.TempPathFactory.mktemp = lambda *_, **__: Path(tempfile.mkdtemp())  # pytest's is slow
    teller = Teller(tell, seconds)
    code = compile(source, path_of(module), "exec")
    if function:
        put_function(functions, function, code)
    else:
        try:
            put_constants(name_of(module), code)
        except BaseException as error:  # as while it is imported, an exit as well
            return tell(f"its import: {type(error).__name__}")
    forget(caches)
    items[0].config.pluginmanager.register(teller)
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if teller.failed:
            return
    tell(SURVIVED)


def put_function(functions: list[FunctionType], function: str, code: CodeType) -> None:
    codes = [part for part in codes_in(code) if part.co_qualname == function]
    known = [thing for thing in functions if thing.__code__.co_qualname == function]
    if len(codes) != 1 or not known:
        raise LookupError(f"{function}: {len(codes)} in the source, {len(known)} in use")
    for thing in known:  # one that does not call `super()` any more has no free variable
        thing.__code__ = codes[0].replace(co_freevars=thing.__code__.co_freevars)


def put_constants(name: str, code: CodeType) -> None:
    """Put what differs into the module and into those that import it by its name."""
    new = {"__name__": name, "__file__": code.co_filename, "__package__": name.rpartition(".")[0]}
    exec(code, new)
    for key, value in list(vars(sys.modules[name]).items()):
        if not is_plain(value) or key.startswith("__") or new.get(key) == value:
            continue
        for other, module in list(sys.modules.items()):
            if other.startswith(("helpers", "tests")) and vars(module).get(key) is value and (
                    other == name or imports(module, name, key)):
                setattr(module, key, new.get(key))


def is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(is_plain, [*value, *value.values()]))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_plain, value))
    return isinstance(value, str | bytes | int | float | re.Pattern | Fraction | None)


def imports(module: ModuleType, name: str, key: str) -> bool:
    source = Path(module.__file__ or os.devnull).read_text(encoding="utf-8")
    return bool(re.search(rf"from {name} import ([^()\n]*|\([^()]*)\b{key}\b", source))


def codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def try_module(tell: Callable, module: str, files: list[str], seconds: dict[str, float],
               source: str) -> None:
    sys.meta_path.insert(0, Mutated(module, source))
    prepare(module, source)
    code = run_tests(files, Teller(tell, seconds), options=("-x",))
    tell(SURVIVED if code == 0 else f"pytest ended with {code}")


def prepare(module: str, source: str) -> None:
    """What a mutant needs beside its own module: a program is started by its path."""
    from helpers.verify import symbolic

    symbolic.START = START
    if module == PROGRAM:
        symbolic.PROGRAM = Path(tempfile.mkdtemp()) / "symbolic_worker.py"
        symbolic.PROGRAM.write_text(source, encoding="utf-8")


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from the mutated source."""

    def __init__(self, module: str, source: str) -> None:
        self.path, self.name, self.source = Path(path_of(module)), name_of(module), source

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


def load_libraries() -> None:
    """Import what the tests import, our own modules left out."""
    import hypothesis.strategies  # noqa: F401
    import mpmath  # noqa: F401
    import pydantic  # noqa: F401
    from hypothesis import Phase, settings

    # A failing example need not be made smaller, and none may fail because the machine is busy.
    settings.register_profile("mutants", deadline=None, database=None, derandomize=True,
                              phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutants")
    for name in [n for n in sys.modules if re.match(r"helpers(\.|$)", n)]:
        del sys.modules[name]
