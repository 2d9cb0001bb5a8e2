"""What the course takes on a GPU: time and memory of its steps beside an older commit's, and its
notebooks under the memory of a T4 and an A100. One row a run, added to `data/recorded/gpu/`.

    python -m tests.benchmarks.gpu steps --against FOLDER   (FOLDER: a checkout of 0950ceb)
    python -m tests.benchmarks.gpu passes
    python -m tests.benchmarks.gpu answers                  (sampling, by how many at once)
    python -m tests.benchmarks.gpu notebooks --preset a100  (the tiny base in the real shape)
    python -m tests.benchmarks.gpu ladder --model DIR       (a small pre-trained model)

Parts fit a few minutes each. `--tokenizer`: a hub id or folder of Qwen2.5's tokenizer; the weights
of `steps` are random, of that model's shape, so nothing is downloaded but the tokenizer.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from helpers.artifacts import versions
from helpers.config import ROOT
from helpers.files import atomic_write_text, write_json
from tests import widened

OLD = "0950ceb"  # what `--against` is a checkout of
FOLDER = ROOT / "data" / "recorded" / "gpu"
WORKER = Path(__file__).with_name("gpu_worker.py")


def shaped_like(size: str, tokenizer: str, folder: Path) -> Path:
    """A folder with a model of Qwen2.5's shape, random weights, in bfloat16, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from helpers.config import Course
    from helpers.model_size import architecture

    path = folder / f"qwen-{size}"
    if not (path / "config.json").exists():
        config = architecture(Course.load("a100", overrides={
            "model": {"name": f"Qwen/Qwen2.5-{size}"}}))
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.save_pretrained(path)
        AutoTokenizer.from_pretrained(tokenizer).save_pretrained(path)
    return path


def record(name: str, rows: list[dict], folder: Path) -> None:
    """Add rows to `<name>.jsonl`, each with the card, the versions, the day and the commit."""
    import torch

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    used = {key: versions()[key] for key in ("torch", "transformers", "trl", "peft")}
    place = folder / f"{name}.jsonl"
    lines = place.read_text() if place.exists() else ""
    for row in rows:
        kept = {**row, "card": card, "versions": used, "date": date.today().isoformat(),
                "commit": OLD if row.get("code") == "old" else commit()}
        lines += json.dumps(kept) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_text(place, lines)


def commit() -> str:
    """The commit of this code, with a plus where files differ from it; "" outside git."""
    found = subprocess.run(["git", "describe", "--always", "--dirty=+", "--exclude=*"], cwd=ROOT,
                           capture_output=True, text=True)
    return found.stdout.strip()


def worker(which: str, tree: Path, asked: dict, limit: float) -> list[dict]:
    """The rows that one process of `gpu_worker` tells within `limit` seconds; what else it says
    goes to stderr."""
    path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
    rows = told([sys.executable, str(WORKER), which, json.dumps(asked)], limit, cwd=tree,
                env=os.environ | {"PYTHONPATH": path})
    return [{"size": asked["model"].rpartition("-")[2], **row} for row in rows]


def told(command: list[str], limit: float | None = None, **where) -> list[dict]:
    """What a program prints as ROW and JSON, also where it did not come to its end."""
    started, end = time.time(), "in time"
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=limit, **where)
        output, end = done.stdout, f"rc {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"stopped after {limit} s"
    rows = [json.loads(line.removeprefix("ROW ")) for line in output.decode().splitlines()
            if line.startswith("ROW ")]
    print(f"{len(rows)} rows in {time.time() - started:.0f} s, {end}", *rows, sep="\n", flush=True)
    return rows


def steps(given: argparse.Namespace) -> None:
    """Steps of the older commit and of this one under `cap_gb`."""
    model = shaped_like(given.size, given.tokenizer, given.work)
    asked = {"model": str(model), "preset": given.preset} | given.settings
    rows = []
    if given.against:
        rows += worker("old", given.against.resolve(), asked | given.old_settings, given.limit)
    record("steps", rows + worker("new", ROOT, asked | {"cap_gb": given.cap_gb}, given.limit),
           given.out)


def growing(given: argparse.Namespace) -> None:
    """How time and memory grow with the rows of a pass, or with the answers written at once."""
    model = shaped_like(given.size, given.tokenizer, given.work)
    asked = {"model": str(model), "preset": given.preset} | given.settings
    record(given.part, worker(given.part, ROOT, asked, given.limit), given.out)


