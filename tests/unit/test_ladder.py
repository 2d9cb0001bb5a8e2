"""The ladder's claims hold on a good scoreboard and fail on every bad one."""

import copy
import datetime
import json
from collections import Counter

import pytest

from helpers import rungs
from helpers.config import ROOT, ConfigError
from helpers.course import controlled, coverage, judged, ladder
from helpers.files import write_json

MEASURES = ("strict", "lenient", "greedy", "lenient_pass@8", "maj@8")


@pytest.fixture
def board():
    row = {"task": "gsm8k", "seed": 0, "pass@1": 0.5, "lenient_pass@1": 0.5, "greedy": 0.5,
           "pass@8": 0.8, "maj@8": None}
    return {
        "rows": [row | {"stage": stage} for stage in rungs.MODELS], "pooled": [],
        "judges": [{"task": "gsm8k", "seed": 0, "untrained": 0.79, "trained": 0.91,
                    "over_vote": {"difference": 0.29, "ci95": [0.21, 0.35]}}],
        "controls": [{"task": "gsm8k", "seed": 0, "better": better, "than": than,
                      "difference": 0.1, "ci95": [0.05, 0.15]}
                     for better, than in controlled.PAIRS],
        "coverages": [{"task": "gsm8k", "seed": 0, "problems": 768, "better": 0.8, "than": 0.7,
                       "gains": {part: {"difference": 0.2, "ci95": [0.15, 0.25]}
                                 for part in ("all", "with", "without")}}],
        "gains": [{"task": "gsm8k", "seed": 0, "better": better, "than": than, "at_best": at_best,
                   "part": part, "measure": measure, "difference": 0.3, "ci95": [0.25, 0.35]}
                  for better, than in rungs.COMPARISONS for at_best in (False, True)
                  for part in ("all", "with", "without") for measure in MEASURES],
    }


@pytest.fixture
def three(board):
    """The scoreboard of three seeds."""
    both = {part: copy.deepcopy(entries) for part, entries in board.items()}
    for part in ("rows", "gains", "judges", "controls", "coverages"):
        both[part] += [entry | {"seed": seed} for seed in (1, 2)
                       for entry in copy.deepcopy(board[part])]
    both["pooled"] = [{key: value for key, value in gain.items() if key != "seed"}
                      | {"seeds": [0, 1, 2]} for gain in copy.deepcopy(board["gains"])]
    return both


OF_EACH = [claim for claim in ladder.CLAIMS if not claim.gain.pooled]


def gain_of(board, better, than, measure, at_best=False, part="all", among="gains"):
    [found] = [gain for gain in board[among] if (
        gain["better"], gain["than"], gain["measure"], gain["at_best"], gain["part"]) == (
        better, than, measure, at_best, part)]
    return found


def failures(board):
    return [row["claim"] for row in ladder.check(board) if not row["holds"]]


def test_a_good_ladder_holds(board):
    rows = ladder.check(board)
    assert [row["claim"] for row in rows] == [str(claim) for claim in OF_EACH] == [
        "sft > base (strict)", "sft > base (strict, best settings)",
        "dpo > sft (strict)", "dpo > sft (greedy)",
        "ppo > sft (strict)", "ppo > sft (lenient)", "ppo > sft (greedy) by 8 points or more",
        "grpo > sft (strict) by 10 points or more", "grpo > sft (lenient)",
        "grpo > sft (greedy) by 12 points or more",
        "grpo > sft (greedy, without demonstrations) by 25 points or more",
        "grpo > sft (strict, best settings) by 10 points or more",
        "grpo > sft (lenient, best settings) by 8 points or more",
        "grpo > sft (lenient_pass@8)",
        "grpo > sft (lenient_pass@8, without demonstrations)",
        "grpo > sft (maj@8) by 5 points or more",
        "grpo > sft (maj@8, without demonstrations) by 15 points or more",
        "rft > sft (strict)", "rloo > sft (strict)", "rloo > sft (greedy)"]
    assert all(row["holds"] for row in rows)
    assert "FAILED" not in ladder.report(rows)


def entry_of(board, claim):
    gain = claim.gain
    return gain_of(board, claim.better, claim.than, gain.measure, gain.at_best, gain.part)


def test_of_several_seeds_what_they_say_together_is_claimed_as_well(three):
    rows = ladder.check(three)
    together = [row["claim"] for row in rows if row["seed"] == "all"]
    assert together == [str(claim) for claim in ladder.CLAIMS]
    assert len(rows) == 3 * len(OF_EACH) + len(ladder.CLAIMS) and not failures(three)
    assert "held    gsm8k, all seeds" in ladder.report(rows)


