"""Decoding in pieces: what is saved (copies, finished rows) changes no token."""

from functools import wraps

import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from helpers import decoding, models, sampling
from helpers.config import Course
from tests.hub.tiny_repo import tiny_folder

PROMPTS = ["Anna", "Anna has 12 apples and buys 7 more. How many apples has she now?",
           "Ben sells 3 pens", "\n", "Question: 12 + 7 = "]
TOKENS = 20


@pytest.fixture(scope="module")
def course():
    return Course.load(overrides={"model": {"name": str(tiny_folder())}})


@pytest.fixture(scope="module")
def tokenizer(course):
    return models.load_tokenizer(course)


@pytest.fixture(scope="module")
def model(course):
    return models.load_base(course)


@pytest.fixture(scope="module")
def encoded(tokenizer):
    return [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]


@pytest.fixture(scope="module")
def written(model, tokenizer, encoded):
    """Every prompt alone, greedy, by the model's plain pass without a cache; nothing ends it."""
    rows = []
    for prompt in encoded:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            for _ in range(TOKENS):
                token = model(input_ids=ids, use_cache=False).logits[:, -1].argmax(-1)
                ids = torch.cat([ids, token[:, None]], dim=1)
        rows.append(ids[0, len(prompt):].tolist())
    return rows


def config(tokenizer, ends, greedy=True, tokens=TOKENS):
    settings = sampling._generation_config(tokenizer, 1.0, 1.0, tokens, greedy)
    settings.eos_token_id = ends
    return settings


def until(row, ends):
    """The row up to its first end, that included."""
    return row[:next((i for i, token in enumerate(row, 1) if token in ends), len(row))]


