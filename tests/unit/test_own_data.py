"""Data of one's own: every fault of a file is one line with file, line, column and remedy, and
good rows are read exactly as they stand."""

import codecs
import json
import random
import re

import pytest

from helpers import config
from helpers.config import ROOT, ConfigError, Course
from helpers.course.opening import check_course
from helpers.data import (
    FAMILIES,
    DataError,
    check_files,
    load,
    load_problems,
    load_rows,
    rows_of,
)
from helpers.data.columns import ANSWER, FLAG, TEXT, TURNS, fits
from helpers.data.gsm8k import normalise
from helpers.data.lines import read_lines
from helpers.data.source import _as_declared
from helpers.prompts import messages, sft_example
from helpers.verify import number
from tests.hub import set_rows
from tests.hub.tiny_repo import gsm8k_row, write_lines


def course_at(folder, task="gsm8k", name=None):
    own = {"dataset": {"path": str(folder)}} if name is None else {
        "sets": {"paths": {name: str(folder)}, "held_out": []}}
    return Course.load(task=task, overrides=own | {
        "data": {"train": None, "validation": None, "test": None}})


def refused(folder, content, task="gsm8k", name=None):
    """The one line that a training file with this content (bytes, text or rows) is refused with."""
    path = folder / "train.jsonl"
    if isinstance(content, list):
        write_lines(path, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    course = course_at(folder, task, name)
    with pytest.raises(DataError) as caught:
        load(course, name or course.own_set, "train")
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path)) and message.endswith(".")
    return message.removeprefix(str(path))


LINES = [json.dumps(gsm8k_row(n)) for n in range(3)]
TEXTS = "\n".join([LINES[0], LINES[1].replace("apples", "café"), LINES[2]])


@pytest.mark.parametrize(("content", "message"), [
    (codecs.BOM_UTF16_LE + TEXTS.encode("utf-16-le"), ", line 1: not UTF-8 but UTF-16"),
    (TEXTS.encode("utf-16-be"), ", line 1: not UTF-8 but UTF-16"),
    (TEXTS.encode("utf-32"), ", line 1: not UTF-8 but UTF-16"),
    (TEXTS.encode("latin-1"), ", line 2: byte 29 (0xe9) is not UTF-8; the file may be Latin-1"),
    (b"", ": no rows"), ("\n \n\n", ": no rows"),
    (f"{LINES[0]}\n\nquestion: none\n", ", line 3: not valid JSON"),
    (f"[{', '.join(LINES)}]", ", line 1: a list of 3 objects, not an object. Write every object "
                              "on a line of its own, without [ ]"),
    (json.dumps([gsm8k_row(1)], indent=1), ", line 1: not valid JSON (Expecting value). One row is "
                                           "one line"),
    (json.dumps(gsm8k_row(1), indent=1), "One row is one line"),
    (f"{LINES[0]}\n72\n", ", line 2: the number 72, not an object"),
    (f"{LINES[0]}\nnull\n", ", line 2: null, not an object"),
    (LINES[0][:-1] + ', "answer": "2\\n#### 2"}', "the key 'answer' stands in it twice"),
    ('{"question": "a", "answer": NaN}', "NaN is no number"),
    ('{"question": "a", "answer": "\\ud83d #### 1"}', ", line 1: half of a pair"),
    ("[" * 100_000, ", line 1: not valid JSON"),
    ('{"question": "a", "answer": ' + "9" * 5000 + "}", ", line 1: not valid JSON"),
])
def test_a_file_that_is_not_lines_of_json_in_utf8(tmp_path, content, message):
    assert message in refused(tmp_path, content)


def test_a_byte_order_mark_and_blank_lines_change_nothing(tmp_path):
    rows = [gsm8k_row(n) | {"question": f"Café {n}?"} for n in range(40)]
    text = "\r\n\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_bytes(codecs.BOM_UTF8 + text.encode())
    assert list(load_rows(course_at(tmp_path), "train")) == rows
    assert read_lines(tmp_path / "train.jsonl", at_most=3) == rows[:3]


GOOD = [gsm8k_row(n) for n in range(3)]


