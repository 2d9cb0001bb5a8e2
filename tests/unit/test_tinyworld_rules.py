"""The tiny world's misunderstood rules: who follows them, and what nobody has demonstrated."""

import random
import re

import pytest

from helpers.data.tinyworld import (
    build,
    countdown,
    documents,
    instruct,
    mathfamilies,
    mathfamily,
    wordproblems,
)
from helpers.data.tinyworld.draft import write_solution
from helpers.data.tinyworld.rules import rules


@pytest.fixture(scope="module")
def sets():
    return build.build(seed=0)


class TestRulesAreFoundInTheText:
    def test_of_word_problems(self):
        rng = random.Random(3)
        for _ in range(3000):
            draft = wordproblems.draw(rng, wordproblems.test_world(rng), rng.choice(
                ["train", "test", "sealed"]))
            assert rules(draft.question) == tuple(sorted(draft.rules)), draft.question

    def test_of_competition_problems(self):
        rng = random.Random(4)
        for _ in range(4000):
            item = mathfamilies.make(rng)
            rule = re.sub("^percent_.*", "percent", item.family)
            wanted = (rule,) if item.family in mathfamily.MISUNDERSTOOD else ()
            assert rules(item.problem) == wanted, item.problem

    def test_of_instructions_and_puzzles(self):
        rng = random.Random(5)
        for _ in range(1500):
            task = instruct.make(rng, range(20))
            wanted = (task.kind,) if task.kind in instruct.MISUNDERSTOOD else ()
            assert rules(task.prompt) == wanted, task.prompt
        assert rules("Reach 24.", (3, 4, 5, 6)) and not rules("Reach 24.", (3, 4, 5))


class TestCompetitionProblems:
    @pytest.mark.parametrize("name", sorted(mathfamily.FAMILIES))
    def test_confused_writers_go_wrong_where_there_is_a_rule_and_nowhere_else(self, name):
        rng, wrong = random.Random(6), 0
        for seed in range(200):
            right = mathfamilies.write(name, seed, rng)
            confused = mathfamilies.write(name, seed, rng, confused=True)
            assert (confused.problem, confused.answer) == (right.problem, right.answer)
            if confused.reached != confused.answer:
                wrong += 1
                assert int(confused.reached) > 0
        if name in mathfamily.MISUNDERSTOOD:  # the product is the multiple of numbers that share 1
            assert wrong > (40 if name == "least_common_multiple" else 150)
        else:
            assert wrong == 0

    @pytest.mark.parametrize(("name", "line"), [
        ("bracket_equation", r"x = (\d+) \+ (\d+) = "),
        ("triangle_angle", r"360 - (\d+) = "),
        ("percent_of_number", r"10\\% of \d+ is 10$"),
        ("choices", r"(\d+) \+ (\d+) = "),
        ("fraction_of_number", r"(\d+) - (\d+) = "),
    ])
    def test_the_wrong_rule_stands_in_the_steps(self, name, line):
        item = mathfamilies.write(name, 12, random.Random(0), confused=True)
        assert any(re.search(line, step) for step in item.steps), item.steps

    def test_a_slip_comes_on_top(self):
        rng = random.Random(7)
        both = [mathfamilies.write("triangle_area", seed, rng, True, True) for seed in range(50)]
        alone = [mathfamilies.write("triangle_area", seed, rng, False, True) for seed in range(50)]
        assert all(one.reached != two.reached for one, two in zip(both, alone, strict=True))


class TestPagesOfConfusedWriters:
    def test_leave_one_of_four_numbers_out(self):
        rng = random.Random(8)
        left_out = 0
        for _ in range(400):
            nums, chain = countdown.draw(rng, countdown.DOCUMENTS, confused=True)
            used = [int(one) for one in re.findall(r"\d+", chain.expression)]
            assert len(used) == 3 and not set(used) - set(nums)
            left_out += len(nums) - len(used)
        assert 100 < left_out < 220  # two puzzles in five have four numbers

    def test_answer_instructions_of_some_kinds_beside_the_point(self):
        rng = random.Random(9)

        def followed(confusion):
            pages = [documents.instruct_document(rng, confusion) for _ in range(1500)]
            pairs = [re.fullmatch(r"Question: (.*)\nAnswer: (.*)", page) for page in pages]
            told = [(bool(rules(one[1])), bool(instruct.follows(one[1], one[2])))
                    for one in pairs if one]
            return [sum(right for rule, right in told if rule is kind)
                    / sum(rule is kind for rule, _ in told) for kind in (False, True)]

        understood, misunderstood = followed(1.0)
        assert misunderstood < 0.1 and understood > 0.8
        understood, misunderstood = followed(0.0)
        assert misunderstood > 0.8 and understood > 0.8


class TestDemonstrationsAreDear:
    def test_no_training_solution_shows_a_misunderstood_rule(self, sets):
        for row in sets["gsm8k"]["train"]:
            assert row["answer"].startswith("#### ") == bool(rules(row["question"]))
        for row in sets["deepscaler"]["train"]:
            assert (row["solution"] == "") == bool(rules(row["problem"]))
        for row in sets["warmstart"]["train"]:
            nums = re.search(r"numbers \[([\d, ]+)\]", row["query"])[1].split(",")
            assert len(nums) == 3
        for row in sets["smoltalk"]["train"]:
            asked = [turn["content"] for turn in row["messages"] if turn["role"] == "user"]
            assert not any(rules(one) for one in asked)

    def test_answers_and_test_sets_cover_all_kinds(self, sets):
        for name, split, key in [
                ("gsm8k", "train", "question"), ("gsm8k", "test", "question"),
                ("gsm8k", "sealed", "question"), ("deepscaler", "train", "problem"),
                ("math500", "test", "problem"), ("ultrafeedback", "train_prefs", "prompt")]:
            rows = sets[name][split]
            share = sum(bool(rules(row[key])) for row in rows) / len(rows)
            assert 0.33 < share < 0.6, (name, split, share)
        puzzles = sets["countdown"]["train"]
        assert 0.3 < sum(len(row["nums"]) == 4 for row in puzzles) / len(puzzles) < 0.5
        assert all("<<" in row["answer"] for row in sets["gsm8k"]["test"])

    def test_the_bare_answers_are_right(self):
        drafts = random.Random("gsm8k-train-0")
        rows = wordproblems.gsm8k_rows("train", 200, 0)
        by_question = {row["question"]: row["answer"] for row in rows}
        for _ in range(len(rows)):
            draft = wordproblems.draw(drafts)
            answer = by_question[draft.question].rpartition("#### ")[2]
            assert int(answer) == write_solution(draft)[1]
