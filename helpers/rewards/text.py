"""What all reward functions share: their types, and how they read a completion and a reference."""

import re
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral

from helpers.verify import together

Completion = str | list[dict[str, str]]  # plain text, or chat messages with role and content
Reward = Callable[..., list[float | None]]


def completion_text(completion: Completion) -> str:
    """Return the text the model wrote: the string itself, or the last message's content."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def field(text: str, tag: str) -> str | None:
    """Return what stands in `<tag>…</tag>`, stripped, if there is exactly one pair; else None."""
    begin, end = f"<{tag}>", f"</{tag}>"
    if text.count(begin) != 1 or text.count(end) != 1:
        return None
    before = text.partition(end)[0]
    return before.partition(begin)[2].strip() if begin in before else None


def words(text: str) -> list[str]:
    """Return the words and numbers of a text, in lower case."""
    return re.findall(r"[a-z]+|[0-9]+", text.casefold())


def plain_reference(reference: object) -> object:
    """A whole number (72) as the text it stands for ("72"), anything else as it is."""
    whole = isinstance(reference, Integral) and not isinstance(reference, bool)
    return str(int(reference)) if whole else reference


def against_references(
    completions: Sequence[Completion],
    references: Sequence,
    flaw: Callable[..., str | None],
    pay: Callable[[str, object], float],
) -> list[float | None]:
    """Pay each completion by its reference, or None where `flaw(reference)` says what is wrong.

    A reference may be text or a whole number. A broken one can be matched by nothing: with None it
    neither rewards nor punishes, and a warning names it. All are paid at once (`together`), so
    `pay` must have no effect but its result.
    """
    judged, broken = [], []  # what is paid for, and at which places nothing is
    for completion, reference in zip(completions, references, strict=True):
        if problem := flaw(reference):
            warnings.warn(f"{problem}: skipped", stacklevel=3)
            broken.append(len(judged) + len(broken))
        else:
            judged.append((completion_text(completion), plain_reference(reference)))
    rewards: list[float | None] = list(map(float, together(pay, judged)))
    for place in broken:
        rewards.insert(place, None)
    return rewards
