"""The engine behind *Try a problem*: the models of a run, loaded when they are first asked."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from helpers import models
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.prompts import NEXT_EXAMPLE
from helpers.track import Track
from helpers.widgets.asking import AskError, Sample, Settings
from helpers.widgets.stages import Offered
from helpers.widgets.writing import write

RARE = 0.8  # tokens a character, from which on a text is hardly known to the tokenizer


class CourseEngine:
    """An `asking.Engine` over the models that are offered; the last few stay in memory."""

    def __init__(self, course: Course, offered: Sequence[Offered]):
        self.track = Track(course)
        self.offered = {one.name: one for one in offered}
        self.keep = len(self.offered) if course.preset == "tiny" else 1  # models in memory
        self._models: OrderedDict[tuple, Any] = OrderedDict()
        self._tokenizers: dict[tuple, Any] = {}
        self._shots: Any = None

    def notices(self, name: str, problem: Problem, settings: Settings) -> list[str]:
        """AskError for a prompt that is too long and a model that is not there; notes on a script
        that the tokenizer hardly knows."""
        one = self._one(name)
        tokenizer = self._tokenizer(one)
        limit = self.track.course.lengths.prompt
        size = len(_ids(tokenizer, self.track.text(tokenizer, problem)))
        if size > limit:
            raise AskError(f"The problem has {size} tokens as {name} reads it, more than the limit "
                           f"of {limit} (lengths.prompt). Shorten it.")
        whole = len(_ids(tokenizer, self._text(one, tokenizer, problem)))
        room = getattr(self._model(one).config, "max_position_embeddings", None)
        if room and whole + settings.max_new_tokens > room:
            raise AskError(f"Prompt ({whole} tokens) and answer (up to {settings.max_new_tokens}) "
                           f"are longer than the {room} tokens that {name} can read. Make the "
                           f"answer shorter.")
        return _about_script(tokenizer, problem.question)

    def __call__(self, name: str, problem: Problem, settings: Settings) -> Iterator[list[Sample]]:
        one = self._one(name)
        tokenizer, model = self._tokenizer(one), self._model(one)
        prompt = _ids(tokenizer, self._text(one, tokenizer, problem))
        return write(model, tokenizer, prompt, settings, NEXT_EXAMPLE if one.few_shot else None)

    def tokenizer(self, name: str) -> Any:
        return self._tokenizer(self._one(name))

    def _one(self, name: str) -> Offered:
        one = self.offered.get(name)
        if one is None:
            raise AskError(f"There is no model {name!r}; there are {', '.join(self.offered)}.")
        if one.missing:
            raise AskError(f"{one.missing}.")
        return one

    def _text(self, one: Offered, tokenizer, problem: Problem) -> str:
        if not one.few_shot:
            return self.track.text(tokenizer, problem)
        if self._shots is None:
            self._shots = self.track.demonstrations("train")[:self.track.course.evaluation.few_shot]
        return self.track.few_shot(problem, self._shots)

    def _tokenizer(self, one: Offered) -> Any:
        key = _key(one)
        if key not in self._tokenizers:
            self._tokenizers[key] = models.load_tokenizer(one.course, one.path)
        return self._tokenizers[key]

    def _model(self, one: Offered) -> Any:
        key = _key(one)
        if key not in self._models:
            while len(self._models) >= self.keep:
                self._models.popitem(last=False)
            self._models[key] = (models.load_model(one.path, one.course) if one.path
                                 else models.load_base(one.course, "none"))
        self._models.move_to_end(key)
        return self._models[key]


def _key(one: Offered) -> tuple:
    return (str(one.path or one.course.model.name),)


def _ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _about_script(tokenizer, text: str) -> list[str]:
    """A sentence where the text is in a script of which the tokenizer knows few words, or none."""
    letters = [one for one in text if one.isalpha()]
    if 2 * sum(map(str.isascii, letters)) >= len(letters):
        return []
    ids = _ids(tokenizer, text)
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in ids:
        return ["The tokenizer lacks some of these characters: the model cannot read them."]
    if len(ids) > RARE * len(text):
        return [f"The tokenizer takes {len(ids)} tokens for {len(text)} characters: the model has "
                f"hardly seen this script, and will not make much of it."]
    return []
