"""*Try a problem*, driven as a reader would, with models that are not there."""

import json
import re
import threading

import pytest

from helpers import rungs
from helpers.artifacts import Stage
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.stats import majority_vote
from helpers.widgets import history, live, pages, stages
from helpers.widgets.answered import Answered, Result, Vote, counted
from helpers.widgets.asking import LONGEST, AskError, Sample, Settings, typed
from helpers.widgets.stages import Offered
from helpers.widgets.try_problem import TryProblem

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PROBLEM = Problem("Mia has 12 shells, Tom 24. How many?", "12+24=36", "36", "gsm8k", "1")
MISSING = "stage 'dpo' is not made yet. It comes from notebook 05_dpo"


class Fake:
    """Writes given texts word by word; waits after each word if `gate` is there."""

    def __init__(self, texts=("12+24=36\n#### 36", "12+24=35\n#### 35"), fails=(), gate=None):
        self.texts, self.fails, self.gate = list(texts), dict(fails), gate
        self.asked, self.wrote, self.first = [], 0, threading.Event()

    def notices(self, name, problem, settings):
        self.asked.append((name, problem, settings))
        if name in self.fails:
            raise self.fails[name]
        return [] if problem.question.isascii() else ["a rare script"]

    def __call__(self, name, problem, settings):
        pieces = [re.findall(r"\s*\S+", self.texts[i % len(self.texts)]) + [""]
                  for i in range(settings.samples)]
        samples = [Sample() for _ in pieces]
        for step in range(max(map(len, pieces))):
            for sample, words in zip(samples, pieces, strict=True):
                if step < len(words):
                    sample.ids.append(step)
                    sample.pieces.append(words[step])
                    sample.chances.append((0.97, 0.3, 0.02)[step % 3])
                    sample.text += words[step]
                    sample.ended = step == len(words) - 1
            self.wrote += 1
            yield samples
            self.first.set()
            if self.gate:
                assert self.gate.wait(20)


def a_widget(engine=None, **options) -> TryProblem:
    course = options.pop("course", None) or Course.load()
    models = [Offered("base", course), Offered("sft", course), Offered("grpo", course),
              Offered("dpo", course, missing=MISSING)]
    return TryProblem(course, engine=engine or Fake(), models=models,
                      problems=options.pop("problems", [PROBLEM]), **options)


def said(one: TryProblem) -> str:
    return re.sub(r"<[^>]+>", "", one.controls.message.value)


def shown(one: TryProblem) -> str:
    parts = [one.controls.head, *one.controls.columns.children, one.controls.message]
    return "".join(part.value for part in parts)


def press(button) -> None:
    """As the page does: by the message that a click sends."""
    button._handle_button_msg(button, {"event": "click"}, [])


def test_a_problem_is_drawn_answered_and_judged():
    one = a_widget()
    press(one.controls.draw)
    assert one.controls.text() == (PROBLEM.question, "36")
    one.controls.samples.value = 3
    assert one.controls.chosen() == ["sft", "grpo"], "the supervised model and the last one"
    press(one.controls.generate)
    result = one.wait(20)
    assert [answers.name for answers in result.answers] == ["sft", "grpo"]
    assert result.problem is PROBLEM, "with its solution and its id"
    sft = result.answers[0]
    assert sft.found == ["36", "35", "36"] and sft.strict == sft.lenient == [True, False, True]
    assert sft.parts == {"exact_answer": [1.0, 0.0, 1.0]} and sft.totals == [1.0, 0.0, 1.0]
    assert sft.vote == Vote([("36", 2), ("35", 1)], ["36"], 1.0)
    page = shown(one)
    assert page.count("✓ right") == 2 * (2 * 2 + 1) and page.count("✗ wrong") == 2 * 2
    assert "Vote: 36 (2), 35 (1)" in page and "2 of 3 right" in page
    assert "answer found: <b>36</b>" in page and one.controls.bar.value == 1.0
    assert "Done." in one.controls.status.value and not said(one)


def test_a_try_that_is_being_put_away_keeps_nobody_from_the_next(monkeypatch):
    one, go_on = a_widget(), threading.Event()
    monkeypatch.setattr(history, "append", lambda path, result: go_on.wait(20))
    one.draw()
    one.generate(["sft"])
    assert one.trying._written.wait(20)
    threading.Timer(0.2, go_on.set).start()
    one.generate(["grpo"])
    assert one.wait(20).answers[0].name == "grpo" and not said(one)