def sizes_of_passes(model, monkeypatch):
    """A list that fills with the rows of every pass through the model."""
    sizes, real = [], type(model).forward

    @wraps(real)  # generate reads the signature
    def forward(self, input_ids=None, **kwargs):
        sizes.append(len(input_ids))
        return real(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(type(model), "forward", forward)
    return sizes


@pytest.mark.parametrize("piece", [1, 3, 7, 64])
@pytest.mark.parametrize("n", [1, 3])
def test_rows_that_end_leave_and_the_others_go_on_as_before(
        model, tokenizer, encoded, written, monkeypatch, piece, n):
    # Ends that some row comes to early and others late: the rows leave out of their order.
    ends = [written[1][2], written[3][6], written[2][11]]
    expected = [until(row, ends) for row in written]
    assert len({len(row) for row in expected}) >= 3
    monkeypatch.setattr(decoding, "PIECE", piece)
    sizes = sizes_of_passes(model, monkeypatch)
    rows = decoding.decode(model, tokenizer, encoded, n, config(tokenizer, ends))
    assert len(rows) == n * len(PROMPTS)
    for place, row in enumerate(rows):
        assert until(row, ends) == expected[place // n]
    if piece < 12:  # rows did leave: the last pass had fewer
        assert sizes[-1] < sizes[1] == n * len(PROMPTS)


@pytest.mark.parametrize("tokens", [1, 3, 4])
def test_the_limit_holds_whether_it_meets_a_piece_or_not(
        model, tokenizer, encoded, written, monkeypatch, tokens):
    monkeypatch.setattr(decoding, "PIECE", 3)
    rows = decoding.decode(model, tokenizer, encoded, 1, config(tokenizer, [5], tokens=tokens))
    assert [until(row, [5]) for row in rows] == [until(row[:tokens], [5]) for row in written]


@pytest.mark.parametrize("piece", [1, 2, 5, 64])
def test_stop_text_ends_a_row_wherever_a_piece_ends(
        model, tokenizer, encoded, written, monkeypatch, piece):
    """Two tokens of one row, side by side, are the stop text; no row writes past it."""
    texts = decoding.token_texts(tokenizer)
    stop = next(texts[a] + texts[b] for a, b in zip(written[1][3:], written[1][4:], strict=False)
                if texts[a].isascii() and texts[b].isascii())
    monkeypatch.setattr(decoding, "PIECE", piece)
    sizes = sizes_of_passes(model, monkeypatch)
    rows = decoding.decode(model, tokenizer, encoded, 1, config(tokenizer, [5]), stop)
    stopped = 0
    for row, plain in zip(rows, written, strict=True):
        end = next((i for i in range(1, TOKENS + 1)
                    if stop in "".join(texts[t] for t in plain[:i])), TOKENS)
        assert row[:end] == plain[:end]
        assert set(row[end:]) <= {config(tokenizer, [5]).pad_token_id}
        stopped += end < TOKENS
    assert 0 < stopped
    assert piece == 64 or sizes[-1] < sizes[1]


def test_roomy_cache_gives_the_same_bits_as_the_usual_one(model, tokenizer, encoded, monkeypatch):
    monkeypatch.setattr(decoding, "PIECE", 64)
    monkeypatch.setattr(decoding, "ROOM", 3)  # the buffers fill up several times
    found = []
    for cache in (decoding.roomy_cache, lambda model: DynamicCache(config=model.config)):
        monkeypatch.setattr(decoding, "roomy_cache", cache)
        torch.manual_seed(0)
        found.append(decoding.decode(model, tokenizer, encoded, 4,
                                     config(tokenizer, [5], greedy=False)))
    assert found[0] == found[1]


def test_a_layer_with_room_holds_what_it_was_given():
    torch.manual_seed(0)
    plain, roomy = DynamicLayer(), decoding.RoomyLayer()
    buffers = set()

    def both(act):
        act(plain), act(roomy)
        assert torch.equal(plain.keys, roomy.keys) and torch.equal(plain.values, roomy.values)
        assert plain.get_seq_length() == roomy.get_seq_length()

    def add(rows, length):
        keys, values = torch.randn(2, rows, 2, length, 8).unbind()
        both(lambda layer: layer.update(keys, values))
        buffers.add(roomy.keys.data_ptr())

    add(3, 5)
    for _ in range(decoding.ROOM):
        add(3, 1)
    assert len(buffers) == 1  # nothing was copied
    add(3, 1)
    assert len(buffers) == 2  # full
    both(lambda layer: layer.batch_repeat_interleave(2))
    add(6, 1)
    both(lambda layer: layer.batch_select_indices(torch.tensor([0, 1, 4])))
    add(3, 2)
    both(lambda layer: layer.crop(-3))
    add(3, 1)


def test_layers_of_another_kind_are_kept():
    from transformers import Qwen2Config
    from transformers.cache_utils import DynamicSlidingWindowLayer

    settings = Qwen2Config(num_hidden_layers=2, use_sliding_window=True, sliding_window=8,
                           max_window_layers=1)
    cache = decoding.roomy_cache(type("Model", (), {"config": settings}))
    assert [type(layer) for layer in cache.layers] == [
        decoding.RoomyLayer, DynamicSlidingWindowLayer]


@pytest.mark.parametrize(("number", "token"), [
    (0.0, 1), (0.1249, 1), (0.126, 2), (0.6249, 2), (0.6251, 4), (1 - 2**-53, 4)])
def test_a_token_is_drawn_by_one_number_a_row(monkeypatch, number, token):
    """Probabilities 0, 1/8, 1/2, 0, 3/8: what cannot come never does, at either end."""
    monkeypatch.setattr(torch, "rand", lambda *size, **kind: torch.full(size, number, **kind))
    scores = torch.tensor([[0, 1 / 8, 1 / 2, 0, 3 / 8]] * 3).log()
    left = decoding.Draw()(None, scores)
    assert left.argmax(-1).tolist() == [token] * 3 and (left == 0).sum(1).tolist() == [1] * 3


def test_rows_are_drawn_apart_and_as_often_as_they_should(tokenizer):
    scores = torch.tensor([0.5, 0.3, 0.2]).log().repeat(20_000, 1)
    torch.manual_seed(0)
    seen = torch.bincount(decoding.Draw()(None, scores).argmax(-1)) / 20_000
    torch.testing.assert_close(seen, torch.tensor([0.5, 0.3, 0.2]), atol=0.02, rtol=0)


def test_temperature_and_nucleus_come_before_the_draw(tokenizer):
    config = sampling._generation_config(tokenizer, 0.5, 0.6, 4, False)
    scores = torch.tensor([[0.5, 0.3, 0.2]] * 500).log()
    for one in decoding.processors(config):
        scores = one(torch.zeros(500, 1, dtype=torch.long), scores)
    assert set(scores.argmax(-1).tolist()) == {0}  # .25 of .38 at temperature .5 is above .6
    greedy = sampling._generation_config(tokenizer, 1.0, 1.0, 4, True)
    assert decoding.processors(greedy) == []


class TestATrainersCalls:
    """`sample_in_pieces`: the batch a trainer gives, and the batch it gets back."""

    @pytest.fixture
    def own(self, course, tokenizer):
        model = models.load_base(course)
        sampling.sample_in_pieces(model, tokenizer)
        return model

    def batch(self, tokenizer, n=3):
        return tokenizer([prompt for prompt in PROMPTS for _ in range(n)], return_tensors="pt",
                         padding=True)

    def test_greedy_rows_are_those_of_the_plain_call(self, own, model, tokenizer):
        config = sampling._generation_config(tokenizer, 1.0, 1.0, 40, True)
        batch = self.batch(tokenizer)
        plain, ours = (one.generate(**batch, generation_config=config) for one in (model, own))
        assert torch.equal(ours, plain)

    def test_a_prompt_is_read_once(self, own, tokenizer, monkeypatch):
        sizes = []
        real = type(own).forward

        def forward(self, input_ids=None, **kwargs):
            sizes.append(tuple(input_ids.shape))
            return real(self, input_ids=input_ids, **kwargs)

        monkeypatch.setattr(type(own), "forward", forward)
        config = sampling._generation_config(tokenizer, 1.0, 1.0, 4, False)
        batch = self.batch(tokenizer)
        torch.manual_seed(0)
        new = own.generate(**batch, generation_config=config)
        assert torch.equal(new[:, :batch["input_ids"].shape[1]], batch["input_ids"])
        assert sizes[0] == (len(PROMPTS), batch["input_ids"].shape[1] - 1)
        assert sizes[1] == (3 * len(PROMPTS), 1)

    @pytest.mark.parametrize("more", [{"repetition_penalty": 0.5}, {"top_k": 1}, {"min_p": 0.9}])
    def test_what_changes_scores_is_left_to_the_plain_call(self, own, model, tokenizer, more):
        config = sampling._generation_config(tokenizer, 1.0, 1.0, 8, False)
        config.update(**more)
        found = []
        for one in (model, own):
            torch.manual_seed(0)
            found.append(one.generate(**self.batch(tokenizer), generation_config=config))
        assert torch.equal(*found)
