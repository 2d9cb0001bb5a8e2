"""UltraFeedback, binarized: two answers to a prompt, the better one by GPT-4's scores.

Cui et al. 2023 (arXiv:2310.01377); data card: huggingface.co/datasets/HuggingFaceH4/
ultrafeedback_binarized (MIT). Six splits: `_prefs` for pairs, `_sft` and `_gen` with the same rows
for imitation and for prompts. Pairs with equal scores are many; they say nothing about which answer
is better, so the `_prefs` splits leave them out.
"""

from helpers.data.columns import NUMBER, TEXT, TURNS
from helpers.data.conversation import Preference, conversation_key, wrong_turns
from helpers.data.family import Family, LeftOut, text
from helpers.data.problem import question_hash

COLUMNS = {"prompt": TEXT, "prompt_id": None, "chosen": TURNS, "rejected": TURNS,
           "messages": None, "score_chosen": NUMBER, "score_rejected": NUMBER}


def to_preference(row: dict, place: str, split: str) -> Preference:
    """One row as a Preference; LeftOut for a defect."""
    text(row["prompt"], "no prompt")
    for name in ("chosen", "rejected"):
        if wrong := wrong_turns(row[name]):
            raise LeftOut(f"{name}: {wrong}")
    *prompt, chosen = _turns(row["chosen"])
    *other, rejected = _turns(row["rejected"])
    if prompt != other or prompt[-1]["content"].strip() != row["prompt"].strip():
        raise LeftOut("the two answers are to different prompts")
    scores = row["score_chosen"], row["score_rejected"]
    if split in ("train", "validation", "test"):
        if None in scores:
            raise LeftOut("no score")
        if chosen["content"].strip() == rejected["content"].strip():
            raise LeftOut("both answers are the same text")
        if scores[0] <= scores[1]:
            raise LeftOut("a tie" if scores[0] == scores[1] else "the rejected answer scores more")
    return Preference(prompt, chosen["content"], rejected["content"], *scores, "ultrafeedback",
                      question_hash(conversation_key(prompt))[:16])


def _turns(messages: list[dict]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": turn["content"]} for turn in messages]


_SPLITS = {f"{split}{suffix}": f"{'test' if split == 'test' else 'train'}{suffix or '_prefs'}"
           for suffix in ("", "_sft", "_gen") for split in ("train", "validation", "test")}
# "test_all": the test pairs with the ties among them, whose prompts are held out as well.
FAMILY = Family(COLUMNS, _SPLITS | {"test_all": "test_prefs"}, to_preference)
