"""A task is one object: every task's prompt, demonstration, columns and verdict fit each other."""

import json
import re
from types import SimpleNamespace

import pytest
import torch

from helpers import prompts, rewards
from helpers.config import ROOT, Course, names
from helpers.data.problem import Problem
from helpers.evaluate import score
from helpers.models import load_tokenizer
from helpers.rewards import cut
from helpers.sampling import Completion
from helpers.track import Track, TrackError, answer_of
from helpers.train.ppo.collect import Collector
from helpers.train.ppo.rollout import Rollout
from tests.runs import TASKS

tasks = pytest.mark.parametrize("task", TASKS)
PUZZLE = Problem("?", "", "24", "countdown", "p", (2, 8, 4), 24)


@pytest.fixture(scope="module")
def tracks():
    course = {task: Course.load(task=task, overrides={"data": {"train": 60}}) for task in TASKS}
    return {task: Track(one) for task, one in course.items()}


@pytest.fixture(scope="module")
def end():
    return load_tokenizer(Course.load()).eos_token_id


def test_the_tasks_with_answers_to_check_are_these():
    """All that the project ships; who adds one for oneself need not list it."""
    formats = {task: Course.load(task=task).answer_format for task in names("task")}
    assert formats["instruct"] == "free"
    assert set(TASKS) <= {task for task, form in formats.items() if form != "free"}


@tasks
def test_a_prompt_asks_the_question_after_the_rules_of_the_task(tracks, task):
    track = tracks[task]
    for record in (track.problems("train")[0], track.demonstrations("train")[0]):
        system, user = track.prompt(record)
        assert system == {"role": "system", "content": track.course.system_prompt}
        assert user["content"] == track.problem_of(record).question
    text = track.text(load_tokenizer(track.course), record)
    assert text.endswith("<|im_start|>assistant\n") and user["content"] in text


@tasks
def test_what_is_imitated_is_a_worked_solution_that_its_own_grade_takes(tracks, task):
    track = tracks[task]
    right = []
    for record in track.demonstrations("train"):
        problem, text = track.problem_of(record), track.demonstration(record)
        assert len(text) > 2 * len(problem.answer) + 20, "the bare target"
        assert track.example(record)["completion"] == [{"role": "assistant", "content": text}]
        right.append(track.grade(problem, text))
        assert right[-1] <= track.grade(problem, text, "lenient")
        assert not track.grade(problem, text, truncated=True)
        assert track.extract(text) is not None
    assert sum(right) > (0.8 if task == "countdown" else 0.99) * len(right)  # WarmStart has slips


@tasks
def test_every_reward_of_the_task_gets_its_columns_and_pays_a_demonstration_most(
    tracks, end, task
):
    track = tracks[task]
    functions, weights = rewards.reward_functions(track.course)
    assert functions
    most = sum(weight for name, weight in track.course.rewards.items() if name != "length_penalty")
    earned, of_answer = [], []
    for record in track.demonstrations("train"):
        problem = track.problem_of(record)
        if not track.judged([problem])[0] or not track.grade(problem, track.demonstration(record)):
            continue
        whole = Completion(track.demonstration(record), 2, False, (5, end))
        given = track.reward_inputs(problem, [whole])
        for function in functions:
            (paid,) = function(**given)
            assert isinstance(paid, float)
        (total,), parts = rewards.weighted_sum(track.course, **given)
        earned.append(total)
        of_answer.append(parts[rewards.answer_reward(track.course)][0])
    assert len(earned) > 20 and set(of_answer) == {1.0}
    assert max(earned) == pytest.approx(most)
    assert json.loads(json.dumps(track.columns(problem))) == track.columns(problem)


def test_columns_are_enough_for_a_verdict(tracks):
    track = tracks["countdown"]
    right, wrong = (f"<think>\na\n</think>\n<answer> {said} </answer>"
                    for said in ("(8 - 2) * 4", "8 + 2 + 4"))
    row = track.columns(PUZZLE) | {"id": "p", "question": "?"}
    assert track.columns(row) == {"answer": "24", "nums": [2, 8, 4], "target": 24}
    for given in (PUZZLE, row):
        assert track.grade(given, right) and not track.grade(given, wrong)
    loose = right.replace("*", "×")
    assert track.grade(PUZZLE, loose, "lenient") and not track.grade(PUZZLE, loose)


