"""The benchmark of PPO compares like with like (TRL 1.9.0 itself is not needed here)."""

import pytest
import torch
from packaging.requirements import Requirement
from torch import nn

from helpers import models, sampling
from helpers.config import ROOT, Course
from helpers.train.ppo import AdapterBank
from tests.benchmarks import gauges, ppo, ppo_worker
from tests.benchmarks.ppo_worker import Work


@pytest.fixture(scope="module")
def course():
    return Course.load()


@pytest.fixture
def unpatched(monkeypatch):
    """What a measurement wraps is put back."""
    for owner, names in [(sampling, ["generate", "decode"]),
                         (AdapterBank, ["logprobs", "numbers"]),
                         (torch.nn.utils, ["clip_grad_norm_"])]:
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))


def run_of(side="ours", seconds=(2.0, 2.0), **changes):
    return {"side": side, "batch": 8, "minibatch": 4, "epochs": 2, "completion": 9, "steps": 3,
            "seed": 0, "completions": 32, "tokens": 64, "prompts": "a", "dtypes": ["float32"],
            "threads": 1, "seconds": list(seconds), "cpu_seconds": [s / 2 for s in seconds],
            "weight_bytes": 100,
            "sampling_bytes": 150, "optimizer_bytes": 50, "peak_bytes": 1000, "grown_bytes": 500,
            "kinds": {"looks": sum(seconds) / 4, "rest": sum(seconds) * 3 / 4}} | changes


def test_both_sides_get_the_same_settings(course, tmp_path):
    work = Work.of(course, "ours")
    assert (work.batch, work.minibatch) == (course.ppo.prompts_per_step, course.ppo.minibatch_size)
    mine = ppo_worker.ours_config(work, course, str(tmp_path))
    theirs = ppo_worker.trl_settings(work, course, str(tmp_path))
    assert mine.prompts_per_step * mine.max_steps == theirs["total_episodes"]
    assert mine.prompts_per_step == (theirs["per_device_train_batch_size"]
                                     * theirs["gradient_accumulation_steps"])
    assert mine.prompts_per_step // mine.minibatch_size == theirs["num_mini_batches"]
    assert mine.max_completion_length == theirs["response_length"]
    for name in ("num_ppo_epochs", "temperature", "learning_rate", "kl_coef", "kl_estimator",
                 "gamma", "lam", "cliprange", "cliprange_value", "bf16", "use_cpu", "seed"):
        assert getattr(mine, name) == theirs[name], name


def test_a_smaller_batch_keeps_the_number_of_minibatches(course):
    whole, small = Work.of(course, "ours"), Work.of(course, "trl", batch=32)
    assert whole.batch // whole.minibatch == small.batch // small.minibatch
    assert small.micro <= small.minibatch


def test_every_prompt_fits_and_stands_once(course):
    tokenizer = models.load_tokenizer(course)
    texts = ppo_worker.prompts(Work.of(course, "ours"), course, tokenizer)
    assert len(set(texts)) == len(texts) == course.ppo.prompts_per_step
    assert max(len(tokenizer(text)["input_ids"]) for text in texts) <= course.lengths.prompt


def test_a_measurement_of_ours_counts_what_was_done(course, unpatched):
    work = Work.of(course, "ours", batch=4, completion=5, steps=2)
    found = ppo_worker.measure(work, course)
    assert found["completions"] == work.batch * (work.steps + 1)
    assert 0 < found["tokens"] <= work.completion * found["completions"]
    tokenizer = models.load_tokenizer(course)
    same = gauges.Texts([])
    same.prompts = {tuple(tokenizer(text)["input_ids"])
                    for text in ppo_worker.prompts(work, course, tokenizer)}
    assert found["prompts"] == same.report()["prompts"]
    # By hand: every linear layer (in, out) of width 128 gets r * (in + out) weights a role.
    base = models.load_base(course)
    layers = [m for n, m in base.named_modules() if isinstance(m, nn.Linear) and n != "lm_head"]
    lora = sum(course.ppo.r * (m.in_features + m.out_features) for m in layers)
    reward = sum(course.lora.r * (m.in_features + m.out_features) for m in layers)
    assert course.ppo.r == course.lora.r  # else the value's adapter has the reward's rank
    held = sum(p.numel() for p in base.parameters()) + 2 * lora + reward + 2 * 128
    buffers = sum(b.nbytes for b in base.buffers())
    assert found["weight_bytes"] == 4 * held + buffers
    assert found["trained_bytes"] == 4 * (2 * lora + 128)
    assert found["optimizer_bytes"] == 2 * found["trained_bytes"]
    # On a processor the policy samples merged, and the adapted layers are kept to be put back.
    kept = 4 * sum(layer.weight.numel() for layer in layers)
    assert found["sampling_bytes"] == pytest.approx(found["weight_bytes"] + kept, rel=1e-2)
    assert len(found["seconds"]) == len(found["cpu_seconds"]) == work.steps
    assert sum(found["kinds"].values()) == pytest.approx(sum(found["seconds"]))
    assert {"sampling", "looks", "policy forward", "policy backward", "value forward",
            "value backward", "optimiser", "rest"} == set(found["kinds"])
    assert all(seconds > 0 for seconds in found["kinds"].values())