@pytest.mark.parametrize(("rows", "message"), [
    ([{"question": "a"}, *GOOD], ", line 1: expected the columns ['answer', 'question'], found "
                                 "['question']. Every line has all of them"),
    ([*GOOD, {"answer": "#### 1"}], ", line 4: expected the columns ['answer', 'question'], "
                                    "found ['answer']"),
    ([*GOOD, gsm8k_row(4) | {"level": 3}], ", line 4: expected the columns ['answer', 'question'], "
                                           "found ['answer', 'level', 'question']"),
    ([GOOD[0], gsm8k_row(1) | {"question": 7}], ", line 2, column 'question': the number 7, where "
                                                "text belongs. Put it in quotes."),
    ([GOOD[0], gsm8k_row(1) | {"question": {"text": "a"}}],
     ", line 2, column 'question': an object, where text belongs"),
    ([gsm8k_row(1) | {"answer": ["#### 1"]}], ", line 1, column 'answer': a list, where text"),
    ([gsm8k_row(1) | {"answer": True}], ", line 1, column 'answer': true, where text belongs"),
    ([gsm8k_row(1) | {"answer": 2.5}], ", line 1, column 'answer': the number 2.5, where text"),
])
def test_a_column_that_is_missing_or_too_many_or_holds_something_else(tmp_path, rows, message):
    assert message in refused(tmp_path, rows)


@pytest.mark.parametrize(("task", "changes", "message"), [
    ("countdown", {"target": "24"}, "column 'target': the text '24', where a whole number belongs. "
                                    "Write it without quotes."),
    ("countdown", {"target": 24.0}, "column 'target': the number 24.0, where a whole number"),
    ("countdown", {"target": 2**63}, "column 'target': the number 9223372036854775808, where a "
                                     "whole number belongs. A table's whole numbers end below"),
    ("countdown", {"nums": [1, "2"]}, "column 'nums': the text '2', where a list of whole numbers"),
    ("countdown", {"nums": "1, 2"}, "column 'nums': the text '1, 2', where a list of whole"),
    ("openr1", {"is_reasoning_complete": ["yes", "no"]}, "the text 'yes', where a list of true or"),
    ("openr1", {"uuid": 7}, "column 'uuid': the number 7, where line 1 has text"),
    ("deepscaler", {"answer": True}, "column 'answer': true, where text or a number belongs"),
    ("deepscaler", {"answer": ["1"]}, "column 'answer': a list, where text or a number belongs"),
    ("deepscaler", {"answer": 1 / 3}, "the exact answer as text, such as \"1/3\"."),
    ("deepscaler", {"answer": 1e300}, "the exact answer as text"),
])
def test_values_of_another_kind_in_every_task(tmp_path, task, changes, message):
    row = set_rows.MAKERS[task]
    found = refused(tmp_path, [row(1), row(2), row(3) | changes], task)
    assert found.startswith(", line 3, column ") and message in found


@pytest.mark.parametrize(("name", "changes", "message"), [
    ("smoltalk", {"messages": [{"role": "user", "content": ["a"]}]}, "a list, where a list of"),
    ("smoltalk", {"messages": "Hi"}, "the text 'Hi', where a list of {role, content} belongs"),
    ("ultrafeedback", {"score_chosen": "8"}, "the text '8', where a number belongs"),
])
def test_values_of_another_kind_in_conversations(tmp_path, name, changes, message):
    row = set_rows.MAKERS[name]
    write_lines(tmp_path / "train_prefs.jsonl", [row(1), row(2) | changes])
    (tmp_path / "train_prefs.jsonl").replace(
        tmp_path / f"{FAMILIES[name].splits['train']}.jsonl")
    with pytest.raises(DataError, match=r"line 2, column ") as caught:
        load(course_at(tmp_path, "instruct", name), name, "train")
    assert message in str(caught.value)


