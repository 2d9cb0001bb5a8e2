"""The tiny data sets: columns and splits, right answers, kept defects, no question twice."""

from __future__ import annotations

import hashlib
import json
import random
import re

import pytest

from helpers.data.tinyworld import build, documents, instruct

COLUMNS = {
    "gsm8k": ["question", "answer"],
    "openr1": [
        "problem", "solution", "answer", "problem_type", "question_type", "source", "uuid",
        "is_reasoning_complete", "generations", "correctness_math_verify", "correctness_llama",
        "finish_reasons", "correctness_count", "messages",
    ],
    "deepscaler": ["problem", "answer", "solution"],
    "countdown": ["target", "nums"],
    "warmstart": ["query", "completion"],
    "smoltalk": ["messages", "source"],
    "ultrafeedback": [
        "prompt", "prompt_id", "chosen", "rejected", "messages", "score_chosen", "score_rejected",
    ],
    "aime24": ["id", "problem", "solution", "answer", "url", "year"],
    "math500": ["problem", "solution", "answer", "subject", "level", "unique_id"],
}  # fmt: skip
SPLITS = {
    "gsm8k": ["train", "test", "sealed"],
    "openr1": ["train"],
    "deepscaler": ["train"],
    "countdown": ["train"],
    "warmstart": ["train", "test"],
    "smoltalk": ["train", "test"],
    "ultrafeedback": [
        "train_prefs", "train_sft", "train_gen", "test_prefs", "test_sft", "test_gen",
    ],
    "aime24": ["train"],
    "math500": ["test"],
}  # fmt: skip


@pytest.fixture(scope="module")
def sets():
    return build.build(seed=0)


def boxed(text: str) -> str:
    """The content of the last box; answers hold braces one level deep at most."""
    return re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text)[-1]


def test_columns_stand_in_the_hubs_order(sets):
    assert list(sets) == list(COLUMNS)
    for name, splits in sets.items():
        assert list(splits) == SPLITS[name]
        for split, rows in splits.items():
            assert len(rows) == build.SIZES[name][split]
            assert all(list(row) == COLUMNS[name] for row in rows), f"{name}/{split}"


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    small = {name: {split: 12 for split in splits} for name, splits in SPLITS.items()}
    once, again, other = (json.dumps(build.build(seed, small)) for seed in (3, 3, 4))
    assert once == again
    assert once != other


def test_written_files_match_their_manifest_and_stay_small(tmp_path):
    report = build.write(tmp_path)
    assert sum(entry["bytes"] for entry in report.values()) < 6_000_000
    for name, entry in report.items():
        data = (tmp_path / f"{name}.jsonl").read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert data.count(b"\n") == entry["rows"]
    assert not list(tmp_path.rglob("*.part"))


def test_no_question_is_in_two_splits(sets):
    assert build.check_no_overlap(sets) > 10_000
    doubled = {
        "math500": {"test": sets["math500"]["test"]},
        "deepscaler": {"train": sets["math500"]["test"]},
    }
    with pytest.raises(build.OverlapError, match="math500/test and in deepscaler/train"):
        build.check_no_overlap(doubled)


def test_follow_up_turns_do_not_leak_into_the_test_splits(sets):
    def asked(rows):
        turns = (turn for row in rows for turn in row["messages"] if turn["role"] == "user")
        return {turn["content"] for turn in turns} - {thanks for thanks, _ in instruct.THANKS}

    train, test = (asked(sets["smoltalk"][split]) for split in ("train", "test"))
    pairs = {row["prompt"] for split in sets["ultrafeedback"].values() for row in split}
    assert not train & test
    assert not (train | test) & pairs


def test_documents_hold_no_problem_of_a_file(sets):
    rng = random.Random(5)
    held = {build.question(row) for name in ("openr1", "deepscaler", "aime24", "math500")
            for rows in sets[name].values() for row in rows}  # fmt: skip
    texts = [documents.math_document(rng) for _ in range(1500)]
    lines = {re.sub(r"^(Problem|Question|Q): ", "", text.split("\n")[0]) for text in texts}
    assert not held & lines
    assert all(
        documents.countdown_document(rng) and documents.instruct_document(rng) for _ in range(300)
    )


def test_math_solutions_end_with_the_answer_in_a_box(sets):
    for name, split in (("aime24", "train"), ("math500", "test"), ("deepscaler", "train")):
        for row in sets[name][split]:
            if row["solution"] and row["answer"]:
                assert boxed(row["solution"]) == row["answer"]