def test_a_bare_target_is_never_imitated(tracks):
    with pytest.raises(ValueError, match="problem p has no worked solution to imitate"):
        tracks["countdown"].demonstration(PUZZLE)
    with pytest.raises(ValueError, match="no worked solution"):
        tracks["countdown"].few_shot(PUZZLE, [PUZZLE])
    unsolved = tracks["deepscaler"].demonstrations("train").report["no solution"]
    assert unsolved > 0


def test_a_task_without_answers_says_so():
    track = Track(Course.load(task="instruct", overrides={"data": {"train": 5}}))
    talk = track.demonstrations("train")[0]
    assert track.demonstration(talk) == talk.answer
    with pytest.raises(TrackError, match="task 'instruct' has no answers to check; choose another"):
        track.columns(talk)


def test_a_problem_that_no_reward_can_judge_is_left_out(tracks):
    letter = Problem("Which?", "…", "(C)", "openr1", "c")
    number = Problem("How many?", "…", "7", "openr1", "n")
    assert tracks["openr1"].judged([letter, number]) == ([number], 1)
    assert tracks["deepscaler"].judged([letter, number]) == ([letter, number], 0)


# Cut at the length limit

CUT = [  # what an answer reads, cut; its reference
    ("gsm8k", "exact_answer", "12+24=36\n#### 3", {"answer": "3"}),
    ("gsm8k_xml", "answer_accuracy", "<answer>\n3\n</answer>", {"answer": "3"}),
    ("countdown", "countdown", "<answer> (8 - 2) * 4 </answer>",
     {"nums": [2, 8, 4], "target": 24, "answer": "24"}),
]


@pytest.mark.parametrize(("task", "name", "text", "columns"), CUT)
def test_a_cut_completion_is_not_strictly_right_and_not_paid(tracks, end, task, name, text,
                                                             columns):
    track = tracks[task]
    assert track.grade(columns, text) and not track.grade(columns, text, truncated=True)
    assert track.grade(columns, text, "lenient", truncated=True)
    function = {one.__name__: one for one in rewards.reward_functions(track.course)[0]}[name]
    twice = {key: [value] * 2 for key, value in columns.items()}
    chats = [[{"role": "assistant", "content": text}]] * 2
    trl = {"prompts": ["q"] * 2, "trainer_state": None, "completion_ids": [[7, 8, 9], [7, 8, end]]}
    assert function(completions=chats, **trl, **twice) == [0.0, 1.0]  # as TRL calls it
    ours = {"completion_ids": [[7, 8, 9]] * 2, "truncated": [True, False]}
    assert function(completions=[text] * 2, **ours, **twice) == [0.0, 1.0]  # as our trainer does
    assert function(completions=[text] * 2, **twice) == [1.0, 1.0]  # a text alone is whole


def test_the_rewards_that_pay_no_cut_answer_are_those_that_ask_for_the_strict_form():
    assert set(cut.PAY_NO_CUT) <= rewards.REWARDS.keys()
    course = Course.load()
    lenient = course.model_copy(update={"rewards": {"correct_answer": 1.0, "close_answer": 1.0}})
    for function in rewards.reward_functions(lenient)[0]:
        assert function(completions=["#### 3"], answer=["3"], truncated=[True]) == [1.0]


def test_a_broken_row_stays_without_a_verdict_when_it_is_cut(tracks):
    (function,), _ = rewards.reward_functions(tracks["gsm8k"].course)
    with pytest.warns(UserWarning, match="not a number"):
        assert function(completions=["#### 3"], answer=["three"], truncated=[True]) == [None]


def test_our_collector_pays_no_cut_completion(tracks, end):
    """The same text, once cut by the limit and once ended."""
    rollout = Rollout([[1], [1]], [[7, 8, 9], [7, 8, end]], ["#### 3"] * 2,
                      torch.tensor([True, False]))
    functions = rewards.reward_functions(tracks["gsm8k"].course)
    collector = SimpleNamespace(rewards=functions, state=None, bank=SimpleNamespace(roles=()),
                                args=SimpleNamespace(missing_eos_penalty=0.0))
    Collector.score(collector, rollout, {"answer": ["3", "3"]})
    assert rollout.scores.tolist() == rollout.parts["exact_answer"].tolist() == [0.0, 1.0]


