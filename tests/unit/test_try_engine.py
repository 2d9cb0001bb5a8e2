"""The engine behind *Try a problem*, with the tiny base: what it writes, and what it refuses."""

import json
import re
import shutil

import pytest
import torch

from helpers import models, sampling
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.data.problem import Problem
from helpers.prompts import NEXT_EXAMPLE
from helpers.track import Track
from helpers.widgets.asking import LONGEST, AskError, Settings
from helpers.widgets.engine import CourseEngine
from helpers.widgets.stages import Offered, offered
from helpers.widgets.try_problem import TryProblem
from helpers.widgets.writing import drawn, text_of, write

PROBLEM = Problem("Mia has 12 shells, Tom 24. How many?", "", "36", "gsm8k", "1")
COURSE = Course.load()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Of a run in which nothing is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))
        return CourseEngine(COURSE, offered(COURSE))


@pytest.fixture(scope="module")
def tokenizer():
    return models.load_tokenizer(COURSE)


def last(states):
    *_, samples = states
    return samples


@pytest.mark.parametrize("name", ["base", "base_few_shot"])
def test_it_writes_greedily_what_the_course_samples(engine, tokenizer, name):
    [sample] = last(engine(name, PROBLEM, Settings(temperature=0)))
    track, shots = Track(COURSE), Track(COURSE).demonstrations("train")[:2]
    few = name == "base_few_shot"
    prompt = track.few_shot(PROBLEM, shots) if few else track.text(tokenizer, PROBLEM)
    [[same]] = sampling.generate(models.load_base(COURSE), tokenizer, [prompt], greedy=True,
                                 max_new_tokens=104, stop_text=NEXT_EXAMPLE if few else None)
    assert sample.completion() == same and list(same.ids) == sample.ids


def test_samples_end_each_by_itself_and_their_pieces_are_their_text(engine, tokenizer):
    settings, before = Settings(n=6, max_new_tokens=40, seed=3), torch.get_rng_state()
    states = [[len(one.ids) for one in samples]
              for samples in engine("base", PROBLEM, settings)]
    samples = last(engine("base", PROBLEM, settings))
    assert torch.equal(before, torch.get_rng_state()), "the reader's random numbers are left alone"
    assert states[0] == [1] * 6 and states[-1] == [len(one.ids) for one in samples]
    assert len({one.text for one in samples}) > 1
    assert all(one.done and (one.ended or len(one.ids) == 40) for one in samples)
    for one in samples:
        assert "".join(one.pieces) == text_of(tokenizer, one.ids) == one.text
        assert len(one.pieces) == len(one.chances) == len(one.ids)


def test_the_chances_are_the_models_own_at_any_temperature(engine, tokenizer):
    samples = last(engine("base", PROBLEM, Settings(0.5, 0.8, 3, 30, 1)))
    prompt = tokenizer(Track(COURSE).text(tokenizer, PROBLEM), add_special_tokens=False)
    prompt = prompt["input_ids"]
    model = models.load_base(COURSE)
    for one in samples:
        with torch.no_grad():
            scores = model(torch.tensor([prompt + one.ids])).logits[0, len(prompt) - 1:-1]
        chances = scores.softmax(-1)[range(len(one.ids)), one.ids]
        assert one.chances == pytest.approx(chances.tolist(), abs=1e-4)


def test_tokens_are_drawn_from_the_nucleus():
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().repeat(4000, 1)
    for settings, shares in ((Settings(1.0, 1.0), (.5, .3, .15, .05)),
                             (Settings(1.0, 0.7), (.625, .375, 0, 0)),
                             (Settings(0.0), (1, 0, 0, 0))):
        said = drawn(scores, settings, torch.Generator().manual_seed(0))
        counts = said.bincount(minlength=4) / len(said)
        assert counts.tolist() == pytest.approx(shares, abs=0.03)


def test_a_character_of_several_tokens_comes_with_its_last_one(tokenizer):
    class Parrot(torch.nn.Module):
        """Says these tokens, whatever it reads."""

        device = torch.device("cpu")
        config = models.load_base(COURSE).config

        def __init__(self, ids):
            super().__init__()
            self.left = list(ids)

        def forward(self, input_ids, **more):
            scores = torch.zeros(1, 1, 2048)
            scores[0, 0, self.left.pop(0)] = 9.0
            return type("Out", (), {"logits": scores})()

    text = "Сколько 😀 12?"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    states = [(one.text, list(one.pieces)) for [one] in write(
        Parrot(ids), tokenizer, ids[:1], Settings(0, max_new_tokens=len(ids)))]
    assert len(ids) > len(text) and states[-1][0] == text == "".join(states[-1][1])
    assert not any("\ufffd" in said for said, _ in states) and "" in states[-1][1]


def test_what_cannot_be_asked_is_said_with_its_numbers(engine):
    long = Problem("shells " * 300, "", "", "typed", "1")
    with pytest.raises(AskError, match=r"has \d{3} tokens .* limit of 128 \(lengths.prompt\)"):
        engine.notices("base", long, Settings())
    with pytest.raises(AskError, match="answer .* longer than the 2048 tokens"):
        engine.notices("base", PROBLEM, Settings(max_new_tokens=2040))
    with pytest.raises(AskError, match="'grpo' is not made yet.*--only grpo"):
        engine.notices("grpo", PROBLEM, Settings())
    with pytest.raises(AskError, match="no model 'x'; there are base,"):
        engine.notices("x", PROBLEM, Settings())
    assert engine.notices("base", PROBLEM, Settings()) == []


