"""What the rungs make of a base: supervised tuning and a short GRPO, over seeds, on validation.

    python -m tests.benchmarks.bases FOLDER --recipe hidden_size=128 slip=0.2 … [--seeds 0 1 2]

FOLDER: the model that notebook A1 made with this recipe. One JSON line a seed goes to standard
output; notebook A1 shows those of `data/recorded/tiny_base/rungs.json`. Shares are of validation
problems, strict at temperature 1 unless the name says otherwise; `_unshown`: on the kinds of
problem that no worked solution of the training data shows. A row says the learning rate of GRPO,
which has changed between recorded rows: gains are compared at one rate only.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel

from helpers import evaluate, models, prompts
from helpers.config import Course
from helpers.pretraining import SHOTS
from helpers.rewards import reward_functions
from helpers.track import Track
from helpers.train.methods import GRPO, SFT

SHORT = {"grpo": {"max_steps": 25, "prompts_per_step": 8}, "evaluation": {"n": 4}}


def tuned(course: Course, track: Track, tokenizer, folder: Path) -> Path:
    """Supervised tuning as notebook 03 does it; the folder of the merged model."""
    train, _ = prompts.within_lengths(track.demonstrations("train"), course, tokenizer)
    args = SFT.arguments(course, folder / "checkpoints", eval_strategy="no", eval_on_start=False,
                         save_strategy="no")
    trainer = SFT.trainer(course, args, Dataset.from_list([track.example(one) for one in train]),
                          tokenizer)
    trainer.train()
    if course.sft.method == "full":
        trainer.model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        return folder / "model"
    trainer.model.save_pretrained(folder / "adapter")
    return merged(models.load_base(course, "none"), folder, tokenizer)


def rewarded(course: Course, track: Track, tokenizer, start: Path, folder: Path) -> Path:
    """A short GRPO as notebook 07 does it; the folder of the merged model."""
    train, _ = prompts.fitting_prompts(track.problems("train"), course, tokenizer)
    order = np.random.default_rng(course.seed).permutation(len(train))
    rows = [{"prompt": track.prompt(train[i]), **track.columns(train[i])}
            for i in order[:course.grpo.max_steps * course.grpo.prompts_per_step]]
    args = GRPO.arguments(course, folder / "checkpoints", save_strategy="no")
    trainer = GRPO.trainer(course, args, Dataset.from_list(rows), tokenizer, start=start,
                           reward_funcs=reward_functions(course)[0])
    trainer.train()
    trainer.save_model(str(folder / "adapter"))
    return merged(models.load_model(start, course), folder, tokenizer)


def merged(base, folder: Path, tokenizer) -> Path:
    models.merge_and_save(PeftModel.from_pretrained(base, folder / "adapter"), tokenizer,
                          folder / "model")
    return folder / "model"


def shares(name: str, rows: list[dict]) -> dict:
    found = evaluate.score(rows)
    unshown = [row for row in rows if row.get("demonstrated") is False]
    return {name: round(found["pass@1"], 4), f"{name}_lenient": round(found["lenient_pass@1"], 4),
            f"{name}_greedy": round(found["greedy"], 4),
            f"{name}_greedy_unshown": round(float(np.mean(
                [row["greedy"]["strict"] for row in unshown])), 4)}


def measured(base: str, seed: int) -> dict:
    course = Course.load("tiny", "gsm8k", seed, {**SHORT, "model": {"name": base}})
    track, tokenizer = Track(course), models.load_tokenizer(course)
    problems, _ = prompts.fitting_prompts(track.problems("validation"), course, tokenizer)
    shots = track.demonstrations("train")[:SHOTS]
    few = evaluate.score(evaluate.measure(models.load_base(course, "none"), tokenizer, problems,
                                          course, shots))
    row = {"few_shot_lenient": round(few["lenient_pass@1"], 4)}
    with tempfile.TemporaryDirectory() as place:
        sft = tuned(course, track, tokenizer, Path(place) / "sft")
        grpo = rewarded(course, track, tokenizer, sft, Path(place) / "grpo")
        for name, model in (("sft", sft), ("grpo", grpo)):
            row |= shares(name, evaluate.measure(models.load_model(model, course), tokenizer,
                                                 problems, course))
    return row | {"problems": len(problems), "samples": course.evaluation.n,
                  "grpo_learning_rate": course.grpo.learning_rate}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--recipe", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = {name: json.loads(value) for name, value in
              (one.split("=") for one in options.recipe)}
    for seed in options.seeds:
        print(json.dumps({**recipe, "seed": seed, **measured(options.folder, seed)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
