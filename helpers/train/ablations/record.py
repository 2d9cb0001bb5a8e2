"""The record of the short runs: written from the lines of finished ones, and read by notebooks.

A record may be partial. Everything here works on what is there, and says of how many seeds.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.artifacts import Stage, hardware, versions
from helpers.config import ROOT
from helpers.files import ArtifactError, atomic_write_text, read_json
from helpers.stats import paired_interval, pooled_interval
from helpers.train.ablations.runs import finished
from helpers.train.ablations.variants import CHAPTERS, START, VARIANTS, queue

RECORD = ROOT / "data" / "recorded" / "ablations.json"


def write(lines: Path, sft: Stage, path: Path = RECORD) -> dict:
    """Keep the finished runs at `lines` that started from this `sft`. ArtifactError without any,
    or where runs of one chapter have drawn different numbers of answers."""
    runs = finished(lines, sft.run_id)
    if not runs:
        raise ArtifactError(
            f"{lines}: no finished run from sft {sft.run_id}; make some with: "
            "python -m helpers.train.ablations run"
        )
    for chapter, names in CHAPTERS.items():
        counts = {run["answers"] for (name, _), run in runs.items() if name in names}
        if len(counts) > 1:
            raise ArtifactError(
                f"{lines}: chapter {chapter} compares runs of {sorted(counts)} "
                "answers; equal numbers are what makes them comparable"
            )
    order = queue(sorted({seed for _, seed in runs}))
    kept = [
        {key: value for key, value in runs[place].items() if key not in ("sft", "plan")}
        for place in order
        if place in runs
    ]
    record = {
        "command": "python -m helpers.train.ablations run",
        "sft": sft.run_id,
        "preset": sft.course.preset,
        "task": sft.course.task,
        "versions": versions(),
        "hardware": hardware(),
        "minutes": round(sum(run["minutes"] for run in kept), 1),
        "runs": kept,
    }
    # A line a run: the same JSON as `write_json` makes, in half the bytes.
    whole = json.dumps(record | {"runs": []}, indent=1, ensure_ascii=False, allow_nan=False)
    told = ",\n".join(json.dumps(run, allow_nan=False) for run in kept)
    atomic_write_text(path, whole.replace('"runs": []', f'"runs": [\n{told}\n]') + "\n")
    return record


def load(path: Path = RECORD) -> dict:
    """The record; {} where there is none."""
    return read_json(path) if path.is_file() else {}


def progress(record: Mapping, wanted: Sequence[int] = (0, 1, 2)) -> str:
    """How many of the runs are there, in a sentence, and which seeds."""
    there = {(run["name"], run["seed"]) for run in record.get("runs", ())}
    places = queue(list(wanted))
    return (
        f"{len(there & set(places))} of {len(places)} runs are recorded"
        + (f" (seeds {', '.join(map(str, sorted({seed for _, seed in there})))})" if there else "")
        + "."
    )


def _runs(record: Mapping, name: str) -> dict[int, dict]:
    """{seed: run} of a variant."""
    return {run["seed"]: run for run in record.get("runs", ()) if run["name"] == name}


def seeds(record: Mapping, names: Sequence[str]) -> list[int]:
    """The seeds for which all of these runs are there; so that none is compared with nothing."""
    found = [set(_runs(record, name)) for name in names]
    return sorted(set.intersection(*found)) if found else []


class Band(NamedTuple):
    """A curve over several seeds, (T,) each: its mean, and the lowest and highest of the seeds."""

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int


def band(record: Mapping, name: str, key: str, of: Sequence[int], smooth: int = 1) -> Band | None:
    """A recorded curve over the seeds `of`, each a running mean over `smooth` steps; None where one
    of them does not have it. NaN where a value was not known."""
    runs = _runs(record, name)
    if not of or any(seed not in runs or key not in runs[seed]["curves"] for seed in of):
        return None
    table = np.array([_running(runs[seed]["curves"][key], smooth) for seed in of])
    steps = np.array(runs[of[0]]["curves"]["step"])
    known = ~np.isnan(table).any(axis=0)
    mean, low, high = (
        np.where(known, fold(np.where(known, table, 0.0), axis=0), np.nan)
        for fold in (np.mean, np.min, np.max)
    )
    return Band(steps, mean, low, high, len(of))


def _running(values: Sequence[float | None], over: int) -> np.ndarray:
    """Mean over the last `over` known values up to each; it never looks ahead."""
    known = np.array([np.nan if one is None else one for one in values], dtype=float)
    return np.array(
        [
            np.nan
            if np.isnan(known[place])
            else np.nanmean(known[max(0, place - over + 1) : place + 1])
            for place in range(len(known))
        ]
    )


def ends(record: Mapping, name: str, key: str, of: Sequence[int]) -> tuple[float, float]:
    """Means of a curve over its first and its last quarter and over the seeds `of`."""
    values = [_runs(record, name)[seed]["curves"][key] for seed in of]
    table = np.array([[np.nan if one is None else one for one in row] for row in values])
    few = max(1, table.shape[1] // 4)
    return float(np.nanmean(table[:, :few])), float(np.nanmean(table[:, -few:]))


def held_out(
    record: Mapping, name: str, of: Sequence[int], key: str = "pass@1"
) -> tuple[float, float, float]:
    """Mean, lowest and highest over the seeds of a score on validation."""
    values = [_runs(record, name)[seed]["held_out"][key] for seed in of]
    return float(np.mean(values)), min(values), max(values)


def compared(
    record: Mapping, name: str, other: str, of: Sequence[int], greedy: bool = False
) -> tuple[float, float, float]:
    """Difference of held-out pass@1 (or of greedy answers) with its 95 % interval: of a variant to
    another, or to `START`, on the same problems. Of three seeds or more it counts both what seeds
    and what problems vary; of fewer the problems alone."""
    key = "greedy_right" if greedy else "right"
    mine, theirs = (_runs(record, one) for one in (name, other))

    def shares(run: Mapping) -> np.ndarray:
        samples = 1 if greedy else run["held_out"]["samples"]
        return np.array([int(digit) for digit in run["held_out"][key]]) / samples

    first = next(iter(theirs.values()))  # the untrained model was measured once
    rows = np.array([shares(mine[seed]) - shares(theirs.get(seed, first)) for seed in of])
    samples = 1 if greedy else mine[of[0]]["held_out"]["samples"]
    if len(rows) >= 3:
        return pooled_interval(rows, samples)
    mean = rows.mean(axis=0)
    return paired_interval(mean, np.zeros_like(mean), samples * len(rows))


def panels(
    record: Mapping, names: Sequence[str], measures: Mapping[str, str], smooth: int = 4
) -> dict[str, dict[str, Band]]:
    """{title: {run in words: band}} for a figure, over the seeds that all of these runs have.
    measures: {curve of the record: title}; a run that was not recorded is left out, and one without
    a curve of its panel, or of which it says nothing (`Variant.counts`). {} where there are not two
    to compare."""
    names = [name for name in names if _runs(record, name)]
    of = seeds(record, names) if len(names) > 1 else []
    found: dict[str, dict[str, Band]] = {}
    for key, title in measures.items() if of else ():
        for name in names:
            if VARIANTS[name].counts(key) and (one := band(record, name, key, of, smooth)):
                found.setdefault(title, {})[VARIANTS[name].words] = one
    return found


def meeting(one: Band, other: Band) -> float | None:
    """Share of the steps known of both at which two bands meet; None where that says nothing: of
    one seed a band has no width."""
    known = ~np.isnan(one.mean) & ~np.isnan(other.mean)
    if min(one.seeds, other.seeds) < 2 or not known.any():
        return None
    together = (one.low <= other.high) & (other.low <= one.high)
    return float(together[known].mean())


def verdict(low: float, high: float) -> str:
    """What an interval of a difference says."""
    return "higher" if low > 0 else "lower" if high < 0 else "no difference is shown"


def table(record: Mapping, names: Sequence[str], other: str) -> pd.DataFrame:
    """One row a run: held-out pass@1 (mean over its seeds, lowest to highest), and its difference
    to another run, or to `START`, in points with the 95 % interval, over the seeds both have. Runs
    that are not recorded are left out."""
    rows = {}
    for name in names:
        of = seeds(record, [name, other] if other != START else [name])
        if not of or not _runs(record, other):
            continue
        mean, least, most = held_out(record, name, of)
        difference, low, high = (100 * one for one in compared(record, name, other, of))
        rows[VARIANTS[name].words] = {
            "seeds": len(of),
            "pass@1, %": f"{100 * mean:.1f} ({100 * least:.1f} to {100 * most:.1f})",
            "difference, points": f"{difference:+.1f}",
            "95 % interval": f"{low:+.1f} to {high:+.1f}",
            "it is": verdict(low, high),
        }
    against = "the start" if other == START else VARIANTS[other].words
    return pd.DataFrame(rows).T.rename_axis(f"against: {against}")