# Equal answers


def test_answers_to_a_puzzle_are_equal_by_value():
    row = {"answer": "24", "nums": [2, 8, 4], "target": 24}

    def said(expression):
        return answer_of(row, f"<think>x</think><answer> {expression} </answer>")

    assert said("(8 - 2) * 4") == said("4 * (8 - 2) = 24") == said("4 × (8 − 2)") == "24"
    assert said("8 + 2 + 4") == said("4 + 2 + 8") == "14" and said("8 / (2 + 4)") == "4/3"
    assert said("8 * 3") is said("2 ** 8") is answer_of(row, "no idea") is None
    assert answer_of({"answer": "7"}, "It is 7.0") == answer_of({"answer": "7"}, "#### 7") == "7"


def test_a_puzzle_is_voted_on_by_value():
    def row(*said):
        texts = [f"<answer> {one} </answer>" for one in said]
        return {"id": "a", "question": "?", "answer": "24", "nums": [2, 8, 4], "target": 24,
                "completions": texts, "tokens": [5] * 8, "truncated": [False] * 8,
                "strict": [False] * 8, "lenient": [False] * 8,
                "greedy": {"text": "", "tokens": 1, "truncated": False, "strict": False,
                           "lenient": False}}

    right = ["(8 - 2) * 4", "4 * (8 - 2)", "(8-2)*4 = 24"]
    wrong = ["8 + 2 + 4", "8 * 2 * 4"]
    assert score([row(*right, *wrong, "24", "24", "24")])["maj@8"] == 1.0  # by text the 24s had won
    assert score([row(*right, *wrong, "4 + 8 + 2", "2 + 4 + 8", "8 + 4 + 2")])["maj@8"] == 0.0


def test_which_kinds_are_demonstrated_is_known_where_the_set_says_so(tracks):
    def asked(question, nums=()):
        return Problem(question, "", "1", "x", "i", nums)

    assert tracks["gsm8k"].demonstrated(asked("Mia has 12 shells. Ben has 3 more shells."))
    assert tracks["gsm8k"].demonstrated(asked("Ben has 3 times as many shells.")) is False
    assert tracks["countdown"].demonstrated(asked("?", (1, 2, 3)))
    assert tracks["countdown"].demonstrated(asked("?", (1, 2, 3, 4))) is False
    assert tracks["openr1"].demonstrated(asked("Find $40\\%$ of 30.")) is None  # all have traces
    real = Track(Course.load("colab", "gsm8k"))
    assert real.demonstrated(asked("Ben has 3 times as many shells.")) is None
    for problem in tracks["gsm8k"].problems("train"):
        assert bool(problem.solution) == tracks["gsm8k"].demonstrated(problem)


@pytest.mark.parametrize(("solution", "nums", "steps"), [
    ("3*4=<<3*4=12>>12, 12+1=<<12+1=13>>13", (), 2), ("3 * 4 = 12. 12 + 1 = 13.", (), 2),
    ("", (), 1), ("", (1, 2, 3, 4), 3)])
def test_steps(tracks, solution, nums, steps):
    assert tracks["gsm8k"].steps(Problem("?", solution, "1", "x", "i", nums, 1)) == steps


@pytest.mark.parametrize(("text", "last"), [
    ("He has 3.\nSo 3+4=<<3+4=7>>7 are left.", "So 3+4=<<3+4=7>>7 are left."),
    ("It costs $1.50 each. Two cost $3.00.", "Two cost $3.00."),
    ("Two and two make four.\nfour", "Two and two make four."), ("7", "7"), ("", "")])
def test_the_last_sentence(text, last):
    assert prompts.last_sentence(text) == last


def test_no_notebook_says_itself_what_a_task_is():
    """All but 01, 02 and A1, which look at data sets and graders themselves."""
    own = re.compile(r'"answer": \w+\.answer|course\.answer_format, |solution_text|'
                     r"grade\([^)]*course\.answer_format|sft_example|few_shot_text|"
                     r"messages\(\w+, course\)")
    for path in sorted((ROOT / "notebooks").glob("0[03-8]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            assert cell["cell_type"] != "code" or not own.search(text), f"{path.name}: {text}"
