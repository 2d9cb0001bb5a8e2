"""Write all nine tiny data sets with the hub's columns and splits: <set>/<split>.jsonl."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from helpers.data.tinyworld import countdown, instruct, mathsets, wordproblems

SIZES = {
    "gsm8k": {"train": 3000, "test": 768, "sealed": 768},
    "openr1": {"train": 1200},
    "deepscaler": {"train": 1500},
    "countdown": {"train": 3000},
    "warmstart": {"train": 1000, "test": 200},
    "smoltalk": {"train": 1500, "test": 200},
    "ultrafeedback": {
        "train_prefs": 800,
        "train_sft": 400,
        "train_gen": 400,
        "test_prefs": 200,
        "test_sft": 100,
        "test_gen": 100,
    },
    "aime24": {"train": 30},
    "math500": {"test": 64},
}
SEALED_SEED = 4711  # the sealed test set is drawn apart from all that was ever looked at


def _gsm8k(split: str, n: int, seed: int) -> list[dict]:
    return wordproblems.gsm8k_rows(split, n, seed + SEALED_SEED * (split == "sealed"))


MAKERS = {
    "gsm8k": _gsm8k,
    "openr1": lambda split, n, seed: mathsets.openr1_rows(n, seed),
    "deepscaler": lambda split, n, seed: mathsets.deepscaler_rows(n, seed),
    "countdown": lambda split, n, seed: countdown.countdown_rows(n, seed),
    "warmstart": lambda split, n, seed: countdown.warmstart_rows(n, seed, split),
    "smoltalk": lambda split, n, seed: instruct.smoltalk_rows(n, seed, split),
    "ultrafeedback": lambda split, n, seed: instruct.ultrafeedback_rows(n, seed, split),
    "aime24": lambda split, n, seed: mathsets.aime_rows(n, seed),
    "math500": lambda split, n, seed: mathsets.math500_rows(n, seed),
}
# one row set under several names on the hub too: these splits share their prompts
SHARED = {
    "train_sft": "train_prefs",
    "train_gen": "train_prefs",
    "test_sft": "test_prefs",
    "test_gen": "test_prefs",
}


class OverlapError(ValueError):
    """The same problem stands in two splits."""


def question(row: dict) -> str:
    """The text that makes a row the problem it is, whatever the set's column is called."""
    if "nums" in row:
        return countdown.query(sorted(row["nums"]), row["target"])
    if "messages" in row and "problem" not in row and "prompt" not in row:
        return next(turn["content"] for turn in row["messages"] if turn["role"] == "user")
    return next(row[key] for key in ("question", "problem", "query", "prompt") if key in row)


def check_no_overlap(sets: dict[str, dict[str, list[dict]]]) -> int:
    """Number of distinct questions; OverlapError where one is in two splits or twice in one."""
    owner: dict[str, str] = {}
    for name, splits in sets.items():
        for split, rows in splits.items():
            if split in SHARED:
                continue
            for row in rows:
                text = question(row)
                if text in owner:
                    raise OverlapError(f"in {owner[text]} and in {name}/{split}: {text!r}")
                owner[text] = f"{name}/{split}"
    return len(owner)


def build(
    seed: int = 0, sizes: dict[str, dict[str, int]] | None = None
) -> dict[str, dict[str, list[dict]]]:
    """All rows: {set: {split: [row, ...]}}; the same seed and sizes give the same rows."""
    sets = {
        name: {split: MAKERS[name](split, n, seed) for split, n in splits.items()}
        for name, splits in (sizes or SIZES).items()
    }
    check_no_overlap(sets)
    return sets


def lines(rows: list[dict]) -> Iterator[str]:
    """One JSON object a line, keys in column order."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write(out: Path, seed: int = 0) -> dict[str, dict]:
    """Write the files; returns manifest.json's {"set/split": {"rows", "bytes", "sha256"}}."""
    report = {}
    for name, splits in build(seed).items():
        (out / name).mkdir(parents=True, exist_ok=True)
        for split, rows in splits.items():
            data = "".join(lines(rows)).encode()
            _replace(out / name / f"{split}.jsonl", data)
            report[f"{name}/{split}"] = {
                "rows": len(rows),
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    manifest = {"seed": seed, "files": report}
    _replace(out / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())
    return report


def _replace(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` in one move, so that a stopped run leaves no half file."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, path)
