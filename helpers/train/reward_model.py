"""A reward model: the language model with an adapter that gives one number for a whole answer.

Two kinds, both trained on pairs (helpers.train.pairs) by TRL's RewardTrainer with LoRA on the
merged `sft` model, both saved as one adapter:

- `head`: the usual one. A new head (`score`, one row of weights) reads the hidden state at the last
  real token, which is the end of turn of an answer that was finished.
- `likelihood`: the head that predicts words stays, and the score is beta times the mean log-
  probability of the answer's tokens (Meng et al. 2024, arXiv:2405.14734, eq. 4; with a reference in
  its place it is DPO's implicit reward, Rafailov et al. 2023, arXiv:2305.18290).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, PeftModelForCausalLM, get_peft_model
from torch import Tensor
from transformers.modeling_outputs import SequenceClassifierOutput

from helpers import losses, memory, models
from helpers.config import Course
from helpers.model_size import shape
from helpers.passes import texts_at_once
from helpers.prompts import END_OF_TURN, START_OF_TURN, chat_text
from helpers.sampling import batches
from helpers.train.adapters import HEAD, AdapterError, read_adapter
from helpers.train.rows import logprobs
from helpers.train.settings import lora_config


class RewardModelError(RuntimeError):
    """A text that cannot be scored or a score that is no number: which, and what to do."""


class LikelihoodJudge(PeftModelForCausalLM):
    """A causal language model with an adapter whose output is a score, as RewardTrainer wants it.

    model: the frozen base; config: its LoRA; beta: points a nat.
    """

    def __init__(self, model: torch.nn.Module, config: LoraConfig, tokenizer, beta: float):
        super().__init__(model, config)
        self.beta = beta
        model.config.num_labels = 1  # RewardTrainer refuses a model that says otherwise
        ids = tokenizer(chat_text(tokenizer, [{"role": "user", "content": "?"}]))["input_ids"]
        self.marker = tokenizer.convert_tokens_to_ids(START_OF_TURN)
        self.header = ids[::-1].index(self.marker) + 1  # tokens that open the assistant's turn

    def answer_starts(self, ids: Tensor) -> Tensor:
        """(B,) where the last turn's text begins in ids (B, L)."""
        found = ids == self.marker
        if not found.any(1).all():
            raise RewardModelError(f"a text has no {START_OF_TURN}, so nobody can tell where its "
                                   "answer begins. Build prompts with helpers.prompts.chat_text.")
        return ids.size(1) - 1 - found.flip(1).float().argmax(1) + self.header

    def forward(self, input_ids: Tensor, attention_mask: Tensor, starts: Tensor | None = None,
                **_) -> SequenceClassifierOutput:
        """logits (B, 1): the scores of texts (B, L), padded on the right; `starts` (B,): where
        each answer begins, if it is known better than `answer_starts` would find it."""
        starts = self.answer_starts(input_ids) if starts is None else starts
        places = torch.arange(int(starts.min()), input_ids.size(1), device=input_ids.device)
        places = places.expand(len(input_ids), -1)
        mask = attention_mask[:, places[0]] * (places >= starts[:, None])
        [logp] = logprobs(self.get_base_model(), input_ids, places - 1,
                          input_ids.gather(1, places))
        return SequenceClassifierOutput(
            logits=self.beta * losses.masked_mean(logp, mask, dim=1)[:, None])


