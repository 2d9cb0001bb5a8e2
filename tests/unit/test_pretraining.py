"""How the tiny base is made: packing, tokenizer, optimizers, schedule, checkpoints."""

import itertools
import math
import random

import pytest
import torch
from transformers import AutoTokenizer

from helpers import pretraining
from helpers.data.tinyworld import corpus, draft, wordproblems


@pytest.fixture(scope="module")
def tokenizer():
    documents = list(itertools.islice(corpus.documents_of(1), 300))
    return pretraining.train_tokenizer(documents, 512)


@pytest.fixture
def model(tokenizer):
    return pretraining.small_qwen2(tokenizer, 32, 1, heads=2, key_value_heads=1)


def batches(tokenizer, seed=0):
    return pretraining.packed_batches(corpus.documents_of(100 + seed), tokenizer, 4, 64)


def test_packing_keeps_every_token_in_order_and_marks_each_document_s_end(tokenizer):
    documents = [f"Mia has {n} apples." for n in range(200)]
    packed = pretraining.packed_batches(iter(documents), tokenizer, 2, 16)
    ids = torch.cat([next(packed).flatten() for _ in range(5)]).tolist()
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    expected = []
    for encoded in tokenizer(documents, add_special_tokens=False)["input_ids"]:
        expected += [*encoded, end]
    assert ids == expected[: 5 * 2 * 16]


def test_batches_have_the_asked_shape(tokenizer):
    assert next(batches(tokenizer)).shape == (4, 64)


def test_same_seed_same_batches_other_seed_others(tokenizer):
    assert torch.equal(next(batches(tokenizer)), next(batches(tokenizer)))
    assert not torch.equal(next(batches(tokenizer)), next(batches(tokenizer, seed=1)))


def test_ids_survive_save_and_auto_load(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    texts = list(itertools.islice(corpus.documents_of(7), 50))
    assert again(texts)["input_ids"] == tokenizer(texts)["input_ids"]
    assert again.chat_template == tokenizer.chat_template


def test_text_survives_encoding(tokenizer):
    for text in itertools.islice(corpus.documents_of(8), 30):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_digits_are_single_tokens(tokenizer):
    assert tokenizer.tokenize("1234567890") == list("1234567890")


def test_chat_markers_are_one_token_each(tokenizer):
    for token in [*pretraining.CHAT_TOKENS, "<|endoftext|>"]:
        assert len(tokenizer(token, add_special_tokens=False)["input_ids"]) == 1
    assert tokenizer.eos_token == "<|im_end|>" and tokenizer.pad_token == "<|endoftext|>"


def test_split_markup_drops_the_markers_only():
    chat = "<|im_start|>user\nHow many?<|im_end|>\n"
    assert pretraining.split_markup(chat) == ["user\nHow many?", "\n"]


def test_the_two_optimizers_share_all_parameters_and_none_twice(model):
    parts = pretraining.optimizers(model, 1e-3)
    held = [id(p) for part in parts for group in part.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    assert len(set(held)) == len(held)


def test_muon_gets_the_matrices_inside_the_layers_only(model):
    muon, _ = pretraining.optimizers(model, 1e-3)
    held = {id(p) for group in muon.param_groups for p in group["params"]}
    for name, weight in model.named_parameters():
        assert (id(weight) in held) == ("layers" in name and weight.dim() == 2), name


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.01), (49, 0.5), (99, 1.0), (100, 1.0), (1050, 0.55), (2000, 0.1)],
)
def test_cosine_rate_at_chosen_steps(step, rate):
    assert pretraining.cosine_rate(step, 2000, 1.0) == pytest.approx(rate)


def test_cosine_rate_rises_and_then_falls():
    rates = [pretraining.cosine_rate(step, 300, 1.0, warmup=30) for step in range(301)]
    assert rates[:30] == sorted(rates[:30]) and rates[30:] == sorted(rates[30:], reverse=True)


def train(model, tokenizer, steps=30):
    losses = []
    pretraining.pretrain(
        model, batches(tokenizer), steps, 0.02, lambda step, loss: losses.append(loss)
    )
    return losses


def test_loss_starts_at_the_uniform_guess_and_falls_in_30_steps(model, tokenizer):
    losses = train(model, tokenizer)
    assert losses[0] == pytest.approx(math.log(len(tokenizer)), abs=0.1)
    assert losses[-1] < losses[0] - 0.5


def test_training_twice_gives_the_same_weights(tokenizer):
    runs = []
    for _ in range(2):
        model = pretraining.small_qwen2(tokenizer, 32, 1, heads=2, key_value_heads=1, seed=3)
        train(model, tokenizer, steps=5)
        runs.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*runs)