def test_deepscaler_lacks_some_solutions_and_a_few_answers(sets):
    rows = sets["deepscaler"]["train"]
    assert 0.4 < sum(row["solution"] == "" for row in rows) / len(rows) < 0.6
    assert sum(row["answer"] == "" for row in rows) == 6


def test_openr1_traces_are_flagged_as_they_are(sets):
    rows = sets["openr1"]["train"]
    for row in rows:
        wanted = boxed(row["solution"])
        assert len(row["generations"]) == 2
        flags = row["correctness_llama"] or row["correctness_math_verify"]
        assert row["correctness_count"] == sum(flags) >= 1
        for text, done, right in zip(
            row["generations"], row["is_reasoning_complete"], flags, strict=True
        ):
            assert text.startswith("<think>\n")
            assert done == ("</think>\n\n" in text)
            assert right == (done and boxed(text) == wanted)
        user, assistant = row["messages"]
        assert (user["role"], user["content"]) == ("user", row["problem"])
        place = row["generations"].index(assistant["content"])
        assert row["is_reasoning_complete"][place] and flags[place]
        if (
            row["question_type"] == "math-word-problem"
            and row["answer"]
            and "mathrm" not in row["answer"]
        ):
            assert row["answer"] == wanted


def test_openr1_keeps_the_real_sets_defects(sets):
    rows = sets["openr1"]["train"]
    share = {
        "null answer": sum(row["answer"] is None for row in rows),
        "proof": sum(row["answer"] == "proof" for row in rows),
        "letter": sum(row["question_type"] == "MCQ" for row in rows),
        "broken LaTeX": sum("mathrm" in (row["answer"] or "") for row in rows),
    }
    assert all(count >= 3 for count in share.values()), share
    assert sum(share.values()) < 0.08 * len(rows)
    assert 0.8 < sum(row["correctness_llama"] is None for row in rows) / len(rows) < 0.95
    assert any(row["finish_reasons"] is None for row in rows)
    assert sum(not all(row["is_reasoning_complete"]) for row in rows) > 100
    assert sum(row["correctness_count"] == 1 for row in rows) > 300


def test_aime_and_math500_have_their_own_forms(sets):
    aime, math = sets["aime24"]["train"], sets["math500"]["test"]
    assert [row["id"] for row in aime] == list(range(60, 90))
    assert all(re.fullmatch(r"\d{3}", row["answer"]) for row in aime)
    assert any(row["answer"].startswith("0") for row in aime)
    assert sum("\\frac" in row["answer"] for row in math) >= 5
    assert {row["level"] for row in math} <= set(range(1, 6))


def test_talk_alternates_and_its_answers_follow_the_instruction(sets):
    sources = set()
    for row in sets["smoltalk"]["train"] + sets["smoltalk"]["test"]:
        turns = [turn for turn in row["messages"] if turn["role"] != "system"]
        assert len(row["messages"]) - len(turns) <= 1
        assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        for user, assistant in zip(turns[::2], turns[1::2], strict=True):
            assert instruct.follows(user["content"], assistant["content"]) in (True, None)
        assert instruct.follows(turns[0]["content"], turns[1]["content"])
        sources.add(row["source"])
    assert {"smol-contraints", "smollm-rewrite-30k", "everyday-conversations"} <= sources


def test_preference_pairs_differ_by_the_rule_and_ties_exist(sets):
    for split, rows in sets["ultrafeedback"].items():
        for row in rows:
            chosen, rejected = row["chosen"], row["rejected"]
            assert chosen[0] == rejected[0] == {"content": row["prompt"], "role": "user"}
            assert row["messages"] == (chosen[:1] if split.endswith("_gen") else chosen)
            assert row["prompt_id"] == hashlib.sha256(row["prompt"].encode()).hexdigest()
            assert chosen[1]["content"] != rejected[1]["content"]
            assert instruct.follows(row["prompt"], chosen[1]["content"])
            tie = row["score_chosen"] == row["score_rejected"]
            assert instruct.follows(row["prompt"], rejected[1]["content"]) == tie
            assert row["score_chosen"] >= row["score_rejected"]
    rows = sets["ultrafeedback"]["train_prefs"]
    assert (
        0.03 < sum(row["score_chosen"] == row["score_rejected"] for row in rows) / len(rows) < 0.15
    )


def test_most_records_are_short(sets):
    # a domain BPE with single digits takes about three characters a token
    for name, splits in sets.items():
        column = {"openr1": "solution", "warmstart": "completion"}.get(name)
        for rows in splits.values():
            texts = [build.question(row) + " " + (row[column] if column else "") for row in rows]
            assert sum(len(text) < 650 for text in texts) / len(texts) > 0.9, name