@pytest.mark.parametrize("claim", [one for one in ladder.CLAIMS if one.gain.points < 0], ids=str)
def test_no_loss_is_claimed_of_all_seeds_together_and_can_fail(three, claim):
    entry = gain_of(three, claim.better, claim.than, claim.gain.measure, claim.gain.at_best,
                    claim.gain.part, "pooled")
    entry.update(difference=-0.02, ci95=[-0.049, 0.01])
    assert not failures(three)
    entry.update(difference=-0.02, ci95=[-0.051, 0.01])
    assert failures(three) == [str(claim)]
    assert "loses no 5 points" in str(claim) and "seeds together" in str(claim)


@pytest.mark.parametrize("claim", OF_EACH, ids=str)
def test_an_interval_that_reaches_zero_fails_its_claim_alone(board, claim):
    entry_of(board, claim).update(difference=0.3, ci95=[-0.01, 0.6])
    assert failures(board) == [str(claim)]


@pytest.mark.parametrize("claim", [one for one in OF_EACH if one.gain.points], ids=str)
def test_a_sure_but_small_gain_fails_where_more_is_claimed(board, claim):
    entry_of(board, claim).update(difference=claim.gain.points - 0.01, ci95=[0.01, 0.4])
    assert failures(board) == [str(claim)]


def test_what_is_not_claimed_may_fail(board):
    """A gain of reliability is one that a temperature gives, too: said, and not claimed."""
    gain_of(board, "ppo", "sft", "strict", at_best=True)["ci95"] = [-0.2, -0.1]
    gain_of(board, "grpo", "sft", "greedy", part="with")["ci95"] = [-0.2, -0.1]
    assert not failures(board)


def test_what_was_not_measured_does_not_hold(board):
    board["gains"].remove(gain_of(board, "sft", "base", "strict"))
    rows = ladder.check(board)
    assert [row["holds"] for row in rows].count(False) == 1
    assert "not measured" in ladder.report(rows)


def test_of_another_task_only_tuning_is_claimed(board):
    for part in ("rows", "gains"):
        board[part] = [one | {"task": "countdown"} for one in board[part]]
    [row] = ladder.check(board)
    assert row["claim"] == "sft > base (strict)" and row["holds"]
    gain_of(board, "sft", "base", "strict")["ci95"] = [-0.01, 0.4]
    assert [row["holds"] for row in ladder.check(board)] == [False]


def test_every_run_is_checked(three):
    [second] = [gain for gain in three["gains"] if gain["seed"] == 1 and (
        gain["better"], gain["measure"], gain["at_best"], gain["part"]) == (
        "grpo", "greedy", False, "all")]
    second["ci95"] = [-0.1, 0.1]
    failed = [row for row in ladder.check(three) if not row["holds"]]
    assert [row["seed"] for row in failed] == [1]
    assert {row[2] for row in ladder.spread(three["rows"])} == {3}


@pytest.fixture
def place(tmp_path):
    """Where a record goes, and a README with room for it."""
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n<!-- ladder:begin -->\nbefore\n<!-- ladder:end -->\nrest\n")
    return tmp_path / "ladder.json", readme


def test_seeds_are_recorded_and_stand_in_the_readme(three, place):
    for row in three["rows"]:
        row |= {"greedy": 0.5 + 0.02 * row["seed"], "n": 512, "samples": 8}
    gain_of(three, "sft", "base", "strict", among="pooled")["ci95"] = [-0.01, 0.35]
    ladder.record(three | {"run_id": "abc"}, *place)
    text = place[1].read_text()
    assert "before" not in text and text.endswith("rest\n")
    assert "Seeds 0, 1, 2; 512 problems x 8 samples" in text and "52.0 ± 2.0" in text

    def line(claim):
        [found] = [line for line in text.splitlines() if line.startswith(f"| {claim} ")]
        return [cell.strip() for cell in found.strip("|").split("|")]

    assert line("sft > base (strict)")[-2:] == ["+30.0 [-1.0, 35.0]", "no"]
    for claim in ladder.CLAIMS:
        if claim.gain.pooled:
            assert line(str(claim))[1:] == ["+30.0"] * 3 + ["+30.0 [25.0, 35.0]", "yes"]
    assert ladder.table(json.loads(place[0].read_text())) in text


