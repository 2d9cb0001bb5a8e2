"""A reward of None is no verdict: it enters no mean, and where there is no other, nothing moves."""

import math

import pytest
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from helpers import losses
from helpers.config import ROOT, Course
from helpers.rewards import reward_functions
from helpers.train import pairs
from helpers.train.ppo import AdapterBank, PPOConfig, PPOTrainer
from helpers.train.ppo.rollout import objective
from helpers.train.settings import NoGradientNoStep
from tests.loss_checks import on_cpu

BASE = ROOT / "data" / "tiny" / "base"
ROWS = [{"prompt": text} for text in (
    "Tom has 3 apples and buys 4 more.", "2 + 2", "A pen costs 5.", "How many legs?",
    "Ann reads 10 pages a day for 7 days.", "What is 9 - 4?")]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(BASE, padding_side="left")


def lora():
    return LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")


def ppo(tokenizer, folder, *rewards, reward=None, **changes):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    settings = {
        "max_steps": 1, "prompts_per_step": 8, "minibatch_size": 8, "micro_batch_size": 4,
        "num_ppo_epochs": 1,
        "max_completion_length": 12, "learning_rate": 1e-3, "value_learning_rate": 1e-3,
        "lr_scheduler_type": "constant", "save_strategy": "no", "logging_steps": 1,
        "use_cpu": True, "bf16": False, "report_to": "none", "disable_tqdm": True,
        "output_dir": str(folder), "weight_decay": 0.1, "adam_epsilon": 1e-5}
    return PPOTrainer(AdapterBank(model, lora(), reward), PPOConfig(**settings | changes), ROWS,
                      tokenizer, rewards, eval_dataset=ROWS)


def odd(completions, **columns):
    """A verdict on every second completion: its number of words."""
    return [None if i % 2 else float(len(text.split())) for i, text in enumerate(completions)]


def even(completions, **columns):
    """A verdict on all others."""
    return [i / 10 if i % 2 else None for i in range(len(completions))]


def silent(completions, **columns):
    return [None] * len(completions)


def words(completions, **columns):
    return [float(len(text.split())) for text in completions]


def mean(values):
    return pytest.approx(sum(values) / len(values), rel=1e-5)


def test_ppo_leaves_what_has_no_verdict_out_of_every_mean(tokenizer, tmp_path):
    trainer = ppo(tokenizer, tmp_path, odd)
    rollout = trainer.roll_out(0)
    with torch.no_grad():  # numbers that differ between the rows that count and those that do not
        rollout.truncated[:] = torch.tensor([True, False] * 4)
        rollout.logp[::2] += 0.5
    told = objective(rollout, trainer.memory["kl_coef"])
    judged = rollout.texts[::2]
    assert told["rewards/odd/mean"] == mean([len(text.split()) for text in judged])
    assert told["objective/scores"] == mean([len(text.split()) for text in judged])
    assert told["completions/mean_length"] == mean([len(ids) for ids in rollout.completions[::2]])
    assert told["completions/clipped_ratio"] == 1.0
    shifted = (rollout.logp - rollout.ref_logp)
    kl = [shifted[row, :len(rollout.completions[row])].sum().item() for row in range(0, 8, 2)]
    assert told["objective/kl"] == mean(kl) and abs(told["objective/kl"]) > 1
    assert rollout.judged.tolist() == [True, False] * 4
    assert rollout.parts["odd"].isnan().tolist() == [False, True] * 4


def test_each_part_has_the_mean_of_its_own_verdicts(tokenizer, tmp_path):
    """TRL's metrics: a reward function's mean is over the completions that it judged."""
    trainer = ppo(tokenizer, tmp_path, words, even)
    rollout = trainer.roll_out(0)
    told = objective(rollout, trainer.memory["kl_coef"])
    assert told["rewards/even/mean"] == mean([0.1, 0.3, 0.5, 0.7])
    assert told["rewards/words/mean"] == mean([len(text.split()) for text in rollout.texts])
    both = [len(text.split()) + i / 10 for i, text in enumerate(rollout.texts) if i % 2]
    assert told["objective/scores"] == mean(both)


def test_without_none_the_means_are_the_plain_ones_to_the_bit(tokenizer, tmp_path):
    trainer = ppo(tokenizer, tmp_path, words)
    rollout = trainer.roll_out(0)
    told, mask = objective(rollout, trainer.memory["kl_coef"]), rollout.mask
    assert told["objective/scores"] == float(rollout.scores.mean())
    assert told["completions/mean_length"] == float(mask.sum(1).mean())
    assert told["objective/kl"] == float(
        ((rollout.logp - rollout.ref_logp) * mask).sum(1).mean())
    assert told["policy/entropy_avg"] == float(losses.masked_mean(rollout.entropy, mask))
    assert told["rewards/words/mean"] == float(rollout.parts["words"].mean())


