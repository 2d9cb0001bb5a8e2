"""Prompts, answers and which tokens carry loss.

A training example is a system message, the question, and the worked answer in the asked format.
Loss falls on the answer's tokens and on the `<|im_end|>` after it, on nothing else.
"""

from collections.abc import Sequence

from helpers.config import Course
from helpers.data.problem import Problem

IGNORED = -100  # the label that torch's cross-entropy skips
END_OF_TURN = "<|im_end|>"

ANSWER_TEMPLATES = {
    "hash": "{solution}\n#### {answer}",
    "xml": "<reasoning>\n{solution}\n</reasoning>\n<answer>\n{answer}\n</answer>",
    "boxed": "{solution}\nThe answer is \\boxed{{{answer}}}.",
    "think": "<think>\n{solution}\n</think>\nThe answer is \\boxed{{{answer}}}.",
    "countdown": "<think>\n{solution}\n</think>\n<answer>{answer}</answer>",
}


def solution_text(problem: Problem, answer_format: str) -> str:
    """The worked solution and the answer, written in the asked format."""
    template = ANSWER_TEMPLATES[answer_format]
    return template.format(solution=problem.solution, answer=problem.answer)


def messages(problem: Problem, course: Course) -> list[dict[str, str]]:
    """System and user turn. The system turn is always there: Qwen's template adds its own if not.
    """
    return [{"role": "system", "content": course.system_prompt},
            {"role": "user", "content": problem.question}]


def sft_example(problem: Problem, course: Course) -> dict[str, list[dict[str, str]]]:
    """One row for TRL's SFTTrainer: `prompt` and `completion` as lists of messages."""
    answer = {"role": "assistant", "content": solution_text(problem, course.answer_format)}
    return {"prompt": messages(problem, course), "completion": [answer]}


def few_shot_text(problem: Problem, shots: Sequence[Problem], course: Course) -> str:
    """Plain text with worked examples, for a base model that knows no chat turns.

    Every example ends with a blank line; a model that has understood the pattern does the same, so
    sampling stops at a blank line.
    """
    worked = "".join(
        f"Question: {shot.question}\nAnswer: {solution_text(shot, course.answer_format)}\n\n"
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


def lengths(problems: Sequence[Problem], course: Course, tokenizer) -> list[tuple[int, int]]:
    """Tokens of prompt and answer for each problem, the end of turn counted with the answer."""
    if not problems:
        return []
    prompts = [chat_text(tokenizer, messages(problem, course)) for problem in problems]
    answers = [solution_text(problem, course.answer_format) + END_OF_TURN for problem in problems]
    prompt_ids, answer_ids = (
        tokenizer(texts, add_special_tokens=False)["input_ids"] for texts in (prompts, answers)
    )
    return [(len(one), len(other)) for one, other in zip(prompt_ids, answer_ids, strict=True)]


def within_lengths(
    problems: Sequence[Problem], course: Course, tokenizer
) -> tuple[list[Problem], int]:
    """The problems whose prompt and answer fit `course.lengths`, and how many do not.

    What is too long is left out and counted, never cut: a cut solution has lost its answer.
    """
    kept = [
        problem
        for problem, (prompt, answer) in zip(
            problems, lengths(problems, course, tokenizer), strict=True
        )
        if prompt <= course.lengths.prompt and answer <= course.lengths.completion
    ]
    return kept, len(problems) - len(kept)
