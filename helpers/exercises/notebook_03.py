"""Exercises of 03, supervised fine-tuning: labels, the shifted loss, merging, packing."""

# What a notebook shows has 79 columns, and the table is set by hand.
# fmt: off
import random

import torch
from torch import Tensor
from torch.nn import functional

from helpers.exercises.exercise import Exercise, Mistake


def labels_of(ids: Tensor, prompt_lengths: list[int],
              lengths: list[int]) -> Tensor:
    """Labels (B, T): the ids where a token carries loss, else -100.

    ids: (B, T), prompt, answer, padding. prompt_lengths, lengths: B counts
    of tokens, of the prompt and of prompt and answer together.
    """
    place = torch.arange(ids.shape[1])
    prompt = place < torch.tensor(prompt_lengths)[:, None]
    padding = place >= torch.tensor(lengths)[:, None]
    return ids.masked_fill(prompt | padding, -100)


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean surprise in nats of all tokens with a label, a scalar.

    logits: (B, T, V), those at place t are for the token at t + 1.
    labels: (B, T), -100 where a token carries no loss.
    """
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=-100,
    )


def merged_weight(weight: Tensor, A: Tensor, B: Tensor,
                  alpha: float) -> Tensor:
    """The matrix (out, in) that does alone what weight and LoRA do.

    weight: (out, in). A: (r, in). B: (out, r). LoRA adds alpha / r times
    B(A(x)) (Hu et al. 2021, arXiv:2106.09685).
    """
    return weight + alpha / A.shape[0] * B @ A


def packed_mask(documents: Tensor) -> Tensor:
    """Which place may look at which: bool (T, T), [i, j] for i at j.

    documents: (T,), the number of the document each token belongs to, for
    several packed into one row. A token sees itself and what came before
    it in its own document.
    """
    same = documents[:, None] == documents[None, :]
    return same & torch.ones_like(same).tril()


def _generator(rng: random.Random) -> torch.Generator:
    return torch.Generator().manual_seed(rng.getrandbits(40))


def _batches(rng: random.Random) -> list[tuple]:
    found = []
    for rows in (1, 2, 4):
        prompts = [rng.randint(1, 4) for _ in range(rows)]
        lengths = [prompt + rng.randint(1, 4) for prompt in prompts]
        width = max(lengths) + 2
        ids = torch.randint(1, 500, (rows, width), generator=_generator(rng))
        found.append((ids, prompts, lengths))
    return found


def _shifted(move):
    def labels(ids, prompt_lengths, lengths):
        return labels_of(ids, [n + move for n in prompt_lengths], lengths)

    return labels


def _predictions(rng: random.Random) -> list[tuple]:
    found = []
    for rows, width in ((1, 5), (3, 7), (4, 9)):
        logits = 3 * torch.randn(rows, width, 11, generator=_generator(rng))
        labels = torch.randint(0, 11, (rows, width), generator=_generator(rng))
        for row in range(rows):
            labels[row, : rng.randint(1, 2)] = -100
            labels[row, width - rng.randint(0, 2 + row) :] = -100
        found.append((logits, labels))
    return found


def _rows(logits, labels):
    rows = [answer_loss(one[None], label[None]) for one, label in zip(logits, labels, strict=True)]
    return torch.stack(rows).mean()


def _sum_of(logits, labels):
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=-100,
        reduction="sum",
    )


def _matrices(rng: random.Random) -> list[tuple]:
    def normal(*shape):
        return torch.randn(*shape, generator=_generator(rng))

    return [
        (normal(rows, columns), normal(r, columns), normal(rows, r), alpha)
        for rows, columns, r, alpha in (
            (6, 6, 2, 8.0),
            (5, 3, 4, 16.0),
            (8, 4, 3, 6.0),
        )
    ]


def _packed(rng: random.Random) -> list[tuple]:
    found = []
    for count in (1, 3, 4):
        lengths = torch.tensor([rng.randint(2, 4) for _ in range(count)])
        found.append((torch.repeat_interleave(torch.arange(count), lengths),))
    return found


EXERCISES = (
    Exercise(
        "03.1", "Who is learned from", 1, 10,
        "`(B, T)`, B counts, B counts → `(B, T)`",
        "Section 3 labelled one example, and padded rows that were labelled before. Label a "
        "padded batch of which only lengths are known: loss on the tokens of the "
        "answer, its end among them, on nothing of the prompt and none of the padding.",
        "`torch.arange(T)` compared with a column of lengths, `torch.tensor(lengths)[:, None]`, "
        "gives a (B, T) of true and false. Do not shift anything here: that is the loss's "
        "business.",
        labels_of, _batches,
        (Mistake("padding carries loss: the model would learn to write padding after every "
                  "answer", lambda ids, p, n: labels_of(ids, p, [ids.shape[1]] * len(p))),
         Mistake("the prompt carries loss: the model would learn to write questions",
                  lambda ids, p, n: labels_of(ids, [0] * len(p), n)),
         Mistake("the first token of each answer has no label: labels are not shifted here, the "
                  "loss does that", _shifted(1)),
         Mistake("the last token of each prompt has a label: places count from 0, so the prompt "
                  "ends before place prompt_length", _shifted(-1)),
         Mistake("the last token of each answer has no label: it is the end, by which a model "
                  "learns to stop", lambda ids, p, n: labels_of(ids, p, [one - 1 for one in n])),
         Mistake("what carries no loss is −100, the value that cross_entropy ignores; 0 is a "
                  "token", lambda ids, p, n: labels_of(ids, p, n).clamp(min=0))),
        "labels_of(torch.tensor([[5, 6, 7, 8, 2, 0, 0],\n"
        "                        [5, 9, 4, 4, 4, 4, 2]]), [2, 3], [5, 7]).tolist()",
        imports="import torch\n"
                "from torch import Tensor"),
    Exercise(
        "03.2", "The loss, one place on", 2, 10,
        "`(B, T, V)`, `(B, T)` → a scalar, nats a token",
        "Logits and labels stand at the same places, but the logits at a place are for the token "
        "*after* it. Compute the mean over all tokens with a label, of the whole batch.",
        "The logits without the last place, the labels without the first one; then "
        "`torch.nn.functional.cross_entropy` over flattened rows, which ignores −100 by itself.",
        answer_loss, _predictions,
        (Mistake("not shifted: you ask the logits at a place for the token they have just read",
                  lambda logits, labels: functional.cross_entropy(
                      logits.flatten(0, 1), labels.flatten()
                  )),
         Mistake("shifted the wrong way: logits[:, 1:] against labels[:, :-1] asks for the past",
                  lambda logits, labels: functional.cross_entropy(
                      logits[:, 1:].flatten(0, 1), labels[:, :-1].flatten()
                  )),
         Mistake("you took a mean for each row and then the mean of those: so tokens of short "
                  "answers weigh more. Divide by all tokens with a label", _rows),
         Mistake("you divided by all places; those without a label do not count",
                  lambda logits, labels: _sum_of(logits, labels) / labels[:, 1:].numel()),
         Mistake("this is the sum; the loss is the mean over tokens with a label", _sum_of)),
        "round(answer_loss(torch.zeros(1, 4, 10),\n"
        "                  torch.tensor([[-100, 3, 1, 2]])).item(), 3)",
        "ln 10: whoever knows nothing about ten tokens is surprised by that much.",
        "import torch\n"
        "from torch import Tensor\n"
        "from torch.nn import functional"),
    Exercise(
        "03.3", "Merge by hand", 1, 5,
        "`(out, in)`, `(r, in)`, `(out, r)`, a number → `(out, in)`",
        "Section 8 merges with peft. It is one line of algebra: which single matrix gives the same "
        "output for every input?",
        "$Wx + \\frac{\\alpha}{r} B A x = (\\ldots)\\, x$. Shapes tell the order of A and B.",
        merged_weight, _matrices,
        (Mistake("the change is scaled by alpha / r; you left that out",
                  lambda w, A, B, alpha: w + B @ A),
         Mistake("you scaled by alpha; it is alpha / r, so that r can change without the rate",
                  lambda w, A, B, alpha: w + alpha * B @ A),
         Mistake("this is the change alone; add it to the weight",
                  lambda w, A, B, alpha: alpha / A.shape[0] * B @ A),
         Mistake("you divided by √r: that is rsLoRA; LoRA divides by r",
                  lambda w, A, B, alpha: w + alpha / A.shape[0] ** 0.5 * B @ A),
         Mistake("r is the number of rows of A, not of its columns",
                  lambda w, A, B, alpha: w + alpha / A.shape[1] * B @ A)),
        "merged_weight(torch.eye(2), torch.tensor([[1.0, 2.0]]),\n"
        "              torch.tensor([[1.0], [0.0]]), alpha=2.0).tolist()",
        imports="import torch\n"
                "from torch import Tensor"),
    Exercise(
        "03.4", "Several documents in one row", 2, 10,
        "`(T,)` → `(T, T)`",
        "Padding is calculated and thrown away. *Packing* fills its place with the next examples, "
        "but then a token must not see another example's text. Who may look at whom?",
        "Two conditions: the same document, `documents[:, None] == documents[None, :]`, and no "
        "looking ahead, `.tril()`.",
        packed_mask, _packed,
        (Mistake("a token sees those before it in *other* documents, too: one example leaks into "
                  "the next", lambda d: torch.ones(len(d), len(d), dtype=torch.bool).tril()),
         Mistake("a token sees what comes after it in its document: it could copy its answer",
                  lambda d: d[:, None] == d[None, :]),
         Mistake("a token sees itself as well: the first of a document would see nothing, and its "
                  "softmax would be NaN", lambda d: packed_mask(d).tril(-1)),
         Mistake("rows and columns are exchanged: [i, j] says whether i may look at j",
                  lambda d: packed_mask(d).T)),
        "packed_mask(torch.tensor([0, 0, 1, 1])).int().tolist()",
        "Places must be counted anew in each document as well, or the second one begins in the "
        "middle.",
        "import torch\n"
        "from torch import Tensor"),
)
