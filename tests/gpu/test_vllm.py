"""On a GPU with vLLM: the real one takes what it is asked, and writes what a plain model writes."""

import importlib
import inspect

import pytest

from helpers import engines, models, sampling
from tests import methods
from tests.guards import NO_VLLM
from tests.unit.test_engines import ENGINE, SAMPLING

pytestmark = pytest.mark.gpu
TEXTS = ["Anna has 3 apples and buys 7 more.", "Add 5 and 7."]


@pytest.fixture(scope="module")
def vllm(gpu):
    if not engines._installed():
        pytest.skip(NO_VLLM)
    return importlib.import_module("vllm")


def test_its_names_are_those_that_are_used(vllm):
    arguments = importlib.import_module("vllm.engine.arg_utils").EngineArgs
    taken = {*inspect.signature(vllm.LLM.__init__).parameters,
             *inspect.signature(arguments).parameters}
    assert taken >= ENGINE
    assert {*inspect.signature(vllm.SamplingParams).parameters} >= SAMPLING
    called = inspect.signature(vllm.LLM.generate).parameters
    assert called["use_tqdm"].kind == inspect.Parameter.KEYWORD_ONLY
    assert [*called][:3] == ["self", "prompts", "sampling_params"]
    assert callable(importlib.import_module("vllm.distributed").cleanup_dist_env_and_memory)


def test_both_engines_write_the_same_greedily_and_seeds_hold(vllm):
    """Random weights of width 256 in float16; a near tie may be broken otherwise, so the first
    tokens are compared, and of a seed the texts."""
    folder = methods.model_folder(width=256, layers=4)
    course = methods.course_for("float16", folder, generation={"engine": "vllm"})
    tokenizer = models.load_tokenizer(course)
    plain = sampling.generate(models.load_model(folder, course), tokenizer, TEXTS, greedy=True,
                              max_new_tokens=8)
    engine = engines.VLLMModel(folder, course, gpu_memory_utilization=0.2, enforce_eager=True)
    try:
        greedy = sampling.generate(engine, None, TEXTS, greedy=True, max_new_tokens=8)
        assert [one.ids[:2] for [one] in greedy] == [one.ids[:2] for [one] in plain]
        drawn = [sampling.generate(engine, None, TEXTS, n=2, max_new_tokens=8, seed=seed)
                 for seed in (5, 5, 6)]
        assert drawn[0] == drawn[1] != drawn[2]
        assert drawn[0][0][0].ids != drawn[0][0][1].ids
    finally:
        engines.release()
