"""Prompts, formats and the loss mask, counted a second time from the rendered text."""

import pytest

from helpers import prompts
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.models import load_tokenizer
from helpers.prompts import END_OF_TURN, IGNORED
from helpers.verify import grade
from tests.hub.tiny_repo import tiny_folder

PROBLEMS = [
    Problem("Anna has 12 apples. How many?", "12 + 7 = <<12+7=19>>19\nSo 19.", "19", "gsm8k", "a"),
    Problem("Why – 5 € ?  Two\n\nlines", "1 + 1 = 2 äß→", "-2", "gsm8k", "b"),
]
FORMATS = ["hash", "xml", "boxed", "think", "countdown"]


def course_with(**changes):
    return Course.load(overrides={"model": {"name": str(tiny_folder())}} | changes)


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(course_with())


@pytest.mark.parametrize("answer_format", ["hash", "xml", "boxed", "think"])
def test_every_format_is_written_as_the_strict_grader_wants_it(answer_format):
    text = prompts.solution_text(PROBLEMS[0], answer_format)
    assert PROBLEMS[0].solution in text
    assert grade(text, "19", answer_format=answer_format, grading="strict")
    assert not grade(text, "18", answer_format=answer_format, grading="strict")


def test_hash_format_to_the_letter():
    assert prompts.solution_text(PROBLEMS[1], "hash") == "1 + 1 = 2 äß→\n#### -2"


def test_chat_has_our_system_message_and_ends_where_the_answer_begins(tokenizer):
    course = course_with(system_prompt="Be brief.")
    text = prompts.chat_text(tokenizer, prompts.messages(PROBLEMS[0], course))
    assert text == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
                    "Anna has 12 apples. How many?<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize("answer_format", FORMATS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_loss_mask_token_by_token(tokenizer, problem, answer_format):
    """An independent count: the whole text tokenized at once, each token judged by its offsets."""
    course = course_with(answer_format=answer_format)
    ids, labels = prompts.encode_example(tokenizer, prompts.sft_example(problem, course))
    answer = prompts.solution_text(problem, answer_format) + END_OF_TURN
    whole = (f"<|im_start|>system\n{course.system_prompt}<|im_end|>\n<|im_start|>user\n"
             f"{problem.question}<|im_end|>\n<|im_start|>assistant\n{answer}\n")
    encoded = tokenizer(whole, return_offsets_mapping=True, add_special_tokens=False)
    first, last = whole.rindex(answer), whole.rindex(answer) + len(answer)
    inside = [first <= start and stop <= last for start, stop in encoded["offset_mapping"]]
    assert ids == encoded["input_ids"]
    assert labels == [i if yes else IGNORED for i, yes in zip(ids, inside, strict=True)]
    learned = [label for label in labels if label != IGNORED]
    assert tokenizer.decode(learned) == answer
    assert learned.count(tokenizer.convert_tokens_to_ids(END_OF_TURN)) == 1


def test_mask_starts_exactly_after_the_sampling_prompt(tokenizer):
    course = course_with()
    ids, labels = prompts.encode_example(tokenizer, prompts.sft_example(PROBLEMS[0], course))
    sampled_from = tokenizer(prompts.chat_text(
        tokenizer, prompts.messages(PROBLEMS[0], course)))["input_ids"]
    assert ids[:len(sampled_from)] == sampled_from
    assert {*labels[:len(sampled_from)]} == {IGNORED} and labels[len(sampled_from)] != IGNORED


def test_template_that_rewrites_the_prompt_is_refused(tokenizer):
    class Rewriting:
        def apply_chat_template(self, turns, tokenize, add_generation_prompt=False):
            return f"{len(turns)} turns" + ("A:" if add_generation_prompt else "")

    with pytest.raises(ValueError, match="rewrites the prompt"):
        prompts.encode_example(Rewriting(), prompts.sft_example(PROBLEMS[0], course_with()))


def test_few_shot_text_to_the_letter():
    course = course_with()
    text = prompts.few_shot_text(PROBLEMS[1], [PROBLEMS[0]], course)
    assert text == ("Question: Anna has 12 apples. How many?\n"
                    "Answer: 12 + 7 = <<12+7=19>>19\nSo 19.\n#### 19\n\n"
                    "Question: Why – 5 € ?  Two\n\nlines\nAnswer:")
    assert prompts.few_shot_text(PROBLEMS[0], [], course).startswith("Question: Anna")


def test_lengths_filter_at_the_exact_limit_and_count(tokenizer):
    course = course_with()
    sizes = prompts.lengths(PROBLEMS, course, tokenizer)
    for problem, (prompt, answer) in zip(PROBLEMS, sizes, strict=True):
        ids, labels = prompts.encode_example(tokenizer, prompts.sft_example(problem, course))
        assert answer == sum(label != IGNORED for label in labels)
        assert prompt + answer + 1 == len(ids)  # the line break after the end of turn
    prompt, answer = (max(column) for column in zip(*sizes, strict=True))
    exact = course_with(lengths={"prompt": prompt, "completion": answer})
    assert prompts.within_lengths(PROBLEMS, exact, tokenizer) == (PROBLEMS, 0)
    for shorter in ({"prompt": prompt - 1, "completion": answer},
                    {"prompt": prompt, "completion": answer - 1}):
        kept, dropped = prompts.within_lengths(PROBLEMS, course_with(lengths=shorter), tokenizer)
        assert len(kept) == dropped == 1
    assert prompts.within_lengths([], course, tokenizer) == ([], 0)
