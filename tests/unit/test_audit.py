"""Labelled completions: the labels are right by construction, and the published ones are read."""

import re
from collections import Counter

import pytest

from helpers import audit
from helpers.verify import grade, grade_countdown

BODIES = [("3 + 5 = 8\nSo it is 8.", "8"), ("40*30=1,200\n#### 1,200", "1200"),
          ("It is 1 more. The answer is 2", "1"), ("Hm.\n<think>\nhm", "17"), ("", "20"),
          ("5-4=1\n\\boxed{1}", "1"), ("0.5 of 99\nA: 49", "49"), ("nothing", "2")]


def test_every_form_is_planted_right_and_wrong():
    rows = audit.planted(BODIES)
    assert len(rows) == len(BODIES) * (len(audit.FORMS) + len(audit.NEVER_RIGHT))
    counts = Counter((row.form, row.right) for row in rows)
    assert all(counts[form, right] == 4 for form in audit.FORMS for right in (True, False))
    assert all(counts[form, True] == 0 for form in audit.NEVER_RIGHT)
    assert sum(row.strict for row in rows) == 4 * 5
    assert not [row for row in rows if row.strict and not row.right]


def test_the_planted_words_state_what_the_label_says():
    """Read here by hand, one row of each kind: no grader of the course is asked."""
    by_form = {(row.form, row.right): row for row in audit.planted(BODIES[:2])}
    assert by_form["asked", True].text == "3 + 5 = 8\n#### 8"
    assert by_form["price", False].text == "40*30=1,200\n#### $12,000.00"
    assert by_form["remark", False].text.endswith("The answer is 9. At first I had 8.")
    assert by_form["goes on", True].text.endswith("#### 8\n\nQuestion: Tom has 9 apples.")
    assert by_form["box with unit", True].text.endswith(r"\boxed{8 \text{ stamps}}.")
    assert by_form["boxed thought", True].text.endswith(
        "<think>\nIs it \\boxed{9}?\n</think>\nThe answer is 8.")
    assert by_form["nearly", False].text.endswith("#### 1200.0000001")


def test_a_body_loses_what_states_an_answer_and_nothing_else():
    texts = [row.text for row in audit.planted(BODIES) if row.form == "asked"]
    assert texts[0] == "3 + 5 = 8\n#### 8" and texts[1] == "40*30=1,200\n#### 12000"
    assert texts[2] == "\n#### 1" and texts[5] == "5-4=1\n#### 10"
    assert texts[4] == "\n#### 20" and texts[6] == "0.5 of 99\n#### 49"
    assert all(text.count("####") == 1 for text in texts)


def test_the_library_agrees_with_the_labels_of_the_shelf_whose_order_tells_nothing():
    rows = audit.shelf()
    for row in rows:
        assert grade(row.text, row.answer, grading="lenient") is row.right, row
        assert grade(row.text, row.answer) is row.strict, row
    labels = [row.right for row in rows]
    assert sum(labels) == 7 and sorted(labels) not in (labels, labels[::-1])


def test_a_decoy_is_never_the_answer():
    for row in audit.planted([(f"body {n}", str(1 + n % 3)) for n in range(24)]):
        if row.form == "remark":
            given, other = [part.rpartition(" ")[2] for part in row.text.split(".")[:2]]
            assert given != other and (given == row.answer) is row.right


@pytest.mark.parametrize("answer", ["", "x", "1/2", "0", "-3", "2.5"])
def test_references_that_are_no_whole_number_are_left_out(answer):
    assert audit.planted([("body", answer)]) == []


def test_the_library_agrees_with_every_planted_label():
    for row in audit.planted(BODIES):
        assert grade(row.text, row.answer, grading="lenient") is row.right, row
        assert grade(row.text, row.answer) is row.strict, row


@pytest.mark.parametrize("seed", range(3))
def test_the_library_agrees_with_every_planted_countdown_label(seed):
    rows = audit.planted_countdown(40, seed)
    assert len({row.form for row in rows}) == 15
    for row in rows:
        problem = row.text, row.nums, int(row.answer)
        assert grade_countdown(*problem, "lenient") is row.right, row
        assert grade_countdown(*problem, "strict") is row.strict, row


def test_python_itself_confirms_which_planted_expressions_reach_the_target():
    """The tricks are worth planting only if the value is right. The expressions are our own, so
    eval is safe, and their divisions come out whole, so // keeps them exact."""
    reached = Counter()
    for row in audit.planted_countdown(30):
        expression = row.text.rpartition("<answer> ")[2].removesuffix(" </answer>")
        if "=" not in expression and expression.isascii():
            expression = re.sub("(?<!/)/(?!/)", "//", expression)
            reached[row.form, abs(eval(expression) - int(row.answer)) < 1e-9] += 1
    assert {form for form, hit in reached if not hit} == {"wrong value"}


def test_the_same_seed_plants_the_same():
    assert audit.planted_countdown(5, 1) == audit.planted_countdown(5, 1)
    assert audit.planted_countdown(5, 1) != audit.planted_countdown(5, 2)


def test_published_labels_are_used_only_where_they_are(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_REAL_DATA", raising=False)
    assert audit.real_data("answers") is None
    monkeypatch.setenv("COURSE_REAL_DATA", str(tmp_path))
    assert audit.real_data("answers") is None and audit.real_data("countdown") is None
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / audit.PUBLISHED["answers"]).write_text("")
    assert audit.real_data("answers") == tmp_path / audit.PUBLISHED["answers"]


def test_published_files_are_read_whole(REAL_DATA, monkeypatch):  # noqa: N803
    monkeypatch.setenv("COURSE_REAL_DATA", str(REAL_DATA))
    rows = audit.published_answers(audit.real_data("answers"))
    assert len(rows) == 659 * 4 and 0 < sum(row.right for row in rows) < len(rows)
    assert all(row.answer and row.strict is None for row in rows)
    puzzles = audit.published_countdown(audit.real_data("countdown"))
    assert len(puzzles) == 600 and all(row.nums for row in puzzles)
