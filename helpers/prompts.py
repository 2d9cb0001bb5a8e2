"""Prompts, answers and which tokens carry loss.

A training example is a system message, the question, and the worked answer in the asked format.
Loss falls on the answer's tokens and on the `<|im_end|>` after it, on nothing else.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from helpers.config import Course
from helpers.data.conversation import Conversation, Preference
from helpers.data.family import Record
from helpers.data.problem import Problem
from helpers.data.report import Records

IGNORED = -100  # the label that torch's cross-entropy skips
START_OF_TURN, END_OF_TURN = "<|im_start|>", "<|im_end|>"
AT_ONCE = 1024  # texts given to the tokenizer together: what it returns weighs far more than they

ANSWER_TEMPLATES = {
    "hash": "{solution}\n#### {answer}",
    "xml": "<reasoning>\n{solution}\n</reasoning>\n<answer>\n{answer}\n</answer>",
    "boxed": "{solution}\nThe answer is \\boxed{{{answer}}}.",
    "think": "<think>\n{solution}\n</think>\nThe answer is \\boxed{{{answer}}}.",
    "countdown": "<think>\n{solution}\n</think>\n<answer>{answer}</answer>",
}


def solution_text(problem: Problem, answer_format: str) -> str:
    """The worked solution and the answer, written in the asked format."""
    if answer_format not in ANSWER_TEMPLATES:
        raise ValueError(f"answers in the format {answer_format!r} are not checked, so no solution "
                         f"of a problem is written in it; there are {', '.join(ANSWER_TEMPLATES)}")
    template = ANSWER_TEMPLATES[answer_format]
    return template.format(solution=problem.solution, answer=problem.answer)


def worked_text(problem: Problem, course: Course) -> str:
    """The worked solution and the answer as the task writes them: by its template `demonstration`,
    or by that of its answer format."""
    if course.demonstration is None:
        return solution_text(problem, course.answer_format)
    return course.demonstration.format(solution=problem.solution, answer=problem.answer,
                                       last_sentence=last_sentence(problem.solution))


def last_sentence(text: str) -> str:
    """The last sentence with more than one word; a full stop within a number ends none."""
    sentences = re.split(r"(?<=[.!?])\s+|\s*\n\s*", text.strip())
    said = [one for one in sentences if len(re.findall(r"\w+", one)) > 1]
    return said[-1] if said else text.strip()


def demonstration(record: Problem | Conversation, course: Course) -> str:
    """What supervised tuning imitates of a record: its worked solution, a conversation's last
    answer. ValueError for a problem without a solution: to imitate the bare answer teaches to
    guess."""
    if isinstance(record, Problem) and not record.solution.strip():
        raise ValueError(f"problem {record.id} has no worked solution to imitate; take the records "
                         f"of data.load_demonstrations, which leaves such problems out")
    (text,) = answers(record, course)
    return text


def messages(record: Record, course: Course) -> list[dict[str, str]]:
    """The turns before the answer: of a problem system and user turn, else the record's own. The
    system turn is always there: Qwen's template adds its own if not.
    """
    if isinstance(record, Problem):
        turns = [{"role": "user", "content": record.question}]
    else:
        turns = record.prompt
    if turns[0]["role"] == "system":
        return list(turns)
    return [{"role": "system", "content": course.system_prompt}, *turns]


def answers(record: Record, course: Course) -> list[str]:
    """The answers to learn from: one, or the chosen and the rejected one of a preference."""
    if isinstance(record, Preference):
        return [record.chosen, record.rejected]
    if isinstance(record, Conversation):
        return [record.answer]
    return [worked_text(record, course)]


def sft_example(record: Problem | Conversation, course: Course) -> dict[str, list[dict[str, str]]]:
    """One row for TRL's SFTTrainer: `prompt` and `completion` as lists of messages."""
    return {"prompt": messages(record, course),
            "completion": [{"role": "assistant", "content": demonstration(record, course)}]}


def preference_example(pair: Preference, course: Course) -> dict[str, list[dict[str, str]]]:
    """One row for TRL's DPOTrainer and RewardTrainer: `prompt`, `chosen`, `rejected`."""
    turns = [[{"role": "assistant", "content": answer}] for answer in answers(pair, course)]
    return {"prompt": messages(pair, course), "chosen": turns[0], "rejected": turns[1]}


NEXT_EXAMPLE = "\n\nQuestion:"  # what a model writes after its answer to a few-shot prompt


def few_shot_text(
    problem: Problem, shots: Sequence[Problem | Conversation], course: Course
) -> str:
    """Plain text with worked examples, for a base model that knows no chat turns.

    A model that has understood the pattern goes on with a next question, so sampling stops at
    NEXT_EXAMPLE. A blank line alone ends no solution: many have some between their steps.
    """
    worked = "".join(
        f"Question: {messages(shot, course)[-1]['content']}\n"
        f"Answer: {demonstration(shot, course)}\n\n"
        for shot in shots
    )
    return f"{worked}Question: {problem.question}\nAnswer:"


