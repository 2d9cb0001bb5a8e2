"""The course at tiny scale, from empty artifacts, offline: every notebook runs and every rung
learns. The claims are those of `helpers.course.ladder`, checked on what the run left behind."""

import json

import pytest

from helpers import rungs
from helpers.audit import real_data
from helpers.config import ROOT, Course
from helpers.course import ladder, scoreboard
from helpers.data import FAMILIES, load_problems
from helpers.evaluate import compare
from helpers.verify import grade
from helpers.verify.symbolic import ASLEEP, DEADLINE
from tests import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4800)]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
STAGES = {"start_here", "explore_the_data", "verify_and_reward", "pairs", "reward", "evaluation",
          "tiny_base", *rungs.NAMES}


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 10


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_notebook_was_executed(run_folder, name):
    executed = json.loads((run_folder / "notebooks" / f"{name}.ipynb").read_text())
    source = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    code = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= sum(cell["cell_type"] == "code" for cell in source["cells"])
    assert all(cell["execution_count"] for cell in code if "".join(cell["source"]).strip())
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs), "no figure"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_warning_spills_into_a_notebook(run_folder, name):
    executed = json.loads((run_folder / "notebooks" / f"{name}.ipynb").read_text())
    loud = ["".join(output["text"]) for cell in executed["cells"]
            for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert not loud, loud[0][:500]


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_every_stage_left_a_manifest_and_metrics(run_folder, stage):
    manifest = runs.read(run_folder / stage / "manifest.json")
    assert manifest["stage"] == stage and manifest["seed"] == 0
    assert {"run_id", "fingerprint", "settings", "versions", "hardware", "minutes"} <= set(manifest)
    assert "metrics.json" in manifest["files"]
    assert runs.read(run_folder / stage / "metrics.json")


def test_the_git_tree_stays_as_it_was(course):
    assert course["after"] == course["before"]


def test_the_ladder_holds(board):
    rows = ladder.check(board)
    shown = {str(claim) for claim in ladder.CLAIMS if claim.gain.measure == "lenient_pass@8"
             and not claim.gain.pooled}
    assert len(shown) == 2  # by how much is for the whole sizes: here a gain must be sure
    failed = [row for row in rows if not row["holds"] and not (
        row["claim"] in shown and row["ci95"] and row["ci95"][0] > 0)]
    of_each = [claim for claim in ladder.CLAIMS if not claim.gain.pooled]
    assert len(rows) == len(of_each) and not failed, ladder.report(rows)


def test_the_scoreboard_has_its_shape(course, board):
    assert {"run_id", "rows", "tests", "minutes", "peak_memory_gb"} <= set(board)
    assert tuple(row["stage"] for row in board["rows"]) == rungs.MODELS
    measured = {"task", "stage", "pass@1", "pass@1_ci95", "lenient_pass@1", "greedy", "pass@5",
                "pass@8", "maj@8", "n", "samples"}
    assert all(measured <= set(row) for row in board["rows"])
    assert all({"best_setting", "best_pass@1", "best_pass@1_ci95", "best_lenient_pass@1",
                "answers_drawn"} <= set(row) for row in board["rows"])
    compared = {"task", "better", "than", "difference", "ci95", "p"}
    assert all(compared <= set(test) for test in board["tests"] + board["tests_at_best"])
    assert len(board["tests_at_best"]) == len(board["tests"]) == 2 * len(rungs.COMPARISONS)
    assert scoreboard.table(board) in course["printed"]
    print(f"\n{scoreboard.table(board)}")


@pytest.mark.parametrize("stage", rungs.MODELS)
def test_the_scoreboard_follows_from_the_samples(run_folder, board, stage):
    """Graded again from the texts, and averaged here by hand. What was cut at the limit is never
    strictly right."""
    rows = runs.read(run_folder / "evaluation" / f"samples_{stage}.jsonl")
    course = Course.load(overrides=runs.SHORTER)
    problems = {problem.id: problem for problem in load_problems(course, "test")}
    shown = next(row for row in board["rows"] if row["stage"] == stage)
    assert len(rows) == shown["n"] == len(problems)
    strict = [[not cut and grade(text, problems[row["id"]].answer, "hash", "strict")
               for text, cut in zip(row["completions"], row["truncated"], strict=True)]
              for row in rows]
    lenient = [[grade(text, problems[row["id"]].answer, "hash", "lenient")
                for text in row["completions"]] for row in rows]
    assert shown["samples"] == 8 and all(len(row) == 8 for row in strict)
    assert shown["pass@1"] == pytest.approx(sum(map(sum, strict)) / (8 * len(rows)))
    assert shown["lenient_pass@1"] == pytest.approx(sum(map(sum, lenient)) / (8 * len(rows)))
    assert shown["pass@8"] == pytest.approx(sum(map(any, strict)) / len(rows))


@pytest.mark.parametrize(("kind", "key"), [("samples", "tests"), ("best", "tests_at_best")])
def test_the_tests_of_the_scoreboard_follow_from_the_samples(run_folder, board, kind, key):
    for test in board[key]:
        rows = [runs.read(run_folder / "evaluation" / f"{kind}_{test[side]}.jsonl")
                for side in ("better", "than")]
        again = compare(*rows, test["measure"])
        assert {key: test[key] for key in again} == again


@pytest.fixture(scope="module")
def exam(run_folder):
    return runs.read(run_folder / "evaluation" / "metrics.json")


@pytest.mark.parametrize("stage", rungs.MODELS)
def test_the_best_setting_is_the_best_of_the_sweep_on_validation(run_folder, board, exam, stage):
    """Counted here from the texts of the sweep, none of which is of a test problem."""
    course = Course.load(overrides=runs.SHORTER)
    rows = runs.read(run_folder / "evaluation" / f"sweep_{stage}.jsonl")
    validation = {problem.id: problem.answer for problem in load_problems(course, "validation")}
    assert len(rows) == course.evaluation.sweep.problems == 64
    right = []
    for row in rows:
        strict = [not cut and grade(text, validation[row["id"]], "hash", "strict")
                  for text, cut in zip(row["texts"], row["truncated"], strict=True)]
        right.append([[strict[place] for place in one["answers"]] for one in row["drawn"]])
    settings = [(one["temperature"], one["top_p"]) for one in rows[0]["drawn"]]
    assert len(settings) == 13 and settings[0] == (0.0, 1.0)
    assert all(len(found) == (8 if place else 1)
               for one in right for place, found in enumerate(one))
    shares = [sum(sum(one[place]) / len(one[place]) for one in right) / len(right)
              for place in range(len(settings))]
    best = max(zip(shares, settings, strict=True))[1]
    answered = runs.read(run_folder / "evaluation" / f"best_{stage}.jsonl")
    assert {(row["temperature"], row["top_p"]) for row in answered} == {best}
    assert [one["pass@1"] for one in exam["sweep"][stage]] == pytest.approx(shares)
    shown = next(row for row in board["rows"] if row["stage"] == stage)
    again = [not cut and grade(text, row["answer"], "hash", "strict") for row in answered
             for text, cut in zip(row["completions"], row["truncated"], strict=True)]
    assert len(again) == len(answered) * (8 if best[0] else 1)
    assert shown["best_pass@1"] == pytest.approx(sum(again) / len(again))


def test_a_knob_does_much_of_what_training_does_and_the_notebook_says_so(exam, run_folder, board):
    """At its own best setting `sft` is far above itself at temperature 1; what is claimed of the
    others follows from the tests at both."""
    sft = next(row for row in board["rows"] if row["stage"] == "sft")
    assert sft["best_pass@1"] > sft["pass@1"] + 0.08
    for one in exam["explained"]:
        low = {key: one[key]["ci95"][0] for key in ("at_one", "at_best")}
        wanted = ("training" if low["at_best"] > 0 else
                  "worse" if one["at_best"]["ci95"][1] < 0 else
                  "temperature" if low["at_one"] > 0 else "not shown")
        assert one["verdict"] == wanted
    executed = (run_folder / "notebooks" / "08_evaluation.ipynb").read_text()
    held = sum(one["verdict"] == "training" for one in exam["explained"])
    assert f"{held} with each model at its own best setting" in executed.replace("\\n", " ")
    assert executed.count("points at temperature 1, ") >= len(exam["explained"])


def test_the_exam_says_what_its_tests_can_see_and_what_scores_cost(exam):
    power = {row["problems"]: row for row in exam["power"]}
    assert {100, 256, 500} == power.keys()
    assert all(row["false_alarm"] < 0.08 for row in power.values())
    assert power[100]["seen"] < power[500]["seen"] and power[500]["seen"] > 0.5
    assert power[500]["no_worse"] < 0.95
    drawn = exam["answers_drawn"]
    assert drawn["sft"] == drawn["base"] == 0 and drawn["dpo"] == 400 * 8
    assert drawn["ppo"] == 14 * 128 + 400 * 8 and drawn["grpo"] == 96 * 128
    assert drawn["rft"] == 400 * 8 and drawn["rloo"] == 20 * 128
    equal = exam["equal_answers"]
    assert equal["drawn"] == 14 * 128 and equal["right"].keys() == {"ppo", "grpo", "rloo"}
    tokens, votes = exam["spent"]["sft, vote"]
    assert tokens == pytest.approx([tokens[0] * k for k in (1, 2, 4, 8)])
    assert votes[-1] > votes[0] + 0.05
    _, judged = exam["spent"]["sft, best by reward"]
    assert judged == sorted(judged) and judged[0] == pytest.approx(votes[0])
    better = exam["judged_over_vote"]
    assert better["all"]["best by reward"] == pytest.approx(judged[-1])
    assert better["without"]["ci95"][0] > 0.05  # what a vote believes there is mostly wrong


def test_copying_the_nearest_training_answer_does_not_solve_the_test(run_folder):
    nearest = runs.read(run_folder / "explore_the_data" / "metrics.json")["nearest_neighbour"]
    assert nearest["accuracy"] < 0.10 and nearest["ci95"][1] < 0.12


SETS = {"gsm8k": "problem", "openr1": "problem", "deepscaler": "problem", "countdown": "problem",
        "warmstart": "conversation", "smoltalk": "conversation", "ultrafeedback": "pair of answers",
        "aime24": "problem", "math500": "problem"}


def tiny_rows(file):
    """Rows of a tiny file, counted here without the adapters."""
    return runs.read(ROOT / "data" / "tiny" / f"{file}.jsonl")


def test_all_nine_sets_are_explored(run_folder):
    explored = runs.read(run_folder / "explore_the_data" / "metrics.json")
    sets = explored["sets"]
    assert {name: facts["kind"] for name, facts in sets.items()} == SETS
    assert explored["skipped_sets"] == {}
    files = runs.read(ROOT / "data" / "tiny" / "manifest.json")["files"]
    for name, facts in sets.items():
        for split, count in facts["rows"].items():
            assert count == files[f"{name}/{split}"]["rows"]
        for split, count in facts["records"].items():
            source = FAMILIES[name].splits[split]
            assert count + sum(facts["left_out"][split].values()) == facts["rows"][source]
        assert facts["place"].endswith(".jsonl") and "first" not in facts["place"]
        assert sum(facts["classes"].values()) == facts["rows"][
            FAMILIES[name].splits["train" if "train" in facts["records"] else "test"]]
        main = facts["records"].get("train", facts["records"]["test"])
        assert facts["measured"] == min(main, 1000)
        assert sum(facts["answer_types"].values()) == main * (facts["kind"] == "problem")
        assert facts["too_long"] < 0.1 * facts["measured"]


def test_the_planted_defects_of_the_tiny_sets_are_counted(run_folder):
    sets = runs.read(run_folder / "explore_the_data" / "metrics.json")["sets"]
    rows = tiny_rows("openr1/train")
    expected = {
        "openr1": {"a proof: no answer to check": sum(r["answer"] == "proof" for r in rows),
                   "no answer": sum(r["answer"] is None for r in rows),
                   "broken answer": sum("{~}" in (r["answer"] or "") for r in rows)},
        "deepscaler": {"no answer": sum(not r["answer"] for r in tiny_rows("deepscaler/train"))},
        "ultrafeedback": {"a tie": sum(r["score_chosen"] == r["score_rejected"]
                                       for r in tiny_rows("ultrafeedback/train_prefs"))},
    }
    assert all(min(reasons.values()) > 0 for reasons in expected.values())
    for name in SETS:
        split = "train" if "train" in sets[name]["records"] else "test"
        reasons = {reason: count for reason, count in sets[name]["left_out"][split].items()
                   if reason != "in another split"}
        assert reasons == expected.get(name, {}), name
        assert sets[name]["unusable"] == sum(reasons.values())


def test_no_test_problem_is_left_in_any_training_set(run_folder):
    explored = runs.read(run_folder / "explore_the_data" / "metrics.json")
    trained = {name for name in SETS if "train" in FAMILIES[name].splits}
    assert explored["overlaps"].keys() == trained and explored["planted_leak"] == 1
    assert all(explored["overlaps"][name] == dict.fromkeys(SETS, 0) for name in trained)


@pytest.fixture(scope="module")
def verified(run_folder):
    return runs.read(run_folder / "verify_and_reward" / "metrics.json")


@pytest.mark.parametrize("audit", ["audit", "audit_countdown"])
def test_only_our_grader_makes_no_mistake_on_the_planted_completions(verified, audit):
    table = dict(verified[audit])
    ours = table.pop("ours, lenient")
    assert ours["wrong"] > 300 and ours["right"] > 150
    assert ours["false_positives"] == ours["false_negatives"] == 0
    assert len(table) >= 3
    for name, naive in table.items():
        assert naive["false_positives"] > 0, name
        assert (naive["wrong"], naive["right"]) == (ours["wrong"], ours["right"]), name
        low, high = naive["fp_ci95"]
        assert low < naive["fp_rate"] == naive["false_positives"] / naive["wrong"] < high
    assert any(naive["false_negatives"] > 0 for naive in table.values())


def test_only_our_grader_makes_no_mistake_on_planted_formulas(verified):
    table = dict(verified["audit_formulas"])
    ours = table.pop("ours, lenient")
    assert ours["wrong"] > 100 and ours["right"] > 100
    assert ours["false_positives"] == ours["false_negatives"] == 0
    assert len(table) >= 3
    assert all(row["false_positives"] + row["false_negatives"] > 0 for row in table.values())


def test_strict_grading_makes_no_mistake_either(verified):
    strict = verified["audit_strict"]
    assert strict["false_positives"] == strict["false_negatives"] == 0 < strict["right"]
    assert strict["right"] < verified["audit"]["ours, lenient"]["right"]


def test_the_labels_of_others_are_met_where_they_are_at_hand(verified):
    if real_data("answers") is None:
        assert verified["published"] == {}
        return
    ours = verified["published"]["answers"]["ours, lenient"]
    assert ours["right"] + ours["wrong"] == 659 * 4
    assert ours["false_positives"] == ours["false_negatives"] == 0
    assert sum(verified["published"]["countdown"]["differ"].values()) == 1


def test_every_hack_pays_with_a_naive_reward_and_none_with_ours(verified):
    hacks = verified["hacks"]
    assert len(hacks) == verified["hacks_paid_by_naive"] == 13
    for row in hacks:
        assert row["ours, hack"] < 0.5 * row["ours, honest"], row["hack"]
        assert row["naive, hack"] >= row["naive, honest"] > 0, row["hack"]


def test_the_sums_of_rewards_are_those_of_their_weights(verified):
    assert verified["totals"]["B"] == pytest.approx([3.3, 1.3, 2.0, 2.8, 0.3])
    assert verified["totals"]["A"] == pytest.approx([1.4, 1.2, 0.4, 0.4])
    assert verified["answer_weight_at_even"] == pytest.approx(1.3)
    assert verified["bonus_advantage"] == pytest.approx(0.866, abs=0.001)


def test_a_formula_is_compared_by_its_deadline(verified):
    by_answer = {row["answer"]: row for row in verified["symbolic"]}
    assert by_answer["1,450.0"]["equal"] and not by_answer["9^{9^{9^9}}"]["equal"]
    assert by_answer["9^{9^{9^9}}"]["seconds"] < 1  # refused, not calculated
    assert all(row["seconds"] < DEADLINE + ASLEEP for row in verified["symbolic"])


@pytest.mark.parametrize("stage", ["dpo", "ppo", "grpo"])
def test_sft_is_measured_once_for_all_that_start_from_it(run_folder, stage):
    """The same problems with as many samples: else each would measure it again, unnoticed."""
    once = runs.read(run_folder / "sft" / "validation.jsonl")
    assert once and runs.read(run_folder / stage / "samples_before.jsonl") == once


def test_pairs_are_right_against_wrong_and_of_problems_apart(run_folder):
    answers = {split: {problem.id: problem.answer
                       for problem in load_problems(Course.load(), split)}
               for split in ("train", "validation")}
    for file, split in [("pairs", "train"), ("held_out", "validation")]:
        lines = runs.read(run_folder / "pairs" / f"{file}.jsonl")
        assert len(lines) > 200
        for pair in lines:
            answer = answers[split][pair["id"]]
            assert grade(pair["chosen"], answer, "hash", "strict")
            assert not grade(pair["rejected"], answer, "hash", "strict")
        longer = sum(pair["chosen_tokens"] > pair["rejected_tokens"] for pair in lines)
        shorter = sum(pair["chosen_tokens"] < pair["rejected_tokens"] for pair in lines)
        assert abs(longer - shorter) <= 0.02 * len(lines)


def test_the_best_of_n_follows_from_the_scores(run_folder):
    rows = runs.read(run_folder / "reward" / "samples.jsonl")
    metrics = runs.read(run_folder / "reward" / "metrics.json")
    firsts = [row["strict"][max(range(len(row["scores"])), key=row["scores"].__getitem__)]
              for row in rows]
    shown = metrics["best_of_n"]["reward model"][-1][0]
    assert metrics["ns"][-1] == len(rows[0]["scores"]) == 8
    assert shown == pytest.approx(sum(firsts) / len(rows), abs=0.01)  # ties share their credit


def test_the_reward_model_judges_and_not_by_length(run_folder):
    metrics = runs.read(run_folder / "reward" / "metrics.json")
    assert metrics["shorter_wins"] == pytest.approx(0.5, abs=0.02)
    assert metrics["pair_accuracy"]["accuracy"] >= 0.75
    assert metrics["length_matched"]["accuracy"] >= 0.70
    assert abs(metrics["score_and_length"]) < metrics["score_and_truth"]
    assert metrics["best_of_minus"]["mean"]["ci95"][0] > 0
    before, after = (1 - metrics["pair_accuracies"][name]["held-out"]["accuracy"]
                     for name in ("likelihood, untrained", "likelihood"))
    assert after < 0.7 * before  # at the whole size half of the errors are gone


def test_the_accuracy_of_the_reward_model_is_that_of_its_scores(run_folder):
    """Counted here from the saved scores, pair by pair."""
    rows = {row["id"]: row for row in runs.read(run_folder / "reward" / "samples.jsonl")}
    won = []
    for pair in runs.read(run_folder / "pairs" / "held_out.jsonl"):
        row = rows[pair["id"]]
        good, bad = (row["scores"][row["completions"].index(pair[side])]
                     for side in ("chosen", "rejected"))
        won.append(good > bad)
    shown = runs.read(run_folder / "reward" / "metrics.json")["pair_accuracy"]
    assert shown["pairs"] == len(won)
    assert shown["accuracy"] == pytest.approx(sum(won) / len(won), abs=0.01)


def test_a_poor_judge_is_optimised_too_far(run_folder):
    """The head's score keeps rising with n while its choice gains nothing after n = 4, and is worse
    than the better judge's."""
    found = runs.read(run_folder / "reward" / "metrics.json")["over_optimisation"]
    scores, right = found["head"]
    assert scores == sorted(scores) and scores[-1] - scores[2] > 0.1
    assert right[-1] - right[2] < 0.05 and right[-1] < found["likelihood"][1][-1]


def test_ppo_started_on_policy_and_left_its_base_alone(run_folder, course):
    metrics = runs.read(run_folder / "ppo" / "metrics.json")
    assert metrics["first_ratio_off"] <= 1e-6
    curve = runs.curve(course["artifacts"], "ppo")
    assert curve["objective/kl"].iloc[-1] > curve["objective/kl"].iloc[0]
    assert curve["policy/clipfrac_avg"].max() < 0.2
    rule = curve["rewards/exact_answer/mean"]
    assert rule.iloc[-8:].mean() > rule.iloc[:8].mean()


def test_dpo_starts_at_a_coin_and_puts_pairs_in_order(run_folder):
    metrics = runs.read(run_folder / "dpo" / "metrics.json")
    assert metrics["first_loss"] == pytest.approx(0.6931, abs=1e-3)
    implicit = metrics["pair_accuracy"]["implicit reward"]
    assert implicit["held-out"]["ci95"][0] > 0.5 and implicit["same length"]["ci95"][0] > 0.5
    assert metrics["rejected_moved"] < metrics["chosen_moved"]
    assert abs(metrics["tokens_grown"]) < 8


def test_the_base_leaves_room_and_has_it_in_it(board):
    """A base that knows nothing could not learn from rewards, one that knows all need not."""
    few_shot = next(row for row in board["rows"] if row["stage"] == "base_few_shot")
    assert 0.10 < few_shot["lenient_pass@1"] < 0.50
    assert few_shot["pass@8"] > 0.4


@pytest.fixture(scope="module")
def own_best(run_folder):
    """What A2 says of rft and its controls: {(better, than): test}."""
    tests = runs.read(run_folder / "rft" / "metrics.json")["tests"]
    return {(one["better"], one["than"]): one for one in tests}


def test_imitating_any_of_ones_own_answers_teaches_nothing(own_best):
    """As many answers of the same problems, right or wrong: no better than sft; and what is right
    is what rft has learned from."""
    assert own_best["any, at random", "sft"]["ci95"][0] <= 0
    assert own_best["rft", "sft"]["ci95"][0] > 0
    assert own_best["rft", "any, at random"]["ci95"][0] > 0


def test_the_tests_of_the_controls_follow_from_their_samples(run_folder, own_best):
    files = {"sft": "samples_before", "rft": "samples", "right, at random": "control_right",
             "any, at random": "control_any"}
    rows = {name: runs.read(run_folder / "rft" / f"{file}.jsonl") for name, file in files.items()}
    assert {len(found) for found in rows.values()} == {256}  # validation problems
    for (better, than), shown in own_best.items():
        again = compare(rows[better], rows[than])
        assert shown["difference"] == pytest.approx(again["difference"])
        assert shown["ci95"] == pytest.approx(again["ci95"])


def test_rft_chose_among_the_answers_of_the_pairs(run_folder):
    """Counted here from all that was drawn."""
    drawn = runs.read(run_folder / "pairs" / "drawn.jsonl")
    told = runs.read(run_folder / "rft" / "metrics.json")["chosen"]
    assert len(drawn) == told["problems"] == 400
    assert told["answers"] == sum(len(row["completions"]) for row in drawn) == 400 * 8
    assert told["right"] == sum(sum(row["strict"]) for row in drawn)
    different = [len({text for text, right in zip(row["completions"], row["strict"], strict=True)
                      if right}) for row in drawn]
    assert told["different"] == sum(different)
    assert told["chosen"] == sum(min(4, count) for count in different)
    pairs_of = {pair["id"] for pair in runs.read(run_folder / "pairs" / "pairs.jsonl")}
    assert pairs_of <= {row["id"] for row in drawn}


@pytest.mark.parametrize("stage", ["grpo", "rloo"])
def test_rewards_rose_while_it_trained(course, stage):
    rewards = runs.curve(course["artifacts"], stage)["reward"].dropna()
    quarter = max(1, len(rewards) // 4)
    assert rewards.iloc[-quarter:].mean() > rewards.iloc[:quarter].mean() + 0.05


def test_the_losses_of_sft_fell(course):
    losses = runs.curve(course["artifacts"], "sft")["loss"].dropna()
    quarter = max(1, len(losses) // 4)
    assert losses.iloc[-quarter:].mean() < 0.6 * losses.iloc[:quarter].mean()
