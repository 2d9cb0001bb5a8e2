"""Files written whole or not at all, and told apart from damaged ones by size and sha256."""

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any


class ArtifactError(RuntimeError):
    """Something on disk is missing, damaged or of another configuration; says what to do."""


def atomic_write(path: Path | str, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it there in one step."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "free some space on this disk" if full else "make this place writable"
        raise ArtifactError(
            f"cannot write {path}: {error.strerror or error}; {advice} and run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_text(path: Path | str, text: str) -> None:
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path | str, value: Any) -> None:
    """NaN and infinity are refused (ValueError): they are no JSON."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    atomic_write_text(path, text + "\n")


def read_json(path: Path | str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error}") from None


def sync(path: Path) -> None:
    """Have the system put a file or folder entry on the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """The file's sha256; read once for as long as size and time of change stay."""
    stat = path.stat()
    return _sha256(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listing(folder: Path, skip: Sequence[str] = ()) -> dict[str, dict]:
    """{relative name: {bytes, sha256}} of all files in `folder`, temporary ones left out."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] not in skip and path.suffix != ".tmp":
            files[name.as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    return files


def damage(folder: Path, files: dict[str, dict]) -> str | None:
    """The first listed file that is not as it was written, in words; None if all are."""
    for name, noted in files.items():
        path = folder / name
        try:  # it may go while it is looked at: a new stage moves in
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                return f"{name} is missing"
            if size != noted["bytes"]:
                return f"{name} has {size} bytes, not {noted['bytes']}"
            if sha256(path) != noted["sha256"]:
                return f"{name} has changed since it was written"
        except FileNotFoundError:
            return f"{name} is missing"
    return None


def remove(folder: Path) -> None:
    """Remove a folder so that no moment shows it half there: rename first, then delete."""
    trash = folder.with_name(f".trash-{folder.name}-{secrets.token_hex(4)}")
    if folder.exists():
        os.replace(folder, trash)
    for old in folder.parent.glob(f".trash-{folder.name}-*"):  # also of a run killed in between
        shutil.rmtree(old, ignore_errors=True)


def remove_temporary(path: Path) -> None:
    """Temporary files of a run that was killed while writing."""
    for leftover in path.rglob(".*.tmp"):
        leftover.unlink(missing_ok=True)
