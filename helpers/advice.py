"""What may go wrong with a course on a machine, before it runs, each with what to do."""

from collections.abc import Callable

import pandas as pd
import psutil
import torch

from helpers import engines, machine, memory
from helpers.config import Course
from helpers.disk import disk
from helpers.forecast import LEFT, by_vllm, fits, forecast, number_bytes
from helpers.passes import VLLM_SHARE

SPARE_GB = 1.0  # beside what the stages leave: curves, figures, pages, temporary files
COUNTS = (  # settings that take less memory or disk when they are halved
    "sft.batch_size", "reward_model.batch_size", "dpo.batch_size", "ppo.micro_batch_size",
    "ppo.prompts_per_step", "grpo.prompts_per_step", "grpo.num_generations", "rft.batch_size",
    "rloo.prompts_per_step", "rloo.num_generations",
    "generation.batch_size", "lora.r", "ppo.r", "pairs.per_problem", "evaluation.n",
    "lengths.completion", "lengths.prompt",
)
OTHERS = 0.1  # of a GPU's memory: with less than this in other programs' hands nothing is said
WORTH = 0.1  # a setting that saves less than this share is none to name


def advise(course: Course, here: machine.Machine, table: pd.DataFrame) -> list[str]:
    """What may go wrong with this course on this machine, each with what to do; often empty.

    table: the forecast of this course on it.
    """
    found = []
    if course.preset != "tiny" and not here.gpu:
        found.append(f"Preset {course.preset!r} wants a GPU and there is none here. Use preset "
                     f"'tiny', or on Colab: Runtime, Change runtime type, T4 GPU.")
    totals = table.set_index("stage")["total GB"]
    if not fits(totals.max(), here):
        stage, limit = totals.idxmax(), LEFT * here.memory_gb
        found.append(f"The forecast of {totals.max():.1f} GB does not fit into "
                     f"{here.memory_gb:.1f} GB: it is of stage {stage!r}. "
                     f"{_remedy(course, lambda c: _total(forecast(c, here), stage), limit)}")
    if course.grpo.engine == "trl" and by_vllm(course, here) and (said := engines.too_small(
            course, VLLM_SHARE * here.memory_gb * 1e9, number_bytes(course, here),
            course.lengths.prompt + course.lengths.completion,
            course.model.quantization == "4bit")):
        found.append(f"Beside the training of stage 'grpo' {said}")
    if (others := memory.others_gb()) > OTHERS * here.memory_gb:
        found.append(f"Other programs hold {others:.1f} GB of this GPU's {here.memory_gb:.1f} GB. "
                     f"End them (nvidia-smi lists them, other notebooks' kernels too), or fewer "
                     f"rows are read at once, and what needs more memory stops.")
    free = psutil.virtual_memory().available / 1e9
    if free < 2:
        found.append(f"Only {free:.1f} GB of main memory are free. Close other programs, or shut "
                     f"down other notebooks.")
    written = disk(course).set_index("stage")["total GB"]
    if (free := machine.free_disk()) < written.sum() + SPARE_GB:
        line = (f"Only {free:.1f} GB of disk are free, and the stages write about "
                f"{written.sum():.1f} GB. Make room, or set COURSE_ARTIFACTS to a folder on "
                f"another disk.")
        if written.sum() > SPARE_GB:
            stage = written.idxmax()
            line += (f" Stage {stage!r} writes most, {written.max():.1f} GB. "
                     f"{_remedy(course, lambda c: _total(disk(c), stage))}")
        found.append(line)
    if here.cores and torch.get_num_threads() > here.cores:
        found.append(f"torch uses {torch.get_num_threads()} threads on {here.cores} cores, "
                     f"which is slower. Set OMP_NUM_THREADS={here.cores}.")
    if other := machine.other_versions():
        found.append(f"Tested with other versions: {', '.join(other)}. If something fails, "
                     f"install the tested ones: pip install -r requirements.txt")
    return found


def _total(table: pd.DataFrame, stage: str) -> float:
    return table.set_index("stage").loc[stage, "total GB"]


def _remedy(
    course: Course, needed: Callable[[Course], float], limit: float = float("inf")
) -> str:
    """The one setting that saves most of what `needed` counts in GB, by trying each."""
    before = needed(course)
    after = {change: needed(_with(course, *change)) for change in _changes(course)}
    best = min(after, key=lambda change: after[change])
    if before - after[best] < WORTH * before:
        return "That is the model's own weights: choose a smaller model.name."
    name, value = best
    now = dict(_flat(course))[name]
    line = f"What counts most is {name}: {now}; with {value} it would be {after[best]:.1f} GB."
    if after[best] > limit:
        line += " That is still too much: go on, or choose a smaller preset or model."
    return line


def _flat(course: Course) -> list[tuple[str, object]]:
    return [(name, getattr(getattr(course, name.split(".")[0]), name.split(".")[1]))
            for name in (*COUNTS, "sft.method", "model.precision", "model.quantization",
                         "generation.engine")]


def _changes(course: Course) -> list[tuple[str, object]]:
    """Each setting with the next value that takes less."""
    now = dict(_flat(course))
    found: list[tuple[str, object]] = [(n, now[n] // 2) for n in COUNTS
                                       if (now[n] or 0) > 1]
    if now["sft.method"] == "full":
        found.append(("sft.method", "lora"))
    if course.preset != "tiny" and now["model.quantization"] == "none":  # it needs a GPU
        found.append(("model.quantization", "4bit"))
    if course.preset != "tiny" and now["model.precision"] == "float32":
        found.append(("model.precision", "auto"))
    if now["generation.engine"] != "hf":
        found.append(("generation.engine", "hf"))
    return found


def _with(course: Course, name: str, value: object) -> Course:
    section, key = name.split(".")
    changed = getattr(course, section).model_copy(update={key: value})
    return course.model_copy(update={section: changed})
