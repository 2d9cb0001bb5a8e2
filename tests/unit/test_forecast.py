"""The forecast: counts equal real models, formulas equal hand-made numbers and saved tensors."""

import dataclasses
import json

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM

from helpers import costs, engines, forecast, machine, model_size, models, passes
from helpers.config import ROOT, Course
from helpers.models import ModelError
from helpers.passes import LAYER_PASS
from helpers.train.settings import lora_config

SLOW = machine.Machine("test", 8.0, 0.1, 30.0, gpu=False, cores=2)
CARD = machine.Machine("card", 40.0, 100.0, 1000.0, gpu=True)
TOY = model_size.Size(parameters=1000, embedding=200, trained=50, layers=2, width=10, kv=4,
                      feed_forward=30, vocabulary=20)


@pytest.fixture(autouse=True)
def without_vllm(monkeypatch):
    """What the presets' "auto" chooses must not follow the machine of the tests."""
    monkeypatch.setattr(engines, "_installed", lambda: "")


def hub_course(name: str) -> Course:
    return Course.load("a100", overrides={"model": {"name": name}})


@pytest.mark.parametrize(("name", "parameters"), [
    ("Qwen/Qwen2.5-0.5B", 494_032_768),
    ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
    ("Qwen/Qwen2.5-1.5B", 1_543_714_304),
    ("Qwen/Qwen2.5-Math-7B", 7_615_616_512),
])
def test_published_models_are_counted_without_network(name, parameters):
    assert model_size.size(hub_course(name)).parameters == parameters


def test_the_tiny_base_is_counted_as_it_is_loaded():
    course = Course.load()
    base = models.load_base(course)
    found = model_size.size(course)
    assert found.parameters == sum(p.numel() for p in base.parameters())
    adapted = get_peft_model(base, lora_config(course))
    assert found.trained == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"]])
def test_lora_is_counted_as_peft_makes_it(targets):
    course = Course.load(overrides={"lora": {"target_modules": targets, "r": 4}})
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(model_size.architecture(course))
        counted = model_size.lora_parameters(model, course)
        adapted = get_peft_model(model, lora_config(course))
    assert counted == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def test_an_unknown_model_is_named_and_says_what_to_do():
    with pytest.raises(ModelError, match="nobody/no-such-model.*load it once, or give its folder"):
        model_size.size(hub_course("nobody/no-such-model"))


def test_weights_and_optimizer_by_hand():
    assert model_size.weight_bytes(TOY, 2) == 2000
    assert model_size.weight_bytes(TOY, 2, four_bit=True) == 800 * (0.5 + 1 / 64) + 200 * 2
    assert forecast.optimizer_bytes(50) == 600


def test_activations_and_cache_by_hand():
    layer = 8 * 10 + 2 * 4 + 4 * 30
    tokens = 3 * 7
    plain = forecast.activation_bytes(TOY, 3, 7, 4, checkpointing=False)
    assert plain == tokens * (2 * layer * 4 + 12 * 20)
    saved = forecast.activation_bytes(TOY, 3, 7, 2, checkpointing=True)
    assert saved == tokens * ((2 * 10 + layer) * 2 + 12 * 20)
    many = forecast.activation_bytes(TOY, 3, 10**7, 2, checkpointing=True)  # logits in pieces
    assert many == 3 * 10**7 * (2 * 10 + layer) * 2 + 12 * costs.LOGITS
    assert passes.cache_bytes(TOY, 3, 7, 2) == 3 * (7 * 2 * 2 * 4 * 2 + 28 * 20)
    assert passes.reading_bytes(TOY, 3, 7, 2) == 3 * 7 * 2 * 4 * (10 + 30)


def test_an_untied_embedding_is_in_no_product():
    tied, untied = (model_size.size(hub_course(f"Qwen/Qwen2.5-{n}")) for n in ("0.5B", "7B"))
    assert tied.in_products == tied.parameters
    assert untied.in_products == untied.parameters - 152064 * 3584


