"""Conversations to imitate, and pairs of answers of which one is preferred."""

from dataclasses import dataclass

Turn = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": text}


@dataclass(frozen=True)
class Conversation:
    """Turns that end with an assistant's answer; the last answer is what is learned.

    `source` is the data set's name (and its own source column, where it has one), `key` the text
    that makes it this conversation: everything but the last answer. `id` is a short hash of `key`.
    """

    messages: list[Turn]
    source: str
    id: str
    key: str

    @property
    def prompt(self) -> list[Turn]:
        """The turns before the last answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True)
class Preference:
    """Two answers to the same prompt, the better one in `chosen`; scores are the annotator's."""

    prompt: list[Turn]
    chosen: str
    rejected: str
    score_chosen: float | None
    score_rejected: float | None
    source: str
    id: str

    @property
    def key(self) -> str:
        """The prompt's text: two pairs on one prompt are never in two splits."""
        return conversation_key(self.prompt)


def conversation_key(turns: list[Turn]) -> str:
    """The turns as one text; the role stands before each, so that none runs into the next."""
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def wrong_turns(messages: object) -> str | None:
    """What keeps this from being a conversation, or None: an optional system turn, then user and
    assistant in turn, the assistant last, none of them empty."""
    if not isinstance(messages, list) or not messages:
        return "no messages"
    if not all(isinstance(turn, dict) and isinstance(turn.get("content"), str)
               and turn["content"].strip() for turn in messages):
        return "an empty turn"
    roles = [turn.get("role") for turn in messages]
    roles = roles[1:] if roles[0] == "system" else roles
    if roles and roles[-1] == "user":
        return "no answer to the last turn"
    expected = ["user", "assistant"] * (len(roles) // 2)
    return None if roles and roles == expected else "turns out of order"
