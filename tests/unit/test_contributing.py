"""What CONTRIBUTING and CHANGELOG say is there, is there; the hooks of a commit do their work."""

import ast
import json
import re
import shutil
import subprocess

import nbformat
import pytest
import yaml

from helpers.config import ROOT
from tests import hooks

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
QUESTIONS = re.search(r"## Where is …\?\n(.*?)\n## ", CONTRIBUTING, re.S)[1]


def names_in(source: str) -> dict[str, ast.AST | None]:
    """What a body of code defines or imports, by name."""
    found = {}
    for node in source if isinstance(source, list) else ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                found[name.id] = None
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: None for alias in node.names}
    return found


def exists(dotted: str) -> bool:
    """Whether helpers.a.b.Name.part is a module or stands in one; read, not imported."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                inside = names_in(path.read_text(encoding="utf-8"))
                for part in parts[count:]:
                    if part not in inside:
                        return False
                    node = inside[part]
                    inside = names_in(node.body) if isinstance(node, ast.ClassDef) else {}
                return True
    return False


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:helpers|tests)\.[\w.]+)`",
                                                       CONTRIBUTING))))
def test_every_name_in_contributing_is_there(name):
    assert exists(name)


def test_a_name_that_is_not_there_is_found():
    assert exists("helpers.config.Course.fingerprint") and exists("helpers.rewards")
    for wrong in ("helpers.config.Curse", "helpers.config.Course.finger", "helpers.nothing.x"):
        assert not exists(wrong)


@pytest.mark.parametrize("asked, answer", [
    ("a reward paid", "helpers.rewards"), ("PPO's clip", "helpers.losses"),
    ("declared stale", "helpers.course"), ("colours set", "helpers.plots.style"),
])
def test_a_newcomer_finds_what_is_asked_most(asked, answer):
    [line] = [line for line in QUESTIONS.splitlines() if asked in line]
    assert f"`{answer}" in line


def test_its_commands_links_and_paths_are_there():
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING + CHANGELOG)) <= {*rules, "quick"}
    for target in re.findall(r"\]\(([^)\s]+)\)", CONTRIBUTING):
        assert target.startswith("http") or (ROOT / target).exists(), target
    for path in re.findall(r"`((?:helpers|tests|notebooks)/[\w/.]+)`", CONTRIBUTING + CHANGELOG):
        assert "NAME" in path or "NN_" in path or (ROOT / path).exists(), path


def test_the_changelog_says_where_each_module_went():
    rows = re.findall(r"^ *\| `(helpers\.[\w.]+)` \| `(helpers\.[\w.]+)` \|$", CHANGELOG, re.M)
    assert len(rows) > 30
    for before, now in rows:
        assert exists(now), now
        assert before != now and not (ROOT / (before.replace(".", "/") + ".py")).exists()


def test_hooks_are_local_and_run_what_is_pinned():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    [repository] = config["repos"]
    assert repository["repo"] == "local"  # nothing is fetched for a commit
    assert [hook["id"] for hook in repository["hooks"]] == ["ruff", "format", "notebooks"]
    for hook in repository["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/python -m ")


def test_the_notebook_hook_takes_out_noise_and_nothing_else(tmp_path):
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):
        path = tmp_path / source.name
        shutil.copy(source, path)
        assert not hooks.clean_notebook(path) and path.read_bytes() == source.read_bytes()
    notebook = json.loads(source.read_text(encoding="utf-8"))
    clean = json.loads(json.dumps(notebook))
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["execution_count"] = 3
    code["outputs"].insert(0, nbformat.v4.new_output("stream", name="stderr", text="50 %"))
    code["metadata"]["execution"] = {"iopub.execute_input": "today"}
    notebook["metadata"]["widgets"] = {"state": {}}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert hooks.main(["notebooks", str(path)]) == 1
    assert json.loads(path.read_text(encoding="utf-8")) == clean
    assert hooks.main(["notebooks", str(path)]) == 0


def test_the_format_hook_leaves_what_was_set_by_hand(tmp_path):
    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True)

    texts = {"by_hand.py": "x = [1,  2]\n", "formatted.py": "x = [1, 2]\n"}
    git("init", "-q")
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    git("add", ".")
    git("commit", "-qm", "first")
    for name in (*texts, "new.py"):
        (tmp_path / name).write_text("y = [1,  2]\n")
    changed = {name: hooks.format_file(tmp_path / name) for name in (*texts, "new.py")}
    assert changed == {"by_hand.py": False, "formatted.py": True, "new.py": True}
    assert (tmp_path / "new.py").read_text() == "y = [1, 2]\n"
