"""Calls to the Hugging Face hub that end: a bounded retry and one clear message.

The client repeats some calls (a file's headers, a rate limit on a file) but not others: a 503 on a
file's content, a reset connection or a rate limit on the revision are raised at once. Everything
that loads from the hub goes through `retry`, so that a hiccup costs seconds and a real error says
in one line what was asked and what to do. Nor does it compare what it downloaded with the hub's
checksums: `check_files` does.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeVar

Result = TypeVar("Result")

TEMPORARY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = 30.0


class HubError(RuntimeError):
    """The hub could not give what was asked for: one line with what, why and what to do."""


class HubUnreachable(HubError):  # noqa: N818 - says what is, and is caught by that name
    """No connection to the hub, or it may not be asked and its files were never downloaded."""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was raised from (libraries wrap the real one)."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_a(error: BaseException, *names: str) -> bool:
    """By class name: the client is built on httpx or on httpx2, depending on its version."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _is_temporary(error: BaseException) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    for one in _chain(error):
        if isinstance(one, OfflineModeIsEnabled):
            return False
        status = getattr(getattr(one, "response", None), "status_code", None)
        if status is not None:
            return status in TEMPORARY_STATUS
        if _is_a(one, "TransportError") or "Consistency check failed" in str(one):
            return True
    return False


def _is_unreachable(error: BaseException) -> bool:
    """Whether nobody answered; a status, and a connection that was cut later, is not that.
    `datasets` says so with a plain ConnectionError, whose cause it drops."""
    nobody = ("OfflineModeIsEnabled", "ConnectError", "ConnectTimeout")
    answered = any(getattr(one, "response", None) is not None for one in _chain(error))
    return not answered and any(
        type(one) is ConnectionError or _is_a(one, *nobody) for one in _chain(error))


def _seconds_asked_for(error: BaseException) -> float | None:
    """The `Retry-After` header of the answer, if there is one (seconds form only)."""
    for one in _chain(error):
        headers = getattr(getattr(one, "response", None), "headers", None) or {}
        asked = str(headers.get("retry-after", ""))
        if asked.isdigit():
            return float(asked)
    return None


def retry(call: Callable[[], Result], what: str, hint: str, tries: int = 4, wait: float = 1.0,
          give_up_after: float = 120.0) -> Result:
    """The result of `call()`, tried again on errors that pass: status 429, 5xx, a lost connection.

    `what` names the thing asked for and `hint` what the reader can do; both go into the `HubError`
    that is raised after `tries` tries, after `give_up_after` seconds, or at once for an error that
    does not pass (404, 401, a wrong revision).
    """
    started = time.monotonic()
    for attempt in range(1, tries + 1):
        try:
            return call()
        except Exception as error:
            temporary = _is_temporary(error)
            late = time.monotonic() - started > give_up_after
            if not temporary or attempt == tries or late:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                after = f" after {attempt} tries" if attempt > 1 else ""
                kind = HubUnreachable if _is_unreachable(error) else HubError
                raise kind(f"{what}: {lines[0][:300]}{after}. {hint}") from error
            time.sleep(min(_seconds_asked_for(error) or wait * 2 ** (attempt - 1), LONGEST_WAIT))
    raise HubError(f"{what}: never tried, because tries = {tries}. {hint}")


def is_offline() -> bool:
    """Whether the hub client was told to use its cache only (`HF_HUB_OFFLINE=1`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


@lru_cache(maxsize=64)
def check_files(repo: str, kind: str, revision: str | None, hint: str) -> None:
    """Compare the downloaded files of a repository (kind "model" or "dataset") with the checksums
    that the hub has; HubError for a file that differs. Once a process, and not when offline."""
    if is_offline():
        return
    from huggingface_hub import HfApi

    found = retry(lambda: HfApi().verify_repo_checksums(repo, repo_type=kind, revision=revision),
                  f"{repo}: checksums", hint)
    if found.mismatches:
        raise HubError(f"{repo}: the downloaded file {found.mismatches[0]['path']} is damaged (its "
                       f"checksum is not the hub's). Delete {found.verified_path} and load again.")
