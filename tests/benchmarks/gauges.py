"""What a benchmark reads off a trainer without changing it: seconds, texts, bytes of weights."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256

from torch import Tensor, nn
from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Seconds of every step, on the clock and of this process's CPU, and by kind of work in the
    steps after the warm-up. A call inside a timed call counts for the inner one only.

    wait: called before every step, uncounted: whose turn it is.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None):
        self.wait, self.begun = wait, (0.0, 0.0)
        self.steps: list[tuple[float, float]] = []
        self.kinds, self.inner = Counter(), []

    def on_train_begin(self, args, state, control, **_):
        self.wait()
        self.begun = time.perf_counter(), time.process_time()

    def on_step_end(self, args, state, control, **_):
        now = time.perf_counter(), time.process_time()
        self.steps.append((now[0] - self.begun[0], now[1] - self.begun[1]))
        if len(self.steps) == 1:
            self.kinds.clear()
        self.on_train_begin(args, state, control)

    def time(self, owner, name: str, kind: Callable[..., str]) -> None:
        """Count what `owner.name` takes as kind(*its arguments)."""
        call = getattr(owner, name)

        def timed(*args, **options):
            label, begun = kind(*args), time.perf_counter()
            self.inner.append(0.0)
            try:
                return call(*args, **options)
            finally:
                spent = time.perf_counter() - begun
                self.kinds[label] += spent - self.inner.pop()
                if self.inner:
                    self.inner[-1] += spent
        setattr(owner, name, timed)

    def report(self) -> dict:
        """Of each measured step (wall, CPU), and of all of them by kind of work."""
        wall, cpu = (list(column) for column in zip(*self.steps[1:], strict=True))
        kinds = self.kinds | {"rest": sum(wall) - sum(self.kinds.values())}
        return {"seconds": wall, "cpu_seconds": cpu, "kinds": dict(kinds)}


class Texts:
    """What goes through sampling: rows, tokens written, and which prompts, as one number."""

    def __init__(self, ends: list[int]):
        self.ends, self.rows, self.tokens = set(ends), 0, 0
        self.prompts: set[tuple[int, ...]] = set()
        self.at_first: Callable[[], None] | None = None

    def watch(self, owner, name: str, read: Callable) -> None:
        """read(output, *arguments of `owner.name`) gives its prompts and what was written."""
        sample = getattr(owner, name)

        def watched(*args, **options):
            if self.at_first:
                self.at_first()
                self.at_first = None
            output = sample(*args, **options)
            prompts, written = read(output, *args, **options)
            self.prompts |= set(map(tuple, prompts))
            self.rows += len(written)
            self.tokens += sum(next((i for i, token in enumerate(row, 1) if token in self.ends),
                                    len(row)) for row in written)
            return output
        setattr(owner, name, watched)

    def report(self) -> dict:
        digest = sha256(repr(sorted(self.prompts)).encode()).hexdigest()[:16]
        return {"completions": self.rows, "tokens": self.tokens, "prompts": digest}


def of_decode(output, model, tokenizer, encoded, *_) -> tuple[list[list[int]], list[list[int]]]:
    """(prompts, written) of `helpers.decoding.decode`."""
    return encoded, output


def of_generate(output, model, *_, input_ids, attention_mask,
                **__) -> tuple[list[list[int]], list[list[int]]]:
    """(prompts, written) of Hugging Face's `generate`."""
    prompts = [row[real].tolist() for row, real in zip(input_ids, attention_mask.bool(),
                                                       strict=True)]
    return prompts, getattr(output, "sequences", output)[:, input_ids.size(1):].tolist()


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes of the distinct storages behind tensors: tied weights count once."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
                for t in tensors}.values())


def weights_of(parts: Iterable[nn.Module | None]) -> list[Tensor]:
    """All parameters and buffers."""
    return [t for part in parts if part is not None for t in (*part.parameters(), *part.buffers())]


def alive() -> list[Tensor]:
    """All tensors in the process."""
    return [one for one in gc.get_objects() if issubclass(type(one), Tensor)]


def alive_like(weights: list[Tensor], others: Iterable[Tensor] = ()) -> int:
    """Bytes of all tensors in the process that have a weight's shape: weights and their copies, but
    not `others`, which were there before."""
    shapes = {(weight.shape, weight.dtype) for weight in weights}
    known = set(map(id, others))
    return size(t for t in alive() if (t.shape, t.dtype) in shapes and id(t) not in known)
