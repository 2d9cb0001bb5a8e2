"""Decoding by steps over a cache of fixed length, each run anew: what a GPU records must be right
before it is recorded. The recording itself is asked of a GPU (tests/gpu)."""

import warnings

import pytest
import torch
from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

from helpers import decoding, graphs, models, sampling
from helpers.config import Course
from helpers.train.rows import Rows, logprobs
from tests.hub.tiny_repo import tiny_folder

PROMPTS = ["Anna", "Anna has 12 apples and buys 7 more. How many apples has she now?",
           "Ben sells 3 pens", "Question: 12 + 7 = "]
TOKENS = 40  # past two looks at what has ended


@pytest.fixture(scope="module")
def loaded():
    course = Course.load(overrides={"model": {"name": str(tiny_folder())}})
    tokenizer = models.load_tokenizer(course)
    return models.load_base(course), tokenizer, [tokenizer(one)["input_ids"] for one in PROMPTS]


def config_for(tokenizer, ends=None, greedy=True, tokens=TOKENS, **how):
    settings = sampling._generation_config(tokenizer, how.get("temperature", 1.0),
                                           how.get("top_p", 1.0), tokens, greedy)
    settings.eos_token_id = ends or settings.eos_token_id
    return settings


def until(row, ends):
    return row[:next((i for i, t in enumerate(row, start=1) if t in ends), len(row))]


def test_greedy_rows_are_those_of_the_other_way(loaded):
    model, tokenizer, encoded = loaded
    config = config_for(tokenizer, ends=[tokenizer.pad_token_id])
    plain, ours = (one(model, tokenizer, encoded, 2, config)
                   for one in (decoding.decode, graphs.write))
    assert ours == plain and all(len(row) == TOKENS for row in ours)


def test_rows_that_have_ended_leave_and_the_others_go_on(loaded, monkeypatch):
    """Ends that come at different places: some rows leave at the first look, some later."""
    model, tokenizer, encoded = loaded
    nothing_ends = config_for(tokenizer, [tokenizer.pad_token_id])
    whole = graphs.write(model, tokenizer, encoded, 1, nothing_ends)
    ends = sorted({whole[0][2], whole[1][3], whole[2][20]})
    batches, run = [], graphs.Step._run

    def counted(step):
        batches.append(len(step.ids))
        return run(step)

    monkeypatch.setattr(graphs.Step, "_run", counted)
    ours = graphs.write(model, tokenizer, encoded, 1, config_for(tokenizer, ends))
    assert [until(row, ends) for row in ours] == [until(row, ends) for row in whole]
    assert batches[0] == len(PROMPTS) > batches[-1]


def test_a_stop_text_ends_a_row(loaded):
    model, tokenizer, encoded = loaded
    config = config_for(tokenizer, [tokenizer.pad_token_id])
    [whole] = graphs.write(model, tokenizer, encoded[1:2], 1, config)
    texts = decoding.token_texts(tokenizer)
    stop = next(texts[token] for token in whole[5:] if texts[token].strip().isascii())
    [ended] = graphs.write(model, tokenizer, encoded[1:2], 1, config, stop)
    assert ended == whole[:len(ended)] and len(ended) < TOKENS
    assert stop in "".join(texts[token] for token in ended)


@pytest.mark.parametrize("temperature, top_p", [(1.0, 1.0), (0.5, 1.0), (1.0, 0.45)])
def test_tokens_are_drawn_as_often_as_they_should(temperature, top_p):
    chances = torch.tensor([0.5, 0.3, 0.2])
    torch.manual_seed(0)
    drawn = graphs.draw(chances.log().repeat(20_000, 1), temperature, top_p)
    wanted = chances ** (1 / temperature) * torch.tensor([1, top_p == 1, top_p == 1])
    torch.testing.assert_close(torch.bincount(drawn, minlength=3) / 20_000,
                               wanted / wanted.sum(), atol=0.02, rtol=0)


def test_sampler_and_trainer_say_the_same_of_every_token(loaded, monkeypatch):
    model, tokenizer, encoded = loaded
    said, real = [], graphs.draw

    def draw(scores, *how):
        drawn = real(scores, *how)
        said.append(scores.log_softmax(-1).gather(1, drawn[:, None])[:, 0])
        return drawn

    monkeypatch.setattr(graphs, "draw", draw)
    torch.manual_seed(0)
    written = graphs.write(model, tokenizer, encoded, 1,
                           config_for(tokenizer, [tokenizer.pad_token_id], greedy=False))
    rows = Rows(encoded, written)
    with torch.no_grad():
        [trained] = logprobs(model, rows.ids, rows.places, rows.targets)
    torch.testing.assert_close(torch.stack(said, 1), trained, atol=1e-4, rtol=1e-4)


def test_where_nothing_can_be_recorded_plain_steps_write(loaded, monkeypatch):
    model, tokenizer, encoded = loaded
    config = config_for(tokenizer)

    def broken(*asked):
        raise graphs.RecordingError("no")

    monkeypatch.setattr(graphs, "write", broken)
    with pytest.warns(UserWarning, match="slower: no"):
        ours = graphs.decode(model, tokenizer, encoded, 1, config)
    assert ours == decoding.decode(model, tokenizer, encoded, 1, config)


def test_prompts_of_one_token_have_no_cache_to_begin_with(loaded):
    model, tokenizer, _ = loaded
    config = config_for(tokenizer, [tokenizer.pad_token_id], tokens=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(graphs.decode(model, tokenizer, [[5], [9]], 2, config)) == 4


def test_only_a_gpu_and_full_attention_is_recorded(loaded, monkeypatch):
    model = loaded[0]
    assert not graphs.possible(model)
    monkeypatch.setattr(type(model), "device", torch.device("cuda"))
    assert graphs.possible(model)
    sliding = Qwen2Config(vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                          num_attention_heads=2, num_key_value_heads=1, use_sliding_window=True,
                          sliding_window=8, max_window_layers=1)
    assert any(layer.is_sliding for layer in DynamicCache(config=sliding).layers)
    assert not graphs.possible(Qwen2ForCausalLM(sliding))