NOTEBOOK = """
import json, sys, time, torch
cap, parameters, only = json.loads(sys.argv[1])
gpu = torch.cuda.is_available()
if cap and gpu:
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap * 1e9 / total))
from helpers.course import graph
from tests import inprocess
real = inprocess.execute
def execute(notebook, parameters):
    if gpu:
        torch.cuda.empty_cache(); torch.cuda.reset_peak_memory_stats()
    started, problem = time.time(), None
    try:
        real(notebook, parameters)
    except BaseException as error:
        problem = str(error).splitlines()[0][:300]
        raise
    finally:
        row = {"notebook": notebook.name, "preset": parameters["preset"], "cap_gb": cap,
               "seconds": round(time.time() - started, 1), "problem": problem}
        if gpu:
            row["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
            row["reserved_gb"] = round(torch.cuda.max_memory_reserved() / 1e9, 2)
        print("ROW " + json.dumps(row), flush=True)
inprocess.execute = execute
inprocess.main(parameters, only)
"""
CAPS = {"colab": 15, "a100": 38}  # GB that a T4 and an A100 of 40 GB leave a process
SHAPES = {"colab": "0.5B", "a100": "1.5B"}  # of the presets' models
FEW = {  # enough that some answers are right and some wrong; one or two steps of all that follows
    "data": {"train": 400, "validation": 48, "test": 16}, "evaluation": {"n": 8, "few_shot": 1},
    "sft": {"max_steps": 8}, "pairs": {"problems": 64}, "reward_model": {"max_steps": 2},
    "dpo": {"max_steps": 2}, "ppo": {"max_steps": 2, "value_warmup_steps": 1},
    "grpo": {"max_steps": 2}}


def run_notebooks(given: argparse.Namespace, model: Path, cap: float | None,
                  settings: dict) -> list[dict]:
    """Notebooks of a preset on the tiny problems, in one process under `cap` GB; a row each."""
    parameters = {"preset": given.preset, "task": "gsm8k", "seed": 0,
                  "overrides": overrides_of(given, model, settings)}
    asked = json.dumps([cap, parameters, given.only])
    rows = told([sys.executable, "-c", NOTEBOOK, asked], given.limit, cwd=ROOT)
    return [row | {"model": model.name, **given.model_settings} for row in rows]


def overrides_of(given: argparse.Namespace, model: Path, settings: dict) -> dict:
    """What such a run changes of its preset."""
    return {"world": "tiny", "model": {"name": str(model), **given.model_settings},
            "generation": {"engine": "hf"}, "tracking": {"report_to": []}, **settings,
            **given.settings}


def notebooks(given: argparse.Namespace) -> None:
    """Notebooks 03 to 08 of a preset with few steps, under the preset's memory, with the tiny base
    in the shape of the preset's model unless another is given."""
    model = given.model
    if model is None:
        model = widened.write(ROOT / "data" / "tiny" / "base", SHAPES[given.preset],
                              given.work / f"widened-{SHAPES[given.preset]}")
    record("notebooks", run_notebooks(given, model, given.cap_gb or CAPS[given.preset], FEW),
           given.out)


def ladder(given: argparse.Namespace) -> None:
    """A pre-trained model through notebooks of a preset, with its own settings; what it became is
    kept for notebooks 03, 06, 07 and 08 (`helpers.plots.pretrained`)."""
    rows = run_notebooks(given, given.model, given.cap_gb, {})
    record("ladder", rows, given.out)
    kept = kept_ladder(given)
    if kept:
        write_json(given.out / "ladder.json", kept)
    else:
        print("08 is not made yet, so no ladder is kept; the same command goes on")


def kept_ladder(given: argparse.Namespace) -> dict:
    """The record of a finished run; {} before its evaluation is made."""
    from helpers.artifacts import find, hardware, is_made
    from helpers.config import Course
    from helpers.course import scoreboard
    from helpers.plots.pretrained import MEASURES

    course = Course.load(given.preset, "gsm8k", 0, overrides_of(given, given.model, {}))
    if not is_made(course, "evaluation"):
        return {}
    board = scoreboard.build(course.group)
    curves = {}
    for name, (key, _) in MEASURES.items():
        if is_made(course, name):
            curve = find(course, name).curve.dropna(subset=[key])
            curves[name] = {"step": curve["step"].astype(int).tolist(),
                            key: curve[key].round(5).tolist()}
    here, cards = {"task": "gsm8k", "seed": 0}, hardware()["gpus"]
    return {"model": given.model.name, "preset": given.preset,
            "card": str(cards[0]) if cards else "no GPU",
            "versions": versions(), "date": str(date.today()), "commit": commit(),
            **{part: [row for row in board[part] if here.items() <= row.items()]
               for part in ("rows", "tests")}, "curves": curves}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["steps", "passes", "answers", "notebooks",
                                         "ladder"])
    parser.add_argument("--size", default="1.5B")
    parser.add_argument("--preset", default="a100", choices=sorted(CAPS))
    parser.add_argument("--tokenizer", default="Qwen/Qwen2.5-1.5B")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--against", type=Path, help="a checkout of the older commit")
    parser.add_argument("--cap-gb", type=float, help="memory that this commit's code may take")
    parser.add_argument("--limit", type=float, help="seconds, after which a process is stopped")
    parser.add_argument("--only", default="03 04 05 06 07 08")
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--old-settings", type=json.loads, default={})
    parser.add_argument("--model-settings", type=json.loads, default={})
    parser.add_argument("--work", type=Path, default=Path("/tmp/course-gpu"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    {"steps": steps, "passes": growing, "answers": growing, "notebooks": notebooks,
     "ladder": ladder}[given.part](given)


if __name__ == "__main__":
    main()