def test_what_is_typed_without_an_answer_has_no_verdicts():
    one = a_widget()
    one.controls.question.value = "What is 12 + 24?"
    one.generate(["sft"])
    [sft] = one.wait(20).answers
    assert sft.strict == [None] * 4 and sft.totals == [None] * 4 and sft.vote.credit is None
    assert sft.found[:2] == ["36", "35"] and "a tie" not in shown(one)
    assert "no verdict" in shown(one) and "cannot be judged" in shown(one)
    one.controls.answer.value = " 36 "
    one.generate(["sft"])
    assert one.wait(20).answers[0].strict == [True, False, True, False]
    assert "a tie: credit 0.5" in shown(one)


def test_a_drawn_problem_that_is_edited_is_another_one():
    one = a_widget()
    one.draw()
    one.controls.answer.value = "35"
    one.generate(["sft"])
    result = one.wait(20)
    assert result.problem.source == "typed" and result.answers[0].strict[:2] == [False, True]


def test_settings_are_those_of_the_sliders_and_each_try_draws_anew():
    one = a_widget()
    controls = one.controls
    controls.temperature.value, controls.top_p.value = 0.35, 0.9
    controls.samples.value, controls.length.value = 2, 50
    one.draw()
    for _ in range(2):
        one.generate(["base"])
        one.wait(20)
    first, second = (asked[2] for asked in one.trying.engine.asked)
    assert first == Settings(0.35, 0.9, 2, 50, 1000) and second.seed != first.seed
    controls.temperature.value = 0
    one.generate(["base"])
    assert len(one.wait(20).answers[0].samples) == 1, "greedy gives one answer"


@pytest.mark.parametrize("question, names, words", [
    ("", None, "no problem yet"), (" \n ", None, "no problem yet"),
    ("x" * (LONGEST + 1), None, "20,001 characters"), ("2 + 2?", (), "Choose a model"),
])
def test_bad_input_gives_one_message_and_the_widget_goes_on(question, names, words):
    one = a_widget()
    one.controls.question.value = question
    if names is not None:
        one.controls.choose(*names)
    press(one.controls.generate)
    assert words in said(one) and not one.trying.running and not one.results
    one.draw()
    one.generate(["sft"])
    assert one.wait(20).answers[0].right == 2 and not said(one)


def test_a_model_that_fails_says_so_in_its_column_and_the_others_go_on():
    told = "The problem has 431 tokens as base reads it, more than the limit of 128."
    one = a_widget(Fake(fails={"base": AskError(told), "sft": RuntimeError(f"no {EVIL}\nmore")}))
    one.draw()
    one.generate(["base", "sft", "grpo"])
    base, sft, grpo = one.wait(20).answers
    assert base.error == told and sft.error.startswith("RuntimeError: no <script>")
    assert not grpo.error and grpo.right == 2
    assert told in shown(one) and "<script" not in shown(one) and "<img" not in shown(one)


def test_an_engine_that_breaks_off_leaves_what_was_written():
    class Broken(Fake):
        def __call__(self, name, problem, settings):
            for number, samples in enumerate(super().__call__(name, problem, settings)):
                yield samples
                if number == 1:
                    raise MemoryError("out of memory")

    one = a_widget(Broken(["one two three four"]))
    one.draw()
    one.generate(["sft"])
    [sft] = one.wait(20).answers
    assert "MemoryError" in sft.error and sft.samples[0].text == "one two"
    assert "out of memory" in shown(one) and "one" in shown(one)


def test_stopping_midway_keeps_what_is_there():
    gate = threading.Event()
    fake = Fake(["36\n#### 36", "a very long way to say nothing at all"], gate=gate)
    one = a_widget(fake)
    one.draw()
    one.controls.samples.value = 2
    one.generate(["sft", "grpo"])
    assert fake.first.wait(20) and one.trying.running
    press(one.controls.generate)
    assert "still writing" in said(one), "a second click starts nothing"
    press(one.controls.stop)
    gate.set()
    result = one.wait(20)
    assert fake.wrote <= 2 and [answers.name for answers in result.answers] == ["sft"]
    assert result.stopped and "Stopped." in one.controls.status.value
    assert result.answers[0].strict == [None, None] and "stopped" in shown(one)
    assert "not asked" in one.controls.columns.children[1].value and one.controls.bar.value < 1
    press(one.controls.stop)
    assert "Nothing is being written" in said(one)
    one.generate(["sft"])
    assert not one.wait(20).stopped


