"""The opening of a notebook: were its parameters understood, and can it do what they ask?

papermill only warns of a parameter that a notebook does not have, so a misspelt one would train
for hours with the defaults. The configuration cell asks here before anything else runs.
"""

import ast
import difflib
from collections.abc import Sequence
from typing import Any

from helpers.config import ROOT, ConfigError, Course, setting_names
from helpers.course import graph
from helpers.overrides import in_flow, read_yaml

PARAMETERS = ("preset", "task", "seed", "overrides")
INJECTED = "# Parameters"  # the first line of the cell that papermill puts in


def check_parameters(notebook: str, names: dict[str, Any]) -> None:
    """ConfigError in one line for a parameter that does not exist, for settings that cannot be, for
    rewards and local folders that do not exist, and for a task or preset that this notebook cannot
    do.

    notebook: the name of its file, without .ipynb. names: the notebook's `globals()`, with the four
    parameters and, in IPython, the cells run so far (`In`).
    """
    for name in _assigned(names.get("In", ())):
        if name not in PARAMETERS:
            raise ConfigError(stray(name, names.get(name)))
    if missing := [name for name in PARAMETERS if name not in names]:
        raise ConfigError(f"parameter {missing[0]!r} is not set: run the cell of the parameters")
    course = Course.load(*(names[name] for name in PARAMETERS))
    for other in graph.left_out(course):
        if other.name == notebook:
            raise ConfigError(other.cannot)
    check_course(course)


def check_course(course: Course, start: bool = True) -> None:
    """ConfigError for what a configuration names and what is not there, without loading it: of
    one's own data the files and their first lines are looked at. `start`: whether the run that a
    recipe goes on from has to be made, too."""
    from helpers.rewards import check_names  # here: the graders take a second to import

    check_names(course)
    folder = ROOT / course.model.name
    local = course.world == "tiny" or folder.is_dir()
    if local and not (folder / "config.json").is_file():
        raise ConfigError(f"model.name: no model in {folder} (no config.json); give a folder that "
                          f"save_pretrained wrote, of a whole model, not of an adapter")
    if start and course.recipe.start:
        from helpers.course.continued import source  # here: it needs the artifacts

        source(course)
    own = {course.own_set: course.dataset.path} if course.dataset.path else {}
    for name in own | course.sets.paths:
        from helpers import data  # here: no other run asks its adapters yet

        try:
            data.check_files(course, name)
        except data.DataError as error:
            raise ConfigError(str(error)) from None


def stray(name: str, value: Any, in_file: bool = False) -> str:
    """One line: what to do instead of a parameter of this name; `in_file`: of a recipe."""
    settings = setting_names()
    places = [s for s in settings if s == name] or [
        s for s in settings if s.rpartition(".")[2] == name]
    if places:
        shown: Any = read_yaml(value, name) if isinstance(value, str) else value
        for part in reversed(["overrides", *places[0].split(".")]):
            shown = {part: shown}
        named = "" if places == [name] else f" ({' or '.join(places)})"
        if in_file:
            return f"parameter {name!r} is a setting{named}: write {_flow(shown)}"
        return f"parameter {name!r} is a setting{named}: pass it as overrides: -y '{_flow(shown)}'"
    near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(PARAMETERS)}"
    return f"parameter {name!r} does not exist; {hint}"


def _flow(value: Any) -> str:
    try:
        return in_flow(value)
    except Exception:  # an object of Python's that YAML cannot say
        return repr(value)


def _assigned(cells: Sequence[str]) -> list[str]:
    """Names that the parameters' cell and papermill's cell after it assign; of each the last that
    was run, so that a mistake that was mended is forgotten."""
    found: list[str] = []
    for cell in cells:
        targets = _targets(cell)
        if cell.startswith(INJECTED):
            found += targets
        elif set(PARAMETERS) <= set(targets):  # the parameters' own cell: all begins anew
            found = targets
    return list(dict.fromkeys(found))


def _targets(cell: str) -> list[str]:
    """The names that a cell of plain assignments assigns; none where it does anything else."""
    try:
        statements = ast.parse(cell).body
    except SyntaxError:
        return []
    assigned = [one for one in statements if isinstance(one, ast.Assign | ast.AnnAssign)]
    if len(assigned) < len(statements):
        return []
    targets = [target for one in assigned
               for target in (one.targets if isinstance(one, ast.Assign) else [one.target])]
    return [target.id for target in targets if isinstance(target, ast.Name)]
