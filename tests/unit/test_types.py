"""Public functions say the types of what they take and give; the code is read by other Pythons.

mypy itself runs in `make lint`, which CI runs beside the tests.
"""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.config import ROOT
from tests import architecture

# Whatever class of transformers, peft or vLLM it is; what matters is said in the docstring.
ANY_CLASS = {"self", "cls", "model", "tokenizer", "peft_model"}
# Callbacks of transformers: their arguments are the library's.
CALLBACKS = {"on_save", "on_log", "on_train_begin", "on_train_end", "on_step_end", "on_evaluate",
             "on_pre_optimizer_step"}
# Written before there was this test; the list only becomes shorter.
NOT_YET = {
    "course/publish.with_outputs", "data.rows_of", "data/source.load_rows", "data/source.where",
    "models.load_base", "models.load_model", "models.load_scorer", "models.load_tokenizer",
    "survey.column_type", "survey.main_rows", "train/pairs.for_trainer",
    "train/ppo/clinic.roll_out",
}


def public(node: ast.Module | ast.ClassDef):
    """Functions of a module and of its public classes that have no underscore before their name."""
    for inner in node.body:
        if isinstance(inner, ast.ClassDef) and not inner.name.startswith("_"):
            yield from public(inner)
        elif isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
            yield inner


def untyped(source: str) -> list[str]:
    """Names of public functions with a parameter or a result of unsaid type."""
    found = []
    for function in public(ast.parse(source)):
        given = function.args
        names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)
                 if one.annotation is None and one.arg not in ANY_CLASS]
        if function.name not in CALLBACKS and (names or function.returns is None):
            found.append(function.name)
    return found


def test_every_public_function_says_its_types():
    found = {f"{name}.{function}" for name, source in architecture.modules().items()
             for function in untyped(source)}
    assert found - NOT_YET == set(), "annotate what it takes and gives"
    assert NOT_YET - found == set(), "now typed, or gone: take it off the list"


@pytest.mark.parametrize("source, names", [
    ("def f(x): pass", ["f"]), ("def f(x: int): pass", ["f"]), ("def f(x) -> int: pass", ["f"]),
    ("def f(x: int, *, y=1) -> int: pass", ["f"]), ("def f(tokenizer, x: int) -> int: pass", []),
    ("class A:\n    def f(self, x): pass", ["f"]), ("def _f(x): pass", []),
    ("class _A:\n    def f(self, x): pass", []),
])
def test_a_missing_type_is_found(source, names):
    assert untyped(source) == names


def pythons() -> list[str]:
    """This Python, and those of 3.12 and 3.13 that are installed and start."""
    found = [sys.executable]
    for version in ("3.12", "3.13"):
        name = f"python{version}"
        place = Path(shutil.which(name) or "")
        behind = [*place.parent.parent.glob(f"versions/{version}.*/bin/{name}")]  # pyenv's shims
        for one in [*behind, place] if place.name else []:
            started = subprocess.run([one, "-c", "import sys; print(sys.version_info[:2])"],
                                     capture_output=True, text=True)
            if started.returncode == 0:
                found.append(str(one))
                break
    return found


COMPILE = """
import ast, pathlib, sys
for name in sys.argv[1:]:
    compile(pathlib.Path(name).read_bytes(), name, "exec")
"""


def test_all_code_compiles_without_a_warning_on_every_python_here():
    paths = [str(path) for folder in ("helpers", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 150
    for python in pythons():
        done = subprocess.run([python, "-W", "error", "-c", COMPILE, *paths], capture_output=True,
                              text=True)
        assert done.returncode == 0, f"{python}:\n{done.stderr[-2000:]}"
