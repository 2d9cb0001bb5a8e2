"""Advice: what does not fit, which stage and which setting it comes from, and what a disk holds."""

import pandas as pd
import pytest
import torch
from peft import get_peft_model

from helpers import machine, model_size, models
from helpers.advice import advise
from helpers.config import Course
from helpers.disk import disk
from helpers.forecast import forecast
from helpers.train.settings import lora_config

SLOW = machine.Machine("test", 8.0, 0.1, 30.0, gpu=False, cores=2)
T4 = machine.USUAL["colab"]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """A machine without trouble of its own."""
    monkeypatch.setattr(machine, "other_versions", list)
    monkeypatch.setattr(machine, "free_disk", lambda: 100.0)


def advice(course: Course, here: machine.Machine) -> list[str]:
    return advise(course, here, forecast(course, here))


def load(preset="tiny", **overrides) -> Course:
    return Course.load(preset, overrides=overrides)


def test_it_names_the_trouble(monkeypatch):
    assert advice(load(), SLOW) == []
    assert "wants a GPU" in advice(load("colab"), SLOW)[0]
    table = pd.DataFrame({"stage": ["sft", "grpo"], "total GB": [9.0, 2.0]})
    assert "9.0 GB does not fit into 8.0 GB: it is of stage 'sft'" in advise(load(), SLOW, table)[0]
    monkeypatch.setattr(machine, "free_disk", lambda: 0.5)
    (line,) = advice(load(), SLOW)
    assert "0.5 GB of disk" in line and "COURSE_ARTIFACTS" in line


@pytest.mark.parametrize("free, mine, told", [
    (15e9, 0, None), (4e9, 11e9, None),  # what this process has itself is no trouble
    (4e9, 1e9, "Other programs hold 10.8 GB of this GPU's 15.8 GB. End them")])
def test_another_program_on_the_card_is_named(monkeypatch, free, mine, told):
    for name, value in {"is_available": True, "mem_get_info": (free, 15.8e9),
                        "memory_reserved": mine}.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    lines = advice(load("colab"), T4)
    assert len(lines) == bool(told) and all(told in line for line in lines)


@pytest.mark.parametrize("preset, here, changes, stage, setting", [
    # A GPU reads in passes that fit; a processor in those of the settings.
    ("tiny", SLOW, {"dpo": {"batch_size": 512}}, "dpo", "dpo.batch_size: 512; with 256"),
    ("tiny", SLOW, {"reward_model": {"batch_size": 512}}, "reward",
     "reward_model.batch_size: 512"),
    ("tiny", SLOW, {"ppo": {"micro_batch_size": 1024, "minibatch_size": 1024,
                            "prompts_per_step": 1024}}, "ppo", "ppo.micro_batch_size: 1024"),
    ("tiny", SLOW, {"sft": {"batch_size": 1024}, "grpo": {"num_generations": 2}}, "sft",
     "sft.batch_size: 1024"),
    ("tiny", SLOW, {"generation": {"batch_size": 200_000}}, "reward",
     "generation.batch_size: 200000"),
    ("tiny", SLOW, {"lora": {"r": 40_000}}, "ppo", "lora.r: 40000"),
    ("colab", T4, {"model": {"name": "Qwen/Qwen2.5-7B"}, "sft": {"method": "full"}}, "sft",
     "sft.method: full; with lora"),
    # In 4 bits it would be one base more: what is sampled from has 16.
    ("colab", T4, {"model": {"name": "Qwen/Qwen2.5-7B"}}, "ppo", "choose a smaller model.name"),
])
def test_memory_names_the_stage_and_the_setting_that_are_the_largest(
    preset, here, changes, stage, setting
):
    (line,) = [line for line in advice(load(preset, **changes), here) if "does not fit" in line]
    assert f"of stage {stage!r}" in line and setting in line


def test_the_named_value_does_what_is_said():
    course = load(dpo={"batch_size": 512})
    (line,) = advice(course, SLOW)
    less = forecast(load(dpo={"batch_size": 256}), SLOW).set_index("stage")
    assert f"it would be {less.loc['dpo', 'total GB']:.1f} GB" in line


