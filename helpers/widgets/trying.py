"""One try: every chosen model writes its samples, in a thread that can be stopped at each token."""

import atexit
import threading
import time
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from helpers.files import ArtifactError
from helpers.models import ModelError
from helpers.track import Track
from helpers.widgets.answered import Answered, Result, answered
from helpers.widgets.asking import AskError, Engine, Sample

EVERY = 0.2  # seconds between two pictures of what is written, at least
SHARE = 0.2  # of the time, at most, for making them
RATE = 300_000  # characters a second, at most: Jupyter's servers drop what is more than 1 MB
SAID = (AskError, ArtifactError, ModelError)  # say what to do; of others the kind is named, too


class Watcher(Protocol):
    """Who shows a try while it goes on; called from its thread. `writing` returns how many
    characters it has sent to the page."""

    def loading(self, name: str) -> None: ...

    def writing(self, name: str, samples: Sequence[Sample], share: float) -> int: ...

    def answered(self, answers: Answered, notices: Sequence[str]) -> None: ...

    def finished(self, result: Result) -> None: ...


class Trying:
    """The thread of one widget; one try at a time."""

    def __init__(self, engine: Engine, track: Track, watcher: Watcher):
        self.engine, self.track, self.watcher = engine, track, watcher
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._written = threading.Event()  # nothing more is to come but what `finished` does
        _ALIVE.add(self)

    @property
    def running(self) -> bool:
        """Whether models write. A try that is only being put away is waited for."""
        if self._written.is_set():
            self.wait()
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """Whether the last try was told to stop."""
        return self._stop.is_set()

    def start(self, result: Result, names: Sequence[str]) -> None:
        """Fill `result` with the answers of these models; RuntimeError while a try goes on."""
        if self.running:
            raise RuntimeError("a try goes on; stop it first")
        self._stop, self._written = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, args=(result, names, self._stop),
                                        name="try a problem", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No further token; what is written stays."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Until the try has ended; whether it has."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _work(self, result: Result, names: Sequence[str], stop: threading.Event) -> None:
        for place, name in enumerate(names):
            if stop.is_set():
                break
            answers, notices = self._ask(result, name, place, len(names), stop)
            result.answers.append(answers)
            result.notices += [note for note in notices if note not in result.notices]
            self.watcher.answered(answers, result.notices)
        self._written.set()
        result.when = datetime.now(UTC).isoformat(timespec="seconds")
        self.watcher.finished(result)

    def _ask(self, result: Result, name: str, place: int, of: int,
             stop: threading.Event) -> tuple[Answered, list[str]]:
        """One model's answers. Whatever goes wrong becomes its error: the others go on."""
        problem, settings = result.problem, result.settings
        samples: list[Sample] = []
        notices: list[str] = []
        try:
            self.watcher.loading(name)
            notices = self.engine.notices(name, problem, settings)
            due = 0.0
            writing = self.engine(name, problem, settings)
            for samples in writing:
                if stop.is_set():
                    break
                begun = time.monotonic()
                if begun >= due:
                    done = max(len(sample.ids) for sample in samples) / settings.max_new_tokens
                    size = self.watcher.writing(name, samples, (place + min(1.0, done)) / of)
                    now = time.monotonic()
                    due = now + max(EVERY, (now - begun) / SHARE, size / RATE)
            stopped = not all(sample.done for sample in samples)
            return answered(self.track, problem, name, samples, stopped), notices
        except Exception as error:
            why = str(error) if isinstance(error, SAID) else f"{type(error).__name__}: {error}"
            why = " ".join(why.split())[:600]
            kept = [sample for sample in samples if sample.ids]
            none: list = [None] * len(kept)
            return Answered(name, kept, none, none, none, {}, none, error=why), notices


_ALIVE: "weakref.WeakSet[Trying]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """A thread that computes while the interpreter is taken down would abort it."""
    for one in list(_ALIVE):
        one.stop()
        one.wait(2.0)
