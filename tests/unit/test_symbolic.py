"""math-verify's process: refusals, the deadline, restarts, threads, forks, and its end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from helpers.config import ROOT
from helpers.verify import equal, symbolic

# Passes every refusal, and keeps sympy busy for minutes.
SLOW = r"\binom{999999999999999}{99999999999}+\sqrt{2}"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No verdict remembered, a process of the test's own, and no hurry unless a test wants it."""
    monkeypatch.setattr(symbolic, "DEADLINE", 60.0)
    monkeypatch.setattr(symbolic, "_verdicts", {})
    monkeypatch.setattr(symbolic, "_idle", [])
    yield symbolic._idle
    symbolic.close()


def pid():
    """Of the one process there is."""
    (worker,) = symbolic._idle
    return worker.process.pid


REFUSED = {
    "9^{9^{9^9}}": "stacked powers", "9^{9^9}": "stacked powers", "x^{(2)^3}": "stacked powers",
    "((9^{99})^{99})^{99}": "exponent too large", "9^{99999}": "exponent too large",
    r"2^{\binom{50}{25}}": "stacked powers", "9^{9+99\\cdot 99}\\cdot x^9": "exponent too large",
    "9^9^9^9": "stacked powers", "9^{{{9^{{{9}}}}}}": "stacked powers",
    "x^{2x}^{3}": "stacked powers", "5!": "a sign", "x'": "a sign", "$x$": "a sign",
    "x\n": "a sign", "٣": "a sign", "x:y": "a sign",
    r"\sum_{k=1}^{9} k": "a command that no final answer needs: sum", r"\int x": "int",
    r"\input{x}": "input", r"\frac{\foo}{\bar}": "bar", "import os": "words", "abcd": "words",
    "1" * 41: "a number too long", "x+" * 150 + "x": "longer than 300", "(" * 9 + "x": "too deep",
    "{[(" * 3 + "x": "too deep",
}  # fmt: skip
ACCEPTED = ["x^{9999}", "9^{9", "x^2(y^3)", "x^", "e^{x^2}", "1" * 40, "(" * 8 + "x" + ")" * 8,
"x+" * 149 + "xy", "abc",
            r"\begin{pmatrix}1&2\end{pmatrix}", r"x^{10}y^{10}z^{99}", "(x)(y)" * 20]


@pytest.mark.parametrize("formula", REFUSED)
def test_bombs_and_what_is_no_formula_are_refused(formula, fresh):
    assert REFUSED[formula] in symbolic.refusal(formula)
    assert not symbolic.equal(formula, formula + "+1") and not symbolic.equal(formula, formula)
    assert not fresh, "no process must even have been started"


@pytest.mark.parametrize("formula", ACCEPTED)
def test_formulas_are_not_refused(formula):
    assert symbolic.refusal(formula) is None


@pytest.mark.parametrize("bomb", [
    r"\boxed{9^{9^{9^9}}}", "9^9^9^9", "99999999!", "((((((9^{99})^{99})^{99})^{99})^{99})^{99})",
    r"\sum_{k=1}^{10^{12}} \frac{1}{k}", "(" * 190, "x^" * 190, "1" * 1_000_000, "{" * 1_000_000,
    r"\int_0^{\infty} e^{-x^x} dx", "__import__('os').system('true')", r"\sqrt{" * 60 + "2",
])
def test_a_bomb_is_not_equal_and_costs_nothing(bomb, fresh):
    start = time.monotonic()
    assert not equal("x+1", bomb) and not equal(r"\sqrt{2}", bomb) and not equal("7", bomb)
    assert not fresh and time.monotonic() - start < 2


def test_what_is_late_is_not_equal_and_the_next_answer_is_given(monkeypatch, caplog, fresh):
    assert symbolic.equal("x+1", "1+x")
    process = pid()
    monkeypatch.setattr(symbolic, "DEADLINE", 0.5)
    start = time.monotonic()
    assert not symbolic.equal(r"\sqrt{2}", SLOW)
    assert 0.4 < time.monotonic() - start < 0.5 + symbolic.ASLEEP  # the machine may be busy
    assert "no verdict" in caplog.text and "late" in caplog.text
    start, warnings = time.monotonic(), len(caplog.records)
    assert not any(symbolic.equal(r"\sqrt{2}", SLOW) for _ in range(8))
    assert time.monotonic() - start < 0.4, "a pair that was late must be remembered"
    assert len(caplog.records) == warnings
    monkeypatch.setattr(symbolic, "DEADLINE", 60.0)
    assert symbolic.equal("y+1", "1+y")
    assert pid() == process, "only the answering fork is replaced"


