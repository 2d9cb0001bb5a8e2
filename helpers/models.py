"""Loading models and tokenizers; merging is in helpers.merging.

Models are safetensors from a local folder or from the hub; no code of a model repository is ever
run. Precision follows the device: bfloat16 needs compute capability 8 (a T4 only emulates it).
"""

import os
import re
import warnings
from pathlib import Path

import pandas as pd
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
)
from transformers.utils import logging as transformers_logging

from helpers import bases, hub
from helpers.config import ROOT, Course
from helpers.merging import (  # noqa: F401 - merging is also found here
    ModelError,
    check_targets,
    merge_and_save,
    merge_bound,
    merged_copy,
)
from helpers.prompts import END_OF_TURN

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
PADDING = "<|endoftext|>"
NO_THOUGHT = r"<think>\n\n</think>\n\n"  # as a template writes it
CHATML = (
    r"{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' -}}"
    r"{%- if message.role == 'assistant' -%}{{- 'BEFORE' -}}{%- endif -%}"
    r"{{- message.content + '<|im_end|>\n' -}}{%- endfor -%}"
    r"{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\nBEFORE' -}}{%- endif -%}")

transformers_logging.disable_progress_bar()  # a line a weight shard is no news in a notebook
# TRL 1.16 asks for gradient checkpointing by its old name.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


def device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(course: Course) -> torch.dtype:
    """The type to compute in. "auto": bfloat16 where the GPU has it, float16 on older ones,
    float32 on CPU (slower in 16 bits there). A type the device lacks raises ModelError."""
    gpu = device().type == "cuda"
    # is_bf16_supported() also says yes where bfloat16 is only emulated, as on a T4.
    bfloat16 = gpu and torch.cuda.get_device_capability()[0] >= 8
    wanted = course.model.precision
    if wanted == "auto":
        wanted = "bfloat16" if bfloat16 else "float16" if gpu else "float32"
    if wanted == "bfloat16" and gpu and not bfloat16:
        raise ModelError("model.precision: bfloat16 needs compute capability 8.0 or more, this "
                         "GPU has less. Use precision 'auto' or 'float16'.")
    if wanted == "float16" and not gpu:
        raise ModelError("model.precision: float16 trains on a GPU only. Use 'auto'.")
    return getattr(torch, wanted)


def find_model(name: str, world: str = "tiny") -> str:
    """A local folder (absolute, or relative to ROOT) as a path; in world "hub" also a hub id."""
    folder = ROOT / name
    if (folder / "config.json").is_file():
        return str(folder)
    if (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder}: this is an adapter. Load the merged model beside it.")
    if world == "hub" and not folder.exists() and HUB_ID.fullmatch(name):
        return name
    raise ModelError(f"{folder}: no model there (no config.json). Make it with the notebook that "
                     f"trains it, or set model.name to a folder that has one.")


def _from_pretrained(kind: type, name: str, course: Course, **options):
    """`kind.from_pretrained` with the course's safety settings; a failure is one line."""
    local = Path(name).is_dir()
    options |= {"trust_remote_code": False}
    if not local:
        # Without this a repository that has no safetensors sends a request to a converter.
        os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
        options["revision"] = course.model.revision or "main"
    hint = ("Restore the folder, or make it again." if local else
            "Check model.name, model.revision and the network, or use a local folder.")
    try:
        loaded = hub.retry(lambda: kind.from_pretrained(name, **options), name, hint)
        if not local:
            hub.check_files(name, "model", options["revision"], hint)
        return loaded
    except hub.HubError as error:
        raise ModelError(str(error)) from error


def load_tokenizer(course: Course, path: str | Path | None = None):
    """The course's tokenizer, or the one saved at `path`: padded on the left, with `<|im_end|>`
    as its end and `<|endoftext|>` as padding (a padding token that is the end is never learned).
    A template that treats thoughts apart (Qwen3's) is replaced by one that writes what it is given:
    with an empty thought before every answer, as Qwen3 leaves thinking out, or without where the
    answer format has thoughts of its own.
    """
    name = find_model(str(path), "tiny") if path else find_model(course.model.name, course.world)
    tokenizer = _from_pretrained(AutoTokenizer, name, course, padding_side="left")
    vocabulary = tokenizer.get_vocab()
    if not tokenizer.chat_template or not {END_OF_TURN, PADDING} <= vocabulary.keys():
        raise ModelError(f"{name}: the tokenizer lacks a chat template, {END_OF_TURN} or {PADDING}."
                         f" Use a Qwen model with its own tokenizer.")
    tokenizer.eos_token, tokenizer.pad_token = END_OF_TURN, PADDING
    if "enable_thinking" in tokenizer.chat_template:  # here, so that trainers read the same
        own = course.answer_format in ("think", "countdown")
        tokenizer.chat_template = CHATML.replace("BEFORE", "" if own else NO_THOUGHT)
    return tokenizer


def context(path: str | Path | None, course: Course) -> int:
    """Tokens of the longest text that a model was made for: that at `path`, None: the base."""
    name = find_model(str(path), "tiny") if path else find_model(course.model.name, course.world)
    return _from_pretrained(AutoConfig, name, course).max_position_embeddings


