"""*Rollout inspector*, *Temperature*, *Reward mixer* and *Be the grader*, on records made here."""

import json
import re

import pytest

from helpers import artifacts
from helpers.artifacts import Stage
from helpers.audit import planted
from helpers.config import Course
from helpers.losses import group_advantages, kl_k3
from helpers.track import Track
from helpers.widgets import grader, marks, recorded, reward_mixer, rollout_inspector, temperatures
from helpers.widgets.grader import Grader, Ungraded
from helpers.widgets.reward_mixer import Group

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
TEXTS = ["4+3=7\n#### 7", "So \\boxed{7}.", "#### 8", f"{EVIL}\n#### 9"]


@pytest.fixture
def course(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    return Course.load()


def text(panel) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", panel.result.value))


def said(panel) -> str:
    return re.sub(r"<[^>]+>", "", panel.message.value)


def press(button) -> None:
    button._handle_button_msg(button, {"event": "click"}, [])


def sample(problem: str = "a", texts=TEXTS, strict=(1, 0, 0, 0), lenient=(1, 1, 0, 0)) -> dict:
    return {"id": problem, "question": f"Four and three, {problem}? {EVIL}", "answer": "7",
            "completions": list(texts), "tokens": [9] * len(texts),
            "truncated": [False] * len(texts), "strict": [bool(one) for one in strict],
            "lenient": [bool(one) for one in lenient]}


def line(step: int, right: int, problem: str = "a", kl: bool = True) -> dict:
    answers = [{"text": "#### 7", "pieces": ["#### ", EVIL, "7", ""], "truncated": False,
                "logp": [-0.1, -0.2 - step, -0.5, -0.01] if kl else None,
                "ref_logp": [-0.1, -0.2, -0.5, -0.01] if kl else None,
                "strict": at < right, "lenient": True, "reward": float(at < right),
                "parts": {"exact_answer": float(at < right)}, "advantage": 0.5 - (at >= right)}
               for at in range(2)]
    return {"step": step, "answers": answers,
            "problem": {"id": problem, "question": f"Q {problem} {EVIL}", "answer": "7"}}


def made(course, name: str, files: dict[str, list[dict]]) -> None:
    stage = Stage.begin(course, name)
    for file, rows in files.items():
        stage.save_samples(rows, file)
    stage.finish()


def pages(monkeypatch) -> list[str]:
    """What goes to pages without Python."""
    from helpers.widgets import live

    kept: list[str] = []
    monkeypatch.setattr(live, "output", lambda data, *_: kept.append(data.get("text/html", "")))
    return kept


# Where records come from


def test_without_a_run_the_record_of_the_course_is_shown_and_said_so(course):
    runs = recorded.rollouts(course)
    assert list(runs) == ["grpo", "ppo"]
    for run in runs.values():
        assert "comes with the course" in run.note and {0} < {row["step"] for row in run.rows}
    last = [one for row in runs["ppo"].rows if row["step"] for one in row["answers"]]
    assert last and all(len(one["values"]) == len(one["rewards"]) == len(one["advantages"])
                        == len(one["pieces"]) for one in last)
    assert "comes with the course" in recorded.samples(course).note
    models, note = recorded.sweep(course)
    assert {"sft", "grpo"} <= set(models) and "comes with the course" in note
    [entry, *_] = models["sft"]()
    assert {"temperature", "k", "pass", "maj", "problems"} == set(entry)


def test_the_record_of_the_course_is_whole_and_small():
    manifest = json.loads((recorded.EXAMPLE / "manifest.json").read_text(encoding="utf-8"))
    found = artifacts.listing(recorded.EXAMPLE, skip=("manifest.json",))
    assert manifest["files"] == found
    assert sum(one["bytes"] for one in found.values()) < 250_000


def test_a_run_is_preferred_and_named(course):
    made(course, "sft", {"validation.jsonl": [sample()]})
    made(course, "grpo", {"rollouts.jsonl": [line(0, 1), line(5, 2)]})
    record = recorded.samples(course)
    assert "this run's sft" in record.note and record.rows == [sample()]
    assert [row["step"] for row in recorded.rollouts(course)["grpo"].rows] == [0, 5]


def test_a_run_that_kept_only_before_and_after_has_two_steps_and_says_what_is_missing(course):
    stage = Stage.begin(course, "grpo")
    stage.save_samples([sample("a"), sample("b")], "samples_before.jsonl")
    stage.save_samples([sample("a", strict=(1, 1, 0, 0)), sample("b", strict=(1, 1, 1, 1))])
    (stage.path / "curve.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
    stage.finish()
    record = recorded.rollouts(course)["grpo"]
    assert "recorded no steps in between" in record.note
    assert [(row["problem"]["id"], row["step"]) for row in record.rows] == [
        ("b", 0), ("b", 2), ("a", 0), ("a", 2)], "the largest change first"
    answers = record.rows[0]["answers"]
    assert [one["reward"] for one in answers] == [1.0, 0.0, 0.0, 0.0], "paid by its own rewards"
    assert answers[0]["logp"] is None and answers[0]["advantage"] > 0 > answers[1]["advantage"]
    panel = rollout_inspector.rollout_inspector(course)
    assert "KL: not recorded" in text(panel) and not said(panel)


def test_a_stage_that_is_being_written_is_shown_before_the_others(course):
    made(course, "ppo", {"rollouts.jsonl": [line(0, 1)]})
    stage = Stage.begin(course, "grpo")
    assert set(recorded.rollouts(course, stage)) == {"ppo"}, "nothing is recorded in it yet"
    stage.save_samples([line(0, 0), line(3, 2)], "rollouts.jsonl")
    panel = rollout_inspector.rollout_inspector(course, stage)
    assert "Recorded while grpo learned" in text(panel) and panel.box.children[1].options == (
        "grpo",)


# Rollout inspector


def test_the_steps_of_a_run_are_turned_over(course, monkeypatch):
    kept = pages(monkeypatch)
    rows = [line(step, right, name) for step, right in ((0, 0), (2, 1), (4, 2))
            for name in ("a", "b")]
    made(course, "grpo", {"rollouts.jsonl": rows})
    panel = rollout_inspector.rollout_inspector(course)
    run, problem, step = panel.box.children[1:4]
    assert "Step 0: 0 of 2 answers right" in text(panel) and "KL a token 0.000" in text(panel)
    step.value = 4
    assert "Step 4: 2 of 2 answers right" in text(panel) and "▶ 4" in text(panel)
    problem.value = "b"
    assert step.value == 4 and "Q b" in text(panel), "the step stays"
    assert "<script" not in panel.result.value and "<img" not in panel.result.value
    assert "Step 0:" in kept[-1] and "Step 4:" in kept[-1], "the copy has both ends"


def test_kl_is_the_estimator_of_the_course_and_marks_tokens_by_more_than_colour():
    import torch

    answer = line(3, 1)["answers"][0]
    kl = rollout_inspector.token_kl(answer)
    assert kl == pytest.approx(kl_k3(torch.tensor(answer["logp"]).double(),
                                     torch.tensor(answer["ref_logp"]).double()).tolist())
    r = 2.718281828459045 ** 3
    assert kl[1] == pytest.approx(r - 1 - 3) and kl[1] != pytest.approx(-3), "k3, not k1"
    page = rollout_inspector.tokens_html(answer)
    assert page.count("double") == 1 and "KL 16.086 nats" in page and "<img" not in page
    assert all("<" not in attribute for attribute in re.findall(r'title="([^"]*)"', page))


def of_ppo(known: bool = True) -> dict:
    given = line(3, 1)
    for one in given["answers"]:
        one["advantage"] = None
        one |= {"values": [0.5, 0.25, -0.1, 0.0], "rewards": None, "advantages": None}
        if known:
            one |= {"rewards": [0.0, 0.6, 0.0, 0.987], "advantages": [-0.75, 0.0, 0.4, 1.5]}
    return given


def test_ppos_answers_show_forecast_reward_and_advantage_of_each_token(course):
    made(course, "ppo", {"rollouts.jsonl": [of_ppo()]})
    made(course, "grpo", {"rollouts.jsonl": [line(3, 1)]})
    panel = rollout_inspector.rollout_inspector(course)
    run = panel.box.children[1]
    assert run.options == ("grpo", "ppo") and "token by token" not in text(panel)
    run.value = "ppo"
    assert "forecast goes from +0.50 to 0; advantages of tokens from −0.75 to +1.50" in text(panel)
    page = panel.result.value
    assert page.count("<details><summary>token by token") == 2 and " open" not in page
    assert "reward +0.987, forecast 0, advantage +1.500" in page, "of the last token, in its title"
    rows = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.S)[0].split("\n")
    assert rows[0].split() == ["KL", "reward", "forecast", "advantage", "token"] and len(rows) == 5
    assert rows[1].split()[:4] == ["0", "0", "+0.500", "−0.750"]
    assert rows[2].split()[:4] == ["+16.086", "+0.600", "+0.250", "0"]
    assert "<script" not in page and "<img" not in page


def test_another_run_has_its_own_steps_and_keeps_the_problem(course):
    made(course, "grpo", {"rollouts.jsonl": [line(step, 1, name) for step in (0, 10, 20, 30)
                                             for name in "ab"]})
    made(course, "ppo", {"rollouts.jsonl": [line(step, 2, name) for step in (0, 5, 20)
                                            for name in "ab"] + [line(7, 0, "c")]})
    panel = rollout_inspector.rollout_inspector(course)
    run, problem, step = panel.box.children[1:4]
    problem.value, step.value = "b", 20
    run.value = "ppo"
    assert (problem.value, step.options, step.value) == ("b", (0, 5, 20), 20)
    assert "Step 20: 2 of 2 answers right" in text(panel) and not said(panel)
    step.value = 5
    run.value = "grpo"
    assert (problem.value, step.options, step.value) == ("b", (0, 10, 20, 30), 0)
    assert "Step 0: 1 of 2 answers right" in text(panel) and not said(panel)
    run.value, problem.value = "ppo", "c"
    assert step.options == (7,) and "Step 7: 0 of 2" in text(panel) and not said(panel)
    run.value = "grpo"
    assert problem.value == "a" and "Step 0" in text(panel) and not said(panel)


@pytest.mark.parametrize("given, words", [
    (of_ppo(False), "to 0; advantages of tokens are not known at this step"),
    ({**line(3, 1), "answers": [{**one, "advantage": None} for one in line(3, 1)["answers"]]},
     "advantage: one for each token, not recorded"),
])
def test_of_ppos_answers_what_is_not_recorded_is_said(course, given, words):
    made(course, "ppo", {"rollouts.jsonl": [given]})
    assert words in text(rollout_inspector.rollout_inspector(course))


def test_an_outline_is_the_mean_over_what_is_known():
    given = line(0, 1)
    given["answers"][1]["reward"] = None
    assert rollout_inspector.outline(given) == {"reward": 1.0, "right": 0.5, "kl": 0.0}
    assert rollout_inspector.outline(line(0, 1, kl=False))["kl"] is None
    with pytest.raises(ValueError, match="step 3 was not recorded; there are 0"):
        rollout_inspector.page({0: given}, 3)


# Temperature


def test_the_sweep_by_temperature_is_counted_by_hand(course):
    row = {"id": "a", "question": "?", "answer": "7", "texts": ["#### 7", "#### 8", "#### 9"],
           "strict": [True, False, False], "lenient": [True, False, False], "drawn": [
               {"temperature": 0.0, "top_p": 1.0, "answers": [0]},
               {"temperature": 0.5, "top_p": 1.0, "answers": [0, 0, 1, 0]},
               {"temperature": 1.0, "top_p": 0.9, "answers": [1, 1, 1, 1]},
               {"temperature": 1.0, "top_p": 1.0, "answers": [0, 1, 1, 2]}]}
    low, high = recorded.by_temperature([row])
    assert (low["temperature"], high["temperature"]) == (0.5, 1.0) and low["k"] == [1, 2, 4]
    assert low["pass"] == pytest.approx([0.75, 1.0, 1.0])
    assert high["pass"] == pytest.approx([0.25, 0.5, 1.0])
    assert low["maj"] == pytest.approx([0.75, 0.75, 1.0])
    assert high["maj"] == pytest.approx([0.25, 0.25, 0.0]), "the most frequent one is wrong"
    without_form = recorded.by_temperature([{**row, "strict": [False] * 3}])
    assert without_form == [low, high], "any format counts"


def test_a_temperature_is_chosen_and_one_that_is_missing_is_said(course):
    panel = temperatures.temperatures(course)
    model, warm = panel.box.children[1:3]
    assert "sft at temperature 1" in text(panel)
    warm.value = warm.options[0][1]
    assert f"sft at temperature {warm.value:g}" in text(panel)
    model.value = "grpo"
    assert f"grpo at temperature {warm.value:g}" in text(panel)
    with pytest.raises(ValueError, match="temperature 9 was not measured"):
        temperatures.at([{"temperature": 0.5}], 9)


# Reward mixer


def test_weights_change_who_is_pushed_up(course):
    panel = reward_mixer.reward_mixer(course, "Four and three?", "7", TEXTS)
    weights, divide = panel.box.children[1:3]
    sliders = {one.description: one for one in weights.children}
    assert {"exact_answer", "correct_answer", "boxed"} == set(sliders)
    assert "1 of 4 answers would be pushed up, 3 down" in text(panel)
    sliders["exact_answer"].value = 0
    assert "All answers are paid alike" in text(panel)
    sliders["correct_answer"].value = 1
    assert "2 of 4 answers would be pushed up, 2 down" in text(panel)
    sliders["boxed"].value = 1
    assert text(panel).index("boxed{7}") < text(panel).index("4+3=7"), "the box is paid best"
    divide.value = False
    assert "+1.25" in text(panel) and "<script" not in panel.result.value


def test_mixed_rewards_and_advantages_by_hand():
    parts = {"right": [1.0, 0.0, 0.0, 0.0], "bonus": [0.0, 1.0, 0.0, 0.0]}
    totals, plain = reward_mixer.mixed(parts, {"right": 1.0, "bonus": 0.2}, divide=False)
    assert totals == pytest.approx([1.0, 0.2, 0.0, 0.0])
    assert plain == pytest.approx([0.7, -0.1, -0.3, -0.3])
    _, loud = reward_mixer.mixed({"bonus": parts["bonus"]}, {"bonus": 0.2}, divide=True)
    assert loud == pytest.approx([-0.5, 1.5, -0.5, -0.5], abs=5e-3), "0.2 alone is at full volume"
    import torch

    assert loud == pytest.approx(group_advantages(torch.tensor([[0, 0.2, 0, 0]]))[0].tolist(),
                                 abs=1e-4)


def test_what_was_cut_is_not_paid_for_its_form(course):
    whole = Group("?", {"answer": "7"}, ["#### 7", "#### 8"], [False, False])
    cut = Group("?", {"answer": "7"}, ["#### 7", "#### 8"], [True, False])
    assert reward_mixer.paid(course, whole)["exact_answer"] == [1.0, 0.0]
    assert reward_mixer.paid(course, cut)["exact_answer"] == [0.0, 0.0]


def test_recorded_groups_get_planted_answers_that_parts_disagree_about(course):
    group = reward_mixer.group_of(sample())
    assert group.planted == 2 and group.texts[-2] == "So it is \\boxed{7}."
    assert group.texts[-1].endswith("#### 8")
    parts = reward_mixer.paid(course, group)
    assert parts["step_words"][-1] == 1.0 and parts["correct_answer"][-1] == 0.0
    panel = reward_mixer.reward_mixer(course)
    assert "planted by us" in text(panel) and "comes with the course" in \
        panel.box.children[0].value


# Be the grader


ASKED = [Ungraded("Q1", "7", "#### 7", True, True, True),
         Ungraded("Q2", "7", "So \\boxed{7}.", False, True, True),
         Ungraded("Q3", "7", f"{EVIL} #### 9", False, False, None)]


def test_labels_are_compared_only_after_they_are_given(course, monkeypatch):
    kept = pages(monkeypatch)
    one = Grader(Track(course), ASKED)
    one.show()
    assert "Answer 1 of 3, 0 labelled" in text(one) and "✓" not in text(one)
    assert kept[-1].count("<details>") == 3 and "strict ✗\u00a0wrong" in kept[-1]
    press(one.tell)
    assert "Label an answer first" in said(one) and "strict grading" not in text(one)
    press(one.right)
    press(one.right)
    assert "Answer 3 of 3, 2 labelled" in text(one) and not said(one)
    press(one.back)
    assert "Answer 2 of 3" in text(one) and "your label: ✓ right" in text(one)
    press(one.wrong)
    press(one.wrong)
    assert "3 of 3 labelled" in text(one)
    shown = text(one)
    assert "strict grading 3 of 3" in shown and "lenient grading 2 of 3" in shown
    assert "label of the record 1 of 2" in shown
    assert "2. You: ✗ wrong; lenient grading: ✓ right, label of the record: ✓ right" in shown
    assert "not stated once, in the asked form" in shown and "<script" not in one.result.value
    assert "strict grading" in kept[-1] and "<details>" not in kept[-1]


def test_agreement_counts_only_what_both_have_labelled():
    assert grader.agreement([True, None, False], [False, True, False]) == (1, 2)
    assert grader.agreement([None], [True]) == (0, 0)


@pytest.mark.parametrize("one, words", [
    (Ungraded("", "7", "#### 8", False, False), "“8”, which is not “7”"),
    (Ungraded("", "7", "I do not know.", False, False), "no answer was found"),
    (Ungraded("", "7", "#### 7", False, True, truncated=True), "cut off at the length limit"),
    (Ungraded("", "7", "#### 7.0", True, True), "equals “7”"),
])
def test_reasons(course, one, words):
    assert words in grader.reason(Track(course), one)


def test_answers_to_label_are_of_all_kinds_and_the_same_for_a_seed():
    rows = [sample(str(place), TEXTS[:3], (1, 0, 0), (1, 1, 0)) for place in range(40)]
    asked = grader.of_samples(rows, 8, seed=1)
    kinds = [(one.strict, one.lenient) for one in asked]
    assert len(asked) == 8 and kinds.count((False, True)) == 2
    assert kinds.count((True, True)) == kinds.count((False, False)) == 3
    assert asked == grader.of_samples(rows, 8, seed=1) != grader.of_samples(rows, 8, seed=2)
    with pytest.raises(ValueError, match="no answer to label"):
        Grader(None, [])


def test_an_audit_brings_labels_of_its_own(course):
    asked = grader.of_audit(planted([("4+3=7\n#### 7", "7")]), Track(course), 6)
    assert len(asked) == 6 and all(one.published is not None for one in asked)
    assert all(one.lenient == one.published for one in asked), "the lenient grading is that good"


def test_small_numbers_and_marks():
    assert marks.number(0.0001) == "0" and marks.number(-0.25) == "−0.25"
    assert marks.number(None) == "–" and marks.verdict(None) == "no verdict"
    assert [marks.pushed(one) for one in (0.5, -0.5, 0.0, None)] == [
        "▲ pushed up", "▼ pushed down", "= not moved", "left out"]
    assert "<" not in re.sub(r"</?div[^>]*>", "", marks.text_of(EVIL))
    assert marks.plain("<p>4 &lt; 5</p><b>so</b>") == "4 < 5 so"
    assert len(marks.plain("a" * 999)) < 410


def test_puzzles_are_graded_weighed_and_turned_over_by_their_own_rules(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    course = Course.load("tiny", "countdown")
    texts = [f"<think>\nhm\n</think>\n<answer> {one} </answer>" for one in (
        "44 + 19 + 35", "44 + 54")] + ["I give up"]
    row = {"id": "p", "question": "44, 19, 35 -> 98", "answer": "98", "nums": [44, 19, 35],
           "target": 98, "completions": texts, "tokens": [20] * 3, "truncated": [False] * 3,
           "strict": [True, False, False], "lenient": [True, False, False]}
    stage = Stage.begin(course, "grpo")
    for name in ("samples_before.jsonl", "samples.jsonl"):
        stage.save_samples([row], name)
    stage.finish()
    assert recorded.samples(course).rows == [row]
    one = grader.be_the_grader(course)
    for _ in one.asked:
        one.label(True)
    assert "1 labelled" in text(one) or "1 of 1 labelled" in text(one)
    panel = reward_mixer.reward_mixer(course)
    assert "1 of 3 answers would be pushed up" in text(panel) and "planted" not in text(panel)
    paid = [one["reward"] for one in recorded.rollouts(course)["grpo"].rows[0]["answers"]]
    assert paid[0] > paid[1] > paid[2], "right, in its tags, and none of both"
