"""On a GPU: every method takes two steps in float16, bfloat16 and 4 bits, saves memory by
checkpointing, and takes about the memory that the forecast says."""

import pytest
import torch

from helpers import forecast
from tests import methods

pytestmark = pytest.mark.gpu
STAGES = {"sft": "sft", "reward": "reward", "dpo": "dpo", "ppo": "ppo", "grpo": "grpo"}
# The forecast is an upper end for weights, optimiser and activations; kernels' work space, casts
# and what a library holds for a moment come on top.
AT_MOST, AT_LEAST, BESIDE_GB = 1.3, 0.3, 0.5


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "4bit"])
@pytest.mark.parametrize("name", methods.NAMES)
def test_two_steps(gpu, name, precision, tmp_path, monkeypatch):
    seen = methods.two_steps(monkeypatch, methods.build(
        name, methods.course_for(precision), tmp_path))
    methods.check(seen)
    assert seen.checkpointed > 0
    assert (seen.scaler is not None) == (precision in ("float16", "4bit"))


@pytest.mark.parametrize("precision", ["bfloat16", "4bit"])
@pytest.mark.parametrize("name", methods.NAMES)
def test_peak_memory_is_about_the_forecast(gpu, name, precision, tmp_path, monkeypatch):
    course, problems = methods.large_course(precision), methods.long_problems()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    methods.two_steps(monkeypatch, methods.build(name, course, tmp_path, problems))
    peak = (torch.cuda.max_memory_allocated() - before) / 1e9
    told = forecast.forecast(course).set_index("stage").loc[STAGES[name], "total GB"]
    assert AT_LEAST * told <= peak <= AT_MOST * told + BESIDE_GB, (peak, told)
