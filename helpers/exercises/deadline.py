"""A function of the reader's under a time limit, wherever it is called from.

It runs in a thread, and its end is asked for by an exception raised inside that thread, again and
again for a second. A signal would be simpler, but it works in the main thread of Unix only. The
limits of this: a single call into C (`10**10**9`, a huge matrix product) is not interrupted before
it returns, and one that does not let other threads run holds the notebook as long; a loop that
catches *everything* goes on in its thread, until the kernel is restarted, while the notebook
continues. Interrupting the kernel works at any time.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

STOPPING = 1.0  # seconds in which a late function is asked to stop


class Late(BaseException):
    """Raised inside a function whose time is up; no Exception, which many a loop catches."""


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What `call()` returns, or raises; Late after `seconds`."""
    answer: dict[str, Any] = {}

    def run() -> None:
        try:
            answer["value"] = call()
        except BaseException as error:  # SystemExit as well: it must not end a notebook
            answer["error"] = error

    thread = threading.Thread(target=run, name="exercise", daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    except BaseException:  # the kernel was interrupted: the function is to end as well
        _stop(thread)
        raise
    if thread.is_alive():
        _stop(thread)
        raise Late
    if "error" in answer:
        raise answer["error"]
    return answer["value"]


def _stop(thread: threading.Thread) -> None:
    """Ask a thread to end, as often as it fits into a second."""
    until = time.monotonic() + STOPPING
    while thread.is_alive() and time.monotonic() < until:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Late)
        )
        thread.join(0.05)
