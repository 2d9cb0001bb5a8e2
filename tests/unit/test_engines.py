"""Which engine samples, and what vLLM is asked for, with a stand-in where there is no vLLM."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch

from helpers import engines, forecast, machine, models, sampling
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
    sampling.generate(engine, None, ["a", "b"], seed=5)
    assert [one["seed"] for one in stand_in.settings] == seeds
    sampling.generate(engine, None, ["a", "b"], seed=6)
    assert not set(seeds) & {one["seed"] for one in stand_in.settings}


def test_a_process_has_one_engine_with_a_share_of_what_is_free(stand_in, monkeypatch):
    first = sampling.load_engine(tiny_folder(), course("vllm"))
    assert stand_in.engines[0]["gpu_memory_utilization"] == engines.SHARE and not stand_in.gone
    monkeypatch.setattr(engines.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(engines.torch.cuda, "mem_get_info", lambda: (20e9, 80e9))
    monkeypatch.setattr(engines.torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(models, "precision", lambda course: torch.bfloat16)
    second = sampling.load_engine(tiny_folder(), course("vllm"))
    assert stand_in.gone == 1
    assert stand_in.engines[1]["gpu_memory_utilization"] == pytest.approx(engines.SHARE / 4)
    with pytest.raises(models.ModelError, match="was ended when another was loaded"):
        sampling.generate(first, None, ["a"])
    engines.release()
    engines.release()  # nothing is left to end
    assert stand_in.gone == 2 and second._engine is None
    third = sampling.load_engine(tiny_folder(), course("vllm"))
    del third
    assert stand_in.gone == 3  # nothing else holds it


def test_grpo_beside_an_engine_corrects_for_its_probabilities(stand_in):
    assert not GRPO.fixed(course("vllm"))["use_vllm"]  # the course's own page samples by itself
    fixed = GRPO.fixed(course("vllm", grpo={"engine": "trl"}))
    assert fixed["use_vllm"] and fixed["vllm_importance_sampling_correction"]
    assert fixed["vllm_importance_sampling_mode"] == "sequence_mask"


def test_its_share_is_in_the_forecast():
    card = machine.USUAL["a100"]
    one, other = (forecast.forecast(Course.load("a100", overrides={"generation": {
        "engine": engine}}), card).set_index("stage") for engine in ("hf", "vllm"))
    held = other.loc["grpo", "weights GB"] - one.loc["grpo", "weights GB"]
    assert held == pytest.approx(0.3 * card.memory_gb)
    assert other.loc["ppo"].equals(one.loc["ppo"])
