"""A pytest plugin: in CI no test may be skipped in silence.

With CI=true the session fails when a test was skipped for a reason that is not on the list
below. A missing GPU is what these machines are like, and so is a GPU without vLLM; an absent
browser (`make test` installs one where it may), absent real data, or the file of reference values
beside it, is accepted only while it really is absent, so that a mistake in the fixture cannot hide
behind the words.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from helpers.config import ROOT

NO_GPU = "no GPU"
NO_VLLM = "vllm not installed"
NO_REAL_DATA = "real data absent"
NO_REFERENCE = "reference values absent"
NO_CHROMIUM = "no Chromium: make chromium"
NO_OLD_WIDGETS = "no old ipywidgets: make .venv-old/ready"  # accepted nowhere in CI


def real_data_folder() -> Path:
    """COURSE_REAL_DATA, or the folder shared/data beside the project."""
    return Path(os.environ.get("COURSE_REAL_DATA") or ROOT.parent / "shared" / "data")


def chromium() -> str | None:
    """The browser that tests drive, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def old_widgets() -> Path | None:
    """The folder with Colab's ipywidgets and ipykernel, if it is there and whole."""
    folder = ROOT / ".venv-old"
    return folder if (folder / "ready").is_file() else None


def ppo_reference_file() -> Path:
    """Numbers of TRL's last PPO trainer; not part of the project, in a folder beside the data."""
    return real_data_folder().parent / "reference" / "ppo_golden.json"


def allowed(reason: str) -> bool:
    """Whether a test may be skipped in CI for this reason."""
    if reason == NO_REAL_DATA:
        return not real_data_folder().is_dir()
    if reason == NO_REFERENCE:
        return not ppo_reference_file().is_file()
    if reason == NO_CHROMIUM:
        return chromium() is None
    if reason == NO_VLLM:
        return importlib.util.find_spec("vllm") is None
    if reason == NO_GPU:
        import torch

        return not torch.cuda.is_available()
    return False


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = []
    config.pluginmanager.register(_Watcher(config), "skip-guard")


SKIPPED = pytest.StashKey[list]()


class _Watcher:
    def __init__(self, config: pytest.Config):
        self.config = config

    def _note(self, report) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            where, reason = report.nodeid, report.longrepr[2].removeprefix("Skipped: ")
            if not allowed(reason):
                self.config.stash[SKIPPED].append(f"{where}: {reason}")

    def pytest_runtest_logreport(self, report) -> None:
        self._note(report)

    def pytest_collectreport(self, report) -> None:
        self._note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        skipped = self.config.stash[SKIPPED]
        if os.environ.get("CI") == "true" and skipped and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if os.environ.get("CI") == "true":
            for line in self.config.stash[SKIPPED]:
                terminalreporter.write_line(f"not allowed in CI, skipped: {line}", red=True)