def test_what_cannot_be_recorded_is_said_and_changes_nothing(three, place):
    three |= {"run_id": "abc"}
    for row in three["rows"]:
        row |= {"n": 512, "samples": 8}
    for wrong in (three | {"pooled": []}, three):
        with pytest.raises(ladder.ArtifactError, match="make ladder|ladder:begin"):
            ladder.record(wrong, *place)
        assert not place[0].exists()
        place[1].write_text("# No room\n")


def test_a_claim_of_a_model_that_is_not_there_is_recorded_as_not_measured(three, place):
    three["pooled"] = [gain for gain in three["pooled"] if gain["better"] != "dpo"]
    for row in three["rows"]:
        row |= {"n": 512, "samples": 8}
    ladder.record(three | {"run_id": "abc"}, *place)
    [line] = [line for line in place[1].read_text().splitlines() if "dpo > sft (strict)" in line]
    assert "not measured" in line and line.rstrip("| ").endswith("no")


def test_a_claim_of_a_model_that_no_run_has_waits(three, place):
    for part in ("gains", "pooled"):
        three[part] = [gain for gain in three[part] if gain["better"] != "rloo"]
    three["rows"] = [row | {"n": 512, "samples": 8} for row in three["rows"]
                     if row["stage"] != "rloo"]
    ladder.record(three | {"run_id": "abc"}, *place)
    [line] = [line for line in place[1].read_text().splitlines() if "rloo > sft (greedy)" in line]
    assert "not measured" in line and line.rstrip("| ").endswith("–")


def test_one_seed_is_not_recorded(board, tmp_path):
    with pytest.raises(ladder.ArtifactError, match="make ladder"):
        ladder.record(board | {"run_id": "abc"}, tmp_path / "ladder.json", tmp_path / "README.md")
    assert not (tmp_path / "ladder.json").exists()


