"""Recipes: what they set, read in every way; mistakes in one line; runs in folders of their own."""

import json
import re
import shutil

import pytest
import torch
import yaml
from papermill.iorw import read_yaml_file

from helpers import models
from helpers.artifacts import ArtifactError, Stage, find, is_made
from helpers.config import ROOT, ConfigError, Course, flat
from helpers.course import continued, ensure, graph, modes, opening, recipes
from helpers.course import course as commands
from helpers.train.settings import device_flags, lora_config
from tests import methods

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# What each recipe is known by, against the resolved configuration. Sources: in the files.
SETTINGS = {
    "qwen25_math_7b": {
        "model.name": "Qwen/Qwen2.5-Math-7B", "model.precision": "bfloat16",
        "model.quantization": "none", "task": "deepscaler", "sets.demonstrations": "openr1",
        "sft.method": "lora", "lora.r": 16, "lora.alpha": 32, "lora.target_modules": PROJECTIONS,
        "sft.epochs": 2, "sft.max_steps": None, "sft.learning_rate": 1e-5,
        "sft.lr_scheduler": "cosine", "lengths.prompt": 256, "lengths.completion": 768,
        "pairs.total": 1000, "reward_model.kind": "head",
        "ppo.r": 8, "ppo.alpha": 16, "ppo.num_ppo_epochs": 3, "ppo.top_p": 0.9,
        "ppo.reward_model_weight": 1.0, "rewards.correct_answer": 1.0,
        "rewards.length_penalty": 1.0, "rewards.boxed": 0.2, "rewards.step_words": 0.2,
        "evaluation.n": 5, "evaluation.max_new_tokens": 1024, "generation.top_p": 0.95,
        "generation.temperature": 0.7, "recipe.measured": ["openr1", "deepscaler", "aime24"],
        "recipe.stages": ["sft", "pairs", "reward", "ppo"],
    },
    "gsm8k_xml_grpo": {
        "model.name": "Qwen/Qwen2.5-0.5B", "task": "gsm8k_xml", "dataset.hub_id": "openai/gsm8k",
        "answer_format": "xml", "rewards.formatting": 0.3, "rewards.reasoning": 0.5,
        "rewards.output_consistency": 0.5, "rewards.answer_accuracy": 2.0,
        "grpo.save_steps": 50, "grpo.save_passes": True, "grpo.eval_steps": 50,
        "recipe.stages": ["sft", "grpo", "evaluation"],
    },
    "openr1_continued": {
        "model.name": "Qwen/Qwen2.5-0.5B", "task": "openr1", "dataset.config": "default",
        "recipe.start": "gsm8k_xml_grpo/gsm8k_xml-s0/grpo", "rewards.close_answer": 1.0,
        "grpo.learning_rate": 1e-6, "grpo.prompts_per_step": 4, "grpo.weight_decay": 0.01,
        "grpo.eval_steps": 100, "grpo.save_steps": 100, "grpo.keep_best": True,
        "data.train": 4000, "grpo.max_steps": 1000, "recipe.measured": ["openr1", "gsm8k"],
        "recipe.stages": ["grpo", "evaluation"],
    },
    "qwen3_gsm8k_qlora": {
        "model.name": "Qwen/Qwen3-0.6B", "model.quantization": "4bit",
        "model.precision": "bfloat16", "task": "gsm8k", "answer_format": "hash",
        "lora.target_modules": PROJECTIONS, "sft.method": "lora", "sft.epochs": 3,
        "sft.max_steps": None, "sft.batch_size": 4, "sft.gradient_accumulation_steps": 4,
        "rewards.exact_answer": 1.0, "ppo.reward_model_weight": 0.0, "data.test": None,
        "recipe.stages": ["sft", "pairs", "reward", "ppo"],
    },
}
ROWS = [(name, key, value) for name, some in SETTINGS.items() for key, value in some.items()]


@pytest.fixture(scope="module")
def settings():
    return {name: dict(flat(recipes.load(name).model_dump())) for name in recipes.names()}


