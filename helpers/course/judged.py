"""What the course claims of its judge, the reward model of notebook 04, checked in every run.

It must put the right answer of a held-out pair first in three quarters of them, and training must
have been worth it: ten points more than the untrained judge, or half of its errors gone. And on the
kinds of problem that no worked solution shows, the best of eight answers by it must be right more
often than their vote.
"""

from collections.abc import Sequence
from pathlib import Path

from helpers.course.tables import interval, markdown, share
from helpers.files import read_json

ACCURACY, GAIN, ERRORS_GONE = 0.75, 0.10, 0.5
UNTRAINED, TRAINED = "likelihood, untrained", "likelihood"
HEADS = ["task", "seed", "held-out pairs, untrained", "trained",
         "best of 8 over a vote, points, without demonstrations", "holds"]


def measured(run: Path) -> dict | None:
    """{"untrained", "trained": accuracy on held-out pairs, "over_vote": {"difference", "ci95"} or
    None} of a run's folder; None if it has no judge that was trained."""
    path = run / "reward" / "metrics.json"
    accuracies = read_json(path).get("pair_accuracies", {}) if path.exists() else {}
    if not {UNTRAINED, TRAINED} <= accuracies.keys():
        return None
    path = run / "evaluation" / "metrics.json"
    exam = read_json(path).get("judged_over_vote", {}) if path.exists() else {}
    over = exam.get("without")
    return {"untrained": accuracies[UNTRAINED]["held-out"]["accuracy"],
            "trained": accuracies[TRAINED]["held-out"]["accuracy"],
            "over_vote": over and {key: over[key] for key in ("difference", "ci95")}}


def holds(judge: dict) -> bool:
    """Whether all three claims hold; what was not measured does not."""
    before, after = judge["untrained"], judge["trained"]
    worth = after - before >= GAIN or 1 - after <= (1 - ERRORS_GONE) * (1 - before)
    over = judge["over_vote"]
    return after >= ACCURACY and worth and over is not None and over["ci95"][0] > 0


def failed(judges: Sequence[dict], runs: Sequence[tuple[str, int]]) -> list[str]:
    """A line for each of these runs, (task, seed), whose judge does not hold or was not measured;
    a run without a judge shows nothing of it."""
    found = {(judge["task"], judge["seed"]): holds(judge) for judge in judges}
    return [f"FAILED  {task}-s{seed}  reward model: "
            + ("see its table below" if (task, seed) in found else "not measured")
            for task, seed in runs if not found.get((task, seed))]


def table(judges: Sequence[dict]) -> str:
    """One row a run, in markdown; empty without judges. judges: `measured`, task and seed."""
    return markdown(HEADS, [[
        judge["task"], judge["seed"], share(judge["untrained"]), share(judge["trained"]),
        f"{100 * judge['over_vote']['difference']:+.1f} {interval(judge['over_vote']['ci95'])}"
        if judge["over_vote"] else "not measured",
        "yes" if holds(judge) else "no"] for judge in judges])