def test_all_text_is_escaped():
    one = a_widget(Fake([f"{EVIL} #### {EVIL}", f"#### 1 {EVIL}"]))
    one.controls.question.value, one.controls.answer.value = f"{EVIL} é", EVIL
    one.generate(["sft"])
    result = one.wait(20)
    for page in (shown(one), pages.page(result)):
        assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page
    assert "a rare script" in said(one) and "⚠ a rare script" in pages.page(result)
    assert all("<" not in attribute for attribute in re.findall(r'title="([^"]*)"', shown(one)))


def test_tokens_are_marked_by_more_than_colour():
    sample = Sample([1, 2, 3, 4, 0], ["a\n", "b", "<c>", "", ""], [.97, .3, .02, .9, .8],
                    "a\nb<c>", ended=True)
    page = pages.tokens_html(sample)
    spans = re.findall(r"<span[^>]*>", page)
    assert [re.search(r"probability ([\d.]+)", span)[1] for span in spans] == [
        "0.970", "0.300", "0.020", "0.900", "0.800"]
    assert ["border-bottom" in span for span in spans] == [False, True, True, False, False]
    assert "&lt;c&gt;" in page and "↵\n" in page and "end of the answer" in spans[-1]


def test_every_part_of_the_reward_is_a_bar_with_its_number():
    course = Course.load(overrides={"rewards": {"boxed": 0.5, "length_penalty": 0.1}})
    one = a_widget(course=course)
    one.draw()
    one.generate(["sft"])
    [sft] = one.wait(20).answers
    assert list(sft.parts) == ["exact_answer", "boxed", "length_penalty"]
    page = shown(one)
    for name in (*sft.parts, "reward, weighted"):
        assert len(re.findall(rf"<div>{name} <span aria-hidden.*?</span></span> -?\d", page)) == 4


def test_a_penalty_of_nothing_is_no_minus_nothing():
    page = pages.bars({"length_penalty": [-0.0], "boxed": [-0.25]}, [-0.025], 0)
    assert "</span></span> 0<" in page and "</span></span> -0.25<" in page


def test_the_vote_is_that_of_the_scoreboard():
    one = a_widget()
    texts = ["#### 1/2", "It is 0.5", "#### 3", "no answer", "#### 0.50", "#### 3"]
    vote = counted(one.track, Problem("?", "", "1/2", "gsm8k", "1"), texts)
    assert vote.groups == [("1/2", 3), ("3", 2)] and vote.credit == 1.0
    assert majority_vote(["1/2", "0.5", "3", None, "0.50", "3"], "1/2") == vote.credit
    assert counted(one.track, PROBLEM, ["nothing"]) is None


def test_what_was_tried_is_kept_as_json_lines_and_comes_back(tmp_path):
    one = a_widget()
    one.draw()
    one.generate(["sft"])
    result = one.wait(20)
    path = history.place(one.course)
    row = json.loads(path.read_text(encoding="utf-8"))
    assert row["problem"]["question"] == PROBLEM.question and row["settings"]["n"] == 4
    assert row["answers"][0]["strict"] == [True, False, True, False]
    assert history.last(path) == [result]
    with path.open("a", encoding="utf-8") as file:  # a line cut by a kill, and no try at all
        file.write('[1]\n{"problem": {"nums": 3}}\n{"problem": {"quest')
    other = a_widget()
    assert other.results == [result]
    assert [label for label, _ in other.controls.earlier.options][1:] == [pages.title(result)]
    other.controls.earlier.value = 0
    assert other.controls.text() == (PROBLEM.question, "36") and "Vote: 36 (2)" in shown(other)
    other.generate(["grpo"])
    assert other.wait(20).answers[0].name == "grpo" and len(other.results) == 2
    assert len(history.last(path)) == 2, "the new line stands on its own"
    assert "still" not in said(other)


def test_a_history_that_cannot_be_written_is_said(monkeypatch, tmp_path):
    one = a_widget()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(history, "place", lambda course: tmp_path / "file" / "tried.jsonl")
    one.draw()
    one.generate(["sft"])
    assert one.wait(20).answers[0].right == 2
    assert "not saved" in said(one)


def test_models_that_are_not_made_are_greyed_and_say_what_makes_them():
    one = a_widget()
    boxes = {box.description: box for box in one.controls.choices.children}
    assert boxes["dpo"].disabled and not boxes["sft"].disabled
    assert "notebook 05_dpo" in one.controls.missing.value
    one.controls.choose("dpo", "base")
    assert one.controls.chosen() == ["base"]
    one.models[3:] = []
    one._look = lambda: [*one.models, Offered("dpo", one.course)]
    press(one.controls.again)
    boxes = {box.description: box for box in one.controls.choices.children}
    assert not boxes["dpo"].disabled and one.controls.chosen() == ["base"]
    assert not one.controls.missing.value


