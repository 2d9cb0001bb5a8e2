"""Rows of a data set from three places with one function: tiny files, a local folder, the hub.

The columns are those of the real data set in all three, so everything after `load_rows` is the same
code at every scale.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from helpers import hub
from helpers.config import ROOT, Course
from helpers.schema import DatasetSource

FULL_SHA = re.compile(r"[0-9a-f]{40}")


class DataError(RuntimeError):
    """A data set cannot be used as it is: one line with what, where and what to do."""


def load_rows(
    course: Course, split: str, columns: Sequence[str] | None = None, name: str | None = None,
    also: str | None = None, more_columns: bool = False,
):
    """The rows of one split as a `datasets.Dataset`.

    Of the task's own set, or of the set called `name` ("math500"); `split` is the hub's name of the
    split, and a local file may be called `also` instead. Looked for in the set's local folder if
    `path` is set, else in its tiny folder (world "tiny"), else on the hub. `columns`, where given,
    must be exactly the columns found, or be among them with `more_columns`. `where(rows)` tells
    afterwards which file or which hub revision the rows are from. Raises DataError.
    """
    folder = local_folder(course, name)
    own = name in (None, course.own_set)
    setting = "dataset.path" if own else f"sets.paths.{name}"  # for a folder to read instead
    if folder is None:
        rows, place = _from_hub(course.source(name), split, setting)
    else:
        rows, place = _from_file(find_file(folder, split, also, setting))
    rows.info.description = place
    found, wanted = set(rows.column_names), set(columns or rows.column_names)
    if wanted - found if more_columns else wanted != found:
        raise DataError(
            f"{place}: expected the columns {sorted(wanted)}, found {sorted(found)}. "
            f"Rename the columns, or choose the task that fits this data set."
        )
    return rows


def where(rows) -> str:
    """The file or the hub id, configuration and revision that `load_rows` read."""
    return rows.info.description


def local_folder(course: Course, name: str | None = None) -> Path | None:
    """The folder the rows are read from, or None for the hub. A relative path starts at ROOT."""
    place = course.source(name)
    folder = place.path or (place.tiny if course.world == "tiny" else None)
    return ROOT / folder if folder else None


def find_file(
    folder: Path, split: str, also: str | None = None, setting: str = "dataset.path"
) -> Path:
    """`<split>.jsonl`, or the one file named `<split>_*.jsonl` (as in test_dev.jsonl); else the
    same for the name `also`."""
    exact = folder / f"{split}.jsonl"
    if also not in (None, split) and not any(folder.glob(f"{split}[._]*jsonl")):
        if any(folder.glob(f"{also}[._]*jsonl")):
            return find_file(folder, also, setting=setting)
    if exact.is_file():
        return exact
    others = sorted(folder.glob(f"{split}_*.jsonl"))
    if len(others) == 1:
        return others[0]
    if others:
        names = ", ".join(path.name for path in others)
        raise DataError(
            f"{folder}: several files could be the split {split!r} ({names}). "
            f"Rename the one to use to {split}.jsonl."
        )
    present = ", ".join(sorted(path.name for path in folder.glob("*.jsonl"))) or "none"
    raise DataError(
        f"{exact}: no such file (JSON lines files in that folder: {present}). "
        f"Put the split there, or set {setting} to the folder that has it."
    )


def _from_file(path: Path):
    from datasets import Dataset

    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: not valid JSON ({error.msg}). "
                    f"Correct or remove the line, or restore the file."
                ) from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number}: a {type(row).__name__}, not an object. "
                                f"Every line must be one JSON object.")
            rows.append(row)
    if not rows:
        raise DataError(f"{path}: no rows. Restore the file, or build the data again.")
    return Dataset.from_list(rows), str(path)


def _from_hub(wanted: DatasetSource, split: str, setting: str):
    if split == "sealed":
        raise DataError(f"{wanted.hub_id}: only the tiny world has a sealed test set. "
                        f"Use split 'test', or preset='tiny'.")
    if not wanted.hub_id:
        raise DataError(f"dataset.hub_id is empty. Set it, or set {setting} to a local folder.")
    # Without this the client also calls a counter on another host, whose name look-up is unbounded.
    import datasets

    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    name = "/".join(part for part in (wanted.hub_id, wanted.config) if part)
    asked = f"{name}@{wanted.revision}" if wanted.revision else name
    hint = f"Check the id, revision and network, or set {setting} to a folder with a copy."
    revision = wanted.revision
    try:
        if not hub.is_offline():
            revision = hub.retry(lambda: _sha(wanted.hub_id, wanted.revision), asked, hint)
        rows = hub.retry(lambda: datasets.load_dataset(
            wanted.hub_id, wanted.config, split=split, revision=revision), asked, hint)
        hub.check_files(wanted.hub_id, "dataset", revision, hint)
    except hub.HubError as error:
        raise DataError(str(error)) from error
    found = _revision_of_cache(rows) or revision
    if FULL_SHA.fullmatch(revision or "") and found != revision:
        # Offline, the client hands out the newest cached revision whatever was asked for.
        raise DataError(f"{name}: revision {revision} was asked for, the cache has {found}. "
                        f"Go online once, or set dataset.revision to the cached one.")
    return rows, f"{name}@{found} split {split}"


def _sha(hub_id: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    return HfApi().dataset_info(hub_id, revision=revision, timeout=20).sha


def _revision_of_cache(rows) -> str | None:
    """The revision in the cached file's path: …/<config>/<version>/<revision>/<file>.arrow."""
    for file in rows.cache_files:
        for part in reversed(Path(file["filename"]).parts):
            if FULL_SHA.fullmatch(part):
                return part
    return None
