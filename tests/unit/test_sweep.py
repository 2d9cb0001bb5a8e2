"""Every model at its best: the grid, its scores, and a choice that sees validation only."""

import pytest

from helpers import data, models
from helpers.config import ConfigError, Course
from helpers.evaluate import measure, score, sweep
from helpers.evaluate.sweep import GREEDY, Setting, choose, columns, curve, grid
from tests.hub.tiny_repo import tiny_folder


def drawn(setting, answers):
    return {"temperature": setting.temperature, "top_p": setting.top_p, "answers": answers}


def two_settings():
    """Two problems, a right and a wrong text each, greedy and four samples at 0.5."""
    return [
        {"id": "a", "texts": ["right", "wrong"], "strict": [True, False], "lenient": [True, False],
         "drawn": [drawn(GREEDY, [1]), drawn(Setting(0.5), [0, 0, 0, 1])]},
        {"id": "b", "texts": ["right", "loose"], "strict": [True, False], "lenient": [True, True],
         "drawn": [drawn(GREEDY, [1]), drawn(Setting(0.5), [1, 1, 0, 1])]},
    ]


def test_the_curve_by_hand():
    greedy, half = curve(two_settings())
    assert (greedy["pass@1"], greedy["lenient_pass@1"], greedy["pass@k"]) == (0, 0.5, None)
    assert (half["pass@1"], half["lenient_pass@1"]) == (0.5, (3 + 4) / 8)
    assert (half["pass@k"], half["k"], half["samples"], half["problems"]) == (1.0, 4, 4, 2)
    assert half["pass@1_ci95"][0] < 0.5 < half["pass@1_ci95"][1]
    assert curve(two_settings(), k=2)[1]["pass@k"] == pytest.approx((1.0 + 0.5) / 2)
    with pytest.raises(ValueError, match="without problems"):
        curve([])


def entry(temperature, share, top_p=1.0):
    return {"temperature": temperature, "top_p": top_p, "pass@1": share}


@pytest.mark.parametrize(("entries", "wanted"), [
    ([entry(0.0, 0.4), entry(0.5, 0.6), entry(1.0, 0.5)], Setting(0.5)),
    ([entry(0.0, 0.6), entry(0.5, 0.6), entry(1.0, 0.5)], Setting(0.5)),  # a tie
    ([entry(1.0, 0.6, 0.9), entry(1.0, 0.6), entry(0.3, 0.6)], Setting(1.0)),
    ([entry(0.0, 0.7), entry(1.0, 0.5)], GREEDY),
])
def test_the_best_is_chosen_and_of_equals_the_least_change(entries, wanted):
    assert choose(entries) == choose(entries[::-1]) == wanted


def test_settings_have_names():
    assert [str(one) for one in (GREEDY, Setting(0.5), Setting(1.0, 0.9))] == [
        "greedy", "T = 0.5", "T = 1, top-p 0.9"]


def test_the_grid_is_greedy_and_every_pair():
    assert grid(Course.load()) == [GREEDY, *(
        Setting(t, p) for t in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0) for p in (0.9, 1.0))]


@pytest.mark.parametrize(("changes", "message"), [
    ({"temperatures": [0.5]}, "evaluation.sweep.temperatures: is .*needs 1"),
    ({"temperatures": [1.0, 0.5]}, "must rise"),
    ({"temperatures": [0.5, 0.5, 1.0]}, "each value once"),
    ({"temperatures": [0.0, 1.0]}, "evaluation.sweep.temperatures.0: is 0"),
    ({"temperatures": []}, "evaluation.sweep.temperatures"),
    ({"top_p": [1.0, 1.5]}, "evaluation.sweep.top_p.1: is 1.5"),
    ({"top_p": [0.9]}, "needs 1"),
    ({"n": 1}, "evaluation.sweep.n: is 1"),
    ({"problems": 0}, "evaluation.sweep.problems: is 0"),
    ({"temperature": [1.0]}, "evaluation.sweep.temperature.*did you mean"),
])
def test_a_grid_that_cannot_be_is_an_error(changes, message):
    with pytest.raises(ConfigError, match=message):
        Course.load(overrides={"evaluation": {"sweep": changes}})


@pytest.fixture(scope="module")
def exam():
    """A course, its model and tokenizer, problems to tune on, problems to measure, their rows."""
    course = Course.load(overrides={
        "model": {"name": str(tiny_folder())}, "lengths": {"completion": 8},
        "evaluation": {"n": 3, "sweep": {"n": 2, "temperatures": [0.5, 1.0], "top_p": [1.0]}}})
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    tuning = data.load_problems(course, "validation")[:3]
    problems = data.load_problems(course, "test")[:4]
    return course, model, tokenizer, tuning, problems, measure(model, tokenizer, problems, course)


def test_a_sweep_keeps_every_answer_with_its_verdicts(exam):
    course, model, tokenizer, tuning, *_ = exam
    rows = sweep.sweep(model, tokenizer, tuning, course)
    assert [row["id"] for row in rows] == [problem.id for problem in tuning]
    for row in rows:
        kinds = [Setting(one["temperature"], one["top_p"]) for one in row["drawn"]]
        assert kinds == grid(course)
        assert [len(one["answers"]) for one in row["drawn"]] == [1, 2, 2]
        used = {place for one in row["drawn"] for place in one["answers"]}
        assert used == set(range(len(row["texts"])))
        assert {len(row[key]) for key in ("tokens", "truncated", "strict", "lenient")} == {
            len(row["texts"])}
    assert rows == sweep.sweep(model, tokenizer, tuning, course)  # the same seed
    greedy = measure(model, tokenizer, tuning, course)
    assert [row["texts"][row["drawn"][0]["answers"][0]] for row in rows] == [
        row["greedy"]["text"] for row in greedy]


def test_rows_at_a_setting_are_rows_like_any(exam):
    course, model, tokenizer, _, problems, rows = exam
    found = sweep.measure_at(Setting(0.5), rows, model, tokenizer, problems, course)
    assert [row["greedy"] for row in found] == [row["greedy"] for row in rows]
    assert {(row["temperature"], row["top_p"]) for row in found} == {(0.5, 1.0)}
    assert score(found)["samples"] == 3
    assert found != rows and columns(found)["best_setting"] == "T = 0.5"


@pytest.mark.parametrize("setting", [GREEDY, Setting(1.0)])
def test_what_is_at_hand_is_not_sampled_again(exam, setting):
    course, _, _, _, problems, rows = exam
    found = sweep.measure_at(setting, rows, None, None, problems, course)
    if setting == GREEDY:
        assert [row["completions"] for row in found] == [[row["greedy"]["text"]] for row in rows]
        assert score(found)["pass@1"] == score(rows)["greedy"] == columns(found)["best_pass@1"]
    else:
        assert score(found) == score(rows)


def test_rows_of_other_problems_are_refused(exam):
    course, model, tokenizer, tuning, _, rows = exam
    with pytest.raises(ValueError, match="other problems"):
        sweep.measure_at(GREEDY, rows, model, tokenizer, tuning, course)


def test_the_choice_does_not_depend_on_the_test(exam):
    """`choose` is given the sweep's scores alone; and what is swept is not what is measured."""
    course, model, tokenizer, tuning, problems, _ = exam
    assert not {one.id for one in tuning} & {one.id for one in problems}
    rows = sweep.sweep(model, tokenizer, tuning, course)
    assert {row["id"] for row in rows} == {one.id for one in tuning}
