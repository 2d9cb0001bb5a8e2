"""Every method in every precision trains float32 weights by finite steps; its arguments are the
course's settings, and a change or a misspelt one is seen."""

import gc

import pytest
import torch

from helpers import models
from helpers.config import ConfigError, Course
from helpers.prompts import lengths
from helpers.train.methods import DPO, GRPO, METHODS, PPO, REWARD, SFT
from helpers.train.settings import score_answers_only
from tests import methods


@pytest.fixture(autouse=True)
def few_objects():
    """A trainer collects garbage when it starts: over all that was imported, two seconds each."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32", "4bit"])
@pytest.mark.parametrize("name", methods.NAMES)
def test_every_trained_tensor_is_float32_and_a_step_moves_it(name, precision, tmp_path,
                                                             monkeypatch):
    course = methods.course_for(precision)
    methods.half_on_a_cpu(monkeypatch, course)
    seen = methods.two_steps(monkeypatch, name, course, tmp_path)
    methods.check(seen)
    assert methods.HALF.get(course.model.precision, torch.float32) in seen.frozen
    assert (torch.uint8 in seen.frozen) == (precision == "4bit")
    assert (seen.scaler is not None) == (course.model.precision == "float16")
    assert seen.scaler is None or (seen.scaler.is_enabled() and seen.scaler.asked >= 2)


def test_rows_for_memory_fill_the_limits():
    course = methods.course_for("float32", **methods.FULL)
    found = lengths(methods.long_problems(course), course, models.load_tokenizer(course))
    for asked, told in found:
        assert 240 <= asked <= course.lengths.prompt == 256 and 240 <= told <= 256


def test_float16_skips_a_step_that_overflows_and_a_resumed_run_knows_its_scale(tmp_path,
                                                                               monkeypatch):
    """A skipped step moves neither a weight nor the schedule; without the scale that was found a
    resumed run would overflow again."""
    course = methods.course_for("float16")
    methods.half_on_a_cpu(monkeypatch, course)

    def trainer():
        return methods.build("ppo", course, tmp_path, max_steps=3, lr_scheduler_type="linear",
                             minibatch_size=4, num_ppo_epochs=1, save_strategy="steps",
                             save_steps=1)

    def scale(one, to):
        one.accelerator.scaler.load_state_dict(
            one.accelerator.scaler.state_dict() | {"scale": to})

    first = trainer()
    before, rate = first.bank.digest("policy"), first.args.learning_rate
    scale(first, 2.0 ** 120)
    first.args.max_steps = 1
    first.train()
    assert first.bank.digest("policy") == before
    assert first.accelerator.scaler.get_scale() == 2.0 ** 119
    assert first.scheduler.get_last_lr()[0] == rate
    again = trainer()
    again.args.max_steps = 2
    again.train(resume_from_checkpoint=tmp_path / "checkpoint-1")
    assert again.accelerator.scaler.get_scale() == 2.0 ** 118
    scale(again, 256.0)
    again.args.max_steps = 3
    again.train()
    assert again.bank.digest("policy") != before
    assert again.scheduler.get_last_lr()[0] == pytest.approx(rate * 2 / 3)


EXPECTED = {  # what the cells of notebooks 03 to 07 give to their trainers, by the settings' names
    "sft": ("sft", {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size",
                    "per_device_eval_batch_size": "batch_size", "eval_steps": "save_steps",
                    "weight_decay": "weight_decay"},
            {"completion_only_loss": True, "max_length": None, "eval_on_start": True,
             "eval_strategy": "steps", "logging_first_step": True}),
    "reward": ("reward_model", {"num_train_epochs": "epochs", "weight_decay": "weight_decay",
                                "per_device_train_batch_size": "batch_size"},
               {"max_length": None, "center_rewards_coefficient": None}),
    "dpo": ("dpo", {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size",
                    "beta": "beta"}, {"max_length": None, "logging_first_step": True}),
    "ppo": ("ppo", {name: name for name in (
        "prompts_per_step", "num_ppo_epochs", "minibatch_size", "micro_batch_size", "kl_coef",
        "value_learning_rate", "value_warmup_steps", "reward_model_weight", "kl_estimator", "lam",
        "missing_eos_penalty", "target_kl", "gamma", "cliprange", "cliprange_value", "top_p",
        "temperature")},
            {"adam_epsilon": 1e-5, "max_prompt_length": 128, "max_completion_length": 104,
             "generation_batch_size": 256}),
    "grpo": ("grpo", {name: name for name in (
        "num_generations", "temperature", "epsilon", "epsilon_high", "beta", "loss_type",
        "importance_sampling_level", "scale_rewards", "mask_truncated_completions")},
             {"max_completion_length": 104, "shuffle_dataset": False, "use_vllm": False,
              "per_device_train_batch_size": 32, "gradient_accumulation_steps": 4,
              "reward_weights": [1.0]}),
    "rloo": ("rloo", {name: name for name in (
        "num_generations", "temperature", "mask_truncated_completions")},
             {"max_completion_length": 104, "shuffle_dataset": False, "num_iterations": 1,
              "beta": 0.0, "per_device_train_batch_size": 32, "gradient_accumulation_steps": 4,
              "reward_weights": [1.0]}),
    "rft": ("rft", {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size",
                    "weight_decay": "weight_decay"},
            {"completion_only_loss": True, "max_length": None, "logging_first_step": True}),
}
ALL = {name: name for name in ("learning_rate", "warmup_steps", "max_grad_norm", "logging_steps",
                               "save_steps")} | {"lr_scheduler_type": "lr_scheduler"}


@pytest.fixture(scope="module")
def course():
    return Course.load()


@pytest.mark.parametrize("name", methods.NAMES)
def test_arguments_are_the_settings_and_what_a_method_fixes(name, course, tmp_path):
    args = METHODS[name].arguments(course, tmp_path)
    section, settings, fixed = EXPECTED[name]
    for argument, setting in (ALL | settings).items():
        assert getattr(args, argument) == getattr(getattr(course, section), setting), argument
    for argument, value in fixed.items():
        assert getattr(args, argument) == value, argument
    assert args.max_steps == (getattr(course, section).max_steps or -1)
    assert args.output_dir == str(tmp_path) and args.save_total_limit == 2 and args.disable_tqdm
    if not torch.cuda.is_available():
        assert args.use_cpu and not (args.bf16 or args.fp16 or args.gradient_checkpointing)


def test_a_reward_head_has_a_rate_and_a_centre_of_its_own(course, tmp_path):
    kind = course.reward_model.model_copy(update={"kind": "head"})
    args = REWARD.arguments(course.model_copy(update={"reward_model": kind}), tmp_path)
    assert args.learning_rate == course.reward_model.head_learning_rate
    assert args.center_rewards_coefficient == course.reward_model.center_rewards_coefficient


def test_changes_win_and_the_table_says_so(course, tmp_path):
    args = SFT.arguments(course, tmp_path, learning_rate=0.5, save_total_limit=3)
    table = SFT.table(args).set_index("argument")
    assert args.learning_rate == 0.5 and args.save_total_limit == 3
    assert table.loc["learning_rate"].tolist() == [0.5, "here"]
    assert table.loc["save_total_limit"].tolist() == [3, "here"]
    assert table.loc["lr_scheduler_type"].tolist() == ["cosine", "sft.lr_scheduler"]
    assert table.loc["num_train_epochs"].tolist() == [1, "sft.epochs"]
    assert table.loc["max_length"].tolist() == [None, "method"]
    assert table.loc["bf16", "set by"] == "device"
    assert "seed" not in table.index and "use_cpu" not in table.index


def test_the_table_names_settings_of_other_sections(course, tmp_path):
    table = GRPO.table(GRPO.arguments(course, tmp_path)).set_index("argument")
    assert table.loc["max_completion_length"].tolist() == [104, "lengths.completion"]
    assert table.loc["learning_rate", "set by"] == "grpo.learning_rate"
    assert "here" not in set(table["set by"])


def test_a_table_beside_a_trainer_does_it_no_harm(tmp_path):
    """Making arguments resets accelerate's state, which a trainer that is there still needs."""
    trainer = methods.build("ppo", methods.course_for("float32"), tmp_path)
    assert len(PPO.table(trainer.args)) > 20
    assert trainer.accelerator.num_processes == 1


