"""Measure a saved model, merged or an adapter, from the command line.

    python -m helpers.evaluate --model_dir DIR --data_name gsm8k --max_new_tokens 1024 --n 8

The models of a recipe, side by side: `python -m helpers.course.modes eval --recipe NAME`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from helpers import data, files, merging, models, sampling
from helpers.config import Course, names
from helpers.evaluate import measure, score
from helpers.evaluate.consistency import consistency

BENCHMARKS = {"aime24": "deepscaler", "math500": "deepscaler"}  # set: task that asks and grades


def load_saved(path: Path, course: Course) -> tuple[Any, Any]:
    """Load a merged model's folder, or an adapter's on the base its configuration names.

    Returns (model, tokenizer); an adapter is merged, which makes sampling faster.
    """
    if not (path / "adapter_config.json").is_file():
        return sampling.load_engine(path.resolve(), course), models.load_tokenizer(course, path)
    from peft import PeftModel

    base = files.read_json(path / "adapter_config.json")["base_model_name_or_path"]
    course = course.model_copy(update={"model": course.model.model_copy(update={"name": base})})
    adapted = PeftModel.from_pretrained(models.load_base(course, "none"), path)
    return merging.merge(adapted, path), models.load_tokenizer(course)


def _measure_saved(options: argparse.Namespace) -> list[dict]:
    """Load what the command line names, measure it, write the samples if asked to."""
    given = {
        "lengths": {"completion": options.max_new_tokens},
        "evaluation": {"n": options.n},
        "data": {"test": options.problems},
        "dataset": {"path": options.data_dir and str(options.data_dir.resolve())},
    }
    overrides = {name: section for name, section in given.items() if None not in section.values()}
    name = options.data_name
    task = BENCHMARKS.get(name, name)
    course = Course.load(options.preset, task, options.seed, overrides)
    split = name if name in BENCHMARKS else "test"
    problems: Any = data.load_problems(course, split)  # Records are of problems here
    model, tokenizer = load_saved(options.model_dir.resolve(), course)
    rows = measure(model, tokenizer, problems, course)
    if options.output:
        lines = (json.dumps(row, ensure_ascii=False) for row in rows)
        files.atomic_write_text(options.output, "".join(f"{line}\n" for line in lines))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """The command line: measure a saved model and print its scores, one line a measure."""
    parser = argparse.ArgumentParser(prog="python -m helpers.evaluate", description=main.__doc__)
    parser.add_argument("--model_dir", required=True, type=Path, help="merged model or adapter")
    parser.add_argument("--data_name", default="gsm8k", help="task whose test set is used "
                        f"({', '.join(names('task'))}), or {' or '.join(BENCHMARKS)}")
    parser.add_argument("--max_new_tokens", type=int, help="default: the preset's length")
    parser.add_argument("--n", type=int, help="samples a problem; default: the preset's")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--problems", type=int, help="default: the preset's number")
    parser.add_argument("--data_dir", type=Path, help="folder with test.jsonl to use instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the samples there (JSON lines)")
    options = parser.parse_args(arguments)
    try:
        rows = _measure_saved(options)
        row = score(rows) | consistency(rows)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    for name, value in row.items():
        if isinstance(value, list):
            value = " to ".join(f"{bound:.4f}" for bound in value)
        print(f"{name:20} {value:.4f}" if isinstance(value, float) else f"{name:20} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