def test_evaluation_leaves_them_out_too(tokenizer, tmp_path):
    trainer = ppo(tokenizer, tmp_path, odd)
    texts = trainer.collector.sample(trainer.eval_rows, 3).texts
    told = trainer.evaluate(3)
    assert told["eval/reward"] == told["eval/rewards/odd/mean"]
    assert told["eval/reward"] == mean([len(text.split()) for text in texts[::2]])
    trainer.collector.rewards = ([silent], [1.0])
    told = trainer.evaluate(3)
    assert math.isnan(told["eval/reward"]) and math.isnan(told["eval/rewards/silent/mean"])


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A reward model's adapter: likelihood under changed weights."""
    from peft import get_peft_model

    torch.manual_seed(7)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(BASE), lora())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    folder = tmp_path_factory.mktemp("judge") / "adapter"
    model.save_pretrained(folder)
    return folder


def test_a_reward_models_scale_is_that_of_judged_completions(tokenizer, tmp_path, judge):
    trainer = ppo(tokenizer, tmp_path, odd, reward=judge)
    rollout = trainer.roll_out(0)
    learned = rollout.parts["reward_model"]
    assert learned.isnan().tolist() == [False, True] * 4
    scale = [float(learned[::2].mean()), float(learned[::2].std())]
    assert trainer.memory["scale"] == pytest.approx(scale, rel=1e-5)
    told = objective(rollout, trainer.memory["kl_coef"])
    assert told["rewards/reward_model/mean"] == pytest.approx(scale[0], rel=1e-5)
    assert rollout.scores.isfinite().all() and not rollout.scores[1::2].any()


def test_a_scale_waits_for_the_first_verdicts(tokenizer, tmp_path, judge):
    trainer = ppo(tokenizer, tmp_path, silent, reward=judge)
    rollout = trainer.roll_out(0)
    assert "scale" not in trainer.memory and not rollout.scores.any()
    trainer.collector.rewards = ([words], [1.0])
    assert trainer.roll_out(1).scores.isfinite().all() and "scale" in trainer.memory


def state(trainer):
    """Digests of the roles, and the optimiser's moments."""
    moments = [moment.clone() for one in trainer.optimizer.state.values()
               for moment in one.values()]
    return [trainer.bank.digest(role) for role in trainer.bank.roles], moments


def same(one, other):
    return one[0] == other[0] and len(one[1]) == len(other[1]) and all(
        torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))


def test_a_step_without_any_verdict_moves_nothing_in_ppo(tokenizer, tmp_path, judge):
    """Neither weights nor what the optimiser remembers, though it has momentum and weight decay."""
    trainer = ppo(tokenizer, tmp_path, words, reward=judge, target_kl=0.01)
    trainer.train()
    before, kl_coef = state(trainer), trainer.memory["kl_coef"]
    assert before[1]
    trainer.collector.rewards = ([silent], [1.0])
    told = trainer.training_step(1)
    assert same(state(trainer), before) and trainer.memory["kl_coef"] == kl_coef
    assert all(math.isnan(told[key]) for key in (
        "objective/scores", "objective/kl", "completions/mean_length", "policy/entropy_avg",
        "val/error", "rewards/silent/mean", "rewards/reward_model/mean"))
    assert not any(key.startswith(("loss/", "grad_norm/")) for key in told)
    trainer.collector.rewards = ([words], [1.0])
    told = trainer.training_step(2)
    assert not same(state(trainer), before)
    assert all(math.isfinite(told[key]) for key in ("loss/policy_avg", "loss/value_avg"))


def test_a_minibatch_without_a_verdict_moves_nothing_among_others(tokenizer, tmp_path):
    trainer = ppo(tokenizer, tmp_path, odd, micro_batch_size=1)
    trainer.train()
    rollout = trainer.roll_out(1)
    silent_ones = [one for one in trainer.collector.batches(rollout) if one.rows % 2]
    before = state(trainer)
    assert len(silent_ones) == 4 and trainer.minibatch(rollout, silent_ones, "here") == {}
    assert same(state(trainer), before)


def test_whitening_and_means_of_an_empty_mask_are_numbers():
    values, nothing = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.zeros(2, 2)
    assert not losses.masked_whiten(values, nothing).any()
    assert losses.ppo_policy_loss(values, values, values, nothing) == 0
    assert losses.ppo_value_loss(values, values + 1, values, nothing) == 0