def test_another_script_is_read_and_remarked_on(engine):
    russian = Problem("Сколько яблок у Маши?", "", "", "typed", "1")
    [note] = engine.notices("base", russian, Settings())
    assert "38 tokens for 21 characters" in note
    assert last(engine("base", russian, Settings(max_new_tokens=3)))
    assert engine.notices("base", Problem("Café: 5€?", "", "", "typed", "1"), Settings()) == []


def test_a_model_of_ones_own_stands_beside_those_of_the_run(tmp_path):
    own = tmp_path / "mine"
    shutil.copytree(ROOT / "data" / "tiny" / "base", own)
    found = offered(COURSE, str(own))
    assert [one.name for one in found][-1] == "mine" and found[-1].made
    one = TryProblem(COURSE, models=found, problems=[PROBLEM])
    assert one.controls.chosen() == ["mine"]
    one.draw()
    one.controls.length.value = 8
    one.generate(["mine", "grpo"])
    mine, grpo = one.wait(60).answers
    assert len(mine.samples) == 4 and not mine.error
    assert "not made yet" in grpo.error and "--only grpo" in grpo.error


def test_a_model_of_the_hub_is_loaded_as_that_world_loads_it():
    *_, own = offered(COURSE, "Qwen/Qwen2.5-0.5B-Instruct")
    assert own.name == "Qwen2.5-0.5B-Instruct" and own.path is None and own.made
    assert own.course.world == "hub" and own.course.model.name == "Qwen/Qwen2.5-0.5B-Instruct"
    assert own.course.model.precision == "auto" and own.course.lengths == COURSE.lengths


@pytest.fixture(scope="module")
def untold(tmp_path_factory):
    """A model's folder without a chat template, as `save_pretrained` of a base leaves it."""
    folder = tmp_path_factory.mktemp("own") / "untold"
    shutil.copytree(ROOT / "data" / "tiny" / "base", folder)
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def said(one):
    """All warnings on the page, and whether a model has written."""
    parts = [one.controls.message, *one.controls.columns.children]
    text = re.sub(r"<[^>]+>", "", "\n".join(part.value for part in parts))
    return re.findall("⚠ *(.*)", text), "answer found:" in text


ASKED = {  # what is typed, who is asked, what is said, and whether it is answered all the same
    "empty": ("", "base", "There is no problem yet: type one, or draw one", False),
    "blank": (" \n\t\u2003", "base", "There is no problem yet", False),
    "too many characters": ("7" * (LONGEST + 1), "base", "more than the 20,000", False),
    "too many tokens": ("shells " * 300, "base", "more than the limit of 128", False),
    "Russian": ("Сколько яблок у Маши?", "base", "hardly seen this script", True),
    "Chinese": ("小明有三个苹果，又买了四个。一共几个？", "base", "hardly seen this script", True),
    "Arabic": ("كم تفاحة لدى مريم؟", "base", "hardly seen this script", True),
    "emoji": ("🙂🙂🙂🙂", "base", "", True),
    "not made": ("What is 2 + 2?", "grpo", "--only grpo", False),
    "no template": ("What is 2 + 2?", "untold", "lacks a chat template", False),
    "nobody": ("What is 2 + 2?", "nobody", "There is no model", False),
}


@pytest.mark.parametrize("question, model, words, answered", ASKED.values(), ids=ASKED)
def test_whatever_is_asked_gets_one_message_in_place_and_the_widget_goes_on(
        untold, question, model, words, answered):
    one = TryProblem(COURSE, own=str(untold), problems=[PROBLEM])
    one.controls.length.value, one.controls.samples.value = 8, 1
    one.controls.question.value = question
    one.generate([model])
    one.wait(60)
    warnings, written = said(one)
    assert len(warnings) == bool(words) and words in "".join(warnings) and written == answered
    assert "Error" not in "".join(warnings) and "Traceback" not in "".join(warnings)
    assert one.controls.question.value == question, "it stays, to be mended"
    one.draw()
    one.generate(["base"])
    [base] = one.wait(60).answers
    assert len(base.samples) == 1 and said(one) == ([], True)


def test_a_stage_that_is_not_made_says_how_to_make_it_and_is_offered_when_it_is_there(untold):
    one = TryProblem(COURSE, own=str(untold), makers={"grpo": "07_grpo"}, problems=[PROBLEM])
    boxes = {box.description: box for box in one.controls.choices.children}
    assert boxes["grpo"].disabled and one.controls.again in one.controls.box.children
    assert "grpo: stage &#x27;grpo&#x27; is not made yet. It comes from notebook 07_grpo, or " \
        "the command python -m helpers.course run" in one.controls.missing.value
    stage = Stage.begin(COURSE, "grpo")
    shutil.copytree(ROOT / "data" / "tiny" / "base", stage.path / "model")
    stage.finish()
    one.controls.again.click()
    boxes = {box.description: box for box in one.controls.choices.children}
    assert not boxes["grpo"].disabled
    one.controls.length.value, one.controls.samples.value = 8, 1
    one.draw()
    one.generate(["grpo"])
    assert not one.wait(60).answers[0].error


def test_a_folder_that_is_none_is_one_message(tmp_path):
    one = TryProblem(COURSE, own=str(tmp_path), problems=[PROBLEM])
    one.draw()
    one.generate([tmp_path.name])
    assert "no model there" in one.wait(60).answers[0].error


def test_on_a_large_preset_one_model_is_in_memory_at_a_time():
    engine = CourseEngine(COURSE, [Offered("a", COURSE), Offered("b", COURSE, ROOT / "data" /
                                                                 "tiny" / "base")])
    assert engine.keep == 2
    engine.keep = 1
    for name in ("a", "b", "a"):
        engine.notices(name, PROBLEM, Settings())
        assert len(engine._models) == 1
