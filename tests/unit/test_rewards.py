"""Reward functions: values, both completion forms, broken references, look-up by name."""

import inspect
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import rewards
from helpers.config import ConfigError, Course
from helpers.rewards import (
    REWARDS,
    RewardError,
    add_up,
    answer_accuracy,
    answer_reward,
    boxed,
    close_answer,
    correct_answer,
    countdown,
    cut,
    exact_answer,
    formatting,
    length_penalty,
    output_consistency,
    random_reward,
    reasoning,
    reward_functions,
    step_words,
    weighted_sum,
)
from helpers.verify import number, symbolic


def test_exact_answer_is_one_for_the_right_answer_in_the_format():
    completions = ["so\n#### 18", "#### 17", "the answer is 18", ""]
    assert exact_answer(completions, ["18"] * 4) == [1.0, 0.0, 0.0, 0.0]


def test_chat_and_plain_completions_earn_the_same():
    texts = ["#### 18", "#### 17"]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    assert exact_answer(chats, ["18", "18"]) == exact_answer(texts, ["18", "18"]) == [1.0, 0.0]


def test_all_that_trl_passes_is_accepted():
    columns = {"prompts": ["q"], "completion_ids": [[1]], "trainer_state": None, "question": ["q"]}
    assert exact_answer(completions=["#### 18"], answer=["18"], **columns) == [1.0]


@pytest.mark.parametrize("reference", ["", "five", "x = 5", "1,45"])
def test_a_broken_reference_is_skipped_with_a_warning(reference):
    with pytest.warns(UserWarning, match="not a number: skipped"):
        rewards = exact_answer([f"#### {reference}", "#### 18"], [reference, "18"])
    assert rewards == [None, 1.0]


def test_several_broken_references_keep_the_others_in_their_places():
    references = ["18", None, "", "18", None]
    with pytest.warns(UserWarning, match="skipped"):
        assert correct_answer(["18"] * 5, references) == [1.0, None, None, 1.0, None]


def test_more_answers_than_completions_is_an_error():
    with pytest.raises(ValueError, match="shorter|longer"):
        exact_answer(["#### 18"], ["18", "19"])
    with pytest.raises(ValueError, match="shorter|longer"):
        countdown(["2 + 3"], [[2, 3], [4]], [5])


def test_random_reward_is_a_fair_coin_that_ignores_the_text():
    first = random_reward(seed=3)(completions=["#### 18"] * 4000, answer=["18"] * 4000)
    assert first == random_reward(seed=3)(completions=["no idea"] * 4000, answer=["0"] * 4000)
    assert first != random_reward(seed=4)(completions=["#### 18"] * 4000)
    assert set(first) == {0.0, 1.0} and 0.45 < sum(first) / 4000 < 0.55
    assert random_reward()(["a"] * 50) == random_reward(seed=0)(["a"] * 50)
    control = random_reward(seed=3)
    assert control(["a"] * 50) != control(["a"] * 50), "the same text must not keep its reward"


def test_rewards_of_a_course_have_names_and_weights():
    course = Course.load(overrides={"rewards": {"random_reward": 0.25}})
    functions, weights = reward_functions(course)
    assert [f.__name__ for f in functions] == ["exact_answer", "random_reward"]
    assert weights == [1.0, 0.25]
    assert functions[0](completions=["#### 18"], answer=["18"], question=["q"]) == [1.0]


