"""Sampling: the shared prefill changes nothing, ends are counted right, seeds hold."""


import pytest
import torch
from peft import get_peft_model

from helpers import decoding, models, prompts, sampling
from helpers.config import Course
from helpers.sampling import Completion, generate
from helpers.train.settings import lora_config
from tests.hub.tiny_repo import tiny_folder

PROMPTS = ["Anna", "Anna has 12 apples and buys 7 more. How many apples has she now?",
           "Ben sells 3 pens", "\n", "Question: 12 + 7 = "]


def course_with(**changes):
    return Course.load(overrides={"model": {"name": str(tiny_folder())}} | changes)


@pytest.fixture(scope="module")
def tokenizer():
    return models.load_tokenizer(course_with())


@pytest.fixture(scope="module")
def model():
    return models.load_base(course_with())


@pytest.fixture
def scripted(model, tokenizer, monkeypatch):
    """A model that answers the prompt "Anna" with the given texts, one for each row."""
    prompt = len(tokenizer("Anna")["input_ids"])

    def write(*texts, end="<|im_end|>"):
        rows = [tokenizer(text + end)["input_ids"] for text in texts]
        real = type(model).forward

        def forward(self, input_ids=None, past_key_values=None, **kwargs):
            output = real(self, input_ids=input_ids, past_key_values=past_key_values, **kwargs)
            step = past_key_values.get_seq_length() - prompt
            if step >= 0:  # else the prompt is being read
                output.logits[:] = -1e4
                for row, ids in enumerate(rows):  # after its end a row goes on with token 5
                    output.logits[row, -1, ids[step] if step < len(ids) else 5] = 1e4
            return output

        monkeypatch.setattr(type(model), "forward", forward)
    return write


