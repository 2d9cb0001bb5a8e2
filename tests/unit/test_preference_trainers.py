"""Bradley-Terry and DPO from token ids to parameter gradients, against TRL's own trainers.

Two random one-layer models, real ids with prompts and right padding: beside the formulas this
proves what is fed to them, the shift by one token, the mask of the completion, the sum over its
tokens, and the hidden state of the last real token for a score.
"""

import pytest
import torch
from peft import LoraConfig

from helpers import judge, losses
from helpers.config import Course
from helpers.models import load_base, load_tokenizer
from helpers.train import pairs
from tests.hub.tiny_repo import tiny_folder
from tests.loss_checks import close, flat_gradient, on_cpu, tiny_model, tiny_tokenizer

PAIRS, WIDTH, PROMPT = 4, 7, 2


@pytest.fixture(scope="module")
def batch():
    """First the chosen rows, then the rejected ones, as TRL's collators lay them out."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([7, 5, 6, 4, 3, 7, 5, 4])
    attention = (torch.arange(WIDTH) < lengths.unsqueeze(1)).long()
    ids = torch.randint(2, 8, (2 * PAIRS, WIDTH), generator=generator) * attention
    completion = attention.clone()
    completion[:, :PROMPT] = 0
    return ids, attention, completion, lengths


def model(kind, seed, **settings):
    """Far from uniform, so that gradients are not small."""
    return tiny_model(kind, seed, vocab_size=8, initializer_range=0.3, **settings)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """Makes one of TRL's trainers around models that are given."""
    from datasets import Dataset

    rows = Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["a"]})

    def make(kind, config, *models):
        made = kind(*models, args=config(**on_cpu(tmp_path_factory.mktemp("trl"))),
                    train_dataset=rows, processing_class=tiny_tokenizer())
        made.model.train()
        return made

    return make


def completion_logp(model, batch):
    """(B,): log-probability of each completion given its prompt, by our own functions."""
    ids, attention, completion, _ = batch
    logits = model(input_ids=ids, attention_mask=attention).logits
    return (losses.token_logprobs(logits[:, :-1], ids[:, 1:]) * completion[:, 1:]).sum(1)


def same(ours, theirs, parameters):
    """Loss and the gradient of every parameter to 1e-6."""
    close(ours.detach(), theirs.detach(), atol=1e-6)
    wanted = flat_gradient(theirs, parameters)
    assert wanted.abs().max() > 0.05
    close(flat_gradient(ours, parameters), wanted, atol=1e-6)


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_dpo_equals_trl_from_ids_to_gradients(trainer, batch, beta):
    from trl import DPOConfig, DPOTrainer

    policy, reference = (model("Qwen2ForCausalLM", seed) for seed in (0, 1))
    trl = trainer(DPOTrainer, DPOConfig, policy, reference)
    trl.beta = beta
    ids, attention, completion, _ = batch
    theirs = trl.compute_loss(trl.model, {
        "input_ids": ids, "attention_mask": attention, "completion_mask": completion})
    logp = completion_logp(trl.model, batch)
    with torch.no_grad():
        ref_logp = completion_logp(trl.ref_model, batch)
    loss, chosen, rejected = losses.dpo_loss(*logp.chunk(2), *ref_logp.chunk(2), beta=beta)
    same(loss, theirs, list(policy.parameters()))
    logged = {name: values[-1] for name, values in trl._metrics["train"].items()}
    assert logged["rewards/chosen"] == pytest.approx(float(chosen.mean()), abs=1e-6)
    assert logged["rewards/rejected"] == pytest.approx(float(rejected.mean()), abs=1e-6)
    assert logged["rewards/margins"] == pytest.approx(
        float((chosen - rejected).mean()), abs=1e-6)
    assert logged["rewards/accuracies"] == float((chosen > rejected).float().mean())
    assert logged["logps/chosen"] == pytest.approx(float(logp[:PAIRS].mean().detach()), abs=1e-5)


