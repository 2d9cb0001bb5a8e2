"""What a run leaves on disk: written whole or not at all, described by a manifest, checked on use.

`artifacts/<preset>/<task>-s<seed>/<stage>/` is one stage. `begun.json` is written first and names
the configuration; `manifest.json` is written last and lists every file with size and sha256. So
a stop at any moment, even kill -9, leaves either a finished stage or one that can be resumed,
and a damaged or foreign one is refused in one line that says how to make it again.
"""

import json
import os
import platform
import secrets
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from helpers.config import ConfigError, Course, flat
from helpers.files import (
    ArtifactError,
    atomic_write,
    atomic_write_text,
    damage,
    listing,
    read_json,
    remove,
    remove_temporary,
    sync,
    write_json,
)

__all__ = ["ArtifactError", "Stage", "atomic_write", "atomic_write_text", "command", "find"]
__all__ += ["hardware", "is_made", "new_run_id", "read_json", "versions", "write_json"]

if TYPE_CHECKING:
    import pandas as pd

LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes")
NOT_LISTED = ("manifest.json", "begun.json", "checkpoints")  # not part of a stage's result


def hardware() -> dict:
    """Processor, cores, memory in GB and GPUs (seen only where torch is already loaded)."""
    torch = sys.modules.get("torch")
    gpus = torch.cuda.device_count() if torch and torch.cuda.is_available() else 0
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(gpus)],
    }


def versions() -> dict[str, str]:
    installed = {d.name.lower(): d.version for d in metadata.distributions() if d.name}
    found = {name: installed[name] for name in LIBRARIES if name in installed}
    return {"python": platform.python_version(), **found}


@dataclass
class Stage:
    """One stage of one run; `Stage.begin` starts or resumes it, `find` opens a finished one."""

    course: Course
    name: str
    path: Path
    info: dict  # begun.json while it runs, manifest.json once it is finished

    @classmethod
    def begin(
        cls, course: Course, name: str, uses: Sequence[str] = (), needs: Sequence[str] = ()
    ) -> "Stage":
        """Open the stage for writing. An unfinished run of the same configuration and inputs is
        kept, to be resumed; anything else that lies there is cleared. The runner widens this
        to a finished stage whose notebook was stopped in a later cell (COURSE_RESUME=1), or
        narrows it to nothing, for a notebook that has changed (COURSE_RESUME=0)."""
        path = course.dir(name)
        identity = {
            "stage": name,
            "fingerprint": course.fingerprint(uses),
            "uses": sorted(uses),
            "needs": {need: find(course, need).run_id for need in needs},
        }
        before = _unfinished(path, identity)
        if before:
            last_sign_of_life = max(p.stat().st_mtime for p in [path, *path.rglob("*")])
            seconds = before["seconds"] + max(0.0, last_sign_of_life - before["started"])
            run_id = before["run_id"]
            (path / "manifest.json").unlink(missing_ok=True)
            remove_temporary(path)
        else:
            remove(path)
            run_id, seconds = new_run_id(), 0.0
        info = {**identity, "run_id": run_id, "started": time.time(), "seconds": seconds}
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
        write_json(self.path / "metrics.json", {**self.metrics, **values})

    def save_curve(self, curve: "pd.DataFrame") -> None:
        atomic_write(self.path / "curve.parquet", curve.to_parquet)

    def save_samples(self, rows: Iterable[dict], name: str = "samples.jsonl") -> None:
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
        atomic_write_text(self.path / name, "".join(f"{line}\n" for line in lines))

    def last_checkpoint(self) -> str | None:
        """The newest complete checkpoint; damaged ones are removed with a printed line."""
        from helpers.checkpoints import last_complete

        return last_complete(self.checkpoints)

    def finish(self, data_hash: str | None = None, **extra: Any) -> dict:
        """Write manifest.json, last of all; `extra` is kept in it. Returns the manifest."""
        now = time.time()
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
            "minutes": round((self.info["seconds"] + now - self.info["started"]) / 60, 3),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            **extra,
        }
        write_json(self.path / "manifest.json", manifest)
        return manifest


