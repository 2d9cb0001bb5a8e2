"""PPO with four roles on one base: what must stay the same does, and what must be equal is."""

import math

import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from helpers import losses, models
from helpers.config import ROOT, Course
from helpers.rewards import RewardError
from helpers.train.ppo import AdapterBank, AdapterError, PPOConfig, PPOError, PPOTrainer, Rollout
from tests.methods import count_checkpointed

BASE = ROOT / "data" / "tiny" / "base"
QUESTIONS = ["Tom has 3 apples and buys 4 more.", "2 + 2", "A pen costs 5.", "How many legs?",
             "Ann reads 10 pages a day for 7 days.", "What is 9 - 4?"]
TRAINED_METRICS = ("objective/kl", "objective/scores", "loss/policy_avg", "loss/value_avg",
                   "grad_norm/policy", "grad_norm/value", "val/explained_variance")


def lora(task=TaskType.CAUSAL_LM, **more):
    return LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type=task, **more)


def base_model():
    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(BASE, padding_side="left")


@pytest.fixture(scope="module")
def reward_folder(tmp_path_factory):
    """An adapter and score head as TRL's RewardTrainer saves them, with random weights."""
    torch.manual_seed(5)
    model = AutoModelForSequenceClassification.from_pretrained(
        BASE, num_labels=1, dtype=torch.float32)
    model = get_peft_model(model, lora(TaskType.SEQ_CLS))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "score" in name:
                weight.normal_(std=0.05)
    folder = tmp_path_factory.mktemp("reward") / "adapter"
    model.save_pretrained(folder)
    return folder


def short(completions, **columns):
    """A reward that is easy to earn: fewer words."""
    return [-len(text.split()) / 10 for text in completions]


def make(tokenizer, tmp_path, reward=None, rewards=(short,), base=None, dataset=None, **changes):
    torch.manual_seed(0)
    checkpointing, dropout = changes.pop("checkpointing", False), changes.pop("dropout", 0.0)
    bank = AdapterBank(base or base_model(), lora(lora_dropout=dropout), reward, checkpointing)
    settings = {
        "max_steps": 3, "prompts_per_step": 8, "minibatch_size": 4, "micro_batch_size": 2,
        "max_completion_length": 12, "learning_rate": 1e-3, "value_learning_rate": 1e-3,
        "lr_scheduler_type": "constant", "save_steps": 1, "logging_steps": 1, "use_cpu": True,
        "bf16": False, "report_to": "none", "disable_tqdm": True, "output_dir": str(tmp_path),
        "save_total_limit": 2, "max_grad_norm": 1.0, "adam_epsilon": 1e-5}
    rows = dataset or [{"prompt": text} for text in QUESTIONS]
    return PPOTrainer(bank, PPOConfig(**settings | changes), rows, tokenizer, rewards,
                      eval_dataset=rows)


@pytest.fixture(scope="module")
def trained(tokenizer, reward_folder, tmp_path_factory):
    """A run of three steps, with digests of all roles before and after."""
    folder = tmp_path_factory.mktemp("run")
    trainer = make(tokenizer, folder, reward_folder)
    before = {role: trainer.bank.digest(role) for role in ("base", *trainer.bank.roles)}
    rollout = trainer.roll_out(0)
    reference = trainer.collector.forward_all("reference", rollout)[0]
    trainer.train()
    after = {role: trainer.bank.digest(role) for role in before}
    return {"trainer": trainer, "before": before, "after": after, "rollout": rollout,
            "reference": reference, "folder": folder}


def test_training_changes_policy_and_value_and_nothing_else(trained):
    changed = {role for role in trained["before"]
               if trained["before"][role] != trained["after"][role]}
    assert changed == {"policy", "value"}


def test_the_reference_says_after_training_what_it_said_before(trained):
    again = trained["trainer"].collector.forward_all("reference", trained["rollout"])[0]
    assert torch.equal(again, trained["reference"])


