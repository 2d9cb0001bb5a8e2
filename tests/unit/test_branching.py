"""Sampling at many settings at once: the same distributions as one at a time, for less work."""

from collections import Counter

import pytest
import torch
from scipy.stats import chi2_contingency
from transformers import TopPLogitsWarper

from helpers import branching, models, sampling
from helpers.config import Course
from helpers.sampling import generate, generate_each
from tests.hub.tiny_repo import tiny_folder

PROMPTS = ["Anna", "Anna has 12 apples and buys 7 more. How many apples has she now?", "\n"]
SETTINGS = [(0.0, 1.0), (0.3, 1.0), (0.3, 0.9), (1.0, 0.5), (1.0, 1.0)]


@pytest.fixture(scope="module")
def tokenizer():
    return models.load_tokenizer(Course.load(overrides={"model": {"name": str(tiny_folder())}}))


@pytest.fixture(scope="module")
def model():
    return models.load_base(Course.load(overrides={"model": {"name": str(tiny_folder())}}))


@pytest.fixture(scope="module")
def base():
    """The base of the course, which is sure of some tokens and not of others, and its tokenizer."""
    course = Course.load()
    return models.load_base(course, "none"), models.load_tokenizer(course)


def exact(scores, temperature, top_p):
    """The distribution that transformers' own warpers leave."""
    scores = scores / temperature
    return TopPLogitsWarper(top_p)(None, scores[None])[0].softmax(-1)


@pytest.mark.parametrize(("temperature", "top_p"), [
    (1.0, 1.0), (0.3, 1.0), (2.0, 1.0), (1.0, 0.9), (0.5, 0.6), (1.0, 0.01)])
def test_a_draw_has_the_distribution_of_the_usual_warpers(temperature, top_p):
    torch.manual_seed(0)
    scores, draws = torch.randn(3, 40) * 2, 20_000
    of = torch.tensor([2, 0]).repeat_interleave(draws)
    values = torch.full((2 * draws,), temperature, dtype=torch.double)
    found = branching.draw(scores, of, values, torch.full_like(values, top_p))
    for place, row in enumerate((2, 0)):
        shares = torch.bincount(found[place * draws:(place + 1) * draws], minlength=40) / draws
        wanted = exact(scores[row], temperature, top_p)
        assert (shares[wanted == 0] == 0).all()  # nothing outside the nucleus
        assert (shares - wanted).abs().sum() < 0.04


def test_a_nucleus_wider_than_expected_is_drawn_from_whole():
    """A flat distribution over 200 tokens: the nucleus holds 180 of them."""
    torch.manual_seed(0)
    scores, draws = torch.randn(1, 200) * 0.01, 40_000
    found = branching.draw(scores, torch.zeros(draws, dtype=torch.long),
                           torch.ones(draws).double(), torch.full((draws,), 0.9).double())
    wanted = exact(scores[0], 1.0, 0.9)
    shares = torch.bincount(found, minlength=200) / draws
    assert branching.LIKELY < (wanted > 0).sum() < 190 and (shares[wanted == 0] == 0).all()
    assert (shares - wanted).abs().sum() < 0.1


def test_settings_in_one_batch_do_not_mix():
    """Each answer follows its own setting, whatever stands beside it."""
    torch.manual_seed(0)
    scores, draws = torch.randn(1, 30) * 2, 20_000
    kinds = [(0.0, 1.0), (0.2, 1.0), (1.0, 1.0), (1.0, 0.7)]
    temperature, top_p = (torch.tensor([k[i] for k in kinds], dtype=torch.double).repeat(draws)
                          for i in (0, 1))
    found = branching.draw(scores, torch.zeros(len(top_p), dtype=torch.long), temperature, top_p)
    assert (found[0::4] == scores.argmax()).all()
    for place, (one, share) in enumerate(kinds[1:], start=1):
        shares = torch.bincount(found[place::4], minlength=30) / draws
        assert (shares - exact(scores[0], one, share)).abs().sum() < 0.04


def test_equal_scores_are_greedily_the_first_as_by_argmax():
    scores = torch.tensor([[1.0, 3.0, 3.0, 0.0]])
    found = branching.draw(scores, torch.zeros(2, dtype=torch.long), torch.zeros(2).double(),
                           torch.ones(2).double())
    assert found.tolist() == [1, 1]