def test_what_a_run_has_is_offered():
    course = Course.load()
    found = {one.name: one for one in stages.offered(course, makers={"sft": "03_sft"})}
    assert list(found) == [*rungs.MODELS]
    assert found["base"].made and found["base_few_shot"].few_shot
    assert found["sft"].missing == (
        "stage 'sft' is not made yet. It comes from notebook 03_sft, or the command "
        "python -m helpers.course run --preset tiny --task gsm8k --seed 0 --only sft")
    for name in ("sft", "rft"):
        stage = Stage.begin(course, name)
        (stage.path / "model").mkdir()
        (stage.path / "model" / "config.json").write_text("{}")
        stage.finish()
    found = {one.name: one for one in stages.offered(course)}
    assert found["sft"].path == course.dir("sft") / "model" and found["rft"].made
    (course.dir("sft") / "model" / "config.json").write_text("{ }")
    assert "model/config.json" in stages.offered(course)[2].missing, "damaged"


@pytest.mark.parametrize("text, nums, target", [
    ("3, 4, 5 -> 60", (3, 4, 5), 60), ("3 4 5 = 60", (3, 4, 5), 60),
    ("Using the numbers [19, 35, 44], create an equation that equals 98.", (19, 35, 44), 98),
])
def test_a_puzzle_is_numbers_and_a_target(text, nums, target):
    problem = typed(text, "", puzzles=True)
    assert (problem.nums, problem.target, problem.answer) == (nums, target, str(target))
    with pytest.raises(AskError, match="numbers and a target"):
        typed("Reach something!", "", puzzles=True)


def test_a_puzzle_is_judged_by_its_target():
    one = a_widget(Fake(["<think>\n3*4*5\n</think>\n<answer>3*4*5</answer>"]),
                   course=Course.load(task="countdown"))
    one.controls.question.value = "3, 4, 5 -> 60"
    one.generate(["sft"])
    [sft] = one.wait(20).answers
    assert sft.strict == [True] * 4 and sft.vote.front == ["60"] and sft.vote.credit == 1.0


def test_the_copy_is_hidden_beside_the_live_page_and_replaced(monkeypatch):
    put = []
    monkeypatch.setattr(live, "output", lambda data, name, update=False: put.append(
        (data, name, update)))
    one = a_widget()
    one.show()
    (view, _, _), (first, name, update) = put
    assert live.VIEW in view and view["text/plain"].startswith("Run this cell in Jupyter or Colab")
    assert not update and f"copy-{one.live.name}" in first["text/html"]
    assert f".copy-{one.live.name}{{display:none}}" in one.controls.head.value
    one.draw()
    one.generate(["sft"])
    one.wait(20)
    data, again, update = put[-1]
    assert (again, update) == (name, True) and "Vote: 36 (2)" in data["text/html"]
    assert "display:none" not in data["text/html"]
    assert f".copy-{one.live.name}{{display:none}}" in one.controls.head.value


def test_problems_of_another_task_are_asked_in_this_ones_way():
    one = a_widget()
    assert one.controls.task.options == ("deepscaler", "gsm8k", "gsm8k_xml", "openr1")
    one.controls.task.value = "deepscaler"
    press(one.controls.draw)
    assert one._chosen.source == "deepscaler" and one.controls.text()[0] == one._chosen.question
    one.generate(["sft"])
    assert one.wait(20).answers[0].found[0] == "36" and one.trying.track.course.task == "gsm8k"
    one._problems["openr1"] = []
    one.controls.task.value = "openr1"
    press(one.controls.draw)
    assert "Nothing to draw from openr1" in said(one)
    puzzles = a_widget(course=Course.load(task="countdown"))
    assert puzzles.controls.task.options == ("countdown",)


def test_waiting_gives_no_older_result():
    one = a_widget()
    one.draw()
    one.generate(["sft"])
    assert one.wait(20)
    one.controls.question.value = ""
    one.generate(["sft"])
    assert one.wait(20) is None and len(one.results) == 1


def test_every_field_is_labelled():
    controls = a_widget().controls
    fields = [controls.question, controls.answer, controls.temperature, controls.top_p,
              controls.samples, controls.length, controls.draw, controls.generate, controls.stop,
              controls.again, controls.bar, controls.earlier, controls.task,
              *controls.choices.children]
    assert all(field.description for field in fields)


def test_an_answer_with_nothing_in_it_is_a_page():
    nothing = Result(PROBLEM, Settings(), [Answered("sft", [], error="why")], [], "2026")
    assert "why" in pages.page(nothing) and "⚠" in pages.page(nothing)