def test_good_rows_are_read_as_they_stand_in_any_order(tmp_path):
    """What a reader that guesses would change: dates, digits, mixed numbers and text."""
    texts = ["2020-01-01", "2020-01-01T10:00:00Z", "10:30", "true", "null", "1e5", " 7 ", "007",
             "12", "é\u2028\u0085x", "9" * 30, "-0"]
    rows = [{"problem": f"Say {text}.", "answer": text, "solution": text} for text in texts]
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        write_lines(tmp_path / "train.jsonl", rows)
        found = rows_of(course_at(tmp_path, "deepscaler"), "deepscaler", "train")
        assert list(found) == rows
        assert {feature.dtype for feature in found.features.values()} == {"string"}
    problems = load(course_at(tmp_path, "deepscaler", "deepscaler"), "deepscaler", "train")
    assert {one.answer for one in problems} <= {text.strip() for text in texts}


@pytest.mark.parametrize(("written", "answer"), [
    ("72", "72"), ("-3", "-3"), ("9223372036854775808", "9223372036854775808"), ("27.0", "27.0"),
    ("0.10", "0.10"), ("1e3", "1000"), ('"72"', "72"), ("2.5E-1", "0.25"),
])
def test_a_number_as_answer_is_its_digits(tmp_path, written, answer):
    """Beside answers that are text, whichever comes first."""
    lines = ['{"problem": "a", "answer": "x", "solution": null}',
             f'{{"problem": "b", "answer": {written}, "solution": null}}']
    for order in (lines, lines[::-1]):
        (tmp_path / "train.jsonl").write_text("\n".join(order))
        rows = rows_of(course_at(tmp_path, "deepscaler"), "deepscaler", "train")
        assert sorted(rows["answer"]) == sorted(["x", answer])
        problem = FAMILIES["deepscaler"].to_record(rows[order.index(lines[1])], "", "train")
        assert problem.answer == answer and isinstance(problem.answer, str)


def test_the_hubs_columns_are_refused_where_a_reader_guessed():
    from datasets import Features, List, Value

    features = Features({"date": Value("timestamp[s]"), "text": Value("large_string"),
                         "none": Value("null"), "flags": List(Value("bool")),
                         "turns": List({"content": Value("string"), "role": Value("string")})})
    assert not fits(features["date"], TEXT) and fits(features["date"], None)
    assert fits(features["text"], TEXT) and fits(features["none"], TURNS)
    assert fits(features["flags"], [FLAG]) and not fits(features["flags"], FLAG)
    assert fits(features["turns"], TURNS) and not fits(features["turns"], [TEXT])


def test_answers_of_the_hub_that_are_whole_numbers_become_their_digits():
    from datasets import Dataset

    columns = {"answer": ANSWER}
    rows = _as_declared(Dataset.from_dict({"answer": [72, 2**62]}), columns, False, "hub", "path")
    assert rows["answer"][:] == ["72", str(2**62)]
    with pytest.raises(DataError, match=r"hub, column 'answer': .*float64.*, where text or a "
                                        r"number belongs\. Set dataset\.path"):
        _as_declared(Dataset.from_dict({"answer": [72.0]}), columns, False, "hub", "dataset.path")


# Gold answers


@pytest.mark.parametrize(("final", "advice"), [
    ("1,5", "Write 1.5 if"), ("1.450,00", "Write 1450.00 if"), ("-1.450.000,5", "-1450000.5 if"),
    ("1.450.000", "Write 1450000 if"), ("1 450", "Write 1450 if"), ("1'450", "Write 1450 if"),
    ("12 apples", "Write 12 if"), ("x = 5", "Write 5 if"), ("1,45,000", "Write one number"),
    ("2 3/2", "Write one number"), ("3/0", "Write one number"), ("5 or 6", "Write one number"),
    ("none", "Write one number"), ("1e3", "Write one number"), ("2½", "Write 2 if"),
    ("12-5", "Write one number"), ("5,", "Write 5 if"),
])
def test_a_gold_answer_that_is_not_one_plain_number_is_refused_by_its_line(tmp_path, final, advice):
    bad = {"question": "How long is it?", "answer": f"It is so.\n#### {final}"}
    content = "\n\n".join([*LINES, json.dumps(bad)])
    message = refused(tmp_path, content)
    assert message.startswith(f", line 7: the answer to 'How long is it?' ends in '#### {final}', "
                              f"which is not one plain number"), message
    assert advice in message


