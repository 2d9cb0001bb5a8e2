"""Configuration: what wins, what is refused and in which words, what a fingerprint covers."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest
import yaml
from pydantic import ValidationError

from helpers import config, formats
from helpers.config import ROOT, ConfigError, Course, names, setting_names


@pytest.mark.parametrize("preset", names("preset"))
@pytest.mark.parametrize("task", names("task"))
def test_every_preset_with_every_task_loads(preset, task):
    course = Course.load(preset, task, seed=3)
    assert (course.preset, course.task, course.seed) == (preset, task, 3)
    assert course.grpo.num_generations >= 2


def test_task_wins_over_preset_and_override_over_both(tmp_path, monkeypatch):
    for kind in ("presets", "tasks"):
        (tmp_path / kind).mkdir()
        for path in (config.HERE / kind).glob("*.yaml"):
            (tmp_path / kind / path.name).write_text(path.read_text())
    task = tmp_path / "tasks" / "gsm8k.yaml"
    task.write_text(yaml.safe_dump(yaml.safe_load(task.read_text()) | {
        "sft": {"max_steps": 7}, "lengths": {"prompt": 11},
        "presets": {"tiny": {"lengths": {"prompt": 22}}}}))
    monkeypatch.setattr(config, "HERE", tmp_path)
    assert Course.load("tiny").lengths.prompt == 22
    assert Course.load("colab").lengths.prompt == 11
    tiny = Course.load("tiny", overrides={"lengths": {"prompt": 33}})
    assert tiny.lengths.prompt == 33 and tiny.sft.max_steps == 7
    assert tiny.lengths.completion == Course.load("tiny").lengths.completion


@pytest.mark.parametrize(
    "overrides",
    [
        {"grpo": {"max_steps": 5, "learning_rate": 1e-4}},
        "{grpo: {max_steps: 5, learning_rate: 1e-4}}",
        '{"grpo": {"max_steps": 5, "learning_rate": 1e-4}}',
        "grpo:\n  max_steps: 5\n  learning_rate: 1e-4",
    ],
)
def test_overrides_as_dict_yaml_or_json(overrides):
    course = Course.load(overrides=overrides)
    assert course.grpo.max_steps == 5 and course.grpo.learning_rate == 1e-4
    assert Course.load(overrides=course.overrides) == course


def test_no_overrides_in_every_spelling():
    assert all(Course.load(overrides=o) == Course.load() for o in (None, {}, "", "{}", "null"))


@pytest.mark.parametrize(
    "arguments, parts",
    [
        ({"preset": "tinny"}, ["preset", "'tinny'", "'tiny'"]),
        ({"preset": "../tiny"}, ["preset", "'../tiny'"]),
        ({"task": "gsm9k"}, ["task", "'gsm8k'"]),
        ({"seed": -1}, ["seed", "-1", "greater than or equal to 0"]),
        ({"seed": "one"}, ["seed", "'one'", "integer"]),
        ({"overrides": {"gpro": {"max_steps": 5}}}, ["'gpro'", "'grpo'"]),
        ({"overrides": {"grpo": {"max_step": 5}}}, ["'grpo.max_step'", "'grpo.max_steps'"]),
        ({"overrides": {"max_steps": 5}}, ["'sft.max_steps' or ", "'rloo.max_steps'?"]),
        ({"overrides": {"sft": {"zzz": 5}}}, ["'sft.zzz'", "there are sft.method"]),
        ({"overrides": {"grpo": 3}}, ["grpo: is 3", "mapping", "max_steps"]),
        ({"overrides": {"grpo": {"loss_type": "dpo"}}}, ["grpo.loss_type", "'dpo'", "'dr_grpo'"]),
        ({"overrides": {"grpo": {"max_steps": 0}}}, ["grpo.max_steps: is 0", "equal to 1"]),
        ({"overrides": {"grpo": {"num_generations": 1}}}, ["grpo.num_generations", "equal to 2"]),
        ({"overrides": {"sft": {"max_steps": True}}}, ["sft.max_steps: is True", "yes/no"]),
        ({"overrides": {"sft": {"learning_rate": "nan"}}}, ["sft.learning_rate", "finite"]),
        ({"overrides": {"generation": {"top_p": 1.5}}}, ["generation.top_p: is 1.5", "equal to 1"]),
        ({"overrides": {"lora": {"target_modules": "q"}}}, ["lora.target_modules: is 'q'"]),
        ({"overrides": {"sets": {"held_oot": []}}}, ["'sets.held_oot'", "'sets.held_out'"]),
        ({"overrides": {"sets": {"paths": {"mth500": "x"}}}}, ["'mth500'", "mean 'math500'?"]),
        ({"overrides": {"sets": {"held_out": ["aime25"]}}}, ["sets.held_out.0", "mean 'aime24'?"]),
        ({"overrides": {"evaluation": {"split": "tset"}}}, ["evaluation.split", "mean 'test'?"]),
        ({"overrides": {"evaluation": {"rungs": ["sft"]}}}, ["evaluation.rungs", "sft and grpo"]),
        ({"overrides": {"evaluation": {"rungs": ["pop"]}}}, ["evaluation.rungs.0", "'ppo'"]),
        ({"seed": 2**32}, ["seed: is 4294967296", "less than or equal to 4294967295"]),
        ({"overrides": {"pretraining": {"corpus_seed": 2**32}}}, ["corpus_seed", "4294967295"]),
        ({"seed": "0x7"}, ["seed", "plain number"]),
        ({"overrides": {"lora": {"target_modules": []}}}, ["target_modules: is []", "[q_proj,"]),
        ({"overrides": {"lora": {"target_modules": ["q_proj", " "]}}}, ["target_modules", "names"]),
        ({"overrides": {"model": {"name": ""}}}, ["model.name: is ''", "must not be empty"]),
        ({"overrides": {"dataset": {"path": " "}}}, ["dataset.path", "must not be empty"]),
        ({"overrides": {"sets": {"paths": {"math500": ""}}}}, ["paths.math500", "not be empty"]),
        ({"overrides": {"rewards": {"boxed": True}}}, ["rewards.boxed: is True", "yes/no"]),
        ({"overrides": {"model": {"revision": 123456}}}, ["model.revision", "write it in quotes"]),
        ({"overrides": {"model": {"name": "Qwen/Qwen2.5-0.5B"}}},
         ["model.name: is 'Qwen/Qwen2.5-0.5B'", "no folder", "preset colab", "{world: hub}"]),
        ({"overrides": {"answer_format": "boxed"}},
         ["answer_format: is 'boxed'", "asks for ####", r"not for \boxed", "system_prompt: Let's"]),
        ({"task": "deepscaler", "overrides": {"answer_format": "think"}},
         [r"asks for \boxed and not for <think>"]),
        ({"task": "deepscaler", "overrides": {"answer_format": "hash"}}, ["not for ####"]),
        ({"overrides": {"system_prompt": r"End with \boxed{}."}}, [r"asks for \boxed", "####"]),
        ({"overrides": {"seed": 3}}, ["overrides.seed", "parameter"]),
        ({"overrides": "hello"}, ["'hello'", "no mapping"]),
        ({"overrides": "[1]"}, ["no mapping"]),
        ({"overrides": {1: 2}}, ["no mapping"]),
        ({"overrides": "{grpo: ["}, ["not YAML"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(arguments, parts):
    with pytest.raises(ConfigError) as caught:
        Course.load(**arguments)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message


def test_a_missing_setting_is_named(monkeypatch):
    read = config._read

    def without_lengths(kind, name):
        return {k: v for k, v in read(kind, name).items() if k != "lengths"}

    monkeypatch.setattr(config, "_read", without_lengths)
    with pytest.raises(ConfigError, match="lengths: is not set"):
        Course.load()


def test_it_cannot_be_changed_afterwards():
    with pytest.raises(ValidationError, match="frozen"):
        Course.load().grpo.max_steps = 1


def test_every_number_refuses_text_and_every_setting_is_reachable():
    keys = [k for k in setting_names() if "." in k]
    assert "grpo.max_steps" in keys and "dataset.hub_id" in keys
    for key in keys:
        change: dict = {"not": "a value"}
        for name in reversed(key.split(".")):
            change = {name: change}
        with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
            Course.load(overrides=change)


class TestFingerprint:
    def of(self, uses=(), **overrides):
        return Course.load(overrides=overrides).fingerprint(uses)

    def test_stable_across_processes(self):
        code = "from helpers.config import Course; print(Course.load().fingerprint(['sft']))"
        line = [sys.executable, "-c", code]
        other = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
        assert other.stdout.strip() == self.of(["sft"])
        assert len(self.of()) == 16 and int(self.of(), 16) >= 0

    def test_only_the_named_stage_counts(self):
        assert self.of(["sft"], grpo={"max_steps": 5}) == self.of(["sft"])
        assert self.of(["grpo"], grpo={"max_steps": 5}) != self.of(["grpo"])
        assert self.of(["sft"], rewards={"exact_answer": 2}) == self.of(["sft"])
        assert self.of(["grpo"], rewards={"exact_answer": 2}) != self.of(["grpo"])

    @pytest.mark.parametrize(
        "change",
        [
            {"lengths": {"prompt": 9}},
            {"system_prompt": "x"},
            {"lora": {"r": 4}},
            {"data": {"train": 5}},
            {"answer_format": "boxed", "system_prompt": formats.INSTRUCTIONS["boxed"]},
        ],
    )
    def test_common_settings_always_count(self, change):
        assert self.of(["sft"], **change) != self.of(["sft"])

    def test_seed_counts_and_tracking_does_not(self):
        assert Course.load(seed=1).fingerprint() != Course.load(seed=0).fingerprint()
        assert self.of(tracking={"report_to": ["tensorboard"]}) == self.of()

    def test_contents_of_local_data_count(self, tmp_path):
        rows = tmp_path / "train.jsonl"
        rows.write_text("1")
        before = self.of(dataset={"path": str(tmp_path)})
        assert self.of(dataset={"path": str(tmp_path)}) == before
        rows.write_text("2\n")
        assert self.of(dataset={"path": str(tmp_path)}) != before

    def test_settings_that_came_later_change_no_run_that_does_not_use_them(self):
        """What was hashed before section `sets` existed, hashed here by hand."""
        course = Course.load("tiny")
        settings = course.model_dump()
        common = ("preset", "task", "seed", "world", "model", "lora", "generation", "lengths",
                  "data", "dataset", "answer_format", "system_prompt")
        values = {name: settings[name] for name in common} | {"sft": settings["sft"]}
        values["data"] = {k: v for k, v in values["data"].items() if k != "test"}
        values["local"] = [config._digest(ROOT / "data/tiny" / n) for n in ("base", "gsm8k")]
        text = json.dumps(values, sort_keys=True)
        assert course.fingerprint(("sft",)) == hashlib.sha256(text.encode()).hexdigest()[:16]
        explicit = {"held_out": [], "demonstrations": None, "paths": {}}
        assert self.of(["sft"], sets=explicit) == course.fingerprint(["sft"])

    def test_further_sets_count_where_they_are_read(self, tmp_path):
        assert self.of(sets={"held_out": ["math500"]}) != self.of()
        assert self.of(["evaluation"], evaluation={"split": "math500"}) != self.of(["evaluation"])
        rows = tmp_path / "test.jsonl"
        rows.write_text("1")
        sets = {"sets": {"paths": {"math500": str(tmp_path)}}}
        changed = sets | {"evaluation": {"split": "math500"}}
        before = self.of(["evaluation"], **changed), self.of(["sft"], **changed)
        rows.write_text("2\n")
        after = self.of(["evaluation"], **changed), self.of(["sft"], **changed)
        assert after[0] != before[0] and after[1] == before[1]
        held_out = sets | {"sets": sets["sets"] | {"held_out": ["math500"]}}
        before = self.of(["sft"], **held_out)
        rows.write_text("3 3\n")
        assert self.of(["sft"], **held_out) != before
        pinned = Course.load(task="openr1", overrides={"sets": {"revisions": {"math500": "1"}}})
        assert pinned.fingerprint() != Course.load(task="openr1").fingerprint()

    def test_a_stage_that_reads_all_sets_says_so(self, tmp_path, monkeypatch):
        rows = tmp_path / "train.jsonl"
        rows.write_text("1")
        changed = {"sets": {"paths": {"smoltalk": str(tmp_path)}}}
        before = self.of(["sets"], **changed), self.of(["sft"], **changed)
        rows.write_text("2\n")
        after = self.of(["sets"], **changed), self.of(["sft"], **changed)
        assert after[0] != before[0] and after[1] == before[1]
        assert self.of(["sets"], data={"test": 5}) != self.of(["sets"])
        assert self.of(["sets"], evaluation={"n": 5}) == self.of(["sets"])
        home = tmp_path / "helpers"  # the limits of another task are among what such a stage reads
        shutil.copytree(config.HERE / "tasks", home / "tasks")
        shutil.copytree(config.HERE / "presets", home / "presets")
        monkeypatch.setattr(config, "HERE", home)
        before = self.of(["sets"]), self.of(["sft"])
        task = home / "tasks" / "openr1.yaml"
        task.write_text(task.read_text().replace("prompt: 256", "prompt: 255"))
        after = self.of(["sets"]), self.of(["sft"])
        assert after[0] != before[0] and after[1] == before[1]

    def test_the_place_of_a_further_set_counts(self, monkeypatch):
        held_out = {"sets": {"held_out": ["math500"]}}
        before, place = (self.of(), self.of(**held_out)), Course.source

        def moved(course, name=None):
            changes = {"revision": "1" * 40} if name == "math500" else {}
            return place(course, name).model_copy(update=changes)

        monkeypatch.setattr(Course, "source", moved)
        after = self.of(), self.of(**held_out)
        assert after[0] == before[0] and after[1] != before[1]

    def test_a_stage_that_does_not_exist_is_refused(self):
        with pytest.raises(ConfigError, match="'sfd'.*'sft'"):
            self.of(["sfd"])


def test_the_summary_marks_what_was_overridden():
    course = Course.load(overrides={"grpo": {"max_steps": 5}})
    table = course.summary().set_index("setting")
    assert table.loc["grpo.max_steps"].tolist() == [5, "override"]
    assert table.loc["grpo.beta", "set by"] == "preset tiny"
    assert table.loc["answer_format", "set by"] == "task gsm8k"
    assert table.loc["sets.held_out", "set by"] == "default"
    assert not (table["set by"].isna() | (table["set by"] == "")).any()
    page = course._repr_html_()
    assert "grpo.max_steps" in page and "bold" in page
    assert page == Course.load(overrides={"grpo": {"max_steps": 5}})._repr_html_()


def test_directories(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    assert Course.load(seed=2).dir("sft") == tmp_path / "tiny" / "gsm8k-s2" / "sft"
    monkeypatch.setenv("COURSE_ARTIFACTS", "elsewhere")
    assert Course.load().dir() == ROOT / "elsewhere" / "tiny" / "gsm8k-s0"
    monkeypatch.delenv("COURSE_ARTIFACTS")
    assert Course.load().dir() == ROOT / "artifacts" / "tiny" / "gsm8k-s0"


class TestFormats:
    def test_every_format_has_an_instruction_that_asks_for_its_marks(self):
        allowed = set(Course.model_fields["answer_format"].annotation.__args__) - {"free"}
        assert set(formats.MARKS) == set(formats.INSTRUCTIONS) == allowed
        for name, instruction in formats.INSTRUCTIONS.items():
            assert formats.mismatch(name, instruction) is None
            assert formats.mismatch(name, "Think.") is None

    def test_a_format_with_its_instruction_replaces_that_of_the_task(self):
        for name, instruction in formats.INSTRUCTIONS.items():
            both = {"answer_format": name, "system_prompt": instruction}
            assert Course.load(overrides=both).answer_format == name
        assert Course.load(overrides={"answer_format": "free"}).answer_format == "free"


def test_a_hub_model_loads_where_the_hub_is_read():
    for preset, changes in (("colab", {}), ("tiny", {"world": "hub"})):
        named = changes | {"model": {"name": "Qwen/Qwen2.5-0.5B"}}
        assert Course.load(preset, overrides=named).model.name == "Qwen/Qwen2.5-0.5B"


def test_the_largest_seed_loads():
    assert Course.load(seed=2**32 - 1).seed == 2**32 - 1


def test_a_large_local_file_counts_with_all_that_is_in_it(tmp_path):
    """Two files of one size above 64 MiB that differ in their last byte."""
    course = Course.load(overrides={"model": {"name": str(tmp_path)}})
    prints = set()
    for last in b"ab":
        with open(tmp_path / "model.safetensors", "wb") as file:
            file.seek(64 * 2**20)
            file.write(bytes([last]))
        prints.add(course.fingerprint())
    assert len(prints) == 2


# Rewards and templates of a task


def rewards_of(overrides, task="gsm8k_xml"):
    return Course.load(task=task, overrides=overrides).rewards


def test_rewards_are_added_to_taken_out_or_replaced_as_a_whole():
    own = {"formatting": 0.3, "reasoning": 0.5, "output_consistency": 0.5, "answer_accuracy": 2.0}
    assert rewards_of({}) == own
    assert rewards_of({"rewards": {"boxed": 0.1, "reasoning": 0}}) == own | {
        "boxed": 0.1, "reasoning": 0.0}
    assert rewards_of("rewards: {reasoning: null, formatting: null}") == {
        "output_consistency": 0.5, "answer_accuracy": 2.0}
    assert rewards_of("replace_rewards: {exact_answer: 1, boxed: null}") == {"exact_answer": 1.0}
    assert rewards_of({"replace_rewards": {}}) == {}


def test_replaced_rewards_are_as_if_the_task_had_named_them():
    new = Course.load(overrides={"replace_rewards": {"correct_answer": 1.0}})
    same = Course.load(overrides={"rewards": {"exact_answer": None, "correct_answer": 1.0}})
    assert new.model_dump() == same.model_dump()
    assert new.fingerprint(["grpo"]) == same.fingerprint(["grpo"])
    assert new.fingerprint(["sft"]) == Course.load().fingerprint(["sft"])
    assert Course.load(overrides=new.overrides) == new
    table = new.summary("rewards")
    assert table.to_dict("list") == {"setting": ["rewards.correct_answer"], "value": [1.0],
                                     "set by": ["override"]}


@pytest.mark.parametrize(("overrides", "message"), [
    ({"replace_rewards": 3}, "replace_rewards: is 3, must be a mapping of rewards and their weig"),
    ({"replace_rewards": {"boxed": "much"}}, "rewards.boxed: is 'much', must be a valid number"),
    ({"replace_reward": {}}, "did you mean 'replace_rewards'"),
    ({"replace_rewards": {"boxed": 1}, "rewards": {"boxed": 1}}, "give either it or rewards, not"),
    ({"demonstration": "{solution}"}, "demonstration: is '{solution}', has no {answer}"),
    ({"demonstration": "{result} {answer}"}, "the field {result} does not exist; there are sol"),
    ({"demonstration": "{answer.__class__}"}, "{answer.__class__} does not exist"),
    ({"demonstration": "{answer!r}"}, "{answer} does not exist"),
    ({"demonstration": "{answer"}, "is no template: expected '}' before end of string"),
])
def test_wrong_rewards_and_templates_in_one_line(overrides, message):
    with pytest.raises(ConfigError) as caught:
        Course.load(overrides=overrides)
    assert message in str(caught.value) and "\n" not in str(caught.value)
