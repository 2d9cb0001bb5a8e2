"""One typed, checked configuration object: preset x task x overrides -> `Course`.

`presets/<preset>.yaml` says what the hardware can carry, `tasks/<task>.yaml` which problems are
solved and how an answer looks; a task's `presets:` block holds its settings for one preset.
Overrides win over both. A misspelt key or a value out of range is a `ConfigError` that names
the setting and what would be right; nothing falls back to a default in silence.
"""

import copy
import difflib
import hashlib
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from helpers import schema

if TYPE_CHECKING:
    import pandas as pd

ROOT = next(p for p in Path(__file__).resolve().parents if (p / "environment.yml").is_file())
HERE = Path(__file__).resolve().parent
# A stage depends on those that it names in `uses`.
STAGE_SECTIONS = ("sft", "grpo", "evaluation", "pretraining")
ALSO_USED = {"grpo": ("rewards",)}  # read by these stages only: supervised tuning has no reward
NO_EFFECT = ("tracking",)  # where curves are sent changes no result
CARDS = ("README.md", "metrics.json")  # they describe a folder of data or a model


class ConfigError(ValueError):
    """A setting that does not exist or a value that cannot be; the message says what would."""


class Course(schema.Section):
    """The resolved configuration of one run; make it with `Course.load`."""

    preset: str
    task: str
    seed: Annotated[int, Field(ge=0)]
    world: Literal["tiny", "hub"]  # tiny: the shipped generated files; hub: real sets by id
    model: schema.Model
    lora: schema.Lora
    generation: schema.Generation
    lengths: schema.Lengths
    data: schema.Data
    dataset: schema.DatasetSource
    answer_format: Literal["hash", "xml", "boxed", "think", "countdown"]
    system_prompt: str
    rewards: dict[str, float]  # reward function -> weight
    sft: schema.Sft
    grpo: schema.Grpo
    evaluation: schema.Evaluation
    pretraining: schema.Pretraining
    tracking: schema.Tracking
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
            raise ConfigError(f"task {task}: presets.{stray[0]}: no such preset")
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
        try:
            course = cls.model_validate(merged)
        except ValidationError as error:
            lines = dict.fromkeys(_explain(e) for e in error.errors())
            raise ConfigError("\n".join(lines)) from None
        course._origin.update(origin)
        course._overrides.update(changes)
        return course

    @property
    def overrides(self) -> dict:
        """The overrides this configuration was loaded with: load(…, overrides) gives it again."""
        return copy.deepcopy(self._overrides)

    def dir(self, stage: str | None = None) -> Path:
        """`<artifacts>/<preset>/<task>-s<seed>[/<stage>]`."""
        run = artifacts_root() / self.preset / f"{self.task}-s{self.seed}"
        return run / stage if stage else run

    def fingerprint(self, sections: Sequence[str] = ()) -> str:
        """16 hex digits of sha256 over all common settings, the named stages' settings and the
        contents of a local model and data folder: equal inputs, equal fingerprint."""
        if stray := [s for s in sections if s not in STAGE_SECTIONS]:
            raise ConfigError(f"uses: {_nearest(stray[0], STAGE_SECTIONS)}")
        used = set(sections).union(*(ALSO_USED.get(s, ()) for s in sections))
        optional = {*STAGE_SECTIONS, *NO_EFFECT}.union(*ALSO_USED.values())
        values = {k: v for k, v in self.model_dump().items() if k in used or k not in optional}
        if "evaluation" not in used:  # how many test problems there are matters to nothing else
            values["data"] = {k: v for k, v in values["data"].items() if k != "test"}
        values["local"] = [_digest(folder) for folder in self._local_folders()]
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _local_folders(self) -> list[Path]:
        """The model's folder if it is one, and the folder the problems come from."""
        tiny = self.dataset.tiny if self.world == "tiny" else None
        places = [self.model.name, self.dataset.path or tiny]
        return [ROOT / place for place in places if place and (ROOT / place).is_dir()]

    def summary(self, *sections: str) -> "pd.DataFrame":
        """One row a setting: its dotted name, its value, who set it; all, or of these sections."""
        import pandas as pd  # here: its second of import is not for every command line

        rows = [
            (key, value, self._origin.get(key) or self._origin.get(key.rpartition(".")[0], ""))
            for key, value in flat(self.model_dump(include=set(sections) or None))
        ]
        return pd.DataFrame(rows, columns=["setting", "value", "set by"])

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
        raise ConfigError(f"{kind}: {_nearest(str(name), names(kind))}")
    return yaml.safe_load((HERE / f"{kind}s" / f"{name}.yaml").read_text()) or {}


def as_mapping(overrides: dict | str | None) -> dict:
    """Overrides as a new dict; text is read as YAML, of which JSON is a part."""
    value = overrides
    if isinstance(overrides, str):
        try:
            value = yaml.safe_load(overrides)
        except yaml.YAMLError as error:
            raise ConfigError(f"overrides: not YAML: {' '.join(str(error).split())}") from None
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(
            f"overrides: {overrides!r} is no mapping; write {{grpo: {{max_steps: 5}}}}"
        )
    return value


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


def flat(values: dict, prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as (dotted name, value) pairs, in order."""
    pairs = []
    for key, value in values.items():
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        pairs += inner if inner else [(f"{prefix}{key}", value)]
    return pairs


def _nearest(name: str, valid: Sequence[str], found: Sequence[str] = ()) -> str:
    """One line: `name` does not exist, and the nearest of the valid names, or all of them."""
    found = found or difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    if found:
        return f"{name!r} does not exist; did you mean {' or '.join(map(repr, found))}?"
    return f"{name!r} does not exist; there are {', '.join(valid)}"


def setting_names(model: type[BaseModel] = Course, prefix: str = "") -> list[str]:
    """Every setting's dotted name, sections included."""
    found = []
    for key, field in model.model_fields.items():
        found.append(f"{prefix}{key}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += setting_names(field.annotation, f"{prefix}{key}.")
    return found


def _explain(error: dict) -> str:
    """One line for one pydantic error: the dotted setting, what it is, what is allowed."""
    names_only = [str(part) for part in error["loc"] if "[" not in str(part)]  # no union tags
    place, kind = ".".join(names_only), error["type"]
    if kind == "extra_forbidden":
        section = place.rpartition(".")[0]
        siblings = [n for n in setting_names() if n.rpartition(".")[0] == section]
        near = difflib.get_close_matches(place, siblings, n=1, cutoff=0.6)
        key = place.rpartition(".")[2]
        elsewhere = [n for n in setting_names() if n.rpartition(".")[2] == key]
        return _nearest(place, near or elsewhere or siblings, found=near or elsewhere)
    if kind == "missing":
        return f"{place}: is not set"
    if kind == "model_type":
        allowed = [n.split(".")[-1] for n in setting_names() if n.startswith(f"{place}.")]
        return f"{place}: is {error['input']!r}, must be a mapping of {', '.join(allowed)}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{place}: is {error['input']!r}, {message}"


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(folder: Path) -> str:
    """sha256 over names and contents, cards (README.md, metrics.json) left out: they tell of the
    data and change nothing. Files above 64 MiB count with name and size."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in CARDS):
        stat = path.stat()
        small = stat.st_size <= 64 * 2**20
        content = _file_digest(path, stat.st_size, stat.st_mtime_ns) if small else ""
        total.update(f"{path.relative_to(folder)}:{stat.st_size}:{content}\n".encode())
    return total.hexdigest()