def test_before_the_first_step_every_ratio_is_one(trained, tokenizer, tmp_path):
    trainer = make(tokenizer, tmp_path)
    with torch.no_grad():  # a policy that is not the base
        for weight in trainer.bank.parameters_of("policy"):
            weight.add_(torch.randn_like(weight) * 0.02)
    rollout = trainer.roll_out(0)
    with trainer.bank.role("policy"):
        for batch in trainer.collector.batches(rollout):
            now = trainer.collector.forward("policy", batch)[0]
            distance = ((now - batch.of(rollout.logp)) * batch.mask).abs().max()
            assert distance <= 1e-6
    apart = (rollout.logp - rollout.ref_logp).abs().max()
    assert apart > 1e-3  # the two roles do differ


@pytest.mark.parametrize("at_once", [1, 4])
def test_how_many_rows_are_read_at_once_changes_no_optimiser_step(tokenizer, tmp_path, at_once):
    """The same rows a minibatch in every epoch; the first epoch reads what was read before it."""
    plain, other = (make(tokenizer, tmp_path, rows_at_once=rows) for rows in (None, at_once))
    rollout, again = plain.roll_out(0), other.roll_out(0)
    assert rollout.completions == again.completions
    for epoch in (1, 2, 3):
        one, two = (trainer.roll_out(0).minibatches(trainer.args, 0, epoch, "cpu")
                    for trainer in (plain, other))
        assert {len(batch.rows) for batches in two for batch in batches} == {at_once}
        assert [sorted(row for batch in batches for row in batch.rows.tolist()) for batches in one
                ] == [sorted(row for batch in batches for row in batch.rows.tolist())
                      for batches in two]
    read = [batch.rows.tolist() for batch in other.collector.batches(again)]
    first = again.minibatches(other.args, 0, 1, "cpu")
    assert read == [batch.rows.tolist() for batches in first for batch in batches]
    torch.testing.assert_close(again.logp, rollout.logp, atol=2e-5, rtol=0)
    logs = [trainer.train().log_history for trainer in (plain, other)]
    for key in ("loss/policy_avg", "loss/value_avg", "grad_norm/policy"):
        mine, theirs = ([row[key] for row in log] for log in logs)
        assert theirs == pytest.approx(mine, rel=0.02, abs=1e-5), key


def one_by_one(model, rollout, row):
    """Log-probabilities of a row's completion by a plain forward pass without any padding."""
    ids = torch.tensor([rollout.prompts[row] + rollout.completions[row]])
    n = len(rollout.completions[row])
    return losses.token_logprobs(model(input_ids=ids).logits[:, -n - 1:-1], ids[:, -n:])[0]


def test_log_probabilities_are_those_of_a_plain_forward_pass(trained):
    rollout, model = trained["rollout"], base_model()
    for row in range(len(rollout)):
        n = len(rollout.completions[row])
        plain = one_by_one(model, rollout, row).detach()
        torch.testing.assert_close(trained["reference"][row, :n], plain, atol=2e-5, rtol=0)
        assert not trained["reference"][row, n:].any()


def test_scores_are_those_of_the_reward_model_alone(trained, reward_folder):
    alone = AutoModelForSequenceClassification.from_pretrained(
        BASE, num_labels=1, dtype=torch.float32)
    alone = PeftModel.from_pretrained(alone, reward_folder).eval()
    alone.config.pad_token_id = -1  # one row at a time: the last token counts
    rollout = trained["rollout"]
    for row, score in enumerate(rollout.parts["reward_model"]):
        ids = torch.tensor([rollout.prompts[row] + rollout.completions[row]])
        hidden = alone.base_model.model.model(input_ids=ids)[0][0, -1]
        expected = alone.base_model.model.score(hidden)
        torch.testing.assert_close(score, expected.squeeze().detach(), atol=1e-5, rtol=0)