def load_base(course: Course, quantization: str | None = None, full: bool = False):
    """The model that training starts from. `quantization` None takes the course's setting.

    `full=True` says that all weights will be trained: they are then float32, since small updates
    are lost in 16 bits. Else the weights are frozen, in the compute type, and in memory once for
    all models that are loaded from the same files (`helpers.bases`); LoRA stays in float32.
    """
    name = find_model(course.model.name, course.world)
    return _load(name, course, quantization or course.model.quantization, full)


def load_model(path: str | Path, course: Course, quantization: str = "none", full: bool = False):
    """A model that a stage has saved (merged, with its config.json), loaded like the base."""
    return _load(find_model(str(path), "tiny"), course, quantization, full)


class ScoreHead(torch.nn.Linear):
    """Hidden states (..., H) to one number each, (..., 1), in float32 whatever the model computes
    in: autocast would round the score to 8 or 11 bits, though its input were cast before."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return super().forward(states.float())


def load_scorer(path: str | Path, course: Course, quantization: str = "none"):
    """The saved model with a head of one number, `score`, in place of the words' head: what a
    reward model is trained from. The new head's weights follow `course.seed`, in float32."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it warns that the head is new, which is the point
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(course.seed)
            model = _load(find_model(str(path), "tiny"), course, quantization, False,
                          AutoModelForSequenceClassification, num_labels=1)
            head = ScoreHead(model.score.in_features, 1, bias=False, device=model.device)
            head.weight.data.copy_(model.score.weight)
            model.score = head
            return model
    finally:
        transformers_logging.set_verbosity(level)


def _load(name: str, course: Course, quantization: str, full: bool,
          auto_class: type = AutoModelForCausalLM, **extra):
    """Weights that will be trained are the model's own; frozen ones are in memory once."""
    if quantization == "4bit" and full:
        raise ModelError("4-bit weights cannot all be trained. Use sft.method='lora'.")
    kind = torch.float32 if full else precision(course)
    key = _key(name, course, quantization, kind)

    def read():
        return _read(name, course, quantization, kind, auto_class, extra)

    if full:
        model = read()
    elif auto_class is AutoModelForCausalLM:
        model = bases.shared(key, read)
    else:
        model = bases.joined(read(), key)
    check_targets(model, course.lora)
    return model.eval()


def _key(name: str, course: Course, quantization: str, kind: torch.dtype) -> tuple:
    """What frozen weights must have in common to be the same."""
    revision = None if Path(name).is_dir() else course.model.revision
    return (*bases.files(name), revision, kind, quantization, device())


def in_memory(path: str | Path | None, course: Course) -> bool:
    """Whether the frozen base that a trainer would load from `path` (None: the course's base) is in
    memory already, and will take no more of it."""
    name = find_model(str(path), "tiny") if path else find_model(course.model.name, course.world)
    return bases.alive(_key(name, course, course.model.quantization, precision(course)))


def _read(name: str, course: Course, quantization: str, kind: torch.dtype, auto_class: type,
          extra: dict):
    options = {"dtype": kind, "use_safetensors": True, "device_map": {"": device()}, **extra}
    if quantization == "4bit":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=kind,
        )
    model = _from_pretrained(auto_class, name, course, **options)
    for layer in model.modules():
        # On CPUs with AVX512-BF16, bitsandbytes repacks a layer at the first forward without
        # gradient, and no gradient flows through the packed layer when training goes on.
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
            if model.device.type == "cpu" and layer.in_features % 64:
                raise ModelError(f"{name}: a layer has {layer.in_features} inputs. On CPUs 4-bit "
                                 f"weights come back wrong unless that is a multiple of 64. Use "
                                 f"model.quantization='none'.")
    _end_at_turn(model, name, course)
    return model


def _end_at_turn(model: torch.nn.Module, name: str, course: Course) -> None:
    """Note in the model's configuration that an answer ends with its turn: base models name the
    end of the document only, and whoever loads the saved model generates past the answer.

    All else that the checkpoint says of sampling is dropped (top_k, no_repeat_ngram_size,
    suppress_tokens, …): `generate` takes from there what it is not told, and then it samples from
    another distribution than the one that is trained and measured.
    """
    tokenizer = load_tokenizer(course, name if Path(name).is_dir() else None)
    end, padding = tokenizer.eos_token_id, tokenizer.pad_token_id
    model.config.eos_token_id, model.config.pad_token_id = end, padding
    if not model.can_generate():
        return
    model.generation_config = GenerationConfig(eos_token_id=[end, padding], pad_token_id=padding)


def parameter_table(model: torch.nn.Module) -> pd.DataFrame:
    """Parameters, trainable parameters and megabytes of weights for each part of the model."""
    rows: dict[str, list[float]] = {}
    for name, weight in model.named_parameters():
        # bitsandbytes packs two 4-bit weights into one byte.
        count = weight.numel() * (2 if weight.dtype == torch.uint8 else 1)
        row = rows.setdefault(_part(name), [0, 0, 0.0])
        row[0] += count
        row[1] += count if weight.requires_grad else 0
        row[2] += weight.numel() * weight.element_size() / 1e6
    columns = ["parameters", "trainable", "megabytes"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.loc["total"] = table.sum()
    return table.astype({"parameters": int, "trainable": int})


def _part(name: str) -> str:
    parts = {"lora_": "LoRA", "embed": "embedding", "norm": "norms", "attn": "attention",
             "mlp": "feed-forward", "lm_head": "output head"}
    return next((part for key, part in parts.items() if key in name), "other")
