"""What a run leaves on disk: written whole or not at all, described by a manifest, checked on use.

`artifacts/<preset>/<task>-s<seed>/<stage>/` (of a recipe its name in place of the preset's) is one
finished stage. While it runs it is written beside that, to `.<stage>.new`: `begun.json` first,
which names the configuration; `manifest.json` last, which lists every file with size and sha256;
then the new one takes the place of the one before in one step. So a stop at any moment, even kill
-9, leaves the finished stage as it was, or the new one, and an unfinished one can be resumed. A
damaged or foreign stage is refused in one line that says how to make it again.
"""

import json
import os
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from helpers import folders
from helpers.config import ROOT, Course
from helpers.files import (
    ArtifactError,
    atomic_write,
    atomic_write_text,
    listing,
    read_json,
    remove_temporary,
    sync,
    write_json,
)
from helpers.manifest import code, hardware, older_code, verified, versions
from helpers.overrides import as_mapping

__all__ = ["ArtifactError", "Stage", "atomic_write", "atomic_write_text", "command", "find"]
__all__ += ["hardware", "is_made", "new_run_id", "opened", "read_json", "versions", "write_json"]

if TYPE_CHECKING:
    import pandas as pd

NOT_LISTED = ("manifest.json", "begun.json", "checkpoints")  # not part of a stage's result
_said: set[str] = set()  # run_ids of stages of older code that this process was told of


@dataclass
class Stage:
    """One stage of one run; `Stage.begin` starts or resumes it, `find` opens a finished one."""

    course: Course
    name: str
    path: Path  # where its files are: beside the finished one while it runs, in its place then
    info: dict  # begun.json while it runs, manifest.json once it is finished

    @classmethod
    def begin(
        cls, course: Course, name: str, uses: Sequence[str] = (), needs: Sequence[str] = ()
    ) -> "Stage":
        """Open the stage for writing; no other process can until it is finished or this one ends.

        An unfinished run of the same configuration and inputs is resumed, any other unfinished one
        is cleared. A finished one stays, whatever its configuration, and `find` gives it until
        `finish`; then the new one takes its place, for there is one of each stage. The runner
        widens this to going on with the finished one, whose notebook was stopped in a later cell
        (COURSE_RESUME=1), or narrows it to nothing, for a notebook that has changed
        (COURSE_RESUME=0)."""
        home = course.dir(name)
        identity = {
            "stage": name,
            "fingerprint": course.fingerprint(uses),
            "uses": sorted(uses),
            "needs": {need: find(course, need).run_id for need in needs},
        }
        folders.hold(home)
        folders.settle(home)
        path = folders.live(home)
        resume = os.environ.get("COURSE_RESUME")
        before = folders.begun(path, identity) if resume != "0" else None
        if not before and resume == "1" and (before := folders.begun(home, identity)):
            folders.reopen(home)
        if before:
            last_sign_of_life = max(p.stat().st_mtime for p in [path, *path.rglob("*")])
            seconds = before["seconds"] + max(0.0, last_sign_of_life - before["started"])
            run_id = before["run_id"]
            (path / "manifest.json").unlink(missing_ok=True)
            remove_temporary(path)
        else:
            folders.clear(home)
            run_id, seconds = new_run_id(), 0.0
        info = {**identity, "run_id": run_id, "started": time.time(), "seconds": seconds}
        info["code"] = {**code(), **(before or {}).get("code", {})}  # what made its first part
        write_json(path / "begun.json", info)
        return cls(course, name, path, info)

    @property
    def run_id(self) -> str:
        return self.info["run_id"]

    @property
    def manifest(self) -> dict:
        """What `finish` wrote; ArtifactError while the stage is unfinished."""
        return read_json(self.path / "manifest.json")

    @property
    def checkpoints(self) -> Path:
        """The folder for a trainer's `output_dir`; no part of the result, used to resume."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> dict:
        path = self.path / "metrics.json"
        return read_json(path) if path.exists() else {}

    @property
    def curve(self) -> "pd.DataFrame":
        import pandas as pd

        return pd.read_parquet(self.path / "curve.parquet")

    def save_metrics(self, values: dict) -> None:
        """Merge into metrics.json."""
        write_json(self.writable() / "metrics.json", {**self.metrics, **values})

    def save_curve(self, curve: "pd.DataFrame") -> None:
        atomic_write(self.writable() / "curve.parquet", curve.to_parquet)

    def save_samples(self, rows: Iterable[dict], name: str = "samples.jsonl") -> None:
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
        atomic_write_text(self.writable() / name, "".join(f"{line}\n" for line in lines))

    def last_checkpoint(self) -> str | None:
        """The newest complete checkpoint; damaged ones are removed with a printed line."""
        from helpers.checkpoints import last_complete

        return last_complete(self.checkpoints)

    def writable(self) -> Path:
        """The folder to write to. Of a stage that is finished it is a copy beside it, so that the
        finished one stays whole until `finish` is called again."""
        home = self.course.dir(self.name)
        self._still_mine(home)
        if self.path == home:
            folders.hold(home)
            folders.reopen(home)
            self.path = folders.live(home)
        return self.path

    def finish(self, data_hash: str | None = None, **extra: Any) -> dict:
        """Write manifest.json, last of all, and take the place of the finished stage of before;
        `extra` is kept in the manifest. Returns it."""
        now, home = time.time(), self.course.dir(self.name)
        self._still_mine(home)
        files = listing(self.path, skip=NOT_LISTED)
        for name in files:
            sync(self.path / name)
        manifest = {
            **{k: self.info[k] for k in ("run_id", "stage", "fingerprint", "uses", "needs")},
            "settings": self.course.model_dump(),
            "seed": self.course.seed,
            "data_hash": data_hash,
            "files": files,
            "versions": versions(),
            "hardware": hardware(),
            "code": {**code(), **self.info["code"]},
            "minutes": round((self.info["seconds"] + now - self.info["started"]) / 60, 3),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **extra,
        }
        write_json(self.path / "manifest.json", manifest)
        if self.path != home:
            folders.swap(home)
            self.path = home
        folders.release(home)
        return manifest

    def _still_mine(self, home: Path) -> None:
        """ArtifactError unless the folder is still of the run that this object began."""
        if "started" not in self.info:
            raise ArtifactError(f"stage {self.name!r} is finished and open for reading only; "
                                "write to it after Stage.begin")
        if not self.path.exists():  # `finish` was interrupted, and `find` has ended its work
            self.path = home
        noted = "manifest.json" if self.path == home else "begun.json"
        if folders.run_id(self.path, noted) != self.run_id:
            raise ArtifactError(f"{self.path} is no longer of run {self.run_id}: another run of "
                                f"stage {self.name!r} has taken its place; begin it again")


def new_run_id() -> str:
    """Time and chance, such as 20261120-193246-7f3a9c: sortable, never twice the same."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(3)}"