def test_time_is_that_of_the_processor_and_not_of_the_clock(fresh):
    """A process that is stopped for longer than its deadline has used up none of it."""
    assert symbolic.equal("x+1", "1+x")
    parent = psutil.Process(pid())
    stopped = [*parent.children(), parent]
    budget = symbolic.Budget()
    budget.left = 0.5
    for process in stopped:
        process.suspend()
    threading.Timer(1.5, lambda: [process.resume() for process in stopped]).start()
    assert symbolic.equal("y+1", "1+y", budget)
    assert 0 < budget.left < 0.5


def test_parts_of_one_answer_share_the_deadline(monkeypatch, fresh):
    assert symbolic.equal("x+1", "1+x")
    budget = symbolic.Budget()
    budget.left = 0.5
    allowed, ask = [], symbolic._Worker.ask

    def asked(worker, reference, answer, seconds):  # of processor time: a busy machine is slower
        allowed.append(seconds)
        return ask(worker, reference, answer, seconds)

    monkeypatch.setattr(symbolic._Worker, "ask", asked)
    assert not any(symbolic.equal(rf"{n}+\sqrt{{2}}", SLOW, budget) for n in range(20))
    assert allowed == [0.5] and budget.left == 0  # the other 19 are not asked any more
    assert not symbolic.equal("z+1", "1+z", budget), "nothing is left"
    assert symbolic.equal("z+1", "1+z"), "with no time no verdict, so none is remembered"


def test_a_process_that_does_not_answer_is_replaced(monkeypatch, caplog, fresh):
    assert symbolic.equal("x+1", "1+x")
    monkeypatch.setattr(symbolic, "ASLEEP", 0.2)
    monkeypatch.setattr(symbolic, "DEADLINE", 0.2)
    stopped = pid()
    for process in [*psutil.Process(stopped).children(), psutil.Process(stopped)]:
        process.suspend()
    assert not symbolic.equal("y+1", "1+y") and "no reply" in caplog.text
    assert not psutil.pid_exists(stopped)
    monkeypatch.setattr(symbolic, "DEADLINE", 60.0)
    assert symbolic.equal("y+1", "1+y")


def test_killed_processes_are_replaced(fresh):
    assert symbolic.equal("x+1", "1+x")
    (worker,) = fresh
    first = worker.process
    psutil.Process(first.pid).children()[0].send_signal(signal.SIGSEGV)  # as a crash would
    while symbolic.equal("y+1", "1+y"):  # the news of the crash may take a moment
        symbolic._verdicts.clear()
    for n in range(2, 9):  # each question gets its own verdict, none that of the one before
        assert symbolic.equal(f"y+{n}", f"{n}+y") and not symbolic.equal(f"y+{n}", f"y-{n}")
    assert worker.process is first
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert symbolic.equal("y+20", "20+y") and worker.process is not first


def test_threads_get_their_own_verdicts(fresh):
    verdicts = {}

    def ask(n):
        verdicts[n] = [symbolic.equal(f"x+{n}", f"{n}+x"), symbolic.equal(f"x+{n}", f"x+{n + 1}")]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == {n: [True, False] for n in range(12)}
    assert 1 <= len(fresh) <= symbolic.MOST_IDLE, "the others must have been closed"


def test_a_slow_formula_holds_nobody_else_up(monkeypatch, fresh):
    assert symbolic.equal("x+1", "1+x")
    monkeypatch.setattr(symbolic, "DEADLINE", 3.0)
    slow = threading.Thread(target=lambda: symbolic.equal(r"\sqrt{2}", SLOW))
    slow.start()
    while fresh:  # until the thread has taken the only process
        time.sleep(0.001)
    assert symbolic.equal("y+1", "1+y") and slow.is_alive()
    slow.join()


