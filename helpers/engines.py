"""Which engine samples, Hugging Face's generate or vLLM, and what vLLM needs: a version that
fits, a share of the card that holds a model of its own, and no other engine beside it.

vLLM takes its share of a card when it starts and keeps it. So a process has one engine: a new one
ends the last, and gets a share of what is free then. Every prompt has a seed of its own; with one
for all, a question that is asked twice would get the same answers twice.
"""

import gc
import os
import re
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from helpers import models
from helpers.config import Course
from helpers.costs import engine_bytes
from helpers.model_size import size, weight_bytes
from helpers.passes import BESIDE, VLLM_ALONE

END_TOKENS = ("<|im_end|>", "<|endoftext|>")
FIRST, LAST = (0, 22, 0), (0, 31, 0)  # versions of vLLM that TRL 1.16 works with
# Each asks for one torch exactly: with the others pip would exchange the one of requirements.txt
# (2.11.0 up to 0.26), or its transformers (0.31.0: below 5.18).
FITTING, GOES_WITH = ("0.27.0", "0.30.0"), {"torch": "2.13.0", "transformers": "5.23.0"}
APART = 1009  # seeds of two prompts; n samples of one prompt take n seeds in a row


@dataclass(frozen=True)
class Completion:
    """One answer. `tokens` counts what the model generated, its end token included and padding
    not; `truncated` says that the length limit came before the end; `ids` are those tokens."""

    text: str
    tokens: int
    truncated: bool
    ids: tuple[int, ...] = field(default=(), repr=False, compare=False)


def end_ids(tokenizer) -> list[int]:
    """The token ids that end an answer, whatever the model was trained on."""
    vocabulary = tokenizer.get_vocab()
    ids = {tokenizer.eos_token_id, *(vocabulary.get(token) for token in END_TOKENS)}
    return sorted(i for i in ids if i is not None)


def cut(text: str, stop_text: str | None) -> str:
    """The text before the stop text, if there is one."""
    return text.partition(stop_text)[0] if stop_text else text


def choose(course: Course) -> str:
    """"hf" or "vllm", as `generation.engine` says; "auto" takes vLLM where there is a GPU and a
    version that fits. ModelError where vLLM is asked for and cannot be used."""
    asked, found = course.generation.engine, _installed()
    if asked == "hf" or asked == "auto" and not (found and torch.cuda.is_available()):
        return "hf"
    fits = FIRST <= tuple(map(int, re.findall(r"\d+", found)[:3])) <= LAST if found else False
    first, last = (".".join(map(str, one)) for one in (FIRST, LAST))
    install = f"Install one of {' to '.join(FITTING)}, which fit requirements.txt, or use"
    if asked == "auto" and not fits:
        warnings.warn(f"vllm {found} is installed, but TRL works with {first} to {last}: sampling "
                      f"goes by Hugging Face's generate.", stacklevel=2)
        return "hf"
    if not found:
        raise models.ModelError(f"generation.engine is 'vllm', but vllm is not installed. "
                                f"{install} engine 'hf'.")
    if not fits:
        raise models.ModelError(f"generation.engine is 'vllm', and vllm {found} is installed, but "
                                f"TRL works with {first} to {last}. {install} engine 'hf'.")
    if not torch.cuda.is_available():
        raise models.ModelError("generation.engine is 'vllm', which needs a GPU, and there is none "
                                "here. Use engine 'hf'.")
    return "vllm"


def _installed() -> str:
    try:
        return version("vllm")
    except PackageNotFoundError:
        return ""


def longest_text(course: Course, examples: int = 0) -> int:
    """Tokens of the longest text by the course's lengths: a prompt, which `prompts` has filtered,
    with its answer, after so many worked examples, each a question with its solution."""
    answer = max(course.lengths.completion, course.evaluation.max_new_tokens or 0)
    return course.lengths.prompt + answer + examples * (
        course.lengths.prompt + course.lengths.completion)


def most_examples(course: Course) -> int:
    """Worked examples that the base is shown at most."""
    return max(course.evaluation.few_shot, *course.evaluation.sweep.few_shot)


def too_small(course: Course, taken: float, kind: int, tokens: int, four_bit: bool = False) -> str:
    """What to say where `taken` bytes of a card are not enough for an engine; empty where they are.
    kind: bytes of a number; tokens: of the longest text; four_bit: whether its weights are."""
    model = size(course)
    needed = engine_bytes(model, tokens, kind, four_bit)
    if needed <= taken:
        return ""
    weights = weight_bytes(model, kind, four_bit)
    cached = needed - weights - BESIDE
    return (f"vLLM may take {taken / 1e9:.1f} GB of the GPU and needs {needed / 1e9:.1f} GB: "
            f"{weights / 1e9:.1f} GB for weights of its own, {cached / 1e9:.2f} GB for one text of "
            f"{tokens} tokens, {BESIDE / 1e9:.1f} GB to compute with. Use generation.engine 'hf', "
            f"a smaller model.name or shorter lengths, or end other programs on this GPU.")


