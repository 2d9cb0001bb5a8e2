"""A small random Qwen2 with a tokenizer, and repositories shaped like the hub's, for tests."""

import atexit
import json
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

WORDS = """Anna has 12 apples and buys 7 more. How many apples has she now?
12 + 7 = <<12+7=19>>19 apples.
#### 19
Solve the problem step by step. End with a line "#### " and the answer.

Question: Ben sells 3 pens for $4 each. Answer: 3 * 4 = $<<3*4=12>>12.
"""
GSM8K_CARD = """---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train-*}
  - {split: test, path: main/test-*}
- config_name: socratic
  data_files:
  - {split: train, path: socratic/train-*}
---
"""


@lru_cache(maxsize=1)
def tiny_folder() -> Path:
    """A folder with a random Qwen2 (large weights, so that its choices are clear) and tokenizer,
    made once for a test process."""
    import torch

    from helpers.pretraining import small_qwen2, train_tokenizer

    folder = Path(tempfile.mkdtemp(prefix="tiny-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = train_tokenizer([WORDS] * 20, vocab_size=360)
    model = small_qwen2(tokenizer, hidden_size=64, layers=2)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(8)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def gsm8k_row(number: int) -> dict[str, str]:
    """One row in GSM8K's own shape."""
    return {"question": f"Anna has {number} apples and buys 7 more. How many has she now?",
            "answer": f"{number} + 7 = <<{number}+7={number + 7}>>{number + 7} apples.\n"
                      f"#### {number + 7}"}


def write_lines(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_hub(root: Path, train: list[dict], test: list[dict]) -> None:
    """`openai/gsm8k` as parquet with its two configurations, and the model `tiny/qwen2`."""
    from datasets import Dataset

    folder = root / "datasets" / "openai" / "gsm8k"
    files = {"main/train": train, "main/test": test, "socratic/train": train[:1]}
    for name, rows in files.items():
        path = folder / f"{name}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(rows).to_parquet(path)
    (folder / "README.md").write_text(GSM8K_CARD)
    shutil.copytree(tiny_folder(), root / "models" / "tiny" / "qwen2")
