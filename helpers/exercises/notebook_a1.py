"""Exercises of A1, pre-training: bits a byte, a schedule of learning rates, blocks of a corpus."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import math
import random

import torch
from torch import Tensor

from helpers.exercises.exercise import Exercise, Mistake


def bits_per_byte(loss: float, tokens: int, bytes_: int) -> float:
    """Bits that the model needs for a byte of text.

    loss: mean surprise in nats a token. tokens, bytes_: length of the same
    text in tokens and in bytes.
    """
    return loss * tokens / bytes_ / math.log(2)


def warm_stable_decay(step: int, steps: int, peak: float, warmup: int,
                      decay: int) -> float:
    """Learning rate of a step, 0 to steps - 1 (warmup-stable-decay, Hu et
    al. 2024, arXiv:2404.06395).

    Up in equal parts over `warmup` steps (the first has peak / warmup, the
    last peak), then peak, then down in equal parts over the last `decay`
    steps (the last has peak / decay).
    """
    up = (step + 1) / warmup
    down = (steps - step) / decay
    return peak * min(up, down, 1.0)


def next_token_blocks(ids: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """(inputs, targets), both (N, length): the text cut into blocks one
    after the other; a target is the token after its input.

    ids: (T,). Every input needs a target, so N = (T - 1) // length; what
    is left at the end is dropped.
    """
    n = (len(ids) - 1) // length
    inputs = ids[: n * length].view(n, length)
    targets = ids[1 : n * length + 1].view(n, length)
    return inputs, targets


def _texts(rng: random.Random) -> list[tuple]:
    return [
        (
            rng.uniform(0.5, 7),
            tokens,
            tokens * rng.randint(2, 5) + rng.randint(0, 99),
        )
        for tokens in (rng.randint(100, 10_000) for _ in range(5))
    ]


def _schedules(rng: random.Random) -> list[tuple]:
    found = []
    for _ in range(3):
        warmup, stable, decay = (rng.randint(4, 30) for _ in range(3))
        steps, peak = warmup + stable + decay, rng.choice([0.001, 0.003])
        found += [
            (step, steps, peak, warmup, decay)
            for step in (
                0,
                1,
                warmup - 1,
                warmup,
                warmup + stable - 1,
                warmup + stable,
                warmup + stable + 2,
                steps - 1,
            )
        ]
    return found


def _without_end(step, steps, peak, warmup, decay):
    return peak * min((step + 1) / warmup, 1.0)


def _cosine(step, steps, peak, warmup, decay):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def _corpora(rng: random.Random) -> list[tuple]:
    return [
        (
            torch.tensor([rng.randrange(500) for _ in range(length * n + rest)]),
            length,
        )
        for length, n, rest in ((4, 3, 1), (5, 2, 3), (3, 4, 0), (8, 5, 4))
    ]


def _windows(ids, length):
    n = len(ids) - length
    return (
        torch.stack([ids[i : i + length] for i in range(n)]),
        torch.stack([ids[i + 1 : i + 1 + length] for i in range(n)]),
    )


def _padded(ids, length):
    n = -(-(len(ids) - 1) // length)
    full = torch.cat([ids, ids.new_zeros(n * length + 1 - len(ids))])
    return full[:-1].view(n, length), full[1:].view(n, length)


EXERCISES = (
    Exercise(
        "A1.1", "Compare across tokenizers", 1, 5,
        "nats a token, two lengths → bits a byte",
        "A loss in nats a token cannot be compared between two tokenizers: whoever has longer "
        "tokens is asked harder questions, but fewer. Bits a *byte* can: the text is the same for "
        "all.",
        "Nats a token times tokens is nats for the whole text; a bit is ln 2 nats.",
        bits_per_byte, _texts,
        (Mistake("these are nats a byte: a bit is ln 2 nats, so divide by ln 2",
                  lambda loss, tokens, size: loss * tokens / size),
         Mistake("you multiplied by ln 2: a bit is less than a nat, so there are more of them; "
                  "divide", lambda loss, tokens, size: loss * tokens / size * math.log(2)),
         Mistake("these are bits a token; a text has fewer tokens than bytes",
                  lambda loss, tokens, size: loss / math.log(2)),
         Mistake("the ratio is upside down: tokens by bytes",
                  lambda loss, tokens, size: loss * size / tokens / math.log(2)),
         Mistake("e to the loss is the perplexity, the number of tokens it hesitates between",
                  lambda loss, tokens, size: math.exp(loss))),
        "round(bits_per_byte(0.56, tokens=1_000, bytes_=2_600), 3)",
        imports="import math"),
    Exercise(
        "A1.2", "Warm up, stay, cool down", 2, 10,
        "counts of steps and a rate → a rate",
        "Section 7 follows a cosine, for which the end must be known from the start. A schedule in "
        "three straight pieces can be ended whenever one likes: keep the model of the long middle, "
        "and cool down from there.",
        "The least of three lines: one that rises from the start, one that falls to the end, and "
        "1.",
        warm_stable_decay, _schedules,
        (Mistake("step 0 has rate 0 and learns nothing: the first step has peak / warmup",
                  lambda step, steps, peak, w, d: peak * min(step / w, (steps - step) / d, 1.0)),
         Mistake("the rate never falls: in the last `decay` steps it goes down", _without_end),
         Mistake("this is a cosine; between warm-up and decay the rate stays at its peak", _cosine),
         Mistake("the last step has rate 0 and learns nothing: it has peak / decay",
                  lambda step, steps, peak, w, d: (
                      peak * min((step + 1) / w, (steps - 1 - step) / d, 1.0)
                  )),
         Mistake("the rate falls as soon as it is warm; it stays at its peak until `decay` steps "
                  "before the end",
                  lambda step, steps, peak, w, d: (
                      peak * min((step + 1) / w, (steps - step) / (steps - w))
                  )),
         Mistake("no warm-up: the first steps of a fresh optimizer are its wildest",
                  lambda step, steps, peak, w, d: peak * min((steps - step) / d, 1.0))),
        "[round(warm_stable_decay(step, 10, 1.0, warmup=2, decay=4), 2)\n"
        " for step in range(10)]"),
    Exercise(
        "A1.3", "Blocks of a corpus", 2, 10,
        "`(T,)`, a length → `(N, length)`, `(N, length)`",
        "The loop of section 7 reads packed documents. Cut a long text into blocks, so that every "
        "token is once an input and once a target (but for the very first and the last).",
        "`view` makes rows of a whole number of blocks. Inputs begin at 0, targets at 1.",
        next_token_blocks, _corpora,
        (Mistake("targets are the inputs themselves: a target is the *next* token",
                  lambda ids, n: (next_token_blocks(ids, n)[0],) * 2),
         Mistake("inputs and targets are exchanged: this asks for the token before",
                  lambda ids, n: next_token_blocks(ids, n)[::-1]),
         Mistake("these blocks overlap: each begins where the last one ended", _windows),
         Mistake("the rest is filled up with zeros; it is dropped, or the model learns to write "
                  "zeros", _padded),
         Mistake("the last target of each block comes from its own beginning (a roll within the "
                  "row); it is the first token of the next block",
                  lambda ids, n: (
                      next_token_blocks(ids, n)[0],
                      next_token_blocks(ids, n)[0].roll(-1, dims=1),
                  ))),
        "[part.tolist() for part in next_token_blocks(torch.arange(8), 3)]",
        imports="import torch\n"
                "from torch import Tensor"),
)
