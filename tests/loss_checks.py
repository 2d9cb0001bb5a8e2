"""What the tests of the losses share: exact comparison, the module with known mistakes in it, a
toy policy whose completions can all be listed, and a tiny model for TRL's trainers.

A check is a function `check_…` of the module under test, so that it can be run on a mutant as well;
a second parameter is the name of a fixture that it needs.
"""

import importlib
import inspect
import sys
from types import SimpleNamespace

import torch

from helpers import losses

OK = SimpleNamespace(**{name: value for name, value in vars(losses).items() if callable(value)})
NOISE = 77.0  # on padding, where it would be noticed


def exact(values):
    """A tensor in double precision, so that hand-computed values agree to the last digits."""
    return torch.tensor(values, dtype=torch.float64)


def close(a, b, atol=1e-12):
    torch.testing.assert_close(a, torch.as_tensor(b, dtype=a.dtype), rtol=0, atol=atol)


def with_changes(package="helpers.losses", **changes):
    """A fresh copy of a module or package with some functions replaced, also where they call each
    other, in whatever module of it."""
    above, _, own = package.rpartition(".")
    kept = {name: sys.modules.pop(name) for name in list(sys.modules)
            if name == package or name.startswith(f"{package}.")}
    try:
        copy = importlib.import_module(package)
        modules = [sys.modules[name] for name in kept]
    finally:  # the real ones are what everyone else imports
        for name in kept:
            sys.modules.pop(name, None)
        sys.modules.update(kept)
        setattr(sys.modules[above], own, kept[package])
    for name, function in changes.items():
        assert hasattr(copy, name), f"{package} has no {name} to replace"
        for module in modules:
            if hasattr(module, name):
                setattr(module, name, function)
    return copy


def checks_in(namespace):
    """{"gae by hand": check_gae_by_hand, …}, all checks of a test module."""
    return {name.removeprefix("check_").replace("_", " "): check
            for name, check in namespace.items() if name.startswith("check_")}


def run_check(check, under_test, request):
    fixtures = [name for name, parameter in inspect.signature(check).parameters.items()
                if parameter.default is inspect.Parameter.empty][1:]
    check(under_test, *map(request.getfixturevalue, fixtures))


def caught_by(mutants):
    """(mutant, check) for every pair in a table of mutants."""
    return [(name, check) for name, (_, checks) in mutants.items() for check in checks.split(", ")]


def flat_gradient(value, parameters):
    """The gradients of a scalar with respect to all parameters, as one vector."""
    gradients = torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


def mask_of(lengths, width=6):
    return (torch.arange(width) < torch.tensor(lengths).unsqueeze(1)).double()


# Three tokens, the first of which ends the text, at most three of them: all fifteen completions
# can be listed with their exact probabilities.

IDS = torch.tensor([[0, 0, 0], *([a, 0, 0] for a in (1, 2)),
                    *([a, b, c] for a in (1, 2) for b in (1, 2) for c in (0, 1, 2))])
MASK = mask_of([1, 2, 2] + [3] * 12, width=3)


def table(seed, *last):
    """Random numbers for every prefix: of no token, of one and of two."""
    torch.manual_seed(seed)
    return [torch.randn((3,) * n + last).double().requires_grad_() for n in range(3)]


def at_prefixes(table):
    """(15, 3, ...): the entry of the table for the tokens before each position."""
    first, second, third = table
    return torch.stack([first.expand(15, *first.shape), second[IDS[:, 0]],
                        third[IDS[:, 0], IDS[:, 1]]], dim=1)  # fmt: skip


def toy_logp(policy):
    """(15, 3): log-probabilities of the tokens of all completions, padding included."""
    return losses.token_logprobs(at_prefixes(policy), IDS)


def expected(values, logp):
    """Exact expectation of one number a completion, (15,)."""
    return ((logp * MASK).sum(1).exp() * values).sum()


def forecasts(logp, scores, cost):
    """(15, 3): before each real token, the exact expectation of the score minus the cost of the
    tokens to come, cost (15, 3); 0 on padding."""
    to_come = scores.unsqueeze(1) - (cost * MASK).flip(1).cumsum(1).flip(1)
    chance, found = (logp * MASK).sum(1).exp(), torch.zeros_like(cost)
    for row, t in MASK.nonzero().tolist():
        same = (IDS[:, :t] == IDS[row, :t]).all(1) & (MASK[:, t] == 1)
        found[row, t] = (chance * to_come[:, t])[same].sum() / chance[same].sum()
    return found


