"""Loading, splitting and counting problems; the hub path is tested in tests/hub."""

import json

import pytest

from helpers.config import Course
from helpers.data import Problems, data_hash, is_validation, load_problems, load_rows, where
from helpers.data.gsm8k import normalise, to_problem
from helpers.data.source import DataError
from tests.hub.tiny_repo import gsm8k_row, write_lines

TRAIN, TEST = [gsm8k_row(n) for n in range(200)], [gsm8k_row(n) for n in range(900, 930)]


def course_at(folder, **data):
    sizes = {"train": None, "validation": None, "test": None} | data
    return Course.load(overrides={"dataset": {"path": str(folder)}, "data": sizes})


@pytest.fixture
def folder(tmp_path):
    write_lines(tmp_path / "train.jsonl", TRAIN)
    write_lines(tmp_path / "test.jsonl", TEST)
    return tmp_path


def test_train_and_validation_share_nothing_and_lose_nothing(folder):
    train = load_problems(course_at(folder), "train")
    validation = load_problems(course_at(folder), "validation")
    questions = {p.question for p in train} | {p.question for p in validation}
    assert questions == {row["question"] for row in TRAIN}
    assert len(train) + len(validation) == 200 and 8 <= len(validation) <= 35
    assert all(is_validation(p.question) for p in validation)
    assert not any(is_validation(p.question) for p in train)


def test_one_row_becomes_one_problem():
    problem = to_problem({"question": "How much?", "answer": "3*4=<<3*4=12>>12\nso\n#### $1,012."},
                         "here")
    assert (problem.solution, problem.answer) == ("3*4=<<3*4=12>>12\nso", "1012")
    assert problem.source == "gsm8k" and len(problem.id) == 16


@pytest.mark.parametrize(("written", "bare"), [
    (" 1,450,000", "1450000"), ("-10", "-10"), ("$32,348.", "32348"), ("27.0", "27.0"),
])
def test_answers_are_bare_numbers(written, bare):
    assert normalise(written) == bare


def test_order_is_that_of_the_hash_and_a_smaller_number_is_a_prefix(folder, tmp_path):
    shuffled = tmp_path / "other"
    write_lines(shuffled / "train.jsonl", TRAIN[::-1])
    write_lines(shuffled / "test.jsonl", TEST)
    everything = load_problems(course_at(folder), "train")
    assert load_problems(course_at(shuffled), "train") == everything
    assert list(load_problems(course_at(folder, train=20), "train")) == everything[:20]
    assert [p.question for p in everything] != [
        row["question"] for row in TRAIN if not is_validation(row["question"])]


def test_duplicates_and_test_problems_leave_the_training_set_and_are_counted(folder):
    again = dict(TRAIN[3], question="  " + TRAIN[3]["question"].upper())
    write_lines(folder / "train.jsonl", [*TRAIN, TRAIN[0], again, TEST[5]])
    train = load_problems(course_at(folder), "train")
    validation = load_problems(course_at(folder), "validation")
    assert len(train) + len(validation) == 200
    assert TEST[5]["question"] not in {p.question for p in [*train, *validation]}
    for problems in (train, validation):
        assert problems.report["rows"] == 203
        assert problems.report["duplicates"] == 2 and problems.report["in_test"] == 1
    assert train.report["used"] == len(train) == train.report["available"]
    assert load_problems(course_at(folder), "test").report["rows"] == 30


def test_data_hash_follows_content_and_order(folder):
    problems = load_problems(course_at(folder), "train")
    assert data_hash(problems) == data_hash(load_problems(course_at(folder), "train"))
    assert data_hash(problems) != data_hash(problems[::-1])
    assert data_hash(problems) != data_hash(problems[:-1])
    assert len(data_hash(problems)) == 16


def test_file_with_a_suffix_is_found_and_an_unclear_choice_is_refused(folder):
    (folder / "test.jsonl").rename(folder / "test_dev.jsonl")
    assert where(load_rows(course_at(folder), "test")) == str(folder / "test_dev.jsonl")
    write_lines(folder / "test_other.jsonl", TEST)
    with pytest.raises(DataError, match=r"test_dev\.jsonl, test_other\.jsonl.*Rename"):
        load_rows(course_at(folder), "test")
    write_lines(folder / "test.jsonl", TEST[:1])
    assert len(load_rows(course_at(folder), "test")) == 1


def damaged(folder, text):
    (folder / "train.jsonl").write_text(text)
    with pytest.raises(DataError) as caught:
        load_problems(course_at(folder), "train")
    message = str(caught.value)
    assert "\n" not in message and "train.jsonl" in message
    return message


def test_every_damage_is_one_line_with_place_and_advice(folder):
    good = json.dumps(TRAIN[0])
    assert "line 2: not valid JSON" in damaged(folder, f"{good}\n{good[:40]}\n")
    assert "line 2: a list, not an object" in damaged(folder, f"{good}\n[1]\n")
    assert "no rows" in damaged(folder, "\n")
    wrong = json.dumps({"question": "q", "solution": "s"})
    assert "['answer', 'question'], found ['question', 'solution']" in damaged(folder, wrong)
    extra = json.dumps(TRAIN[0] | {"level": 3})
    assert "found ['answer', 'level', 'question']" in damaged(folder, extra)
    assert "no '#### N' line" in damaged(folder, json.dumps(TRAIN[0] | {"answer": "12"}))
    assert "no '#### N' line" in damaged(folder, json.dumps(TRAIN[0] | {"answer": "12\n####"}))
    assert "no '#### N' line" in damaged(folder, json.dumps(TRAIN[0] | {"answer": None}))
    assert "no question text" in damaged(folder, json.dumps(TRAIN[0] | {"question": " "}))
    (folder / "train.jsonl").unlink()
    with pytest.raises(DataError, match=r"train\.jsonl: no such file .*test\.jsonl.*dataset\.path"):
        load_problems(course_at(folder), "train")
    with pytest.raises(DataError, match="no split 'dev'"):
        load_problems(course_at(folder), "dev")


def test_shipped_tiny_problems_have_no_problem_in_two_splits():
    course = Course.load(overrides={"data": {"train": None, "validation": None, "test": None}})
    splits = {name: load_problems(course, name) for name in
              ("train", "validation", "test", "sealed")}
    for name, problems in splits.items():
        assert isinstance(problems, Problems) and len(problems) >= 100, name
    assert splits["train"].report["in_test"] == splits["train"].report["duplicates"] == 0
    questions = [p.question for problems in splits.values() for p in problems]
    assert len(questions) == len(set(questions))


def test_real_gsm8k_rows_go_through_the_same_loader(REAL_DATA):
    course = course_at(REAL_DATA / "gsm8k")
    train, validation = (load_problems(course, name) for name in ("train", "validation"))
    assert train.report["rows"] == 7473
    assert len(train) + len(validation) == (
        7473 - train.report["duplicates"] - train.report["in_test"])
    assert 650 < len(validation) < 850
    test = load_problems(course, "test")
    assert len(test) == test.report["rows"] == 1055
    answers = {p.answer for p in [*train, *validation]}
    assert {answer for answer in answers if answer.startswith("-")} == {"-7", "-12", "-47"}
    assert all(int(answer) == float(answer) for answer in answers)
    assert all("####" not in p.solution for p in train)
