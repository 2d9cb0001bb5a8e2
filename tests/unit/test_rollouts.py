"""What is recorded of the answers while a run learns, and that the run does not notice."""

import json
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model

from helpers import models, rewards
from helpers.artifacts import Stage
from helpers.config import ROOT, Course
from helpers.data.problem import Problem
from helpers.losses import group_advantages
from helpers.track import Track
from helpers.train import rollouts
from helpers.train.ppo import AdapterBank, PPOConfig, PPOTrainer
from helpers.train.rollouts import RolloutRecorder, answered, pieces

PROBLEMS = [Problem("Tom has 3 eggs and gets 4 more. How many eggs does he have now?", "", "7",
                    "gsm8k", "one"),
            Problem("A bus has 9 seats. 2 are taken. How many are free?", "", "7", "gsm8k", "two")]
LORA = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
ARGS = SimpleNamespace(world_size=1, temperature=1.0, top_p=1.0)


@pytest.fixture(scope="module")
def course():
    return Course.load(overrides={"lengths": {"completion": 24}})


@pytest.fixture(scope="module")
def tokenizer(course):
    return models.load_tokenizer(course)


@pytest.fixture
def model(course):
    torch.manual_seed(0)
    return get_peft_model(models.load_model(ROOT / "data" / "tiny" / "base", course), LORA)


def moved(model):
    """The same with an adapter that says something else."""
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight.data, std=0.1)
    return model


def state(step, most=4):
    return SimpleNamespace(global_step=step, max_steps=most, is_world_process_zero=True)


def test_an_untrained_adapter_says_what_the_reference_says(course, tokenizer, model):
    for row in answered(model, tokenizer, Track(course), PROBLEMS, 3):
        assert [one["logp"] == one["ref_logp"] for one in row["answers"]] == [True] * 3


def test_each_token_has_its_piece_and_both_log_probabilities(course, tokenizer, model):
    track = Track(course)
    rows = answered(moved(model), tokenizer, track, PROBLEMS, 3)
    assert [row["problem"]["id"] for row in rows] == ["one", "two"]
    known = 0
    for row, problem in zip(rows, PROBLEMS, strict=True):
        prompt = tokenizer(track.text(tokenizer, problem), add_special_tokens=False)["input_ids"]
        for one in row["answers"]:
            assert len(one["pieces"]) == len(one["logp"]) == len(one["ref_logp"])
            assert "".join(one["pieces"]) == one["text"]
            assert one["strict"] == track.grade(problem, one["text"], "strict", one["truncated"])
            ids = tokenizer(one["text"], add_special_tokens=False)["input_ids"]
            if tokenizer.decode(ids) != one["text"] or len(ids) > len(one["logp"]):
                continue
            with torch.no_grad():
                logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1:-1]
            direct = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0]
            if len(ids) in (len(one["logp"]), len(one["logp"]) - 1):
                assert one["logp"][:len(ids)] == pytest.approx(direct.tolist(), abs=2e-3)
                known += 1
    assert known, "one answer at least could be computed again"
    assert any(one["logp"] != one["ref_logp"] for row in rows for one in row["answers"])


def test_advantages_are_those_of_the_group(course, tokenizer, model, monkeypatch):
    paid = iter([[1.0, 0.0, None], [0.0, 0.0, 1.0]])
    monkeypatch.setattr(rollouts.rewards, "weighted_sum", lambda *_, **__: (
        (totals := next(paid)), {"exact_answer": totals}))
    rows = answered(model, tokenizer, Track(course), PROBLEMS, 3)
    nan = float("nan")
    wanted = group_advantages(torch.tensor([[1.0, 0.0, nan], [0.0, 0.0, 1.0]]),
                              course.grpo.scale_rewards)
    found = [[one["advantage"] for one in row["answers"]] for row in rows]
    assert found[0][2] is None and rows[0]["answers"][2]["reward"] is None
    assert found[0][:2] == pytest.approx(wanted[0, :2].tolist(), abs=1e-4)
    assert found[1] == pytest.approx(wanted[1].tolist(), abs=1e-4)


@pytest.fixture
def ppo(course, tokenizer, tmp_path):
    """A PPO trainer with a critic that says something, and a score from the course's rewards."""
    torch.manual_seed(0)
    bank = moved(AdapterBank(models.load_model(ROOT / "data" / "tiny" / "base", course), LORA))
    torch.nn.init.normal_(bank.heads["value"].weight.data, std=0.05)
    track = Track(course)
    args = PPOConfig(max_steps=2, prompts_per_step=2, minibatch_size=2, micro_batch_size=2,
                     max_completion_length=24, kl_coef=0.3, gamma=0.9, lam=0.8, use_cpu=True,
                     bf16=False, report_to="none", disable_tqdm=True, output_dir=str(tmp_path),
                     save_strategy="no", lr_scheduler_type="constant")
    rows = [track.row(tokenizer, one) for one in PROBLEMS]
    functions, weights = rewards.reward_functions(course)
    return PPOTrainer(bank, args, rows, tokenizer, functions, weights)


