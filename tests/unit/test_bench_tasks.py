"""The trial of supervised tuning on every task: it runs, and says what its rows say."""

import json

import pytest

from helpers.config import Course
from helpers.evaluate import score
from helpers.sampling import Completion
from helpers.track import Track
from tests.benchmarks import tasks

SMALL = {
    "data": {"train": 64, "validation": 8},
    "sft": {"max_steps": 2, "batch_size": 4, "save_steps": 2},
    "lengths": {"completion": 48},
    "evaluation": {"n": 2, "few_shot": 1, "sweep": {"problems": 4, "few_shot": [1]}},
}


@pytest.mark.parametrize("task, lengths", [("gsm8k", 48), ("gsm8k_xml", 120), ("instruct", 48)])
def test_a_trial_runs_and_keeps_its_answers(tmp_path, task, lengths):
    """With LoRA, with all weights, and where rules judge in place of answers."""
    course = Course.load("tiny", task, 0, SMALL | {"lengths": {"completion": lengths}})
    line = tasks.trial(course, tmp_path)
    assert line == json.loads(json.dumps(line))
    assert (line["task"], line["method"], line["few_shot"]) == (task, course.sft.method, 1)
    everything = line["groups"]["all"]
    parts = [
        line["groups"][name]["problems"] for name in ("shown", "unshown") if name in line["groups"]
    ]
    assert sum(parts) == everything["problems"] > 4
    assert ("reasoning_right" in line) == (task == "gsm8k_xml")
    assert ("in_form" in line) == (task != "instruct")
    for name, share in line.get("in_form", {}).items():
        assert everything[name]["strict"] <= share <= 1
    for name in ("base", "base_few_shot", "sft"):
        rows = [json.loads(row) for row in (tmp_path / f"{task}_{name}.jsonl").open()]
        assert everything[name]["lenient"] == pytest.approx(score(rows)["lenient_pass@1"], abs=1e-4)
    for found in line["groups"].values():
        for than in ("base", "base_few_shot"):
            for measure in tasks.MEASURES:
                value, low, high = found["gain_over"][than][measure]
                apart = found["sft"][measure] - found[than][measure]
                assert low <= value <= high and value == pytest.approx(apart, abs=2e-4)


def answer(text, truncated=False):
    return Completion(text, tokens=3, truncated=truncated)


def test_an_instruction_is_followed_by_the_rule_and_strictly_only_to_its_end():
    problem = tasks.Problem("Repeat the word hat two times.", "", "", "smoltalk", "x")
    row = tasks.followed(
        problem, [answer("hat hat"), answer("hat hat", True), answer("hat")], [answer("hat hat.")]
    )
    assert row["lenient"] == [True, True, False] and row["strict"] == [True, False, False]
    assert row["greedy"]["strict"] and row["demonstrated"] is False


def test_a_gain_is_paired_and_told_by_groups():
    def rows(right):
        return [
            {
                "id": str(i),
                "demonstrated": i < 4,
                "completions": ["x"] * 2,
                "tokens": [1, 1],
                "truncated": [False] * 2,
                "strict": [one] * 2,
                "lenient": [True] * 2,
                "greedy": {"strict": one, "lenient": True},
            }
            for i, one in enumerate(right)
        ]

    answers = {
        "base": rows([False] * 8),
        "base_few_shot": rows([True] * 8),
        "sft": rows([True] * 4 + [False] * 4),
    }
    found = {name: tasks.group(answers, which) for name, which in tasks.GROUPS.items()}
    assert [found[name]["problems"] for name in found] == [8, 4, 4]
    assert found["all"]["gain_over"]["base"]["strict"][0] == 0.5
    assert found["shown"]["gain_over"]["base"]["greedy"][0] == 1
    assert found["unshown"]["gain_over"]["base_few_shot"]["greedy"][0] == -1
    assert found["unshown"]["gain_over"]["base"]["lenient"][0] == 0
    assert tasks.group({name: rows([]) for name in answers}, (True,)) == {}


def test_the_reasoning_is_read_up_to_the_next_field():
    """Whether or not its tag is closed, or the text is in another form altogether."""

    def row(*texts):
        return {"completions": list(texts), "answer": "34"}

    right = "<reasoning>\nThe coins cost 6*5=$<<6*5=30>>30.\nThat is 30+4=$<<30+4=34>>34.\n"
    other = "<output>\nThere are 30-4=$<<30-4=26>>26 left.\n</output>\n<answer>\n26\n</answer>"
    for text in (
        f"{right}</reasoning>\n{other}",
        f"{right}{other}",
        f" {right}</rsoning>\n{other}",
        "6*5=30\n30+4=34\n#### 34",
        right,
    ):
        assert tasks.reasoning_right([row(text)]) == 1, text
    assert tasks.reasoning_right([row("<reasoning>\n34\n</reasoning>", f"{right}5+5=10.")]) == 0


def test_an_answer_is_in_form_whether_it_is_right_or_not():
    rows = [
        {
            "completions": ["1+1=3\n#### 3", "So it is 2.", "#### 2", "1+1=2"],
            "truncated": [False, False, True, False],
        }
    ]
    assert tasks.in_form(Track(Course.load()), rows) == 0.25
