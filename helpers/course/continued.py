"""Going on from a model that another run has made: it stands where this run's `sft` would.

`recipe.start` names the other run's stage. Its model is copied, so that a run stays whole when the
other one is made again; the manifest says which run it came from, and a newer one is copied anew.
"""

import shutil

from helpers.artifacts import Stage, is_made, opened
from helpers.config import Course, artifacts_root, names
from helpers.files import ArtifactError, damage, read_json
from helpers.manifest import broken
from helpers.wording import ConfigError

STAGE = "sft"  # what 04 to 08 start from


def source(course: Course) -> dict:
    """The manifest of the stage that `recipe.start` names; ConfigError in one line, with what makes
    it, if it is not there, damaged, or has no model."""
    place = course.recipe.start
    folder = artifacts_root() / place
    group, run, stage = place.split("/")
    task, _, seed = run.rpartition("-s")
    by = f"--preset {group}" if group in names("preset") else f"--recipe {group}"
    made_by = (f"make it with: python -m helpers.course run {by} --task {task} --seed {seed} (of a "
               "recipe of your own, its path), or name a stage that is made in recipe.start")
    try:
        manifest = read_json(folder / "manifest.json")
        problem = broken(manifest, stage) or damage(folder, manifest["files"])
    except ArtifactError:
        problem = "is not there"
    if not problem and "model/config.json" not in manifest["files"]:
        problem = "has no model (a folder model/ with config.json)"
    if problem:
        raise ConfigError(f"recipe.start: {folder} {problem}; {made_by}")
    return manifest


def adopt(course: Course) -> Stage:
    """The run's `sft`: a copy of the other run's model, made if it is not there or another run has
    made that model anew since. A copy that is there does not need the other run any more."""
    if is_made(course, STAGE) and not (artifacts_root() / course.recipe.start).exists():
        made = opened(course, STAGE)
        if made.manifest.get("start") == course.recipe.start:
            return made
    origin = source(course)
    came_from = {"start": course.recipe.start, "start_run_id": origin["run_id"]}
    if is_made(course, STAGE):
        made = opened(course, STAGE)
        if came_from.items() <= made.manifest.items():
            return made
    stage = Stage.begin(course, STAGE, uses=[STAGE])
    model = stage.writable() / "model"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(artifacts_root() / course.recipe.start / "model", model)
    stage.finish(data_hash=origin.get("data_hash"), **came_from)
    return stage
