"""Prompts, formats and the loss mask, counted a second time from the rendered text."""

from dataclasses import replace

import pytest

from helpers import formats, prompts
from helpers.config import Course
from helpers.data import Conversation, Preference, Records, Report, load_demonstrations
from helpers.data.problem import Problem
from helpers.models import load_tokenizer
from helpers.prompts import END_OF_TURN, IGNORED
from helpers.verify import extract, grade
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
    course = course_with(answer_format=answer_format,
                         system_prompt=formats.INSTRUCTIONS[answer_format])
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


def test_the_stop_text_parts_examples_and_leaves_solutions_with_blank_lines_whole():
    steps = replace(PROBLEMS[0], solution="First 12 + 7.\n\nThis is 19.")
    text = prompts.few_shot_text(PROBLEMS[1], [steps, steps], course_with())
    first, second, asked = text.split(prompts.NEXT_EXAMPLE)
    assert first == "Question:" + second and first.endswith(
        "\nAnswer: First 12 + 7.\n\nThis is 19.\n#### 19")
    assert asked == " Why – 5 € ?  Two\n\nlines\nAnswer:"


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


def test_what_is_asked_needs_only_a_prompt_that_fits(tokenizer):
    sizes = [prompt for prompt, _ in prompts.lengths(PROBLEMS, course_with(), tokenizer)]
    assert sizes[0] != sizes[1]  # else the limit could not part them
    course = course_with(lengths={"prompt": min(sizes), "completion": 1})
    kept, too_long = prompts.fitting_prompts(PROBLEMS, course, tokenizer)
    assert kept == [PROBLEMS[sizes.index(min(sizes))]] and too_long == len(PROBLEMS) - 1
    with pytest.raises(ValueError, match=f"shortest has {min(sizes)} tokens. Raise lengths.prompt"):
        prompts.fitting_prompts(
            PROBLEMS, course_with(lengths={"prompt": min(sizes) - 1, "completion": 1}), tokenizer)
    assert prompts.fitting_prompts([], course, tokenizer) == ([], 0)


class Counting:
    """A tokenizer that notes what it is given."""

    def __init__(self, tokenizer):
        self.real, self.calls = tokenizer, []

    def __call__(self, texts, **options):
        self.calls.append(list(texts))
        return self.real(texts, **options)

    def apply_chat_template(self, *turns, **options):
        return self.real.apply_chat_template(*turns, **options)


def test_what_is_asked_is_tokenised_without_its_answers_a_bounded_number_at_once(
        tokenizer, monkeypatch):
    """220,000 worked solutions at once are tens of gigabytes of token ids."""
    monkeypatch.setattr(prompts, "AT_ONCE", 4, raising=False)
    course = course_with()
    many = [replace(PROBLEMS[0], question=f"Anna has {n} apples." * (1 + n % 3), id=str(n))
            for n in range(10)]
    asked = [prompts.chat_text(tokenizer, prompts.messages(one, course)) for one in many]
    plain = list(map(len, tokenizer(asked)["input_ids"]))
    limit = sorted(set(plain))[1]
    counting = Counting(tokenizer)
    kept, too_long = prompts.fitting_prompts(
        many, course_with(lengths={"prompt": limit, "completion": 1}), counting)
    assert kept == [one for one, size in zip(many, plain, strict=True) if size <= limit]
    assert too_long == 10 - len(kept) == 3
    assert list(map(len, counting.calls)) == [4, 4, 2]
    assert not any(many[0].solution in text for call in counting.calls for text in call)
    counting = Counting(tokenizer)
    sizes = prompts.lengths([*many, PAIR], course, counting)
    assert [prompt for prompt, _ in sizes[:10]] == plain
    answer = prompts.solution_text(many[0], "hash") + END_OF_TURN
    assert {size for _, size in sizes[:10]} == {len(tokenizer(answer)["input_ids"])}
    assert sizes[10] == prompts.lengths([PAIR], course, tokenizer)[0]
    assert max(map(len, counting.calls)) == 4 and sum(map(len, counting.calls)) == 11 + 12


TALK = Conversation([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."},
                     {"role": "user", "content": "Count."},
                     {"role": "assistant", "content": "One two three."}], "smoltalk/x", "c", "k")
PAIR = Preference([{"role": "user", "content": "Count."}], "One two.", "One two three four five.",
                  8.0, 2.0, "ultrafeedback", "p")


def test_of_a_conversation_the_last_answer_is_learned(tokenizer):
    course = course_with(system_prompt="Be brief.")
    example = prompts.sft_example(TALK, course)
    assert example == {"prompt": [{"role": "system", "content": "Be brief."}, *TALK.messages[:3]],
                       "completion": [TALK.messages[3]]}
    ids, labels = prompts.encode_example(tokenizer, example)
    learned = [label for label in labels if label != IGNORED]
    assert tokenizer.decode(learned) == "One two three." + END_OF_TURN
    own = Conversation([{"role": "system", "content": "Own."}, *TALK.messages], "x", "d", "k")
    assert prompts.messages(own, course)[0] == {"role": "system", "content": "Own."}
    assert len(prompts.messages(own, course)) == 4


def test_of_a_preference_both_answers_follow_the_same_prompt(tokenizer):
    course = course_with(system_prompt="Be brief.")
    assert prompts.preference_example(PAIR, course) == {
        "prompt": [{"role": "system", "content": "Be brief."}, *PAIR.prompt],
        "chosen": [{"role": "assistant", "content": "One two."}],
        "rejected": [{"role": "assistant", "content": "One two three four five."}]}
    swapped = replace(PAIR, chosen=PAIR.rejected, rejected=PAIR.chosen)
    one, other = prompts.lengths([PAIR, swapped], course, tokenizer)
    longest = len(tokenizer(PAIR.rejected + END_OF_TURN, add_special_tokens=False)["input_ids"])
    assert one == other == (one[0], longest)


def test_what_is_too_long_enters_the_account(tokenizer):
    records = Records([TALK, PAIR, PROBLEMS[0]])
    records.report = Report(place="here", rows=9, duplicates=2, in_test=0, available=5, used=3)
    records.report.examples = {}
    sizes = sorted(answer for _, answer in prompts.lengths(records, course_with(), tokenizer))
    course = course_with(lengths={"prompt": 10_000, "completion": sizes[1]})
    fit = sum(answer <= sizes[1] for answer in sizes)
    assert fit == 2
    kept, too_long = prompts.within_lengths(records, course, tokenizer)
    assert (len(kept), too_long) == (fit, 3 - fit)
    assert kept.report.reasons == {"duplicates": 2, "in another split": 2,
                                   "over the number asked for": 2, "too_long": 3 - fit}
    assert kept.report["rows"] == kept.report["used"] + sum(kept.report.reasons.values())
    assert records.report["used"] == 3 and "too_long" not in records.report
    again, none = prompts.within_lengths(kept, course, tokenizer)
    assert none == 0 and again.report["too_long"] == 3 - fit


@pytest.mark.parametrize("task", ["openr1", "deepscaler", "countdown", "instruct"])
def test_nearly_all_tiny_rows_fit_the_lengths_of_their_task(task):
    course = Course.load(task=task)
    tokenizer = load_tokenizer(course)
    records = load_demonstrations(course, "train")
    kept, too_long = prompts.within_lengths(records, course, tokenizer)
    assert too_long <= 0.01 * len(records)
    if course.answer_format in ("boxed", "think"):
        texts = [prompts.sft_example(one, course)["completion"][0]["content"] for one in kept]
        found = [extract(text, course.answer_format) for text in texts]
        assert all(text.count("boxed") == 1 for text in texts) and None not in found