def new_run_id() -> str:
    """Time and chance, such as 20261120-193246-7f3a9c: sortable, never twice the same."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def find(course: Course, name: str) -> Stage:
    """The finished stage, verified: its configuration, every file, and what it was made from."""
    path, again = course.dir(name), f"make it with: {command(course, name)}"
    if not (path / "manifest.json").exists():
        state = "is not finished" if path.exists() else "is not made yet"
        raise ArtifactError(f"stage {name!r} {state} ({path}); {again}")
    try:
        manifest = read_json(path / "manifest.json")
    except ArtifactError as error:
        raise ArtifactError(f"{error}; {again}") from None
    if broken := _broken(manifest, name) or damage(path, manifest["files"]):
        raise ArtifactError(f"stage {name!r} is damaged: {broken} ({path}); {again}")
    if other := _other_configuration(course, manifest):
        raise ArtifactError(f"stage {name!r} is of another configuration: {other}; {again}")
    for need, run_id in manifest["needs"].items():
        if find(course, need).run_id != run_id:
            raise ArtifactError(f"stage {name!r} is older than the {need!r} it needs; {again}")
    return Stage(course, name, path, manifest)


def is_made(course: Course, name: str) -> bool:
    """Whether `find` would give the stage."""
    try:
        find(course, name)
    except ArtifactError:
        return False
    return True


def command(course: Course, stage: str | None = None) -> str:
    """The command line that makes the stage (or the whole run)."""
    line = "python -m helpers.course run"
    line += f" --preset {course.preset} --task {course.task} --seed {course.seed}"
    if course.overrides:
        line += f" --overrides {shlex.quote(json.dumps(course.overrides))}"
    return f"{line} --only {stage}" if stage else line


def _unfinished(path: Path, identity: dict) -> dict | None:
    """begun.json of a run with this identity that is to be resumed; None if there is none."""
    resume = os.environ.get("COURSE_RESUME")
    if resume == "0" or (resume != "1" and (path / "manifest.json").exists()):
        return None
    try:
        begun = read_json(path / "begun.json")
    except ArtifactError:
        return None
    whole = isinstance(begun, dict) and {"run_id", "started", "seconds"} <= begun.keys()
    return begun if whole and all(begun.get(k) == v for k, v in identity.items()) else None


def _broken(manifest: Any, name: str) -> str | None:
    """What is wrong with a manifest as such, in words."""
    shape = {"run_id": str, "fingerprint": str, "uses": list, "needs": dict, "files": dict}
    if not isinstance(manifest, dict):
        return "manifest.json is no mapping"
    for key, kind in shape.items():
        if not isinstance(manifest.get(key), kind):
            return f"manifest.json has no {key}"
    if not all(
        isinstance(f, dict) and {"bytes", "sha256"} <= f.keys() for f in manifest["files"].values()
    ):
        return "manifest.json lists files without size and sha256"
    return None if manifest.get("stage") == name else "manifest.json is of another stage"


def _other_configuration(course: Course, manifest: dict) -> str | None:
    """None if the stage was made with these settings, else what differs."""
    try:
        if course.fingerprint(manifest["uses"]) == manifest["fingerprint"]:
            return None
    except ConfigError as error:
        return str(error)
    here, there = dict(flat(course.model_dump())), dict(flat(manifest.get("settings", {})))
    differing = [key for key in here | there if here.get(key) != there.get(key)]
    named = [f"{key} was {there.get(key)!r}, is {here.get(key)!r}" for key in differing[:3]]
    return ", ".join(named) or "the model or the data it was made from has changed"


def __getattr__(name: str) -> Any:
    if name == "CheckpointGuard":  # its base class takes seconds to import: only when asked for
        from helpers.checkpoints import CheckpointGuard

        return CheckpointGuard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
