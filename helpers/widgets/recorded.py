"""What a run has recorded for a reader to look at, or the small record that comes with the course.

Every function gives rows and a sentence that says where they come from. Sources: `rollouts.jsonl`
(`helpers.train.rollouts`), samples.jsonl of a measured model (`helpers.evaluate`), and the sweep of
decoding settings (`helpers.evaluate.sweep`). The record of the course is of one run of preset tiny,
task gsm8k, seed 0; its `manifest.json` says how it was made.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path

import torch

from helpers import losses, rewards
from helpers.artifacts import Stage, opened
from helpers.config import ROOT, Course
from helpers.evaluate import cost, load_samples
from helpers.evaluate.sweep import Setting
from helpers.files import ArtifactError
from helpers.stats import pass_at_k
from helpers.verify import extract

EXAMPLE = ROOT / "data" / "recorded" / "playground"
LADDER = ROOT / "data" / "recorded" / "ladder.json"
SHIPPED = ("This run has no {} yet: you see a record that comes with the course (preset tiny, "
           "task gsm8k, seed 0).")
LEARNERS = ("grpo", "ppo")
FILES = {"grpo": "rollouts.jsonl", "ppo": "rollouts_ppo.jsonl"}  # of the course's record
CHANGED = 6  # problems shown of a run that kept only its answers before and after


@dataclass(frozen=True)
class Record:
    """rows: of one kind; note: where they come from, a sentence; course: whose task they are of."""

    rows: list[dict]
    note: str
    course: Course


def rollouts(course: Course, stage: Stage | None = None) -> dict[str, Record]:
    """{run: lines of a `rollouts.jsonl`, by step and problem} of all runs that have some, or of
    this `stage` alone, which need not be finished yet.

    Of a stage that recorded no steps but its answers before and after, these two are the steps:
    without tokens and log-probabilities, their rewards computed again from the texts.
    """
    if stage and (lines := stage.path / "rollouts.jsonl").exists():
        return {stage.name: Record(load_samples(lines), f"Recorded while {stage.name} learned.",
                                   course)}
    found = {}
    for name in LEARNERS:
        try:
            path = opened(course, name).path
        except ArtifactError:
            continue
        if (path / "rollouts.jsonl").exists():
            found[name] = Record(load_samples(path / "rollouts.jsonl"),
                                 f"Recorded while this run's {name} learned.", course)
        elif (path / "samples_before.jsonl").exists():
            found[name] = Record(
                _before_after(course, path, grouped=name == "grpo"),
                f"This run's {name} recorded no steps in between and no log-probabilities of "
                f"tokens: you see its answers before and after, to the validation problems on "
                f"which they changed most.", course)
    if found:
        return found
    return {name: Record(load_samples(EXAMPLE / file),
                         SHIPPED.format("recorded training of its own"), shipped())
            for name, file in FILES.items()}


def samples(course: Course, models: Sequence[str] = ("sft", "grpo", "dpo", "ppo")) -> Record:
    """Rows of `samples.jsonl`, one a problem, of the first of these models that was measured."""
    for name in models:
        try:
            path = opened(course, name).path
        except ArtifactError:
            continue
        for file in ("validation.jsonl", "samples.jsonl"):
            if (path / file).exists():
                return Record(load_samples(path / file), f"Answers of this run's {name} to "
                                                         f"validation problems.", course)
    return Record(load_samples(EXAMPLE / "samples.jsonl"), SHIPPED.format("measured model"),
                  shipped())


def sweep(course: Course) -> tuple[dict[str, Callable[[], list[dict]]], str]:
    """{model: what gives its entries}, and where they come from. An entry, one a temperature at
    top-p 1: {"temperature", "k": [1, 2, 4, …], "pass": [pass@k], "maj": [maj@k], "problems"},
    shares, lenient: any format counts."""
    try:
        folder = opened(course, "evaluation").path
    except ArtifactError:
        folder = Path()
    files = {path.stem.removeprefix("sweep_"): path
             for path in sorted(folder.glob("sweep_*.jsonl"))} if folder != Path() else {}
    if files:
        return ({name: lambda path=path: by_temperature(load_samples(path))
                 for name, path in files.items()},
                "Measured by notebook 08 of this run, on validation problems.")
    shipped_ones = json.loads((EXAMPLE / "sweep.json").read_text(encoding="utf-8"))
    return ({name: lambda entries=entries: entries for name, entries in shipped_ones.items()},
            SHIPPED.format("sweep of temperatures"))


def scores() -> dict[str, dict]:
    """{model: its row of the recorded scoreboard}, of preset tiny, task gsm8k, seed 0: shares of
    the test problems at temperature 1 ("pass@1", "lenient_pass@1"), "greedy" and others."""
    rows = json.loads(LADDER.read_text(encoding="utf-8"))["rows"]
    return {row["stage"]: row for row in rows if (row["task"], row["seed"]) == ("gsm8k", 0)}


def right_and_wrong(course: Course) -> tuple[dict, str, str] | None:
    """(row, a right answer, a wrong one to the same problem), both in the asked form: of all
    problems that sft answered so, the two that go together longest; None where there is none."""
    found = []
    record = samples(course, ("sft",))
    for row in record.rows:
        ends = list(zip(row["completions"], row["strict"], row["lenient"], row["truncated"],
                        strict=True))
        right = [text for text, strict, _, cut in ends if strict and not cut]
        wrong = [text for text, _, lenient, cut in ends if not (lenient or cut)
                 and extract(text, record.course.answer_format) is not None]
        found += [(row, good, bad) for good in right[:1] for bad in wrong]
    return max(found, default=None, key=lambda one: (
        min(200, len(commonprefix(one[1:]))), -max(map(len, one[1:]))))  # to be read at a glance


def shipped() -> Course:
    """The course that the record was made with."""
    return Course.load("tiny", "gsm8k", 0)


def by_temperature(rows: Sequence[dict]) -> list[dict]:
    """The entries of `sweep`, from rows of `helpers.evaluate.sweep`."""
    entries = []
    for place, drawn in enumerate(rows[0]["drawn"]):
        setting = Setting(drawn["temperature"], drawn["top_p"])
        if setting.top_p < 1 or len(drawn["answers"]) < 2:
            continue
        n = len(drawn["answers"])
        ks = cost.tries(n)
        asked = [(row, row["drawn"][place]["answers"]) for row in rows]
        right = [sum(row["lenient"][one] for one in places) for row, places in asked]
        votes = cost.votes([{**row, "completions": [row["texts"][one] for one in places]}
                            for row, places in asked], ks).mean(axis=0)
        entries.append({"temperature": setting.temperature, "k": ks, "problems": len(rows),
                        "pass": [float(pass_at_k(n, right, k).mean()) for k in ks],
                        "maj": [float(vote) for vote in votes]})
    return entries


def _before_after(course: Course, path: Path, grouped: bool) -> list[dict]:
    """Lines as of a record, of the problems with the largest change in what is right. grouped: the
    method compares answers of one problem, so each has an advantage."""
    before = load_samples(path / "samples_before.jsonl")
    after = {row["id"]: row for row in load_samples(path / "samples.jsonl")}
    last = len((path / "curve.jsonl").read_text(encoding="utf-8").splitlines()) \
        if (path / "curve.jsonl").exists() else 1
    pairs = [(row, after[row["id"]]) for row in before if row["id"] in after]
    pairs.sort(key=lambda pair: -abs(sum(pair[1]["strict"]) - sum(pair[0]["strict"])))
    return [_line(course, step, row, grouped) for pair in pairs[:CHANGED]
            for step, row in zip((0, last), pair, strict=True)]


def _line(course: Course, step: int, row: dict, grouped: bool) -> dict:
    """One row of samples as a line of a record."""
    columns = {key: row[key] for key in ("answer", "nums", "target") if key in row}
    texts = row["completions"]
    totals, parts = rewards.weighted_sum(
        course, texts, truncated=row["truncated"],
        completion_ids=[[0] * count for count in row["tokens"]],  # only their number is read
        **{key: [value] * len(texts) for key, value in columns.items()})
    known = torch.tensor([[float("nan") if one is None else one for one in totals]])
    advantages = losses.group_advantages(known, course.grpo.scale_rewards)[0].tolist()
    return {"step": step, "problem": {"id": row["id"], "question": row["question"], **columns},
            "answers": [{
                "text": text, "pieces": None, "logp": None, "ref_logp": None,
                "truncated": row["truncated"][at], "strict": row["strict"][at],
                "lenient": row["lenient"][at], "reward": totals[at],
                "parts": {name: paid[at] for name, paid in parts.items()},
                "advantage": round(advantages[at], 4)
                if grouped and totals[at] is not None else None}
                for at, text in enumerate(texts)]}
