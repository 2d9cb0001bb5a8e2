"""Which models can be tried: those of a run, made or not, and one of the reader's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers import artifacts
from helpers.config import ROOT, Course
from helpers.files import ArtifactError
from helpers.rungs import BASES, NAMES


@dataclass(frozen=True)
class Offered:
    """A model to choose. `course` has the settings that load it, `path` its folder (None: what
    `course.model` names); `missing` is "" or says why it cannot be chosen, and what makes it;
    `makeable` is whether it is a stage that the named command would make."""

    name: str
    course: Course
    path: Path | None = None
    few_shot: bool = False
    missing: str = ""
    makeable: bool = False

    @property
    def made(self) -> bool:
        return not self.missing


def offered(
    course: Course, own: str | None = None, makers: Mapping[str, str] | None = None
) -> list[Offered]:
    """The bases, every rung, what else of the run has a model, and the reader's `own` one.

    own: a folder, or an id on the hub, of a model that a run did not make. makers: {stage: the
    notebook that makes it}, to be named where it is missing.
    """
    found = [Offered(name, course, few_shot=name == BASES[1]) for name in BASES]
    others = sorted(path.parents[1].name for path in course.dir().glob("*/model/config.json"))
    stages = [*NAMES, *(name for name in others if name not in NAMES and name[0] != ".")]
    found += [_stage(course, name, (makers or {}).get(name, "")) for name in stages]
    return found + ([_own(course, own, {one.name for one in found})] if own else [])


def _stage(course: Course, name: str, maker: str) -> Offered:
    try:
        folder = artifacts.opened(course, name).path / "model"
    except ArtifactError as error:
        why, _, _ = str(error).partition("; make it with: ")
        if "is not made yet" in why or "is not finished" in why:
            why = why.partition(" (")[0]  # without the folder
        by = f"notebook {maker}, or " if maker else ""
        told = f"{why}. It comes from {by}the command {artifacts.command(course, name)}"
        return Offered(name, course, missing=told, makeable=True)
    if not (folder / "config.json").is_file():
        return Offered(name, course, missing=f"stage {name!r} has no model")
    return Offered(name, course, folder)


def _own(course: Course, model: str, taken: set[str]) -> Offered:
    """A model that is loaded as a course with it as its base would load it."""
    place = Path(model).expanduser()
    folder = place if place.is_dir() else ROOT / place
    named = str(folder.resolve()) if folder.is_dir() else model
    changes = course.overrides
    changes["model"] = {**changes.get("model", {}), "name": named, "revision": None,
                        "precision": "auto"}
    if not folder.is_dir():
        changes["world"] = "hub"
    name = Path(named).name or named
    name = f"{name} (own)" if name in taken else name
    return Offered(name, Course.load(course.preset, course.task, course.seed, changes))
