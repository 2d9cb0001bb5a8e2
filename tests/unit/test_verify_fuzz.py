"""Fuzzing of everything that reads a completion: nothing raises, hangs, or is executed.

`make test` tries 5,000 inputs, always the same; `make fuzz` 100,000 new ones (FUZZ_EXAMPLES).
"""

import json
import os
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.config import Course
from helpers.rewards import REWARDS, reward_functions
from helpers.rewards.cut import were_cut
from helpers.verify import FORMATS, GRADINGS, equal, extract, grade, normalise, symbolic
from helpers.verify.__main__ import graded_line
from helpers.verify.countdown import grade_countdown
from tests import guards

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5000"))
SAME_EACH_TIME = "FUZZ_EXAMPLES" not in os.environ
BUSY = 8.0  # seconds beyond the deadline that a busy machine may take

LATEX = [r"\frac", r"\sqrt", r"\boxed{", r"\text{", r"\left(", r"\right)", r"\begin{pmatrix}",
         r"\end{pmatrix}", r"\\", "&", r"\cup", r"\in", r"\pm", r"\pi", r"\infty", r"\cdot",
         r"\times",
         r"\sin", r"\binom", r"\log_", r"\{", r"\}", "^", "_", "{", "}", "(", ")", "[", "]", ",",
         ";",
         "=", "<", r"\le", "+", "-", "/", "x", "k", "i", "e", "2", "9", "10", "0.5", "99", "$",
         r"\%",
         r"\circ", " ", r"\!", "!", r"\int", "'", r"\sum_{k=1}^{9}", r"\angle A",
         r"\operatorname{f}"]
WORDS = ["####", "#### ", "\n", "<answer>", "</answer>", "<think>", "</think>", "<reasoning>",
         "</reasoning>", "<output>", "</output>", "A: ", "The answer is ", "Answer: **B**", "18",
         "1,450",
         "-5", "−5", "3/4", "1 1/2", "$", "€", "%", " apples", ".", "Evelyn", "(C)", "and", " or ",
         "2 + 3", " * ", " ÷ ", " = 5", "step", "then", "therefore", "p.m.", "3:30", "52_8",
         "__import__('os').system('touch /tmp/executed-by-a-test')", "eval(", "{0.__class__}", "%s"]
DIGITS = "0123456789٠١٢٣४५६七八九０１２Ⅷ½¾²³₂𝟘𝟙🄌①\u200b\u202e\u0300\x00\ud800"
COMPLETIONS = ["6 x 3 = 18\n#### 18", "<think>\n3 + 5 = 8\n</think>\n<answer>8</answer>",
               r"So the area is $\boxed{\frac{1}{2}}$.", r"Thus \boxed{x \in [-2,7]}.", "A: 1,450",
               "<think>Try.</think>\n<answer>(3 + 5) / 2 = 4</answer>",
               r"Hence \boxed{1 \pm \sqrt{19}}"]


def completions() -> list[str]:
    """Our own completions, and the published ones where they are."""
    path = guards.real_data_folder() / "gsm8k" / "example_model_solutions_dev.jsonl"
    if not path.is_file():
        return COMPLETIONS
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[::20]]
    return COMPLETIONS + [r["solution"] for row in rows for r in row.values() if isinstance(r,
    dict)]


def glued(pieces, most=30):
    return st.lists(st.sampled_from(pieces), max_size=most).map("".join)


@st.composite
def mutated(draw) -> str:
    """A completion with some characters deleted, doubled, exchanged or put in."""
    text = draw(st.sampled_from(completions()))
    for _ in range(draw(st.integers(1, 8))):
        place, length = draw(st.integers(0, len(text))), draw(st.integers(0, 5))
        piece = draw(st.sampled_from(LATEX + WORDS + list(DIGITS)))
        text = text[:place] + piece + text[place + length :]
    return text


@st.composite
def huge(draw) -> str:
    """Up to two megabytes of a few repeated pieces."""
    piece = draw(st.sampled_from(LATEX + WORDS) | st.text(min_size=1, max_size=5))
    size = draw(st.sampled_from([1_000, 100_000, 1_000_000, 2_000_000]))
    end = draw(glued(LATEX + WORDS, 5))
    return piece * (size // len(piece)) + end


short = st.one_of(st.text(max_size=60), glued(LATEX, 15), glued(WORDS, 6), st.text(DIGITS,
max_size=20))
texts = st.one_of(st.text(max_size=300), glued(LATEX), glued(WORDS), glued(LATEX + WORDS),
mutated(),
                  st.text(DIGITS + "+-*/()=. ", max_size=60),
                  glued(LATEX).map(r"\boxed{{{}}}".format),
                  glued(LATEX).map("<answer>{}</answer>".format))
inputs = st.integers(0, 49).flatmap(lambda n: huge() if n == 0 else texts)  # 1 in 50 is huge

watching = False
executed: list[str] = []


def watch(event: str, arguments: tuple) -> None:
    """Notes what a completion must never cause."""
    if watching and event.split(".")[0] in {"exec", "os", "subprocess", "socket", "shutil",
    "import"}:
        executed.append(f"{event} {arguments}")


sys.addaudithook(watch)


def check(text: str, reference: str, functions) -> None:
    """Everything that reads a completion, with one input."""
    for answer_format in FORMATS:
        for grading in GRADINGS:
            found = extract(text, answer_format, grading)
            assert found is None or found.strip() == found != ""
        if grade(text, reference, answer_format, "strict"):
            assert grade(text, reference, answer_format, "lenient")
    normalise(text)
    assert equal(text, text) in (True, False) and equal(reference, text[:400]) in (True, False)
    assert grade_countdown(text, [3, 5], 8, "lenient") in (True, False)
    for function in functions:
        (value,) = function(completions=[text], answer=["8"], nums=[[3, 5]], target=[8],
                            completion_ids=[[1] * 9])
        assert -1 <= value <= 1
    line = json.dumps({"completion": text, "answer": reference}).encode()
    assert graded_line(line, "boxed", "lenient")["correct"] in (True, False)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_no_input_raises_hangs_or_is_executed(tmp_path, monkeypatch):
    global watching
    course = Course.load(overrides={"rewards": dict.fromkeys(REWARDS, 1.0)})
    functions, _ = reward_functions(course)
    assert symbolic.equal("x+1", "1+x")  # starts its process, once
    assert were_cut(course, 1, completion_ids=[[1]]) == [False]  # loads the tokenizer, once
    slowest = [0.0, ""]

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=SAME_EACH_TIME, database=None,
              suppress_health_check=list(HealthCheck))
    @given(text=inputs, reference=short)
    def run(text, reference):
        global watching
        start = time.monotonic()
        watching = True
        try:
            # One reading may wait for a verdict; here are 13, which share what is remembered.
            check(text, reference, functions)
        finally:
            watching = False
        slowest[:] = max(slowest, [time.monotonic() - start, text[:80]])

    run()
    print(f"slowest input: {slowest[0]:.2f} s, {slowest[1]!r}")
    assert not executed
    assert not os.path.exists("/tmp/executed-by-a-test")
    assert slowest[0] < symbolic.DEADLINE + BUSY, slowest
