"""A recipe's section: the name of its runs, what they make, what they start from and are measured
on.

A recipe is a file of papermill parameters whose overrides hold this section. It stands among the
overrides because papermill passes on nothing that the notebooks have no parameter for, so that the
runner, papermill and a notebook opened by hand all write into the same folder. Nothing in it enters
a fingerprint. It says where a run lives; only `start` changes a result, and what was made from it
is stale when the stage that it names is made anew (`helpers.course.continued`).
"""

from typing import Annotated

from pydantic import Field, field_validator

from helpers.fields import Name, Section

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]  # of a folder, too


class Recipe(Section):
    """With a name, a run's artifacts are in `<artifacts>/<name>/` and not in the preset's folder.
    """

    name: FileName | None = None
    stages: list[Name] = []  # that `helpers.course run` makes; [] = all of them
    # "<name or preset>/<task>-s<seed>/<stage>" among the artifacts: the model of that finished
    # stage stands where the run's own `sft` would, and training goes on from it.
    start: Name | None = None
    measured: list[Name] = []  # data sets that the mode `eval` measures on; [] = the task's own

    @field_validator("start")
    @classmethod
    def _three_parts(cls, place: str | None) -> str | None:
        parts = (place or "a/b/c").split("/")
        if len(parts) != 3 or not all(parts) or {".", ".."} & set(parts):
            raise ValueError("must name another run and a stage of it below the artifacts, such as "
                             "gsm8k_xml_grpo/gsm8k_xml-s0/grpo")
        return place
