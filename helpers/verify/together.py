"""Many checks at once: those that need math-verify's processes run side by side, in a few threads.

Most answers are decided here, in microseconds, and no thread would make that faster. So all checks
are tried one after the other first; one that comes to a question for a process is put off. Those
that are left share a pool, and so a formula that takes its whole deadline holds up its own place
only. Checks that come to the same question run one after another: it is asked once, and remembered.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from helpers.verify import symbolic

Verdict = TypeVar("Verdict")
# Two at least, so that there is one beside a slow one; each asks a process of its own. A deadline
# is processor time, so it is the same however many share a core.
AT_ONCE = max(2, min(symbolic.MOST_IDLE, os.cpu_count() or 1))


def together(check: Callable[..., Verdict], questions: Sequence[tuple]) -> list[Verdict]:
    """`[check(*question) for question in questions]`, and nothing but faster.

    `check` must have no effect but its result: one that is put off begins again, perhaps in another
    thread. What it raises is raised, when those that run beside it have ended.
    """
    found: list = [None] * len(questions)
    waiting: dict[tuple[str, str], list[int]] = {}  # the question for a process -> whose it is
    with symbolic.put_off():
        for place, question in enumerate(questions):
            try:
                found[place] = check(*question)
            except symbolic.PutOff as asks:
                waiting.setdefault(asks.question, []).append(place)

    def check_all(places: list[int]) -> None:
        for place in places:
            found[place] = check(*questions[place])

    if len(waiting) < 2:  # no thread for a single one
        for places in waiting.values():
            check_all(places)
        return found
    with ThreadPoolExecutor(min(AT_ONCE, len(waiting)), "grading") as pool:
        for _ in pool.map(check_all, waiting.values()):
            pass  # a check that raised raises here
    return found