def test_texts_are_counted_up_to_their_end_on_both_sides():
    texts = gauges.Texts([9])
    ours = type("Ours", (), {"decode": lambda *_: [[1, 9, 0], [2, 3, 4]]})
    theirs = type("Theirs", (), {"generate": lambda *_, **__: torch.tensor(
        [[0, 5, 1, 9, 9], [5, 6, 2, 3, 4]])})
    texts.watch(ours, "decode", gauges.of_decode)
    ours.decode(None, None, [[5], [5, 6]], 1, None)
    texts.watch(theirs, "generate", gauges.of_generate)
    theirs.generate(None, input_ids=torch.tensor([[0, 5], [5, 6]]),
                    attention_mask=torch.tensor([[0, 1], [1, 1]]))
    assert texts.report()["completions"] == 4 and texts.tokens == 2 * (2 + 3)
    assert texts.prompts == {(5,), (5, 6)}


def test_the_clock_counts_inner_calls_once():
    clock = gauges.Clock()
    now = iter([0.0, 1.0, 4.0, 6.0])
    holder = type("Holder", (), {})()
    holder.inner, holder.outer = (lambda: None), (lambda: holder.inner())
    clock.time(holder, "inner", lambda: "inner")
    clock.time(holder, "outer", lambda: "outer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gauges.time, "perf_counter", lambda: next(now))
        holder.outer()
    assert clock.kinds == {"inner": 3.0, "outer": 3.0}


def test_tied_weights_count_once():
    one = nn.Linear(3, 2, bias=False)
    assert gauges.size([one.weight, one.weight.data, torch.zeros(5)]) == 4 * (6 + 5)


def test_the_warm_up_and_waiting_do_not_count():
    now = [0.0]

    def wait():
        now[0] += 100.0

    clock = gauges.Clock(wait)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("perf_counter", "process_time"):
            patch.setattr(gauges.time, name, lambda: now[0])
        clock.on_train_begin(None, None, None)
        for seconds in (50.0, 1.0, 2.0):
            clock.kinds["looks"] += seconds / 2
            now[0] += seconds
            clock.on_step_end(None, None, None)
    assert clock.report() == {"seconds": [1.0, 2.0], "cpu_seconds": [1.0, 2.0],
                              "kinds": {"looks": 1.5, "rest": 1.5}}


def test_ratios_are_taken_turn_by_turn():
    found = {"ours": run_of(seconds=(1.0, 10.0, 1.0)),
             "trl": run_of("trl", (2.0, 30.0, 4.0), weight_bytes=400)}
    row = ppo.compare(found)["trl"]
    assert row["ours_to_this"]["weight"] == 0.25
    assert row["ours_to_this"]["with_optimizer"] == pytest.approx(150 / 450)
    assert row["ours_to_this"]["samples_per_second"] == pytest.approx(3.0)  # of 2, 3 and 4
    assert row["samples_per_second"] == pytest.approx(8 / 4.0)


@pytest.mark.parametrize("key, value", [("prompts", "b"), ("completions", 31), ("threads", 2),
                                        ("dtypes", ["bfloat16"]), ("epochs", 1)])
def test_other_work_is_no_comparison(key, value):
    with pytest.raises(SystemExit, match=key):
        ppo.check([run_of(), run_of("trl", **{key: value})])


def test_the_report_names_what_bounds_ours():
    profile = {"policy forward": 0.3, "value backward": 0.2, "sampling": 0.3, "looks": 0.2}
    assert "learning" in ppo.bound(profile) and "50%" in ppo.bound(profile)
    assert "2.0 times" in ppo.bound(profile)
    found = {"ours": run_of(), "trl": run_of("trl", (4.0, 4.0))}
    text = ppo.report(1, ppo.compare(found), {s: ppo.shares(one) for s, one in found.items()})
    assert "samples a second 2.00" in text and "1 thread " in text


def test_what_is_measured_is_what_is_pinned():
    text = (ROOT / "tests" / "benchmarks" / "requirements.txt").read_text(encoding="utf-8")
    (pin,) = [line for line in text.splitlines() if line and line[0] != "#"]
    assert (Requirement(pin).name, str(Requirement(pin).specifier)) == ("trl", f"=={ppo.VERSION}")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"{ppo.TRL.name}/ready" in makefile and "tests.benchmarks.ppo" in makefile
