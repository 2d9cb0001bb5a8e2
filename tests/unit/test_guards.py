"""The guard against silent skips: what it lets through and what ends a CI run red."""

import pytest
import torch

from tests import guards

SKIPPING = "import pytest\ndef test_it():\n    pytest.skip({reason!r})\ndef test_more(): pass\n"


@pytest.fixture
def session(pytester, monkeypatch):
    """Runs a test file in a pytest of its own, in this process, with the guard loaded."""

    def run(source, ci="true"):
        monkeypatch.setenv("CI", ci)
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess("-p", "tests.guards", "-p", "no:cacheprovider")

    return run


def test_a_skip_fails_the_session_in_ci(session):
    result = session(SKIPPING.format(reason="network is slow"))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["not allowed in CI, skipped: *test_it: network is slow"])


def test_the_same_skip_passes_elsewhere(session):
    assert session(SKIPPING.format(reason="network is slow"), ci="").ret == 0


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\npytest.skip('why not', allow_module_level=True)",
        "import pytest\npytest.importorskip('there_is_no_such_package')",
        "import pytest\n@pytest.mark.skip(reason='later')\ndef test_it(): pass",
        "import pytest\n@pytest.mark.skipif(True, reason='later')\ndef test_it(): pass",
        "import pytest\n@pytest.fixture\ndef f(): pytest.skip('later')\ndef test_it(f): pass",
    ],
)
def test_every_way_to_skip_is_seen(session, source):
    # A session without a single test has an exit code of its own, which is not 0 either.
    assert session(source).ret not in (0, None)
    assert session(source + "\ndef test_more(): pass").ret != 0


def test_an_expected_failure_is_no_skip(session):
    source = "import pytest\n@pytest.mark.xfail\ndef test_it(): assert False"
    assert session(source).ret == 0


def test_a_gpu_may_be_absent_but_not_overlooked(session, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert session(SKIPPING.format(reason=guards.NO_GPU)).ret == 0
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert session(SKIPPING.format(reason=guards.NO_GPU)).ret != 0


def test_real_data_may_be_absent_but_not_overlooked(session, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_REAL_DATA", str(tmp_path / "nothing"))
    assert session(SKIPPING.format(reason=guards.NO_REAL_DATA)).ret == 0
    monkeypatch.setenv("COURSE_REAL_DATA", str(tmp_path))
    assert session(SKIPPING.format(reason=guards.NO_REAL_DATA)).ret != 0


def test_reference_values_may_be_absent_but_not_overlooked(session, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_REAL_DATA", str(tmp_path / "data"))
    assert session(SKIPPING.format(reason=guards.NO_REFERENCE)).ret == 0
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "ppo_golden.json").write_text("{}")
    assert session(SKIPPING.format(reason=guards.NO_REFERENCE)).ret != 0


def test_a_browser_may_be_absent_but_not_overlooked(session, monkeypatch):
    monkeypatch.setattr(guards, "chromium", lambda: None)
    assert session(SKIPPING.format(reason=guards.NO_CHROMIUM)).ret == 0
    monkeypatch.setattr(guards, "chromium", lambda: "/usr/bin/chromium")
    assert session(SKIPPING.format(reason=guards.NO_CHROMIUM)).ret != 0


def test_the_old_widgets_may_not_be_absent_in_ci(session, monkeypatch):
    monkeypatch.setattr(guards, "old_widgets", lambda: None)
    assert session(SKIPPING.format(reason=guards.NO_OLD_WIDGETS)).ret != 0


def test_a_failure_stays_a_failure(session):
    assert session("def test_it(): assert False", ci="").ret == pytest.ExitCode.TESTS_FAILED


def test_one_thread_unless_told():
    assert torch.get_num_threads() == 1


@pytest.mark.threads(2)
def test_two_threads_where_told():
    assert torch.get_num_threads() == 2


def test_artifacts_go_elsewhere():
    from helpers.config import ROOT, artifacts_root

    assert ROOT not in artifacts_root().parents
