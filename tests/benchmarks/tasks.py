"""What supervised tuning makes of the base on every task, at preset tiny's own size, on validation.

    python -m tests.benchmarks.tasks [TASK …] [--seed 0] [--samples FOLDER]

One JSON line a task goes to standard output; notebook A1 shows those of
`data/recorded/tiny_base/tasks.json`. Three models answer the same problems: `base`, asked as a
chat; `base_few_shot`, the base with as many worked examples as suit it best; `sft`, tuned as
notebook 03 does it. Shares of right answers at temperature 1, `greedy` of those at temperature 0;
the task's form is asked for unless the name says lenient. A gain is a paired difference with its
95 % interval over problems. `groups`: all problems, and where the data say it those whose kind has
worked solutions in training (`shown`) and those whose kind has none (`unshown`).
`in_form`: the share of samples with an answer in the form that is asked for, right or wrong.
`reasoning_right`, of a task whose demonstrations repeat the reasoning's end in another field: the
share of samples, lenient, whose reasoning ends with the answer.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from helpers import data, evaluate, models, prompts, sampling, stats
from helpers.config import Course, names
from helpers.data.problem import Problem, question_hash
from helpers.data.tinyworld.instruct import follows
from helpers.data.tinyworld.rules import rules
from helpers.evaluate import few_shot
from helpers.files import atomic_write_text
from helpers.track import KINDS, Track
from tests.benchmarks.bases import SHORT, tuned

MEASURES = {
    "strict": ("pass@1", "strict"),
    "lenient": ("lenient_pass@1", "lenient"),
    "greedy": ("greedy", "strict"),
    "lenient_greedy": ("lenient_greedy", "lenient"),
}
GROUPS = {"all": (True, False, None), "shown": (True,), "unshown": (False,)}  # of `demonstrated`


def asked(track: Track, tokenizer) -> list[Problem]:
    """The validation problems of a task; of one without answers to check, what the users of its
    validation conversations and pairs ask last, where the tiny world can judge an answer by rule.
    """
    if track.course.answer_format != "free":
        return prompts.fitting_prompts(track.problems("validation"), track.course, tokenizer)[0]
    records = [
        *track.demonstrations("validation"),
        *data.load_preferences(track.course, "validation"),
    ]
    texts = dict.fromkeys(one.prompt[-1]["content"] for one in records)
    return [
        Problem(text, "", "", track.course.own_set, question_hash(text))
        for text in texts
        if follows(text, "?") is not None
    ]


def measured(
    track: Track, model, tokenizer, problems: Sequence[Problem], shots: Sequence | None = None
) -> list[dict]:
    """Rows of `evaluate.measure`; instructions are judged by the tiny world's rules."""
    course = track.course
    if course.answer_format != "free":
        return evaluate.measure(model, tokenizer, problems, course, shots)
    texts, how = evaluate.asked(track, tokenizer, problems, shots)
    samples = sampling.generate(model, tokenizer, texts, n=course.evaluation.n, **how)
    greedy = sampling.generate(model, tokenizer, texts, greedy=True, **how)
    return [followed(*row) for row in zip(problems, samples, greedy, strict=True)]


def followed(problem: Problem, samples: Sequence, greedy: Sequence) -> dict:
    """One row: lenient is an answer that does what was asked, strict one that also came to its
    end."""

    def verdicts(answers):
        does = [bool(follows(problem.question, one.text.strip())) for one in answers]
        ended = [right and not one.truncated for right, one in zip(does, answers, strict=True)]
        return {"strict": ended, "lenient": does}

    return {
        "id": problem.id,
        "question": problem.question,
        "demonstrated": not rules(problem.question),
        "completions": [one.text for one in samples],
        "tokens": [one.tokens for one in samples],
        "truncated": [one.truncated for one in samples],
        **verdicts(samples),
        "greedy": {"text": greedy[0].text, "truncated": greedy[0].truncated}
        | {kind: verdicts(greedy)[kind][0] for kind in KINDS},
    }


def shots_for(
    track: Track, base, tokenizer, problems: Sequence[Problem], demonstrations: Sequence
) -> int:
    """How many worked examples: those that suit the base best, found as notebook 08 finds them; for
    instructions the preset's number."""
    settings = track.course.evaluation
    if track.course.answer_format == "free":
        return settings.few_shot
    return few_shot.choose(
        few_shot.tried(
            base, tokenizer, problems[: settings.sweep.problems], track.course, demonstrations
        )
    )


