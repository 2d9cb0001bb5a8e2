"""The benchmark against lm-eval's gsm8k: a difference is seen, and of a kind or a fault."""

import json
from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from helpers.config import ROOT
from helpers.files import read_json, write_json
from tests.benchmarks import harness
from tests.benchmarks.harness_kinds import OURS, SHELF, THEIRS, Answer, Case, kind


@pytest.fixture(scope="module")
def recorded():
    record = read_json(harness.RECORD)
    return record | {"shelf": [Case(**one) for one in record["shelf"]]}


def filters(texts, strict, lenient):
    """Their verdicts, made up: (extracted, correct) of each text by both measures."""
    return {
        name: dict(zip(("extracted", "correct"), map(list, zip(*one, strict=True)), strict=True))
        for name, one in (("strict-match", strict), ("flexible-extract", lenient))
    }


def compared(text, gold, strict, lenient):
    return harness.compare(
        harness.cases([Answer(text, gold)], filters([text], [strict], [lenient]))
    )


def test_equal_verdicts_are_no_difference():
    table = compared("It is 18.\n#### 18", "18", ("18", True), ("18", True))
    assert table["strict"] == {"answers": 1, "differ": {}, "ours": 1.0, "theirs": 1.0}
    assert table["lenient"]["differ"] == {} and table["unnamed"] == []


def test_a_wrong_verdict_of_either_side_is_of_no_kind():
    """What a faulty grader would say, here or there, hides behind no definition."""
    table = compared("It is 18.\n#### 18", "18", ("18", False), ("17", False))
    assert [one.measure for one in table["unnamed"]] == ["strict", "lenient"]
    table = compared("It is 18.\n#### 17", "18", ("17", True), ("17", True))
    assert [one.measure for one in table["unnamed"]] == ["strict"]


def test_the_shelf_is_graded_as_recorded(recorded):
    """Every verdict of ours beside theirs, so that one that changes is seen here."""
    half = len(SHELF)
    theirs = {
        name: {
            "extracted": [one.their_answer for one in part],
            "correct": [one.theirs for one in part],
        }
        for name, part in zip(
            harness.MEASURES.values(),
            (recorded["shelf"][:half], recorded["shelf"][half:]),
            strict=True,
        )
    }
    assert harness.cases(SHELF, theirs) == recorded["shelf"]


def test_a_runs_own_verdicts_are_compared_and_have_to_be_those_of_this_code(tmp_path):
    row = {
        "answer": "18",
        "completions": ["#### 18", "#### 1"],
        "truncated": [True, False],
        "strict": [False, False],
        "lenient": [True, False],
        "greedy": {"text": "18", "truncated": False, "strict": False, "lenient": True},
    }
    (tmp_path / "samples_sft.jsonl").write_text(json.dumps(row) + "\n")
    answers = harness.written(tmp_path)["sft"]
    theirs = filters(
        answers,
        [("18", True), ("1", False), ("[invalid]", False)],
        [("18", True), ("1", False), ("18", True)],
    )
    table = harness.compare(harness.cases(answers, theirs))
    assert table["strict"]["differ"] == {"cut off": 1} and table["lenient"]["differ"] == {}
    with pytest.raises(SystemExit, match="strict is False by this code, not as the run recorded"):
        harness.cases([answers[1]._replace(strict=True)], filters([0], [("1", 0)], [("1", 0)]))


def test_every_kind_stands_on_the_shelf_and_every_difference_is_of_one(recorded):
    differ = [one for one in recorded["shelf"] if one.ours != one.theirs]
    kinds = [kind(one) for one in differ]
    assert None not in kinds and set(kinds) == THEIRS.keys() | OURS.keys()
    for model in recorded["models"].values():
        for measure in harness.MEASURES:
            assert set(model[measure]["differ"]) <= THEIRS.keys() | OURS.keys()


def test_no_kind_explains_a_verdict_turned_round(recorded):
    """A mutant on each completion that both sides judge alike: our verdict is turned round."""
    alike = [one for one in recorded["shelf"] if one.ours == one.theirs]
    hidden = [one for one in alike if kind(replace(one, ours=not one.ours))]
    assert len(alike) > 60 and len(hidden) < len(alike) / 4, hidden


def test_another_version_or_another_score_is_refused(monkeypatch):
    answer = {
        "version": harness.VERSION,
        "task": 3.0,
        "filters": {"strict-match": {"extracted": ["18"], "correct": [True], "score": 1.0}},
    }

    def worker(command, **_):
        write_json(command[-1], answer)
        return type("Ran", (), {"returncode": 0})

    monkeypatch.setattr(harness.subprocess, "run", worker)
    assert harness.ask([("#### 18", "18")]) == answer
    answer["filters"]["strict-match"]["score"] = 0.5
    with pytest.raises(SystemExit, match="its score is 0.5, its verdicts make 1.0"):
        harness.ask([("#### 18", "18")])
    answer["version"] = "0.4.9"
    with pytest.raises(SystemExit, match="lm-eval 0.4.9 was asked instead of .*make bench-harness"):
        harness.ask([("#### 18", "18")])


def test_a_folder_without_answers_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match="no samples_.*make course"):
        harness.written(tmp_path)


def test_what_is_asked_is_what_is_pinned_and_recorded(recorded):
    place = ROOT / "tests" / "benchmarks" / "requirements-harness.txt"
    pins = {
        Requirement(line).name: str(Requirement(line).specifier)
        for line in place.read_text(encoding="utf-8").splitlines()
        if line[0] != "#"
    }
    assert pins["lm-eval"] == f"=={harness.VERSION}" == f"=={recorded['lm_eval']}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    measures = [one for model in recorded["models"].values() for one in model.values()]
    differ = sum(sum(one["differ"].values()) for one in measures)
    whole = sum(one["answers"] for one in measures)
    assert f"{differ} of {whole:,} verdicts" in readme
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"{harness.HARNESS.name}/ready" in makefile and "tests.benchmarks.harness" in makefile
