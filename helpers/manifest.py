"""What a finished stage says of itself: machine, versions, code, files; and whether it is true."""

import ast
import hashlib
import os
import platform
import sys
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from helpers.config import HERE, ConfigError, Course, flat
from helpers.files import ArtifactError, damage, read_json

LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes")


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
    """Python and the libraries that results depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def code() -> dict[str, str]:
    """{module of this library: digest of its code} for all that this process has imported."""
    names = sorted(name for name in list(sys.modules) if name.partition(".")[0] == "helpers")
    return {name: digest for name in names if (digest := _digest(name))}


def older_code(manifest: dict) -> str | None:
    """None if the modules that the stage imported are as they were, else which have changed. A
    manifest that names no code, as those of earlier versions, says nothing."""
    noted = manifest.get("code")
    noted = noted if isinstance(noted, dict) else {}
    changed = [name for name, digest in sorted(noted.items()) if _digest(name) != digest]
    if not changed:
        return None
    more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
    return f"made by older code: {', '.join(changed[:4])}{more} changed"


def _digest(module: str) -> str | None:
    """Digest of a module's code, without comments and docstrings; None if there is no such file."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    plain = HERE.parent / module.replace(".", "/")
    places = [Path(loaded)] if loaded else [plain.with_suffix(".py"), plain / "__init__.py"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    stat = path.stat()
    return _code_digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _code_digest(path: Path, size: int, mtime_ns: int) -> str:
    source = path.read_bytes()
    with suppress(SyntaxError, ValueError):  # half edited: then its bytes
        source = ast.unparse(_without_docstrings(ast.parse(source))).encode()
    return hashlib.sha256(source).hexdigest()[:16]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def verified(course: Course, name: str, folder: Path) -> dict:
    """The manifest of a stage's folder; ArtifactError if it or a file that it lists is damaged, or
    if it was made with other settings."""
    manifest = read_json(folder / "manifest.json")
    if problem := broken(manifest, name) or damage(folder, manifest["files"]):
        raise ArtifactError(f"stage {name!r} is damaged: {problem} ({folder})")
    if other := other_configuration(course, manifest):
        raise ArtifactError(f"stage {name!r} is of another configuration: {other}")
    return manifest


def broken(manifest: Any, name: str) -> str | None:
    """What is wrong with the manifest of stage `name` as such, in words."""
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


def other_configuration(course: Course, manifest: dict) -> str | None:
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
