"""In how many passes the rows of an optimiser step are read, and what that takes: by the memory
that is there and by what should be fastest.

A preset says which rows one optimiser step has. In how many passes they are read changes memory
and speed and little else: rounding, and what each row weighs in a step that an epoch has cut short.
A pass takes as long as its products, or as starting its kernels where that is longer; computing
activations again (checkpointing) costs a forward pass more, six operations a frozen weight and
token instead of four. So many rows with checkpointing can be faster than few without, and `passes`
takes what should be fastest among what fits.
"""

from dataclasses import dataclass

from helpers.model_size import Size

UTILISATION = 0.3  # share of the peak speed that training reaches with plain transformers
# One layer with LoRA, forward and backward, takes this long however few tokens there are: starting
# its kernels. Passes of Qwen2.5-1.5B with 2,000 to 4,000 tokens took .24 s on an H200.
LAYER_PASS = 9e-3
AS_FAST = 1.05  # where more rows gain less than this, fewer are taken
SLACK = 0.75  # share of what is free that is planned with: rows of other lengths leave gaps
BESIDE = 1.5e9  # logits, which exist in pieces; casts of weights; kernels' work space
VLLM_SHARE = 0.3  # of the whole card, for an engine beside a model that is trained
VLLM_ALONE = 0.9  # of what is free of a card, for an engine alone
ANSWERS = 256  # sampled at once where neither a setting nor the memory of a GPU says how many
MOST_ANSWERS, MOST_TEXTS = 512, 64  # at once on a GPU: with more the products take the time
DRAWN = 28  # bytes a row and token of the vocabulary, to draw from logits of 16 bits with a top-p


@dataclass(frozen=True)
class Passes:
    """`rows` at once, with their activations kept or computed again; `bytes` for it, of `free`."""

    rows: int
    checkpointing: bool
    bytes: float
    free: float

    def __str__(self) -> str:
        kept = "computed again for the backward pass" if self.checkpointing else "kept"
        return (f"{self.rows} rows at once, activations {kept}: about {self.bytes / 1e9:.1f} GB of "
                f"{self.free / 1e9:.1f} GB that are free")


def layers_keep(model: Size, kind: int, checkpointing: bool) -> float:
    """Bytes a token that the layers keep for the backward pass. In the tensors that autograd saves,
    a layer of Qwen2.5-1.5B with LoRA in bfloat16 has 97,560; this formula says 97,280."""
    q = model.q or model.width
    layer = 6 * model.width + 2 * q + 2 * model.kv + 4 * model.feed_forward
    layer += 2 * (q + model.kv) if model.normed else 0
    return kind * (model.layers * model.width + layer if checkpointing else model.layers * layer)


def passes(model: Size, step: int, tokens: int, kind: int, free: float, tflops: float,
           texts: int = 1) -> Passes:
    """How to read `step` rows of `texts` x `tokens` in the shortest time that a card of so many
    TFLOP/s should take. Of `free` bytes a share of SLACK is planned with, unless only one row fits
    without it. `rows` divides `step`; 0 where not even one fits."""
    found = []
    for checkpointing in (False, True):
        for rows in (divisor for divisor in range(1, step + 1) if step % divisor == 0):
            need = rows * texts * tokens * layers_keep(model, kind, checkpointing)
            if need <= SLACK * free:
                seconds = step // rows * pass_seconds(model, rows * texts * tokens, checkpointing,
                                                      tflops)
                found.append((seconds, Passes(rows, checkpointing, need, free)))
    if not found:
        one = texts * tokens * layers_keep(model, kind, True)
        return Passes(int(one <= free), True, one, free)
    shortest = min(seconds for seconds, _ in found)
    return min((one for seconds, one in found if seconds <= AS_FAST * shortest),
               key=lambda one: one.bytes)


def pass_seconds(model: Size, tokens: float, checkpointing: bool, tflops: float) -> float:
    """Forward and backward through the frozen layers, with the forward pass again or not."""
    products = (6 if checkpointing else 4) * model.in_products * tokens
    started = LAYER_PASS * model.layers * (4 / 3 if checkpointing else 1)
    return max(products / (tflops * 1e12 * UTILISATION), started)


def forward_seconds(model: Size, tokens: float, tflops: float) -> float:
    """A forward pass that nothing is learned from: by a reference, a judge, a critic's forecast.

    Two operations a weight and token. `pass_seconds` counts two more, for the gradients of the
    activations (a frozen weight has none of its own), and two again where the forward pass is
    repeated: so this is half of a pass that keeps its activations, a third of one that does not.
    Of starting kernels it is a third and a quarter, as a repeated forward pass is counted there.
    """
    products = 2 * model.in_products * tokens
    return max(products / (tflops * 1e12 * UTILISATION), LAYER_PASS * model.layers / 3)


def cache_bytes(model: Size, rows: int, tokens: int, kind: int) -> float:
    """What an answer needs while it is written: keys and values of all layers, 2 L kv numbers a
    token, of its prompt and of all that it may become; and what drawing a token takes."""
    return rows * (tokens * 2 * model.layers * model.kv * kind + DRAWN * model.vocabulary)


def reading_bytes(model: Size, rows: int, tokens: int, kind: int) -> float:
    """A text that is read forward only: numbers a token of one layer after the other, 4h around
    attention and 4f of the feed-forward part, of which an adapter has a fourth."""
    return rows * tokens * kind * (4 * model.width + 4 * model.feed_forward)


def answers_bytes(model: Size, prompts: int, n: int, prompt: int, answer: int, kind: int) -> float:
    """n answers to each of so many prompts: first the prompts are read, then answers written."""
    read = reading_bytes(model, prompts, prompt, kind)
    read += prompts * prompt * 2 * model.layers * model.kv * kind
    return max(read, cache_bytes(model, prompts * n, prompt + answer, kind))


def answers_at_once(model: Size, n: int, prompt: int, answer: int, kind: int, free: float) -> int:
    """Answers to sample at once, n to a prompt, with a share of SLACK of `free` bytes; at least n.
    The prompts are a power of two: a little more or less memory changes nothing that is drawn."""
    one = answers_bytes(model, 1, n, prompt, answer, kind)
    return n * _power_of_two(min(SLACK * (free - BESIDE) / one, MOST_ANSWERS / n))


def texts_at_once(model: Size, tokens: int, kind: int, free: float) -> int:
    """Texts of so many tokens to read at once, forward only: a power of two, at least 1."""
    one = reading_bytes(model, 1, tokens, kind)
    return _power_of_two(min(SLACK * (free - BESIDE) / one, MOST_TEXTS))


def _power_of_two(most: float) -> int:
    """The largest one up to `most`, and 1 where there is none."""
    return 1 << (max(1, int(most)).bit_length() - 1)
