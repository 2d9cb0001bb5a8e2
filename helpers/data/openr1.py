r"""OpenR1-Math-220k: competition problems with two to four reasoning traces of DeepSeek-R1.

Data card: huggingface.co/datasets/open-r1/OpenR1-Math-220k (Apache-2.0). `generations` and the
lists of flags beside it run parallel. Many traces are cut off or wrong, some references cannot be
checked ("proof") or lost their unit on the way (`x=4\mathrm{~}`); each is counted under its reason.
"""

import re

from helpers.data.columns import ANSWER, FLAG, TEXT
from helpers.data.family import Family, LeftOut, text
from helpers.data.latex import bare_answer, without_boxes
from helpers.data.problem import Problem, question_hash
from helpers.data.same import math_text

COLUMNS = {
    "problem": TEXT, "solution": None, "answer": ANSWER, "problem_type": TEXT,
    "question_type": None, "source": None, "uuid": None, "is_reasoning_complete": [FLAG],
    "generations": [TEXT], "correctness_math_verify": [FLAG], "correctness_llama": [FLAG],
    "finish_reasons": [TEXT], "correctness_count": None, "messages": None,
}
_THINKING = re.compile(r"\s*<think>(?P<thoughts>.*)</think>(?P<answer>.*)", re.DOTALL)
_LOST_UNIT = re.compile(r"\\(?:mathrm|text)\s*\{[\s~]*\}")


def to_problem(row: dict, place: str, split: str) -> Problem:
    """One row as a Problem whose solution is the chosen trace's reasoning; LeftOut for a defect."""
    question = text(row["problem"], "no problem text")
    answer = bare_answer(text(row["answer"], "no answer"))
    if answer.casefold() == "proof":
        raise LeftOut("a proof: no answer to check")
    if _LOST_UNIT.search(answer) or answer.count("{") != answer.count("}"):
        raise LeftOut("broken answer")
    found = _THINKING.fullmatch(chosen_trace(row))
    if not found or not found["thoughts"].strip() or not found["answer"].strip():
        raise LeftOut("trace without <think>…</think> and an answer behind it")
    solution = without_boxes(found["thoughts"].strip())
    return Problem(question, solution, answer, "openr1", question_hash(question)[:16])


def chosen_trace(row: dict) -> str:
    """The shortest trace that is complete and was judged right by either judge.

    The shortest, because long rows are filtered by length and a long trace teaches no more.
    LeftOut if none is there, or if the flags do not belong to the traces one by one.
    """
    traces, complete = row["generations"], row["is_reasoning_complete"]
    if not traces or not complete:
        raise LeftOut("no traces, or no flags for them")
    flags = [row["correctness_math_verify"], row["correctness_llama"], row["finish_reasons"]]
    if any(given and len(given) != len(traces) for given in [complete, *flags]):
        raise LeftOut("flags that do not belong to the traces one by one")
    by_parser, by_judge, reasons = (given or [None] * len(traces) for given in flags)
    whole = [i for i, flag in enumerate(complete)
             if flag and reasons[i] != "length" and isinstance(traces[i], str)]
    right = [i for i in whole if by_parser[i] or by_judge[i]]
    if not right:
        raise LeftOut("no complete trace is right" if whole else "no complete trace")
    return min((traces[i] for i in right), key=len)


FAMILY = Family(COLUMNS, {"train": "train", "validation": "train", "test": "train"},
                to_problem, same=math_text)
