"""On a GPU: recorded steps say what the model says, in every precision, and draw what is asked."""

import gc

import pytest
import torch
from peft import get_peft_model

from helpers import graphs, models, sampling
from helpers.machine import card_speed
from helpers.model_size import Size, shape
from helpers.passes import BESIDE, answers_bytes, passes
from helpers.train import room
from helpers.train.rows import Rows, logprobs
from helpers.train.settings import lora_config, lora_without_copies
from tests import methods
from tests.gpu.test_methods import PRECISIONS

pytestmark = pytest.mark.gpu
ASKED = ["Anna has 3 apples and buys 7 more.", "Add 5 and 7.", "Tom", "How many are 2 and 2?"]
# Largest difference of a log-probability between sampler and trainer: with a cache a token is a
# product of one row, without one of many, and the kernels round in another order.
BOUND = {"float32": 1e-3, "float16": 0.03, "bfloat16": 0.25, "4bit": 0.05}


@pytest.fixture(scope="module", params=["float32", *PRECISIONS])
def loaded(request, gpu):
    """(precision, model with an adapter that is not zero, tokenizer, its prompts' ids)."""
    course = methods.course_for(request.param, methods.model_folder(width=256, layers=4))
    tokenizer = models.load_tokenizer(course)
    base = models.load_model(course.model.name, course, course.model.quantization)
    torch.manual_seed(0)
    model = get_peft_model(base, lora_config(course, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.02)
    lora_without_copies()
    return request.param, model.eval(), tokenizer, [tokenizer(one)["input_ids"] for one in ASKED]


def autocast(precision):
    kind = {"float32": None, "bfloat16": torch.bfloat16}.get(precision, torch.float16)
    return torch.autocast("cuda", kind, enabled=kind is not None)


def config_for(tokenizer, greedy=False, temperature=1.0, top_p=1.0, tokens=40):
    return sampling._generation_config(tokenizer, temperature, top_p, tokens, greedy)


def test_recorded_and_plain_steps_write_the_same(loaded):
    precision, model, tokenizer, asked = loaded
    with autocast(precision):
        torch.manual_seed(1)
        recorded = graphs.write(model, tokenizer, asked, 3, config_for(tokenizer))
        torch.manual_seed(1)
        plain = graphs.write(model, tokenizer, asked, 3, config_for(tokenizer), record=False)
    assert recorded == plain
    assert max(map(len, recorded)) > 16  # past the first look


def test_sampler_and_trainer_agree(loaded):
    """The log-probability of every written token, as the recorded step had it and as a pass over
    the whole text has it."""
    precision, model, tokenizer, asked = loaded
    config, said = config_for(tokenizer, tokens=24), []
    real = graphs.draw

    def draw(scores, *how):
        drawn = real(scores, *how)
        said.append(scores.float().log_softmax(-1).gather(1, drawn[:, None])[:, 0])
        return drawn

    graphs.draw = draw
    try:
        with autocast(precision):
            torch.manual_seed(0)
            written = graphs.write(model, tokenizer, asked, 1, config)
    finally:
        graphs.draw = real
    ends = set(config.eos_token_id)
    cut = [row[:next((i + 1 for i, t in enumerate(row) if t in ends), len(row))]
           for row in written]
    assert not any(len(row) <= 2 for row in cut)
    first = min(map(len, cut))  # till then no row has left
    rows = Rows(asked, [row[:first] for row in cut], "cuda")
    with torch.no_grad(), autocast(precision):
        [trained] = logprobs(model.get_base_model(), rows.ids, rows.places, rows.targets)
    sampled = torch.stack(said[:first], 1)
    assert (sampled - trained).abs().max() < BOUND[precision]
    assert (sampled - trained.roll(1, 0)).abs().max() > BOUND[precision]  # it could fail


def test_the_same_seed_writes_the_same_and_another_does_not(loaded):
    precision, model, tokenizer, _ = loaded
    texts = [tokenizer.apply_chat_template([{"role": "user", "content": one}], tokenize=False,
                                           add_generation_prompt=True) for one in ASKED]
    with autocast(precision):
        one, same, other = ([[c.ids for c in group] for group in sampling.generate(
            model, tokenizer, texts, n=2, max_new_tokens=24, seed=seed)] for seed in (5, 5, 6))
    assert one == same != other


def test_a_recording_follows_the_weights(loaded):
    precision, model, tokenizer, asked = loaded
    config = config_for(tokenizer, greedy=True, tokens=24)
    with autocast(precision):
        before = graphs.write(model, tokenizer, asked, 1, config)
        weights = [w for name, w in model.named_parameters() if "lora_B" in name]
        kept = [w.detach().clone() for w in weights]
        for weight in weights:
            weight.data.normal_(std=0.2)
        changed = graphs.write(model, tokenizer, asked, 1, config)
        for weight, old in zip(weights, kept, strict=True):
            weight.data.copy_(old)
        again = graphs.write(model, tokenizer, asked, 1, config)
    assert before == again != changed


def test_tokens_are_drawn_as_often_as_they_should(gpu):
    scores = torch.tensor([0.5, 0.3, 0.2], device="cuda").log().repeat(20_000, 1)
    torch.manual_seed(0)
    for temperature, wanted in [(1.0, [0.5, 0.3, 0.2]), (0.5, [25 / 38, 9 / 38, 4 / 38])]:
        seen = torch.bincount(graphs.draw(scores, temperature, 1.0), minlength=3).cpu() / 20_000
        torch.testing.assert_close(seen, torch.tensor(wanted), atol=0.02, rtol=0)
    assert set(graphs.draw(scores, 1.0, 0.45).tolist()) == {0}


@pytest.mark.parametrize("gigabytes, fits", [(None, True), (0.1, False)])
def test_passes_follow_the_memory_that_is_free(gpu, gigabytes, fits):
    total = torch.cuda.get_device_properties(0).total_memory
    share = gigabytes * 1e9 / total if gigabytes else 1.0
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        free = room.free_bytes()
        assert free <= share * total
        size = Size(1_543_714_304, 233_373_696, 18_464_768, 28, 1536, 256, 8960, 151_936)
        found = passes(size, 32, 896, 2, free, card_speed(room.card_name()))
        assert bool(found.rows) == fits
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("n", [1, 8])
def test_sampling_takes_the_memory_that_is_planned(gpu, n):
    """As many answers as fit into 6 GB more than there is, of a model that never ends one."""
    course = methods.course_for("float16", methods.model_folder(
        width=1024, layers=8, vocabulary=32_768))
    model, tokenizer = models.load_base(course), models.load_tokenizer(course)
    gc.collect()
    torch.cuda.empty_cache()
    before, total = torch.cuda.memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (before + 6e9) / total))
    torch.cuda.reset_peak_memory_stats()
    try:
        encoded = sampling._encoded(tokenizer, ["Anna has 3 apples. " * 20] * 512)
        size = sampling.at_once(model, encoded, n, 256, None)
        assert size >= 64
        sampling.generate(model, tokenizer, ["Anna has 3 apples. " * 20] * (size // n), n=n,
                          max_new_tokens=256, batch_size=None)
        peak = torch.cuda.max_memory_allocated() - before
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    planned = answers_bytes(shape(model.config), size // n, n, len(encoded[0]), 256, 2)
    assert 0.5 * planned < peak < planned + BESIDE
