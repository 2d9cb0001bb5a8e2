"""Extraction and grading: by table, on real references and labelled completions, and by fuzzing."""

import io
import json
import subprocess
import sys
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.config import ROOT
from helpers.verify import (
    FORMATS,
    GRADINGS,
    extract,
    grade,
    normalise,
    number,
    quantity,
    symbolic,
    without_name,
)
from helpers.verify.__main__ import main

NUMBERS = {
    "18": 18, "025": 25, "27.0": 27, "18.": 18, ".5": Fraction(1, 2), "1,450,000": 1450000,
    "$1,234.50": Fraction(2469, 2), "-10": -10, "−10": -10, "+3": 3, "-$5": -5, "$-5": -5,
    "$ 5": 5, "50%": 50, r"50\%": 50, r"\$32": 32, "3/4": Fraction(3, 4), " 7 ": 7,
    "0.1": Fraction(1, 10), "0": 0, "-0": 0, "€9": 9,
}
NOT_NUMBERS = [
    "", " ", "$", "-", ".", "1,45", "1,2", "1.450,00", "1.5.2", "5 6", "-$-5", "60/12", "0/5",
    "5/0", "1/0", "1.5/2", "2+2", "5!", "2**3", "1e5", "1_000", "٣", "nan", "inf", "eighteen",
    "5 apples",
    "1" * 101, "5/", "/5",
]


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_number_is_read_exactly(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_what_is_no_number_is_not_read(text):
    assert number(text) is None


def test_normalise_gives_equal_numbers_one_spelling():
    assert normalise("1,450.0") == normalise("$1450") == "1450"
    assert normalise("0.5") == normalise("1/2") == "1/2"
    assert normalise("(C)") == "(C)" and normalise(None) is None


STRICT = [
    ("hash", "6 x 3 = 18\n#### 18", "18"),
    ("hash", "#### 1,450\n\n", "1,450"),
    ("hash", "so\n#### -$5.", "-$5"),
    ("hash", "so\n#### 50%", "50"),
    ("hash", "the answer is 18", None),
    ("hash", "so #### 18", None),  # not a line of its own
    ("hash", "#### 18\nQuestion: Tom has", None),  # goes on
    ("hash", "#### 17\n#### 18", None),  # two answers
    ("hash", "#### 18 apples", None),
    ("hash", "####18", None),
    ("hash", "##### 18", None),
    ("hash", "#### 5 + 3", None),
    ("hash", "#### ", None),
    ("xml", "<reasoning>\n6 x 3\n</reasoning>\n<answer>\n18\n</answer>\n", "18"),
    ("xml", "<answer>18</answer> done", None),
    ("xml", "<answer>17</answer><answer>18</answer>", None),
    ("xml", "</answer><answer>", None),
    ("xml", "<answer> </answer>", None),
    ("boxed", r"The answer is \boxed{18}.", "18"),
    ("boxed", r"so $\boxed{\frac{1}{2}}$", r"\frac{1}{2}"),
    ("boxed", r"\boxed{2}, \boxed{3}", None),
    ("boxed", r"\boxed{\boxed{5}}", None),
    ("boxed", r"\boxed{18} apples", None),
    ("boxed", r"\boxed{18", None),
    ("boxed", r"\boxed{}", None),
    ("think", "<think>\n6 x 3\n</think>\nThe answer is \\boxed{18}.", "18"),
    ("think", "<think>6 x 3</think> <answer>18</answer>", "18"),
    ("think", r"<think>\boxed{18}</think> so 18", None),
    ("think", r"\boxed{18}", None),
    ("think", r"Well. <think>6 x 3</think> \boxed{18}", None),
    ("think", r"<think> <think> </think> \boxed{18}", None),
    ("think", "<think>so <answer></think>18</answer>", None),
]


@pytest.mark.parametrize(("answer_format", "text", "answer"), STRICT)
def test_strict_asks_for_the_format(answer_format, text, answer):
    assert extract(text, answer_format, "strict") == answer


LENIENT = [
    ("6 x 3 = 18\n#### 18", 18),
    ("#### 17\nno:\n#### 18", 18),
    ("####18 apples", 18),
    ("####18, not 17", 18),
    ("A: 18, not 17", 18),
    ("A: 1,450", 1450),
    ("The answer is 18. We know that 2 = 2.", 18),
    ("The answer is 5 + 3 = 8.", 8),
    ("The answer is 3 times 6 = 18 in 2 days.", 18),
    ("**Answer:** $18 a day", 18),
    ("The final answer is:\n18", 18),
    (r"The answer is \(18\)", 18),
    (r"The answer is \boxed{18}.", 18),
    (r"\boxed{18 \text{ dollars}}", 18),
    (r"\boxed{11,\! 111,\! 111,\! 100}", 11111111100),
    (r"\boxed{\boxed{5}}", 5),
    (r"\boxed{x = 5}", 5),
    (r"\boxed{\$32,\!348}", 32348),
    (r"\boxed{4} or rather <answer>5</answer>", 5),
    (r"<answer>4</answer> or rather \boxed{5}", 5),
    (r"<think>\boxed{4}</think> so 5", 5),
    (r"so 5. <think>Or is it \boxed{4}", 5),
    ("she has 16-3=13 left", 13),
    ("it is 3-5", 5),  # a subtraction, not minus five
    ("it is −5 degrees", -5),
    ("she lost -$5", -5),
    ("it costs 270/7", Fraction(270, 7)),
    ("18.", 18),
    ("#### \nso 18", 18),  # a mark without an answer does not count
]


@pytest.mark.parametrize(("text", "value"), LENIENT)
@pytest.mark.parametrize("answer_format", FORMATS)
def test_lenient_finds_the_last_answer_in_any_format(text, value, answer_format):
    assert quantity(without_name(extract(text, answer_format, "lenient")))[0] == value


@pytest.mark.parametrize("text", [
    r"\boxed{\frac{1}{2}}", r"\boxed{90^\circ}", r"\boxed{52_8}", r"\boxed{1\frac{4}{5}}",
    r"\boxed{137 \frac{1}{2}}", r"\boxed{(0,9) \cup (9,36)}", r"\boxed{x \in [-2,7]}",
    r"\boxed{1 \pm \sqrt{19}}", r"\boxed{3:30 p.m.}", r"\boxed{5:6}", r"\boxed{2x}",
    r"\boxed{\text{Evelyn}}", r"\boxed{864 \mbox{ inches}^2}", "1,2", "1.450,00", "", "nothing",
])
def test_part_of_an_answer_is_not_taken_for_the_answer(text):
    """A formula is no number yet, and above all not the first number in it."""
    assert number(extract(text, "boxed", "lenient")) is None


def test_grade_is_exact_and_needs_a_reference():
    assert grade("#### 27.0", "27") and grade("#### 1,450", "1450")
    assert not grade("#### 0.33", "1/3") and not grade("#### 26.999999999", "27")
    assert not grade("#### five", "five"), "a reference that is no number must match nothing"
    assert not grade("", "") and not grade("#### ", "")


def test_unknown_format_or_grading_is_named():
    with pytest.raises(ValueError, match="'hsah'.*hash"):
        extract("#### 1", "hsah")
    with pytest.raises(ValueError, match="'loose'.*lenient"):
        extract("#### 1", "hash", "loose")


def test_only_the_tail_of_a_long_text_counts():
    assert grade("x " * 50_000 + "\n#### 18", "18")
    assert extract("#### 18\n" + "x " * 10_001, "hash", "lenient") is None


# Pieces of answers, glued at random, reach far more corners than random characters do.
PIECES = ["####", "#### ", "\n", "\\boxed{", "}", "{", "\\{", "<answer>", "</answer>", "<think>",
          "</think>", "A: ", "answer is ", "$", "-", "−", ",", ".", "/", "%", "\\", "=", "18", "0",
          "1,450", " ", "x", "\\frac", "\\text{", "^", "_", "٣", "\ud800", "\x00"]
glued = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(text=st.one_of(st.text(max_size=200), glued), answer=st.one_of(st.text(max_size=9), glued))
@settings(max_examples=1500, deadline=None, derandomize=True)
def test_no_string_raises_and_strict_implies_lenient(text, answer):
    for answer_format in FORMATS:
        for grading in GRADINGS:
            found = extract(text, answer_format, grading)
            assert found is None or (found and found == found.strip())
        if grade(text, answer, answer_format, "strict"):
            assert grade(text, answer, answer_format, "lenient")


@given(value=st.fractions(max_denominator=1).map(int), comma=st.booleans())
@settings(max_examples=300, derandomize=True)
def test_a_right_answer_is_right_and_its_neighbour_wrong(value, comma):
    written = f"{value:,}" if comma else str(value)
    right = {"hash": f"so\n#### {written}", "xml": f"<answer>{written}</answer>",
             "boxed": f"\\boxed{{{written}}}", "think": f"<think>1</think>\\boxed{{{written}}}"}
    for answer_format, text in right.items():
        for grading in GRADINGS:
            assert grade(text, str(value), answer_format, grading)
            assert not grade(text, str(value + 1), answer_format, grading)


@pytest.mark.parametrize("piece", [*PIECES, "answer*", "\\boxed{1}", "{}", "5 + ", "$ ", "a\n"])
def test_a_hostile_text_takes_milliseconds(piece):
    text = piece * (60_000 // len(piece))
    start = time.process_time()
    for answer_format in FORMATS:
        for grading in GRADINGS:
            extract(text, answer_format, grading)
    # 0.1 s here in the worst case; a quadratic search needs minutes.
    assert time.process_time() - start < 5


# Real data


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("name", "rows"), [("train", 7473), ("test_dev", 1055)])
def test_every_gsm8k_reference_is_extracted(REAL_DATA, name, rows):
    solutions = [row["answer"] for row in lines(REAL_DATA / "gsm8k" / f"{name}.jsonl")]
    assert len(solutions) == rows
    for solution in solutions:
        answer = solution.split("####")[1].strip()
        value = number(answer)
        assert value == int(answer.replace(",", "")), answer
        for grading in GRADINGS:
            assert extract(solution, "hash", grading) == answer
            assert not grade(solution, str(value + 1), "hash", grading)


def test_lenient_grading_agrees_with_every_openai_label(REAL_DATA):
    rows = lines(REAL_DATA / "gsm8k" / "example_model_solutions_dev.jsonl")
    labelled = [(model["solution"], row["ground_truth"].rpartition("A:")[2], model["is_correct"])
                for row in rows for model in row.values() if isinstance(model, dict)]
    assert len(labelled) == 659 * 4 and 0.2 < sum(label for *_, label in labelled) / 2636 < 0.8
    wrong = [(text[-60:], answer) for text, answer, label in labelled
             if grade(text, answer, "hash", "lenient") != label]
    assert not wrong
    assert not any(grade(text, answer, "hash", "strict") for text, answer, _ in labelled)


# Command line


def run_main(monkeypatch, capsys, text: bytes, *arguments):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_command_line_adds_the_verdict_to_each_line(monkeypatch, capsys):
    text = (b'{"completion": "#### 18", "answer": "18", "id": 7}\n'
            b'{"completion": "answer is 18", "answer": 18}\n')
    code, rows, err = run_main(monkeypatch, capsys, text, "--format", "hash")
    assert (code, err) == (0, "")
    assert rows == [
        {"completion": "#### 18", "answer": "18", "id": 7, "extracted": "18", "correct": True},
        {"completion": "answer is 18", "answer": 18, "extracted": None, "correct": False},
    ]
    _, rows, _ = run_main(monkeypatch, capsys, text, "--grading", "lenient")
    assert [row["correct"] for row in rows] == [True, True]


def test_command_line_reports_bad_lines_and_goes_on(monkeypatch, capsys):
    huge = b'{"completion": "x", "answer": 1' + b"0" * 5000 + b"}"
    bad = [b"not json", b"[1]", b'{"answer": "18"}', b'{"completion": 3, "answer": "18"}',
           b'{"completion": "#### 18"}', b'{"completion": "#### 18", "answer": true}',
           b"\xff\xfe", b"", b"[" * 100_000, huge]
    good = b'{"completion": "#### 18", "answer": "18"}'
    text = b"\n".join([good, *bad, good])
    code, rows, err = run_main(monkeypatch, capsys, text)
    assert code == 1 and len(rows) == len(bad) + 2
    assert rows[0]["correct"] and rows[-1]["correct"]
    assert [row["line"] for row in rows[1:-1]] == list(range(2, len(bad) + 2))
    assert [line.split(":")[0] for line in err.splitlines()] == [
        f"line {place}" for place in range(2, len(bad) + 2)
    ]


def test_command_line_reads_a_file(tmp_path):
    path = tmp_path / "completions.jsonl"
    path.write_text('{"completion": "\\u221210", "answer": "-10"}\n')
    command = [sys.executable, "-m", "helpers.verify", "--grading", "lenient"]
    done = subprocess.run([*command, path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["correct"] is True
    lost = subprocess.run([*command, tmp_path / "no"], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert lost.returncode == 1 and lost.stderr.startswith("cannot read") and not lost.stdout


def test_command_line_goes_on_in_a_file_of_any_bytes(tmp_path, monkeypatch, capsys):
    path = tmp_path / "completions.jsonl"
    path.write_bytes(b'\xff\n{"completion": "\xe2\x88\x9210", "answer": "-10"}\n')
    code, rows, err = run_main(monkeypatch, capsys, b"", str(path), "--grading", "lenient")
    assert code == 1 and "error" in rows[0] and rows[1]["correct"] and err.startswith("line 1: ")


def test_command_line_grades_countdown(monkeypatch, capsys):
    rows = [{"completion": text, "nums": [2, 3], "target": 5, "id": n}
            for n, text in enumerate(["<answer>2+3</answer>", "<answer>2+3 = 5</answer>", "2+3"])]
    bad = [{"completion": "x", "nums": [2, 3]}, {"completion": "x", "nums": "2,3", "target": 5},
           {"completion": "x", "nums": [2, 3], "target": 5.0}, {"nums": [2, 3], "target": 5}]
    text = "\n".join(json.dumps(row) for row in rows + bad).encode()
    for grading, right in (("strict", [True, False, False]), ("lenient", [True, True, False])):
        code, out, err = run_main(monkeypatch, capsys, text, "--format", "countdown",
                                  "--grading", grading)
        assert code == 1 and len(out) == 7 and len(err.splitlines()) == 4
        assert out[:3] == [row | {"extracted": found, "correct": correct} for row, found, correct
                           in zip(rows, ["2+3", "2+3 = 5", None], right, strict=True)]
        assert [row["line"] for row in out[3:]] == [4, 5, 6, 7]
        assert "None is not a whole number" in out[3]["error"]
        assert "not a list" in out[4]["error"] and "completion" in out[6]["error"]


def test_command_line_reads_numbers_as_they_are_meant(monkeypatch, capsys):
    text = (b'{"completion": "#### 27", "answer": 27.0}\n'
            b'{"completion": "#### 0.0000001", "answer": 1e-7}\n'
            b'{"completion": "#### 100000000000000000000", "answer": 1e20}\n')
    code, rows, _ = run_main(monkeypatch, capsys, text)
    assert code == 0 and [row["correct"] for row in rows] == [True] * 3
    text = b'{"completion": "nan", "answer": NaN}\n{"completion": "inf", "answer": -Infinity}\n'
    code, rows, err = run_main(monkeypatch, capsys, text, "--format", "boxed")
    assert code == 1 and ["no number" in row["error"] for row in rows] == [True] * 2


def test_command_line_grades_formulas(monkeypatch, capsys):
    monkeypatch.setattr(symbolic, "DEADLINE", 60.0)
    rows = [{"completion": rf"So \boxed{{{answer}}}.", "answer": r"\frac{1}{2}"}
            for answer in (r"\frac12", "0.5", r"\frac13", r"2^{-1}", r"\frac{9^{9^{9^9}}}{2}")]
    text = "\n".join(map(json.dumps, rows)).encode()
    code, out, _ = run_main(monkeypatch, capsys, text, "--format", "boxed")
    assert code == 0 and [row["correct"] for row in out] == [True, True, False, False, False]
    assert out[0]["extracted"] == r"\frac12"


def test_command_line_stops_when_its_reader_has_gone(tmp_path):
    path = tmp_path / "completions.jsonl"
    path.write_text('{"completion": "#### 18", "answer": "18"}\n' * 5000)
    with subprocess.Popen([sys.executable, "-m", "helpers.verify", path], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(120) == 1 and "Traceback" not in process.stderr.read()
