"""Overrides as text: what is read as what, and what is refused in which words."""

import pytest

from helpers.config import HERE, ConfigError, Course, as_mapping
from helpers.overrides import in_flow, read_yaml


@pytest.mark.parametrize("text, value", [
    ("1e-5", 1e-5), ("1E3", 1000.0), ("-2", -2), ("+3", 3), (".5", 0.5), ("5.", 5.0), ("0", 0),
    ("1.5e+2", 150.0), ("-.inf", float("-inf")), ("true", True), ("null", None), ("~", None),
    ("1:30", "1:30"), ("010", "010"), ("0x10", "0x10"), ("1_000", "1_000"), ("no", "no"),
    ("on", "on"), ("2024-01-01", "2024-01-01"), ("007e1", "007e1"), ("'5'", "5"), ("1e", "1e"),
])
def test_numbers_and_words_are_those_of_yaml_1_2(text, value):
    read = as_mapping(f"{{a: {text}}}")["a"]
    assert read == value and type(read) is type(value)
    assert as_mapping(f"a: {text}") == {"a": value}


@pytest.mark.parametrize("text, words", [
    ("grpo: {max_steps: 5}\nsft: {}\ngrpo: {beta: 0.1}", ["'grpo'", "line 1 (c", "line 3 (c"]),
    ("{grpo: {max_steps: 5}, grpo: {beta: 0.1}}", ["'grpo'", "column 2)", "column 24)"]),
    ('{"grpo": {"max_steps": 5,\n  "max_steps": 6}}', ["'max_steps'", "line 1 ", "line 2 "]),
    ("{grpo: 1, 'grpo': 2}", ["'grpo'"]),
])
def test_a_key_that_stands_twice_is_refused(text, words):
    with pytest.raises(ConfigError) as caught:
        Course.load(overrides=text)
    assert all(word in str(caught.value) for word in ["overrides: ", "stands twice", *words])
    assert "\n" not in str(caught.value)


def test_a_merged_key_may_be_changed():
    text = "{base: &b {x: 1, y: 2}, more: {<<: *b, x: 3}}"
    assert as_mapping(text)["more"] == {"x": 3, "y": 2}


@pytest.mark.parametrize("overrides, nested", [
    ({"grpo.max_steps": 5}, "{grpo: {max_steps: 5}}"),
    ("{grpo.max_steps: 5}", "{grpo: {max_steps: 5}}"),
    ('{"lora.target_modules": ["q_proj"]}', "{lora: {target_modules: [q_proj]}}"),
    ({"sets": {"paths.math500": "a b"}}, "{sets: {paths: {math500: a b}}}"),
    ({"rewards.boxed": object}, "{'rewards': {'boxed': <class 'object'>}}"),
])
def test_a_dotted_key_is_shown_nested(overrides, nested):
    with pytest.raises(ConfigError) as caught:
        Course.load(overrides=overrides)
    assert "with a dot; write it nested: " in str(caught.value)
    assert str(caught.value).endswith(nested)


@pytest.mark.parametrize("text", ["1:30", "010", "1_000", "0x10", "-07", "1:30:00"])
@pytest.mark.parametrize("setting", ["max_steps", "learning_rate"])
def test_numbers_that_yaml_reads_differently_are_refused(setting, text):
    for overrides in (f"{{grpo: {{{setting}: {text}}}}}", {"grpo": {setting: text}}):
        with pytest.raises(ConfigError, match=rf"grpo.{setting}: is '{text}', must be a plain"):
            Course.load(overrides=overrides)
    with pytest.raises(ConfigError, match="rewards.boxed: is '1:30', must be a plain number"):
        Course.load(overrides={"rewards": {"boxed": "1:30"}})


def test_text_that_is_a_plain_number_is_that_number():
    grpo = Course.load(overrides={"grpo": {"learning_rate": "1e-5", "max_steps": "1e3",
                                           "epsilon_high": "0.3"}}).grpo
    assert (grpo.learning_rate, grpo.max_steps, grpo.epsilon_high) == (1e-5, 1000, 0.3)
    assert Course.load(overrides={"rewards": {"exact_answer": "5e-1"}}).rewards == {
        "exact_answer": 0.5}
    assert Course.load(seed="7").seed == 7


def test_words_for_yes_and_no_stay_what_they_are_in_text():
    """A revision may look like a number of YAML 1.1, a name like one of its words for no."""
    course = Course.load(overrides="{model: {revision: 0123456}, dataset: {config: no}}")
    assert (course.model.revision, course.dataset.config) == ("0123456", "no")
    assert Course.load(overrides="{sft: {shuffle_answers: on}}").sft.shuffle_answers is True
    with pytest.raises(ConfigError, match="grpo.loss_type: is 'no'"):
        Course.load(overrides="{grpo: {loss_type: no}}")


@pytest.mark.parametrize("text, words", [
    ("{lora: {target_modules: !!set {q_proj}}}", "lora.target_modules: .* is a set"),
    ("{model: {revision: !!binary aGk=}}", "model.revision: .* is a bytes"),
    ("{grpo: [", "not YAML"), ("{sft: !!int x}", "not YAML"), ("{a: !!python/none x}", "not YAML"),
])
def test_what_no_setting_can_be(text, words):
    with pytest.raises(ConfigError, match=f"^overrides: {words}") as caught:
        as_mapping(text)
    assert "\n" not in str(caught.value)


def test_values_are_shown_as_they_are_written():
    for text in ("5", "a", "null", "1.5", "[1, 2]", "{a: {b: c}}", "ä"):
        assert in_flow(read_yaml(text, "")) == text


def test_the_files_of_the_course_are_read_by_the_same_rules(tmp_path, monkeypatch):
    from helpers import config

    (tmp_path / "tasks").mkdir()
    text = (HERE / "tasks" / "gsm8k.yaml").read_text()
    (tmp_path / "tasks" / "mine.yaml").write_text(f"{text}answer_format: boxed\n")
    monkeypatch.setattr(config, "HERE", tmp_path)
    with pytest.raises(ConfigError, match="task mine: 'answer_format' stands twice, in line 3"):
        config._read("task", "mine")
