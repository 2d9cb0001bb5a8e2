"""lm-eval's own gsm8k task over completions that are already written, in a process of its own.

    python -m tests.benchmarks.harness_worker ROWS.jsonl FOUND.json

A row is `{"question", "answer", "completion"}`, its answer as in GSM8K's column. The task is the
package's `gsm8k.yaml`: its prompt, filters, metric and aggregation, run by `lm_eval.evaluate`. Two
things are put in the place of theirs: the rows instead of the data set on the hub, and a model that
says what was written, cut where the task tells a model to stop.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import lm_eval
from datasets import Dataset, DatasetDict
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.tasks._yaml_loader import load_yaml

from helpers.evaluate import load_samples
from helpers.files import write_json

TASK = Path(lm_eval.__file__).parent / "tasks" / "gsm8k" / "gsm8k.yaml"
METRIC = "exact_match"


class Written(LM):
    """A model that gives each request the completion of its row."""

    def generate_until(self, requests, disable_tqdm: bool = False) -> list[str]:
        return [
            postprocess_generated_text(one.doc["completion"], one.args[1]["until"], None)
            for one in requests
        ]

    def loglikelihood(self, requests, disable_tqdm: bool = False):
        raise NotImplementedError("the task gsm8k asks for texts")

    loglikelihood_rolling = loglikelihood


def scored(rows: list[dict]) -> dict:
    """{"version", "task": its version, "filters": {name: {"score": their aggregate, "extracted":
    [str], "correct": [bool]}}}, each list in the order of the rows."""
    docs = DatasetDict({split: Dataset.from_list(rows) for split in ("train", "test")})
    settings = load_yaml(TASK) | {"num_fewshot": 0, "custom_dataset": lambda **_: docs}
    task = ConfigurableTask(config=settings)
    found = lm_eval.evaluate(Written(), {"gsm8k": task}, bootstrap_iters=0)
    filters = {}
    for one in sorted(found["samples"]["gsm8k"], key=lambda sample: sample["doc_id"]):
        filtered = filters.setdefault(one["filter"], {"extracted": [], "correct": []})
        filtered["extracted"].append(one["filtered_resps"][0])
        filtered["correct"].append(bool(one[METRIC]))
    for name, filtered in filters.items():
        filtered["score"] = found["results"]["gsm8k"][f"{METRIC},{name}"]
    return {"version": version("lm_eval"), "task": task.VERSION, "filters": filters}


if __name__ == "__main__":
    write_json(sys.argv[2], scored(load_samples(Path(sys.argv[1]))))
