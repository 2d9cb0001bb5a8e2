"""Overrides as text: YAML, of which JSON is a part, read so that nothing is lost in silence.

Three things differ from PyYAML. A key that stands twice is refused, where PyYAML takes the last.
Numbers and yes/no are those of YAML 1.2's core schema: `1e-5` is a number, and what YAML 1.1 reads
in base 60, base 8 or as a date (`1:30` is 90, `010` is 8) or as yes/no (`no`, `on`) stays text, so
that a setting can refuse or use it as it was written. Keys with a dot are refused, also in a dict.
"""

import re
from typing import Any

import yaml

from helpers.wording import ConfigError

INTEGER = r"[-+]?(?:0|[1-9][0-9]*)"
REAL = rf"(?:{INTEGER}(?:\.[0-9]*)?|[-+]?\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
PLAIN = {int: re.compile(rf"{INTEGER}\Z"), float: re.compile(rf"{REAL}\Z")}
_WORDS = {  # tag: (what is read so, the characters it can start with)
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)\Z", "tTfF"),
    "null": (r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    "int": (PLAIN[int].pattern, "-+0123456789"),
    "float": (rf"(?:{REAL}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z", "-+.0123456789"),
    "merge": (r"<<\Z", "<"),
}


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's numbers, refusing keys that stand twice."""

    yaml_implicit_resolvers: dict = {}  # its own: nothing is inherited from YAML 1.1

    def construct_mapping(self, node, deep=False):
        first: dict[str, str] = {}
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key, mark = key_node.value, key_node.start_mark
            here = f"line {mark.line + 1} (column {mark.column + 1})"
            if isinstance(key, str) and first.setdefault(key, here) != here:
                raise ConfigError(f"{key!r} stands twice, in {first[key]} and in {here}; keep one, "
                                  f"with all that belongs into it")
        return super().construct_mapping(node, deep)


for _tag, (_pattern, _first) in _WORDS.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def read_yaml(text: str, place: str) -> Any:
    """The text's value; ConfigError in one line that starts with `place`."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a tag that does not fit its text
        raise ConfigError(f"{place}: not YAML: {' '.join(str(error).split())}") from None


def as_mapping(overrides: dict | str | None, place: str = "overrides") -> dict:
    """Overrides as a new dict: of text by `read_yaml`, of a dict as it is. ConfigError unless all
    of it are mappings with text as keys, lists, text, numbers, yes/no and null."""
    value = read_yaml(overrides, place) if isinstance(overrides, str) else overrides
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(
            f"{place}: {overrides!r} is no mapping; write {{grpo: {{max_steps: 5}}}}"
        )
    _check(value, place, ())
    return value


def as_number(value: Any) -> Any:
    """What is to be a number: text that is one in all versions of YAML as that number
    (papermill's -y leaves 1e-5 as text), ValueError for text that they read differently; all else
    stays as it is."""
    if not isinstance(value, str):
        return value
    for kind, plain in PLAIN.items():
        if plain.match(value):
            return kind(value)
    if re.fullmatch(r"[-+]?[0-9][0-9a-fxob_:.]*", value, re.IGNORECASE):
        raise ValueError("must be a plain number: YAML reads some with a colon in base 60 and some "
                         "with a leading 0 in base 8; write all digits in base 10 (90, not 1:30)")
    return value


def in_flow(value: Any) -> str:
    """The value as YAML in one line, as it is written in an override."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True,
                          sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _check(value: Any, place: str, path: tuple[str, ...]) -> None:
    """ConfigError for a key with a dot and for what no setting can be."""
    where = f"{place}: {'.'.join(path)}" if path else place
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str) and "." in key:
                nested = inner
                for part in reversed([*path, *key.split(".")]):
                    nested = {part: nested}
                raise ConfigError(f"{place}: {key!r} is written with a dot; write it nested: "
                                  f"{_shown(nested)}")
            _check(inner, place, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner, place, path)
    elif not isinstance(value, str | int | float | bool | None):
        raise ConfigError(f"{where}: {value!r} is a {type(value).__name__}; a setting is text, a "
                          f"number, yes/no, null, a list or a mapping of them")


def _shown(value: Any) -> str:
    try:
        return in_flow(value)
    except yaml.YAMLError:  # an object of Python's
        return repr(value)
