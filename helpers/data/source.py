"""Rows of a data set from three places with one function: tiny files, a local folder, the hub.

The columns are those of the real data set in all three, so everything after `load_rows` is the same
code at every scale.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from helpers import hub
from helpers.config import ROOT, Course
from helpers.data import columns as kinds
from helpers.data.errors import DataError, DataUnreachable
from helpers.data.lines import line_number, read_lines
from helpers.schema import DatasetSource

FULL_SHA = re.compile(r"[0-9a-f]{40}")


def load_rows(
    course: Course, split: str, columns: Mapping[str, object] | Sequence[str] | None = None,
    name: str | None = None, also: str | None = None, more_columns: bool = False,
    first: int | None = None,
):
    """The rows of one split as a `datasets.Dataset`.

    Of the task's own set, or of the set called `name` ("math500"); `split` is the hub's name of the
    split, and a local file may be called `also` instead. Looked for in the set's local folder if
    `path` is set, else in its tiny folder (world "tiny"), else on the hub. `columns`, where given,
    must be exactly the columns found, or be among them with `more_columns`; where it maps them to
    kinds (see `columns`), what they hold must be of that kind. `where(rows)` tells afterwards which
    file or which hub revision the rows are from. With `first` no more rows than that are read, and
    none of the hub's beyond them is downloaded. Raises DataError.
    """
    folder = local_folder(course, name)
    own = name in (None, course.own_set)
    setting = "dataset.path" if own else f"sets.paths.{name}"  # for a folder to read instead
    declared = columns if isinstance(columns, Mapping) else dict.fromkeys(columns or ()) or None
    if folder is None:
        rows, place = _from_hub(course.source(name), split, setting, first)
        rows = _as_declared(rows, declared, more_columns, place, setting)
    else:
        file = find_file(folder, split, also, setting)
        rows, place = _from_file(file, declared, more_columns, first)
    rows.info.description = place
    return rows


def where(rows) -> str:
    """The file or the hub id, configuration and revision that `load_rows` read."""
    return rows.info.description


def where_row(rows: Sequence[dict], index: int) -> str:
    """The place of one row (from 0): its file and line, or its number in the set on the hub."""
    path = Path(where(rows).partition(", the first ")[0])
    if path.is_file():
        return f"{path}, line {line_number(path, index)}"
    return f"{where(rows)}, row {index + 1}"


def local_folder(course: Course, name: str | None = None) -> Path | None:
    """The folder the rows are read from, or None for the hub. A relative path starts at ROOT."""
    place = course.source(name)
    folder = place.path or (place.tiny if course.world == "tiny" else None)
    if not folder and course.world == "tiny":
        raise DataError(f"the set {name or course.own_set!r} has no folder, and nothing is read "
                        f"from the hub here: set dataset.path to one with train.jsonl.")
    return ROOT / folder if folder else None


def find_file(
    folder: Path, split: str, also: str | None = None, setting: str = "dataset.path"
) -> Path:
    """`<split>.jsonl`, or the one file named `<split>_*.jsonl` (as in test_dev.jsonl); else the
    same for the name `also`."""
    if folder.is_file():
        raise DataError(f"{folder} is a file. Set {setting} to the folder that it stands in.")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Set {setting} to one with {split}.jsonl; a "
                        f"relative path starts at {ROOT}.")
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


def _from_file(
    path: Path, columns: Mapping[str, object] | None, more_columns: bool, first: int | None
):
    import pyarrow as pa
    from datasets import Dataset

    at_most = None if first is None else first + 1  # one more: then the place says so
    rows = read_lines(path, columns, more_columns, at_most)
    try:
        table = Dataset.from_list(rows)
    except (pa.ArrowException, OverflowError) as error:  # in a column that the course never reads
        raise DataError(f"{path}: the rows fit no table ({' '.join(str(error).split())}). Every "
                        f"column must hold one kind of value.") from None
    return _at_most(table, first, str(path))


def _as_declared(
    rows, columns: Mapping[str, object] | None, more_columns: bool, place: str, setting: str
):
    """The hub's rows, if they have the columns, and those hold what is declared; answers that are
    whole numbers become their digits, as in a file."""
    found, wanted = set(rows.column_names), set(columns or rows.column_names)
    if wanted - found if more_columns else wanted != found:
        raise DataError(
            f"{place}: expected the columns {sorted(wanted)}, found {sorted(found)}. "
            f"Rename the columns, or choose the task that fits this data set."
        )
    for name, kind in (columns or {}).items():
        feature = rows.features[name]
        if not kinds.fits(feature, kind):
            raise DataError(f"{place}, column {name!r}: {feature}, where {kinds.said(kind)} "
                            f"belongs. Set {setting} to a folder with the rows as JSON lines.")
        if kind == kinds.ANSWER and "int" in getattr(feature, "dtype", ""):
            from datasets import Value

            rows = rows.cast_column(name, Value("string"))
    return rows


def _at_most(rows, first: int | None, place: str):
    """The first rows and their place, which says so where there are more."""
    if first is None or len(rows) <= first:
        return rows, place
    return rows.select(range(first)), f"{place}, the first {first:,} rows"


def _from_hub(wanted: DatasetSource, split: str, setting: str, first: int | None):
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
        if first is None or hub.is_offline():  # offline there is only what was downloaded whole
            rows = hub.retry(lambda: datasets.load_dataset(
                wanted.hub_id, wanted.config, split=split, revision=revision), asked, hint)
            hub.check_files(wanted.hub_id, "dataset", revision, hint)
        else:
            rows = hub.retry(lambda: _streamed(
                wanted.hub_id, wanted.config, split, revision, first + 1), asked, hint)
    except hub.HubUnreachable as error:
        raise DataUnreachable(str(error)) from error
    except hub.HubError as error:
        raise DataError(str(error)) from error
    found = _revision_of_cache(rows) or revision
    if FULL_SHA.fullmatch(revision or "") and found != revision:
        # Offline, the client hands out the newest cached revision whatever was asked for.
        raise DataError(f"{name}: revision {revision} was asked for, the cache has {found}. "
                        f"Go online once, or set dataset.revision to the cached one.")
    return _at_most(rows, first, f"{name}@{found} split {split}")


@lru_cache(maxsize=32)  # a split is asked for as train, validation and test
def _streamed(hub_id: str, config: str | None, split: str, revision: str, count: int):
    """The first rows of a split, of which the client downloads little more than these."""
    import datasets

    stream = datasets.load_dataset(hub_id, config, split=split, revision=revision, streaming=True)
    return datasets.Dataset.from_list(list(stream.take(count)), features=stream.features)


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