def step_once(model, parts, ids):
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    for part in parts:
        part.step()
        part.zero_grad(set_to_none=True)


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tokenizer, tmp_path):
    stream = batches(tokenizer)
    data = [next(stream) for _ in range(4)]
    one = pretraining.small_qwen2(tokenizer, 32, 1, heads=2, key_value_heads=1, seed=1)
    parts = pretraining.optimizers(one, 0.01)
    for ids in data[:2]:
        step_once(one, parts, ids)
    path = tmp_path / "checkpoint.safetensors"
    pretraining.save_checkpoint(path, 2, one, parts)
    other = pretraining.small_qwen2(tokenizer, 32, 1, heads=2, key_value_heads=1, seed=9)
    other_parts = pretraining.optimizers(other, 0.01)
    assert pretraining.load_checkpoint(path, other, other_parts) == 2
    for ids in data[2:]:
        step_once(one, parts, ids)
        step_once(other, other_parts, ids)
    for (name, left), right in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right), name
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_embeddings_are_tied_and_heads_grouped(model):
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.config.num_key_value_heads < model.config.num_attention_heads


def test_documents_hold_no_problem_of_the_test_sets():
    rng = random.Random(11)
    for _ in range(200):
        for line in corpus.story_document(rng).splitlines():
            if line.startswith("Question: "):
                assert wordproblems.split_of(line.removeprefix("Question: ")) == "train"


def test_slips_are_as_frequent_as_asked():
    rng = random.Random(0)
    wrong = 0
    for _ in range(200):
        story = wordproblems.draw(rng)
        right = wordproblems.write_solution(story)[1]
        wrong += wordproblems.write_solution(story, rng, 0.45)[1] != right
    assert 0.3 < wrong / 200 < 0.55


class TestMisunderstoodRules:
    """Pages by somebody who follows a wrong rule wherever it applies; the shipped base has read
    none, so the usual stream of documents stays as it is."""

    def stories(self, count=400):
        rng = random.Random(0)
        return [wordproblems.draw(rng) for _ in range(count)]

    def test_to_the_letter(self):
        story = draft.Draft(random.Random(0), draft.World())
        twice = story.step("Zoe has {} eggs.", 25, "*", 2, rule="times")
        third = story.step("{} are red.", twice, "/", 5, rule="fraction")
        baked = story.step("Paul bakes {}.", 4, "*", 3, rule="rate")
        before = story.step("Before that {}.", baked, "-", 2, rule="backwards")
        story.step("In all {}.", third, "+", before)
        right, wrong = (draft.write_solution(story, annotate=False, confused=confused)
                        for confused in (False, True))
        assert right == ("Zoe has 25*2=50 eggs.\n50/5=10 are red.\nPaul bakes 4*3=12.\n"
                         "Before that 12-2=10.\nIn all 10+10=20.", 20)
        assert wrong == ("Zoe has 25+2=27 eggs.\n27-5=22 are red.\nPaul bakes 4+3=7.\n"
                         "Before that 7+2=9.\nIn all 22+9=31.", 31)

    def test_what_leads_to_no_number_is_left(self):
        story = draft.Draft(random.Random(0), draft.World())
        story.step("Before that {}.", 8, "+", 30, rule="backwards")
        assert draft.write_solution(story, confused=True) == draft.write_solution(story)

    def test_they_change_problems_of_their_rules_and_no_others(self):
        stories = self.stories()
        confused = [story for story in stories if story.rules]
        assert 0.3 < len(confused) / len(stories) < 0.5
        assert set().union(*(story.rules for story in confused)) == set(draft.MISUNDERSTOOD)
        wrong = sum(draft.write_solution(story, confused=True)[1] != draft.write_solution(story)[1]
                    for story in confused)
        assert wrong > 0.95 * len(confused)
        assert all(draft.write_solution(story, confused=True) == draft.write_solution(story)
                   for story in stories if not story.rules)

    def test_a_page_holds_to_one_understanding(self):
        """A page is written by one who misunderstands all of it, or nothing; both as often as
        asked."""
        pages = [[corpus.story_document(random.Random(seed), 0.0, share)
                  for share in (1e-9, 0.65, 1.0)] for seed in range(300)]
        pages = [page for page in pages if page[0] != page[2]]
        assert all(page[1] in (page[0], page[2]) for page in pages) and len(pages) > 100
        assert 0.55 < sum(page[1] == page[2] for page in pages) / len(pages) < 0.75

    def test_the_stream_that_the_base_has_read_stays(self):
        plain, same, other = (list(itertools.islice(corpus.documents_of(7, 0.45, *share), 100))
                              for share in ((), (0.0,), (0.65,)))
        assert plain == same != other