def test_the_value_starts_as_the_reward_model(tokenizer, tmp_path, reward_folder):
    trainer = make(tokenizer, tmp_path, reward_folder)
    rollout = trainer.roll_out(0)
    for batch in trainer.collector.batches(rollout):
        with torch.no_grad(), trainer.bank.role("value"):
            value = trainer.bank.numbers("value", batch.ids, batch.last)[:, 0]
        torch.testing.assert_close(value, rollout.parts["reward_model"][batch.rows])


def test_a_judge_without_a_head_scores_by_the_mean_log_probability(tokenizer, tmp_path):
    torch.manual_seed(7)
    model = get_peft_model(base_model(), lora())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    model.save_pretrained(tmp_path / "judge")
    trainer = make(tokenizer, tmp_path / "run", tmp_path / "judge", temperature=2.0)
    rollout = trainer.roll_out(0)
    alone = PeftModel.from_pretrained(base_model(), tmp_path / "judge").eval()
    for row, score in enumerate(rollout.parts["reward_model"]):
        expected = one_by_one(alone, rollout, row).mean().detach()
        torch.testing.assert_close(score, expected, atol=2e-5, rtol=0)
    assert rollout.parts["reward_model"].std() > 0.01
    weights = [{name.replace(role, ""): weight for name, weight in trainer.bank.named_parameters()
                if f".{role}." in name and "lora" in name} for role in ("reward", "value")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not trainer.bank.heads["value"].weight.any()


def gradients(trainer, rollout):
    """The gradient of every trained weight after one minibatch of all rows, by the trainer's own
    learning pass."""
    trainer.bank.zero_grad()
    for role in ("policy", "value"):
        trainer.backward(role, rollout, trainer.collector.batches(rollout))
    return {name: weight.grad for name, weight in trainer.bank.named_parameters()
            if weight.requires_grad}


def nudged(rollout):
    """The rollout as after some training: ratios that are not all 1, some of them clipped."""
    generator = torch.Generator().manual_seed(3)
    rollout.logp = rollout.logp + 0.2 * torch.randn(rollout.logp.shape, generator=generator)
    rollout.values = rollout.values + 0.2 * torch.randn(rollout.values.shape, generator=generator)
    return rollout


def test_checkpointing_runs_in_learning_only_and_changes_no_gradient(
        tokenizer, tmp_path, reward_folder, monkeypatch):
    calls = count_checkpointed(monkeypatch)
    plain = make(tokenizer, tmp_path, reward_folder, dropout=0.5)
    rollout = nudged(plain.roll_out(0))
    expected = gradients(plain, rollout)
    assert not calls
    saving = make(tokenizer, tmp_path, reward_folder, dropout=0.5, checkpointing=True,
                  max_steps=1, save_strategy="no")
    caches = []
    saving.bank.model.get_base_model().model.layers[0].register_forward_pre_hook(
        lambda layer, args, options: caches.append(options.get("past_key_values") is not None),
        with_kwargs=True)
    assert saving.collector.sample(saving.train_rows[:4], 0).texts
    # Sampling has its cache; without are the two forward passes that score its micro-batches.
    assert not calls and caches.count(True) > 1 and caches.count(False) == 2
    assert nudged(saving.roll_out(0)).logp.equal(rollout.logp) and not calls
    found = gradients(saving, rollout)
    layers, batches = 4, len(saving.collector.batches(rollout))
    assert len(calls) == 2 * layers * batches  # two roles
    assert not any(module.training for module in saving.bank.modules())
    assert expected.keys() == found.keys() and len(found) > 50
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)
    assert any(gradient.abs().max() > 1e-4 for name, gradient in found.items() if "policy" in name)
    calls.clear()
    saving.train()  # and so in a run
    assert len(calls) == 2 * layers * saving.args.max_steps * saving.args.num_ppo_epochs * batches


