"""The benchmark of GRPO: the same work on all sides, ratios within a turn."""

import io
import sys

import pytest

from helpers.config import ROOT
from tests.benchmarks import grpo, grpo_worker


def run_of(seconds, **changes):
    return {"batch": 8, "steps": 3, "seed": 0, "threads": 1, "seconds": seconds,
            "cpu_seconds": [one / 2 for one in seconds], "peak_bytes": 10**9,
            "kinds": {"sampling": 1.0, "learning": 3.0}, "reward": [0.2, 0.4, 0.6],
            "tokens": [30.0, 40.0, 50.0]} | changes


def test_ratios_are_taken_within_a_turn():
    """A machine that was busy in the second turn was so for both."""
    table = grpo.compare({"ours": run_of([1.0, 9.0, 1.0]), "trl": run_of([3.0, 18.0, 2.0]),
                          "trl_plain": run_of([4.0, 36.0, 5.0])})
    assert table["ours"]["ours_is_faster"] == 1
    assert table["trl"]["ours_is_faster"] == table["trl"]["ours_is_faster_cpu"] == 2
    assert table["trl_plain"]["ours_is_faster"] == 4
    assert table["trl"]["reward"] == pytest.approx(0.4) and table["trl"]["tokens"] == 40
    assert table["ours"]["shares"] == {"sampling": 0.25, "learning": 0.75}
    assert "2.00x" in grpo.report(1, table)


def test_other_work_is_no_comparison(monkeypatch):
    monkeypatch.setattr(grpo, "Side", lambda *args: args)
    monkeypatch.setattr(grpo, "in_turn", lambda sides, steps: {
        name: run_of([1.0], batch=8 + len(name)) for name in sides})
    with pytest.raises(SystemExit, match="not the same work: batch"):
        grpo.measure(1, 1, ROOT)


@pytest.mark.parametrize("side", ["ours", "trl"])
def test_a_worker_tells_what_its_steps_cost(monkeypatch, capsys, side):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n" * 9))
    found = grpo_worker.measure(side, str(ROOT / "data/tiny/base"), steps=1, prompts_per_step=2,
                                num_generations=2)
    assert capsys.readouterr().out.count("ready") == 3
    assert len(found["seconds"]) == len(found["cpu_seconds"]) == len(found["reward"]) == 1
    assert found["batch"] == 4 and found["seconds"][0] > 0 and found["tokens"][0] > 0
    assert {"sampling", "rewards"} < found["kinds"].keys()
    assert all(seconds >= -0.01 for seconds in found["kinds"].values())