@pytest.mark.parametrize(("final", "answer"), [
    ("2 1/2", "5/2"), ("-2 1/2", "-5/2"), ("6/4", "3/2"), ("3/4", "3/4"), ("60/12", "5"),
    ("1,450", "1450"), ("1,450,000", "1450000"), ("1,450.00", "1450.00"), ("1.450", "1.450"),
    ("- 10", "-10"), ("$ 1,234.50", "1234.50"), ("$-5", "-5"), ("−7", "−7"), ("50 %", "50%"),
    ("18.", "18"), (".5", ".5"), ("+5", "+5"), ("€5", "€5"), ("0", "0"),
])
def test_a_gold_answer_is_read_right_and_the_grader_can_read_it(final, answer):
    assert normalise(f" {final}\n") == answer and number(answer) is not None


def plain_digits(folder):
    """Of every gold answer in GSM8K's files: (as it is read, its digits)."""
    finals = [row["answer"].rpartition("####")[2] for path in folder.glob("t*[nstv].jsonl")
              for row in read_lines(path)]
    return [(normalise(final), final.strip().replace(",", "")) for final in finals]


def test_the_gold_answers_at_hand_are_read_as_they_stand():
    answers = plain_digits(ROOT / "data" / "tiny" / "gsm8k")
    assert len(answers) == 3768 and all(read == digits for read, digits in answers)


def test_real_gold_answers_are_read_as_they_stand(REAL_DATA):  # noqa: N803
    answers = plain_digits(REAL_DATA / "gsm8k")
    assert len(answers) == 7473 + 1055 and all(read == digits for read, digits in answers)


# What trainers are given

TAKEN_BY_TRL = ("completions", "prompts", "trainer_state", "completion_ids", "log_metric",
                "completion", "prompt")


@pytest.mark.parametrize("name", TAKEN_BY_TRL)
def test_a_column_with_a_name_of_trls_own_is_refused(tmp_path, name):
    """In the first row, where one sees it, and in a later one, where it was dropped in silence."""
    rows = [gsm8k_row(0), gsm8k_row(1) | {name: "mine"}, gsm8k_row(2)]
    for place in (1, 2):
        found = refused(tmp_path, rows[2 - place:])
        assert f", line {place}: expected the columns" in found and f"'{name}'" in found


def test_columns_beside_those_of_a_set_never_reach_a_trainer(tmp_path):
    """Where a set may have more columns than its card lists, records are built from its own."""
    more = {name: "mine" for name in TAKEN_BY_TRL if name != "completion"}
    rows = [set_rows.warmstart_row(n) for n in range(60)]
    write_lines(tmp_path / "train.jsonl", [row | more for row in rows])
    write_lines(tmp_path / "test.jsonl", [set_rows.warmstart_row(900)])
    course = course_at(tmp_path, "countdown", "warmstart")
    examples = [sft_example(one, course) for one in load(course, "warmstart", "train")]
    assert examples and all(set(one) == {"prompt", "completion"} for one in examples)
    assert "mine" not in json.dumps(examples)
    problem = load_problems(course_at(make_gsm8k(tmp_path / "own")), "train")[0]
    assert [turn["role"] for turn in messages(problem, course)] == ["system", "user"]