def test_ppo_is_recorded_with_what_its_critic_says_of_each_token(course, tokenizer, ppo):
    track = Track(course)
    [row] = answered(ppo.bank, tokenizer, track, PROBLEMS[:1], 2)
    ids = tokenizer(track.text(tokenizer, PROBLEMS[0]), add_special_tokens=False)["input_ids"]
    for one in row["answers"]:
        assert one["advantage"] is one["rewards"] is one["advantages"] is None, "nobody is followed"
        assert len(one["values"]) == len(one["logp"])
        said = tokenizer(one["text"], add_special_tokens=False)["input_ids"]
        places = torch.arange(len(ids) - 1, len(ids) - 1 + len(said))[None]
        with torch.no_grad(), ppo.bank.role("value"):
            direct = ppo.bank.numbers("value", torch.tensor([ids + said]), places)[0]
        if len(said) in (len(one["logp"]), len(one["logp"]) - 1):
            assert one["values"][:len(said)] == pytest.approx(direct.tolist(), abs=2e-3)
    assert any(one["logp"] != one["ref_logp"] for one in row["answers"])
    assert ppo.bank.model.active_adapters == ["policy"]


def test_a_token_is_paid_as_the_trainer_that_is_followed_pays_it(course, tokenizer, ppo):
    """Part 3 and 4 of PPO, token by token: the score less the price of KL, and GAE, by loops."""
    ppo.collector.rewards = ([lambda completions, **_: [1.0, 2.0, 4.0]], [0.5])
    [row] = answered(ppo.bank, tokenizer, Track(course), PROBLEMS[:1], 3, trainer=ppo)
    for one, score in zip(row["answers"], (0.5, 1.0, 2.0), strict=True):
        assert one["advantage"] is None
        paid = [-0.3 * (mine - other) for mine, other in
                zip(one["logp"], one["ref_logp"], strict=True)]
        paid[-1] += score
        assert one["rewards"] == pytest.approx(paid, abs=2e-3)
        following, later = 0.0, 0.0
        for at in reversed(range(len(paid))):
            delta = one["rewards"][at] + 0.9 * later - one["values"][at]
            following, later = delta + 0.9 * 0.8 * following, one["values"][at]
            assert one["advantages"][at] == pytest.approx(following, abs=5e-3 * len(paid))


def test_without_a_verdict_or_a_scale_no_token_is_paid(course, tokenizer, ppo):
    def row():
        [found] = answered(ppo.bank, tokenizer, Track(course), PROBLEMS[:1], 2, trainer=ppo)
        return [one["rewards"] for one in found["answers"]]

    assert None not in row()
    ppo.collector.rewards = ([lambda completions, **_: [None] * len(completions)], [1.0])
    assert row() == [None, None], "no verdict"
    ppo.collector.bank.roles = ("policy", "value", "reference", "reward")
    assert not ppo.collector.has_scale and row() == [None, None] and "scale" not in ppo.memory
    ppo.memory["scale"] = [0.0, 1.0]
    assert ppo.collector.has_scale


def test_a_followed_run_learns_what_it_would_have_learned(course, tokenizer, ppo):
    stage = Stage.begin(course, "ppo")
    recorder = RolloutRecorder(stage, PROBLEMS[:1], every=1, answers=2)
    recorder.follow(ppo)
    start = {name: weight.clone() for name, weight in ppo.bank.trained().items()}

    def learned(*callbacks):
        for name, weight in ppo.bank.trained().items():
            weight.copy_(start[name])
        again = PPOTrainer(ppo.bank, ppo.args, ppo.train_rows, tokenizer, *ppo.collector.rewards,
                           callbacks=callbacks)
        recorder.follow(again)
        again.train()
        return {name: weight.clone() for name, weight in ppo.bank.trained().items()}

    alone, watched = learned(), learned(recorder)
    assert all(torch.equal(alone[name], watched[name]) for name in alone)
    assert any(not torch.equal(alone[name], start[name]) for name in alone)
    lines = recorder.file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2]


def test_a_run_draws_what_it_would_have_drawn(course, tokenizer, model):
    stage = Stage.begin(course, "grpo")
    recorder = RolloutRecorder(stage, PROBLEMS, every=2, answers=2)
    model.train()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    recorder.on_train_begin(ARGS, state(0), None, model, tokenizer)
    assert torch.equal(torch.get_rng_state(), before) and model.training
    assert not any(one.grad is not None for one in model.parameters())


def test_steps_are_recorded_when_due_and_a_resume_keeps_those_before(course, tokenizer, model):
    stage = Stage.begin(course, "grpo")
    recorder = RolloutRecorder(stage, PROBLEMS[:1], every=2, answers=2)

    def steps():
        lines = (stage.path / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["step"] for line in lines]

    recorder.on_train_begin(ARGS, state(0, 5), None, model, tokenizer)
    for step in range(1, 6):
        recorder.on_step_end(ARGS, state(step, 5), None, model, tokenizer)
    assert steps() == [0, 2, 4, 5]
    with recorder.file.open("a", encoding="utf-8") as file:
        file.write('{"step": 6, "pro')  # a stop cut it in half
    recorder.on_train_begin(ARGS, state(3, 5), None, model, tokenizer)
    assert steps() == [0, 2]
    several = SimpleNamespace(**{**vars(ARGS), "world_size": 2})
    recorder.on_step_end(several, state(4, 5), None, model, tokenizer)
    assert steps() == [0, 2], "not of several processes"
    recorder.on_train_begin(ARGS, state(0, 5), None, model, tokenizer)
    assert steps() == [0], "a run that begins anew has a record of its own"


def test_a_character_of_several_tokens_stands_with_its_last_one(tokenizer):
    ids = tokenizer("7 € 🙂\n", add_special_tokens=False)["input_ids"]
    found = pieces(tokenizer, ids)
    assert "".join(found) == "7 € 🙂\n" and len(found) == len(ids)
    assert not any("\ufffd" in piece for piece in found)
