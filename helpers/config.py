"""One typed, checked configuration object: preset x task x overrides -> `Course`.

`presets/<preset>.yaml` says what the hardware can carry, `tasks/<task>.yaml` which problems are
solved and how an answer looks; a task's `presets:` block holds its settings for one preset.
Overrides win over both. A misspelt key or a value out of range is a `ConfigError` that names
the setting and what would be right; nothing falls back to a default in silence.

Settings are merged key by key, so an override `rewards: {boxed: 0.1}` adds to the task's rewards.
`replace_rewards: {boxed: 0.1}` is all that is then paid, and a weight of null takes one reward out.
"""

import copy
import hashlib
import json
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PrivateAttr, ValidationError

from helpers import fields, formats, rungs, schema, wording
from helpers.overrides import as_mapping, read_yaml
from helpers.recipe import Recipe
from helpers.wording import ConfigError

if TYPE_CHECKING:
    import pandas as pd

ROOT = next(p for p in Path(__file__).resolve().parents if (p / "environment.yml").is_file())
HERE = Path(__file__).resolve().parent
# A stage depends on those that it names in `uses`.
STAGE_SECTIONS = tuple(schema.Stages.model_fields)
ALSO_USED = {rung.name: ("rewards",) for rung in rungs.RUNGS if rung.pays_rewards}
# "rungs": the sections of all rungs; "sets": all nine data sets, each by the rules of its task.
USES = (*STAGE_SECTIONS, "rungs", "sets")
PLACES = read_yaml((HERE / "data" / "sets.yaml").read_text(), "sets.yaml")  # of each data set
REPLACE = "replace_rewards"  # a way to say `rewards`, no setting of its own
# Where curves are sent and where a run is kept changes no result.
NO_EFFECT = ("tracking", "recipe")
CARDS = ("README.md", "metrics.json")  # they describe a folder of data or a model
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class Course(schema.Stages):
    """The resolved configuration of one run; make it with `Course.load`."""

    preset: str
    task: str
    seed: fields.Seed
    world: Literal["tiny", "hub"]  # tiny: the shipped generated files; hub: real sets by id
    model: schema.Model
    lora: schema.Lora
    generation: schema.Generation
    lengths: schema.Lengths
    data: schema.Data
    dataset: schema.DatasetSource
    sets: schema.Sets = schema.Sets()
    answer_format: Literal["hash", "xml", "boxed", "think", "countdown", "free"]  # free: no check
    demonstration: fields.Template | None = None  # of a worked answer; None = of its format
    system_prompt: str
    rewards: dict[str, fields.Weight]  # reward function -> weight
    tracking: schema.Tracking
    recipe: Recipe = Recipe()
    _origin: dict[str, str] = PrivateAttr(default_factory=dict)  # dotted key -> who set it
    _overrides: dict = PrivateAttr(default_factory=dict)

    @classmethod
    def load(
        cls,
        preset: str = "tiny",
        task: str = "gsm8k",
        seed: int = 0,
        overrides: dict | str | None = None,
    ) -> "Course":
        """Preset, then task, then overrides (a dict, or a YAML or JSON mapping as text)."""
        changes = as_mapping(overrides)
        for key in {"preset", "task", "seed"} & changes.keys():
            raise ConfigError(f"overrides.{key}: give {key} as a parameter of its own")
        task_settings = _read("task", task)
        own = task_settings.pop("presets", {})
        if stray := [name for name in own if name not in names("preset")]:
            raise ConfigError(f"task {task}: presets.{wording.nearest(stray[0], names('preset'))}")
        layers = [
            (f"preset {preset}", _read("preset", preset)),
            (f"task {task}", task_settings),
            (f"task {task}", own.get(preset, {})),
            ("override", changes),
            ("parameter", {"preset": preset, "task": task, "seed": seed}),
        ]
        merged, origin = {}, {}
        for who, layer in layers:
            _merge(merged, layer, who, origin)
        if isinstance(merged.get("dataset"), dict):  # a set of one's own has no place on the hub
            merged["dataset"] = dict.fromkeys(schema.DatasetSource.model_fields) | merged["dataset"]
        _set_rewards(merged, origin)
        try:
            course = cls.model_validate(merged)
        except ValidationError as error:
            lines = dict.fromkeys(wording.explain(e, setting_names()) for e in error.errors())
            raise ConfigError("\n".join(lines)) from None
        if problem := formats.mismatch(course.answer_format, course.system_prompt):
            raise ConfigError(problem)
        course._check_model()
        if course.recipe.name in names("preset"):
            raise ConfigError(f"recipe.name: {course.recipe.name!r} is a preset's name, and its "
                              f"runs would be mixed with the recipe's; give another one")
        course._origin.update(origin)
        course._overrides.update(changes)
        return course

    @property
    def overrides(self) -> dict:
        """The overrides this configuration was loaded with: load(…, overrides) gives it again."""
        return copy.deepcopy(self._overrides)

    @property
    def group(self) -> str:
        """The folder of runs that belong together: the recipe's name, or the preset."""
        return self.recipe.name or self.preset

    def dir(self, stage: str | None = None) -> Path:
        """`<artifacts>/<preset, or name of the recipe>/<task>-s<seed>[/<stage>]`."""
        run = artifacts_root() / self.group / f"{self.task}-s{self.seed}"
        return run / stage if stage else run

    @property
    def own_set(self) -> str:
        """The name of the data set in section `dataset`."""
        return self.sets.own or self.task

    def source(self, name: str | None = None) -> schema.DatasetSource:
        """Where a data set is: `dataset` for the task's own, else its entry in
        helpers/data/sets.yaml; in both `sets.paths` and `sets.revisions` have the last word."""
        name = name or self.own_set
        places = PLACES | {self.own_set: self.dataset.model_dump()}
        changes = {"path": self.sets.paths, "revision": self.sets.revisions}
        changed = {key: by_name[name] for key, by_name in changes.items() if name in by_name}
        return schema.DatasetSource(**places[name] | changed)

    def fingerprint(self, sections: Sequence[str] = ()) -> str:
        """16 hex digits of sha256 over all common settings, the named stages' settings and the
        contents of a local model and data folder: equal inputs, equal fingerprint. A setting that
        has a default counts where it differs from it, so that a new one changes no old run."""
        if stray := [s for s in sections if s not in USES]:
            raise ConfigError(f"uses: {wording.nearest(stray[0], USES)}")
        named = {*sections, *(rungs.NAMES if "rungs" in sections else ())} - {"rungs"}
        used = named.union(*(ALSO_USED.get(s, ()) for s in named))
        optional = {*STAGE_SECTIONS, *NO_EFFECT}.union(*ALSO_USED.values())
        settings = self.model_dump(exclude_defaults=True)
        values = {k: v for k, v in settings.items() if k in used or k not in optional}
        if not used & {"evaluation", "sets"}:  # nothing else reads test problems
            values["data"] = {k: v for k, v in values["data"].items() if k != "test"}
        others = self._other_sets(used)
        if others:
            values["sources"] = [self.source(name).model_dump() for name in others]
        rules = [HERE / "tasks"] if "sets" in used else []
        values["local"] = [_digest(folder) for folder in (*self._local_folders(others), *rules)]
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _check_model(self) -> None:
        """ConfigError for a hub id where nothing is read from the hub."""
        name = self.model.name
        if self.world == "tiny" and HUB_ID.fullmatch(name) and not (ROOT / name).is_dir():
            raise ConfigError(f"model.name: is {name!r}, which is no folder here, and world 'tiny' "
                              f"reads none from the hub; give the folder of a model, or for one of "
                              f"the hub preset colab or a100 (or the override {{world: hub}})")

    def _other_sets(self, used: set[str]) -> list[str]:
        """The sets beside the own one that a stage using these sections reads."""
        named = {self.sets.demonstrations, self.sets.preferences, *self.sets.held_out}
        named |= {self.evaluation.split} & set(schema.SET_NAMES) if "evaluation" in used else set()
        named |= set(schema.SET_NAMES) if "sets" in used else set()
        return sorted(named - {None, self.own_set})

    def _local_folders(self, others: Sequence[str]) -> list[Path]:
        """The model's folder if it is one, and the folders the data come from."""
        sources = [self.source(name) for name in (self.own_set, *others)]
        places = [s.path or (s.tiny if self.world == "tiny" else None) for s in sources]
        return [ROOT / p for p in (self.model.name, *places) if p and (ROOT / p).is_dir()]

    def summary(self, *sections: str) -> "pd.DataFrame":
        """One row a setting: its dotted name, its value, who set it; all, or of these sections."""
        import pandas as pd  # here: its second of import is not for every command line

        rows = [
            (key, value,
             self._origin.get(key) or self._origin.get(key.rpartition(".")[0]) or "default")
            for key, value in flat(self._in_order(sections))
        ]
        return pd.DataFrame(rows, columns=["setting", "value", "set by"])

    def _in_order(self, sections: Sequence[str]) -> dict:
        """The settings, all or of these sections: the common ones before those of the stages."""
        values = self.model_dump(include=set(sections) or None)
        return dict(sorted(values.items(), key=lambda pair: pair[0] in STAGE_SECTIONS))

    def _repr_html_(self) -> str:
        table = self.summary()
        mine = table["set by"] == "override"
        style = table.style.hide(axis="index").set_uuid("course")  # a fixed id: equal output
        return style.apply(lambda _: mine.map({True: "font-weight: bold", False: ""})).to_html()


