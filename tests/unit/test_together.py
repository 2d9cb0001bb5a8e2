"""Many checks at once: the same verdicts in the same order, each question once, nobody held up."""

import threading

import pytest

from helpers.config import Course
from helpers.evaluate import score
from helpers.rewards import correct_answer
from helpers.sampling import Completion
from helpers.track import Track
from helpers.verify import equal, symbolic, together
from tests.unit.test_symbolic import SLOW

# Pairs that only math-verify can judge: its sets are no formulas of our own reader.
REALS = r"\mathbb{R}\setminus\{%s\}"


def asked(n: int, m: int) -> tuple[str, str]:
    return REALS % n, REALS % m


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(symbolic, "DEADLINE", 60.0)
    monkeypatch.setattr(symbolic, "_verdicts", {})
    monkeypatch.setattr(symbolic, "_idle", [])
    threads = threading.active_count()
    yield
    assert len(symbolic._idle) <= symbolic.MOST_IDLE
    symbolic.close()
    assert threading.active_count() == threads, "a thread was left"


@pytest.fixture
def judge(monkeypatch):
    """Takes the place of the processes: right is what is written alike but for a 0 behind."""
    questions = []

    def ask(reference, answer, seconds):
        questions.append((reference, answer))
        return answer.replace("0", "") == reference, 0.1

    monkeypatch.setattr(symbolic, "_ask", ask)
    return questions


def test_verdicts_are_those_of_one_after_the_other():
    pairs = [
        ("5", "5"), asked(2, 3), ("x+1", "1+x"), asked(4, 4), ("7", "8"), asked(2, 3),
        (r"x\in\mathbb{R}\setminus\{1,2\}", r"\mathbb{R} \setminus \{2,1\}"),
        (r"\mathbb{R}\setminus\{1,2\}", r"\mathbb{R} \setminus \{2,1\}"), ("", ""), asked(3, 2),
        (r"A\cap B", r"B\cap A"), (r"(1, A\cap B)", r"(1, B\cap A)"), (r"\foo", "1"),
    ]  # fmt: skip
    at_once = together(equal, pairs)
    symbolic._verdicts.clear()
    assert at_once == [equal(*pair) for pair in pairs] and 0 < sum(at_once) < len(pairs)


def test_equal_questions_are_asked_once(judge):
    pairs = [asked(n % 3 + 1, 10 * (n % 3 + 1)) for n in range(24)] + [asked(1, 2)] * 8
    assert together(equal, pairs) == [True] * 24 + [False] * 8
    assert len(judge) == len(set(judge)) == 4
    assert together(equal, pairs) == [True] * 24 + [False] * 8 and len(judge) == 4


def test_different_questions_are_asked_at_once(monkeypatch):
    both = threading.Barrier(2)  # nobody passes alone

    def ask(reference, answer, seconds):
        both.wait(timeout=60)
        return True, 0.1

    monkeypatch.setattr(symbolic, "_ask", ask)
    assert together(equal, [asked(1, 2), asked(3, 4)]) == [True, True]


@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_slow_pair_holds_nobody_else_up(monkeypatch, place):
    others = [asked(n, n + 10) for n in range(9)]
    slow = asked(77, 78)
    answered = threading.Semaphore(0)

    def ask(reference, answer, seconds):
        if "77" in reference:
            assert all(answered.acquire(timeout=60) for _ in others), "the others had to wait"
            return False, seconds
        answered.release()
        return True, 0.1

    monkeypatch.setattr(symbolic, "_ask", ask)
    pairs = [*others[:place], slow, *others[place:]]
    assert together(equal, pairs) == [pair != slow for pair in pairs]


def test_each_keeps_its_own_deadline(monkeypatch):
    """Real processes: the late one is not equal, the others are, whatever it does beside them."""
    assert symbolic.equal("x+1", "1+x")
    monkeypatch.setattr(symbolic, "DEADLINE", 0.5)
    late = [(r"\sqrt{2}", SLOW), (r"\sqrt{3}", SLOW)]
    good = [(f"x+{n}", f"{n}+x") for n in range(2, 8)]
    pairs = [late[0], *good[:3], late[1], *good[3:]]
    assert together(symbolic.equal, pairs) == [pair in good for pair in pairs]
    assert all(worker.process is not None for worker in symbolic._idle)