def test_a_change_may_be_made_afterwards_too(course, tmp_path):
    args = DPO.arguments(course, tmp_path)
    args.beta = 0.7
    assert DPO.table(args).set_index("argument").loc["beta"].tolist() == [0.7, "here"]


@pytest.mark.parametrize("name", methods.NAMES)
def test_an_unknown_argument_is_one_line_with_the_nearest(name, course, tmp_path):
    with pytest.raises(ConfigError, match=r"argument 'learning_rat' does not exist; did you mean "
                                          r"'learning_rate'\?") as caught:
        METHODS[name].arguments(course, tmp_path, learning_rat=1.0)
    assert "\n" not in str(caught.value) and METHODS[name].name in str(caught.value)


def test_every_setting_of_ppo_reaches_its_arguments(course, tmp_path):
    table = PPO.table(PPO.arguments(course, tmp_path))
    told = set(table["set by"]) - {"method", "device"}
    sizes = {"ppo.r", "ppo.alpha"}  # of the adapter, not of the training
    assert {f"ppo.{name}" for name in type(course.ppo).model_fields} - sizes <= told


def test_the_loss_of_answers_needs_no_prompt(monkeypatch):
    """TRL's chunked loss on a processor with all positions and with those that count: the same
    loss, log-probabilities and gradients; its products get the answers' rows only."""
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    course = methods.course_for("float32")
    model = models.load_base(course, full=True)
    utils.add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    torch.manual_seed(0)
    ids = torch.randint(5, 300, (3, 20))
    labels = ids.clone()
    labels[:, :14] = -100
    labels[1, 18:] = -100
    real, rows = utils._ChunkedLogProbFunction.apply, []

    def apply(hidden, *more):
        rows.append(len(hidden))
        return real(hidden, *more)

    monkeypatch.setattr(utils._ChunkedLogProbFunction, "apply", apply)

    def one():
        model.zero_grad()
        found = model(input_ids=ids, labels=labels, fused_lm_head=True)
        (found.loss + found.entropy.sum()).backward()
        return found.loss, found.log_probs, found.entropy, *(p.grad for p in model.parameters())

    monkeypatch.setattr(utils, "_use_triton", chunked_logprob._use_triton)
    before = one()
    score_answers_only()
    after = one()
    assert rows == [3 * 19, 6 + 4 + 6]
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
