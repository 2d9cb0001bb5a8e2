"""What the stages leave on the disk: adapters, merged models, checkpoints, and what was written.

With LoRA a checkpoint holds the trained weights alone, in float32, with Adam's two running means:
12 bytes each. Two checkpoints of a stage are kept (`save_total_limit`), beside its result.
"""

import pandas as pd

from helpers.config import Course
from helpers.forecast import problems
from helpers.model_size import Size, size

CHECKPOINTS = 2
TOKENIZER_BYTES = 75  # a token of the vocabulary in tokenizer.json; Qwen2.5's has 11.4 MB
TEXT_BYTES = 4  # a token in a file of samples


def disk(course: Course) -> pd.DataFrame:
    """A row a stage: model GB, adapter GB, checkpoints GB, texts GB, total GB.

    Curves, figures and pages are not in it (some megabytes), nor what is downloaded."""
    model = size(course)
    kind = 4 if course.model.precision == "float32" else 2
    tokenizer = TOKENIZER_BYTES * model.vocabulary
    merged, adapter = kind * model.parameters + tokenizer, 4 * model.trained
    policy = adapter * course.ppo.r / course.lora.r
    tokens = TEXT_BYTES * course.lengths.completion
    asked = min(course.pairs.problems or problems(course, "train"), problems(course, "train"))
    answers = 2 * problems(course, "test") * (course.evaluation.n + 1)  # at two settings
    rows = {"sft": _full(model, tokenizer) if course.sft.method == "full" else
            (merged, adapter, _checkpoints(adapter, tokenizer), 0)}
    pairs = 2 * asked * course.pairs.per_problem * tokens
    rows["reward"] = (0, adapter + tokenizer, _checkpoints(adapter, tokenizer), pairs)
    rows["dpo"] = (merged, adapter + tokenizer, _checkpoints(adapter, tokenizer), 0)
    # Our own trainer's checkpoints: both adapters that learn, and no tokenizer.
    rows["ppo"] = (merged, policy, _checkpoints(policy + adapter, 0), 0)
    for name in ("grpo", "rft", "rloo"):
        rows[name] = (merged, adapter + tokenizer, _checkpoints(adapter, tokenizer), 0)
    rows["evaluation"] = (0, 0, 0, (2 + len(course.evaluation.rungs)) * answers * tokens)
    return pd.DataFrame([
        {"stage": stage, "model GB": one / 1e9, "adapter GB": two / 1e9,
         "checkpoints GB": three / 1e9, "texts GB": four / 1e9,
         "total GB": (one + two + three + four) / 1e9}
        for stage, (one, two, three, four) in rows.items()])


def _checkpoints(trained_bytes: float, tokenizer: float) -> float:
    """Of float32 weights of this size: the weights, and two running means as large."""
    return CHECKPOINTS * (3 * trained_bytes + tokenizer)


def _full(model: Size, tokenizer: float) -> tuple[float, float, float, float]:
    """All weights are trained, so they are float32 and stand in every checkpoint."""
    weights = 4 * model.parameters
    return weights + tokenizer, 0, _checkpoints(weights, tokenizer), 0
