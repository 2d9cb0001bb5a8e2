"""Will it fit, and how long will it take? Memory and minutes of each stage, before it runs.

Everything follows from a few numbers (`helpers.costs`), and rows of T tokens at the course's length
limits. On a GPU the rows of a step are read in the passes that training would choose there
(`helpers.passes`), elsewhere in those of the preset. Memory is the upper end: real rows are
shorter. Minutes are an order of magnitude. What the libraries themselves take (about 1 GB) and
downloads are not in it.
"""

import math
from collections.abc import Callable

import pandas as pd

from helpers import engines
from helpers.config import Course, names
from helpers.costs import (
    FILL,
    activation_bytes,
    beside_bytes,
    engine_bytes,
    generation_seconds,
    held_bytes,
    optimizer_bytes,
    reading_seconds,
    training_seconds,
)
from helpers.data import FAMILIES
from helpers.data.source import find_file, local_folder
from helpers.machine import USUAL, Machine, this_machine
from helpers.model_size import Size, size, weight_bytes
from helpers.passes import (
    ANSWERS,
    BESIDE,
    VLLM_ALONE,
    VLLM_SHARE,
    Passes,
    answers_at_once,
    answers_bytes,
    cache_bytes,
    forward_seconds,
    pass_seconds,
    passes,
)
from helpers.rungs import RUNGS
from helpers.schema import Dpo, Grpo, Ppo, RewardModel, Rft, Rloo, Sft

ROWS = {  # of the hub's splits, from the data sets' cards
    "gsm8k": {"train": 7473, "test": 1319},
    "openr1": {"train": 93_733},
    "deepscaler": {"train": 40_315},
    "countdown": {"train": 490_364},
    "smoltalk": {"train": 460_341, "test": 24_229},
}
LEFT = 0.9  # of a machine's memory, for what is counted here
SHARED = 0.15  # of the answers of a sweep, what a processor reads: those of the tiny models


def problems(course: Course, split: str) -> int:
    """Problems of a split after `course.data`; validation, a tenth, is taken from training, and
    so is the test set where the data set has none."""
    splits, folder = FAMILIES[course.own_set].splits, local_folder(course)
    if folder:
        with find_file(folder, splits[split]).open(encoding="utf-8") as lines:
            rows = sum(bool(line.strip()) for line in lines)
    else:
        rows = ROWS.get(course.own_set, {}).get(splits[split], 10_000)
    taken = sum(splits[one] == "train" for one in ("validation", "test"))
    if splits[split] == "train":
        rows = rows * (10 - taken if split == "train" else 1) // 10
    return min(rows, getattr(course.data, split) or rows)


def forecast(course: Course, machine: Machine | None = None) -> pd.DataFrame:
    """A row a stage: weights GB, gradients + optimizer GB, activations GB, total GB, minutes.

    `activations` holds the larger of what training keeps and what generation caches. `machine`
    is this one unless given; downloads and loading are not in the minutes.
    """
    machine = machine or this_machine()
    model = size(course)
    kind = number_bytes(course, machine)
    rows = {}
    for rung in RUNGS:
        if rung.costs_like:
            row = ARITHMETIC[rung.costs_like]
            rows[rung.name] = row(course, getattr(course, rung.name), model, kind, machine)
        if rung.name == "sft":
            rows["reward"] = _reward(course, course.reward_model, model, kind, machine)

    held = weight_bytes(model, kind)
    cached, seconds = sampling(course, model, kind, machine, held, examined(course, machine),
                               course.evaluation.n)
    if by_vllm(course, machine):  # the seconds are the other engine's: its own are not measured
        cached = engine_alone(course, model, kind, machine)
    rows["evaluation"] = (
        held, 0, cached,
        (2 + len(course.evaluation.rungs)) * seconds)  # the base without and with examples
    return pd.DataFrame([
        {"stage": stage, "weights GB": one / 1e9, "gradients + optimizer GB": two / 1e9,
         "activations GB": three / 1e9, "total GB": (one + two + three) / 1e9,
         "minutes": seconds / 60}
        for stage, (one, two, three, seconds) in rows.items()])


