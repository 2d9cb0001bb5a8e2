"""Training or temperature: what is claimed of models whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from helpers.config import Course
from helpers.evaluate import claims, cost, power
from helpers.evaluate.claims import NEITHER, TEMPERATURE, TRAINING, WORSE
from helpers.stats import paired_interval, pooled_interval


def rows_of(chances, n, seed, greedy=None):
    """Rows of a model that solves problem i with chance chances[i]; n samples."""
    draw = np.random.default_rng(seed)
    strict = draw.random((len(chances), n)) < np.asarray(chances)[:, None]
    return [{"id": f"p{i}", "answer": "7", "strict": found.tolist(), "lenient": found.tolist(),
             "completions": ["#### 7" if one else "#### 8" for one in found],
             "greedy": dict.fromkeys(("strict", "lenient"), bool(chances[i] > 0.5))}
            for i, found in enumerate(strict)]


def sharpened(chances, temperature):
    """The same beliefs at another temperature: two ways, odds to the power 1 / T."""
    odds = (chances / (1 - chances)) ** (1 / temperature)
    return odds / (1 + odds)


def difficulty(seed, problems=300):
    return np.random.default_rng(seed).beta(2, 1.4, size=problems).clip(0.01, 0.99)


def both(before, after, seed):
    """The verdict on grpo over sft: (chances at temperature 1, chances at the best), of each."""
    found = []
    for place in (0, 1):
        found.append(claims.tests_of({
            "sft": rows_of(before[place], 8, seed + place),
            "grpo": rows_of(after[place], 8, seed + 100 + place)}, ("strict",)))
    [one] = claims.verdicts(*found)
    return one["verdict"]


def test_a_model_that_is_only_surer_is_not_called_better_by_training():
    """`after` is `before` at temperature 0.4; at its best each is as sharp as the other. By chance
    alone 1 in 40 would be called training, and 5 of 60 or more in 2 % of all runs."""
    said = []
    for seed in range(60):
        chances = np.random.default_rng(seed).beta(4, 2.2, size=300).clip(0.01, 0.99)
        sharp = sharpened(chances, 0.3)
        said.append(both((chances, sharp), (sharpened(chances, 0.4), sharp), 1000 * seed))
    assert said.count(TRAINING) <= 4 and said.count(TEMPERATURE) >= 52


def test_a_model_that_learned_is_called_better_by_training():
    said = []
    for seed in range(20):
        chances = difficulty(seed)
        learned = np.where(np.arange(len(chances)) % 5 == 0, 0.9, chances)
        said.append(both((chances, sharpened(chances, 0.3)),
                         (learned, sharpened(learned, 0.3)), 1000 * seed))
    assert said.count(TRAINING) >= 19


def test_equal_models_are_called_better_as_seldom_as_the_interval_says():
    said = []
    for seed in range(400):
        chances = difficulty(seed, 100)
        said.append(both((chances, chances), (chances, chances), 1000 * seed))
    assert said.count(TRAINING) / len(said) < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 400)
    assert said.count(NEITHER) / len(said) > 0.9


def test_a_verdict_by_hand():
    up, none, down = ({"ci95": ends} for ends in ([0.01, 0.1], [-0.01, 0.1], [-0.1, -0.01]))
    assert [claims.verdict(one, up) for one in (up, none, down)] == [TRAINING] * 3
    assert [claims.verdict(one, none) for one in (up, none, down)] == [
        TEMPERATURE, NEITHER, NEITHER]
    assert [claims.verdict(one, down) for one in (up, none, down)] == [WORSE] * 3


def test_every_model_meets_what_it_was_trained_from():
    chances = difficulty(0, 20)
    rows = {name: rows_of(chances, 4, seed) for seed, name in enumerate(
        ("base", "sft", "dpo", "grpo"))}
    assert [(t["better"], t["than"], t["measure"]) for t in claims.tests_of(rows)] == [
        (*pair, measure) for pair in [("sft", "base"), ("dpo", "sft"), ("grpo", "sft")]
        for measure in ("strict", "lenient")]
    with pytest.raises(ValueError, match="same comparisons"):
        claims.verdicts(claims.tests_of(rows), claims.tests_of({"base": rows["base"]}))


def test_greedy_rows_and_sampled_rows_can_be_compared():
    chances = difficulty(0, 50)
    [test] = claims.tests_of({"sft": rows_of(chances, 1, 0), "grpo": rows_of(chances, 8, 1)},
                             ("strict",))
    assert test["ci95"][0] < test["difference"] < test["ci95"][1]


def marked(rows, shown):
    return [{**row, "demonstrated": bool(one)} for row, one in zip(rows, shown, strict=True)]


def test_kinds_without_demonstrations_are_compared_apart():
    """The gain is where nobody demonstrated, and nowhere else."""
    chances = difficulty(3)
    shown = np.arange(len(chances)) % 3 > 0
    learned = np.where(shown, chances, 0.95)
    a, b = marked(rows_of(learned, 8, 1), shown), rows_of(chances, 8, 2)
    found = claims.apart(a, b)
    for what in ("strict", "lenient", "greedy", "lenient_greedy"):
        assert found["without"][what]["ci95"][0] > 0, what
        assert abs(found["with"][what]["difference"]) < 0.04, what
    assert [found[part]["problems"] for part in ("all", "with", "without")] == [
        len(shown), shown.sum(), (~shown).sum()]
    whole = claims.tests_of({"sft": b, "grpo": a}, ("strict",))[0]
    assert {key: whole[key] for key in ("difference", "ci95")} == found["all"]["strict"]
    parts = sum(found[part]["problems"] * found[part]["strict"]["difference"]
                for part in ("with", "without"))
    assert parts / len(chances) == pytest.approx(whole["difference"])


def test_gains_by_eight_tries_and_by_a_vote():
    """One answer in four is right, the others agree on a wrong one: eight tries reach it, a vote
    does not; the other model votes for it."""
    def rows(right):
        return [{"id": f"p{i}", "answer": "7", "completions": ["#### 7"] * right + ["#### 8"] * (
                    8 - right), "strict": [True] * right + [False] * (8 - right),
                 "lenient": [True] * right + [False] * (8 - right),
                 "greedy": {"strict": right > 4, "lenient": right > 4}} for i in range(40)]

    found = claims.gains(rows(6), rows(2))
    assert found["lenient_pass@8"]["difference"] == 0 and found["maj@8"]["difference"] == 1
    assert found["greedy"]["difference"] == 1 and found["strict"]["difference"] == 0.5
    assert claims.gains(rows(2), rows(0))["lenient_pass@8"]["difference"] == 1
    one = [{**row, "strict": row["strict"][:1], "lenient": row["lenient"][:1]} for row in rows(6)]
    assert "maj@8" not in claims.gains(one, rows(2))  # greedy rows: a single answer
    with pytest.raises(ValueError, match="not measured on the same problems"):
        claims.gains(rows(6), rows(2)[1:])
    with pytest.raises(ValueError, match="not measured on the same problems"):
        claims.gains(rows(6), [*rows(2)[1:], rows(2)[1]])


def test_a_data_set_of_one_sort_has_nothing_to_tell_apart():
    rows = rows_of(difficulty(0, 10), 4, 0)
    assert claims.apart(marked(rows, [1] * 10), rows).keys() == {"all", "with"}
    assert claims.apart(marked(rows, [0] * 10), rows).keys() == {"all", "without"}
    assert claims.apart(rows, rows).keys() == {"all"}  # a set that does not say


def test_power_is_that_of_simulated_models():
    """Against new models drawn from the same world, and against the formula of the normal."""
    draw = np.random.default_rng(0)
    differences = draw.normal(0.1, 0.33, size=2000)
    for problems, gain in [(500, 0.05), (100, 0.05), (500, 0.0)]:
        fresh = [power.paired_interval(draw.normal(gain, 0.33, size=problems),
                                       np.zeros(problems), 8)[1] > 0 for _ in range(600)]
        assert power.power(differences, problems, gain) == pytest.approx(np.mean(fresh), abs=0.07)
    [few, many] = power.table(differences, [100, 500])
    assert few["false_alarm"] < 0.06 and many["false_alarm"] < 0.06
    assert 0.25 < few["seen"] < 0.45 and 0.85 < many["seen"] < 0.98
    assert 0.18 < many["no_worse"] < 0.42


def test_power_of_nothing_is_refused():
    with pytest.raises(ValueError, match="differences of problems"):
        power.power([], 100, 0.05)
    with pytest.raises(ValueError, match="1 or more, got 0"):
        power.power([0.1], 0, 0.05)


def test_answers_drawn_in_training_by_hand():
    course = Course.load(overrides={"pairs": {"problems": 10, "num_generations": 4},
                                    "ppo": {"max_steps": 3, "prompts_per_step": 128},
                                    "grpo": {"max_steps": 5, "prompts_per_step": 2,
                                             "num_generations": 8},
                                    "rloo": {"max_steps": 7, "prompts_per_step": 3,
                                             "num_generations": 2}})
    assert [cost.answers_drawn(course, name) for name in (
        "base", "base_few_shot", "sft", "dpo", "ppo", "grpo", "rft", "rloo")] == [
            0, 0, 0, 40, 3 * 128 + 40, 80, 40, 42]
    alone = Course.load(overrides={"ppo": {"reward_model_weight": 0.0, "max_steps": 3}})
    assert cost.answers_drawn(alone, "ppo") == 3 * 128
    assert cost.by_reward(course) == ["ppo", "grpo", "rloo"]


def test_drawn_anew_each_time_is_the_most_that_dynamic_sampling_draws():
    """All groups may be equal every time, as test_drawn has it: then `times` more are drawn."""
    course = Course.load(overrides={"grpo": {
        "max_steps": 5, "prompts_per_step": 2, "num_generations": 8, "dynamic_sampling": 3}})
    assert cost.drawn_a_step(course, "grpo") == 4 * 16
    assert cost.answers_drawn(course, "grpo") == 4 * 80


def test_runs_are_compared_where_the_shorter_one_ended():
    curve = pd.DataFrame({"step": [1, 2, 2, 3, 4], "r": [0.1, 0.2, np.nan, 0.3, 0.4]})
    short = cost.learning(curve, 100, "r")
    assert short["drawn"].tolist() == [100, 200, 300, 400]
    assert cost.learning(curve[::2], 100, "r")["drawn"].tolist() == [100, 400]  # not every step
    long = cost.learning(pd.DataFrame({"step": range(1, 41), "r": np.linspace(0.5, 0.9, 40)}), 40,
                         "r")
    budget, found = cost.at_equal_answers({"short": short, "long": long}, part=0.5)
    assert budget == 400
    assert found["short"][0] == pytest.approx(0.35)
    inside = long[(long["drawn"] > 200) & (long["drawn"] <= 400)]["right"]
    assert found["long"][0] == pytest.approx(inside.mean())
    assert found["long"][1] < found["long"][0] < found["long"][2]
    assert cost.at_equal_answers({"one": short[:1]})[1]["one"] == (0.1, 0.0, 1.0)
    with pytest.raises(KeyError, match="rewards/other"):
        cost.learning(curve, 100, "rewards/other/mean")


def answered(*answers, reference="18"):
    return {"answer": reference, "completions": [f"#### {one}" if one else "?" for one in answers],
            "tokens": [10] * len(answers)}


@pytest.mark.parametrize("row", [
    answered("18", "17", "18", "16"), answered("17", "17", "18", "16"), answered("", "", "18", ""),
    answered("", "", "", ""), answered("18.0", "18", "17", "17")])
def test_votes_are_those_of_the_judge(row):
    from helpers.judge import majority_of

    ks = [1, 2, 3, 4]
    assert cost.votes([row], ks)[0] == pytest.approx([majority_of([row], k)[0] for k in ks])


def test_tokens_of_k_answers():
    assert cost.tries(8) == [1, 2, 4, 8] and cost.tries(5) == [1, 2, 4] and cost.tries(1) == [1]
    assert cost.tokens_spent([answered("1", "2")], [1, 4]).tolist() == [10, 40]


def test_seeds_together_are_no_surer_than_they_are():
    """Two models that are equal over seeds, whose training is noisy: 95 % intervals that take
    problems for all there is miss in a third of the runs, these in 5 % or fewer."""
    draw = np.random.default_rng(0)
    together, alone = [], []
    for place in range(400):
        runs = 3 + place % 2
        skill = draw.normal(scale=0.06, size=(runs, 1)) + draw.normal(scale=0.2, size=300)
        difference = skill + draw.normal(scale=0.3, size=(runs, 300))
        mean, low, high = pooled_interval(difference, 8)
        assert low <= mean <= high and mean == pytest.approx(difference.mean())
        together.append(low <= 0 <= high)
        flat = difference.mean(axis=0)
        _, low, high = paired_interval(flat, np.zeros(300), 1)
        alone.append(low <= 0 <= high)
    assert np.mean(together) >= 0.93 and np.mean(alone) <= 0.75


def test_pooled_gains_are_over_the_same_problems():
    runs = [{"sft": rows_of(np.full(40, 0.4), 8, seed), "grpo": rows_of(np.full(40, 0.9), 8, seed)}
            for seed in range(3)]
    found = {(one["measure"], one["part"]): one for one in claims.all_pooled(runs, at_best=False)}
    each = [claims.gains(run["grpo"], run["sft"])["strict"]["difference"] for run in runs]
    strict = found["strict", "all"]
    assert strict["difference"] == pytest.approx(np.mean(each)) and strict["ci95"][0] > 0.3
    assert claims.all_pooled(runs[:2], at_best=False) == []
    runs[1] = {name: rows[:-1] for name, rows in runs[1].items()}
    with pytest.raises(ValueError, match="same problems"):
        claims.all_pooled(runs, at_best=False)


@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (5, 1), (5,)])
def test_one_run_or_two_say_nothing_of_runs(shape):
    with pytest.raises(ValueError, match="three runs"):
        pooled_interval(np.zeros(shape), 1)


def test_that_nothing_differed_does_not_show_that_nothing_does():
    """13 problems and three seeds: a loss of 5 points is not ruled out."""
    mean, low, high = pooled_interval(np.zeros((3, 13)), 1)
    assert mean == 0 and low < -0.1 and high > 0.1
    with pytest.raises(ValueError, match="no number"):
        pooled_interval([[0.0, np.nan], [0.1, 0.2], [0.1, 0.2]], 1)


def test_pooled_are_the_measures_that_all_runs_have_of_parts_that_are_problems():
    runs = [{"sft": rows_of(np.full(40, 0.4), n, n), "grpo": rows_of(np.full(40, 0.9), n, n)}
            for n in (8, 4, 5)]
    for order in (runs, runs[::-1]):
        found = {one["measure"] for one in claims.all_pooled(order, at_best=False)}
        assert found == {"strict", "lenient", "greedy", "lenient_greedy"}
    for run in runs:
        for rows in run.values():
            for place, row in enumerate(rows):
                row["demonstrated"] = place > 0
    parts = {one["part"] for one in claims.all_pooled(runs, at_best=False)}
    assert parts == {"all", "with"}  # of a single problem there is no spread
