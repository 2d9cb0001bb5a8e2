"""Where a stage is written, and the one step that puts it in the place of the finished one.

While it runs a stage lives in `.<stage>.new`, beside `<stage>`, the finished one of before. `swap`
moves that one aside and the new one to its place; what a stop between the two moves left, even
kill -9, is put in order by whoever looks next (`settle`). One process at a time writes a stage
(`hold`): a lock that ends with the process.
"""

import errno
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import IO

from helpers.files import ArtifactError, read_json, remove, sync

LOCK_SECONDS = 5.0  # what is left of a killed kernel is gone before
_held: dict[Path, IO] = {}  # the locks of this process
os.register_at_fork(after_in_child=_held.clear)  # and not of a copy of it


def live(home: Path) -> Path:
    """The folder that a run of the stage `home` writes to until it is finished."""
    return home.with_name(f".{home.name}.new")


def _aside(home: Path) -> Path:
    """Where the finished stage waits while its successor moves in; there for a moment only."""
    return home.with_name(f".{home.name}.old")


def swap(home: Path) -> None:
    """Put the live folder in the place of `home`, which goes; the caller holds the lock."""
    if home.exists():
        remove(_aside(home))
        os.replace(home, _aside(home))
    os.replace(live(home), home)
    sync(home.parent)
    remove(_aside(home))


def swapping(home: Path) -> bool:
    """Whether a swap is under way, or was cut short: the old one is aside, the new one not in."""
    return not home.exists() and _aside(home).exists()


def settle(home: Path) -> None:
    """Finish a swap that was cut short: the new stage moves in if it is there, else the old one
    moves back. While another process is at it, wait for that."""
    end = time.monotonic() + LOCK_SECONDS
    while swapping(home):
        mine = _lock_of(home) in _held
        if not mine and not _take(home):
            if time.monotonic() > end:
                raise ArtifactError(f"stage {home.name!r} in {home.parent} is being replaced by "
                                    "another process that does not go on; end it and try again")
            time.sleep(0.01)
            continue
        try:
            if swapping(home):  # still so, now that nobody else can be at it
                new = live(home) if (live(home) / "manifest.json").exists() else _aside(home)
                os.replace(new, home)
        finally:
            if not mine:
                release(home)


def clear(home: Path) -> None:
    """An empty place to write to; the finished stage stays. The caller holds the lock."""
    remove(live(home))
    remove(_aside(home))


def reopen(home: Path) -> None:
    """Go on with a finished stage: all but its manifest is copied to the live folder. Checkpoints,
    which are never written to again, are linked where the disk can."""

    def copy(source: str, target: str) -> None:
        if Path(source).relative_to(home).parts[0] == "checkpoints":
            try:
                os.link(source, target)
                return
            except OSError:
                pass
        shutil.copy2(source, target)

    def skip(folder: str, names: list[str]) -> list[str]:
        return ["manifest.json"] if Path(folder) == home else []

    partial = home.with_name(f".{home.name}.copy")
    remove(partial)
    try:
        shutil.copytree(home, partial, ignore=skip, copy_function=copy)
    except OSError as error:
        remove(partial)
        raise ArtifactError(f"cannot copy {home} to go on with it: {error}; "
                            "free some space on this disk and run again") from error
    remove(live(home))
    os.replace(partial, live(home))


def run_id(folder: Path, name: str) -> str | None:
    """The run_id noted in `manifest.json` or `begun.json` of a folder, if it can be read."""
    try:
        noted = read_json(folder / name)
    except ArtifactError:
        return None
    return noted.get("run_id") if isinstance(noted, dict) else None


def begun(folder: Path, identity: dict) -> dict | None:
    """begun.json in a folder if it is whole and of a run with this identity."""
    try:
        noted = read_json(folder / "begun.json")
    except ArtifactError:
        return None
    whole = isinstance(noted, dict) and {"run_id", "started", "seconds"} <= noted.keys()
    return noted if whole and all(noted.get(k) == v for k, v in identity.items()) else None


def started(home: Path) -> float:
    """When a run of the stage last began, in seconds since 1970; 0 if none ever did."""
    files = [folder / "begun.json" for folder in (live(home), home)]
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def hold(home: Path) -> None:
    """Keep other processes from writing the stage until `release` or the end of this one. The same
    process may hold it again. ArtifactError if another one does for longer than LOCK_SECONDS."""
    end = time.monotonic() + LOCK_SECONDS
    while _lock_of(home) not in _held and not _take(home):
        if time.monotonic() > end:
            who = _lock_of(home).read_text().strip() or "unknown"
            raise ArtifactError(
                f"stage {home.name!r} in {home.parent} is being written by another process "
                f"({who}); wait until it is done, or end it (shut that notebook's kernel down)"
            )
        time.sleep(0.05)


def release(home: Path) -> None:
    """Let others write the stage."""
    if file := _held.pop(_lock_of(home), None):
        file.close()


def _lock_of(home: Path) -> Path:
    """Beside the run, as the lock of a whole run: it must outlive the folder it is about."""
    return home.parent.with_name(f".{home.parent.name}.{home.name}.lock")


def _take(home: Path) -> bool:
    """Try to lock. The lock is of the process (POSIX), not of the open file: a child that was
    forked does not keep it when this process is killed."""
    path = _lock_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a")  # noqa: SIM115 - open for as long as it is held
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            file.close()
            return False
        # a file system without locks, as some network folders are: nothing can be held
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    _held[path] = file
    return True
