"""Short runs that differ in one thing: equal answers drawn, resumed, and read where some lack."""

import json
import math

import numpy as np
import pytest
import torch

from helpers import losses
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.files import ArtifactError
from helpers.train import ablations
from helpers.train.ablations import __main__ as command
from helpers.train.ablations import record, runs
from helpers.train.ablations.variants import CHAPTERS, START, VARIANTS, queue
from helpers.train.ablations.watched import BASELINES, MeanCritic, WatchedGroups, others_mean
from helpers.train.group import GroupTrainer

BASE = ROOT / "data" / "tiny" / "base"
SHORT = {"lengths": {"completion": 8}, "data": {"validation": 4}, "evaluation": {"n": 2}}
FEW = SHORT | {"grpo": {"max_steps": 2, "prompts_per_step": 2, "num_generations": 4}}
ONE = SHORT | {
    "ppo": {"max_steps": 1, "prompts_per_step": 4, "minibatch_size": 4, "micro_batch_size": 4}
}


def wordy(completions, **columns):
    """The base answers nothing right in eight tokens; this differs from text to text."""
    return [float(sum(map(ord, text)) % 5) for text in map(str, completions)]


@pytest.fixture
def paid_by_words(monkeypatch):
    monkeypatch.setattr(runs, "reward_functions", lambda course: ([wordy], [1.0]))
    monkeypatch.setattr("helpers.train.methods.reward_functions", lambda course: ([wordy], [1.0]))
    monkeypatch.setattr(runs, "answer_reward", lambda course: "wordy")


# What is compared.


def test_the_others_mean_does_not_depend_on_the_completion_it_is_taken_off():
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, math.nan]])
    assert others_mean(rewards).flatten().tolist() == pytest.approx([2 / 3, 1 / 3, 3 / 4])
    changed = rewards.clone()
    changed[0] = torch.tensor([5.0, -7.0])
    assert others_mean(changed)[0] == others_mean(rewards)[0]
    assert others_mean(rewards[:1]).item() == 0  # nobody to compare with


def check_the_others(mean):
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, math.nan]])
    assert mean(rewards).flatten().tolist() == pytest.approx([2 / 3, 1 / 3, 3 / 4])


