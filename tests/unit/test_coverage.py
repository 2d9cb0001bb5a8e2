"""Eight tries from 32 draws: the gains are those of the counts, and claims can fail."""

import numpy as np
import pytest

from helpers import artifacts, models, sampling
from helpers.config import Course
from helpers.course import coverage
from helpers.files import write_json
from helpers.sampling import Completion
from helpers.stats import pass_at_k
from helpers.track import Track

PROBLEMS = [{"id": str(one), "demonstrated": one % 2 == 0} for one in range(40)]


def run(folder, better, than, problems=PROBLEMS):
    """A run whose models solve demonstrated problems in better[0] and than[0] of 32 draws, the
    others in better[1] and than[1]."""
    right = {name: [counts[0 if one["demonstrated"] else 1] for one in problems]
             for name, counts in (("grpo", better), ("sft", than))}
    write_json(folder / coverage.FILE, {"models": {}, "draws": 32, "problems": problems,
                                        "right": right})
    return folder


def test_gains_are_of_the_unbiased_estimate_by_kinds_and_of_seeds_together(tmp_path):
    runs = [("gsm8k", seed, run(tmp_path / str(seed), (8, 8), (8, 2 + seed))) for seed in range(3)]
    assert coverage.coverages([("gsm8k", 9, tmp_path / "none")]) == []
    assert [one["seed"] for one in coverage.coverages(runs[:2])] == [0, 1]
    rows = coverage.coverages(runs)
    assert [one["seed"] for one in rows] == [0, 1, 2, "all"]
    eight, two = pass_at_k(32, np.array([8, 2]), 8)
    gains = {part: gain["difference"] for part, gain in rows[0]["gains"].items()}
    assert gains == pytest.approx({"all": (eight - two) / 2, "without": eight - two, "with": 0})
    assert rows[0]["than"] == pytest.approx((eight + two) / 2) and rows[0]["problems"] == 40
    assert rows[-1]["gains"]["without"]["difference"] == pytest.approx(
        np.mean([row["gains"]["without"]["difference"] for row in rows[:3]]))
    assert coverage.table(rows).count("yes") == 4 and not coverage.table([])
    other = run(tmp_path / "other", (8, 8), (8, 2), PROBLEMS[:30])
    assert len(coverage.coverages([*runs, ("gsm8k", 3, other)])) == 4, "other problems: not pooled"


@pytest.mark.parametrize(("better", "than", "expected"), [
    ((8, 20), (8, 4), True),
    ((8, 4), (8, 4), False),  # the same model
    ((8, 5), (8, 4), False),  # more, by too little
    ((1, 20), (8, 4), False),  # what is won on one kind is lost on the other
    ((30, 4), (4, 4), False),  # on kinds with demonstrations alone
])
def test_the_claims_of_a_seed_can_fail(tmp_path, better, than, expected):
    rows = coverage.coverages([("gsm8k", 0, run(tmp_path, better, than))])
    assert coverage.holds(rows[0]) is expected
    assert len(coverage.failed(rows, [("gsm8k", 0)])) == (not expected)
    assert ("yes" in coverage.table(rows)) is expected


def test_what_was_not_measured_does_not_hold(tmp_path):
    [line] = coverage.failed([], [("gsm8k", 4)])
    assert "gsm8k-s4" in line and "not measured" in line
    unmarked = [{"id": "0", "demonstrated": None}, {"id": "1", "demonstrated": None}]
    [row] = coverage.coverages([("gsm8k", 0, run(tmp_path, (8, 20), (8, 4), unmarked))])
    assert not coverage.holds(row) and "–" in coverage.table([row])


def test_the_whole_split_is_drawn_once_for_a_pair_of_models(tmp_path, monkeypatch):
    """Answers are stood in for: grpo is always right, sft in the first half of its draws."""
    monkeypatch.setenv("COURSE_ARTIFACTS", str(tmp_path))
    course = Course.load("tiny", "gsm8k", 0, {"data": {"test": 5}})
    ids = {"sft": "one", "grpo": "two"}

    class Made:
        def __init__(self, name):
            self.run_id, self.path = ids[name], tmp_path / name

    asked = []

    def generate(model, tokenizer, prompts, n, **how):
        asked.append((model, len(prompts), n))
        texts = [f"#### {answers[prompt]}" for prompt in prompts]
        return [[Completion(text if model == "grpo" or place < n // 2 else "#### none", 3, False)
                 for place in range(n)] for text in texts]

    track = Track(Course.load("tiny", "gsm8k", 0, {"data": {"test": None}}))
    tokenizer = models.load_tokenizer(course)
    answers = {track.text(tokenizer, one): one.answer for one in track.problems("test")}
    monkeypatch.setattr(artifacts, "find", lambda course, name: Made(name))
    monkeypatch.setattr(sampling, "load_engine", lambda path, course: path.parent.name)
    monkeypatch.setattr(sampling, "generate", generate)
    kept = coverage.measure(course)
    assert asked == [("sft", 768, 32), ("grpo", 768, 32)]
    assert set(kept["right"]["grpo"]) == {32} and set(kept["right"]["sft"]) == {16}
    assert coverage.measure(course) == kept and len(asked) == 2, "read, not drawn again"
    ids["grpo"] = "three"
    coverage.measure(course)
    assert len(asked) == 4, "another model is drawn anew"
