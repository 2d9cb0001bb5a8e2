"""What an adapter says of its data set: columns, splits, and how one row becomes one record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpers.data.conversation import Conversation, Preference
from helpers.data.problem import Problem
from helpers.data.same import plain_text

Record = Problem | Conversation | Preference


class LeftOut(Exception):  # noqa: N818 - no error: a known defect of the data set, and counted
    """This row cannot be used; the message is the reason under which it is counted."""


@dataclass(frozen=True)
class Family:
    """One data set.

    columns: the hub's, all of them, each with its kind (`columns`; None for what nothing reads) or
    their names alone. splits: the course's split -> the hub's split it is read from;
    splits read from the same one are told apart by the hash of the record's key.
    to_record(row, place, split): the record, LeftOut for a known defect, DataError for damage
    (what and what to do; the place is added where the row's number is known).
    same: texts that it makes equal are the same problem. more_columns: the card does not list
    the columns, so others may be there too.
    """

    columns: Mapping[str, object] | tuple[str, ...]
    splits: Mapping[str, str]
    to_record: Callable[[dict, str, str], Record]
    same: Callable[[str], str] = plain_text
    more_columns: bool = False

    @property
    def evaluation_only(self) -> bool:
        return "train" not in self.splits


def text(value: object, missing: str) -> str:
    """The text without blanks around it; LeftOut(missing) if it is null, empty or no text."""
    if not isinstance(value, str) or not value.strip():
        raise LeftOut(missing)
    return value.strip()