class RewardModel:
    """Scores for texts: `model(...)` gives one number a row, `tokenizer` is the policy's.

    batch_size: texts at a time on a processor, where a small model is fastest with few, which stay
    in its caches; a GPU reads as many as it has room for.
    """

    def __init__(self, model: torch.nn.Module, tokenizer, batch_size: int = 32):
        self.model, self.tokenizer, self.batch_size = model.eval(), tokenizer, batch_size

    @torch.no_grad()
    def score(
        self, texts: Sequence[tuple[str, str]], ended: Sequence[bool] | None = None
    ) -> list[float]:
        """One score for each (prompt, completion), in the order given.

        The end of turn is added to a completion, unless `ended[i]` says that it was cut off. A
        completion is a model's text: a special token that it spells out is read as plain letters.
        NaN raises RewardModelError.
        """
        ended = [True] * len(texts) if ended is None else ended
        prompts, answers = zip(*texts, strict=True) if texts else ((), ())
        heads, tails = (
            self.tokenizer(list(part), add_special_tokens=False, split_special_tokens=plain)[
                "input_ids"] if part else [] for part, plain in ((prompts, False), (answers, True)))
        end = self.tokenizer.convert_tokens_to_ids(END_OF_TURN)
        tails = [tail + [end] * bool(whole) for tail, whole in zip(tails, ended, strict=True)]
        if empty := [place for place, tail in enumerate(tails) if not tail]:
            raise RewardModelError(f"text {empty[0]} is empty: there is no token to score")
        # A policy repeats itself: what is the same text needs one look only.
        rows = {(*head, None, *tail): place
                for place, (head, tail) in enumerate(zip(heads, tails, strict=True))}
        first = [rows[(*head, None, *tail)] for head, tail in zip(heads, tails, strict=True)]
        scores, once = torch.full((len(heads),), torch.nan), sorted(set(first))
        lengths = [len(heads[place]) + len(tails[place]) for place in once]
        for batch, found in memory.halving(
                batches(lengths, self._at_once(lengths)),
                lambda part: self._batch([heads[once[at]] for at in part],
                                         [tails[once[at]] for at in part]).float().cpu(),
                "scoring one text. End other programs on this GPU, or lower lengths.completion."):
            scores[[once[at] for at in batch]] = found
        scores = scores[first]
        if bad := torch.nonzero(~scores.isfinite()).flatten().tolist():
            raise RewardModelError(f"the score of text {bad[0]} is {scores[bad[0]]}: the reward "
                                   "model is damaged, train it again")
        return scores.tolist()

    def _at_once(self, lengths: Sequence[int]) -> int:
        if self.model.device.type != "cuda" or not lengths:
            return self.batch_size
        kind = self.model.get_input_embeddings().weight.element_size()
        return texts_at_once(shape(self.model.config), max(lengths), kind, memory.free_bytes())

    def _batch(self, heads: list[list[int]], tails: list[list[int]]) -> Tensor:
        """(B,) scores of rows of token ids."""
        rows = [head + tail for head, tail in zip(heads, tails, strict=True)]
        batch = self.tokenizer.pad({"input_ids": rows}, padding_side="right", return_tensors="pt")
        batch = {key: value.to(self.model.device) for key, value in batch.items()}
        if isinstance(self.model, LikelihoodJudge):
            batch["starts"] = torch.tensor(list(map(len, heads)), device=self.model.device)
        return self.model(**batch, use_cache=False).logits.squeeze(-1)


def scores_for(reward: RewardModel, rows: Sequence[dict]) -> list[list[float]]:
    """The score of every answer of graded rows (helpers.train.pairs.graded), one list a row. A
    cut-off answer is scored as it stands."""
    texts = [(row["prompt"], text) for row in rows for text in row["completions"]]
    ended = [not cut for row in rows for cut in row["truncated"]]
    scores = iter(reward.score(texts, ended))
    return [[next(scores) for _ in row["completions"]] for row in rows]


def margins(reward: RewardModel, pairs: Sequence[dict]) -> list[float]:
    """Score of the chosen minus score of the rejected answer, for each pair."""
    texts = [(pair["prompt"], pair[side]) for side in ("chosen", "rejected") for pair in pairs]
    scores = reward.score(texts)
    return [a - b for a, b in zip(scores, scores[len(pairs):], strict=False)]


def new_reward_model(course: Course, sft_path: str | Path, kind: str | None = None,
                     quantization: str = "none") -> PeftModel:
    """An untrained reward model on the merged `sft` model, for RewardTrainer (without
    `peft_config`); `kind`: "likelihood" or "head", None takes the course's setting. Its base is
    not quantised unless `quantization` says "4bit": `load_reward_model` takes one that is not."""
    if (kind or course.reward_model.kind) == "head":
        return get_peft_model(models.load_scorer(sft_path, course, quantization),
                              lora_config(course, task_type="SEQ_CLS"))
    return LikelihoodJudge(models.load_model(sft_path, course, quantization), lora_config(course),
                           models.load_tokenizer(course, sft_path), course.reward_model.beta)


def load_reward_model(course: Course, sft_path: str | Path, adapter_path: str | Path
                      ) -> RewardModel:
    """The reward model of an adapter that RewardTrainer saved, on the merged `sft` model.

    AdapterError where it does not fit, or is of the kind `head` and has none.
    """
    base, tokenizer = models.load_model(sft_path, course), models.load_tokenizer(course, sft_path)
    adapter = read_adapter(adapter_path, base)
    if adapter.config.task_type != "SEQ_CLS":
        model = LikelihoodJudge(base, adapter.config, tokenizer, course.reward_model.beta)
        adapter.onto(model)
        return RewardModel(model, tokenizer, course.reward_model.batch_size)
    if adapter.score is None:
        raise AdapterError(f"{adapter_path}: has no {HEAD}, so it is no reward model. Train it "
                           "with notebook 04.")
    model = get_peft_model(models.load_scorer(sft_path, course),
                           replace(adapter.config, inference_mode=False))
    adapter.onto(model)
    return RewardModel(model, tokenizer, course.reward_model.batch_size)