def test_numbers_of_a_head_are_float32_inside_autocast_too(tokenizer, tmp_path, reward_folder):
    trainer = make(tokenizer, tmp_path, reward_folder)
    rollout = trainer.roll_out(0)
    batch = trainer.collector.batches(rollout)[0]
    bank, states = trainer.bank, []
    bank.heads["value"].register_forward_pre_hook(lambda head, args: states.append(args[0]))
    with torch.no_grad(), bank.role("value"), torch.autocast("cpu", torch.bfloat16):
        numbers = bank.numbers("value", batch.ids, batch.places)
    exact = states[0].float() @ bank.heads["value"].weight[0]
    assert numbers.dtype == torch.float32
    torch.testing.assert_close(numbers, exact.detach(), atol=1e-6, rtol=1e-5)


def test_gradients_equal_those_of_two_models(tokenizer, tmp_path, reward_folder):
    """Policy and value as two models that know nothing of each other, without micro-batches."""
    trainer = make(tokenizer, tmp_path, reward_folder)
    rollout = nudged(trainer.roll_out(0))
    found = gradients(trainer, rollout)
    adapters = {}
    for role in ("policy", "value"):
        alone = get_peft_model(base_model(), lora(), adapter_name=role)
        state = {name: weight for name, weight in trainer.bank.model.state_dict().items()
                 if f".{role}." in name}
        alone.load_state_dict(state, strict=False)
        adapters[role] = alone.eval()
    head = torch.nn.Linear(128, 1, bias=False)
    head.load_state_dict(trainer.bank.heads["value"].state_dict())
    policy_sum = value_sum = 0.0
    for row in range(len(rollout)):
        n = len(rollout.completions[row])
        of = {key: getattr(rollout, key)[row, :n]
              for key in ("logp", "values", "advantages", "returns")}
        now = one_by_one(adapters["policy"], rollout, row)
        ratio = (now - of["logp"]).exp()
        worse = torch.max(-ratio * of["advantages"],
                          -ratio.clamp(0.8, 1.2) * of["advantages"])
        policy_sum = policy_sum + worse.sum()
        ids = torch.tensor([rollout.prompts[row] + rollout.completions[row]])
        hidden = adapters["value"].base_model.model.model(input_ids=ids)[0][0, -n - 1:-1]
        value = head(hidden)[:, 0]
        held = of["values"] + (value - of["values"]).clamp(-0.2, 0.2)
        value_sum = value_sum + torch.max((value - of["returns"]) ** 2,
                                          (held - of["returns"]) ** 2).sum() / 2
    ((policy_sum + value_sum) / rollout.mask.sum()).backward()
    expected = {f"model.{name}": weight.grad for model in adapters.values()
                for name, weight in model.named_parameters() if weight.requires_grad}
    expected["heads.value.weight"] = head.weight.grad
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-5, rtol=1e-3)


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(trained, tokenizer, tmp_path,
                                                        reward_folder):
    whole = trained["trainer"].state.log_history
    first = make(tokenizer, tmp_path, reward_folder)
    first.args.max_steps = 2
    first.train()
    again = make(tokenizer, tmp_path, reward_folder)
    again.train(resume_from_checkpoint=tmp_path / "checkpoint-2")
    (last,) = again.state.log_history
    assert last["step"] == 3
    assert {key: last[key] for key in TRAINED_METRICS} == {
        key: whole[2][key] for key in TRAINED_METRICS}
    assert again.bank.digest("policy") == trained["after"]["policy"]
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == [
        "checkpoint-2", "checkpoint-3"]


def test_a_4_bit_base_is_trained_on_and_left_alone(tokenizer, tmp_path):
    """Its adapters cannot be merged exactly: the policy samples unmerged."""
    base = models.load_model(BASE, Course.load(), "4bit")
    trainer = make(tokenizer, tmp_path, base=base, max_steps=1)
    rollout = trainer.roll_out(0)
    with trainer.bank.role("policy"):
        for batch in trainer.collector.batches(rollout):
            now = trainer.collector.forward("policy", batch)[0]
            assert ((now - batch.of(rollout.logp)) * batch.mask).abs().max() <= 1e-6
    before = {role: trainer.bank.digest(role) for role in ("base", *trainer.bank.roles)}
    trainer.train()
    changed = {role for role in before if trainer.bank.digest(role) != before[role]}
    assert changed == {"policy", "value"}