def artifacts_root() -> Path:
    """Where runs are kept: COURSE_ARTIFACTS (relative to the project root), or artifacts/."""
    return ROOT / Path(os.environ.get("COURSE_ARTIFACTS") or "artifacts").expanduser()


def names(kind: Literal["preset", "task"]) -> list[str]:
    """The presets or tasks there are."""
    return sorted(path.stem for path in (HERE / f"{kind}s").glob("*.yaml"))


def _read(kind: Literal["preset", "task"], name: str) -> dict:
    if name not in names(kind):
        raise ConfigError(f"{kind}: {wording.nearest(str(name), names(kind))}")
    return read_yaml((HERE / f"{kind}s" / f"{name}.yaml").read_text(), f"{kind} {name}") or {}


def _merge(base: dict, layer: dict, who: str, origin: dict[str, str], prefix: str = "") -> None:
    """Write `layer` into `base`, key by key; `origin` notes who set each dotted key last."""
    for key, value in layer.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, dict):
            if not isinstance(base.get(key), dict):
                base[key] = {}
            _merge(base[key], value, who, origin, f"{dotted}.")
        else:
            base[key] = value
            origin[dotted] = who


def _set_rewards(merged: dict, origin: dict[str, str]) -> None:
    """`replace_rewards` in the place of `rewards`, and without those whose weight is null."""
    if REPLACE in merged:
        replaced = [key for key in origin if key.partition(".")[0] == "rewards"]
        if "override" in {origin.pop(key) for key in replaced}:
            raise ConfigError(f"{REPLACE}: give either it or rewards, not both")
        if not isinstance(merged[REPLACE], dict):
            raise ConfigError(f"{REPLACE}: is {merged[REPLACE]!r}, must be a mapping of rewards "
                              f"and their weights, such as {{exact_answer: 1.0}}")
        rewards = merged["rewards"] = merged.pop(REPLACE)
        origin |= {f"rewards.{key}": origin.pop(f"{REPLACE}.{key}", "override") for key in rewards}
    if isinstance(merged.get("rewards"), dict):
        merged["rewards"] = {k: v for k, v in merged["rewards"].items() if v is not None}


def flat(values: dict, prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as (dotted name, value) pairs, in order."""
    pairs = []
    for key, value in values.items():
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        pairs += inner if inner else [(f"{prefix}{key}", value)]
    return pairs


def setting_names() -> list[str]:
    """Every setting's dotted name, sections included."""
    return [*wording.setting_names(Course), REPLACE]


@lru_cache(maxsize=4096)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:  # piece by piece: a model's file may be larger than the memory
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(folder: Path) -> str:
    """sha256 over names and contents, cards (README.md, metrics.json) left out: they tell of the
    data and change nothing. A file is read once for as long as size and time of change stay."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in CARDS):
        stat = path.stat()
        content = _file_digest(path, stat.st_size, stat.st_mtime_ns)
        total.update(f"{path.relative_to(folder)}:{stat.st_size}:{content}\n".encode())
    return total.hexdigest()
