"""The small model in a larger shape says what it said, and its adapters can learn."""

import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from helpers.config import ROOT
from tests.widened import widened

SMALL = ROOT / "data" / "tiny" / "base"


def shape(**changes) -> Qwen2Config:
    return Qwen2Config(**{
        "vocab_size": 2304, "hidden_size": 384, "intermediate_size": 512, "num_hidden_layers": 6,
        "num_attention_heads": 6, "num_key_value_heads": 2, "tie_word_embeddings": True} | changes)


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}])
def test_it_says_what_the_small_one_says(changes):
    large, small = widened(SMALL, shape(**changes)), AutoModelForCausalLM.from_pretrained(SMALL)
    torch.manual_seed(0)
    ids = torch.randint(10, 2000, (3, 40))
    with torch.no_grad():
        said, wanted = (one(ids).logits.log_softmax(-1) for one in (large, small))
    assert said[..., 2048:].max() < -20  # what was added is never said
    torch.testing.assert_close(said[..., :2048], wanted, atol=2e-3, rtol=0)
    assert (wanted - wanted.roll(1, 0)).abs().max() > 1


@pytest.mark.parametrize("changes", [
    {"hidden_size": 120}, {"num_hidden_layers": 3}, {"num_attention_heads": 8},
    {"vocab_size": 2000}, {"intermediate_size": 300}])
def test_a_shape_without_room_is_refused(changes):
    with pytest.raises(ValueError, match="does not fit"):
        widened(SMALL, shape(**changes))
