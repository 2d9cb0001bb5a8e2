"""How many worked examples suit the base: tried on validation, the best number is kept."""

import pytest

from helpers import data, models, prompts, sampling
from helpers.config import ConfigError, Course
from helpers.evaluate import few_shot
from helpers.sampling import Completion
from helpers.stats import wilson_interval
from helpers.track import Track

COURSE = Course.load(overrides={"evaluation": {"sweep": {"few_shot": [0, 1, 3]}}})
PROBLEMS = data.load_problems(COURSE, "validation")[:4]
SHOWN = data.load_demonstrations(COURSE, "train")[:5]


@pytest.fixture
def asked(monkeypatch):
    """A model that is right about as many problems as it is shown examples, and in the asked form
    if it is shown one; what it was asked."""
    calls = []

    def generate(model, tokenizer, texts, greedy, **settings):
        shown = texts[0].count("Question:") - 1
        calls.append({"texts": texts, "greedy": greedy, **settings})
        answers = [problem.answer if place < max(1, shown) else "none"
                   for place, problem in enumerate(PROBLEMS)]
        mark = "#### " if shown else "It is "
        return [[Completion(mark + answer, 3, False)] for answer in answers]

    monkeypatch.setattr(sampling, "generate", generate)
    return calls


def test_each_number_is_tried_with_the_first_demonstrations(asked):
    seen = []
    entries = few_shot.tried(None, None, PROBLEMS, COURSE, SHOWN,
                             progress=lambda *done: seen.append(done))
    assert [one["few_shot"] for one in entries] == [0, 1, 3]
    assert [one["greedy"] for one in entries] == [0, 1 / 4, 3 / 4]
    assert [one["lenient_greedy"] for one in entries] == [1 / 4, 1 / 4, 3 / 4]
    assert entries[2]["greedy_ci95"] == list(wilson_interval(3, 4))
    assert {one["problems"] for one in entries} == {4}
    for call, number in zip(asked, [0, 1, 3], strict=True):
        assert call["texts"] == [prompts.few_shot_text(one, SHOWN[:number], COURSE)
                                 for one in PROBLEMS]
        assert call["greedy"] and call["stop_text"] == prompts.NEXT_EXAMPLE
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert few_shot.choose(entries) == 3


@pytest.mark.parametrize(("demonstrations", "numbers"), [
    (SHOWN[:2], [0, 1, 2]), (SHOWN[:1], [0, 1]), ([], [0])])
def test_where_there_are_fewer_all_are_shown(asked, demonstrations, numbers):
    entries = few_shot.tried(None, None, PROBLEMS, COURSE, demonstrations)
    assert [one["few_shot"] for one in entries] == numbers


def test_without_problems_nothing_can_be_chosen():
    with pytest.raises(ValueError, match="no problems to try"):
        few_shot.tried(None, None, [], COURSE, SHOWN)


def entry(number, greedy):
    return {"few_shot": number, "greedy": greedy, "lenient_greedy": 1 - greedy}


@pytest.mark.parametrize(("entries", "number"), [
    ([entry(1, 0.5), entry(2, 0.6), entry(4, 0.4)], 2),
    ([entry(1, 0.5), entry(2, 0.5), entry(4, 0.4)], 1),  # a tie: the smaller
    ([entry(0, 0.0), entry(1, 0.0)], 0),
])
def test_the_best_is_chosen_strictly(entries, number):
    assert few_shot.choose(entries) == few_shot.choose(entries[::-1]) == number


@pytest.mark.parametrize(("numbers", "message"), [
    ([], "evaluation.sweep.few_shot"), ([2, 1], "must rise"), ([1, 1], "each value once"),
    ([-1, 2], "evaluation.sweep.few_shot.0: is -1"), ([1.5], "evaluation.sweep.few_shot.0"),
])
def test_numbers_that_cannot_be_are_an_error(numbers, message):
    with pytest.raises(ConfigError, match=message):
        Course.load(overrides={"evaluation": {"sweep": {"few_shot": numbers}}})


def test_the_tiny_base_is_shown_what_suits_it():
    """More is not better for it: four examples are longer than anything that it was trained on.
    The preset's number, by which other notebooks look at it, is as good as the best."""
    course = Course.load()
    track, tokenizer = Track(course), models.load_tokenizer(course)
    problems = track.problems("validation")[:64]
    entries = {one["few_shot"]: one["greedy"] for one in few_shot.tried(
        models.load_base(course, "none"), tokenizer, problems, course,
        track.demonstrations("train"))}
    assert list(entries) == [1, 2, 4]
    assert entries[course.evaluation.few_shot] > max(entries.values()) - 0.05
    assert max(entries.values()) > entries[4] + 0.03