def test_the_loss_of_dpo_starts_at_log_2_in_trl_as_well(trainer, batch):
    from trl import DPOConfig, DPOTrainer

    trl = trainer(DPOTrainer, DPOConfig,
                  model("Qwen2ForCausalLM", 0), model("Qwen2ForCausalLM", 0))
    ids, attention, completion, _ = batch
    theirs = trl.compute_loss(trl.model, {
        "input_ids": ids, "attention_mask": attention, "completion_mask": completion})
    logp = completion_logp(trl.model, batch).chunk(2)
    close(losses.dpo_loss(*logp, *logp)[0].detach(), theirs.detach(), atol=1e-6)
    assert float(theirs) == pytest.approx(0.6931472, abs=1e-6)
    # Every pair is a tie, and TRL counts ties as wrong; the course's own accuracy counts them half.
    assert trl._metrics["train"]["rewards/accuracies"] == [0.0]
    tied = [{"id": str(place)} for place in range(PAIRS)]
    assert judge.pair_accuracy(tied, [0.0] * PAIRS)["accuracy"] == 0.5


def test_with_the_courses_limit_no_pair_is_cut_and_none_is_dropped(tmp_path):
    """TRL's own limit of 1,024 tokens cuts a long chosen answer and leaves the rejected one, and
    drops a pair with a long prompt. Notebook 05 leaves out what is too long and sets no limit."""
    from trl import DPOConfig, DPOTrainer

    course = Course.load(overrides={"model": {"name": str(tiny_folder())}})
    tokenizer, words = load_tokenizer(course), "Anna has 12 apples. " * 300
    long, short = (len(tokenizer(text)["input_ids"]) for text in (words, "7"))
    assert long > 1024
    made = [{"prompt": "Anna", "chosen": words, "rejected": "7"},
            {"prompt": words, "chosen": "7", "rejected": "7"}]
    trl = DPOTrainer(load_base(course), None, train_dataset=pairs.for_trainer(made),
                     args=DPOConfig(**on_cpu(tmp_path) | {"max_length": None}),
                     processing_class=tokenizer,
                     peft_config=LoraConfig(target_modules="all-linear"))
    batch = trl.data_collator([trl.train_dataset[place] for place in range(2)])
    answers = batch["completion_mask"].sum(1).tolist()  # with the end of turn
    assert answers == [long + 1, short + 1, short + 1, short + 1]
    assert int(batch["attention_mask"][1].sum()) == long + short + 1


@pytest.mark.parametrize("centering", [None, 0.01])
@pytest.mark.parametrize("margin", [None, [0.5, 0.0, 1.0, -0.3]])
def test_bradley_terry_equals_trl_from_ids_to_gradients(trainer, batch, margin, centering):
    from trl import RewardConfig, RewardTrainer

    trl = trainer(RewardTrainer, RewardConfig,
                  model("Qwen2ForSequenceClassification", 0, num_labels=1))
    trl.args.center_rewards_coefficient = centering
    ids, attention, _, lengths = batch
    inputs = {"input_ids": ids, "attention_mask": attention}
    margins = torch.tensor(margin or [0.0] * PAIRS)
    theirs = trl.compute_loss(trl.model, inputs | ({"margin": margins} if margin else {}))
    hidden = trl.model.model(input_ids=ids, attention_mask=attention).last_hidden_state
    scores = trl.model.score(hidden[torch.arange(2 * PAIRS), lengths - 1]).squeeze(1)
    chosen, rejected = scores.chunk(2)
    ours = losses.bradley_terry_loss(chosen, rejected, margins, centering or 0.0)
    same(ours, theirs, list(trl.model.parameters()))
    logged = {name: values[-1] for name, values in trl._metrics["train"].items()}
    assert logged["accuracy"] == float((chosen > rejected).float().mean())
    assert logged["margin"] == pytest.approx(
        float((chosen - rejected).mean().detach()), abs=1e-6)