def plain_greedy(model, tokenizer, prompt, steps):
    """One prompt alone, no cache, no padding, no generate: argmax of the last logits."""
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    ends, start = sampling.end_ids(tokenizer), ids.shape[1]
    for _ in range(steps):
        with torch.no_grad():
            token = model(input_ids=ids, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat([ids, token], dim=1)
        if token.item() in ends:
            break
    return ids[0, start:].tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_greedy_equals_one_prompt_at_a_time_without_cache(model, tokenizer, batch_size):
    found = generate(model, tokenizer, PROMPTS, max_new_tokens=12, greedy=True,
                     batch_size=batch_size)
    for prompt, (one,) in zip(PROMPTS, found, strict=True):
        ids = plain_greedy(model, tokenizer, prompt, 12)
        assert one.tokens == len(ids)
        assert one.text == tokenizer.decode(ids, skip_special_tokens=True)


def test_greedy_equals_plain_generate(model, tokenizer):
    batch = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    config = sampling._generation_config(tokenizer, 1.0, 1.0, 12, True)
    plain = model.generate(**batch, generation_config=config)[:, batch["input_ids"].shape[1]:]
    rows = decoding.decode(model, tokenizer, tokenizer(PROMPTS)["input_ids"], 1, config)
    assert rows == plain.tolist()


def test_logits_after_the_shared_prefill_equal_the_whole_pass(model, tokenizer):
    n = 3
    batch = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    cache = decoding.prefill(model, ids, mask, n)
    assert cache.get_seq_length() == ids.shape[1] - 1
    config = sampling._generation_config(tokenizer, 1.0, 1.0, 4, True)
    config.return_dict_in_generate = config.output_logits = True
    output = model.generate(input_ids=ids.repeat_interleave(n, 0), past_key_values=cache,
                            attention_mask=mask.repeat_interleave(n, 0), generation_config=config)
    for row, prompt in enumerate(p for p in PROMPTS for _ in range(n)):
        alone = tokenizer(prompt, return_tensors="pt")["input_ids"]
        new = output.sequences[row:row + 1, ids.shape[1]:]
        with torch.no_grad():
            whole = model(input_ids=torch.cat([alone, new], 1)).logits[0, alone.shape[1] - 1:-1]
        live = 1 + next((i for i, t in enumerate(new[0].tolist())
                         if t in config.eos_token_id), new.shape[1] - 1)
        got = torch.stack([step[row] for step in output.logits])
        torch.testing.assert_close(got[:live], whole[:live], atol=1e-4, rtol=1e-4)


def test_prompt_is_read_once_for_all_its_samples(model, tokenizer, monkeypatch):
    sizes = []
    real = type(model).forward

    def forward(self, input_ids=None, **kwargs):
        sizes.append(tuple(input_ids.shape))
        return real(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(type(model), "forward", forward)
    generate(model, tokenizer, PROMPTS[1:3], n=8, max_new_tokens=3)
    width = len(tokenizer(PROMPTS[1])["input_ids"])
    # Then a token for every way in which the samples went on: at first, of two prompts, two.
    assert sizes[:2] == [(2, width - 1), (2, 1)]
    assert all(rows <= 16 and tokens == 1 for rows, tokens in sizes[2:])


def test_same_seed_same_text_other_seed_other_text(model, tokenizer):
    arguments = {"n": 4, "max_new_tokens": 8, "temperature": 1.5}
    first = generate(model, tokenizer, PROMPTS, seed=3, **arguments)
    state = torch.random.get_rng_state()
    torch.rand(5)
    assert generate(model, tokenizer, PROMPTS, seed=3, **arguments) == first
    torch.random.set_rng_state(state)
    generate(model, tokenizer, PROMPTS, seed=3, **arguments)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's state is untouched
    assert generate(model, tokenizer, PROMPTS, seed=4, **arguments) != first
    assert [len(row) for row in first] == [4] * 5 and len({c.text for c in first[1]}) > 1


def test_samples_follow_the_models_own_distribution(model, tokenizer):
    """The first token's frequencies over 6,000 samples against softmax(logits / T)."""
    prompt, temperature, count = PROMPTS[2], 2.5, 6000
    # Instruct models bring a file with such settings; a penalty below 1 favours repetition.
    model.generation_config.update(top_k=1, repetition_penalty=0.1)
    ids = torch.tensor([[*tokenizer(prompt)["input_ids"], last] for last in range(3, 360)])
    with torch.no_grad():
        expected = (model(input_ids=ids).logits[:, -1] / temperature).softmax(-1)
    repeats = expected.gather(1, ids).sum(-1).argmax()  # a prompt whose tokens tend to come again,
    ids, expected = ids[repeats:repeats + 1], expected[repeats]  # so that a penalty would be seen
    config = sampling._generation_config(tokenizer, temperature, 1.0, 1, False)
    torch.manual_seed(0)
    rows = decoding.decode(model, tokenizer, ids.tolist(), count, config)
    model.generation_config.update(top_k=50, repetition_penalty=1.0)
    seen = torch.bincount(torch.tensor(rows)[:, 0], minlength=len(expected)) / count
    assert (expected > 0.005).sum() > 5  # the test would notice a cut distribution
    error = (expected * (1 - expected) / count).sqrt()
    assert ((seen - expected).abs() < 5 * error + 2e-3).all()


def test_end_token_is_counted_padding_is_not(scripted, model, tokenizer):
    long, short = "12 + 7 = 19 and so on", "19"
    scripted(long, short)
    found = generate(model, tokenizer, ["Anna", "Anna"], max_new_tokens=40, greedy=True)
    assert [one.text for (one,) in found] == [long, short]
    assert [one.tokens for (one,) in found] == [
        len(tokenizer(text)["input_ids"]) + 1 for text in (long, short)]
    assert not any(one.truncated for (one,) in found)


@pytest.mark.parametrize("end", ["<|im_end|>", "<|endoftext|>"])
def test_both_end_tokens_end_an_answer(scripted, model, tokenizer, end):
    scripted("19", end=end)
    ((one,),) = generate(model, tokenizer, ["Anna"], max_new_tokens=20, greedy=True)
    assert one == Completion("19", len(tokenizer("19")["input_ids"]) + 1, False)


def test_length_limit_is_a_truncation_unless_the_end_comes_just_in_time(scripted, model, tokenizer):
    tokens = len(tokenizer("12 + 7")["input_ids"])
    for limit, truncated in ((tokens, True), (tokens + 1, False)):
        scripted("12 + 7")
        ((one,),) = generate(model, tokenizer, ["Anna"], max_new_tokens=limit, greedy=True)
        assert one == Completion("12 + 7", limit, truncated)


def test_stop_text_ends_and_cuts(scripted, model, tokenizer):
    scripted("19\n\nQuestion: more")
    ((one,),) = generate(model, tokenizer, ["Anna"], max_new_tokens=20, greedy=True,
                         stop_text="\n\n")
    assert one.text == "19" and not one.truncated
    assert one.tokens == len(tokenizer("19\n\n")["input_ids"])  # nothing sampled after it
    scripted("19\n\nQuestion: more")
    ((one,),) = generate(model, tokenizer, ["Anna"], max_new_tokens=20, greedy=True)
    assert one.text == "19\n\nQuestion: more"


def test_a_few_shot_answer_with_a_blank_line_is_whole_and_what_follows_it_is_cut(
        scripted, model, tokenizer):
    answer = "12 + 7\n\nThis is 19.\n#### 19"
    scripted(f"{answer}{prompts.NEXT_EXAMPLE} A pen costs 5.\n#### 5")
    ((one,),) = generate(model, tokenizer, ["Anna"], max_new_tokens=60, greedy=True,
                         stop_text=prompts.NEXT_EXAMPLE)
    assert one.text == answer and not one.truncated
    assert one.tokens == len(tokenizer(answer + prompts.NEXT_EXAMPLE)["input_ids"])


def test_stop_text_within_one_token_and_across_tokens(tokenizer):
    assert len(tokenizer("19\n\n")["input_ids"]) == 4  # two line breaks are two tokens here,
    joined = next(i for i, text in enumerate(decoding.token_texts(tokenizer)) if "\n\n" in text)
    for ids in (tokenizer("19\n\n")["input_ids"], [*tokenizer("19")["input_ids"], joined]):
        one = sampling._completion(tokenizer, [*ids, 0, 0, 0], sampling.end_ids(tokenizer), "\n\n")
        assert one.tokens == len(ids) and one.text in ("19", "19.") and not one.truncated


def test_stop_text_is_looked_for_in_the_answer_not_in_the_prompt(model, tokenizer):
    plain = generate(model, tokenizer, ["Anna\n\n"], max_new_tokens=5, greedy=True)
    assert generate(model, tokenizer, ["Anna\n\n"], max_new_tokens=5, greedy=True,
                    stop_text="\n\n") == plain and plain[0][0].tokens > 1


def test_an_adapter_model_and_training_mode(tokenizer):
    course = course_with()
    adapted = get_peft_model(models.load_base(course), lora_config(course, lora_dropout=0.5))
    adapted.train()
    torch.nn.init.normal_(next(w for n, w in adapted.named_parameters() if "lora_B" in n), std=.3)
    found = generate(adapted, tokenizer, PROMPTS, max_new_tokens=6, greedy=True)
    assert adapted.training
    with models.merged_copy(adapted):
        assert generate(adapted, tokenizer, PROMPTS, max_new_tokens=6, greedy=True) == found


def test_progress_batches_and_refusals(model, tokenizer):
    seen = []
    generate(model, tokenizer, PROMPTS, n=2, batch_size=4, max_new_tokens=2,
             progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert list(sampling.batches([3, 9, 3, 5], 3)) == [[1, 3, 0], [2]]
    assert generate(model, tokenizer, []) == []
    with pytest.raises(ValueError, match="prompt 1 is empty"):
        generate(model, tokenizer, ["a", ""])
    with pytest.raises(ValueError, match="greedy"):
        generate(model, tokenizer, ["a"], n=2, greedy=True)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("wrong", "told"), [
    ({"temperature": 0.0}, "temperature is 0.0"), ({"temperature": -1.0}, "temperature is -1.0"),
    ({"temperature": float("nan")}, "temperature is nan"),
    ({"top_p": 0.0}, "top_p is 0.0"), ({"top_p": 1.5}, "top_p is 1.5")])
def test_what_is_no_distribution_is_refused_however_many_answers(model, tokenizer, n, wrong, told):
    with pytest.raises(ValueError, match=told):
        generate(model, tokenizer, ["a"], n=n, max_new_tokens=1, **wrong)
    asked = (wrong.get("temperature", 1.0), wrong.get("top_p", 1.0))
    if asked[0] != 0:  # of several settings one may be greedy
        with pytest.raises(ValueError, match=told):
            sampling.generate_each(model, tokenizer, ["a"], [(1.0, 1.0), asked], n)