def check_policy_gradient(under_test, kl=OK.kl_k1, tolerance=1e-12):
    """The gradient of E[score - coefficient * KL], exactly: at lambda 1 with any critic, with the
    true values at any lambda. The loss is a mean over tokens, so it is weighted by their number."""
    policy, reference = table(0, 3), toy_logp(table(1, 3)).detach()
    scores, coefficient = 3 * torch.randn(15).double(), 0.3
    logp = toy_logp(policy)
    close(expected(torch.ones(15), logp).detach(), 1.0)  # all completions are listed
    divergence = ((logp - reference) * MASK).sum(1)
    truth = flat_gradient(expected(scores - coefficient * divergence, logp), policy)
    assert truth.norm() > 0.3
    sampled = logp.detach()
    true_values = forecasts(sampled, scores, coefficient * (sampled - reference))
    noise = NOISE * (1 - MASK)
    for values, lams in [(at_prefixes(table(2)), [1.0]), (at_prefixes(table(3)), [1.0]),
                         (true_values, [1.0, 0.95, 0.5, 0.0])]:
        for lam in lams:
            total = 0.0
            for i in range(15):
                row = slice(i, i + 1)
                rewards = under_test.token_rewards(
                    scores[row], sampled[row], reference[row], MASK[row], coefficient, kl)
                advantages, _ = under_test.gae(
                    rewards, (values.detach() + noise)[row], MASK[row], 1.0, lam)
                loss = under_test.ppo_policy_loss(logp[row], sampled[row], advantages, MASK[row])
                chance = (sampled * MASK)[i].sum().exp()
                total = total - chance * loss * MASK[row].sum()
            close(flat_gradient(total, policy), truth, tolerance)


# For TRL's trainers


def random_batch(seed):
    """(B, T) = (8, 6) log-probabilities of policy, writer and reference, a mask of uneven lengths,
    and advantages (8,)."""
    generator = torch.Generator().manual_seed(seed)

    def noise(scale):
        return torch.randn(8, 6, generator=generator) * scale

    old = -noise(1.0).abs()
    lengths = torch.randint(1, 7, (8, 1), generator=generator)
    mask = (torch.arange(6) < lengths).float()
    advantages = torch.randn(8, generator=generator)
    return old + noise(0.3), old, old + noise(0.5), mask, advantages


def trl_trainer(kind, folder, **settings):
    """TRL's GRPOTrainer or RLOOTrainer on a one-layer random model; only its loss and advantages
    are used."""
    import trl
    from datasets import Dataset

    config = getattr(trl, f"{kind}Config")(
        **on_cpu(folder), num_generations=4, per_device_train_batch_size=8,
        max_completion_length=6, **{"beta": 0.0, **settings})
    return getattr(trl, f"{kind}Trainer")(
        tiny_model("Qwen2ForCausalLM"), reward_funcs=lambda completions, **_: [0.0] * 8,
        args=config, processing_class=tiny_tokenizer(),
        train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}))


def trl_loss(trainer, logp, old, ref, mask, advantages, use_bias_correction_kl=True, **settings):
    """The loss of TRL's GRPOTrainer on given tensors; settings: loss_type, epsilon_low, …"""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    for name, value in settings.items():
        assert hasattr(trainer, name), name
        setattr(trainer, name, value)
    trainer.args.use_bias_correction_kl = use_bias_correction_kl
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (logp, torch.zeros(8, 6), None)
    ids = torch.ones(8, 6, dtype=torch.long)
    return trainer.compute_loss(trainer.model, {
        "prompt_ids": ids[:, :1], "prompt_mask": ids[:, :1], "completion_ids": ids,
        "completion_mask": mask, "advantages": advantages, "old_per_token_logps": old,
        "ref_per_token_logps": ref, "num_items_in_batch": mask.sum()})


def trl_advantages(trainer, rewards):
    """What a TRL trainer makes of rewards (2, 4), NaN for None: (8,)."""
    trainer.beta = 0.0
    trainer._calculate_rewards = lambda *_: rewards.reshape(8, 1)
    trainer.model.train()
    trainer.__dict__.pop("_get_per_token_logps_and_entropies", None)
    rows = [{"prompt": prompt} for prompt in "ab" for _ in range(4)]
    return trainer._generate_and_score_completions(rows)["advantages"]


def same_as_trl(ours, theirs, our_input, their_input, atol=1e-6):
    """Value and gradient; returns the larger difference."""
    close(ours.detach(), theirs.detach(), atol=atol)
    (their_gradient,) = torch.autograd.grad(theirs, their_input)
    (our_gradient,) = torch.autograd.grad(ours, our_input)
    assert their_gradient.abs().max() > 1e-3
    close(our_gradient, their_gradient, atol=atol)
    return max(float((ours - theirs).detach().abs()),
               float((our_gradient - their_gradient).abs().max()))


def tiny_tokenizer():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "a": 2, "b": 3}, unk_token="a"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")


def tiny_model(kind, seed=0, **settings):
    """A one-layer random model, of a class of transformers with this name."""
    import transformers

    torch.manual_seed(seed)
    return getattr(transformers, kind)(transformers.Qwen2Config(**{
        "vocab_size": 4, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "pad_token_id": 0, "eos_token_id": 1,
        **settings}))


def on_cpu(folder):
    """What every configuration of TRL needs here."""
    return {"output_dir": str(folder), "use_cpu": True, "bf16": False, "report_to": "none",
            "gradient_checkpointing": False, "dataloader_pin_memory": False}
