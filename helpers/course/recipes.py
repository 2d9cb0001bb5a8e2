"""Recipes: files of papermill parameters with a name, read and checked before anything runs.

`notebooks/recipes/NAME.yaml`, or a file of one's own, holds preset, task, seed and overrides; among
the overrides section `recipe` (`helpers.recipe`) says where its runs are kept and what they make:

    python -m helpers.course run --recipe NAME
    papermill -f notebooks/recipes/NAME.yaml notebooks/03_….ipynb out.ipynb
"""

from pathlib import Path

from helpers.config import REPLACE, ROOT, Course
from helpers.course import graph
from helpers.course.opening import PARAMETERS, stray
from helpers.data import FAMILIES
from helpers.overrides import as_mapping
from helpers.wording import ConfigError, nearest

ASKED = sorted(FAMILIES.keys() - {"smoltalk", "ultrafeedback", "warmstart"})  # sets of problems


def names(place: str | Path | None = None) -> list[str]:
    """The recipes among the notebooks."""
    return sorted(path.stem for path in (graph.folder(place) / "recipes").glob("*.yaml"))


def find(given: str, place: str | Path | None = None) -> Path:
    """The file of a recipe by its name, or a file of one's own by its path (from here, or from the
    project's folder)."""
    if given in names(place):
        return graph.folder(place) / "recipes" / f"{given}.yaml"
    for path in (Path(given).expanduser(), ROOT / given):
        if path.is_file():
            return path
    why = nearest(given, names(place)) if names(place) else f"{given!r} does not exist"
    raise ConfigError(f"recipe {why} (or give the path of a file of your own)")


def read(given: str, place: str | Path | None = None) -> dict:
    """The file's parameters, those of `Course.load`. ConfigError in one line, before any of it is
    used, for a parameter that the notebooks do not have, and for a name that is not the file's: a
    copy whose name was forgotten would write over the runs of its model."""
    path = find(given, place)
    values = as_mapping(path.read_text(encoding="utf-8"), str(path))
    for key in values:
        if key not in PARAMETERS:
            raise ConfigError(f"{path}: {stray(key, values[key], in_file=True)}")
    changes = as_mapping(values.get("overrides"), f"{path}: overrides")
    section = changes.get("recipe")
    called = section.get("name") if isinstance(section, dict) else None
    if called != path.stem:
        calls = f"calls itself {called!r}" if called else "has no name"
        raise ConfigError(f"{path}: {calls}; write overrides: {{recipe: {{name: {path.stem}}}}}, "
                          f"so that its runs have a folder of their own")
    return values | {"overrides": changes}


def load(given: str, place: str | Path | None = None, overrides: dict | str | None = None,
         **parameters) -> Course:
    """The recipe's course. `parameters` (preset, task, seed; None is not given) and `overrides` win
    over the file, but another task does not: what the file sets belongs to its own."""
    values = read(given, place)
    asked = {key: value for key, value in parameters.items() if value is not None}
    own = values.get("task", "gsm8k")
    if asked.get("task", own) != own:
        raise ConfigError(f"recipe {given!r} is made for task {own!r}, and so are its rewards, "
                          f"formats and lengths; for {asked['task']!r} copy the file, and change "
                          f"its task and name")
    changes = with_changes(values["overrides"], as_mapping(overrides))
    course = Course.load(**{**values, **asked, "overrides": changes})
    if not course.recipe.name:
        raise ConfigError("recipe.name is empty: a recipe's runs need a folder of their own")
    for name in course.recipe.measured:
        if name not in ASKED:
            raise ConfigError(f"recipe.measured: {nearest(name, ASKED)}")
    return course


def with_changes(overrides: dict, changes: dict) -> dict:
    """A recipe's overrides with a user's, who wins, whichever way each of them names rewards."""
    if REPLACE in changes:
        overrides = {k: v for k, v in overrides.items() if k not in ("rewards", REPLACE)}
    elif REPLACE in overrides and "rewards" in changes:  # added to those that the file names
        changes = {REPLACE if k == "rewards" else k: v for k, v in changes.items()}
    return merged(overrides, changes)


def merged(base: dict, changes: dict) -> dict:
    """Both mappings as one, `changes` winning, at every depth."""
    both = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        both[key] = merged(base[key], value) if inner else value
    return both


def wanted(course: Course, everything: list[graph.Notebook], others: list[graph.Notebook] = ()
           ) -> list[graph.Notebook]:
    """The notebooks that make what the course's recipe lists; all of them if it lists nothing."""
    if not course.recipe.stages:
        return list(everything)
    makers = {stage: notebook for notebook in everything for stage in notebook.makes}
    for stage in course.recipe.stages:
        if stage not in makers:
            out = [notebook.cannot for notebook in others if stage in notebook.makes]
            why = f"{stage!r}: {out[0]}" if out else nearest(stage, sorted(makers))
            raise ConfigError(f"recipe.stages: {why}")
    found = {makers[stage].name for stage in course.recipe.stages}
    return [notebook for notebook in everything if notebook.name in found]
