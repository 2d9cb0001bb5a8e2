"""A reward model: the language model with a head that gives one number for a whole answer.

The head (`score`, one row of weights) reads the hidden state at the last real token, which is the
end of turn of an answer that was finished. LoRA and head are trained by TRL's RewardTrainer on
pairs (helpers.pairs) and saved together as one adapter on the merged `sft` model.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open

from helpers import models
from helpers.config import Course
from helpers.files import ArtifactError
from helpers.prompts import END_OF_TURN
from helpers.sampling import batches

HEAD = "score.weight"


class RewardModelError(RuntimeError):
    """A reward model that does not fit or scores that are no numbers: what, and what to do."""


class RewardModel:
    """Scores for texts: `model(...)` gives one number a row, `tokenizer` is the policy's."""

    def __init__(self, model: torch.nn.Module, tokenizer, batch_size: int = 128):
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size

    @torch.no_grad()
    def score(
        self, texts: Sequence[str | tuple[str, str]], ended: Sequence[bool] | None = None
    ) -> list[float]:
        """One score a text, in the order given.

        `texts` are whole texts as the model reads them, or (prompt, completion) pairs, to which
        the end of turn is added. `ended[i]` False says that completion i was cut off: nothing is
        added, and the score sits at its last token. NaN raises RewardModelError.
        """
        ended = [True] * len(texts) if ended is None else ended
        whole = [text if isinstance(text, str) else "".join(text) + END_OF_TURN * bool(finished)
                 for text, finished in zip(texts, ended, strict=True)]
        if empty := [place for place, text in enumerate(whole) if not text]:
            raise RewardModelError(f"text {empty[0]} is empty: there is no token to score")
        ids = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in whole]
        scores = torch.full((len(ids),), torch.nan)
        for rows in batches([len(row) for row in ids], self.batch_size):
            scores[rows] = self._batch([ids[row] for row in rows]).float().cpu()
        if bad := torch.nonzero(~scores.isfinite()).flatten().tolist():
            raise RewardModelError(f"the score of text {bad[0]} is {scores[bad[0]]}: the reward "
                                   "model is damaged, train it again")
        return scores.tolist()

    def _batch(self, rows: list[list[int]]) -> torch.Tensor:
        """(B,) scores; padded on the tokenizer's side, positions count real tokens only."""
        batch = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        ids, mask = (batch[key].to(self.model.device) for key in ("input_ids", "attention_mask"))
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        return self.model(input_ids=ids, attention_mask=mask, position_ids=positions,
                          use_cache=False).logits.squeeze(-1)


def scores_for(reward: RewardModel, rows: Sequence[dict]) -> list[list[float]]:
    """The score of every answer of graded rows (helpers.pairs.graded), one list a row. A cut-off
    answer is scored as it stands."""
    texts = [(row["prompt"], text) for row in rows for text in row["completions"]]
    ended = [not cut for row in rows for cut in row["truncated"]]
    scores = iter(reward.score(texts, ended))
    return [[next(scores) for _ in row["completions"]] for row in rows]


def margins(reward: RewardModel, pairs: Sequence[dict]) -> list[float]:
    """Score of the chosen minus score of the rejected answer, for each pair."""
    texts = [(pair["prompt"], pair[side]) for side in ("chosen", "rejected") for pair in pairs]
    scores = reward.score(texts)
    return [a - b for a, b in zip(scores, scores[len(pairs):], strict=False)]


def load_reward_model(course: Course, sft_path: str | Path, adapter_path: str | Path
                      ) -> RewardModel:
    """The reward model of an adapter that RewardTrainer saved, on the merged `sft` model.

    RewardModelError where the adapter has no head (`score.weight`), is of another base, or holds
    numbers that are none.
    """
    adapter = Path(adapter_path)
    check_adapter(adapter, sft_path)
    base = models.load_scorer(sft_path, course)
    model = PeftModel.from_pretrained(base, adapter)
    return RewardModel(model, models.load_tokenizer(course, sft_path))


def check_adapter(adapter: Path, sft_path: str | Path) -> None:
    """Raise RewardModelError unless this is a reward adapter whose sizes are those of the base."""
    again = "make it with notebook 04"
    try:
        json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        config = json.loads((Path(sft_path) / "config.json").read_text(encoding="utf-8"))
        with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        if not isinstance(error, OSError | ValueError | ArtifactError):
            error = f"{type(error).__name__}: {error}"
        said = f"{adapter}: no readable reward adapter ({error}); {again}"
        raise RewardModelError(said) from None
    head = next((w for name, w in weights.items() if name.endswith(HEAD)), None)
    if head is None:
        raise RewardModelError(f"{adapter}: has no {HEAD}, so it is no reward model; {again}")
    width = config["hidden_size"]
    wide = {name: weight.shape[1] for name, weight in weights.items()
            if name.endswith("q_proj.lora_A.weight")}
    if tuple(head.shape) != (1, width) or any(size != width for size in wide.values()):
        raise RewardModelError(f"{adapter}: is of another base: its head has {head.shape[1]} "
                               f"inputs, the model {width}; {again}")
    if broken := [name for name, weight in weights.items() if not weight.isfinite().all()]:
        raise RewardModelError(f"{adapter}: {broken[0]} holds NaN or infinity; {again}")