def number_bytes(course: Course, machine: Machine) -> int:
    """Bytes of a number of the weights that a machine computes with."""
    return 2 if machine.gpu and course.model.precision != "float32" else 4


def sampling(course: Course, model: Size, kind: int, machine: Machine, used: float, answers: int,
             n: int) -> tuple[float, float]:
    """Bytes and seconds of `answers`, n to a prompt, as many at once as `generation.batch_size`
    says; where it says nothing, as a GPU of which `used` bytes are taken has room for."""
    prompt, answer, batch = *_lengths(course), course.generation.batch_size
    if not batch:
        free = machine.memory_gb * 1e9 - used
        batch = answers_at_once(model, n, prompt, answer, kind, free) if machine.gpu else ANSWERS
    taken = (answers_bytes(model, max(1, batch // n), n, prompt, answer, kind) if machine.gpu
             else cache_bytes(model, batch, prompt + answer, kind))
    return taken, generation_seconds(model, answers, batch, answer, kind, machine)


def by_vllm(course: Course, machine: Machine) -> bool:
    """Whether vLLM writes the answers of the exam, and those of GRPO under TRL's trainer; all other
    answers come from models that are there anyway. "auto" is what it would be on this machine."""
    asked = course.generation.engine
    return machine.gpu and (asked == "vllm" or asked == "auto" and engines.choose(course) == "vllm")


def engine_alone(course: Course, model: Size, kind: int, machine: Machine) -> float:
    """Bytes that an engine takes beside its weights where nothing else is on the card: all of its
    share, or what it needs where that is more."""
    needed = engine_bytes(model, engines.longest_text(course, engines.most_examples(course)), kind)
    return max(VLLM_ALONE * machine.memory_gb * 1e9, needed) - weight_bytes(model, kind)


def _lengths(course: Course) -> tuple[int, int]:
    return course.lengths.prompt, course.lengths.completion


def examined(course: Course, machine: Machine) -> int:
    """Answers that notebook 08 asks each model for: of the test problems its samples, a greedy one,
    and the samples at its best setting; of the sweep n at every setting and a greedy one. On a
    processor most of the last two are shared beginnings."""
    test, swept = problems(course, "test"), course.evaluation.sweep
    settings = len(swept.temperatures) * len(swept.top_p)
    more = test * course.evaluation.n + min(swept.problems, problems(course, "validation")) * (
        settings * swept.n + 1)
    return test * (course.evaluation.n + 1) + int(more * (1 if machine.gpu else SHARED))


Row = tuple[float, float, float, float]  # bytes of weights, of training, of activations; seconds


def _held(course: Course, model: Size, kind: int, adapters: int) -> float:
    return held_bytes(course, model, kind, adapters) + beside_bytes(course, model, kind)


def after_bytes(course: Course, model: Size, kind: int) -> float:
    """Bytes of what is measured after training, where that has ended: the merged model, which is no
    longer the base, and at least one prompt with its answers."""
    one = answers_bytes(model, 1, course.evaluation.n, *_lengths(course), kind)
    return weight_bytes(model, kind) + one


def chosen(model: Size, rows: int, tokens: int, kind: int, used: float, machine: Machine,
           texts: int = 1) -> Passes:
    """The passes of a step of `rows` on a GPU of which `used` bytes are taken."""
    free = max(0.0, machine.memory_gb * 1e9 - used - BESIDE)
    return passes(model, rows, tokens, kind, free, machine.tflops, texts)


def _step(course: Course, model: Size, kind: int, machine: Machine, used: float, rows: int,
          at_once: int, trained: int, texts: int = 1) -> tuple[float, float, float]:
    """Bytes kept and seconds of one optimiser step of `rows` x `texts`, and seconds of reading the
    same forward only: on a GPU in its own passes, elsewhere `at_once` rows at a time."""
    tokens = course.lengths.prompt + course.lengths.completion
    if not machine.gpu:
        many, count = rows * texts * tokens, rows // at_once
        return (activation_bytes(model, at_once * texts, tokens, kind, False),
                training_seconds(model, many, trained, count, machine),
                reading_seconds(model, many, count, machine))
    found = chosen(model, rows, tokens, kind, used, machine, texts)
    at_once = max(1, found.rows)  # 0 fit: what one would take is what does not fit
    again, filled = found.checkpointing, FILL * at_once * texts * tokens
    seconds = pass_seconds(model, filled, again, machine.tflops)
    if trained == model.parameters:  # their own gradients: a third more than 4 or 6 operations
        seconds *= 4 / 3 if again else 3 / 2
    count = rows // at_once
    return (activation_bytes(model, at_once * texts, tokens, kind, again), count * seconds,
            count * forward_seconds(model, filled, machine.tflops))


def _sft(course: Course, sft: Sft, model: Size, kind: int, machine: Machine) -> Row:
    """Worked solutions are imitated."""
    full = sft.method == "full"
    trained = model.parameters if full else model.trained
    rows = sft.batch_size * sft.gradient_accumulation_steps
    steps = sft.max_steps or math.ceil(sft.epochs * problems(course, "train") / rows)
    held = held_bytes(course, model, 4 if full else kind, 0 if full else 1)
    held, training = held + beside_bytes(course, model, kind, full), optimizer_bytes(trained)
    kept, seconds, _ = _step(course, model, kind, machine, held + training, rows, sft.batch_size,
                             trained)
    return held, training, max(kept, after_bytes(course, model, kind)), steps * seconds


def _rft(course: Course, rft: Rft, model: Size, kind: int, machine: Machine) -> Row:
    """Own answers are imitated, as if every problem gave all that it may give."""
    rows = rft.batch_size * rft.gradient_accumulation_steps
    steps = rft.max_steps or math.ceil(rft.epochs * _asked(course) * rft.per_problem / rows)
    held, training = _held(course, model, kind, 1), optimizer_bytes(model.trained)
    kept, seconds, _ = _step(course, model, kind, machine, held + training, rows, rft.batch_size,
                             model.trained)
    return held, training, max(kept, after_bytes(course, model, kind)), steps * seconds


def _asked(course: Course) -> int:
    """Problems that pairs are made of."""
    there = problems(course, "train")
    return min(course.pairs.problems or there, there)


def _dpo(course: Course, dpo: Dpo | RewardModel, model: Size, kind: int, machine: Machine,
         references: int = 1) -> Row:
    """Pairs are learned from, as if every problem gave all that it may give. The reference reads
    them too, forward only."""
    rows = dpo.batch_size * dpo.gradient_accumulation_steps
    steps = dpo.max_steps or math.ceil(
        dpo.epochs * _asked(course) * course.pairs.per_problem / rows)
    held, training = _held(course, model, kind, 1), optimizer_bytes(model.trained)
    kept, seconds, reading = _step(course, model, kind, machine, held + training, rows,
                                   dpo.batch_size, model.trained, texts=2)
    return held, training, max(kept, after_bytes(course, model, kind)), steps * (
        seconds + references * reading)


def _reward(course: Course, reward: RewardModel, model: Size, kind: int, machine: Machine) -> Row:
    """The pairs are made first, from the model's own answers; then they are read once each."""
    weights, training, kept, seconds = _dpo(course, reward, model, kind, machine, references=0)
    n = course.pairs.num_generations
    cached, writing = sampling(course, model, kind, machine, weights, _asked(course) * n, n)
    cached = max(0.0, cached - training)  # they are written before anything is trained
    return weights, training, max(kept, cached), seconds + writing


def _ppo(course: Course, ppo: Ppo, model: Size, kind: int, machine: Machine) -> Row:
    """Learning reads a completion with two roles, each forward and backward; collecting reads it
    with each role, forward only: the policy, its reference, the critic, and a judge that counts."""
    answer, count = course.lengths.completion, ppo.prompts_per_step
    held, training = _held(course, model, kind, 3), 2 * optimizer_bytes(model.trained)
    kept, seconds, reading = _step(course, model, kind, machine, held + training,
                                   ppo.minibatch_size, ppo.micro_batch_size, model.trained)
    roles = 3 + bool(ppo.reward_model_weight)
    learning = (2 * ppo.num_ppo_epochs * seconds + roles * reading) * count / ppo.minibatch_size
    cached = cache_bytes(model, count, course.lengths.prompt + answer, kind)
    kept = max(kept, cached, after_bytes(course, model, kind))
    return held, training, kept, ppo.max_steps * (
        generation_seconds(model, count, count, answer, kind, machine) + learning)


def _grpo(course: Course, grpo: Grpo | Rloo, model: Size, kind: int, machine: Machine) -> Row:
    """A group of answers to each question is written, and read forward and backward. RLOO's are
    written by our own trainer, which has no vLLM. Dynamic sampling is counted at its most: as if
    all groups were drawn anew each time, and few take as long to write as all."""
    answer, rows = course.lengths.completion, grpo.prompts_per_step * grpo.num_generations
    held, training = _held(course, model, kind, 1), optimizer_bytes(model.trained)
    vllm = isinstance(grpo, Grpo) and grpo.engine == "trl" and by_vllm(course, machine)
    if vllm:  # it keeps its share while the model is trained, its own weights among it
        held += VLLM_SHARE * machine.memory_gb * 1e9
        if course.model.quantization != "4bit":  # and what is trained is merged in place for it:
            held += weight_bytes(model, kind)  # another base than the one that is sampled from
    kept, seconds, reading = _step(course, model, kind, machine, held + training, rows,
                                   group_rows(course, grpo), model.trained)
    # Before learning: what vLLM has written is read for its probabilities, and the reference reads.
    before = vllm + bool(getattr(grpo, "beta", 0))
    cached = cache_bytes(model, rows, course.lengths.prompt + answer, kind)
    cached = 0.0 if vllm else cached  # it lies within the share
    kept = max(kept, cached, after_bytes(course, model, kind))
    writing = (1 + getattr(grpo, "dynamic_sampling", 0)) * generation_seconds(
        model, rows, rows, answer, kind, machine)
    return held, training, kept, grpo.max_steps * (writing + seconds + before * reading)


# How a rung is counted; another with the same settings can be counted like one of these.
ARITHMETIC: dict[str, Callable[..., Row]] = {
    "sft": _sft, "dpo": _dpo, "ppo": _ppo, "grpo": _grpo, "rft": _rft}


def group_rows(course: Course, settings: Grpo | Rloo) -> int:
    """Completions in one backward pass of a method with groups: pieces as large as in sft that
    divide a step evenly."""
    return math.gcd(settings.prompts_per_step * settings.num_generations, course.sft.batch_size)


def fits(gb: float, machine: Machine) -> bool:
    """Whether so much is left on a machine; what vLLM takes alone may be all of it."""
    return gb <= LEFT * machine.memory_gb + 1e-6


def compare(task: str, here: Machine) -> pd.DataFrame:
    """The presets side by side: model, largest total and minutes on the hardware each is made
    for ("tiny": here), and whether that total fits into the memory of `here`."""
    rows = []
    for preset in sorted(names("preset"), key=lambda p: USUAL[p].tflops if p in USUAL else 0):
        course = Course.load(preset, task)
        machine = USUAL.get(preset, here)
        table = forecast(course, machine)
        peak = table["total GB"].max()
        there = here.gpu or preset not in USUAL
        rows.append({"preset": preset, "model": course.model.name,
                     "parameters": size(course).parameters, "made for": machine.name,
                     "peak GB": peak, "minutes there": table["minutes"].sum(),
                     "fits here": "yes" if there and fits(peak, here) else "no"})
    return pd.DataFrame(rows)
