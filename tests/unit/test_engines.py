"""Which engine samples, and what vLLM is asked for, with a stand-in where there is no vLLM."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch

from helpers import costs, engines, forecast, machine, model_size, models, passes, sampling
from helpers.advice import advise
from helpers.config import ROOT, Course
from helpers.engines import Completion
from helpers.train.methods import GRPO
from tests.hub.tiny_repo import tiny_folder


def course(engine: str, **changes) -> Course:
    return Course.load(overrides={"model": {"name": str(tiny_folder())},
                                  "generation": {"engine": engine}} | changes)


@pytest.fixture
def card(monkeypatch):
    """A GPU, as far as choosing asks, and this version of vLLM."""
    def of(version: str, gpu: bool = True):
        monkeypatch.setattr(engines, "_installed", lambda: version)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    return of


@pytest.mark.parametrize("engine, version, gpu, wanted", [
    ("hf", "0.30.0", True, "hf"), ("auto", "", True, "hf"), ("auto", "0.30.0", False, "hf"),
    ("auto", "0.22.0", True, "vllm"), ("auto", "0.31.0", True, "vllm"),
    ("auto", "0.23.1rc1+cu130", True, "vllm"), ("vllm", "0.30.0", True, "vllm")])
def test_the_engine_follows_settings_card_and_version(card, engine, version, gpu, wanted):
    card(version, gpu)
    assert engines.choose(course(engine)) == wanted


@pytest.mark.parametrize("version", ["0.21.9", "0.31.1", "1.0.0"])
def test_a_version_that_does_not_fit_is_not_taken(card, version):
    card(version)
    with pytest.warns(UserWarning, match=f"vllm {version} is installed, but TRL works with 0.22"):
        assert engines.choose(course("auto")) == "hf"
    with pytest.raises(models.ModelError, match=f"and vllm {version} is installed, but TRL works "
                                                "with 0.22.0 to 0.31.0. Install one of 0.27.0 "
                                                "to 0.30.0, which fit requirements.txt, or use"):
        engines.choose(course("vllm"))


@pytest.mark.parametrize("version, gpu, said", [
    ("", True, "not installed. Install one of 0.27.0 to 0.30.0, which fit requirements.txt, or"),
    ("0.30.0", False, "needs a GPU, and there is none here. Use engine 'hf'")])
def test_what_vllm_lacks_is_said_in_one_line(card, version, gpu, said):
    card(version, gpu)
    with pytest.raises(models.ModelError, match=said):
        sampling.load_engine(tiny_folder(), course("vllm"))


def test_without_it_a_plain_model_samples():
    assert isinstance(sampling.load_engine(tiny_folder(), course("auto")), torch.nn.Module)


def test_the_versions_that_are_named_go_with_the_pins():
    """Where a pin changes: which vLLM asks for that torch, and allows that transformers?"""
    pins = dict(re.findall(r"(?m)^([\w-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text()))
    assert engines.GOES_WITH == {name: pins[name] for name in engines.GOES_WITH}
    first, last = (tuple(map(int, one.split("."))) for one in engines.FITTING)
    assert engines.FIRST <= first <= last <= engines.LAST


# What the real ones take in 0.22.0 and in 0.31.0 alike, of what could be asked: LLM.__init__ and
# EngineArgs (vllm/entrypoints/llm.py, vllm/engine/arg_utils.py), SamplingParams
# (vllm/sampling_params.py). tests/gpu/test_vllm.py asks the one that is installed.
ENGINE = {"model", "tokenizer", "trust_remote_code", "tensor_parallel_size", "dtype", "revision",
          "seed", "gpu_memory_utilization", "enforce_eager", "logprobs_mode", "max_model_len",
          "enable_sleep_mode"}
SAMPLING = {"n", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "stop_token_ids",
            "max_tokens", "logprobs", "detokenize", "skip_special_tokens"}


@pytest.fixture
def stand_in(monkeypatch):
    """vllm as a module that notes what it is asked, which must be what the real one takes; engines
    that are gone are counted."""
    noted = SimpleNamespace(engines=[], settings=[], gone=0)

    class LLM:
        def __init__(self, **options):
            assert options.keys() <= ENGINE
            noted.engines.append(options)

        def generate(self, prompts, sampling_params=None, *, use_tqdm=True):
            noted.settings = settings = sampling_params
            assert len(settings) == len(prompts) and all(one.keys() <= SAMPLING for one in settings)
            out = [SimpleNamespace(text="19\n\nQ", token_ids=[1, 2, 3], finish_reason="stop"),
                   SimpleNamespace(text="20", token_ids=[1] * 9, finish_reason="length")]
            return [SimpleNamespace(outputs=out) for _ in prompts]

        def __del__(self):
            noted.gone += 1

    module = SimpleNamespace(LLM=LLM, SamplingParams=lambda **settings: settings)
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.distributed", SimpleNamespace(
        cleanup_dist_env_and_memory=lambda: None))
    monkeypatch.setattr(engines, "choose", lambda course: "vllm")
    yield noted
    engines.release()


def test_it_is_asked_for_the_same_as_the_other_engine(stand_in):
    engine = sampling.load_engine(tiny_folder(), course("vllm"))
    found = sampling.generate(engine, None, ["a", "b"], n=2, temperature=0.7, top_p=0.9,
                              max_new_tokens=9, seed=5, stop_text="\n\n")
    assert found == [[Completion("19", 3, False), Completion("20", 9, True)]] * 2
    assert stand_in.engines[0]["trust_remote_code"] is False
    tokenizer = models.load_tokenizer(course("vllm"))
    seeds = [one.pop("seed") for one in stand_in.settings]
    assert len(set(seeds)) == 2 and abs(seeds[0] - seeds[1]) > 100  # n samples take n in a row
    assert stand_in.settings == [{
        "n": 2, "temperature": 0.7, "top_p": 0.9, "top_k": -1, "max_tokens": 9,
        "stop": ["\n\n"], "stop_token_ids": engines.end_ids(tokenizer)}] * 2
    sampling.generate(engine, None, ["a", "b"], max_new_tokens=9, seed=5)
    assert [one["seed"] for one in stand_in.settings] == seeds
    sampling.generate(engine, None, ["a", "b"], max_new_tokens=9, seed=6)
    assert not set(seeds) & {one["seed"] for one in stand_in.settings}


def test_a_process_has_one_engine_with_a_share_of_what_is_free(stand_in, monkeypatch):
    first = sampling.load_engine(tiny_folder(), course("vllm"))
    alone = passes.VLLM_ALONE
    assert stand_in.engines[0]["gpu_memory_utilization"] == alone and not stand_in.gone
    monkeypatch.setattr(engines.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(engines.torch.cuda, "mem_get_info", lambda: (20e9, 80e9))
    monkeypatch.setattr(engines.torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(models, "precision", lambda course: torch.bfloat16)
    second = sampling.load_engine(tiny_folder(), course("vllm"))
    assert stand_in.gone == 1
    assert stand_in.engines[1]["gpu_memory_utilization"] == pytest.approx(alone / 4)
    with pytest.raises(models.ModelError, match="was ended when another was loaded"):
        sampling.generate(first, None, ["a"])
    engines.release()
    engines.release()  # nothing is left to end
    assert stand_in.gone == 2 and second._engine is None
    third = sampling.load_engine(tiny_folder(), course("vllm"))
    del third
    assert stand_in.gone == 3  # nothing else holds it


def test_it_is_started_for_the_course_s_lengths_and_no_longer(stand_in):
    lengths = {"lengths": {"prompt": 20, "completion": 30}}
    engine = sampling.load_engine(tiny_folder(), course("vllm", **lengths))
    longer = course("vllm", evaluation={"max_new_tokens": 40}, **lengths)
    sampling.load_engine(tiny_folder(), longer)
    shown = course("vllm", evaluation={"few_shot": 2, "sweep": {"few_shot": [1, 3]}}, **lengths)
    sampling.load_engine(None, shown)  # the base is shown worked examples
    sampling.load_engine(None, course("vllm", lengths={"prompt": 5000, "completion": 5000}))
    asked = [one["max_model_len"] for one in stand_in.engines]
    context = models.context(tiny_folder(), shown)
    assert asked == [50, 60, 50 + 3 * 50, context] and context < 10_000
    with pytest.raises(models.ModelError, match="was ended"):
        sampling.generate(engine, None, ["a"])


def test_a_longer_prompt_is_one_message_before_anything_is_asked(stand_in):
    """vLLM would stop at the prompt, or cut the answer short without a word."""
    asked = course("vllm", lengths={"prompt": 20, "completion": 30})
    engine, tokenizer = sampling.load_engine(tiny_folder(), asked), models.load_tokenizer(asked)
    texts = ["a", "a" * 60, "b"]
    tokens = len(tokenizer(texts[1])["input_ids"])
    limit = 50 - tokens
    assert sampling.generate(engine, None, texts, n=2, max_new_tokens=limit)
    stand_in.settings = None
    with pytest.raises(models.ModelError, match=(
            rf"prompt 1 has {tokens} tokens, and with an answer of up to {limit + 1} that is more "
            r"than the 50 .* Raise lengths.prompt")):
        sampling.generate(engine, None, texts, n=2, max_new_tokens=limit + 1)
    assert stand_in.settings is None and sampling.generate(engine, None, []) == []


def test_a_card_without_room_for_an_engine_is_refused_before_it_starts(stand_in, monkeypatch):
    asked = course("vllm")
    least = costs.engine_bytes(model_size.size(asked), engines.longest_text(asked), 4)
    monkeypatch.setattr(models, "precision", lambda course: torch.float32)
    monkeypatch.setattr(engines.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(engines.torch.cuda, "empty_cache", lambda: None)
    free = {"bytes": 1.01 * least / passes.VLLM_ALONE}
    monkeypatch.setattr(engines.torch.cuda, "mem_get_info", lambda: (free["bytes"], 80e9))
    assert sampling.load_engine(tiny_folder(), asked) and len(stand_in.engines) == 1
    free["bytes"] *= 0.9
    with pytest.raises(models.ModelError, match=(
            rf"vLLM may take 1.4 GB of the GPU and needs {least / 1e9:.1f} GB: .* Use "
            "generation.engine 'hf', a smaller model.name or shorter lengths")):
        sampling.load_engine(tiny_folder(), asked)
    assert len(stand_in.engines) == 1


def test_grpo_beside_an_engine_corrects_for_its_probabilities(stand_in):
    assert not GRPO.fixed(course("vllm"))["use_vllm"]  # the course's own page samples by itself
    fixed = GRPO.fixed(course("vllm", grpo={"engine": "trl"}))
    assert fixed["use_vllm"] and fixed["vllm_importance_sampling_correction"]
    assert fixed["vllm_importance_sampling_mode"] == "sequence_mask"
    assert fixed["vllm_max_model_length"] == 128 + 104  # of preset tiny


def on_card(preset: str, engine: str, **changes):
    """The forecast on the card that a preset is made for, by stage."""
    asked = Course.load(preset, overrides={"generation": {"engine": engine}} | changes)
    table = forecast.forecast(asked, machine.USUAL[preset])
    return asked, table.set_index("stage")


@pytest.mark.parametrize("preset", ["colab", "a100"])
def test_all_that_an_engine_holds_is_in_the_forecast(preset):
    """Beside GRPO's training its share, and one base more: what is merged in place for it is not
    what the notebook samples from. In the exam it is alone. Nothing else is written by it."""
    card = machine.USUAL[preset]
    (asked, one), (_, other) = (on_card(preset, engine) for engine in ("hf", "vllm"))
    base = model_size.weight_bytes(model_size.size(asked), 2) / 1e9
    held = other.loc["grpo", "weights GB"] - one.loc["grpo", "weights GB"]
    assert held == pytest.approx(0.3 * card.memory_gb + base)
    assert other.loc["evaluation", "total GB"] == pytest.approx(0.9 * card.memory_gb)
    assert other.loc["evaluation", "weights GB"] == pytest.approx(base)
    rest = ["sft", "reward", "dpo", "ppo", "rft", "rloo"]
    assert other.loc[rest].equals(one.loc[rest])
    assert forecast.fits(other["total GB"].max(), card)  # a preset fits its card with either


def test_an_engine_that_no_trainer_has_is_not_counted():
    ours = {"grpo": {"engine": "ours"}}
    (_, one), (_, other) = (on_card("a100", engine, **ours) for engine in ("hf", "vllm"))
    assert other.loc["grpo"].equals(one.loc["grpo"])
    (_, four) = on_card("a100", "vllm", model={"quantization": "4bit"})
    (_, plain) = on_card("a100", "hf", model={"quantization": "4bit"})
    held = four.loc["grpo", "weights GB"] - plain.loc["grpo", "weights GB"]
    assert held == pytest.approx(0.3 * machine.USUAL["a100"].memory_gb)  # its base is another one


def test_auto_is_counted_where_it_would_be_taken(card):
    counted = {}
    for version in ("", "0.30.0"):
        card(version)
        counted[version] = on_card("a100", "auto")[1].loc["grpo", "total GB"]
    assert counted == {"": on_card("a100", "hf")[1].loc["grpo", "total GB"],
                       "0.30.0": on_card("a100", "vllm")[1].loc["grpo", "total GB"]}


@pytest.mark.parametrize("preset, model, told", [
    ("colab", "Qwen/Qwen2.5-0.5B", []), ("a100", "Qwen/Qwen2.5-3B", []),
    ("colab", "Qwen/Qwen2.5-1.5B", ["generation.engine: vllm; with hf it would be"]),
    ("colab", "Qwen/Qwen2.5-3B", ["generation.engine: vllm; with hf it would be",
                                  "'grpo' vLLM may take 4.7 GB of the GPU and needs 7.7 GB"]),
    ("a100", "Qwen/Qwen2.5-7B", ["generation.engine: vllm; with hf it would be",
                                 "'grpo' vLLM may take 12.7 GB of the GPU and needs 16.8 GB"])])
def test_what_an_engine_leaves_no_room_for_is_advised_against(preset, model, told, monkeypatch):
    monkeypatch.setattr(machine, "other_versions", list)
    monkeypatch.setattr(machine, "free_disk", lambda: 500.0)
    asked, table = on_card(preset, "vllm", model={"name": model})
    lines = advise(asked, machine.USUAL[preset], table.reset_index())
    assert len(lines) == len(told) and all(
        part in line for part, line in zip(told, lines, strict=True))