def test_a_forked_child_has_a_process_of_its_own(fresh):
    assert symbolic.equal("x+1", "1+x")
    child = os.fork()
    if child == 0:
        try:
            own = not symbolic._idle
            right = symbolic.equal("z+1", "1+z") and not symbolic.equal("z+1", "z+2")
            symbolic.close()
            os._exit(0 if own and right else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert symbolic.equal("y+1", "1+y"), "the parent's process must still be there"


def test_verdicts_are_remembered_up_to_a_number(monkeypatch, fresh):
    monkeypatch.setattr(symbolic, "_REMEMBERED", 2)
    asked = []
    monkeypatch.setattr(symbolic, "_ask", lambda *question: asked.append(question) or (True, 0.1))
    for n in (1, 1, 2, 1, 3, 3):
        assert symbolic.equal(f"x+{n}", f"{n}+x")
    assert len(asked) == 3 and len(symbolic._verdicts) == 1


def test_what_was_answered_in_time_is_remembered_however_little_was_left(monkeypatch):
    asked, budget = [], symbolic.Budget()
    monkeypatch.setattr(symbolic, "_ask", lambda *question: asked.append(question) or (False, 0.1))
    budget.left = 0.5
    assert not any(symbolic.equal("x+1", "x+2", budget) for _ in range(3))
    assert asked == [("x+1", "x+2", 0.5)] and budget.left == 0.4


def test_other_letters_are_not_asked(fresh):
    assert not symbolic.equal("2k", "2n") and not symbolic.equal("x+1", "5")
    assert not fresh


def test_the_process_is_clean_and_ends_with_its_parent():
    code = ("from helpers.verify import symbolic; import os\n"
            "assert symbolic.equal('x+1', '1+x')\n"
            "print(symbolic._idle[0].process.pid, flush=True)\n{}")
    for end in ("pass", "os.kill(os.getpid(), 9)"):
        done = subprocess.run([sys.executable, "-c", code.format(end)], cwd=ROOT, text=True,
                              capture_output=True, check=False)
        pid = int(done.stdout)
        for _ in range(200):
            if not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie":
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"the process outlived its parent ({end})")


def test_the_process_inherits_no_gpu_and_no_open_file(fresh, tmp_path):
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        assert symbolic.equal("x+1", "1+x")
        process = psutil.Process(pid())
        assert process.environ()["CUDA_VISIBLE_DEVICES"] == ""
        assert not process.open_files()
        assert process.rlimit(psutil.RLIMIT_AS) == (2 * 2**30,) * 2, "nor may it take all memory"
        loaded = {path.path for path in process.memory_maps()}
        assert not [path for path in loaded if "torch" in path or "tokenizers" in path]


def questions(*lines, check=True):
    """Replies of a process of its own to lines of input."""
    done = subprocess.run([sys.executable, "-P", str(symbolic.PROGRAM)], input="".join(lines),
    text=True,
                          capture_output=True, check=check, timeout=120)
    return [re.sub(r" [0-9.]+$", "", line) for line in done.stdout.splitlines()]


def test_the_program_answers_one_line_for_one():
    line = json.dumps([7, "x+1", "1+x", 60]) + "\n"
    assert questions(line) == ["ready", "7 true"]
    padded = "[" + " " * 70_000  # more than one read
    other = json.dumps([8, "y", "x", 60]).replace("[", padded) + "\n"
    assert questions(line, other, line) == ["ready", "7 true", "8 false", "7 true"]
    assert questions() == ["ready"]
    unreadable = json.dumps([9, 5, None, 60]) + "\n"  # what raises is not equal
    assert questions(unreadable, line) == ["ready", "9 false", "7 true"]


def test_a_formula_that_is_late_says_so():
    slow = json.dumps([7, SLOW, r"\sqrt{2}", 0.3]) + "\n"
    assert questions(slow) == ["ready", "late"]


def test_a_process_that_cannot_start_is_an_error(monkeypatch, fresh):
    """Not a verdict: every formula would count as wrong, and a training run would go on."""
    monkeypatch.setattr(symbolic.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start.*symbolic_worker.py"):
        symbolic.equal("x+1", "1+x")
    assert all(worker.process is None for worker in fresh)
