"""What all tests share: artifacts in a temporary place, one thread, and the real data if there."""

import os
import sys
from pathlib import Path

import pytest

pytest_plugins = ["tests.guards", "tests.full_course", "pytester"]

# What `helpers.course` does for its own processes, before any test imports nbformat.
sys.modules.setdefault("rfc3987_syntax", None)
# One thread a process: with several processes on few cores more threads are many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A kernel that a test starts finds `helpers` as a student's does, or not at all.
os.environ.pop("PYTHONPATH", None)


# With two workers the order decides how long they wait: each takes its next file when it has less
# than three tests left. The first file runs the whole course. Beside it the other worker has those
# that need of it the supervised model at most, which is there after minutes. Then come the control
# that needs the course finished, for the worker that has run it, and what is left, from the long
# files to the many small ones, which keep both busy.
FIRST = ["faults/test_kill.py", "hub/test_hub.py", "hub/test_hub_sets.py",
         "faults/test_ppo_processes.py", "notebooks/test_tasks.py", "notebooks/test_recipes.py",
         "notebooks/test_controls_alone.py", "notebooks/test_controls.py",
         "notebooks/test_real_input.py", "unit/test_course.py", "unit/test_verify_fuzz.py",
         "notebooks/test_course.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        name = f"{item.path.parent.name}/{item.path.name}"
        return FIRST.index(name) if name in FIRST else len(FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def REAL_DATA() -> Path:  # noqa: N802 - a constant of the machine, named like one
    """Folder of real records (not part of the project); the test is skipped without it."""
    from tests import guards  # here, so that pytest loads the plugin first

    folder = guards.real_data_folder()
    if not folder.is_dir():
        pytest.skip(guards.NO_REAL_DATA)
    return folder


@pytest.fixture(autouse=True)
def artifacts_elsewhere(request, tmp_path_factory, monkeypatch):
    """Unit tests write no artifact into the project."""
    if "unit" in Path(request.path).parts:
        monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))


@pytest.fixture(autouse=True)
def threads(request):
    """One torch thread in a test, or `@pytest.mark.threads(n)`; only if torch is loaded."""
    marker = request.node.get_closest_marker("threads")
    torch = sys.modules.get("torch")
    if torch is None and marker:
        import torch
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(marker.args[0] if marker else 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def gpu():
    """Skips the test where there is no CUDA device."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device("cuda")