def test_one_setting_may_not_be_enough():
    (line,) = advice(load(dpo={"batch_size": 4096}), SLOW)
    assert "dpo.batch_size: 4096; with 2048" in line and "That is still too much" in line
    (line,) = advice(load(dpo={"batch_size": 512}), SLOW)
    assert "dpo.batch_size: 512" in line and "still" not in line


def test_disk_is_counted_by_what_is_written(monkeypatch):
    """A model of 135 million parameters in 16 bits: four merged models, five adapters and their
    checkpoints; it was said to need 146 GB."""
    counted = model_size.Size(135_000_000, 28_000_000, 4_900_000, 30, 576, 192, 1536, 49_152)
    monkeypatch.setattr("helpers.disk.size", lambda course: counted)
    rows = disk(load("colab", ppo={"r": 32})).set_index("stage")
    tokenizer, adapter = 75 * 49_152, 4 * 4_900_000
    assert rows.loc["grpo", "model GB"] * 1e9 == pytest.approx(2 * 135e6 + tokenizer)
    assert rows.loc["grpo", "checkpoints GB"] * 1e9 == pytest.approx(2 * (3 * adapter + tokenizer))
    assert rows.loc["reward", "model GB"] == rows.loc["evaluation", "checkpoints GB"] == 0
    # Two adapters are learned, the policy's (r 32) twice as large as the critic's (r 16).
    assert rows.loc["ppo", "checkpoints GB"] * 1e9 == pytest.approx(2 * 3 * (2 + 1) * adapter)
    assert 2 < rows["total GB"].sum() < 3
    full = disk(load("colab", sft={"method": "full"})).set_index("stage").loc["sft"]
    assert full["total GB"] * 1e9 == pytest.approx((4 + 2 * 12) * 135e6 + 3 * tokenizer)


def test_samples_grow_with_what_is_asked():
    def texts(stage, **changes):
        return disk(load(**changes)).set_index("stage").loc[stage, "texts GB"]

    n = load().evaluation.n
    assert texts("evaluation", evaluation={"n": 2 * n + 1}) == pytest.approx(
        2 * texts("evaluation"))
    assert texts("reward", pairs={"per_problem": 8}) == pytest.approx(2 * texts("reward"))


def test_a_small_disk_names_what_fills_it(monkeypatch):
    monkeypatch.setattr(machine, "free_disk", lambda: 3.0)
    (line,) = advice(load("colab"), T4)
    assert "3.0 GB of disk" in line and "'ppo' writes most" in line
    assert "choose a smaller model.name" in line
    (line,) = advice(load("colab", sft={"method": "full"}), T4)
    assert "'sft' writes most" in line and "sft.method: full; with lora" in line
    monkeypatch.setattr(machine, "free_disk", lambda: 12.0)
    assert advice(load("colab"), T4) == []


def test_a_stage_on_the_disk_is_as_large_as_said(tmp_path):
    """An adapter, a merged model and a checkpoint as they are written, weighed."""
    course = load()
    model = get_peft_model(models.load_base(course), lora_config(course))
    tokenizer = models.load_tokenizer(course)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    ids = torch.arange(20)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    checkpoint, adapter = tmp_path / "checkpoint", tmp_path / "adapter"
    for folder in (checkpoint, adapter):
        model.save_pretrained(folder)
    tokenizer.save_pretrained(checkpoint)
    torch.save(optimizer.state_dict(), checkpoint / "optimizer.pt")
    models.merge_and_save(model, tokenizer, tmp_path / "model")

    def weighed(folder):
        return sum(f.stat().st_size for f in (tmp_path / folder).rglob("*") if f.is_file()) / 1e9

    row = disk(course).set_index("stage").loc["sft"]
    assert row["model GB"] == pytest.approx(weighed("model"), rel=0.05)
    assert row["adapter GB"] == pytest.approx(weighed("adapter"), rel=0.05)
    assert row["checkpoints GB"] == pytest.approx(2 * weighed("checkpoint"), rel=0.05)
