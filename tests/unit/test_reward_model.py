"""The reward model gives the very scores of the model that RewardTrainer trained, however texts are
batched, and refuses what is no reward model."""

import json

import pytest
import torch
from datasets import disable_progress_bars
from safetensors.torch import load_file, save_file
from trl import RewardConfig, RewardTrainer

from helpers import models, pairs, reward_model
from helpers.config import Course
from helpers.reward_model import RewardModel, RewardModelError
from tests.hub.tiny_repo import tiny_folder

PAIRS = [{"id": str(i), "prompt": f"Anna has {i} apples.\n", "chosen": "She has 4.\n#### 4",
          "rejected": "She has one more, that is 5 apples." + " Yes." * i + f"\n#### {i}",
          "chosen_tokens": 9, "rejected_tokens": 9} for i in range(6)]
TEXTS = [(pair["prompt"], pair[side]) for pair in PAIRS for side in ("chosen", "rejected")]


@pytest.fixture(scope="module")
def course():
    return Course.load(overrides={"model": {"name": str(tiny_folder())}})


@pytest.fixture(scope="module")
def trained(course, tmp_path_factory):
    """(trained model, tokenizer, adapter folder) after a few steps of RewardTrainer."""
    disable_progress_bars()
    folder = tmp_path_factory.mktemp("reward")
    tokenizer = models.load_tokenizer(course, tiny_folder())
    settings = RewardConfig(output_dir=str(folder / "run"), max_steps=4, learning_rate=0.02,
                            per_device_train_batch_size=3, save_strategy="no", disable_tqdm=True,
                            max_length=None, **models.trainer_flags(course))
    trainer = RewardTrainer(models.load_scorer(tiny_folder(), course), args=settings,
                            train_dataset=pairs.for_trainer(PAIRS), processing_class=tokenizer,
                            peft_config=models.lora_config(course, task_type="SEQ_CLS"))
    trainer.train()
    trainer.save_model(str(folder / "adapter"))
    return trainer.model.eval(), tokenizer, folder / "adapter"


@pytest.fixture
def adapter(trained, tmp_path):
    """A copy of the adapter to damage: (folder, its weights)."""
    weights = load_file(trained[2] / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(
        (trained[2] / "adapter_config.json").read_text())
    return tmp_path, weights


def alone(model, tokenizer, prompt, answer):
    """One text by itself, no padding, no helper: what the trainer's model says of it."""
    ids = tokenizer(prompt + answer + "<|im_end|>", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits.item()


def test_loaded_scores_are_those_of_the_trained_model(course, trained):
    model, tokenizer, folder = trained
    expected = [alone(model, tokenizer, *text) for text in TEXTS]
    loaded = reward_model.load_reward_model(course, tiny_folder(), folder)
    assert loaded.score(TEXTS) == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 1e-3  # a constant would agree with anything


def test_the_adapter_has_the_head_and_a_causal_model_gives_its_scores(course, trained):
    """What PPO does: the adapter on the causal model, the head in a plain layer."""
    from peft import PeftModel

    model, tokenizer, folder = trained
    head = next(w for name, w in load_file(folder / "adapter_model.safetensors").items()
                if name.endswith("score.weight"))
    causal = PeftModel.from_pretrained(models.load_model(tiny_folder(), course), folder)
    backbone = causal.get_base_model().model
    for prompt, answer in TEXTS[:4]:
        ids = tokenizer(prompt + answer + "<|im_end|>", return_tensors="pt",
                        add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            score = backbone(input_ids=ids).last_hidden_state[0, -1] @ head[0]
        assert score.item() == pytest.approx(alone(model, tokenizer, prompt, answer), abs=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("size", [1, 5, 64])
def test_batches_and_padding_change_nothing(trained, size, side, monkeypatch):
    model, tokenizer, _ = trained
    monkeypatch.setattr(tokenizer, "padding_side", side)
    expected = [alone(model, tokenizer, *text) for text in TEXTS]
    assert RewardModel(model, tokenizer, size).score(TEXTS) == pytest.approx(expected, abs=1e-5)


def test_a_cut_off_answer_is_scored_at_its_last_token(trained):
    model, tokenizer, _ = trained
    [cut], [whole] = (RewardModel(model, tokenizer).score(TEXTS[:1], ended=[ended])
                      for ended in (False, True))
    ids = tokenizer("".join(TEXTS[0]), return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        assert cut == pytest.approx(model(input_ids=ids).logits.item(), abs=1e-5)
    assert abs(cut - whole) > 1e-6


def test_margins_are_chosen_minus_rejected(trained):
    model, tokenizer, _ = trained
    reward = RewardModel(model, tokenizer)
    expected = [alone(model, tokenizer, pair["prompt"], pair["chosen"])
                - alone(model, tokenizer, pair["prompt"], pair["rejected"]) for pair in PAIRS]
    assert reward_model.margins(reward, PAIRS) == pytest.approx(expected, abs=2e-5)


def test_a_score_that_is_no_number_is_refused(trained):
    model, tokenizer, _ = trained

    class Broken(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, **batch):
            output = model(**batch)
            output.logits[0] = float("nan")
            return output

    with pytest.raises(RewardModelError, match="nan"):
        RewardModel(Broken(), tokenizer).score(TEXTS)
    with pytest.raises(RewardModelError, match="text 0 is empty"):
        RewardModel(model, tokenizer).score([""])


@pytest.mark.parametrize("damage", ["no head", "other base", "not a number", "no file", "no json"])
def test_an_adapter_that_is_no_reward_model_is_refused(course, adapter, damage):
    folder, weights = adapter
    name = next(name for name in weights if name.endswith("score.weight"))
    told = {"no head": "has no score.weight", "other base": "another base",
            "not a number": "NaN", "no file": "no readable", "no json": "no readable"}[damage]
    if damage == "no head":
        del weights[name]
    elif damage == "other base":
        weights[name] = torch.zeros(1, 7)
    elif damage == "not a number":
        weights[next(n for n in weights if "lora_A" in n)][0] = float("nan")
    elif damage == "no json":
        (folder / "adapter_config.json").write_text("{")
    if damage != "no file":
        save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(RewardModelError, match=told):
        reward_model.load_reward_model(course, tiny_folder(), folder)


def test_a_new_head_follows_the_seed(course):
    first, again = (models.load_scorer(tiny_folder(), course).score.weight for _ in range(2))
    assert torch.equal(first, again)
    settings = json.loads((tiny_folder() / "config.json").read_text())
    assert tuple(first.shape) == (1, settings["hidden_size"])