def test_what_is_wrong_with_a_seed_is_said_before_anything_runs(monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(ladder.runner, "run", lambda course, only: ran.append(course.seed))
    for wrong in (["0", "dte"], ["0", "²"], ["0", "9" * 40]):
        assert ladder.main(["run", "--seeds", *wrong]) == 1
        assert "error: " in capsys.readouterr().err and not ran
    for wrong in (["--task", "algebra"], ["--preset", "big"]):
        for command in ("run", "check", "record"):
            assert ladder.main([command, *wrong]) == 1
            assert wrong[1] in capsys.readouterr().err and not ran
    monkeypatch.setattr(ladder.scoreboard, "build", lambda preset: {
        "rows": [], "gains": [], "pooled": [], "judges": [], "controls": [], "coverages": []})
    drawn = []
    monkeypatch.setattr(coverage, "measure", lambda course: drawn.append(course.seed))
    ladder.main(["run", "--seeds", "3", "3", "1"])
    assert ran == drawn == [3, 1]


def test_seeds(monkeypatch):
    assert ladder.seed_of("7") == 7
    assert ladder.seed_of("date") == int(datetime.date.today().strftime("%Y%m%d"))
    with pytest.raises(ConfigError, match="'seven'.*number"):
        ladder.seed_of("seven")


@pytest.mark.parametrize(("changed", "expected"), [
    ({}, True), ({"trained": 0.80}, False), ({"untrained": 0.85, "trained": 0.92}, False),
    ({"untrained": 0.85, "trained": 0.93}, True), ({"untrained": 0.5, "trained": 0.74}, False),
    ({"over_vote": None}, False), ({"over_vote": {"difference": 0.1, "ci95": [-0.01, 0.2]}}, False),
])
def test_what_is_claimed_of_the_judge_can_fail(board, changed, expected):
    judge = board["judges"][0] | changed
    assert judged.holds(judge) is expected
    assert judged.table([judge]).rstrip("| ").endswith("yes" if expected else "no")
    assert judged.failed([judge], [("gsm8k", 0)]) == ([] if expected else [
        "FAILED  gsm8k-s0  reward model: see its table below"])


def test_a_judge_is_read_from_its_run(tmp_path):
    assert judged.measured(tmp_path) is None
    for stage, metrics in (
        ("reward", {"pair_accuracies": {
            name: {"held-out": {"accuracy": value}} for name, value in
            (("head", 0.7), ("likelihood, untrained", 0.79), ("likelihood", 0.91))}}),
        ("evaluation", {"judged_over_vote": {
            "without": {"problems": 9, "difference": 0.29, "ci95": [0.2, 0.3]}}}),
    ):
        write_json(tmp_path / stage / "metrics.json", metrics)
    assert judged.measured(tmp_path) == {
        "untrained": 0.79, "trained": 0.91,
        "over_vote": {"difference": 0.29, "ci95": [0.2, 0.3]}}


def run_of_a2(folder, tests):
    write_json(folder / "rft" / "metrics.json", {"tests": [
        {"better": better, "than": than, "difference": 0.1, "ci95": [0.05, 0.15], "problems": 4}
        for better, than in tests]})
    shares = {"sft": 2, "rft": 3, controlled.RIGHT: 3, controlled.ANY: 2}
    for name, file in controlled.FILES.items():
        rows = [{"id": str(one), "strict": [place < shares[name] + one % 2 for place in range(8)],
                 "lenient": [True] * 8, "greedy": {"strict": True, "lenient": True},
                 "answer": "5", "completions": ["#### 5"] * 8} for one in range(40)]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / "rft" / f"{file}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def test_the_controls_are_read_from_their_runs_and_taken_together(tmp_path):
    whole = [("gsm8k", seed, run_of_a2(tmp_path / str(seed), controlled.PAIRS))
             for seed in (0, 1, 2)]
    assert controlled.controls([("gsm8k", 7, tmp_path / "nothing")]) == []
    assert controlled.measured(run_of_a2(tmp_path / "less", controlled.PAIRS[:2])) == []
    assert {one["seed"] for one in controlled.controls(whole[:2])} == {0, 1}
    found = controlled.controls(whole)
    assert [one["seed"] for one in found] == [0] * 4 + [1] * 4 + [2] * 4 + ["all"] * 4
    together = {(one["better"], one["than"]): one for one in found[-4:]}
    assert together["rft", "sft"]["difference"] == pytest.approx(1 / 8)
    assert together["rft", controlled.ANY]["ci95"][0] > 0
    assert together["rft", controlled.RIGHT]["difference"] == 0
    assert controlled.table(found).count("yes") == 4


@pytest.mark.parametrize(("pair", "bounds", "seed", "expected"), [
    (("rft", "sft"), [0.01, 0.2], 0, True), (("rft", "sft"), [-0.01, 0.2], 0, False),
    (("rft", controlled.ANY), [0.01, 0.2], 0, True),
    (("rft", controlled.ANY), [-0.01, 0.2], 0, False),
    (("rft", controlled.RIGHT), [-0.2, -0.1], "all", True),  # shown, not claimed
    ((controlled.ANY, "sft"), [-0.1, 0.1], "all", True),
    ((controlled.ANY, "sft"), [0.01, 0.1], "all", False),
    ((controlled.ANY, "sft"), [0.01, 0.1], 0, True),  # of one run it may be chance
])
def test_what_is_claimed_of_the_controls_can_fail(pair, bounds, seed, expected):
    test = {"task": "gsm8k", "seed": seed, "better": pair[0], "than": pair[1], "ci95": bounds,
            "difference": sum(bounds) / 2}
    assert controlled.holds(test) is expected
    assert len(controlled.failed([test])) == (not expected)
    others = [test | {"better": better, "than": than,
                      "ci95": [-0.1, 0.1] if better == controlled.ANY else [0.01, 0.2]}
              for better, than in controlled.PAIRS if (better, than) != pair]
    table = controlled.table([test, *others]).rstrip("| ")
    assert table.endswith("yes" if expected else "no")


def test_the_readme_shows_what_was_recorded():
    recorded = json.loads(ladder.RECORD.read_text(encoding="utf-8"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- ladder:begin -->")[1].split("<!-- ladder:end -->")[0].strip()
    assert block == ladder.table(recorded)
    seeds = Counter(row["stage"] for row in recorded["rows"])
    assert min(seeds.values()) >= 3 and {*rungs.BASES, "sft", "grpo"} <= seeds.keys()


def test_a_claim_that_came_after_the_record_is_shown_as_not_measured():
    recorded = json.loads(ladder.RECORD.read_text(encoding="utf-8"))
    less = recorded | {"claims": [row for row in recorded["claims"]
                                  if not row["claim"].startswith("dpo")]}
    [line, _] = [line for line in ladder.table(less).splitlines() if line.startswith("| dpo >")]
    assert "not measured" in line and line.rstrip(" |").endswith("–")
