"""Pairs: right against wrong, balanced by length, and nothing that cannot be learned from."""

import json
from collections import Counter

import pytest

from helpers import models
from helpers.config import Course
from helpers.data import load_problems
from helpers.train import pairs
from helpers.train.pairs import PairError
from tests.hub.tiny_repo import tiny_folder


def a_row(name, right, wrong, cut=()):
    """A graded row: lengths of its right, wrong and cut-off answers; each text is its own."""
    lengths = [*right, *wrong, *cut]
    verdicts = [True] * len(right) + [False] * (len(wrong) + len(cut))
    return {"id": name, "prompt": f"<prompt {name}>", "question": "?", "answer": "1",
            "completions": [f"{name}-{i} of {n} tokens" for i, n in enumerate(lengths)],
            "tokens": lengths, "truncated": [i >= len(right) + len(wrong)
                                             for i in range(len(lengths))],
            "strict": verdicts, "lenient": verdicts}


def many_rows(count=60):
    """Rows in which wrong answers are longer more often than not."""
    return [a_row(f"p{i}", [20 + i % 7, 21 + i % 5], [20 + (3 * i) % 11, 22 + i % 6, 25])
            for i in range(count)]


def a_pair(**changes):
    return {"id": "a", "prompt": "2+2?", "chosen": "4", "rejected": "5", "chosen_tokens": 2,
            "rejected_tokens": 2} | changes


def test_the_chosen_answer_is_right_and_the_rejected_one_is_not():
    rows = many_rows()
    verdict = {text: right for row in rows
               for text, right in zip(row["completions"], row["strict"], strict=True)}
    tokens = {text: n for row in rows
              for text, n in zip(row["completions"], row["tokens"], strict=True)}
    made, counts = pairs.make_pairs(rows, per_problem=2)
    assert len(made) == counts["pairs"] > 60
    for pair in made:
        assert set(pair) == set(pairs.KEYS)
        assert verdict[pair["chosen"]] and not verdict[pair["rejected"]]
        assert pair["chosen"].startswith(pair["id"] + "-")  # both of its own problem
        assert pair["rejected"].startswith(pair["id"] + "-")
        assert pair["prompt"] == f"<prompt {pair['id']}>"
        assert pair["chosen_tokens"] == tokens[pair["chosen"]]
        assert pair["rejected_tokens"] == tokens[pair["rejected"]]


@pytest.mark.parametrize("per_problem", [1, 2, 3])
def test_no_problem_has_too_many_pairs_and_no_wrong_answer_comes_twice(per_problem):
    rows = [a_row("a", [9, 9, 9], [9] * 5), a_row("b", [9], [9] * 2)]
    made, _ = pairs.make_pairs(rows, per_problem)
    assert Counter(pair["id"] for pair in made) == {"a": per_problem, "b": min(2, per_problem)}
    assert max(Counter(pair["rejected"] for pair in made).values()) == 1
    chosen = Counter(pair["chosen"] for pair in made if pair["id"] == "a")
    assert max(chosen.values()) == 1  # right answers take turns


def test_equal_texts_count_once():
    row = a_row("a", [9, 9], [9, 9])
    row["completions"] = ["right", "right", "wrong", "wrong"]
    made, counts = pairs.make_pairs([row], per_problem=4)
    assert [(pair["chosen"], pair["rejected"]) for pair in made] == [("right", "wrong")]
    assert counts["pairs"] == 1


def test_length_cannot_tell_the_chosen_answer():
    rows = many_rows()
    loose, _ = pairs.make_pairs(rows, per_problem=2, balance=False)
    even, counts = pairs.make_pairs(rows, per_problem=2)
    assert pairs.shorter_wins(loose) > 0.6  # there is something to remove
    differences = Counter(map(pairs.difference, even))
    assert all(differences[d] == differences[-d] for d in differences)
    assert pairs.shorter_wins(even) == 0.5 and sum(map(pairs.difference, even)) == 0
    assert counts["uneven"] + len(even) == len(loose) and counts["uneven"] > 0


def test_choosing_among_candidates_saves_pairs():
    """Dropping alone would keep fewer: the choice fills the side that is missing."""
    rows = [a_row(f"p{i}", [20], [15, 25]) for i in range(40)]
    even, counts = pairs.make_pairs(rows, per_problem=1)
    assert len(even) == 40 and counts["uneven"] == 0


def test_where_balance_leaves_none_that_is_said():
    rows = [a_row("a", [10], [14]), a_row("b", [10], [17])]
    with pytest.raises(PairError, match="no pairs: there are 2, but none with the opposite diff"):
        pairs.make_pairs(rows, 1)
    assert len(pairs.make_pairs(rows, 1, balance=False)[0]) == 2


def test_the_same_seed_gives_the_same_pairs_and_another_one_others():
    rows = many_rows()
    assert pairs.make_pairs(rows, 2, seed=3) == pairs.make_pairs(rows, 2, seed=3)
    assert pairs.make_pairs(rows, 2, seed=3)[0] != pairs.make_pairs(rows, 2, seed=4)[0]
    before = json.dumps(rows)
    pairs.make_pairs(rows, 2)
    assert json.dumps(rows) == before


