"""What a setting can be: numbers with their ranges, names, templates, and a group of settings."""

import os
from string import Formatter
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from helpers.overrides import as_number

Name = Annotated[str, Field(pattern=r"\S")]  # text that is not empty
Place = Annotated[Name, AfterValidator(os.path.expanduser)]  # of a folder: ~ is the home folder
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]  # what numpy and transformers' set_seed take
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Scheduler = Literal["constant", "constant_with_warmup", "cosine", "linear"]

NO_BOOL = "{} (yes/no) is not a value for this setting"


def _is_number(annotation: Any) -> bool:
    """Whether a setting of this type is a number."""
    return annotation in (int, float) or any(map(_is_number, get_args(annotation)))


def _weight(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(NO_BOOL.format(value))
    return as_number(value)


Weight = Annotated[float, BeforeValidator(_weight)]  # of a reward
TEMPLATE_FIELDS = ("solution", "last_sentence", "answer")


def _template(text: str) -> str:
    """A template whose fields there are, the answer among them."""
    try:
        fields = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"is no template: {error}. Write {{{{ and }}}} for braces") from None
    for name, spec, conversion in fields:
        if name not in TEMPLATE_FIELDS or spec or conversion:
            raise ValueError(f"the field {{{name}}} does not exist; there are "
                             f"{', '.join(TEMPLATE_FIELDS)}")
    if "answer" not in {name for name, *_ in fields}:
        raise ValueError("has no {answer}")
    return text


Template = Annotated[str, AfterValidator(_template)]  # e.g. "{solution}\n#### {answer}"


class Section(BaseModel):
    """A group of settings: frozen, unknown keys refused, no yes/no where a number belongs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and annotation is not bool:
            raise ValueError(NO_BOOL.format(value))
        return as_number(value) if _is_number(annotation) else value
