"""Log-probabilities in pieces, and LoRA's inputs without copies: less memory, the same numbers."""

import pytest
import torch
from peft import get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.testing import assert_close
from transformers import Qwen2Config, Qwen2ForCausalLM

from helpers import losses
from helpers.train import rows
from helpers.train.settings import lora_config, lora_without_copies
from tests import methods


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Qwen2ForCausalLM(Qwen2Config(
        vocab_size=97, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
        initializer_range=0.3))


@pytest.fixture
def text():
    ids = torch.randint(0, 97, (3, 20), generator=torch.Generator().manual_seed(0))
    places = torch.arange(6, 19).expand(3, -1)
    return ids, places, ids.gather(1, places + 1)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("tokens", [1, 5, 13, 38, 39])
def test_pieces_say_what_the_whole_says(model, text, monkeypatch, tokens, temperature):
    def both():
        model.zero_grad()
        [logp] = rows.logprobs(model, *text, temperature)
        (logp * torch.linspace(-1, 1, logp.numel()).view_as(logp)).sum().backward()
        with torch.no_grad():
            again, entropy = rows.logprobs(model, *text, temperature, True)
        assert_close(again, logp.detach())
        return logp.detach(), entropy, [weight.grad.clone() for weight in model.parameters()]

    whole = both()
    plain = model(text[0]).logits.gather(1, text[1][..., None].expand(-1, -1, 97)) / temperature
    assert_close(whole[0], losses.token_logprobs(plain, text[2]).detach())
    assert_close(whole[1], losses.entropy(plain).detach())
    monkeypatch.setattr(rows, "LOGITS", tokens * 97)
    for one, other in zip(both(), whole, strict=True):
        assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_no_more_logits_exist_than_a_piece_has(model, text, monkeypatch):
    sizes = []
    model.get_output_embeddings().register_forward_hook(
        lambda module, asked, logits: sizes.append(logits.numel()))
    monkeypatch.setattr(rows, "LOGITS", 5 * 97)
    [logp] = rows.logprobs(model, *text)
    forward = len(sizes)
    logp.sum().backward()
    assert max(sizes) <= 5 * 97 and sum(sizes[:forward]) == text[2].numel() * 97
    assert sum(sizes[forward:]) == sum(sizes[:forward])  # once more, in the backward pass


def test_lora_takes_inputs_as_they_are_under_autocast(monkeypatch):
    """Outputs and gradients stay, bit for bit; an eighth of what a layer keeps is gone."""
    real = BaseTunerLayer._cast_input_dtype
    real = getattr(real, "plain", real)
    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=50, hidden_size=64, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1)).to(torch.bfloat16)
    course = methods.course_for("float32")
    adapted = get_peft_model(model, lora_config(course, target_modules="all-linear"))
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.manual_seed(len(name))
            weight.data = torch.randn_like(weight.data.float()) / 8

    def learn():
        kept, alive = {}, []

        def pack(tensor):
            alive.append(tensor)
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        adapted.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            with torch.autocast("cpu", torch.bfloat16):
                logits = adapted(input_ids=torch.arange(40)[None]).logits
        logits.float().square().sum().backward()
        grads = [w.grad.clone() for w in adapted.parameters() if w.grad is not None]
        return logits.detach(), grads, sum(kept.values())

    monkeypatch.setattr(BaseTunerLayer, "_cast_input_dtype", real)
    before = learn()
    lora_without_copies()
    after = learn()
    assert torch.equal(before[0], after[0])
    assert all(torch.equal(*pair) for pair in zip(before[1], after[1], strict=True))
    assert before[1] and after[2] < before[2]
    # Without autocast the types must still meet.
    assert adapted(input_ids=torch.arange(9)[None]).logits.isfinite().all()
    lora_without_copies()  # twice is once
    assert BaseTunerLayer._cast_input_dtype.plain is real
