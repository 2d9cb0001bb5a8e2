"""The models of one run measured side by side, on any of the data sets, and kept beside the run.

`<run>/measured.json` holds {"data set": {model: scores}}, each with the run that made the model and
a fingerprint of the settings, and `<run>/measured/<set>_<model>.jsonl` what each model wrote.
Notebook 08 looks deeper, but at the task's own test set and at runs that have all of its rungs.
"""

import gc
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import data, models, sampling
from helpers.artifacts import find, is_made
from helpers.config import Course
from helpers.course.published import MEASURED
from helpers.course.tables import markdown, share
from helpers.evaluate import load_samples, measure, score
from helpers.evaluate.consistency import consistency
from helpers.files import ArtifactError, atomic_write_text, read_json, write_json
from helpers.prompts import fitting_prompts
from helpers.rungs import NAMES
from helpers.track import Track

BASE = "base"


def models_of(course: Course) -> dict[str, Path | None]:
    """The base (None) and the model of every rung that the run has made, in the ladder's order."""
    made = [name for name in NAMES if is_made(course, name)]
    return {BASE: None} | {name: find(course, name).path / "model" for name in made}


def measure_models(course: Course, sets: Sequence[str] = ()) -> dict[str, dict[str, dict]]:
    """{data set: {model: scores}} of all models that are made, and where they are kept. sets: by
    default those of the recipe, else the task's own. What is there is measured anew."""
    wanted = list(sets or course.recipe.measured or [course.own_set])
    problems: dict[str, Any] = {name: data.load(course, name, "test") for name in wanted}
    found: dict[str, dict[str, dict]] = {name: {} for name in wanted}
    for model_name, path in models_of(course).items():
        tokenizer = models.load_tokenizer(course, path)
        model = sampling.load_engine(path, course)
        for name in wanted:
            asked, _ = fitting_prompts(problems[name], course, tokenizer)
            rows = measure(model, tokenizer, asked, course)
            lines = (json.dumps(row, ensure_ascii=False) for row in rows)
            atomic_write_text(_rows(course, name, model_name), "".join(f"{x}\n" for x in lines))
            found[name][model_name] = score(rows) | consistency(rows) | _of(course, model_name)
        del model
        gc.collect()
    write_json(course.dir() / MEASURED, measured(course) | found)
    return found


def measured(course: Course) -> dict[str, dict[str, dict]]:
    """What `measure_models` has kept of this run; empty before. A model that was made anew since,
    or was measured with other settings, is left out."""
    try:
        kept = read_json(course.dir() / MEASURED)
    except ArtifactError:
        return {}
    there = {model: _of(course, model) for model in models_of(course)}
    found = {name: {model: scores for model, scores in by_model.items()
                    if model in there and there[model].items() <= scores.items()}
             for name, by_model in kept.items()}
    return {name: by_model for name, by_model in found.items() if by_model}


def _of(course: Course, model: str) -> dict[str, str | None]:
    """What a model's scores depend on: the run that made it, and how it is asked."""
    made_by = None if model == BASE else find(course, model).run_id
    return {"run_id": made_by, "settings": course.fingerprint(["evaluation"])}


def table(found: dict[str, dict[str, dict]]) -> str:
    """One row a data set and model, in percent, with 95 % intervals over problems."""
    rows = []
    for name, by_model in found.items():
        for model, s in by_model.items():
            rows.append([name, model, share(s["pass@1"], s["pass@1_ci95"]),
                         share(s["lenient_pass@1"], s["lenient_pass@1_ci95"]), share(s["greedy"]),
                         share(s["pass@5"]), share(s[f"maj@{s['samples']}"]),
                         share(s["agreement"]), f"{s['n']} x {s['samples']}"])
    return markdown(["set", "model", "pass@1 %", "lenient pass@1 %", "greedy %", "pass@5 %",
                     "vote %", "agreement %", "problems x samples"], rows)


def shown(course: Course, count: int, seed: int | None = None) -> str:
    """`count` random problems of each set, with what each model wrote greedily, what was found in
    it, and the reference."""
    track, draw = Track(course), random.Random(course.seed if seed is None else seed)
    lines = []
    for name, by_model in measured(course).items():
        rows = {model: load_samples(_rows(course, name, model)) for model in by_model}
        first = next(iter(rows.values()))
        for place in sorted(draw.sample(range(len(first)), min(count, len(first)))):
            lines += [f"[{name}] {first[place]['question']}", ""]
            for model, some in rows.items():
                said = some[place]["greedy"]
                verdict = "right" if said["strict"] else "wrong"
                lines += [f"{model}, {verdict}: found {track.extract(said['text'], 'lenient')!r}, "
                          f"the reference is {some[place]['answer']!r}", said["text"], ""]
    return "\n".join(lines)


def _rows(course: Course, name: str, model: str) -> Path:
    return course.dir("measured") / f"{name}_{model}.jsonl"