def test_processes_without_a_verdict_do_not_count_in_the_mean_of_all(tokenizer, tmp_path,
                                                                     monkeypatch):
    trainer = ppo(tokenizer, tmp_path, words)
    other = iter([torch.tensor([4.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 1.0])])
    monkeypatch.setattr(trainer.accelerator, "reduce", lambda value, how: value + next(other))
    told = trainer.everywhere({"one": math.nan, "two": math.nan, "three": 3.0})
    assert told["one"] == 4.0 and math.isnan(told["two"]) and told["three"] == 1.5


@pytest.fixture(scope="module")
def grpo(tmp_path_factory, tokenizer):
    """Makes TRL's GRPOTrainer with the course's own rewards, on rows with these answers."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from helpers import models

    course = Course.load(overrides={"rewards": {"exact_answer": 1.0, "length_penalty": 0.5}})

    def make(answers, **changes):
        torch.manual_seed(0)
        functions, weights = reward_functions(course)
        settings = {"num_generations": 4, "per_device_train_batch_size": 8,
                    "max_completion_length": 8, "reward_weights": weights, "learning_rate": 1e-2,
                    "shuffle_dataset": False, "max_grad_norm": 0.5, "beta": 0.0, "max_steps": 1,
                    "logging_steps": 1, "save_strategy": "no", "lr_scheduler_type": "constant",
                    "temperature": 1.0, "disable_tqdm": True, "loss_type": "dapo",
                    "scale_rewards": "group"}
        rows = Dataset.from_list([
            {"prompt": [{"role": "user", "content": row["prompt"]}], "answer": answer}
            for row, answer in zip(ROWS, answers, strict=False)])
        return GRPOTrainer(
            models.load_base(course), reward_funcs=functions, train_dataset=rows,
            args=GRPOConfig(**on_cpu(tmp_path_factory.mktemp("grpo")) | settings | changes),
            processing_class=models.load_tokenizer(course), peft_config=lora())

    return make


def trained_weights(trainer):
    return [weight.detach().clone() for weight in trainer.model.parameters()
            if weight.requires_grad]


def test_in_grpo_a_batch_without_any_verdict_moves_nothing(grpo):
    trainer = grpo(["many", "few"])
    before = trained_weights(trainer)
    trainer.train()
    logged = trainer.state.log_history[0]
    assert all(torch.equal(a, b) for a, b in zip(before, trained_weights(trainer), strict=True))
    assert logged["grad_norm"] == 0
    assert logged["rewards/exact_answer/mean"] is None and logged["reward"] is None


def test_in_grpo_a_group_without_a_verdict_has_advantage_zero_beside_one_with(grpo, monkeypatch):
    """The rows of the broken problem get none; those of the other are as if it were alone."""
    trainer = grpo(["many", "7"])
    seen = {}
    real = type(trainer)._generate_and_score_completions

    def watched(self, inputs):
        out = real(self, inputs)
        seen.update(out)
        return out

    def counted(completions, **columns):
        return [float(i % 4) for i in range(len(completions))]

    from helpers import rewards

    course = Course.load()
    trainer.reward_funcs[0] = rewards._judging("boxed", counted, course)
    trainer.reward_funcs[1] = rewards._judging("length_penalty", counted, course)
    monkeypatch.setattr(type(trainer), "_generate_and_score_completions", watched)
    trainer.train()
    advantages = seen["advantages"]
    assert not advantages[:4].any()
    alone = losses.group_advantages(1.5 * torch.arange(4.0)[None])[0]
    torch.testing.assert_close(advantages[4:], alone, rtol=1e-5, atol=1e-6)
    logged = trainer.state.log_history[0]
    assert logged["reward"] == pytest.approx(1.5 * 1.5)  # the mean of 0, 1.5, 3 and 4.5
    assert logged["grad_norm"] > 0


def test_of_a_problem_without_a_verdict_no_pair_is_made():
    row = {"id": "a", "prompt": "p", "question": "q", "answer": "many", "tokens": [3, 3],
           "completions": ["#### 1", "#### 2"], "truncated": [False, False]}
    rights = {"strict": [False, False], "lenient": [False, False]}
    with pytest.raises(pairs.PairError, match="no pairs"):
        pairs.make_pairs([row | rights], 2)


@pytest.mark.parametrize("gradient, moves", [(0.0, False), (1e-6, True)])
def test_no_gradient_moves_nothing_whatever_the_optimiser_remembers(gradient, moves):
    """As GRPO's trainer meets it: a step that learned, then one in which no group has a verdict."""
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, gradient)
    NoGradientNoStep().on_pre_optimizer_step(None, None, None, model=model)
    optimizer.step()
    same = [torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert all(same) is not moves