def test_what_needs_no_process_needs_no_thread(monkeypatch):
    def none(*_):
        raise AssertionError("a thread or a process for nothing")

    monkeypatch.setitem(together.__globals__, "ThreadPoolExecutor", none)
    pairs = [("5", str(n)) for n in range(9)] + [("x+1", "1+x"), (r"\sqrt{8}", r"2\sqrt{2}")]
    with monkeypatch.context() as patch:
        patch.setattr(symbolic, "_ask", none)
        assert together(equal, pairs) == [n == 5 for n in range(9)] + [True, True]
        assert together(equal, []) == []
    monkeypatch.setattr(symbolic, "_ask", lambda *_: (True, 0.1))
    assert together(equal, [asked(1, 2)] * 3) == [True] * 3, "nor does a single question"


def test_what_a_check_raises_is_raised_and_the_next_ones_are_judged(monkeypatch, judge):
    def check(reference, answer):
        if equal(reference, answer):
            raise OverflowError(answer)
        return False

    with pytest.raises(OverflowError, match="30"):
        together(check, [asked(1, 2), asked(3, 30), asked(4, 5), asked(6, 7)])
    with pytest.raises(OverflowError, match="8"):
        together(check, [asked(1, 3), ("8", "8")])
    assert together(equal, [asked(3, 30), asked(5, 50), asked(5, 6)]) == [True, True, False]


def test_a_process_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(symbolic.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start"):
        together(equal, [asked(1, 2), asked(3, 4), asked(5, 6)])


def test_only_this_thread_puts_off(judge):
    with symbolic.put_off():
        other = threading.Thread(target=equal, args=asked(1, 2))
        other.start()
        other.join()
        assert judge == [asked(1, 2)]
        assert not equal(*asked(1, 2)), "what is remembered is given"
        with pytest.raises(symbolic.PutOff) as caught:
            equal(*asked(3, 4))
        assert caught.value.question == asked(3, 4)
        with symbolic.put_off():
            pass
        with pytest.raises(symbolic.PutOff):
            equal(*asked(3, 4))
    assert equal(*asked(3, 30)) and judge[1:] == [asked(3, 30)]


def test_rewards_are_paid_at_once_and_in_order(judge):
    completions = [rf"So it is $\boxed{{{REALS % n}}}$." for n in (10, 2, 10, 30, 3, 10)]
    references = [REALS % 1, REALS % 2, "", REALS % 3, REALS % 4, REALS % 1]
    with pytest.warns(UserWarning, match="skipped"):
        assert correct_answer(completions, references) == [1.0, 1.0, None, 1.0, 0.0, 1.0]
    assert len(judge) == 3, "two of them are equal as text, two are one question"


def completion(text: str, truncated: bool = False) -> Completion:
    return Completion(text, 1, truncated)


def test_the_verdicts_and_votes_of_many_rows(judge):
    track = Track(Course.load(task="openr1"))
    texts = [rf"\boxed{{{REALS % n}}}" for n in (10, 2, 1)]
    answers = [*map(completion, texts), completion(texts[0], truncated=True)]
    problems = [{"answer": REALS % 1}, {"answer": REALS % 2}, {"answer": "5"}]
    found = track.all_verdicts([(problem, answers) for problem in problems])
    assert found == [track.verdicts(problem, answers) for problem in problems]
    assert found[0] == {"strict": [False] * 4, "lenient": [True, False, True, True]}
    assert found[1]["lenient"] == [False, True, False, False]
    assert found[2]["lenient"] == [False] * 4
    row = {
        "completions": texts[:1] * 5 + texts[1:2] * 3,
        "tokens": [1] * 8,
        "truncated": [False] * 8,
        "strict": [False] * 8,
        "lenient": [True] * 5 + [False] * 3,
        "greedy": {"strict": False, "lenient": True},
        "answer": REALS % 1,
    }
    voted = score([row, row | {"answer": REALS % 2}, row | {"answer": REALS % 3}])
    assert voted["maj@8"] == pytest.approx(1 / 3)