@pytest.mark.parametrize("batch_size", [8, 256])
def test_greedy_answers_are_those_of_generate(model, tokenizer, batch_size):
    [greedy, *_] = generate_each(model, tokenizer, PROMPTS, SETTINGS, n=3, max_new_tokens=12,
                                 batch_size=batch_size)
    assert greedy == generate(model, tokenizer, PROMPTS, greedy=True, max_new_tokens=12)


def test_every_setting_has_its_answers_in_the_order_of_the_prompts(model, tokenizer):
    found = generate_each(model, tokenizer, PROMPTS, SETTINGS, n=3, max_new_tokens=5)
    assert [[len(answers) for answers in by_prompt] for by_prompt in found] == [
        [1] * 3, *([[3] * 3] * 4)]
    for place, prompt in enumerate(PROMPTS):
        [[alone]] = generate_each(model, tokenizer, [prompt], [(0.0, 1.0)], max_new_tokens=5)
        assert found[0][place] == alone


def test_answers_are_distributed_as_if_each_setting_were_sampled_alone(base):
    """First tokens and lengths of many answers of the real base, against `generate`."""
    course_prompt = ["Anna has 3 apples and buys 4 more. How many apples has Anna?\n"]
    settings = [(0.3, 1.0), (1.0, 1.0), (1.0, 0.8)]
    many = generate_each(*base, course_prompt, settings, n=400, max_new_tokens=4, seed=1)
    for (temperature, top_p), [answers] in zip(settings, many, strict=True):
        [alone] = generate(*base, course_prompt, n=400, temperature=temperature, top_p=top_p,
                           max_new_tokens=4, seed=2)
        for upto in (1, 4):
            both = [Counter(one.ids[:upto] for one in side) for side in (answers, alone)]
            usual = [text for text, count in (both[0] + both[1]).items() if count >= 20]
            table = [[side[text] for text in usual]
                     + [800 - sum(side[text] for text in usual)] for side in both]
            assert chi2_contingency(table).pvalue > 1e-3


def test_same_seed_same_answers_and_the_global_state_is_left_alone(model, tokenizer):
    before = torch.get_rng_state()
    one, two, other = (generate_each(model, tokenizer, PROMPTS, SETTINGS, n=4, max_new_tokens=8,
                                     seed=seed) for seed in (0, 0, 1))
    assert one == two != other
    assert torch.equal(before, torch.get_rng_state())


def test_an_answer_ends_where_generate_ends_it(base):
    text = ["Question: 2 + 2 = ?\nAnswer: 4\n\n"]
    [found] = generate_each(*base, text, [(1.0, 1.0)], n=32, max_new_tokens=30, stop_text="\n")
    assert any(one.tokens < 30 for one in found[0])
    for one in found[0]:
        whole = base[1].decode(one.ids)
        assert "\n" not in one.text and one.truncated == ("\n" not in whole and one.tokens == 30)


def test_beginnings_that_answers_share_are_read_once(base, monkeypatch):
    read = []
    real = type(base[0]).forward

    def forward(self, input_ids=None, **kwargs):
        read.append(len(input_ids))
        return real(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(type(base[0]), "forward", forward)
    generate_each(*base, PROMPTS[1:2], [(0.05, 1.0)], n=64, max_new_tokens=6)
    assert sum(read) < 64  # and not 64 x 6


def test_elsewhere_one_setting_follows_the_other(monkeypatch):
    calls, seen = [], []

    class Engine(sampling.VLLMModel):
        def __init__(self):
            pass

        def complete(self, prompts, n, temperature, top_p, max_new_tokens, seed, greedy, stop):
            calls.append((n, temperature, top_p, seed, greedy))
            return [[sampling.Completion("x", 1, False)] * n for _ in prompts]

    found = generate_each(Engine(), None, PROMPTS, SETTINGS[:3], n=4, seed=5,
                          progress=lambda *at: seen.append(at))
    assert calls == [(1, 1.0, 1.0, 5, True), (4, 0.3, 1.0, 6, False), (4, 0.3, 0.9, 7, False)]
    assert [len(by_prompt[0]) for by_prompt in found] == [1, 4, 4] and seen[-1] == (9, 9)


def test_an_empty_prompt_is_named(model, tokenizer):
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        generate_each(model, tokenizer, ["a", ""], SETTINGS)