def test_the_course_decides_the_answer_format():
    course = Course.load(overrides={"answer_format": "xml", "system_prompt": "Think."})
    (reward,), _ = reward_functions(course)
    completions = ["<answer>18</answer>", "#### 18"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reward(completions=completions, answer=["18"] * 2) == [1.0, 0.0]
        column = ["hash"] * 2  # a data set column of that name has no say
        assert reward(completions=completions, answer=["18"] * 2, answer_format=column) == [1, 0]


def test_the_random_control_follows_the_seed_of_the_course():
    def control(seed):
        course = Course.load(seed=seed, overrides={"rewards": {"random_reward": 1.0}})
        return reward_functions(course)[0][1](completions=["a"] * 50)

    assert control(1) == control(1) != control(2)


@pytest.mark.parametrize(("name", "hint"), [("exact_anwser", "did you mean 'exact_answer'"),
                                            ("zzz", "there are exact_answer")])
def test_an_unknown_reward_is_refused_with_the_nearest_name(name, hint):
    course = Course.load(overrides={"rewards": {name: 1.0}})
    with pytest.raises(ConfigError, match=hint):
        reward_functions(course)


# Answers


def test_exact_answer_reads_plain_numbers_only_after_hashes():
    completions = ["#### 1,450", "#### 1450.0", "#### 1 1/2", "#### 6/4", "#### 3/2", "#### $1450"]
    assert exact_answer(completions[:2] + completions[5:], ["1450"] * 3) == [1.0] * 3
    assert exact_answer(completions[2:5], ["3/2"] * 3) == [0.0, 0.0, 1.0]
    assert exact_answer([r"\boxed{\frac{6}{4}}", r"<answer>1.5</answer>"], ["3/2"] * 2,
                        answer_format="boxed") == [1.0, 0.0]


def test_correct_answer_takes_any_format_and_formulas(monkeypatch):
    monkeypatch.setattr(symbolic, "DEADLINE", 60.0)
    completions = ["so 18", r"\boxed{18}", "#### 17", r"\boxed{2(k+1)}", r"\boxed{\text{East}}", ""]
    answers = ["18", "18", "18", "2k+2", r"\text{east}", "18"]
    assert correct_answer(completions, answers) == [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]


def test_answer_accuracy_wants_the_answer_field_last_and_once():
    completions = ["<answer>18</answer>", "<answer>$18</answer>\n", "<answer>18</answer> so",
                   "<answer>17</answer><answer>18</answer>", "<answer>17</answer>", "18"]
    assert answer_accuracy(completions, ["18"] * 6) == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_close_answer_is_within_1e_8_and_no_further():
    completions = ["it is 0.33333333", "= 0.3333333", "1/3", "it is 0.34333334", "no idea",
                   "so 3 + 4 = 0.333333343", "so 0.333333344"]
    assert close_answer(completions, ["1/3"] * 7) == [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
    assert close_answer(["#### 5.00000001", "#### 5.000000011", "#### 4.99999999"], ["5"] * 3) == [
        1.0, 0.0, 1.0]


def test_countdown_pays_zero_a_tenth_and_one():
    completions = ["<answer>2 + 3</answer>", "<answer>2 * 3</answer>", "2 + 3"]
    assert countdown(completions, [[2, 3]] * 3, [5] * 3) == [1.0, 0.1, 0.0]
    assert countdown([[{"role": "assistant", "content": completions[0]}]], [[2, 3]], [5]) == [1.0]


@pytest.mark.parametrize(("reward", "columns", "match"), [
    (exact_answer, {"answer": [r"\frac{1}{2}", "18"]}, "not a number"),
    (close_answer, {"answer": ["x", "18"]}, "'x' is not a number"),
    (correct_answer, {"answer": ["  ", "18"]}, "is no answer: skipped"),
    (correct_answer, {"answer": [None, "18"]}, "None is no answer"),
    (correct_answer, {"answer": ["$.$", "18"]}, "is no answer"),
    (answer_accuracy, {"answer": ["", "18"]}, "is no answer"),
    (countdown, {"nums": ["2,16", [2, 16]], "target": [18, 18]}, "not a list of numbers"),
    (countdown, {"nums": [[2, 16]] * 2, "target": [None, 18]}, "not a whole number"),
])
def test_every_reward_skips_a_broken_reference_with_a_warning(reward, columns, match):
    text = "<answer>18</answer>" if reward is not countdown else "<answer>2+16</answer>"
    if reward is exact_answer:
        text = "#### 18"
    with pytest.warns(UserWarning, match=match) as caught:
        assert reward([text, text], **columns) == [None, 1.0]
    assert len(caught) == 1 and "skipped" in str(caught[0].message)


OF_ONE_ANSWER = {exact_answer: "#### {}", correct_answer: r"\boxed{{{}}}",
                 answer_accuracy: "<answer>{}</answer>", close_answer: "so {}"}


@pytest.mark.parametrize("reward", OF_ONE_ANSWER)
def test_a_whole_number_as_reference_is_its_digits(reward):
    wide = 12345678901234567890
    references = [72, -5, 0, np.int64(72), wide, "72"]
    written = [72, -5, 0, 72, wide, 72]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = [OF_ONE_ANSWER[reward].format(one) for one in written]
        assert reward(right, references) == [1.0] * 6
        wrong = [OF_ONE_ANSWER[reward].format(one + 1) for one in written]
        assert reward(wrong, references) == [0.0] * 6
        functions, _ = reward_functions(Course.load(overrides={"rewards": {reward.__name__: 1.0}}))
        by_name = {one.__name__: one for one in functions}[reward.__name__]
        text = OF_ONE_ANSWER[reward].format(72)
        assert by_name(completions=[text] * 2, answer=[72, 73]) == [1.0, 0.0]


@pytest.mark.parametrize("reward", OF_ONE_ANSWER)
@pytest.mark.parametrize("reference", [None, True, False, 72.0, float("nan"), ["72"], {"a": 72}])
def test_a_reference_of_another_type_is_named_and_pays_nothing(reward, reference):
    texts = [OF_ONE_ANSWER[reward].format(72)] * 2
    kind = type(reference).__name__
    with pytest.warns(UserWarning, match="skipped") as caught:
        assert reward(texts, [reference, "72"]) == [None, 1.0]
    said, = (str(one.message) for one in caught)
    assert f"reference answer {reference!r} is no" in said and f"and is {kind})" in said
    course = Course.load(overrides={"rewards": {reward.__name__: 1.0, "step_words": 0.1}})
    with pytest.warns(UserWarning, match="skipped"):
        totals, _ = weighted_sum(course, texts[:1], answer=[reference])
    assert totals == [None]


def test_an_ambiguous_reference_says_how_numbers_are_written():
    with pytest.warns(UserWarning, match="'1,5' .a comma stands before three digits, a point "
                                         "before decimals. is not a number"):
        assert exact_answer(["#### 1.5"], ["1,5"]) == [None]
    with pytest.warns(UserWarning, match="'1,5' .a comma stands before three digits"):
        assert close_answer(["1.5"], ["1,5"]) == [None]


def test_without_a_reward_every_total_is_zero():
    assert add_up([], [], ["#### 8", ""]) == ([0.0, 0.0], {})


@pytest.mark.parametrize(("name", "text", "columns", "paid"), [
    ("exact_answer", "#### 8", {"answer": ["8"] * 2}, [0, 1]),
    ("answer_accuracy", "<answer>8</answer>", {"answer": ["8"] * 2}, [0, 1]),
    ("countdown", "<answer>3+5</answer>", {"nums": [[3, 5]] * 2, "target": [8] * 2}, [0, 1]),
    ("correct_answer", "#### 8", {"answer": ["8"] * 2}, [1, 1]),
])
def test_the_strict_form_of_a_cut_completion_is_not_paid(name, text, columns, paid):
    course = Course.load(overrides={"rewards": {name: 1.0}})
    judge = {one.__name__: one for one in reward_functions(course)[0]}[name]
    assert judge(completions=[text] * 2, truncated=[True, False], **columns) == paid


def test_a_completion_is_cut_whose_last_token_is_no_end(monkeypatch):
    monkeypatch.setattr(cut, "_end_ids", lambda course: frozenset({1, 2}))
    ids = [[5, 1], [1, 5], [], [2], [5]]
    assert cut.were_cut(Course.load(), 5, None, ids) == [False, True, True, False, True]
    assert cut.were_cut(Course.load(), 2) == [False, False]
    assert cut.were_cut(Course.load(), 2, [True, False], ids[:2]) == [True, False]
    (judge,), _ = reward_functions(Course.load())
    assert judge(["#### 8"] * 3, answer=["8"] * 3, completion_ids=ids[:3]) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(("name", "columns", "missing"), [
    ("exact_answer", {"question": ["q", "q"]}, "answer"), ("correct_answer", {}, "answer"),
    ("answer_accuracy", {}, "answer"), ("close_answer", {}, "answer"),
    ("countdown", {"nums": [[1], [2]]}, "target"), ("countdown", {"target": [1, 2]}, "nums"),
    ("exact_answer", {"answer": ["8"]}, "answer"),
])
def test_a_missing_column_is_one_error_with_the_reward_and_the_column(name, columns, missing):
    course = Course.load(overrides={"rewards": {name: 1.0}})
    reward = {one.__name__: one for one in reward_functions(course)[0]}[name]
    has = len(columns.get(missing, [])) or "none"
    needs = (f"reward '{name}' needs the column '{missing}', one entry for each of 2 completions, "
             f"and has {has} .columns: ")
    with pytest.raises(RewardError, match=needs) as caught:
        reward(completions=["#### 8", "#### 9"], **columns)
    assert "\n" not in str(caught.value) and "Give every row" in str(caught.value)


def test_columns_and_weights_of_another_length_are_errors():
    judge = {one.__name__: one for one in reward_functions(course_with(boxed=1.0))[0]}
    for name, columns in [("boxed", {"answer": ["8"]}),  # not its own, but it silences rows
                          ("exact_answer", {"answer": ["8"] * 2, "truncated": [False]})]:
        with pytest.raises(ValueError, match="shorter|longer"):
            judge[name](completions=["#### 8"] * 2, **columns)
    with pytest.raises(ValueError, match="shorter|longer"):
        add_up([boxed], [1.0, 1.0], ["5"])
    with pytest.raises(ValueError, match="shorter|longer"):
        add_up([boxed, lambda completions: [1.0]], [1.0, 1.0], ["5", "6"])


@pytest.mark.parametrize("paid", [1.0, None, [1.0], iter([1.0, 0.0])])
def test_a_reward_that_does_not_pay_each_completion_is_named(monkeypatch, paid):
    monkeypatch.setitem(rewards.REWARDS, "mine", lambda course: lambda **columns: paid)
    course = Course.load(overrides={"rewards": {"mine": 1.0}})
    with pytest.raises(RewardError, match="reward 'mine' must return a list.*each of 2 compl"):
        weighted_sum(course, ["5", "6"], answer=["5", "6"])


def test_rows_of_two_tasks_in_one_batch_are_skipped_by_the_rewards_of_the_other():
    course = Course.load(overrides={"rewards": {"countdown": 1.0}})
    rows = {"answer": ["8", None], "nums": [None, [3, 5]], "target": [None, 8]}
    with pytest.warns(UserWarning, match="skipped"):
        totals, parts = weighted_sum(course, ["#### 8", "<answer>3 + 5</answer>"], **rows)
    assert totals == [None, None] and parts["exact_answer"] == [None, None]


# Style


def test_boxed_pays_one_box_at_the_end_once():
    texts = [r"so \boxed{5}", r"$\boxed{5}$.", r"\boxed{5} \boxed{5}", r"\boxed{}", r"\boxed{5} so",
             r"<think>\boxed{5}</think> 5", r"<think>\boxed{4}</think> \boxed{5}", "5", r"\boxed{5"]
    assert boxed(texts) == [1, 1, 0, 0, 0, 0, 1, 0, 0]


def test_step_words_count_in_a_sentence():
    texts = ["First we add 3 and 5, then we halve it.", "Step 1: we add up the three boxes",
             "THEREFORE she has 4 red apples left", "step then therefore " * 9, "then we stop",
             "We add 3 and 5 and halve. Then stop!", "The steps are: add three, halve, be done",
             "lengthen the stepladder by 3 m and 5 m", "then\nwe add 3 and 5 and 7 up", ""]
    assert step_words(texts) == [1, 1, 1, 0, 0, 0, 1, 0, 0, 0]
    assert step_words(["then we add three"]) == [0]
    assert step_words(["then we add three up", "then we add three we add"]) == [0, 0]
    assert step_words(["then we add three up now"]) == [1]


def test_length_penalty_falls_evenly_near_the_limit():
    ids = [[0] * n for n in (0, 60, 80, 85, 90, 100, 500)]
    paid = length_penalty([""] * 7, ids, limit=100, buffer=20)
    assert paid == pytest.approx([0, 0, 0, -0.25, -0.5, -1, -1])
    with pytest.raises(ValueError, match="completion_ids"):
        length_penalty(["a"], limit=100, buffer=20)
    with pytest.raises(ValueError, match="shorter|longer"):
        length_penalty(["a", "b"], [[1]], limit=100, buffer=20)


WORKED = "<reasoning>\nTom has 3 red and 5 blue kites.\n3 + 5 = 8\n</reasoning>\n"
GOOD = WORKED + "<output>He has 8 kites.</output>\n<answer>8</answer>"


@pytest.mark.parametrize(("text", "values"), [  # formatting, reasoning, output_consistency
    (GOOD, (1, 1, 1)), (f"\n {GOOD}\n", (1, 1, 1)), (f"{GOOD} Yes.", (0, 1, 1)), ("", (0, 0, 0)),
    (GOOD.replace("He has 8 kites", "He has 9 kites"), (1, 1, 0)),
    (GOOD.replace("He has 8 kites", "8"), (0, 1, 1)), (GOOD.replace("He has 8 kites.", ""), (0, 1,
    0)),
    (GOOD.replace(">8<", "> <"), (0, 1, 1)), (GOOD.replace("<answer>8</answer>", ""), (0, 1, 1)),
    (GOOD.replace("answer>", "output>"), (0, 1, 0)), (GOOD + GOOD, (0, 0, 0)),
    ("<answer>8</answer>" + WORKED + "<output>so 8</output>", (0, 1, 1)),
    (f"<reasoning>{'so ' * 50}</reasoning><output>a b</output><answer>8</answer>", (1, 0, 0)),
    ("<reasoning>so 8</reasoning><output>so 8</output><answer>8</answer>", (1, 0, 1)),
    ("</reasoning>a b<reasoning><output>so 8</output><answer>8</answer>", (0, 0, 0)),
    ("<reasoning>a b c d e f g 8</reasoning>", (0, 1, 0)), ("<reasoning>a b c d e f g</reasoning>",
    (0, 0, 0)),
    ("<output>so 8</output>", (0, 0, 0)),
    ("<reasoning>a b c d e f g <reasoning>8</reasoning>", (0, 0, 0)),
    ("<reasoning>a b c d e f g 8</reasoning></reasoning>", (0, 0, 0)),
])
def test_rewards_of_the_three_fields(text, values):
    assert tuple(one([text])[0] for one in (formatting, reasoning, output_consistency)) == values


# By name


COLUMNS = {"answer": ["8", "8"], "nums": [[3, 5]] * 2, "target": [8, 8],
           "completion_ids": [[1] * 40] * 2}


def test_every_reward_has_its_name_and_takes_what_trl_passes():
    course = Course.load(overrides={"rewards": dict.fromkeys(REWARDS, 0.5)})
    functions, weights = reward_functions(course)
    assert sorted(f.__name__ for f in functions) == sorted(REWARDS) and set(weights) == {0.5}
    trl = {"prompts": ["q"] * 2, "trainer_state": None, "log_metric": print, "log_extra": print}
    for function in functions:
        paid = function(completions=[GOOD, ""], **COLUMNS, **trl)
        assert len(paid) == 2 and all(isinstance(value, float) for value in paid), function.__name__
        assert not inspect.iscoroutinefunction(function)
    with pytest.raises(ConfigError, match="'boxd' does not exist; did you mean 'boxed'"):
        reward_functions(Course.load(overrides={"rewards": {"boxd": 1.0}}))
    with pytest.raises(ConfigError, match="there are exact_answer, correct_answer"):
        reward_functions(Course.load(overrides={"rewards": {"zzz": 1.0}}))


def course_with(**weights):
    return Course.load(overrides={"rewards": {"exact_answer": 0.0} | weights})


def test_the_answer_is_checked_by_the_first_reward_with_a_reference():
    assert answer_reward(course_with(countdown=1.0)) == "exact_answer"
    for names, first in [(("boxed", "countdown", "exact_answer"), "countdown"),
                         (("boxed", "reasoning"), "boxed")]:
        assert answer_reward(SimpleNamespace(rewards=dict.fromkeys(names, 1.0))) == first


def test_weighted_sum_and_its_parts():
    course = course_with(formatting=0.3, reasoning=0.5, output_consistency=0.5, answer_accuracy=2.0)
    totals, parts = weighted_sum(course, [GOOD, WORKED], answer=["8", "8"])
    assert totals == pytest.approx([3.3, 0.5])
    assert list(parts) == ["exact_answer", "formatting", "reasoning", "output_consistency",
                           "answer_accuracy"]
    assert parts["answer_accuracy"] == [1.0, 0.0] and parts["formatting"] == [1.0, 0.0]


def test_a_broken_reference_earns_nothing_by_its_looks():
    course = course_with(correct_answer=1.0, boxed=0.2, step_words=0.2)
    boxes = [r"Then we add 3 and 5 up: \boxed{8}"] * 2
    with pytest.warns(UserWarning, match="skipped"):
        totals, parts = weighted_sum(course, boxes, answer=["proof", "8"])
    assert totals == [None, pytest.approx(1.4)]
    assert all(part[0] is None and part[1] is not None for part in parts.values())
    with pytest.warns(UserWarning, match="skipped"):
        countdowns = course_with(countdown=1.0, boxed=0.2)
        totals, _ = weighted_sum(countdowns, boxes, answer=["8", "8"], nums=[[1], None], target=[8,
        8])
    assert totals == [pytest.approx(0.2), None]


@pytest.mark.parametrize(("name", "columns"), [
    ("exact_answer", {"answer": [r"\frac{1}{2}"]}), ("correct_answer", {"answer": [" "]}),
    ("answer_accuracy", {"answer": [""]}), ("close_answer", {"answer": ["proof"]}),
    ("countdown", {"nums": [None], "target": [8]}), ("countdown", {"nums": [[8]], "target": ["8"]}),
])
@pytest.mark.filterwarnings("ignore:.*skipped")
def test_each_reward_that_knows_a_broken_reference_silences_the_others(name, columns):
    course = Course.load(overrides={"rewards": {name: 1.0, "reasoning": 0.5}})
    functions = {one.__name__: one for one in reward_functions(course)[0]}
    assert functions["reasoning"](completions=[GOOD], **columns) == [None]
    assert functions["reasoning"](completions=[GOOD]) == [1.0], "without its columns it cannot know"


def test_the_length_penalty_knows_the_limit_of_the_course():
    course = Course.load(overrides={"rewards": {"length_penalty": 1.0},
    "lengths": {"completion": 80}})
    penalty = reward_functions(course)[0][1]
    ids = [[0] * n for n in (60, 70, 80)]
    assert penalty(completions=[""] * 3, completion_ids=ids) == [0.0, -0.5, -1.0]
    short = Course.load(overrides={"rewards": {"length_penalty": 1.0},
    "lengths": {"completion": 1}})
    assert reward_functions(short)[0][1](completions=["", ""], completion_ids=[[], [1]]) == [0, -1]


def test_the_random_reward_throws_a_new_coin_at_each_step():
    class State:
        def __init__(self, step):
            self.global_step = step

    control, again = random_reward(seed=3), random_reward(seed=3)
    first = control(["a"] * 50, trainer_state=State(1))
    assert first == again(["a"] * 50, trainer_state=State(1))
    assert first != control(["a"] * 50, trainer_state=State(2))


@given(text=st.text(max_size=99), tag=st.sampled_from(["answer", "reasoning", "output"]))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_completion_raises_or_earns_too_much(text, tag):
    course = Course.load(overrides={"rewards": dict.fromkeys(REWARDS, 1.0)})
    for candidate in (text, f"<{tag}>{text}</{tag}>", f"\\boxed{{{text}}}"):
        for function in reward_functions(course)[0]:
            value, = function(completions=[candidate], **{k: v[:1] for k, v in COLUMNS.items()})
            assert -1 <= value <= 1
    assert number("8") == 8 and rewards.completion_text([{"content": text}]) == text


@pytest.mark.parametrize("task, right, wrong, columns", [
    ("gsm8k", "#### 8", "#### 9", {"answer": ["8"]}),
    ("openr1", r"<think>a</think> \boxed{8}", r"<think>a</think> \boxed{9}", {"answer": ["8"]}),
    ("deepscaler", r"\boxed{\frac{1}{2}}", r"\boxed{2}", {"answer": [r"\frac12"]}),
    ("countdown", "<answer> (8 - 2) * 4 </answer>", "<answer> 8 + 2 + 4 </answer>",
     {"nums": [[2, 8, 4]], "target": [24]}),
])
def test_every_task_pays_its_own_right_answer_most(task, right, wrong, columns):
    course = Course.load(task=task)
    ids = {"completion_ids": [[1, 2, 3]], "truncated": [False]}
    ((paid,), _), ((less,), _) = (rewards.weighted_sum(course, [text], **columns, **ids)
                                  for text in (right, wrong))
    assert paid - less >= 0.9 and paid >= 1.0