@pytest.mark.parametrize(("name", "key", "value"), ROWS)
def test_every_number_is_the_recipes_own(settings, name, key, value):
    assert settings[name][key] == value


def test_every_recipe_has_its_numbers_and_only_these_rewards(settings):
    assert SETTINGS.keys() == settings.keys()
    for name, found in settings.items():
        paid = {key for key in found if key.startswith("rewards.")}
        assert paid == {key for key in SETTINGS[name] if key.startswith("rewards.")}
        assert found["recipe.name"] == name
        changes = recipes.read(name)["overrides"]
        written = {key for key, _ in flat(changes)}
        own = {key for key in SETTINGS[name] if "." in key and not key.startswith(
            ("dataset.", "sets."))}
        assert own <= written, "stated by the file itself, whatever the preset says"


def test_what_the_device_adds_to_the_4_bit_recipe(monkeypatch):
    monkeypatch.setattr(models, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(models, "precision", lambda course: torch.bfloat16)
    flags = device_flags(recipes.load("qwen3_gsm8k_qlora"))
    assert flags["bf16"] and not flags["fp16"]
    assert flags.get("gradient_checkpointing", flags.get("activation_checkpointing"))


def test_the_4_bit_recipe_is_loaded_in_4_bits_and_trains_all_projections():
    from bitsandbytes.nn import Linear4bit
    from peft import get_peft_model

    course = recipes.load("qwen3_gsm8k_qlora", overrides={"model": {
        "name": str(methods.model_folder()), "precision": "float32"}})
    model = models.load_base(course)
    layers = {name.rpartition(".")[2] for name, layer in model.named_modules()
              if isinstance(layer, Linear4bit)}
    assert layers == set(PROJECTIONS)
    adapted = get_peft_model(model, lora_config(course))
    trained = {name.split(".lora_")[0].rpartition(".")[2]
               for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert trained == set(PROJECTIONS)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_read_by_papermill_it_is_the_same_configuration(name):
    """papermill reads YAML 1.1, in which 1e-5 is text and 010 is 8."""
    path = recipes.find(name)
    assert Course.load(**read_yaml_file(str(path))) == recipes.load(name)
    assert "1e-" not in re.sub(r"#.*", "", path.read_text(encoding="utf-8"))


def write(folder, text, name="mine"):
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_rates_that_papermill_leaves_as_text_are_read_right_or_refused(tmp_path):
    text = "overrides: {recipe: {name: mine}, sft: {learning_rate: %s}, rewards: {boxed: 2e-1}}"
    for written in ("1e-5", ".00001", "1.e-05"):
        path = write(tmp_path, text % written)
        for course in (recipes.load(str(path)), Course.load(**read_yaml_file(str(path)))):
            assert course.sft.learning_rate == 1e-5 and course.rewards["boxed"] == 0.2
    assert isinstance(yaml.safe_load("1e-5"), str)  # else there is nothing to watch
    for written in ("1e_5", "1e-5x", "'1:30'"):
        path = write(tmp_path, text % written)
        for load in (lambda p=path: recipes.load(str(p)),
                     lambda p=path: Course.load(**read_yaml_file(str(p)))):
            with pytest.raises(ConfigError, match="sft.learning_rate"):
                load()


@pytest.mark.parametrize(("text", "words"), [
    ("sede: 4", "'sede' does not exist; did you mean 'seed'?"),
    ("max_steps: 4", "write {overrides: {"),
    ("task: gsm8l\noverrides: {recipe: {name: mine}}", "did you mean 'gsm8k'?"),
    ("preset: a10\noverrides: {recipe: {name: mine}}", "did you mean 'a100'?"),
    ("overrides: {}", "has no name; write overrides: {recipe: {name: mine}}"),
    ("overrides: {recipe: {name: gsm8k_xml_grpo}}", "calls itself 'gsm8k_xml_grpo'; write"),
    ("overrides: {recipe: {name: mine, stage: [sft]}}", "did you mean 'recipe.stages'?"),
    ("overrides: {recipe: {name: mine, stages: [stf]}}", "recipe.stages: 'stf' does not exist"),
    ("overrides: {recipe: {name: mine, start: grpo}}", "must name another run and a stage of it"),
    ("overrides: {recipe: {name: mine, start: a/b-s0/grpo}}", "make it with"),
    ("overrides: {recipe: {name: mine, start: tiny/gsm8k-s3/dpo}}",
     "run --preset tiny --task gsm8k --seed 3"),
    ("overrides: {recipe: {name: mine, measured: [opnr1]}}", "did you mean 'openr1'?"),
    ("overrides: {recipe: {name: mine, measured: [smoltalk]}}", "recipe.measured: 'smoltalk'"),
    ("overrides: {recipe: {name: mine}, grpo: {keep_best: true}}", "needs eval_steps"),
    ("overrides: {recipe: {name: mine}, rewards: {boxd: 1}}", "did you mean 'boxed'?"),
    ("overrides: {recipe: {name: mine}, grpo: {max_step: 1}}", "did you mean 'grpo.max_steps'?"),
    ("overrides: {recipe: {name: mine}, recipe: {name: mine}}", "stands twice"),
    ("- preset", "is no mapping"),
])
def test_mistakes_are_told_in_one_line_before_anything_runs(tmp_path, capsys, monkeypatch, text,
                                                            words):
    monkeypatch.setattr(commands.Runner, "run", lambda *_: pytest.fail("something was run"))
    path = write(tmp_path, text)
    assert commands.main(["run", "--recipe", str(path)]) == 1
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_preset_is_no_name_for_a_recipe(tmp_path):
    path = write(tmp_path, "overrides: {recipe: {name: tiny}}", "tiny")
    with pytest.raises(ConfigError, match="recipe.name: 'tiny' is a preset's name"):
        recipes.load(str(path))


def test_another_task_is_another_recipe():
    with pytest.raises(ConfigError, match="is made for task 'gsm8k_xml'.*copy the file"):
        recipes.load("gsm8k_xml_grpo", task="countdown")
    assert recipes.load("gsm8k_xml_grpo", task="gsm8k_xml", seed=3, preset="a100").seed == 3
    with pytest.raises(ConfigError, match="did you mean 'gsm8k_xml_grpo'"):
        recipes.load("gsm8k_xml_gpro")


def test_a_users_rewards_win_whichever_way_they_are_named():
    def paid(of_file, asked):
        return recipes.with_changes(of_file, asked)

    assert paid({"rewards": {"a": 1}}, {"rewards": {"b": 2}}) == {"rewards": {"a": 1, "b": 2}}
    assert paid({"rewards": {"a": 1}}, {"replace_rewards": {"b": 2}}) == {
        "replace_rewards": {"b": 2}}
    assert paid({"replace_rewards": {"a": 1}}, {"rewards": {"b": 2}}) == {
        "replace_rewards": {"a": 1, "b": 2}}
    assert paid({"replace_rewards": {"a": 1}}, {"replace_rewards": {"b": 2}}) == {
        "replace_rewards": {"b": 2}}


def test_runs_have_a_folder_of_their_own_and_the_same_fingerprints():
    plain, named = Course.load(), Course.load(overrides={"recipe": {"name": "mine"}})
    assert named.dir().parts[-2:] == ("mine", "gsm8k-s0") and named.dir() != plain.dir()
    assert named.fingerprint(["sft", "rungs"]) == plain.fingerprint(["sft", "rungs"])
    Stage.begin(named, "sft", uses=["sft"]).finish()
    assert is_made(named, "sft") and not is_made(plain, "sft")


def test_what_is_missing_is_made_by_the_recipes_name_unless_it_was_changed():
    with pytest.raises(ArtifactError, match="run --recipe gsm8k_xml_grpo --seed 1 --only sft$"):
        find(recipes.load("gsm8k_xml_grpo", seed=1), "sft")
    with pytest.raises(ArtifactError, match="--preset colab .* --overrides .*--only sft$"):
        find(recipes.load("gsm8k_xml_grpo", overrides="{sft: {epochs: 2}}"), "sft")


def test_only_the_stages_of_the_recipe_are_run(monkeypatch):
    ran = {}
    monkeypatch.setattr(commands.Runner, "run", lambda self, todo, forced: ran.update(
        {self.course.recipe.name: [notebook.name[:2] for notebook in todo]}))
    monkeypatch.setattr(commands, "check_course", lambda course: None)
    monkeypatch.setattr(commands.report, "build", lambda *_: None)
    monkeypatch.setattr(commands.continued, "adopt", lambda course: None)
    for name in recipes.names():
        assert commands.main(["run", "--recipe", name]) == 0
    assert ran == {"gsm8k_xml_grpo": ["03", "07", "08"], "qwen25_math_7b": ["03", "04", "06"],
                   "qwen3_gsm8k_qlora": ["03", "04", "06"], "openr1_continued": ["03", "07", "08"]}


def model_of(course, stage, text="weights"):
    begun = Stage.begin(course, stage, uses=["sft"])
    (begun.path / "model").mkdir()
    (begun.path / "model" / "config.json").write_text(text)
    return begun.finish()


def test_a_run_goes_on_from_the_model_of_another_and_notices_a_newer_one():
    first = Course.load(overrides={"recipe": {"name": "first"}})
    more = Course.load(overrides={"recipe": {"name": "more", "start": "first/gsm8k-s0/grpo"}})
    for check in (lambda: continued.adopt(more), lambda: opening.check_course(more)):
        with pytest.raises(ConfigError, match="grpo is not there; make it with: .* first"):
            check()
    origin = model_of(first, "grpo")
    sft = ensure(more, "sft")
    assert (sft.path / "model" / "config.json").read_text() == "weights"
    assert sft.manifest["start_run_id"] == origin["run_id"]
    assert continued.adopt(more).run_id == sft.run_id  # nothing has changed
    everything = graph.load_graph(more)
    todo = commands.plan(more, graph.with_parents(graph.select("07", everything), everything))
    assert [one.name[:2] for one in todo] == ["07"]
    model_of(first, "grpo", "others")
    again = continued.adopt(more)
    assert again.run_id != sft.run_id
    assert (find(more, "sft").path / "model" / "config.json").read_text() == "others"
    (first.dir("grpo") / "model" / "config.json").write_text("harmed")
    with pytest.raises(ConfigError, match="config.json"):
        continued.adopt(more)
    shutil.rmtree(first.dir("grpo"))  # what was copied stays of use
    assert continued.adopt(more).run_id == again.run_id == ensure(more, "sft").run_id
    Stage.begin(first, "dpo").finish()
    none = Course.load(overrides={"recipe": {"name": "more", "start": "first/gsm8k-s0/dpo"}})
    with pytest.raises(ConfigError, match="has no model"):
        continued.adopt(none)


def test_a_recipe_keeps_its_name():
    with pytest.raises(ConfigError, match="recipe.name is empty"):
        recipes.load("gsm8k_xml_grpo", None, "{recipe: {name: null}}")


class TestModes:
    def course(self, *line):
        return modes.configuration(modes._parser().parse_args(list(line)))

    def test_options_win_over_the_recipe(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COURSE_ARTIFACTS", "elsewhere")
        course = self.course("sft", "--recipe", "qwen3_gsm8k_qlora", "--model", "data/tiny/base",
                             "--output", str(tmp_path), "--epochs", "1.5", "--batch-size", "2",
                             "--report-to", "wandb", "--overrides", "{sft: {learning_rate: 1e-4}}")
        assert course.model.name == str(ROOT / "data/tiny/base")
        assert (course.sft.epochs, course.sft.batch_size) == (1.5, 2)
        assert course.sft.learning_rate == 1e-4 and course.tracking.report_to == ["wandb"]
        assert course.dir() == tmp_path / "qwen3_gsm8k_qlora" / "gsm8k-s0"
        assert course.model.quantization == "4bit"  # the rest is the recipe's
        other = self.course("sft", "--recipe", "qwen3_gsm8k_qlora", "--model", "Qwen/Qwen2.5-0.5B")
        assert other.model.name == "Qwen/Qwen2.5-0.5B"

    def test_a_test_run_has_fewer_of_everything_and_its_own_folder(self):
        whole = recipes.load("qwen3_gsm8k_qlora")
        course = self.course("both", "--recipe", "qwen3_gsm8k_qlora", "--max-samples", "100")
        assert course.group == "qwen3_gsm8k_qlora-100" and course.dir() != whole.dir()
        assert (course.data.train, course.data.validation, course.data.test) == (100, 25, 100)
        assert (course.ppo.max_steps, course.pairs.problems) == (2, 100)
        assert course.sft == whole.sft  # three passes, of the few
        assert course.rloo.max_steps <= -(-100 // course.rloo.prompts_per_step)
        assert modes.fewer(Course.load(), 16)["sft"] == {"max_steps": 16}
        mine = self.course("both", "--recipe", "qwen3_gsm8k_qlora", "--max-samples", "100",
                           "--overrides", "{ppo: {max_steps: 7}}")
        assert mine.ppo.max_steps == 7
        assert modes.main(["both", "--recipe", "gsm8k_xml_grpo", "--max-samples", "0"]) == 1

    @pytest.mark.parametrize(("name", "mode", "expected"), [
        ("qwen3_gsm8k_qlora", "sft", ["sft"]), ("qwen3_gsm8k_qlora", "rl", ["ppo"]),
        ("qwen3_gsm8k_qlora", "both", ["sft", "pairs", "reward", "ppo"]),
        ("gsm8k_xml_grpo", "rl", ["grpo"]), ("openr1_continued", "both", ["grpo", "evaluation"]),
    ])
    def test_a_mode_makes_its_stages(self, name, mode, expected):
        assert modes.stages(recipes.load(name), mode) == expected

    def test_a_recipe_without_the_stages_of_a_mode(self, capsys):
        assert modes.main(["sft", "--recipe", "openr1_continued"]) == 1
        assert "has none of its stages (sft), only grpo" in capsys.readouterr().err

    @pytest.mark.parametrize("name", sorted(SETTINGS))
    def test_the_reward_pays_known_answers_as_it_should(self, name, capsys):
        assert modes.main(["test", "--recipe", name]) == 0
        printed = capsys.readouterr().out
        assert printed.count("ok") >= 7 and "FAIL" not in printed

    @pytest.mark.parametrize(("changes", "words"), [
        ({"recipe": {"stages": ["gpro"]}}, "recipe.stages: 'gpro' does not exist; did you mean"),
        ({"rewards": {"boxd": 1.0}}, "did you mean 'boxed'?"),
        ({"dataset": {"path": "data/recorded"}}, "train.jsonl: no such file"),
    ])
    def test_what_is_not_there_is_told_before_any_reward(self, changes, words, capsys):
        assert modes.main(["test", "--recipe", "gsm8k_xml_grpo",
                           "--overrides", json.dumps(changes)]) == 1
        printed = capsys.readouterr()
        assert words in printed.err and printed.err.count("\n") == 1 and not printed.out

    @pytest.mark.parametrize("changes", [
        {"demonstration": "{solution}\nThe answer is {answer}"},  # written otherwise than graded
        {"replace_rewards": {"boxed": 1.0}},  # paid for looks
        {"replace_rewards": {"random_reward": 1.0}},
    ])
    def test_a_reward_that_does_not_fit_is_found(self, changes, capsys):
        line = ["test", "--recipe", "qwen3_gsm8k_qlora", "--overrides", json.dumps(changes)]
        assert modes.main(line) == 1
        assert "FAIL" in capsys.readouterr().out

    def test_nothing_to_measure_is_one_line(self, capsys, monkeypatch):
        def missing(course, show):
            raise ArtifactError("stage 'sft' is not made yet")

        monkeypatch.setattr(modes, "evaluate", missing)
        monkeypatch.setattr(commands, "check_course", lambda course: None)
        assert modes.main(["eval", "--recipe", "gsm8k_xml_grpo"]) == 1
        assert capsys.readouterr().err == "error: stage 'sft' is not made yet\n"