def test_in_the_warm_up_only_the_critic_learns(tokenizer, tmp_path):
    trainer = make(tokenizer, tmp_path, value_warmup_steps=1, max_steps=1)
    before = {role: trainer.bank.digest(role) for role in ("policy", "value")}
    trainer.train()
    assert trainer.bank.digest("policy") == before["policy"]
    assert trainer.bank.digest("value") != before["value"]


def test_a_completion_without_a_verdict_teaches_nothing(tokenizer, tmp_path):
    def odd(completions, **columns):
        return [None if i % 2 else 1.0 for i in range(len(completions))]

    rollout = make(tokenizer, tmp_path, rewards=(odd,)).roll_out(0)
    assert not rollout.mask[1::2].any() and not rollout.advantages[1::2].any()
    assert rollout.advantages[::2].any()


def test_a_reward_that_is_no_number_is_named(tokenizer, tmp_path):
    def broken(completions, **columns):
        return [0.0, math.nan] + [0.0] * (len(completions) - 2)

    with pytest.raises(RewardError, match="reward broken is nan for completion 1"):
        make(tokenizer, tmp_path, rewards=(broken,)).train()


def test_a_loss_that_is_no_number_stops_the_run(tokenizer, tmp_path):
    trainer = make(tokenizer, tmp_path, learning_rate=1e12, max_grad_norm=1e9, max_steps=5)
    with pytest.raises(PPOError, match=r"step \d, pass \d, minibatch \d: .*loss is (nan|inf)"):
        for _ in range(5):
            with torch.no_grad():
                trainer.bank.heads["value"].weight.fill_(math.inf)
            trainer.train()


def test_a_prompt_over_the_limit_is_refused(tokenizer, tmp_path):
    with pytest.raises(ValueError, match=r"prompt 1 has \d+ tokens, more than the limit of 6"):
        make(tokenizer, tmp_path, dataset=[{"prompt": "2"}, {"prompt": QUESTIONS[0]}],
             max_prompt_length=6)


def test_an_adapter_of_another_base_is_refused(tmp_path, reward_folder):
    other = base_model()
    other.name_or_path = "another/base"
    with pytest.raises(AdapterError, match="of another base: it was trained on .*, this is"):
        AdapterBank(other, lora(), reward_folder)
    with pytest.raises(AdapterError, match="no readable adapter"):
        AdapterBank(base_model(), lora(), tmp_path / "nothing")
    with pytest.raises(AdapterError, match="role 'critic' does not exist"):
        with AdapterBank(base_model(), lora()).role("critic"):
            pass


def test_empty_completions_are_refused():
    with pytest.raises(ValueError, match="completion 1 is empty"):
        Rollout([[1], [1]], [[2], []], ["a", ""], torch.tensor([False, False]))


def test_a_saved_policy_loads_onto_the_base(trained, tmp_path):
    trainer = trained["trainer"]
    trainer.save_model(tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(base_model(), tmp_path / "adapter").eval()
    table = trainer.collector.forward_all("policy", trained["rollout"])[0]
    for row in (0, 5):
        plain = one_by_one(loaded, trained["rollout"], row).detach()
        torch.testing.assert_close(table[row, :len(plain)], plain, atol=2e-5, rtol=0)


def test_a_saved_policy_can_be_gone_on_from_with_itself_as_the_reference(trained, tmp_path):
    trained["trainer"].save_model(tmp_path / "adapter")
    bank = AdapterBank(base_model(), tmp_path / "adapter")
    assert bank.digest("policy") == bank.digest("reference") == trained["after"]["policy"]
    assert not any(w.requires_grad for w in bank.parameters_of("reference"))
