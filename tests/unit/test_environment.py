"""The lists of packages agree with each other and with what the code imports."""

import ast
import json
import re
import subprocess
import sys
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

from helpers.config import ROOT

# What is imported under another name than it is installed.
INSTALLED_AS = {"yaml": "pyyaml", "IPython": "ipython", "math_verify": "math-verify",
                "PIL": "pillow"}
# Used without an import of ours: by name (papermill's kernel, the front end, trainers' back ends)
# or by another library (pandas: Styler, parquet; tqdm: widgets).
NOT_IMPORTED = {
    "accelerate", "bitsandbytes", "ipykernel", "ipywidgets", "jinja2", "jupyterlab", "math-verify",
    "pyarrow", "safetensors", "tensorboard",
}  # fmt: skip
TEST_TOOLS = {"mypy", "pre-commit", "pytest-cov", "pytest-timeout", "pytest-xdist", "ruff",
              "types-pyyaml"}
LISTS = ("requirements.txt", "requirements-test.txt")
APART = ("tests/benchmarks/requirements-harness.txt",)  # in a folder of its own, of one benchmark
MAGIC = re.compile(r"^(\s*)(%%?|!)\w.*")  # a notebook's line for IPython or the shell
OPTIONAL = {"vllm", "google"}  # used where it is installed: a GPU machine, Colab


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(*lists: str) -> dict[str, str]:
    """{package: exact version} of these lists, or of both."""
    return {canonical(r.name): str(r.specifier)
            for name in lists or LISTS for r in map(Requirement, lines(name))}


def sources() -> dict[str, str]:
    """Python source of every module, test and notebook, by relative path."""
    found = {
        path: path.read_text(encoding="utf-8")
        for folder in ("helpers", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        codes = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        plain = [line for code in codes for line in code.splitlines()]
        found[path] = "\n".join(MAGIC.sub(r"\1pass", line) for line in plain)
    return {str(path.relative_to(ROOT)): text for path, text in found.items()}


def imported(text: str) -> set[str]:
    """Top-level names of all imports, also those inside functions; of code with syntax errors
    (a half-edited notebook) the test fails."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


def third_party() -> dict[str, str]:
    """{package imported somewhere: one place}."""
    own = {"helpers", "tests"} | set(sys.stdlib_module_names)
    return {
        canonical(INSTALLED_AS.get(name, name)): place
        for place, text in sources().items()
        for name in imported(text) - own - OPTIONAL
    }


def test_every_pin_is_exact_and_stands_once():
    names = [canonical(Requirement(line).name) for name in LISTS for line in lines(name)]
    assert len(names) == len(set(names)) > 20
    assert all(re.fullmatch(r"==\d[\w.]*", version) for version in pins().values())


@pytest.mark.parametrize("name", LISTS)
def test_each_group_is_sorted(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for group in text.split("\n\n"):
        names = [canonical(n.split("==")[0]) for n in group.splitlines() if n and n[0] != "#"]
        assert names == sorted(names)


def test_conda_has_the_same_pins():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert dependencies[:2] == ["python=3.11", "pip"]
    assert dependencies[2:] == [{"pip": [line for name in LISTS for line in lines(name)]}]


def test_colab_asks_for_no_more_than_is_pinned():
    for requirement in map(Requirement, lines("requirements-colab.txt")):
        name = canonical(requirement.name)
        assert all(s.operator == ">=" for s in requirement.specifier) and requirement.specifier
        assert requirement.specifier.contains(pins()[name].removeprefix("=="))
        assert name not in {"torch", "ipywidgets", "ipykernel", "ipython", "numpy", "pandas"}


def test_what_is_installed_is_what_is_pinned():
    for name, version in pins().items():
        if name == "torch":  # a local build such as 2.13.0+cpu is the same release
            assert metadata.version(name).split("+")[0] == version.removeprefix("==")
        else:
            assert f"=={metadata.version(name)}" == version, name


def test_every_import_is_pinned():
    missing = {name: place for name, place in third_party().items() if name not in pins()}
    assert all(place.startswith("tests/benchmarks/") and name in pins(*APART)
               for name, place in missing.items()), missing


def test_every_pin_is_used():
    unused = pins().keys() - third_party().keys() - NOT_IMPORTED - TEST_TOOLS
    assert not unused


def test_the_course_does_without_what_only_tests_need():
    """Modules and notebooks import nothing of requirements-test.txt."""
    course = {canonical(INSTALLED_AS.get(name, name))
              for place, text in sources().items() if not place.startswith("tests")
              for name in imported(text)}
    assert not course & pins("requirements-test.txt").keys()
    assert not pins("requirements-test.txt").keys() & pins("requirements.txt").keys()


def test_an_import_is_found_wherever_it_stands():
    text = "import a.b, c\ndef f():\n    from d.e import x\nfrom . import y\n"
    assert imported(text) == {"a", "c", "d"}


def test_python_and_pip_parse_the_project_file():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11"
    found = {str(p.parent.relative_to(ROOT)) for p in (ROOT / "helpers").rglob("*.py")}
    declared = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert declared == ["helpers*"] and all(name.startswith("helpers") for name in found)


class TestCommands:
    def make(self, *arguments):
        line = ["make", "--dry-run", "--always-make", *arguments]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    @pytest.mark.parametrize("target", ["course", "status", "ladder", "test", "lint", "clean",
                                        "fuzz", "mutants", "bench", "map", "types", "coverage",
                                        "playground"])
    def test_every_target_makes_its_environment_first(self, target):
        steps = self.make(target).splitlines()
        install = next(i for i, s in enumerate(steps) if "-r requirements.txt" in s)
        use = next(
            i
            for i, s in enumerate(steps)
            if s.lstrip().startswith("for ")
            or " -m " in s
            and "venv" not in s.split(" -m ")[1]
            and "pip" not in s.split(" -m ")[1]
        )
        assert install < use
        tested = target in ("test", "lint", "fuzz", "mutants", "bench", "types", "coverage")
        assert tested == any("-r requirements-test.txt" in step for step in steps[:use])

    def test_readme_names_targets_that_exist(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        targets = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
        rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {"course", "test", "ladder"} <= targets <= set(rules)

    def test_ci_runs_the_command_of_the_readme(self, tmp_path):
        (tmp_path / ".ci").mkdir()
        script = tmp_path / ".ci" / "run"
        script.write_text((ROOT / ".ci" / "run").read_text())
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        block = re.search(r"^<!-- test command -->\n```\w*\n(.*?)^```", readme, re.S | re.M)
        assert block and block[1].split()[:2] == ["make", "test"]
        line = ["bash", str(script)]
        for command, code in (("echo $CI; true", 0), ("false\necho after", 1)):
            blocks = f"<!-- test command -->\n```bash\n{command}\n```\n```\nx\n```\n"
            (tmp_path / "README.md").write_text(f"```bash\nfalse\n```\n{blocks}")
            done = subprocess.run(line, capture_output=True, text=True)
            assert done.returncode == code and "tests took 0 min 0" in done.stdout
            assert "after\n" not in done.stdout.replace(f"+ {command}\n", "")
        (tmp_path / "README.md").write_text("nothing marked")
        assert subprocess.run(line, capture_output=True).returncode == 1
