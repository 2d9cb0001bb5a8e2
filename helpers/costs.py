"""What one thing takes: bytes of weights, of training and of activations; seconds of learning,
reading and writing. `forecast` adds them up for the stages.

P parameters, of which P' are trained, L layers of width h (keys and values kv, feed-forward f), a
vocabulary of V, and rows of T tokens.
"""

import math

from helpers.config import Course
from helpers.machine import Machine
from helpers.model_size import Size, weight_bytes
from helpers.passes import BESIDE, UTILISATION, cache_bytes, layers_keep

# One layer on one new token costs at least this: starting its operations, or, on a GPU, playing
# what was recorded of them. The second is below what was recorded: on an H200 a token of 128 rows
# took Qwen2.5-1.5B's 28 layers 19 ms, the reading of the answers by all roles included.
LAYER_SECONDS, LAYER_RECORDED = 1e-3, 0.5e-3
LOGITS = 2**26  # at a time: 256 MB in float32, 441 tokens of a vocabulary of 152,000
FILL = 0.6  # how full batches are: tokens that are not padding, against the limits


def optimizer_bytes(trained: int) -> int:
    """P' x (4 for the gradient + 4 + 4 for Adam's two running means), in float32."""
    return 12 * trained


def activation_bytes(model: Size, rows: int, tokens: int, kind: int, checkpointing: bool) -> float:
    """What the forward pass keeps for the backward pass, for B x T tokens.

    A layer keeps about 8h + 2kv + 4f numbers a token (norms, queries, keys, values, attention, and
    four of the feed-forward part; more in Qwen3, `helpers.passes.layers_keep`); with gradient
    checkpointing only its input, h, and one layer in full. On top come three float32 copies of the
    logits: 3V (values, log-probabilities, gradient). With a vocabulary of 150,000 they would often
    be the largest part, so no more than LOGITS exist at a time (`helpers.train.rows`; TRL's losses
    take smaller pieces still).
    """
    logits = min(rows * tokens * model.vocabulary, LOGITS)
    return rows * tokens * layers_keep(model, kind, checkpointing) + 3 * 4 * logits


def training_seconds(
    model: Size, tokens: int, trained: int, batches: int, machine: Machine
) -> float:
    """On a processor. Two operations a parameter and token forward, two backward to the
    activations, two more for the weights that are trained."""
    operations = 4 * model.in_products + 2 * trained
    started = 3 * batches * model.layers * LAYER_SECONDS
    return FILL * tokens * operations / (machine.tflops * 1e12 * UTILISATION) + started


def reading_seconds(model: Size, tokens: int, batches: int, machine: Machine) -> float:
    """On a processor, forward only: two of those operations, and a third of the starts."""
    operations, started = 2 * model.in_products, batches * model.layers * LAYER_SECONDS
    return FILL * tokens * operations / (machine.tflops * 1e12 * UTILISATION) + started


def generation_seconds(
    model: Size, rows: int, batch: int, tokens: int, kind: int, machine: Machine
) -> float:
    """A step for every token of a batch's longest answer. A step takes the longer of reading all
    weights from memory and of 2P operations a row, and LAYER_SECONDS a layer on top."""
    at_once = min(rows, batch)
    reading = weight_bytes(model, kind) / (machine.bandwidth * 1e9)
    computing = 2 * model.in_products * at_once / (machine.tflops * 1e12 * UTILISATION)
    start = LAYER_RECORDED if machine.gpu else LAYER_SECONDS
    step = max(reading, computing) + model.layers * start
    return math.ceil(rows / batch) * FILL * tokens * step


def held_bytes(course: Course, model: Size, kind: int, adapters: int) -> float:
    """Bytes of the base and of so many adapters."""
    base = weight_bytes(model, kind, course.model.quantization == "4bit")
    return base + adapters * 4 * model.trained


def engine_bytes(model: Size, tokens: int, kind: int, four_bit: bool = False) -> float:
    """The least that a vLLM engine works with: weights of its own, since it reads them itself
    whatever this process has of the same model; keys and values of one text of so many tokens; and
    what it computes with."""
    return weight_bytes(model, kind, four_bit) + cache_bytes(model, 1, tokens, kind) + BESIDE


def beside_bytes(course: Course, model: Size, kind: int, full: bool = False) -> float:
    """Bytes of the model that a notebook samples from while it trains. It is the frozen base of
    what is trained (`helpers.bases`), except where that is in 4 bits, or trained whole."""
    return weight_bytes(model, kind) if full or course.model.quantization == "4bit" else 0.0
