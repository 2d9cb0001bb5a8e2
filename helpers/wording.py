"""What is wrong with a setting, in one line that also says what would be right."""

import difflib
import re
from collections.abc import Sequence

from pydantic import BaseModel


class ConfigError(ValueError):
    """A setting that does not exist or a value that cannot be; the message says what would."""


def nearest(name: str, valid: Sequence[str], found: Sequence[str] = ()) -> str:
    """One line: `name` does not exist, and the nearest of the valid names, or all of them."""
    found = found or difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    if found:
        return f"{name!r} does not exist; did you mean {' or '.join(map(repr, found))}?"
    return f"{name!r} does not exist; there are {', '.join(valid)}"


def setting_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every setting's dotted name, sections included."""
    found = []
    for key, field in model.model_fields.items():
        found.append(f"{prefix}{key}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += setting_names(field.annotation, f"{prefix}{key}.")
    return found


def explain(error: dict, settings: Sequence[str]) -> str:
    """One line for one pydantic error: the dotted setting, what it is, what is allowed.

    settings: the dotted names of all there are.
    """
    names_only = [str(part) for part in error["loc"] if "[" not in str(part)]  # no union tags
    place, kind = ".".join(names_only), error["type"]
    if kind == "extra_forbidden":
        section = place.rpartition(".")[0]
        siblings = [n for n in settings if n.rpartition(".")[0] == section]
        near = difflib.get_close_matches(place, siblings, n=1, cutoff=0.6)
        key = place.rpartition(".")[2]
        elsewhere = [n for n in settings if n.rpartition(".")[2] == key]
        return nearest(place, near or elsewhere or siblings, found=near or elsewhere)
    if kind == "missing":
        return f"{place}: is not set"
    if kind == "model_type":
        allowed = [n.split(".")[-1] for n in settings if n.startswith(f"{place}.")]
        return f"{place}: is {error['input']!r}, must be a mapping of {', '.join(allowed)}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if kind == "literal_error":
        allowed = re.findall(r"'([^']+)'", message)
        near = difflib.get_close_matches(str(error["input"]), allowed, n=1, cutoff=0.6)
        message += f"; did you mean {near[0]!r}?" if near else ""
    if kind == "string_pattern_mismatch":
        message = "must not be empty"
    if kind == "string_type" and isinstance(error["input"], int | float):
        message += "; write it in quotes"
    return f"{place}: is {error['input']!r}, {message}"