MUTANTS = {
    "its own group too": lambda r: r.nanmean().expand(len(r), 1),
    "its own group alone": lambda r: r.nanmean(1, keepdim=True),
    "None counts 0": lambda r: others_mean(r.nan_to_num(nan=0.0)),
    "a mean of means": lambda r: torch.stack(
        [r.nanmean(1)[torch.arange(len(r)) != row].mean() for row in range(len(r))]
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_wrong_means_of_the_others_are_noticed(name):
    check_the_others(others_mean)
    with pytest.raises(AssertionError):
        check_the_others(MUTANTS[name])


def test_baselines_by_hand():
    rewards = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    found = {name: baseline(rewards).tolist() for name, baseline in BASELINES.items()}
    assert found == {
        "nothing": [[1, 0], [1, 1]],
        "others": [[0, -1], [0.5, 0.5]],
        "rloo": [[1, -1], [0, 0]],
    }


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_draws_equally_many_answers_and_compares_different_runs(chapter):
    plans = [VARIANTS[name].plan() for name in CHAPTERS[chapter]]
    assert len({VARIANTS[name].answers() for name in CHAPTERS[chapter]}) == 1
    assert all(one != other for i, one in enumerate(plans) for other in plans[:i])
    assert len({VARIANTS[name].section for name in CHAPTERS[chapter]}) == 1


def test_each_variant_is_what_it_is_called():
    coin = VARIANTS["coin"].course()
    assert coin.rewards == {"exact_answer": 0.0, "random_reward": 1.0}
    assert VARIANTS["trl"].course().grpo.engine == "trl" and VARIANTS["dapo"].uses == 1
    for uses in (4, 16):
        clip, free, gspo = (VARIANTS[f"{name}_{uses}"] for name in ("clip", "free", "gspo"))
        assert clip.uses == free.uses == gspo.uses == uses
        assert free.course().grpo.epsilon > 1e5 > clip.course().grpo.epsilon
        assert gspo.course().grpo.importance_sampling_level == "sequence"
    assert VARIANTS["lambda_50"].course().ppo.lam == 0.5 and VARIANTS["ppo"].course().ppo.lam == 1
    assert {one.against for one in VARIANTS.values()} == {None, *BASELINES}


def test_the_queue_has_each_run_once_and_seed_by_seed():
    found = queue([0, 1])
    assert len(set(found)) == len(found) == 2 * len(VARIANTS) + 1
    assert found[:3] == [(START, 0), ("grpo", 0), ("coin", 0)]
    assert [seed for _, seed in found] == sorted(seed for _, seed in found)
    assert queue([2], ["coin"]) == [(START, 2), ("grpo", 2), ("coin", 2)]


# How it is watched.


def trainers(kind, course, folder, **changes):
    from datasets import Dataset

    from helpers import models
    from helpers.train.methods import GRPO

    tokenizer = models.load_tokenizer(course, BASE)
    args = GRPO.arguments(course, folder, save_strategy="no", adam_epsilon=1e-3, **changes)
    rows = Dataset.from_list([{"prompt": f"{n} + 2 = "} for n in range(4)])
    return GRPO.trainer(course, args, rows, tokenizer, start=BASE, reward_funcs=[wordy], kind=kind)


def weights(trainer):
    return torch.cat([one.detach().flatten() for one in trainer.trained])


def test_watching_changes_nothing_and_says_how_far_a_batch_has_moved(tmp_path, paid_by_words):
    course = VARIANTS["grpo"].course(small=FEW | {"grpo": FEW["grpo"] | {"learning_rate": 1e-3}})
    plain, watched = (trainers(kind, course, tmp_path) for kind in (GroupTrainer, WatchedGroups))
    plain.train()
    first, second = watched.train().log_history
    assert torch.equal(weights(plain), weights(watched))
    assert first["watched/kl"] == 0 and second["watched/kl"] > 1e-5
    assert 1e-5 < first["watched/moved"] < 1 and 0 < first["watched/outside"] < 1


def test_what_the_settings_say_gives_way_to_another_baseline(tmp_path, paid_by_words, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        GroupTrainer, "learn", lambda self, answers, step: seen.update(a=answers) or {"loss": 0.0}
    )
    course = VARIANTS["rloo"].course(small=FEW)
    for against, expected in BASELINES.items():
        trainer = trainers(WatchedGroups, course, tmp_path, max_steps=1)
        trainer.against = against
        trainer.train()
        answers = seen["a"]
        groups = expected(answers.scores.view(-1, 4)).flatten()
        assert torch.equal(answers.advantages, groups) and groups.any()


def test_a_mean_takes_the_place_of_the_critic(tmp_path, paid_by_words, monkeypatch):
    seen = {}

    def stopped(self, resume_from_checkpoint=None):
        seen[type(self)] = self.roll_out(0)
        raise KeyboardInterrupt

    monkeypatch.setattr(MeanCritic, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        runs.train(VARIANTS["mean_critic"], 0, BASE, small=ONE)
    rollout = seen[MeanCritic]
    expected = losses.masked_whiten(rollout.returns, rollout.mask)
    assert torch.equal(rollout.advantages, expected)
    with pytest.raises(ValueError, match="lam is 0.5"):
        runs.train(VARIANTS["mean_critic"], 0, BASE, small=ONE | {"ppo": ONE["ppo"] | {"lam": 0.5}})


@pytest.mark.parametrize("name", ["cispo_4", "trl"])
def test_a_run_tells_its_curves_and_what_it_does_on_validation(name, paid_by_words):
    one = runs.train(VARIANTS[name], 1, BASE, small=FEW)
    assert one["name"] == name and one["seed"] == 1 and one["answers"] == 2 * 2 * 4
    assert {"step", "reward", "right", "silent", "clipped"} <= one["curves"].keys()
    assert {len(values) for values in one["curves"].values()} == {2} and json.dumps(one)
    assert one["curves"]["right"] == one["curves"]["reward"]
    held = one["held_out"]
    assert len(held["right"]) == len(held["greedy_right"]) == held["n"] == 4
    assert held["samples"] == 2 and ("kl" in one["curves"]) == (name != "trl")


def test_curves_add_what_is_clipped_on_both_sides_and_know_what_is_not_known():
    log = [{"step": 1, "reward": math.nan, "clip_ratio/low_mean": 0.1, "clip_ratio/high_mean": 0.2},
           {"step": 2, "reward": 0.123456, "clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": 0.0},
           {"train_runtime": 3.0}]  # fmt: skip
    found = runs.curves(log, Course.load("tiny", "gsm8k", 0))
    assert found == {"step": [1, 2], "reward": [None, 0.1235], "clipped": [0.3, 0.0]}


# The queue goes on where it was stopped.


def held(share=0.5, n=4, samples=2, greedy="0011"):
    right = "".join(str(round(share * samples)) for _ in range(n))
    return {"pass@1": share, "greedy": 0.5, "mean_tokens": 9.0, "distinct": 1.0,
            "samples": samples, "n": n, "right": right, "greedy_right": greedy}  # fmt: skip


def a_run(name, seed, share=0.5, answers=1024, **curves):
    steps = {"step": [1, 2, 3, 4]} if curves else {}
    return {"name": name, "seed": seed, "curves": steps | curves, "held_out": held(share),
            "answers": answers, "minutes": 0.5}  # fmt: skip


@pytest.fixture
def sft(tmp_path):
    course = Course.load("tiny", "gsm8k", 0)
    return Stage(course, "sft", tmp_path / "sft", {"run_id": "20260101-000000-abcdef"})


@pytest.fixture
def counted(monkeypatch):
    """Every run that was made, in order."""
    made = []

    def train(variant, seed, *rest):
        made.append((variant.name, seed))
        return a_run(variant.name, seed)

    monkeypatch.setattr(runs, "train", train)
    monkeypatch.setattr(runs, "untrained", lambda seed, *rest: a_run(START, seed, answers=0))
    return made


def test_what_is_finished_is_not_run_again(tmp_path, sft, counted):
    lines, wanted = tmp_path / "made" / "runs.jsonl", queue([0], ["coin"])
    said = []
    runs.run(wanted[:2], sft, None, lines, said=said.append)
    assert counted == [("grpo", 0)] and len(said) == 2
    whole = lines.read_text()
    lines.write_text(whole + whole.splitlines()[1][:40])  # killed while it wrote
    runs.run(wanted, sft, None, lines, said=said.append)
    assert counted == [("grpo", 0), ("coin", 0)] and len(said) == 3
    assert runs.finished(lines, sft.run_id).keys() == set(wanted)
    runs.run(wanted, sft, None, lines, said=said.append)
    assert len(counted) == 2


def test_another_plan_and_another_sft_are_other_runs(tmp_path, sft, counted):
    lines = tmp_path / "runs.jsonl"
    runs.run([("coin", 0)], sft, None, lines, said=str)
    runs.run([("coin", 0)], sft, None, lines, {"grpo": {"max_steps": 3}}, said=str)
    assert len(counted) == 2
    other = Stage(sft.course, "sft", sft.path, {"run_id": "20270101-000000-abcdef"})
    runs.run([("coin", 0)], other, None, lines, said=str)
    assert len(counted) == 3 and len(runs.finished(lines, other.run_id)) == 1


# What is read.


@pytest.fixture
def partial(tmp_path, sft):
    """A record of which seed 1 lacks the coin."""
    lines = tmp_path / "runs.jsonl"
    found = [a_run(START, 0, 0.5, 0),
             a_run("grpo", 0, 1.0, reward=[0.0, 0.5, None, 1.0]),
             a_run("grpo", 1, 0.5, reward=[0.5, 0.5, 1.0, 1.0]),
             a_run("coin", 0, 0.5, reward=[0.5, 0.5, 0.5, 0.5])]  # fmt: skip
    lines.write_text("".join(json.dumps(one | {"sft": sft.run_id}) + "\n" for one in found)
                     + json.dumps(a_run("grpo", 2) | {"sft": "another"}) + "\n")  # fmt: skip
    return record.write(lines, sft, tmp_path / "ablations.json")


def test_a_partial_record_is_of_use(tmp_path, partial):
    assert ablations.load(tmp_path / "ablations.json") == partial
    assert ablations.load(tmp_path / "none.json") == {} and "0 of" in ablations.progress({})
    assert [run["seed"] for run in partial["runs"]] == [0, 0, 0, 1]
    assert ablations.seeds(partial, ["grpo"]) == [0, 1] and ablations.seeds({}, ["grpo"]) == []
    assert ablations.seeds(partial, ["grpo", "coin"]) == [0]
    assert ablations.progress(partial, [0, 1]).startswith(f"4 of {2 * len(VARIANTS) + 1} runs")
    one = ablations.band(partial, "grpo", "reward", [0, 1])
    assert one.seeds == 2 and one.steps.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(one.mean, [0.25, 0.5, np.nan, 1.0])
    assert one.low[0] == 0 and one.high[0] == 0.5
    assert ablations.band(partial, "coin", "reward", [0, 1]) is None
    assert ablations.band(partial, "grpo", "kl", [0]) is None
    assert ablations.band(partial, "grpo", "reward", []) is None
    assert ablations.ends(partial, "grpo", "reward", [0, 1]) == (0.25, 1.0)
    assert ablations.held_out(partial, "grpo", [0, 1]) == (0.75, 0.5, 1.0)


def test_a_running_mean_never_looks_ahead(partial):
    one = ablations.band(partial, "grpo", "reward", [0], smooth=2)
    np.testing.assert_allclose(one.mean, [0.0, 0.25, np.nan, 1.0])


def test_runs_are_compared_in_pairs(partial):
    difference, low, high = ablations.compared(partial, "grpo", START, [0, 1])
    assert difference == 0.25 and low < 0.25 < high
    assert ablations.compared(partial, "grpo", "coin", [0])[0] == 0.5
    assert ablations.compared(partial, "grpo", "coin", [0], greedy=True)[0] == 0
    whole = partial | {"runs": [a_run(name, seed, share) for seed in range(3)
                                for name, share in [("grpo", 1.0), ("coin", 0.5)]]}  # fmt: skip
    difference, low, high = ablations.compared(whole, "grpo", "coin", [0, 1, 2])
    assert difference == 0.5 and high - low > 0  # of seeds and of problems


def test_panels_and_tables_have_what_is_there(partial):
    found = ablations.panels(partial, ["grpo", "coin"], {"reward": "Reward", "kl": "KL"}, smooth=1)
    assert list(found) == ["Reward"] and list(found["Reward"]) == [
        "GRPO, used once",
        "paid by a coin",
    ]
    assert {one.seeds for one in found["Reward"].values()} == {1}
    assert list(ablations.panels(partial, ["grpo", "trl", "coin"], {"reward": "R"})["R"]) == [
        "GRPO, used once", "paid by a coin"]  # fmt: skip
    assert ablations.panels(partial, ["coin", "trl"], {"reward": "R"}) == {}  # one alone
    assert ablations.panels({}, ["grpo"], {"reward": "R"}) == {}
    told = ablations.table(partial, ["grpo", "coin", "trl"], START)
    assert list(told.index) == ["GRPO, used once", "paid by a coin"] and told.index.name.endswith(
        "start"
    )
    assert told["difference, points"].tolist() == ["+25.0", "+0.0"]
    assert told["seeds"].tolist() == [2, 1] and told["it is"]["paid by a coin"].startswith("no ")
    assert ablations.table({}, ["grpo"], START).empty
    assert [ablations.verdict(*one) for one in [(1, 2), (-2, -1), (-1, 1)]][:2] == [
        "higher", "lower"]  # fmt: skip


def test_unequal_answers_are_not_recorded(tmp_path, sft):
    lines = tmp_path / "runs.jsonl"
    found = [a_run("grpo", 0), a_run("coin", 0, answers=512)]
    lines.write_text("".join(json.dumps(one | {"sft": sft.run_id}) + "\n" for one in found))
    with pytest.raises(ArtifactError, match=r"chapter coin .*\[512, 1024\]"):
        record.write(lines, sft, tmp_path / "ablations.json")
    with pytest.raises(ArtifactError, match="no finished run"):
        record.write(tmp_path / "none.jsonl", sft, tmp_path / "ablations.json")


def test_the_command_runs_and_records(tmp_path, sft, counted, monkeypatch, capsys):
    monkeypatch.setattr(command, "find", lambda course, name: sft)
    place = ["--lines", str(tmp_path / "r.jsonl"), "--seeds", "0"]
    assert command.main(["run", *place, "--chapters", "coin", "engines"]) == 0
    assert [name for name, _ in counted] == ["grpo", "coin", "dapo", "trl"]
    assert command.main(["record", *place, "--out", str(tmp_path / "out.json")]) == 0
    assert "5 of" in capsys.readouterr().out.splitlines()[-1]
    assert command.main(["record", "--lines", str(tmp_path / "none.jsonl")]) == 1


def test_the_record_that_comes_with_the_course_is_small_and_fits_the_code():
    kept = ablations.load()
    assert len(json.dumps(kept)) < 200_000
    check_the_record_fits(kept)


def check_the_record_fits(kept):
    for chapter, names in CHAPTERS.items():
        answers = {run["answers"] for run in kept.get("runs", ()) if run["name"] in names}
        assert len(answers) <= 1, chapter
    for run in kept.get("runs", ()):
        assert run["name"] == START or run["name"] in VARIANTS
        assert len(run["held_out"]["right"]) == run["held_out"]["n"]
        share = sum(map(int, run["held_out"]["right"])) / run["held_out"]["n"]
        assert share / run["held_out"]["samples"] == pytest.approx(run["held_out"]["pass@1"])
        if run["curves"]:
            assert len({len(values) for values in run["curves"].values()}) == 1


# What notebooks 06 and 07 say of the record: of each chapter, against what.

SAID = {"coin": START, "reuse": START, "engines": "dapo", "methods": "reinforce",
        "methods again": "clip_4", "lambda": "ppo", "critic": "ppo", "judge": "ppo",
        "clip": "ppo"}  # fmt: skip


def shares(kept, name):
    """{seed: shares of right samples, one a problem}, from the digits alone."""
    return {
        run["seed"]: [int(digit) / run["held_out"]["samples"] for digit in run["held_out"]["right"]]
        for run in kept["runs"]
        if run["name"] == name
    }


def check_what_is_said(kept):
    """Every row that is shown says what the recorded samples say, counted here by hand."""
    shown = 0
    for chapter, other in SAID.items():
        names = [name for name in CHAPTERS[chapter] if name != other]
        told = ablations.table(kept, names, other)
        for name in names:
            words = VARIANTS[name].words
            mine, theirs = shares(kept, name), shares(kept, other)
            common = [s for s in mine if s in theirs or (other == START and theirs)]
            assert (words in told.index) == bool(common), name
            if not common:
                continue
            row, shown = told.loc[words], shown + 1
            start = next(iter(theirs.values()))
            apart = [np.subtract(mine[s], theirs.get(s, start)) for s in common]
            difference = 100 * np.mean([one.mean() for one in apart])
            low, high = map(float, row["95 % interval"].split(" to "))
            assert row["seeds"] == len(common)
            assert float(row["difference, points"]) == pytest.approx(difference, abs=0.051)
            means = [100 * np.mean(mine[s]) for s in common]
            assert row["pass@1, %"] == (
                f"{np.mean(means):.1f} ({min(means):.1f} to {max(means):.1f})"
            )
            # The interval is the library's; a normal one over problems is nearly as wide.
            of_problems = 1.96 * 100 * np.std(np.mean(apart, axis=0)) / math.sqrt(len(apart[0]))
            assert low < difference < high and (high - low) / 2 > 0.8 * of_problems
            assert len(common) > 2 or (high - low) / 2 < 1.25 * of_problems
            assert row["it is"] == (
                "higher" if low > 0 else "lower" if high < 0 else "no difference is shown"
            ) or 0 in (abs(low), abs(high))  # an end that is rounded to 0
    return shown


def test_what_is_said_of_the_record_follows_from_its_samples():
    kept = ablations.load()
    assert check_what_is_said(kept) >= 20


@pytest.mark.parametrize("key", ["right", "pass@1"])
def test_a_row_that_its_samples_do_not_say_is_noticed(key):
    """A score that was written beside other samples than its own."""
    kept = ablations.load()
    by_place = {(run["name"], run["seed"]): run for run in kept["runs"]}
    swapped = {"right": ("coin", "grpo"), "pass@1": ("free_16", "clip_16")}[key]
    mine, theirs = (by_place[name, 0]["held_out"] for name in swapped)
    mutant = dict(mine) | {key: theirs[key]}
    kept["runs"] = [run | {"held_out": mutant} if run["held_out"] is mine else run
                    for run in kept["runs"]]  # fmt: skip
    with pytest.raises(AssertionError):
        check_what_is_said(kept)
        check_the_record_fits(kept)


def check_the_coin(kept):
    """It pays at random, so it must not be shown to lift anything: samples, and greedy answers."""
    of = ablations.seeds(kept, ["coin"])
    assert of, "no run was paid by a coin"
    for greedy in (False, True):
        _, low, high = ablations.compared(kept, "coin", START, of, greedy)
        assert low <= 0, f"paid by a coin, and yet {100 * low:+.1f} to {100 * high:+.1f} points"


def test_the_recorded_coin_lifts_nothing():
    check_the_coin(ablations.load())


def test_a_coin_that_pays_for_right_answers_is_noticed():
    kept = ablations.load()
    paid = {run["seed"]: run for run in kept["runs"] if run["name"] == "grpo"}
    kept["runs"] = [paid[run["seed"]] | {"name": "coin"} if run["name"] == "coin" else run
                    for run in kept["runs"]]  # fmt: skip
    with pytest.raises(AssertionError, match=r"paid by a coin, and yet \+"):
        check_the_coin(kept)
    kept["runs"] = [run for run in kept["runs"] if run["name"] != "coin"]
    with pytest.raises(AssertionError, match="no run"):
        check_the_coin(kept)


def test_a_curve_that_says_nothing_of_a_run_is_not_drawn(partial):
    """What is outside a clip, of a run that has none, is 0 and no measurement."""
    whole = partial | {"runs": [a_run(name, seed, outside=[0.1, 0.2, 0.1, 0.0], clipped=[0.0] * 4)
                                for name in ("ppo", "again", "again_free", "clip_4", "free_4")
                                for seed in (0, 1)]}  # fmt: skip
    keys = {"outside": "outside", "clipped": "clipped"}
    of_ppo = ablations.panels(whole, CHAPTERS["clip"], keys)
    assert list(of_ppo["outside"]) == ["lambda 1, judge 0.2, clip", "5 passes, clip"]
    groups = ablations.panels(whole, ["clip_4", "free_4"], keys)
    assert list(groups["clipped"]) == ["used 4 times, clip"]
    assert len(groups["outside"]) == 2  # counted against the usual range, whatever the clip is
    assert "5 passes, no clip" in ablations.panels(whole, CHAPTERS["clip"], {"clipped": "c"})["c"]


def test_bands_meet_where_they_overlap():
    def made(low, high, seeds=2):
        low, high = np.array(low), np.array(high)
        return ablations.Band(np.arange(len(low)), (low + high) / 2, low, high, seeds)

    one = made([0.0, 0.2, 0.5, math.nan], [0.1, 0.4, 0.6, math.nan])
    other = made([0.2, 0.3, 0.1, 0.0], [0.3, 0.9, 0.5, 1.0])
    assert ablations.meeting(one, other) == ablations.meeting(other, one) == pytest.approx(2 / 3)
    assert ablations.meeting(one, made([0.0] * 4, [1.0] * 4, seeds=1)) is None
    assert ablations.meeting(made([math.nan], [math.nan]), made([0.0], [1.0])) is None