def gain(rows: Sequence[dict], than: Sequence[dict], name: str) -> list[float]:
    """[difference, low, high] in shares, paired over problems, of a measure of MEASURES."""
    kind = MEASURES[name][1]
    if "greedy" not in name:
        found = evaluate.compare(rows, than, kind)
        return rounded([found["difference"], *found["ci95"]])
    return rounded(
        stats.paired_interval(
            *([float(row["greedy"][kind]) for row in side] for side in (rows, than)), 1
        )
    )


def in_form(track: Track, rows: Sequence[dict]) -> float:
    """Share of samples with an answer, right or wrong, in the form that the task asks for."""
    found = [
        not cut and track.extract(text) is not None
        for row in rows
        for text, cut in zip(row["completions"], row["truncated"], strict=True)
    ]
    return rounded([sum(found) / len(found)])[0]


def reasoning_right(rows: Sequence[dict]) -> float:
    """Share of samples whose last calculation before another field begins gives the answer: where
    a field repeats what the reasoning ended with, it may say something else."""
    right = []
    for row in rows:
        for text in row["completions"]:
            reasoning = re.split(r"\n\s*<(?!<)", text.strip().removeprefix("<reasoning>"))[0]
            results = re.findall(r"(?:>>|=\$?)(-?\d+(?:\.\d+)?)", reasoning)
            right.append(bool(results) and results[-1] == row["answer"])
    return rounded([sum(right) / len(right)])[0]


def rounded(values: Sequence[float]) -> list[float]:
    return [round(float(one), 4) for one in values]


def group(answers: dict[str, list[dict]], which: tuple) -> dict:
    """Scores of the three models on one group of problems, and the gains of `sft`; {} without
    any."""
    rows = {
        name: [row for row in found if row.get("demonstrated") in which]
        for name, found in answers.items()
    }
    if not rows["sft"]:
        return {}
    scores = {name: evaluate.score(found) for name, found in rows.items()}
    return {
        "problems": len(rows["sft"]),
        **{
            name: dict(
                zip(
                    (*MEASURES, "truncated"),
                    rounded([found[key] for key, _ in MEASURES.values()] + [found["truncated"]]),
                    strict=True,
                )
            )
            for name, found in scores.items()
        },
        "gain_over": {
            other: {name: gain(rows["sft"], rows[other], name) for name in MEASURES}
            for other in rows
            if other != "sft"
        },
    }


def trial(course: Course, samples: Path | None = None) -> dict:
    """The line of one task; with `samples` the models' answers are kept in that folder."""
    track, tokenizer = Track(course), models.load_tokenizer(course)
    problems = asked(track, tokenizer)
    examples, _ = prompts.within_lengths(track.demonstrations("train"), course, tokenizer)
    base = models.load_base(course, "none")
    number = shots_for(track, base, tokenizer, problems, examples)
    answers = {
        "base": measured(track, base, tokenizer, problems),
        "base_few_shot": measured(track, base, tokenizer, problems, examples[:number]),
    }
    with tempfile.TemporaryDirectory() as place:
        model = models.load_model(tuned(course, track, tokenizer, Path(place)), course)
        answers["sft"] = measured(track, model, tokenizer, problems)
    if samples is not None:
        for name, rows in answers.items():
            atomic_write_text(
                samples / f"{course.task}_{name}.jsonl",
                "".join(json.dumps(row) + "\n" for row in rows),
            )
    groups = {name: group(answers, which) for name, which in GROUPS.items()}
    formed = course.answer_format != "free"
    repeats = "{last_sentence}" in (course.demonstration or "")
    return {
        "task": course.task,
        "seed": course.seed,
        "method": course.sft.method,
        "steps": course.sft.max_steps,
        "train_rows": len(examples),
        "few_shot": number,
        "samples": course.evaluation.n,
        "groups": {name: found for name, found in groups.items() if found},
        **(
            {"in_form": {name: in_form(track, rows) for name, rows in answers.items()}}
            if formed
            else {}
        ),
        **(
            {"reasoning_right": {name: reasoning_right(rows) for name, rows in answers.items()}}
            if repeats
            else {}
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(names("task")))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=Path, help="keep the answers in this folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for task in options.tasks or names("task"):
        course = Course.load("tiny", task, options.seed, {"evaluation": SHORT["evaluation"]})
        print(json.dumps(trial(course, options.samples)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
