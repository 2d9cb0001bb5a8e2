"""Reward functions: values, both completion forms, broken references, look-up by name."""

import warnings

import pytest

from helpers.config import ConfigError, Course
from helpers.rewards import exact_answer, random_reward, reward_functions


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


def test_more_answers_than_completions_is_an_error():
    with pytest.raises(ValueError, match="shorter|longer"):
        exact_answer(["#### 18"], ["18", "19"])


def test_random_reward_is_a_fair_coin_that_ignores_the_text():
    first = random_reward(seed=3)(completions=["#### 18"] * 4000, answer=["18"] * 4000)
    assert first == random_reward(seed=3)(completions=["no idea"] * 4000, answer=["0"] * 4000)
    assert first != random_reward(seed=4)(completions=["#### 18"] * 4000)
    assert set(first) == {0.0, 1.0} and 0.45 < sum(first) / 4000 < 0.55
    control = random_reward(seed=3)
    assert control(["a"] * 50) != control(["a"] * 50), "the same text must not keep its reward"


def test_rewards_of_a_course_have_names_and_weights():
    course = Course.load(overrides={"rewards": {"random_reward": 0.25}})
    functions, weights = reward_functions(course)
    assert [f.__name__ for f in functions] == ["exact_answer", "random_reward"]
    assert weights == [1.0, 0.25]
    assert functions[0](completions=["#### 18"], answer=["18"], question=["q"]) == [1.0]


def test_the_course_decides_the_answer_format():
    course = Course.load(overrides={"answer_format": "xml"})
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