def chat_text(tokenizer, turns: Sequence[dict[str, str]]) -> str:
    """The turns as the model reads them, up to the point where its answer begins."""
    return tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)


def answer_part(tokenizer, example: dict) -> tuple[str, str]:
    """Prompt text and answer text (with its end of turn) of one example, from the chat template.

    Raises ValueError if the template changes the prompt once an answer follows it: then prompt and
    answer cannot be told apart, and the loss would fall on the wrong tokens.
    """
    prompt = chat_text(tokenizer, example["prompt"])
    whole = tokenizer.apply_chat_template(
        [*example["prompt"], *example["completion"]], tokenize=False
    )
    if not whole.startswith(prompt):
        raise ValueError("the chat template rewrites the prompt when an answer follows; "
                         "use a template that only appends")
    return prompt, whole[len(prompt):]


def encode_example(tokenizer, example: dict) -> tuple[list[int], list[int]]:
    """Token ids and labels of one example, both of length T.

    A label is the token's own id where the token carries loss, else -100. Prompt and answer are
    split into tokens apart from each other, just as at sampling, where the answer does not exist
    yet. The line break that the template writes after the end of turn carries no loss.
    """
    prompt, answer = answer_part(tokenizer, example)
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer_ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    end = answer_ids.index(tokenizer.convert_tokens_to_ids(END_OF_TURN)) + 1
    labels = [IGNORED] * len(prompt_ids) + answer_ids[:end] + [IGNORED] * (len(answer_ids) - end)
    return prompt_ids + answer_ids, labels


def token_counts(texts: Iterable[str], tokenizer) -> Iterator[int]:
    """The number of tokens of each text, in order. Texts are read as they are needed, at most
    AT_ONCE of them together, and of what the tokenizer returns only the numbers are kept."""
    texts = iter(texts)
    while some := list(islice(texts, AT_ONCE)):
        yield from map(len, tokenizer(some, add_special_tokens=False)["input_ids"])


def prompt_lengths(records: Sequence[Record], course: Course, tokenizer) -> list[int]:
    """Tokens of each record's prompt; answers are not looked at."""
    return list(token_counts((chat_text(tokenizer, messages(record, course))
                              for record in records), tokenizer))


def lengths(records: Sequence[Record], course: Course, tokenizer) -> list[tuple[int, int]]:
    """Tokens of prompt and answer for each record, the end of turn counted with the answer; of a
    preference the longer answer counts."""
    counts = token_counts((answer + END_OF_TURN for record in records
                           for answer in answers(record, course)), tokenizer)
    longest = [max(islice(counts, 2 if isinstance(record, Preference) else 1))
               for record in records]
    return list(zip(prompt_lengths(records, course, tokenizer), longest, strict=True))


def within_lengths(
    records: Sequence[Record], course: Course, tokenizer
) -> tuple[Records, int]:
    """The records whose prompt and answer fit `course.lengths`, and how many do not; the report,
    where there is one, counts them under `too_long`.

    What is too long is left out and counted, never cut: a cut solution has lost its answer.
    """
    kept = Records(
        record
        for record, (prompt, answer) in zip(
            records, lengths(records, course, tokenizer), strict=True
        )
        if prompt <= course.lengths.prompt and answer <= course.lengths.completion
    )
    too_long = len(records) - len(kept)
    if report := getattr(records, "report", None):
        kept.report = report.shortened(len(kept), too_long)
    return kept, too_long


def fitting_prompts(
    problems: Sequence[Problem], course: Course, tokenizer
) -> tuple[list[Problem], int]:
    """The problems whose prompt fits `course.lengths.prompt`, and how many do not. The solution may
    be of any length: what is only asked needs none, and it is not tokenised. ValueError where no
    prompt fits."""
    sizes = prompt_lengths(problems, course, tokenizer)
    kept = [problem for problem, size in zip(problems, sizes, strict=True)
            if size <= course.lengths.prompt]
    if problems and not kept:
        raise ValueError(f"none of the {len(problems)} prompts fits lengths.prompt = "
                         f"{course.lengths.prompt}: the shortest has {min(sizes)} tokens. "
                         "Raise lengths.prompt.")
    return kept, len(problems) - len(kept)


def encode_prompts(tokenizer, prompts: Sequence[str], limit: int) -> list[list[int]]:
    """Token ids of prompt texts; ValueError names the first that is longer than `limit`."""
    ids = tokenizer(list(prompts), add_special_tokens=False)["input_ids"] if prompts else []
    if long := [place for place, row in enumerate(ids) if len(row) > limit]:
        raise ValueError(f"prompt {long[0]} has {len(ids[long[0]])} tokens, more than the limit of "
                         f"{limit}. Leave such rows out: a cut question is another question.")
    return ids