def test_the_examples_of_the_guide_are_read_whole(tmp_path):
    """Each block of data/README.md as a file: every line becomes a record."""
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```json (\w+)/(\w+\.jsonl)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert [name for name, _, _ in blocks] == [
        "gsm8k", "deepscaler", "openr1", "countdown", "smoltalk", "ultrafeedback"]
    answers = {}
    for name, file, lines in blocks:
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(lines, encoding="utf-8")
        task = name if name in ("gsm8k", "deepscaler", "openr1", "countdown") else "instruct"
        course, family = course_at(tmp_path / name, task, name), FAMILIES[name]
        records = [family.to_record(row, "", "train") for row in rows_of(course, name, "train")]
        assert len(records) == lines.count("\n")
        answers[name] = [getattr(one, "answer", None) for one in records]
    assert answers["gsm8k"] == ["12", "5/2"] and answers["deepscaler"] == ["72", r"\frac{3}{2}"]


def make_gsm8k(folder):
    write_lines(folder / "train.jsonl", [gsm8k_row(n) for n in range(20)])
    write_lines(folder / "test.jsonl", [gsm8k_row(99)])
    return folder


def test_where_nothing_is_left_the_line_says_why(tmp_path):
    """The training file handed in as the test file too: no empty list, which fails later."""
    rows = [gsm8k_row(n) for n in range(30)]
    for split in ("train", "test"):
        write_lines(tmp_path / f"{split}.jsonl", rows)
    for split in ("train", "validation"):
        with pytest.raises(DataError, match=rf"nothing is left for the split '{split}' \(rows: 30, "
                                            r"in_test: 30\)\. Give it more rows"):
            load_problems(course_at(tmp_path), split)
    assert len(load_problems(course_at(tmp_path), "test")) == 30


def test_a_file_given_for_its_folder(tmp_path):
    write_lines(tmp_path / "train.jsonl", [gsm8k_row(1)])
    with pytest.raises(DataError, match=r"train\.jsonl is a file\. Set dataset\.path to the fo"):
        load_problems(course_at(tmp_path / "train.jsonl"), "train")


def test_a_folder_is_checked_by_its_files_and_their_first_lines(tmp_path):
    """What a run would meet minutes later: a split that is missing, columns with other names."""
    course = course_at(tmp_path)
    write_lines(tmp_path / "train.jsonl", [gsm8k_row(1)])
    with pytest.raises(DataError, match=r"test\.jsonl: no such file .*folder: train\.jsonl"):
        check_files(course, "gsm8k")
    with pytest.raises(ConfigError, match=r"test\.jsonl: no such file"):
        check_course(course)
    write_lines(tmp_path / "test.jsonl", [{"problem": "a", "solution": "#### 1"}])
    with pytest.raises(ConfigError, match=r"test\.jsonl, line 1: expected the columns \['ans"):
        check_course(course)
    write_lines(tmp_path / "test.jsonl", [gsm8k_row(2)])
    check_course(course)


def test_a_set_that_is_split_by_the_course_needs_no_test_file(tmp_path):
    write_lines(tmp_path / "train.jsonl", [set_rows.MAKERS["deepscaler"](1)])
    check_files(course_at(tmp_path, "deepscaler"), "deepscaler")


def test_a_place_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    course = Course.load(overrides={"model": {"name": "~/model"}, "dataset": {"path": "~/data"},
                                    "sets": {"paths": {"math500": "~/math"}}})
    assert course.model.name == f"{tmp_path}/model" and course.dataset.path == f"{tmp_path}/data"
    assert course.sets.paths == {"math500": f"{tmp_path}/math"}


def test_a_set_of_ones_own_needs_no_place_on_the_hub(tmp_path, monkeypatch):
    """What CONTRIBUTING writes is all that is needed; without a folder, and without whose columns
    the data have, the line says what to write."""
    (tmp_path / "presets").symlink_to(ROOT / "helpers" / "presets")
    (tmp_path / "tasks").mkdir()
    monkeypatch.setattr(config, "HERE", tmp_path)
    write_lines(tmp_path / "train.jsonl", [gsm8k_row(n) for n in range(60)])
    write_lines(tmp_path / "test.jsonl", [gsm8k_row(n) for n in range(60, 70)])

    def task(dataset, sets="{own: gsm8k}"):
        (tmp_path / "tasks" / "mine.yaml").write_text(
            f"dataset: {dataset}\nsets: {sets}\nanswer_format: hash\n"
            f"system_prompt: 'End with #### and the answer.'\nrewards: {{exact_answer: 1.0}}\n")
        return Course.load("tiny", "mine")

    assert len(load_problems(task(f"{{path: {tmp_path}}}"), "test")) == 10
    with pytest.raises(DataError, match="'gsm8k' has no folder.*set dataset.path"):
        load_problems(task("{}"), "test")
    with pytest.raises(DataError, match="no data set 'mine'.*sets: {own: gsm8k}"):
        load_problems(task(f"{{path: {tmp_path}}}", "{}"), "test")
    with pytest.raises(ConfigError, match="'dataset.pth' does not exist; did you mean"):
        task(f"{{pth: {tmp_path}}}")
