"""One way to sample: Hugging Face's generate, or vLLM where it is installed.

Prompts go in as texts and come back as completions, batch by batch; what happens from token to
token is in `decoding`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import groupby, islice
from math import gcd
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from helpers import branching, decoding, engines, graphs, memory, models
from helpers.config import Course
from helpers.decoding import StopText
from helpers.engines import Completion, VLLMModel, cut, end_ids
from helpers.model_size import shape
from helpers.passes import ANSWERS, answers_at_once

SHARING = 4  # answers of one prompt to a row that the model reads, roughly; 8 take longer
PLAIN = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "num_beams": 1,
         "no_repeat_ngram_size": 0, "min_new_tokens": 0, "suppress_tokens": ()}  # change no score


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of at most `size`, prompts of like length together (longest first, so
    that memory runs out at once or not at all)."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    for start in range(0, len(order), size):
        yield order[start:start + size]


@torch.no_grad()
def generate(
    model, tokenizer, prompts: Sequence[str], n: int = 1, temperature: float = 1.0,
    top_p: float = 1.0, max_new_tokens: int = 256, seed: int = 0, batch_size: int | None = ANSWERS,
    greedy: bool = False, stop_text: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[Completion]]:
    """n completions for every prompt, in the order of the prompts.

    `prompts` are texts as the model reads them (see `prompts.chat_text`). `batch_size` counts
    completions; the n of one prompt stay together. None takes as many as a GPU has room for, and
    where it has less than that, they are halved; how they are batched changes which random numbers
    a prompt gets, not what they are drawn from. An answer ends at an end token or at `stop_text`,
    where its text is cut. The same seed and batches give the same texts, and the global random
    state is left as it was. `progress(done, total)` is called after every batch. On a processor
    several answers to a prompt are read as branches of a tree (`branching`).
    """
    if greedy and n != 1:
        raise ValueError(f"greedy decoding gives one answer, n = {n} would be {n} equal ones")
    if not greedy:
        _check(temperature, top_p)
    if isinstance(model, VLLMModel):
        return model.complete(prompts, n, temperature, top_p, max_new_tokens, seed, greedy,
                              stop_text)
    if n > 1 and model.device.type == "cpu":
        [found] = generate_each(
            model, tokenizer, prompts, [(temperature, top_p)], n, max_new_tokens, seed,
            max(1, (batch_size or ANSWERS) // SHARING), stop_text, progress)
        return found
    config = _generation_config(tokenizer, temperature, top_p, max_new_tokens, greedy)
    encoded = _encoded(tokenizer, prompts)
    results: list[list[Completion]] = [[] for _ in prompts]
    was_training = model.training
    model.eval()
    devices = [model.device] if model.device.type == "cuda" else []
    size = max(1, at_once(model, encoded, n, max_new_tokens, batch_size) // n)
    done = 0

    def write(batch: Sequence[int]) -> list[list[int]]:
        return decode(model, tokenizer, [encoded[at] for at in batch], n, config, stop_text)

    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            for batch, rows in memory.halving(batches(list(map(len, encoded)), size), write,
                                              _alone(n, max_new_tokens)):
                for position, index in enumerate(batch):
                    results[index] = [
                        _completion(tokenizer, row, config.eos_token_id, stop_text)
                        for row in rows[position * n:(position + 1) * n]
                    ]
                done += len(batch)
                if progress:
                    progress(done, len(prompts))
    finally:
        model.train(was_training)
    return results


@torch.no_grad()
def generate_each(
    model, tokenizer, prompts: Sequence[str], settings: Sequence[tuple[float, float]], n: int = 1,
    max_new_tokens: int = 256, seed: int = 0, batch_size: int | None = ANSWERS,
    stop_text: str | None = None, progress: Callable[[int, int], None] | None = None,
) -> list[list[list[Completion]]]:
    """Completions at every (temperature, top-p): [setting][prompt][answer], n answers each.

    Temperature 0 is greedy and gives one answer. On a processor all settings are sampled in one
    batch (`branching`) of up to SHARING x `batch_size` answers, which have their beginnings in
    common; elsewhere one setting after the other, each with a seed of its own. Everything else is
    as in `generate`; `progress` counts prompts on a processor, elsewhere prompts times settings.
    """
    if isinstance(model, VLLMModel) or model.device.type != "cpu":
        return _one_by_one(model, tokenizer, prompts, settings, n, progress, batch_size=batch_size,
                           max_new_tokens=max_new_tokens, seed=seed, stop_text=stop_text)
    for temperature, top_p in settings:
        _check(temperature or 1.0, top_p)
    config = _generation_config(tokenizer, 1.0, 1.0, max_new_tokens, greedy=False)
    encoded = _encoded(tokenizer, prompts)
    counts = [n if temperature else 1 for temperature, _ in settings]
    asked = [one for one, count in zip(settings, counts, strict=True) for _ in range(count)]
    results: list[list[list[Completion]]] = [[[] for _ in prompts] for _ in settings]
    was_training = model.training
    model.eval()
    done = 0
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            size = max(1, SHARING * (batch_size or ANSWERS) // len(asked))
            for batch in batches([len(ids) for ids in encoded], size):
                found = branching.decode(model, tokenizer, [encoded[i] for i in batch], asked,
                                         config.eos_token_id, config.pad_token_id, max_new_tokens,
                                         stop_text)
                for index, rows in zip(batch, found, strict=True):
                    once = {row: _completion(tokenizer, list(row), config.eos_token_id, stop_text)
                            for row in set(map(tuple, rows))}
                    answers = iter([once[tuple(row)] for row in rows])
                    for result, count in zip(results, counts, strict=True):
                        result[index] = list(islice(answers, count))
                done += len(batch)
                if progress:
                    progress(done, len(prompts))
    finally:
        model.train(was_training)
    return results


def _one_by_one(model, tokenizer, prompts, settings, n, progress, *, seed, **how):
    """`generate_each` by `generate`."""
    results, total = [], len(prompts) * len(settings)
    for place, (temperature, top_p) in enumerate(settings):
        results.append(generate(
            model, tokenizer, prompts, n=n if temperature else 1, greedy=not temperature,
            temperature=temperature or 1.0, top_p=top_p, seed=seed + place, **how))
        if progress:
            progress((place + 1) * len(prompts), total)
    return results


def at_once(model, encoded: Sequence[Sequence[int]], n: int, max_new_tokens: int,
            asked: int | None) -> int:
    """Answers at once: as many as are `asked` for; where that is None, as a GPU has room for."""
    if asked or model.device.type != "cuda" or not encoded:
        return asked or ANSWERS
    kind = model.get_input_embeddings().weight.element_size()
    return answers_at_once(shape(model.config), n, max(map(len, encoded)), max_new_tokens, kind,
                           memory.free_bytes())


def _alone(n: int, max_new_tokens: int) -> str:
    """What to do where one prompt is too much."""
    return (f"sampling {n} answer{'s' * (n > 1)} of up to {max_new_tokens} tokens to one prompt. "
            f"Lower lengths.completion (to {max(1, max_new_tokens // 2)}), take a smaller "
            f"model.name, or end other programs on this GPU.")


def _check(temperature: float, top_p: float) -> None:
    """ValueError for what is no distribution."""
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0 (or greedy=True)")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; it must be above 0, and at most 1")


def _encoded(tokenizer, prompts: Sequence[str]) -> list[list[int]]:
    """The tokens of every prompt; ValueError for one that has none."""
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in prompts]
    if empty := [index for index, ids in enumerate(encoded) if not ids]:
        raise ValueError(f"prompt {empty[0]} is empty; a model needs at least one token")
    return encoded


def decode(model, *asked) -> list[list[int]]:
    """`decoding.decode`, in the way that is fastest for this model where it is."""
    return (graphs if graphs.possible(model) else decoding).decode(model, *asked)


def sample_in_pieces(model, tokenizer, autocast: Callable = nullcontext) -> None:
    """Let `model.generate`, as a trainer calls it for a batch of prompts, go through `decode`, in
    the precision of `autocast()`, in which the trainer will read what was written. What asks for
    more than a temperature and top_p is left to the plain one."""
    plain = model.generate

    def generate(input_ids=None, attention_mask=None, generation_config=None, **more):
        config = generation_config
        if more or config is None or any(
                getattr(config, name, None) not in (None, usual) for name, usual in PLAIN.items()):
            return plain(input_ids=input_ids, attention_mask=attention_mask,
                         generation_config=config, **more)
        asked = [ids[mask.bool()].tolist()
                 for ids, mask in zip(input_ids, attention_mask, strict=True)]
        n = gcd(*(len(list(same)) for _, same in groupby(asked)))  # rows of a prompt in turn
        with autocast():
            rows = [row for _, some in memory.halving(
                [asked[::n]], lambda part: decode(model, tokenizer, part, n, config),
                _alone(n, config.max_new_tokens)) for row in some]
        longest = max(map(len, rows))
        filled = [row + [config.pad_token_id] * (longest - len(row)) for row in rows]
        return torch.cat([input_ids, torch.tensor(filled, device=input_ids.device)], dim=1)

    model.generate = generate


def _generation_config(
    tokenizer, temperature: float, top_p: float, max_new_tokens: int, greedy: bool
) -> GenerationConfig:
    """All that shapes the distribution is set here: what is left out, `generate` takes from the
    model's own file, and Qwen's instruct models bring top_k 20 and a repetition penalty."""
    sampling = {"temperature": temperature, "top_p": top_p, "top_k": 0, "min_p": 0.0}
    return GenerationConfig(
        do_sample=not greedy, **({} if greedy else sampling), repetition_penalty=1.0,
        no_repeat_ngram_size=0, num_beams=1, max_new_tokens=max_new_tokens, min_new_tokens=0,
        eos_token_id=end_ids(tokenizer),
        pad_token_id=tokenizer.convert_tokens_to_ids(models.PADDING),
    )


def _completion(tokenizer, ids: list[int], ends: list[int], stop_text: str | None) -> Completion:
    """Text, length and whether it was cut short; what follows the end is padding."""
    stop = StopText(tokenizer, stop_text) if stop_text else None
    end = next((place for place, token in enumerate(ids, start=1)
                if token in ends or (stop and stop.seen(ids[:place]))), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True,
                            clean_up_tokenization_spaces=False)
    return Completion(cut(text, stop_text), end or len(ids), end is None, tuple(ids[:end]))


def load_engine(path: str | Path | None, course: Course) -> Any:
    """What `generate` samples from: the saved model (None: the base, unquantised), in vLLM if
    `course.generation.engine` says so ("auto": where a GPU and vllm are there), else as a plain
    model."""
    if engines.choose(course) == "vllm":
        return VLLMModel(path, course)
    return models.load_model(path, course) if path else models.load_base(course, "none")