class VLLMModel:
    """A saved model in this process's vLLM engine, for `sampling.generate`: for texts as long as
    the course's lengths allow, the base's (`path` None) with worked examples. ModelError where
    the card has no room for it."""

    def __init__(self, path: str | Path | None, course: Course, **options):
        import vllm

        release()
        self._sampling = vllm.SamplingParams
        dtype = str(models.precision(course)).removeprefix("torch.")
        name = path or models.find_model(course.model.name, course.world)
        # Without a length it makes room for the longest text of the model, and small cards fail.
        wanted = longest_text(course, 0 if path else most_examples(course))
        options = {"gpu_memory_utilization": free_share(),
                   "max_model_len": min(wanted, models.context(path, course))} | options
        self._longest = options["max_model_len"]
        if torch.cuda.is_available():
            taken = options["gpu_memory_utilization"] * torch.cuda.mem_get_info()[1]
            kind = models.precision(course).itemsize
            if said := too_small(course, taken, kind, self._longest):
                raise models.ModelError(said)
        self._engine = vllm.LLM(model=str(name), dtype=dtype, seed=course.seed,
                                revision=None if path else course.model.revision,
                                trust_remote_code=False, **options)
        self._tokenizer = models.load_tokenizer(course, path)
        self._end_ids = end_ids(self._tokenizer)
        _ALIVE[:] = [weakref.ref(self)]

    def complete(
        self, prompts: Sequence[str], n: int, temperature: float, top_p: float,
        max_new_tokens: int, seed: int, greedy: bool, stop_text: str | None,
    ) -> list[list[Completion]]:
        """What `sampling.generate` returns, from one call of the engine. ModelError for a text that
        would be longer than the engine was made for, where vLLM would cut the answer or stop."""
        if self._engine is None:
            raise models.ModelError("this model's vLLM engine was ended when another was loaded; a "
                                    "process has one. Load the model again.")
        if not prompts:
            return []
        self._check(prompts, max_new_tokens)
        settings = [self._sampling(
            n=n, temperature=0.0 if greedy else temperature, top_p=1.0 if greedy else top_p,
            top_k=-1, max_tokens=max_new_tokens, seed=(seed * 1_000_003 + APART * place) % 2**31,
            stop_token_ids=self._end_ids, stop=[stop_text] if stop_text else None)
            for place in range(len(prompts))]
        return [
            [Completion(cut(one.text, stop_text), len(one.token_ids),
                        one.finish_reason == "length", tuple(one.token_ids))
             for one in answer.outputs]
            for answer in self._engine.generate(list(prompts), settings, use_tqdm=False)
        ]


    def _check(self, prompts: Sequence[str], answer: int) -> None:
        """ModelError for the longest prompt, if it is too long with an answer of so many tokens."""
        encoded = self._tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        tokens = list(map(len, encoded))
        if (most := max(tokens)) + answer > self._longest:
            raise models.ModelError(
                f"prompt {tokens.index(most)} has {most} tokens, and with an answer of up to "
                f"{answer} that is more than the {self._longest} that vLLM was started for. Raise "
                f"lengths.prompt if the model was made for that many, leave out long prompts "
                f"(prompts.fitting_prompts), or use generation.engine 'hf'.")


def free_share() -> float:
    """The share of the card's whole memory that an engine may take now."""
    if not torch.cuda.is_available():
        return VLLM_ALONE
    gc.collect()
    torch.cuda.empty_cache()  # what torch keeps for itself counts as taken
    free, total = torch.cuda.mem_get_info()
    return VLLM_ALONE * free / total


_ALIVE: list[weakref.ref] = []  # the last model that was given an engine, if it still has it


def release() -> None:
    """End this process's engine, if it has one, and give its memory back. Among several processes
    the group that they talk in is left alone: it is not the engine's."""
    model = _ALIVE[0]() if _ALIVE else None
    _ALIVE.clear()
    if model is None:
        return
    model._engine = None
    gc.collect()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return
    try:
        from vllm.distributed import cleanup_dist_env_and_memory
    except ImportError:  # another version keeps it elsewhere; the engine is gone all the same
        return
    cleanup_dist_env_and_memory()