def test_activations_are_close_to_what_autograd_saves():
    course = Course.load()
    model = get_peft_model(models.load_base(course), lora_config(course)).train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.randint(10, 500, (4, 50))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=ids, labels=ids, use_cache=False)
    saved = sum(t.untyped_storage().nbytes() for place, t in kept.items() if place not in weights)
    size = model_size.size(course)
    # Of the three copies of the logits one is saved; the logits and their gradient pass by.
    formula = forecast.activation_bytes(size, 4, 50, 4, False) - 4 * 50 * 2 * 4 * size.vocabulary
    assert formula == pytest.approx(saved, rel=0.15)


def test_totals_are_sums_and_a_smaller_batch_saves_activations_only():
    course = Course.load()
    half = Course.load(overrides={"sft": {"batch_size": course.sft.batch_size // 2}})
    one, other = (forecast.forecast(c, SLOW).set_index("stage") for c in (course, half))
    parts = ["weights GB", "gradients + optimizer GB", "activations GB"]
    assert list(one.index)[:7] == ["sft", "reward", "dpo", "ppo", "grpo", "rft", "rloo"]
    assert one.index[-1] == "evaluation"
    assert one[parts].sum(axis=1).to_numpy() == pytest.approx(one["total GB"].to_numpy())
    assert other.loc["sft", "activations GB"] == pytest.approx(one.loc["sft", "activations GB"] / 2)
    for part in parts[:2]:
        assert other.loc["sft", part] == one.loc["sft", part]
    assert (one["minutes"] > 0).all()


@pytest.mark.parametrize("stage", ["ppo", "grpo"])
def test_a_step_takes_about_what_it_took_on_a_card(stage):
    """At the lengths and batches of the recorded steps of an H200, where every answer was as long
    as it may be; the forecast expects FILL of that."""
    h200 = machine.Machine("NVIDIA H200", 141.0, 790.0, 4800.0, gpu=True)
    lines = (ROOT / "data" / "recorded" / "gpu" / "steps.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["code"] == "new"
            and row["method"] == stage and (stage == "grpo" or not row["cap_gb"])]
    [row] = rows
    course = Course.load("a100", overrides={
        "lengths": {"prompt": row["prompt_tokens"], "completion": row["completion"]},
        "ppo": {"prompts_per_step": row["prompts"]},
        "grpo": {"prompts_per_step": row["prompts"] // row["group"],
                 "num_generations": row["group"]}})
    told = forecast.forecast(course, h200).set_index("stage").loc[stage, "minutes"] * 60
    told /= getattr(course, stage).max_steps * forecast.FILL
    assert 0.5 * row["step_seconds"][0] < told < 1.5 * row["step_seconds"][0]


def test_a_gpu_reads_in_the_passes_that_training_chooses():
    course, card = hub_course("Qwen/Qwen2.5-1.5B"), machine.USUAL["a100"]
    rows = forecast.forecast(course, card).set_index("stage")
    less = forecast.forecast(course, dataclasses.replace(card, memory_gb=12.0)).set_index("stage")
    halved = Course.load("a100", overrides={"sft": {
        "batch_size": course.sft.batch_size // 2,
        "gradient_accumulation_steps": 2 * course.sft.gradient_accumulation_steps}})
    same = forecast.forecast(halved, card).set_index("stage")
    assert rows.loc["sft"].equals(same.loc["sft"])  # what counts is the step
    assert less.loc["sft", "total GB"] < 12 < rows.loc["sft", "total GB"] < card.memory_gb
    assert less.loc["sft", "minutes"] > rows.loc["sft", "minutes"]


def test_ppo_holds_three_adapters_on_one_base_and_trains_two():
    rows = forecast.forecast(Course.load(), SLOW).set_index("stage")
    adapter = 4 * model_size.size(Course.load()).trained / 1e9
    assert rows.loc["ppo", "weights GB"] == pytest.approx(
        rows.loc["grpo", "weights GB"] + 2 * adapter)
    assert rows.loc["ppo", "gradients + optimizer GB"] == pytest.approx(
        2 * rows.loc["grpo", "gradients + optimizer GB"])


def test_what_reads_forward_only_by_hand():
    """PPO reads with four roles, and with three where no judge counts; DPO's reference reads; GRPO
    reads before it learns where a reference or vLLM is there."""
    def seconds(stage, machine, **changes):
        course = Course.load("a100", overrides=changes)
        rows = forecast.forecast(course, machine).set_index("stage")
        return 60 * rows.loc[stage, "minutes"]

    course, card = Course.load("a100"), machine.USUAL["a100"]
    model, tokens = model_size.size(course), forecast.FILL * (384 + 512)
    operations = 2 * model.in_products * tokens / (card.tflops * 1e12 * 0.3)
    assert 8 * operations > 28 * LAYER_PASS / 3  # passes of eight rows: products, not starts
    judged = seconds("ppo", card) - seconds("ppo", card, ppo={"reward_model_weight": 0})
    assert judged == pytest.approx(200 * 128 * operations)
    shifted = seconds("grpo", card, grpo={"beta": 0.1}) - seconds("grpo", card)
    assert shifted == pytest.approx(300 * 32 * 16 * operations)
    pairs = forecast._dpo(course, course.dpo, model, 2, card)[3]
    alone = forecast._dpo(course, course.dpo, model, 2, card, references=0)[3]
    assert pairs == pytest.approx(alone * 3 / 2)  # activations are kept: half of what learns


def test_dynamic_sampling_is_counted_at_its_most():
    rows = {times: forecast.forecast(Course.load(overrides={"grpo": {"dynamic_sampling": times}}),
                                     SLOW).set_index("stage") for times in (0, 1, 3)}
    course = Course.load()
    model, answers = model_size.size(course), 16 * 8
    steps = course.grpo.max_steps
    writing = costs.generation_seconds(model, answers, answers, 104, 4, SLOW) * steps / 60
    for times in (1, 3):
        more = rows[times].loc["grpo", "minutes"] - rows[0].loc["grpo", "minutes"]
        assert more == pytest.approx(times * writing)
        assert rows[times].loc["grpo", "total GB"] == rows[0].loc["grpo", "total GB"]
        assert rows[times].loc["rloo"].equals(rows[0].loc["rloo"])


def test_pairs_cost_answers_to_write_and_readings_to_learn():
    def minutes(stage, **changes):
        course = Course.load(overrides=changes)
        return forecast.forecast(course, SLOW).set_index("stage").loc[stage, "minutes"]

    assert minutes("reward", pairs={"num_generations": 16}) > minutes("reward")
    assert minutes("dpo", pairs={"num_generations": 16}) == minutes("dpo")
    assert minutes("dpo", dpo={"epochs": 2}) == pytest.approx(2 * minutes("dpo"), rel=0.01)


def test_full_training_takes_sixteen_bytes_a_parameter_and_the_base_beside_it_four():
    course = Course.load(overrides={"sft": {"method": "full"}})
    rows = forecast.forecast(course, SLOW).set_index("stage")
    both = rows["weights GB"] + rows["gradients + optimizer GB"]
    parameters = model_size.size(course).parameters / 1e9
    assert both["sft"] == pytest.approx((16 + 4) * parameters)
    lora = forecast.forecast(Course.load(), SLOW).set_index("stage")
    assert rows.loc["dpo", "weights GB"] == lora.loc["dpo", "weights GB"]  # LoRA all the same


def test_models_that_are_alive_at_once_are_counted_once_where_they_share():
    """A base in 4 bits is another than the one in 16 that is sampled from; and what was merged
    after training is another model too."""
    card, model = machine.USUAL["a100"], {"name": "Qwen/Qwen2.5-7B"}
    rows, size = {}, model_size.size(hub_course("Qwen/Qwen2.5-7B"))
    for bits in ("none", "4bit"):
        course = Course.load("a100", overrides={"model": model | {"quantization": bits}})
        rows[bits] = forecast.forecast(course, card).set_index("stage")
        assert (rows[bits].loc[["sft", "reward", "dpo", "ppo", "grpo", "rft"], "activations GB"]
                * 1e9 >= 2 * size.parameters).all()
    held = {bits: rows[bits].loc["dpo", "weights GB"] * 1e9 for bits in rows}
    adapter = 4 * size.trained
    assert held["none"] == pytest.approx(2 * size.parameters + adapter)
    assert held["4bit"] == pytest.approx(2 * size.parameters + adapter + model_size.weight_bytes(
        size, 2, four_bit=True))


def test_a_faster_machine_needs_fewer_minutes_and_16_bits_halve_the_weights():
    course = hub_course("Qwen/Qwen2.5-1.5B")
    fast = machine.Machine("fast", 40.0, 300.0, 3000.0, gpu=True)
    slow_rows, fast_rows = forecast.forecast(course, CARD), forecast.forecast(course, fast)
    assert (fast_rows["minutes"] < slow_rows["minutes"]).all()
    weights = forecast.forecast(course, CARD).set_index("stage").loc["evaluation", "weights GB"]
    assert weights == pytest.approx(2 * 1_543_714_304 / 1e9)


def test_problems_are_counted_from_the_files_and_the_card():
    tiny, real = Course.load(), Course.load("a100")
    assert forecast.problems(real, "test") == 1319
    assert forecast.problems(real, "train") == 7473 * 9 // 10
    assert forecast.problems(tiny, "test") == tiny.data.test
    openr1 = Course.load(task="openr1")  # test and validation are both taken from its 1,200 rows
    assert [forecast.problems(openr1, s) for s in ("train", "test")] == [960, 120]
    assert forecast.problems(Course.load("a100", "countdown"), "train") == 490_364 * 8 // 10
    assert forecast.problems(Course.load("a100", "instruct"), "test") == 24_229


def test_presets_side_by_side():
    table = forecast.compare("gsm8k", SLOW).set_index("preset")
    assert list(table.index) == ["tiny", "colab", "a100"]
    assert list(table["fits here"]) == ["yes", "no", "no"]  # no GPU here
    assert table.loc["a100", "peak GB"] > table.loc["colab", "peak GB"]
    for preset, card in machine.USUAL.items():
        assert table.loc[preset, "peak GB"] < 0.9 * card.memory_gb, "a preset must fit its card"


def test_recorded_steps_are_those_of_the_file():
    table = machine.recorded_steps()
    lines = (ROOT / "data" / "recorded" / "gpu" / "steps.jsonl").read_text().splitlines()
    assert len(table) == len(lines) and set(table["method"]) == {"ppo", "grpo", "sft"}
    free = table[(table["method"] == "ppo") & table["held to GB"].isna()]
    old, new = (free[free["commit"] == commit].iloc[0] for commit in ("0950ceb", "d511e24"))
    assert old["rows"] == new["rows"] and old["seconds"] > 3 * new["seconds"] > 0


def test_this_machine_is_measured():
    here = machine.this_machine()
    assert here.tflops > 1e-4 and here.bandwidth > 0.1 and here.memory_gb > 0.5
    assert {"computes on", "torch"} <= set(machine.report(here)["what"])


def test_the_answers_of_the_exam_by_hand():
    """Samples, a greedy answer and the best setting on the test; the sweep on validation. A
    processor reads what answers have in common once."""
    course = Course.load(overrides={
        "data": {"test": 10, "validation": 6}, "evaluation": {"n": 8, "sweep": {
            "problems": 8, "n": 3, "temperatures": [0.5, 1.0], "top_p": [0.8, 0.9, 1.0]}}})
    more = 10 * 8 + 6 * (6 * 3 + 1)
    assert forecast.examined(course, CARD) == 10 * 9 + more
    assert 10 * 9 < forecast.examined(course, SLOW) < 10 * 9 + more // 3
