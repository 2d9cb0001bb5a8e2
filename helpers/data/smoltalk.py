"""smol-smoltalk: short conversations to learn following instructions from.

Data card: huggingface.co/datasets/HuggingFaceTB/smol-smoltalk (Apache-2.0), the part of SmolTalk
(Allal et al. 2025, arXiv:2502.02737) that suits models below 1B parameters.
"""

from helpers.data.columns import TEXT, TURNS
from helpers.data.conversation import Conversation, conversation_key, wrong_turns
from helpers.data.family import Family, LeftOut
from helpers.data.problem import question_hash


def to_conversation(row: dict, place: str, split: str) -> Conversation:
    """One row as a Conversation; LeftOut where the turns are none."""
    messages = row["messages"]
    if wrong := wrong_turns(messages):
        raise LeftOut(wrong)
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
    key = conversation_key(turns[:-1])
    return Conversation(turns, f"smoltalk/{row['source']}", question_hash(key)[:16], key)


FAMILY = Family({"messages": TURNS, "source": TEXT},
                {"train": "train", "validation": "train", "test": "test"}, to_conversation)
