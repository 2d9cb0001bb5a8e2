"""Which of its own answers a model imitates, and the controls of that choice."""

import json
from collections import Counter

import pytest

from helpers.train import own_best
from helpers.train.own_best import AnswersError


def a_row(name, answers):
    """A graded row of (text, right) or (text, right, cut)."""
    answers = [(*one, False)[:3] for one in answers]
    return {
        "id": name,
        "prompt": f"<{name}>",
        "completions": [text for text, _, _ in answers],
        "tokens": [len(text) + 1 for text, _, _ in answers],
        "truncated": [cut for _, _, cut in answers],
        "strict": [right for _, right, _ in answers],
    }


ROWS = [
    a_row("easy", [("a", True), ("a", True), ("b", True), ("c", True), ("d", True), ("e", True)]),
    a_row("uneven", [("x", False), ("y", True), ("y", True), ("z", False)]),
    a_row("never", [("n", False), ("m", False)]),
    a_row("cut", [("p", True, True), ("q", False), ("", True), (" ", True)]),
    a_row("alone", [("r", True)]),
]


def per_problem(rows):
    return Counter(one["id"] for one in rows)


def test_right_answers_are_kept_once_each_and_no_more_than_asked_for():
    chosen, counts = own_best.right_and_different(ROWS, 3)
    assert per_problem(chosen) == {"easy": 3, "uneven": 1, "alone": 1}
    texts = [(one["id"], one["completion"]) for one in chosen]
    assert len(set(texts)) == len(texts)
    right = {
        (row["id"], text)
        for row in ROWS
        for text, good in zip(row["completions"], row["strict"], strict=True)
        if good
    }
    assert set(texts) <= right
    assert all(
        one["prompt"] == f"<{one['id']}>" and one["tokens"] == len(one["completion"]) + 1
        for one in chosen
    )
    assert counts == {
        "answers": 17,
        "right": 12,
        "different": 7,
        "chosen": 5,
        "problems": 5,
        "solved": 3,
    }


def test_many_allowed_are_all_that_differ_and_the_same_seed_gives_the_same():
    chosen, counts = own_best.right_and_different(ROWS, 99)
    assert counts["chosen"] == counts["different"] == len(chosen) == 7
    assert own_best.right_and_different(ROWS, 3, 5) == own_best.right_and_different(ROWS, 3, 5)
    found = {
        frozenset(one["completion"] for one in own_best.right_and_different(ROWS, 2, seed)[0])
        for seed in range(20)
    }
    assert len(found) > 3  # which of the many is drawn at random


def test_no_right_answer_anywhere_is_one_clear_line():
    wrong = [ROWS[2], ROWS[3]]
    with pytest.raises(AnswersError, match="^none of 6 answers to 2 problems is right.*num_gener"):
        own_best.right_and_different(wrong, 4)
    with pytest.raises(AnswersError, match="^none of 0 answers to 0 problems"):
        own_best.right_and_different([], 4)


@pytest.mark.parametrize("right_only", [True, False])
def test_a_control_has_as_many_answers_of_the_same_problems(right_only):
    chosen, _ = own_best.right_and_different(ROWS, 4)
    for seed in range(20):
        control = own_best.at_random(ROWS, chosen, seed, right_only)
        assert per_problem(control) == per_problem(chosen)
        drawn = {
            row["id"]: Counter(
                text
                for text, cut in zip(row["completions"], row["truncated"], strict=True)
                if not cut
            )
            for row in ROWS
        }
        for name, texts in drawn.items():  # each draw at most once
            mine = Counter(one["completion"] for one in control if one["id"] == name)
            assert not mine - texts


def test_one_control_sees_wrong_answers_and_the_other_does_not():
    chosen, _ = own_best.right_and_different(ROWS, 4)

    def of_uneven(right_only):
        return Counter(
            one["completion"]
            for seed in range(400)
            for one in own_best.at_random(ROWS, chosen, seed, right_only)
            if one["id"] == "uneven"
        )

    assert of_uneven(True) == {"y": 400}
    among_all = of_uneven(False)
    assert among_all.keys() == {"x", "y", "z"}
    assert 150 < among_all["y"] < 250  # as often as drawn: two of four


def test_equal_texts_are_imitated_as_often_as_they_were_drawn():
    row = a_row("one", [("often", True)] * 6 + [("rare", True)] * 2)
    chosen, _ = own_best.right_and_different([row], 2)
    assert Counter(one["completion"] for one in chosen) == {"often": 1, "rare": 1}
    control = Counter(
        one["completion"]
        for seed in range(400)
        for one in own_best.at_random([row], chosen, seed, True)
    )
    assert 0.68 < control["often"] / control.total() < 0.82


def test_a_control_of_other_rows_is_refused():
    chosen, _ = own_best.right_and_different(ROWS, 4)
    with pytest.raises(AnswersError, match="^problem easy: 4 answers are asked for, and it has 0"):
        own_best.at_random(ROWS[1:], chosen)
    with pytest.raises(AnswersError, match="problem x: 2 answers .* it has 1; give the rows"):
        own_best.at_random([a_row("x", [("a", True)])], [{"id": "x"}] * 2)


def test_the_answers_of_a_stage_are_read_and_missed_in_one_line(tmp_path):
    with pytest.raises(AnswersError, match="drawn.jsonl is not there.*notebook 04"):
        own_best.load(tmp_path)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    (tmp_path / own_best.FILE).write_text(lines, encoding="utf-8")
    assert own_best.load(tmp_path) == ROWS


def test_the_trainer_gets_prompt_and_answer_and_nothing_else():
    chosen, _ = own_best.right_and_different(ROWS, 4)
    table = own_best.for_trainer(chosen)
    assert table.column_names == ["prompt", "completion"] and len(table) == len(chosen)