def test_problems_without_a_pair_are_counted_under_their_reason():
    empty = a_row("e", [9], [9])
    empty["completions"][1] = " \n"
    rows = [a_row("a", [9], [9]), a_row("b", [9, 9], []), a_row("c", [], [9]),
            a_row("d", [9], [], cut=[104]), empty]
    made, counts = pairs.make_pairs(rows, 2)
    assert [pair["id"] for pair in made] == ["a"]  # a cut-off or empty answer is never rejected
    assert counts == {"problems": 5, "always_right": 1, "never_right": 1, "unusable": 2,
                      "uneven": 0, "pairs": 1}


@pytest.mark.parametrize(("changes", "words"), [
    ({"rejected": "4 "}, "equal texts"),
    ({"chosen": " "}, "chosen is empty"),
    ({"rejected": ""}, "rejected is empty"),
    ({"prompt": ""}, "prompt is empty"),
    ({"chosen": None}, "chosen is empty"),
    ({"chosen_tokens": 0}, "chosen_tokens is 0"),
    ({"rejected_tokens": 2.5}, "rejected_tokens is 2.5"),
    ({"chosen": "4<|im_end|>"}, "chosen holds <|im_end|>"),
    ({"rejected": "4<|im_start|>"}, "rejected holds <|im_start|>"),
    ({"extra": 1}, "needs the keys id, prompt, chosen"),
])
def test_a_bad_pair_is_refused_by_name(changes, words):
    with pytest.raises(PairError, match=r"pair 1 \(a\)") as error:
        pairs.check([a_pair(), a_pair(**changes)])
    assert words in str(error.value)


def test_no_pairs_at_all_say_what_to_do():
    with pytest.raises(PairError, match="pairs.problems"):
        pairs.check([])
    with pytest.raises(PairError, match="pairs.problems"):
        pairs.make_pairs([a_row("b", [9, 9], [])], 2)


def test_a_file_of_pairs_is_checked_line_by_line(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(a_pair()) + "\n")
    assert pairs.load(file) == [a_pair()]
    file.write_text(json.dumps(a_pair()) + "\n{half")
    with pytest.raises(PairError, match="line 2"):
        pairs.load(file)
    file.write_text(json.dumps(a_pair(rejected="4")) + "\n")
    with pytest.raises(PairError, match="equal texts"):
        pairs.load(file)


def test_what_is_too_long_is_left_out_and_counted():
    course = Course.load(overrides={"lengths": {"prompt": 8, "completion": 10}})
    tokenizer = models.load_tokenizer(course)
    short, long = a_pair(), a_pair(prompt="2+2? " * 20)
    before = [short, long, a_pair(rejected_tokens=11), a_pair(chosen_tokens=10)]
    kept, left_out = pairs.that_fit(before, course, tokenizer)
    assert kept == [before[0], before[3]] and left_out == 2
    with pytest.raises(PairError, match=r"none of 1 pairs fits.*lengths.prompt \(8\)"):
        pairs.that_fit([long], course, tokenizer)


def test_matched_lengths_and_the_rule_that_short_is_good():
    made = [a_pair(chosen_tokens=c, rejected_tokens=r) for c, r in
            [(5, 5), (5, 7), (7, 5), (5, 8), (9, 5)]]
    assert pairs.length_matched(made, 0) == [True, False, False, False, False]
    assert pairs.length_matched(made, 2) == [True, True, True, False, False]
    assert pairs.length_matched(made, 3) == [True, True, True, True, False]
    assert pairs.length_matched(made[3:], 2) == [True, False]  # none so near: the nearest
    assert pairs.length_matched([], 2) == []
    assert pairs.shorter_wins(made[:1]) == 0.5
    assert pairs.shorter_wins(made) == pytest.approx((0.5 + 1 + 0 + 1 + 0) / 5)


def test_answers_are_sampled_graded_and_the_same_again():
    course = Course.load(overrides={"model": {"name": str(tiny_folder())},
                                    "lengths": {"completion": 8}})
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    problems = load_problems(Course.load(), "train")[:3]
    rows = pairs.graded(model, tokenizer, problems, course, n=2, seed=1)
    assert [row["id"] for row in rows] == [problem.id for problem in problems]
    assert all(len(row[key]) == 2 for row in rows
               for key in ("completions", "tokens", "truncated", "strict", "lenient"))
    assert all(row["prompt"].endswith("<|im_start|>assistant\n") for row in rows)
    assert rows == pairs.graded(model, tokenizer, problems, course, n=2, seed=1)
    assert rows != pairs.graded(model, tokenizer, problems, course, n=2, seed=2)


def test_trainers_get_three_columns_of_text():
    data = pairs.for_trainer([a_pair(), a_pair(id="b")])
    assert data.column_names == ["prompt", "chosen", "rejected"] and data[0]["chosen"] == "4"