def find(course: Course, name: str) -> Stage:
    """The finished stage, verified: its configuration, every file, and what it was made from. Says
    once in a process if the code that made it has changed since."""
    stage = opened(course, name)
    if (older := older_code(stage.info)) and stage.run_id not in _said:
        _said.add(stage.run_id)
        print(f"stage {name!r} was {older}; to make it again: {command(course, name)} --force")
    return stage


def opened(course: Course, name: str) -> Stage:
    """What `find` gives, without a word about older code."""
    home = course.dir(name)
    while True:
        folders.settle(home)
        before = folders.run_id(home, "manifest.json")
        try:
            return _opened(course, name, home)
        except ArtifactError:
            if folders.run_id(home, "manifest.json") == before and not folders.swapping(home):
                raise  # else a new one moves in, or has while we looked


def _opened(course: Course, name: str, path: Path) -> Stage:
    again = f"make it with: {command(course, name)}"
    if not (path / "manifest.json").exists():
        begun = path.exists() or folders.live(path).exists()
        state = "is not finished" if begun else "is not made yet"
        raise ArtifactError(f"stage {name!r} {state} ({path}); {again}")
    try:
        manifest = verified(course, name, path)
    except ArtifactError as error:
        raise ArtifactError(f"{error}; {again}") from None
    for need, run_id in manifest["needs"].items():
        if opened(course, need).run_id != run_id:
            raise ArtifactError(f"stage {name!r} is older than the {need!r} it needs; {again}")
    return Stage(course, name, path, manifest)


def is_made(course: Course, name: str) -> bool:
    """Whether `find` would give the stage."""
    try:
        opened(course, name)
    except ArtifactError:
        return False
    return True


def command(course: Course, stage: str | None = None) -> str:
    """The command line that makes the stage (or the whole run)."""
    line = "python -m helpers.course run"
    if by_recipe := _is_shipped(course):
        line += f" --recipe {course.recipe.name} --seed {course.seed}"
    else:
        line += f" --preset {course.preset} --task {course.task} --seed {course.seed}"
    if course.overrides and not by_recipe:
        line += f" --overrides {shlex.quote(json.dumps(course.overrides))}"
    return f"{line} --only {stage}" if stage else line


def _is_shipped(course: Course) -> bool:
    """Whether the course is one of the shipped recipes as it stands."""
    path = ROOT / "notebooks" / "recipes" / f"{course.recipe.name}.yaml"
    if not path.is_file():
        return False
    values = as_mapping(path.read_text(encoding="utf-8"), str(path))
    return values.get("overrides") == course.overrides and (
        values.get("preset"), values.get("task")) == (course.preset, course.task)


def __getattr__(name: str) -> Any:
    if name == "CheckpointGuard":  # its base class takes seconds to import: only when asked for
        from helpers.checkpoints import CheckpointGuard

        return CheckpointGuard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
