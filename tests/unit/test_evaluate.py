"""Statistics by brute force and known values; scores by hand; measuring with a real tiny model."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from scipy import stats

from helpers import evaluate, models, prompts, sampling
from helpers.config import ROOT, Course
from helpers.data.problem import Problem
from helpers.evaluate import __main__ as command_line
from helpers.evaluate import (
    at_least,
    better,
    bootstrap_interval,
    compare,
    load_samples,
    majority_vote,
    mcnemar,
    measure,
    no_better,
    paired_bootstrap,
    paired_interval,
    pass_at_k,
    score,
    share_interval,
    wilson_interval,
)
from helpers.sampling import Completion
from helpers.train.settings import lora_config
from tests.hub.tiny_repo import tiny_folder

# Statistics


@pytest.mark.parametrize("n", [1, 4, 7])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(n):
    for k, c in product(range(1, n + 1), range(n + 1)):
        right = [1] * c + [0] * (n - c)
        subsets = [max(subset) for subset in combinations(right, k)]
        assert pass_at_k(n, c, k) == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


def test_pass_at_k_takes_arrays_and_large_n():
    counts = np.array([[0, 1], [37, 200]])
    expected = [[1 - comb(200 - c, 64) / comb(200, 64) for c in row] for row in counts.tolist()]
    np.testing.assert_allclose(pass_at_k(200, counts, 64), expected, atol=1e-12)
    with pytest.raises(ValueError, match="pass@9 needs at least 9 samples a problem, there are 8"):
        pass_at_k(8, 3, 9)
    with pytest.raises(ValueError, match="pass@0"):
        pass_at_k(8, 3, 0)


@pytest.mark.parametrize("counts, bad", [
    (9, "9"), (-1, "-1"), ([3, 8, 12, 0], "12"), (2.5, "2.5"), ([1, math.nan], "nan"),
    (math.inf, "inf"), ([[0], [-2]], "-2")])
def test_pass_at_k_refuses_counts_that_cannot_be(counts, bad):
    with pytest.raises(ValueError, match=f"^pass@2: {bad} right of 8 samples cannot be; give whole "
                                         "numbers from 0 to 8"):
        pass_at_k(8, counts, 2)
    assert pass_at_k(8, [0, 8.0, True], 1).tolist() == [0.0, 1.0, 0.125]
    assert pass_at_k(8, [], 1).size == 0


@pytest.mark.parametrize(("answers", "credit"), [
    (["18", "18.0", "$18", "17", "17"], 1.0),  # equal numbers vote together
    (["17", "17", "18"], 0.0),
    (["17", "18"], 0.5),
    (["18", "17", "18", "17", "5", "4"], 0.5),
    (["16", "17", "18"], 1 / 3),
    ([None, None, None, "18"], 1.0),  # no answer, no vote
    ([None, None], 0.0),
    ([], 0.0),
    (["x", "x", "18"], 0.0),
])
def test_majority_vote(answers, credit):
    assert majority_vote(answers, "18") == pytest.approx(credit)


@pytest.mark.parametrize(("answers", "reference", "credit"), [
    (["C", "(C)", r"\text{C}", "(D)", "D"], "C", 1.0), (["(1,2)", "(1, 2)", "(2,1)"], "(1,2)", 1.0),
    ([r"2\sqrt3", r"\sqrt{12}", "3", "3"], r"\sqrt{12}", 0.5), (["x+1", "1+x", "x"], "x+1", 1.0),
    (["5 cm", "5 hours", "5 hours"], r"5\text{ cm}", 0.0),
    (["5", "5 cm", "4"], r"5\text{ cm}", 1.0),
    (["1, -2", r"\{-2, 1\}", "2", "2"], "-2, 1", 0.5), (["1024", "2^{10}", "7"], "2^{10}", 1.0),
])
def test_votes_are_counted_by_the_equality_that_grades(answers, reference, credit):
    assert majority_vote(answers, reference) == pytest.approx(credit)


@pytest.mark.parametrize(("n", "half"), [(100, 0.094), (200, 0.067), (500, 0.043)])
def test_wilson_half_widths_at_40_percent(n, half):
    low, high = wilson_interval(int(0.4 * n), n)
    assert (high - low) / 2 == pytest.approx(half, abs=5e-4)


def test_wilson_equals_scipy_and_stays_between_0_and_1():
    for successes, n, confidence in [(0, 10, 0.95), (10, 10, 0.95), (3, 17, 0.95), (3, 17, 0.9)]:
        theirs = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
        ours = wilson_interval(successes, n, confidence)
        assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)
        assert 0 <= ours[0] < ours[1] <= 1
    with pytest.raises(ValueError, match="5 successes of 4"):
        wilson_interval(5, 4)
    with pytest.raises(ValueError, match="0 successes of 0"):
        wilson_interval(0, 0)


def test_bootstrap_covers_the_truth_about_95_times_in_100():
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        low, high = bootstrap_interval(generator.random(60) ** 2, resamples=500, seed=trial)
        covered += low <= 1 / 3 <= high
    assert 0.90 <= covered / 400 <= 0.98


def drawn(generator, rate, problems, samples, spread):
    """Counts of right samples, one a problem; with a spread the problems are easy or hard."""
    chance = generator.beta(spread, spread * (1 - rate) / rate, problems) if spread else rate
    return generator.binomial(samples, chance, problems)


@pytest.mark.parametrize("problems", [50, 200])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("spread", [0.0, 0.02, 0.1, 1.0])
def test_intervals_of_shares_hold_at_low_scores_too(rate, problems, spread):
    """About 95 of 100, whether all problems are alike or a few are easy and the rest out of reach.
    The bounds leave room for the luck of 1,000 trials."""
    generator = np.random.default_rng(0)
    held = [low <= rate <= high for low, high in (
        share_interval(8, drawn(generator, rate, problems, 8, spread)) for _ in range(1000))]
    assert 0.92 <= np.mean(held) <= 0.985


def test_the_bootstrap_does_not_hold_at_low_scores():
    """What the interval above is for: here it misses every fifth time, and says [0, 0] at times."""
    generator = np.random.default_rng(0)
    found = [bootstrap_interval(drawn(generator, 0.02, 50, 8, 0.02) / 8, resamples=300)
             for _ in range(500)]
    assert 0.7 < np.mean([low <= 0.02 <= high for low, high in found]) < 0.85
    assert 0.03 < np.mean([high == 0 for _, high in found]) < 0.1


@pytest.mark.parametrize(("rate", "other"), [(0.02, 0.02), (0.04, 0.02), (0.1, 0.02), (0.4, 0.3)])
@pytest.mark.parametrize(("problems", "spread"), [(50, 0.0), (50, 0.1), (50, 1.0), (200, 0.1)])
def test_paired_intervals_hold_at_low_scores_too(rate, other, problems, spread):
    generator = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        a, b = (drawn(generator, r, problems, 8, spread) / 8 for r in (rate, other))
        _, low, high = paired_interval(a, b, 8)
        held.append(low <= rate - other <= high)
    assert 0.92 <= np.mean(held) <= 0.99


def test_no_right_answer_is_no_proof_that_there_is_none():
    assert share_interval(8, [0] * 50) == wilson_interval(0, 50) != (0, 0)
    assert share_interval(1, [1, 0, 0, 1]) == wilson_interval(2, 4)
    difference, low, high = paired_interval([0.0] * 50, [0.0] * 50, 8)
    assert difference == 0 and -0.02 < low < 0 < high < 0.02
    low, high = share_interval(8, [4] * 50)  # all the same: as good as one sample a problem
    assert (low, high) == wilson_interval(25, 50)
    narrow, wide = share_interval(8, [3, 4, 5] * 50), wilson_interval(75, 150)
    assert narrow[1] - narrow[0] < 0.5 * (wide[1] - wide[0])
    assert share_interval(8, [3, 4, 5] * 50, 0.5)[0] > narrow[0]
    assert share_interval(8, [0, 8] * 75) == wide  # samples that only repeat each other


@pytest.mark.parametrize("counts", [[], [9], [-1], [[1, 2]]])
def test_counts_that_cannot_be(counts):
    with pytest.raises(ValueError, match="counts from 0 to 8"):
        share_interval(8, counts)
    with pytest.raises(ValueError, match="not paired"):
        paired_interval([1.0], [0.0, 1.0], 8)


def test_bootstrap_interval_is_that_of_the_normal_where_it_should_be():
    values = np.random.default_rng(1).random(400)
    half = 1.96 * values.std() / np.sqrt(values.size)
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 15)
    assert bootstrap_interval(values) == (low, high) != bootstrap_interval(values, seed=1)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_bootstrap_refuses_what_is_not_one_value_a_problem():
    for values in ([], np.zeros((3, 8))):
        with pytest.raises(ValueError, match="one value a problem"):
            bootstrap_interval(values)


def test_pairing_removes_the_difficulty_of_the_problems():
    difficulty = np.random.default_rng(2).random(300)
    a, b = difficulty + 0.02 + 0.01 * np.cos(np.arange(300)), difficulty
    difference, low, high = paired_bootstrap(a, b)
    assert difference == pytest.approx((a - b).mean()) and 0.01 < low < difference < high < 0.03
    assert paired_bootstrap(b, a)[0] == pytest.approx(-difference)
    with pytest.raises(ValueError, match="not paired"):
        paired_bootstrap(a, b[:-1])


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (0, 5), (12, 3), (7, 7), (40, 20)])
def test_mcnemar_is_the_two_sided_sign_test(only_a, only_b):
    a = [True] * only_a + [False] * only_b + [True, True, False]
    b = [False] * only_a + [True] * only_b + [True, True, False]
    differing = only_a + only_b
    tail = sum(comb(differing, i) for i in range(min(only_a, only_b) + 1)) / 2**differing
    assert mcnemar(a, b) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(a, b) == mcnemar(b, a)


def test_mcnemar_refuses_unpaired_answers():
    with pytest.raises(ValueError, match="not paired"):
        mcnemar([True], [True, False])


# Scores of rows made by hand


def row(name, texts, strict, lenient=None, greedy=True, truncated=None, answer="18"):
    lenient = strict if lenient is None else lenient
    return {
        "id": name, "question": "q", "answer": answer, "completions": texts,
        "tokens": [10] * len(texts), "truncated": truncated or [False] * len(texts),
        "strict": [bool(x) for x in strict], "lenient": [bool(x) for x in lenient],
        "greedy": {"text": "", "tokens": 1, "truncated": False, "strict": greedy,
                   "lenient": True},
    }


R, W, L = "#### 18", "#### 17", "it is 18"
BY_HAND = [
    row("a", [R] * 8, [1] * 8),
    row("b", [R, W, W, W, L, "", "x", "y"], [1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0],
        greedy=False, truncated=[True] * 2 + [False] * 6),
    row("c", [L, L, W, W, "1", "2", "3", "4"], [0] * 8, [1, 1] + [0] * 6, greedy=False),
    row("d", [W] * 8, [0] * 8, greedy=True),
]


def test_score_by_hand():
    found = score(BY_HAND)
    assert found["pass@1"] == pytest.approx((1 + 1 / 8 + 0 + 0) / 4)
    assert found["lenient_pass@1"] == pytest.approx((1 + 2 / 8 + 2 / 8 + 0) / 4)
    assert found["greedy"] == 0.5
    assert found["pass@5"] == pytest.approx((1 + 5 / 8) / 4)
    assert found["pass@8"] == pytest.approx(2 / 4)
    assert found["maj@8"] == pytest.approx((1 + 0 + 1 / 2 + 0) / 4)
    assert found["truncated"] == pytest.approx(2 / 32)
    assert found["distinct"] == pytest.approx((1 + 6 + 6 + 1) / 8 / 4)
    assert (found["mean_tokens"], found["n"], found["samples"]) == (10, 4, 8)
    low, high = found["pass@1_ci95"]
    assert low < found["pass@1"] < high
    assert score(BY_HAND) == found and json.loads(json.dumps(found)) == found


def test_score_with_few_samples_leaves_out_what_it_cannot_know():
    found = score([row("a", [R, W], [1, 0]), row("b", [W, W], [0, 0])])
    assert found["pass@1"] == 0.25 and found["pass@5"] is found["pass@8"] is found["maj@8"] is None


def test_maj_8_counts_the_first_eight_of_more_samples():
    rows = [row("a", [R] * 4 + [W] * 3 + ["x"] + [W] * 4, [1] * 4 + [0] * 8)]
    assert score(rows)["maj@8"] == 1 and score(rows)["samples"] == 12


@pytest.mark.parametrize("rows", [[], [row("a", [R], [1]), row("b", [R, R], [1, 1])],
                                  [row("a", [], [])]])
def test_score_refuses_uneven_rows(rows):
    with pytest.raises(ValueError, match="same number of samples"):
        score(rows)


# Comparisons


def model_rows(accuracy, n=400):
    """A model whose problem i is right in `accuracy` of 8 samples, give or take its difficulty."""
    difficulty = np.random.default_rng(0).normal(0, 0.2, n)
    right = np.clip(np.rint(8 * (accuracy + difficulty)), 0, 8).astype(int)
    return [row(str(i), [R] * c + [W] * (8 - c), [1] * c + [0] * (8 - c),
                greedy=bool(c >= 4)) for i, c in enumerate(right.tolist())]


def test_compare_pairs_by_id_and_not_by_place():
    a, b = model_rows(0.6), model_rows(0.5)
    found = compare(a, b)
    assert found == compare(a, b[::-1])
    assert found["difference"] == pytest.approx(score(a)["pass@1"] - score(b)["pass@1"])
    low, high = found["ci95"]
    assert low < found["difference"] < high
    answers = [[r["greedy"]["strict"] for r in rows] for rows in (a, b)]
    assert found["p"] == mcnemar(*answers) < 0.01
    right = [sum(answer) / len(answer) for answer in answers]
    assert found["greedy_difference"] == pytest.approx(right[0] - right[1]) and right[0] > right[1]


def test_compare_lenient_uses_lenient_verdicts():
    a = [row(str(i), [L] * 8, [0] * 8, [1] * 8) for i in range(50)]
    b = [row(str(i), [R] * 8, [1] * 8) for i in range(50)]
    assert compare(a, b)["difference"] == -1 and compare(a, b, "lenient")["difference"] == 0
    for rows, greedy in [(a, True), (b, False)]:  # the greedy answers differ only leniently
        for r in rows:
            r["greedy"] |= {"strict": True, "lenient": greedy}
    assert compare(a, b)["p"] == 1 and compare(a, b, "lenient")["p"] < 1e-9
    assert compare(a, b)["greedy_difference"] == 0
    assert compare(a, b, "lenient")["greedy_difference"] == 1
    with pytest.raises(ValueError, match="'loose'"):
        compare(a, b, "loose")


@pytest.mark.parametrize("change", [
    lambda rows: rows[:-1], lambda rows: [*rows, rows[0]],
    lambda rows: [*rows[:-1], rows[0]], lambda rows: [{**r, "id": "x" + r["id"]} for r in rows],
])
def test_compare_refuses_other_problems(change):
    rows = model_rows(0.5, n=10)
    with pytest.raises(ValueError, match="same problems"):
        compare(change(rows), rows)
    with pytest.raises(ValueError, match="same problems"):
        compare(rows, change(rows))


def test_verdicts():
    strong, weak = model_rows(0.6), model_rows(0.5)
    assert better(strong, weak) and not better(weak, strong) and not better(weak, weak)
    assert at_least(strong, weak) and at_least(weak, weak) and not at_least(weak, strong)
    assert no_better(weak, weak) and not no_better(strong, weak) and not no_better(weak, strong)


@pytest.mark.parametrize(("interval", "expected"), [
    ((0.001, 0.3), (True, True, False)),
    ((0.0, 0.3), (False, True, False)),
    ((-0.019, 0.029), (False, True, True)),
    ((-0.02, 0.01), (False, False, True)),
    ((-0.01, 0.03), (False, True, False)),
    ((-0.03, 0.01), (False, False, False)),
])
def test_the_bounds_of_the_verdicts(monkeypatch, interval, expected):
    monkeypatch.setattr(evaluate, "compare", lambda *_: {"ci95": list(interval)})
    assert (better([], []), at_least([], []), no_better([], [])) == expected


def test_better_is_rarely_said_of_equal_models():
    """Two models that are equally good, measured with other luck: at most a few percent."""
    generator = np.random.default_rng(3)
    skill = generator.random(100)
    said = 0
    for trial in range(200):
        a, b = (generator.binomial(8, skill) / 8 for _ in range(2))
        said += paired_bootstrap(a, b, resamples=500, seed=trial)[1] > 0
    assert said / 200 <= 0.06


# Measuring


def problem(number):
    return Problem(f"What is {number} + 1?", f"{number} + 1 = {number + 1}", str(number + 1),
                   "test", f"id{number}")


PROBLEMS = [problem(number) for number in (1, 2, 3)]


def tiny_course(**overrides):
    settings = {"model": {"name": str(tiny_folder())}, "evaluation": {"n": 3},
                "lengths": {"completion": 5}} | overrides
    return Course.load(overrides=settings)


@pytest.fixture
def calls(monkeypatch):
    """Replaces sampling by canned answers; collects the arguments of each call."""
    seen = []

    def generate_each(model, tokenizer, texts, asked, n=1, **settings):
        seen.append({"texts": texts, "n": n, "asked": asked} | settings)
        answers = [Completion("so\n#### 2", 7, False), Completion("it is 2", 6, False),
                   Completion("#### 3 and", 5, True)]
        return [[answers[:n if temperature else 1] for _ in texts] for temperature, _ in asked]

    monkeypatch.setattr(sampling, "generate_each", generate_each)
    return seen


def test_measure_asks_for_samples_and_a_greedy_answer(calls):
    course = tiny_course(generation={"temperature": 0.7, "top_p": 0.9})
    tokenizer = models.load_tokenizer(course)
    rows = measure(None, tokenizer, PROBLEMS, course, seed=5)
    [asked] = calls  # both at once: what begins alike is read once
    expected = [prompts.chat_text(tokenizer, prompts.messages(p, course)) for p in PROBLEMS]
    assert asked["texts"] == expected
    assert (asked["n"], asked["asked"]) == (3, [(0.7, 0.9), (0.0, 1.0)])
    assert asked["max_new_tokens"] == 5
    assert asked["seed"] == 5 and asked["stop_text"] is None
    assert rows[0] == {
        "id": "id1", "question": "What is 1 + 1?", "answer": "2", "demonstrated": True,
        "completions": ["so\n#### 2", "it is 2", "#### 3 and"], "tokens": [7, 6, 5],
        "truncated": [False, False, True], "strict": [True, False, False],
        "lenient": [True, True, False],
        "greedy": {"text": "so\n#### 2", "tokens": 7, "truncated": False, "strict": True,
                   "lenient": True},
    }
    assert rows[1]["strict"] == [False] * 3 and rows[1]["lenient"] == [False, False, True]


def test_measure_grades_in_the_format_of_the_course(calls):
    course = tiny_course(answer_format="boxed", system_prompt="Think.")
    rows = measure(None, models.load_tokenizer(course), PROBLEMS[:1], course)
    assert rows[0]["strict"] == [False] * 3 and rows[0]["lenient"] == [True, True, False]


def test_measure_few_shot_is_plain_text_that_stops_at_the_next_example(calls):
    course = tiny_course()
    shots = [problem(7), replace(problem(8), solution="8 + 1 is 9")]
    measure(None, None, PROBLEMS, course, few_shot_examples=shots)
    assert calls[0]["texts"] == [prompts.few_shot_text(p, shots, course) for p in PROBLEMS]
    assert calls[0]["texts"][0].count("Question:") == 3 and "8 + 1 is 9" in calls[0]["texts"][0]
    assert calls[0]["stop_text"] == prompts.NEXT_EXAMPLE
    assert calls[0]["seed"] == course.seed


def test_measure_a_real_model_twice_gives_the_same_rows():
    course = tiny_course()
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    rows = measure(model, tokenizer, PROBLEMS, course)
    assert rows == measure(model, tokenizer, PROBLEMS, course)
    assert rows != measure(model, tokenizer, PROBLEMS, course, seed=1)
    assert [r["id"] for r in rows] == ["id1", "id2", "id3"]
    assert all(len(r[name]) == 3 for r in rows for name in ("completions", "tokens", "strict"))
    assert score(rows)["n"] == 3


@pytest.mark.parametrize(("change", "again"), [
    (lambda rows: rows, False),
    (lambda rows: rows[:2], True),
    (lambda rows: rows[::-1], True),
    (lambda rows: [{**row, "completions": row["completions"][:2]} for row in rows], True),
    (lambda rows: [], True)])
def test_measure_once_takes_saved_rows_only_if_they_are_of_this_measurement(
        change, again, tmp_path, monkeypatch):
    course, path = tiny_course(), tmp_path / "rows.jsonl"
    saved = [{"id": one.id, "completions": ["?"] * course.evaluation.n} for one in PROBLEMS]
    monkeypatch.setattr(evaluate, "measure", lambda *_: "measured")
    if rows := change(saved):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = evaluate.measure_once(path, None, None, PROBLEMS, course)
    assert found == ("measured" if again else saved)


# Command line


@pytest.fixture
def test_set(tmp_path):
    folder = tmp_path / "problems"
    folder.mkdir()
    lines = [json.dumps({"question": p.question, "answer": f"{p.solution}\n#### {p.answer}"})
             for p in map(problem, range(9))]
    (folder / "test.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def command(model, test_set, *more):
    return ["--model_dir", str(model), "--data_dir", str(test_set), "--max_new_tokens", "4",
            "--n", "2", "--problems", "6", *map(str, more)]


def test_command_line_prints_the_scores_and_writes_the_samples(test_set, tmp_path, capsys):
    output = tmp_path / "new" / "samples.jsonl"
    assert command_line.main(command(tiny_folder(), test_set, "--output", output)) == 0
    rows = load_samples(output)
    assert len(rows) == 6 and all(len(r["completions"]) == 2 for r in rows)
    assert all(max(r["tokens"]) <= 4 for r in rows)
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed.keys() == {*score(rows), "maj@2", "agreement"}
    assert printed["n"] == "6" and printed["samples"] == "2" and printed["pass@8"] == "None"
    assert printed["distinct"] == f"{score(rows)['distinct']:.4f}"


def test_command_line_measures_on_a_benchmark(capsys):
    line = ["--model_dir", str(tiny_folder()), "--data_name", "aime24", "--max_new_tokens", "3",
            "--n", "5", "--problems", "2"]
    assert command_line.main(line) == 0
    printed = dict(one.split(maxsplit=1) for one in capsys.readouterr().out.splitlines())
    assert (printed["n"], printed["samples"]) == ("2", "5")
    assert {"pass@1", "pass@5", "maj@5", "agreement"} <= printed.keys()


def test_command_line_takes_an_adapter(test_set, tmp_path):
    """The adapter's answers are those of the merged model, and not the base's."""
    import torch
    from peft import get_peft_model

    course = tiny_course()
    adapted = get_peft_model(models.load_base(course), lora_config(course))
    torch.manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    models.merge_and_save(adapted, models.load_tokenizer(course), tmp_path / "merged")
    texts = {}
    for name, folder in [("adapter", tmp_path / "adapter"), ("merged", tmp_path / "merged"),
                         ("base", tiny_folder())]:
        output = tmp_path / f"{name}.jsonl"
        assert command_line.main(command(folder, test_set, "--output", output)) == 0
        texts[name] = [r["greedy"]["text"] for r in load_samples(output)]
    assert texts["adapter"] == texts["merged"] != texts["base"]


@pytest.mark.parametrize(("change", "message"), [
    (["--model_dir", "/nowhere"], "no model there"),
    (["--data_name", "gsm8l"], "did you mean 'gsm8k'"),
    (["--preset", "tinny"], "did you mean 'tiny'"),
    (["--data_dir", "/nowhere"], "no such folder"),
    (["--n", "0"], "evaluation.n"),
])
def test_command_line_errors_are_one_line(test_set, capsys, change, message):
    assert command_line.main([*command(tiny_folder(), test_set), *change]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith("error: ") and err.count("\n") == 1 and message in err


def test_scoring_needs_no_torch():
    """Rows can be scored where torch takes too long to load, or is not there."""
    code = "import sys, helpers.course.scoreboard; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr


def test_an_adapter_that_merges_to_another_model_is_refused(test_set, tmp_path, capsys):
    """Tied embeddings: merged into one of the two, an adapter would change both."""
    import torch
    from peft import LoraConfig, get_peft_model

    course = tiny_course()
    base = models.load_base(course)
    assert base.config.tie_word_embeddings
    adapted = get_peft_model(base, LoraConfig(target_modules=["embed_tokens"]))
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    assert command_line.main(command(tmp_path / "adapter", test_set)) == 1
    message = capsys.readouterr().err
    assert "adapter: not merged, the merged model's logits are" in message
