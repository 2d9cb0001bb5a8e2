"""All nine sets side by side: defects counted, leaks found, what is out of reach skipped."""

from dataclasses import replace

import pandas as pd
import pytest

from helpers import hub, survey
from helpers.config import Course
from helpers.data import FAMILIES, DataError, DataUnreachable
from helpers.data.problem import Problem
from helpers.models import load_tokenizer
from tests.hub import set_rows
from tests.hub.tiny_repo import write_lines


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(Course.load())


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A folder a set, as files with the defects planted."""
    root = tmp_path_factory.mktemp("sets")
    for name in FAMILIES:
        for split, rows in set_rows.files_of(name).items():
            write_lines(root / name / f"{split}.jsonl", rows)
    return {name: str(root / name) for name in FAMILIES}


@pytest.fixture(scope="module")
def planted(paths):
    views, skipped = survey.open_sets(Course.load(overrides={
        "dataset": {"path": paths["gsm8k"]}, "data": {"train": 7, "validation": 1, "test": 1},
        "sets": {"paths": {name: path for name, path in paths.items() if name != "gsm8k"}}}))
    assert not skipped
    return views


def test_every_set_is_read_by_the_rules_of_the_task_that_uses_it():
    from helpers.config import names

    course = Course.load()
    assert tuple(survey.TASKS) == tuple(FAMILIES)
    sets = {Course.load(task=task).own_set for task in names("task")}  # several may share one
    assert {Course.load(task=task).own_set for task in survey.TASKS.values()} == sets
    assert survey.course_of(course, "gsm8k") is course
    for name in FAMILIES:
        used = survey.course_of(course, name)
        alone = Course.load(task=survey.TASKS[name])
        assert used.task == alone.task and used.lengths == alone.lengths
        assert used.sets.held_out == alone.sets.held_out
        assert used.answer_format == alone.answer_format


def test_overrides_go_along_but_for_those_of_the_one_task():
    course = Course.load("colab", seed=3, overrides={
        "world": "tiny", "model": {"name": "data/tiny/base"}, "lengths": {"prompt": 900},
        "rewards": {"exact_answer": 2.0}, "dataset": {"path": "here", "revision": "a" * 40},
        "sets": {"held_out": ["math500"], "paths": {"math500": "there"}}})
    used = survey.course_of(course, "deepscaler")
    assert (used.preset, used.seed, used.world) == ("colab", 3, "tiny")
    assert used.model.name == "data/tiny/base" and used.lengths.prompt == 256
    assert used.rewards == Course.load("colab", "deepscaler").rewards
    assert "exact_answer" not in used.rewards and "gsm8k" in used.sets.held_out
    assert (used.source("gsm8k").path, used.source("gsm8k").revision) == ("here", "a" * 40)
    assert used.source("math500").path == "there" and used.source().path is None
    assert used.source() == Course.load("colab", "deepscaler").source()


@pytest.mark.parametrize("name", sorted({*set_rows.PLANTED} - {"warmstart"}))
def test_planted_defects_are_counted_whatever_the_data_settings(planted, tokenizer, name):
    """(The planted WarmStart has the puzzles of the planted Countdown.)"""
    view = planted[name]
    facts = survey.summary(view, survey.token_lengths(view, tokenizer))
    left_out = dict(facts["left_out"]["train"])
    left_out.pop("in another split")
    expected = set_rows.expected(name)
    if name == "countdown":
        left_out.pop("in warmstart", None)
        expected.pop("in warmstart", None)
    assert left_out == expected
    assert facts["duplicates"] == expected.get("duplicates", 0)
    assert facts["records"]["train"] > 7 and facts["kind"] == view.kind
    source = FAMILIES[name].splits["train"]
    assert facts["rows"][source] == set_rows.GOOD + len(set_rows.PLANTED[name])
    assert sum(facts["classes"].values()) == facts["rows"][source]
    assert facts["columns"] == list(view.main_rows.column_names)
    assert facts["unusable"] == sum(facts["left_out"]["train"].values()) - facts["left_out"][
        "train"]["in another split"]


def test_the_kinds_of_records_and_the_splits_of_each(planted):
    kinds = {name: view.kind for name, view in planted.items()}
    assert [name for name in kinds if kinds[name] == "conversation"] == ["warmstart", "smoltalk"]
    assert [name for name in kinds if kinds[name] == "pair of answers"] == ["ultrafeedback"]
    for name, view in planted.items():
        only_test = name in ("aime24", "math500")
        assert view.main == ("test" if only_test else "train")
        assert list(view.splits) == (["test"] if only_test else list(survey.SPLITS))
        assert set(view.rows) == {FAMILIES[name].splits[split] for split in view.splits}
        assert view.records.report["rows"] == len(view.main_rows)


def test_what_the_loader_promises_is_true_after_cleaning(planted):
    table = survey.overlaps(planted)
    assert list(table.index) == [name for name in FAMILIES if "train" in FAMILIES[name].splits]
    assert list(table.columns) == list(FAMILIES)
    for name in table.index:
        assert table.loc[name, name] == 0
        for other in set(planted[name].course.sets.held_out) - {"warmstart", "countdown"}:
            assert table.loc[name, other] == 0, (name, other)


@pytest.mark.parametrize("name, other, question", [
    ("openr1", "math500", "simplify  $\\frac{1604}{1606}$"), ("openr1", "gsm8k", None),
    ("deepscaler", "aime24", "LET m = 402. find the remainder of \\(m^2\\) modulo $1000$."),
    ("gsm8k", "gsm8k", None),
])
def test_a_leak_is_found_however_it_is_written(planted, name, other, question):
    question = question or planted[other].splits["test"][0].question.upper().replace(" ", "  ")
    view = planted[name]
    leak = Problem(question, "", "1", name, "leak")
    spoiled = replace(view, splits={**view.splits, "train": [*view.records, leak]})
    table = survey.overlaps({name: spoiled, other: spoiled if other == name else planted[other]})
    assert table.loc[name, other] == 1


def test_problems_are_found_in_conversations_and_puzzles_in_any_order(planted):
    talk = planted["smoltalk"]
    problem = planted["math500"].splits["test"][0]
    turns = [{"role": "user", "content": problem.question}, {"role": "assistant", "content": "?"}]
    leak = replace(talk.records[0], messages=turns, key=f"user: {problem.question}")
    spoiled = replace(talk, splits={**talk.splits, "train": [*talk.records, leak]})
    table = survey.overlaps({"smoltalk": spoiled, "math500": planted["math500"]})
    assert table.loc["smoltalk", "math500"] == 1
    puzzles, searches = planted["countdown"], planted["warmstart"]
    asked = {survey.asked(one) for one in puzzles.records}
    same = replace(puzzles, splits={**puzzles.splits, "test": puzzles.records})
    table = survey.overlaps({"countdown": same, "warmstart": searches})
    assert table.loc["countdown", "countdown"] == len(asked)
    assert table.loc["warmstart", "countdown"] == len(
        asked & {survey.asked(one) for one in searches.records})


def test_lengths_are_measured_on_the_first_records_and_only_where_there_is_an_answer(
    planted, tokenizer
):
    frame = survey.token_lengths(planted["deepscaler"], tokenizer, at_most=20)
    solved = [bool(one.solution) for one in planted["deepscaler"].records[:20]]
    assert len(frame) == 20 and frame["answer"].notna().tolist() == solved
    assert 0 < sum(solved) < 20 and frame["prompt"].notna().all()
    assert survey.token_lengths(planted["countdown"], tokenizer)["answer"].isna().all()
    assert survey.token_lengths(planted["smoltalk"], tokenizer)["answer"].notna().all()
    facts = survey.summary(planted["countdown"], survey.token_lengths(
        planted["countdown"], tokenizer))
    assert list(facts["tokens"]) == ["prompt"] and facts["too_long"] == 0


def test_over_a_limit_is_more_than_it_in_prompt_or_answer():
    frame = pd.DataFrame({"prompt": [9.0, 10, 11, 9, 11], "answer": [5.0, 5, 5, 6, None]})
    assert survey.too_long(frame, (10, 5)) == 3


def test_only_the_first_rows_are_read_and_the_own_set_whole(paths):
    course = Course.load(overrides={"sets": {"paths": paths}})
    views, _ = survey.open_sets(course, first=30)
    assert len(views["gsm8k"].main_rows) == set_rows.GOOD + len(set_rows.PLANTED["gsm8k"])
    for name in ("openr1", "countdown", "ultrafeedback"):
        assert len(views[name].main_rows) == views[name].records.report["rows"] == 30
        assert survey.where(views[name].main_rows).endswith(".jsonl, the first 30 rows")
        assert sum(map(len, views[name].splits.values())) <= 32
    assert "first" not in survey.where(views["math500"].main_rows)


def test_what_is_out_of_reach_is_skipped_and_asked_for_once(monkeypatch, paths):
    asked = []

    def rows_of(course, name, split, first=None):
        asked.append(name)
        if course.source(name).path:
            return real(course, name, split, first)
        raise DataUnreachable(f"{name}: no connection. Set dataset.path to a folder.")

    real = survey.rows_of
    monkeypatch.setattr(survey, "rows_of", rows_of)
    course = Course.load(overrides={"world": "hub", "dataset": {"path": paths["gsm8k"]},
                                    "sets": {"paths": {"math500": paths["math500"]}}})
    views, skipped = survey.open_sets(course)
    assert list(views) == ["gsm8k", "math500"] and set(views) | set(skipped) == set(FAMILIES)
    assert skipped["openr1"] == "openr1: no connection. Set sets.paths.openr1 to a folder."
    assert skipped["aime24"].startswith("HuggingFaceH4/aime_2024: not asked for")
    assert set(asked) == {"gsm8k", "openr1", "math500"}
    asked.clear()
    monkeypatch.setattr(hub, "is_offline", lambda: True)  # the cache may have some: ask for each
    assert survey.open_sets(course)[1].keys() == skipped.keys()
    assert set(asked) == set(FAMILIES)


def test_another_error_is_not_taken_for_a_set_out_of_reach(tmp_path):
    (tmp_path / "train.jsonl").write_text("{no json\n")
    with pytest.raises(DataError, match="not valid JSON") as caught:
        survey.open_sets(Course.load(overrides={"sets": {"paths": {"openr1": str(tmp_path)}}}))
    assert not isinstance(caught.value, DataUnreachable)


def test_column_types_and_rows_in_words():
    from datasets import Dataset

    rows = Dataset.from_list([{"n": 1, "flags": [True], "turns": [{"role": "u", "content": "c"}],
                               "text": "x" * 80}])
    types = {name: survey.column_type(one) for name, one in rows.features.items()}
    assert types["n"] == "int64" and types["flags"] == "list of bool"
    assert types["turns"] in ("list of {role, content}", "list of {content, role}")
    line = survey.short(rows[0], width=20)
    assert line == f"n: 1; text: '{'x' * 19} …"
