"""Answers and texts at once, by the memory that is free; and less where that was too much."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForCausalLM

from helpers import decoding, forecast, graphs, memory, models, passes, sampling
from helpers.config import Course
from helpers.machine import USUAL
from helpers.model_size import architecture, shape
from helpers.train import reward_model
from tests import methods
from tests.peak import Peak, without_numbers

GB = 1e9
PROMPTS = ["Anna", "Anna has 12 apples and buys 7 more.", "Ben sells 3 pens", "\n", "12 + 7 ="]


def traced(config, prompts, n, prompt, answer):
    """Bytes above the weights while prompts are read and the first token of each answer is drawn,
    in a model's real shape, without numbers."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    model.requires_grad_(False)
    with FakeTensorMode(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        without_numbers(model)
        model.tie_weights()
        with Peak() as peak:
            held = [one.view(-1) for one in (*model.parameters(), *model.buffers())]
            weights = peak.now
            ids, mask = decoding.padded_left([[5] * prompt] * prompts, 0, torch.device("cpu"))
            step = graphs.Step(model, decoding.prefill(model, ids, mask, 1), mask, n, answer, False)
            graphs.draw(step.logits(ids[:, -1].repeat_interleave(n)), 0.7, 0.9)
        assert held and step.cache
    return peak.most - weights


@pytest.mark.parametrize("prompts, n", [(16, 8), (64, 1)])
@pytest.mark.parametrize("name", ["Qwen2.5-0.5B", "Qwen2.5-1.5B", "Qwen2.5-7B", "Qwen3-0.6B"])
def test_answers_take_what_is_planned(name, prompts, n):
    """With six layers, which are alike; many answers to a prompt, and long prompts of one each."""
    config = architecture(Course.load("a100", overrides={"model": {"name": f"Qwen/{name}"}}))
    config.num_hidden_layers, config.layer_types = 6, config.layer_types[:6]
    planned = passes.answers_bytes(shape(config), prompts, n, 200, 312, 2)
    assert 0.75 * planned < traced(config, prompts, n, 200, 312) < 1.05 * planned


def on_a_card(monkeypatch, free, course=None):
    """What `at_once` asks of a model that is there, with so many bytes free."""
    monkeypatch.setattr(memory, "free_bytes", lambda: free)
    weight = torch.empty(1, dtype=torch.float16)
    return SimpleNamespace(device=torch.device("cuda"), config=architecture(course or Course.load(
        "a100")), get_input_embeddings=lambda: SimpleNamespace(weight=weight))


def test_as_many_at_once_as_there_is_room_for(monkeypatch):
    encoded = [[5] * 384, [5] * 10]
    found = {}
    for free in (1, 3, 6, 12, 24, 60, 1000):
        card = on_a_card(monkeypatch, free * GB)
        found[free] = [sampling.at_once(card, encoded, n, 512, None) for n in (1, 8)]
        size = shape(card.config)
        for n, rows in zip((1, 8), found[free], strict=True):
            taken = passes.answers_bytes(size, rows // n, n, 384, 512, 2)
            assert rows == n or taken <= passes.SLACK * (free * GB - passes.BESIDE)
            assert rows % n == 0 and (rows // n).bit_count() == 1
    assert found[1] == [1, 8] and found[1000] == [512, 512]
    assert found[12] == [128, 256]  # of 8 answers the prompt is read once
    assert all(one <= other for few, many in zip(found.values(), list(found.values())[1:],
                                                 strict=False)
               for one, other in zip(few, many, strict=True))


def test_a_number_that_is_asked_for_stays_and_a_processor_has_its_own(monkeypatch):
    card = on_a_card(monkeypatch, 1.0)
    assert sampling.at_once(card, [[5]], 2, 9, 64) == 64
    processor = SimpleNamespace(device=torch.device("cpu"))
    assert sampling.at_once(processor, [[5]], 2, 9, None) == passes.ANSWERS == 256
    assert Course.load().generation.batch_size == 256
    for preset in USUAL:
        assert Course.load(preset).generation.batch_size is None


@pytest.mark.parametrize("preset", USUAL)
def test_the_forecast_samples_as_many_at_once(preset):
    """Its evaluation takes the bytes of those rows, and fewer rows take longer."""
    card, rows = USUAL[preset], {}
    for size in (None, 8):
        course = Course.load(preset, overrides={"generation": {"batch_size": size}})
        rows[size] = forecast.forecast(course, card).set_index("stage").loc["evaluation"]
    free = card.memory_gb * GB - rows[None]["weights GB"] * GB
    size, n = forecast.size(course), course.evaluation.n
    lengths = course.lengths.prompt, course.lengths.completion
    many = passes.answers_at_once(size, n, *lengths, 2, free)
    assert many >= 64
    assert rows[None]["activations GB"] * GB == passes.answers_bytes(size, many // n, n, *lengths,
                                                                     2)
    assert rows[8]["minutes"] > 2 * rows[None]["minutes"]


# What is halved warns each time; one test looks at the words.
pytestmark = pytest.mark.filterwarnings("ignore:the GPU ran out of memory")


@pytest.fixture(scope="module")
def loaded():
    course = methods.course_for("float32")
    return models.load_base(course), models.load_tokenizer(course)


def room_for(monkeypatch, prompts):
    """Let sampling find room for so many prompts at once; the batches that it tries."""
    tried, real = [], sampling.decode

    def decode(model, tokenizer, encoded, *how):
        tried.append(len(encoded))
        if len(encoded) > prompts:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(model, tokenizer, encoded, *how)

    monkeypatch.setattr(sampling, "decode", decode)
    return tried


def test_where_memory_runs_out_the_batches_are_halved_and_it_goes_on(monkeypatch, loaded):
    asked = {"greedy": True, "max_new_tokens": 6}
    plain, seen = sampling.generate(*loaded, PROMPTS, **asked), []
    tried = room_for(monkeypatch, 2)
    with pytest.warns(UserWarning, match="with 5 at once: it goes on with 3"):
        found = sampling.generate(*loaded, PROMPTS, **asked,
                                  progress=lambda *done: seen.append(done))
    assert found == plain and tried == [5, 3, 2, 1, 2] and seen == [(2, 5), (3, 5), (5, 5)]


def test_where_one_prompt_is_too_much_one_line_says_what_to_lower(monkeypatch, loaded):
    room_for(monkeypatch, 0)
    with pytest.warns(UserWarning), pytest.raises(memory.OutOfMemory) as told:
        sampling.generate(*loaded, PROMPTS, greedy=True, max_new_tokens=6)
    assert "\n" not in str(told.value)
    assert "ran out of memory at 0.0 GB, sampling 1 answer of up to 6 tokens" in str(told.value)
    assert "Lower lengths.completion (to 3)" in str(told.value)


def test_a_trainers_sampling_is_halved_too(monkeypatch, loaded):
    model, tokenizer = loaded
    config = sampling._generation_config(tokenizer, 1.0, 1.0, 6, True)
    asked = tokenizer(PROMPTS[:4], padding=True, return_tensors="pt")
    monkeypatch.setattr(model, "generate", model.generate, raising=False)  # put back after
    sampling.sample_in_pieces(model, tokenizer)
    plain = model.generate(**asked, generation_config=config)
    tried = room_for(monkeypatch, 1)
    with pytest.warns(UserWarning, match="out of memory"):
        halved = model.generate(**asked, generation_config=config)
    assert torch.equal(plain, halved) and tried == [4, 2, 1, 1, 1, 1]


def test_a_judge_reads_as_many_as_there_is_room_for(monkeypatch, loaded):
    course = methods.course_for("float32")
    judge = reward_model.RewardModel(
        reward_model.new_reward_model(course, methods.model_folder(), "head"), loaded[1], 4)
    texts = [(prompt, answer) for prompt in PROMPTS for answer in ("19", "No idea at all.")]
    plain, real, tried = judge.score(texts), judge._batch, []

    def batch(heads, tails):
        tried.append(len(heads))
        if len(heads) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return real(heads, tails)

    monkeypatch.setattr(judge, "_batch", batch)
    with pytest.warns(UserWarning, match="out of memory"):
        assert judge.score(texts) == pytest.approx(plain, abs=1e-5)
    assert tried == [4, 2, 2, 2, 2, 2]
    monkeypatch.setattr(judge, "model", on_a_card(monkeypatch, 12 * GB))
    # 900 tokens of 42,000 numbers in 2 bytes are 75 MB.
    assert judge._at_once([900, 10]) == 64 and judge.batch_size == 4
    monkeypatch.setattr(memory, "free_bytes", lambda: 3 * GB)
    assert judge._at_once([900, 10]) == 8
