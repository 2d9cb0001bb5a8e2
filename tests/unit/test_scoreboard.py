"""The scoreboard is what its samples say: computed again here, from scratch."""

import json
import random

import pytest

from helpers.course import scoreboard
from helpers.evaluate import compare, score
from helpers.files import ArtifactError, listing
from helpers.verify import grade


def samples(skill, seed, n=40, answer="18"):
    """Rows of a model that is right in about `skill` of its samples, graded for real."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        texts = [rng.choice(["so\n#### 18", "it is 18"]) if rng.random() < skill else "#### 17"
                 for _ in range(9)]
        *texts, first = texts
        rows.append({
            "id": f"p{i}", "question": "q", "answer": answer, "completions": texts,
            "tokens": [4] * 8, "truncated": [False] * 8,
            "strict": [grade(t, answer) for t in texts],
            "lenient": [grade(t, answer, grading="lenient") for t in texts],
            "greedy": {"text": first, "tokens": 4, "truncated": False,
                       "strict": grade(first, answer),
                       "lenient": grade(first, answer, grading="lenient")},
        })
    return rows


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def finish(evaluation, seed, **changes):
    """The manifest of a finished evaluation, or one that differs in `changes`."""
    settings = {"preset": evaluation.parts[-3], "task": "gsm8k", "seed": seed}
    write(evaluation / "manifest.json", {
        "run_id": "20260101-000000-abcdef", "stage": "evaluation", "fingerprint": "0" * 16,
        "uses": ["evaluation"], "needs": {}, "files": listing(evaluation, ["manifest.json"]),
        "settings": settings, **changes})


MODELS = {"grpo": 0.9, "base": 0.1, "sft": 0.6, "base_few_shot": 0.3, "ppo": 0.7}


@pytest.fixture
def root(tmp_path):
    """Two runs with models, one without, and things that are no runs."""
    for run, names in [("gsm8k-s0", MODELS), ("gsm8k-s10", ["base", "sft"]), ("gsm8k-s2", ["sft"])]:
        for name in names:
            path = tmp_path / "tiny" / run / "evaluation" / f"samples_{name}.jsonl"
            write_jsonl(path, samples(MODELS[name], seed=f"{run}{name}"))
        finish(path.parent, int(run.split("-s")[1]))
    write(tmp_path / "tiny/gsm8k-s0/notebooks/03_sft.run.json", {"minutes": 2, "peak_memory_gb": 1})
    write(tmp_path / "tiny/gsm8k-s0/notebooks/07_grpo.run.json",
          {"minutes": 4.5, "peak_memory_gb": 1.5})
    write(tmp_path / "tiny/gsm8k-s0/sft/manifest.json", {"minutes": 1.9})  # within the notebook
    write(tmp_path / "tiny/gsm8k-s2/sft/manifest.json", {"minutes": 0.5})
    write(tmp_path / "tiny/math-s0/begun.json", {})
    write(tmp_path / "tiny/report/evaluation/samples_base.jsonl", "no run")
    write(tmp_path / "colab/gsm8k-s0/evaluation/samples_base.jsonl", "other preset")
    return tmp_path


def test_rows_and_tests_are_recomputed_from_the_samples(root):
    board = scoreboard.build("tiny", root)
    assert json.loads((root / "tiny" / "scoreboard.json").read_text()) == board
    assert [(r["seed"], r["stage"]) for r in board["rows"]] == [
        *((0, stage) for stage in ("base", "base_few_shot", "sft", "ppo", "grpo")),
        (2, "sft"), (10, "base"), (10, "sft"),
    ]
    for row in board["rows"]:
        rows = samples(MODELS[row["stage"]], seed=f"gsm8k-s{row['seed']}{row['stage']}")
        strict = [grade(text, "18") for r in rows for text in r["completions"]]
        assert row["pass@1"] == pytest.approx(sum(strict) / len(strict))
        assert row == {"task": "gsm8k", "seed": row["seed"], "stage": row["stage"], **score(rows)}
    pairs = [(t["seed"], t["better"], t["than"], t["measure"]) for t in board["tests"]]
    assert pairs == [
        *((0, *pair, measure) for pair in [("sft", "base"), ("sft", "base_few_shot"),
                                           ("ppo", "sft"), ("grpo", "sft")]
          for measure in ("strict", "lenient")),
        (10, "sft", "base", "strict"), (10, "sft", "base", "lenient"),
    ]
    for test in board["tests"]:
        a, b = (samples(MODELS[test[side]], seed=f"gsm8k-s{test['seed']}{test[side]}")
                for side in ("better", "than"))
        place = {key: test[key] for key in ("task", "seed", "better", "than", "measure")}
        assert test == place | compare(a, b, test["measure"])


def test_cost_is_that_of_the_notebooks_or_else_of_the_manifests(root):
    board = scoreboard.build("tiny", root)
    assert board["minutes"] == pytest.approx(2 + 4.5 + 0.5) and board["peak_memory_gb"] == 1.5
    for path in root.glob("tiny/*/notebooks/*.run.json"):
        path.unlink()
    board = scoreboard.build("tiny", root)
    assert board["minutes"] == pytest.approx(1.9 + 0.5) and board["peak_memory_gb"] is None


def test_equal_samples_give_an_equal_scoreboard_and_others_another(root):
    first = scoreboard.build("tiny", root)
    assert scoreboard.build("tiny", root) == first
    path = root / "tiny/gsm8k-s0/evaluation/samples_sft.jsonl"
    write_jsonl(path, samples(0.6, seed="other luck"))
    finish(path.parent, 0)
    assert scoreboard.build("tiny", root)["run_id"] != first["run_id"]


def test_the_artifacts_folder_is_the_default(root, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(root))
    assert scoreboard.build("tiny") == scoreboard.build("tiny", root)
    assert scoreboard.main(["--preset", "tiny"]) == 0
    assert capsys.readouterr().out == scoreboard.table(scoreboard.build("tiny")) + "\n"


def test_nothing_measured_and_damage_are_said_in_one_line(root, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ARTIFACTS", str(root))
    assert scoreboard.main(["--preset", "a100"]) == 1
    assert "helpers.course run --preset a100" in capsys.readouterr().err
    path = root / "tiny/gsm8k-s0/evaluation/samples_grpo.jsonl"
    write_jsonl(path, samples(0.9, seed=1, n=39))
    finish(path.parent, 0)
    assert scoreboard.main(["--preset", "tiny"]) == 1
    assert "same problems" in capsys.readouterr().err


def half_written(run):
    (run / "evaluation" / "manifest.json").unlink()


def cut(run):
    path = run / "evaluation" / "samples_grpo.jsonl"
    path.write_text(path.read_text()[:-20])


def copied_from_another_run(run):
    finish(run / "evaluation", seed=7)


def another_stage(run):
    finish(run / "evaluation", seed=0, stage="sft")


@pytest.mark.parametrize("harm, why", [
    (half_written, "it is not finished"), (cut, "samples_grpo.jsonl has"),
    (copied_from_another_run, "it is of another run: preset tiny, task gsm8k, seed 7"),
    (another_stage, "manifest.json is of another stage")])
def test_only_whole_evaluations_of_their_own_run_are_shown(root, capsys, harm, why):
    """The others are left out, with a line that says which and why, and cost nothing."""
    run = root / "tiny/gsm8k-s0"
    harm(run)
    board = scoreboard.build("tiny", root)
    assert {row["seed"] for row in board["rows"]} == {2, 10}
    assert {test["seed"] for test in board["tests"]} == {10}
    assert board["minutes"] == 0.5
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{run / 'evaluation'} is left out: {why}")


def test_a_file_that_no_stage_wrote_is_no_model(root):
    first = scoreboard.build("tiny", root)
    write_jsonl(root / "tiny/gsm8k-s0/evaluation/samples_mine.jsonl", samples(1.0, seed=1))
    write_jsonl(root / "tiny/gsm8k-s0/.evaluation.new/samples_sft.jsonl", samples(1.0, seed=1))
    assert scoreboard.build("tiny", root) == first


def test_the_table_shows_every_row_and_test_aligned(root):
    board = scoreboard.build("tiny", root)
    text = scoreboard.table(board)
    scores, more, tests, note = text.split("\n\n")
    for block, rows in [(scores, board["rows"]), (more, board["rows"]), (tests, board["tests"])]:
        lines = block.splitlines()
        assert len(lines) == len(rows) + 2 and len({len(line) for line in lines}) == 1
        assert len({line.count("|") for line in lines}) == 1
    grpo = board["rows"][4]
    low, high = grpo["pass@1_ci95"]
    cells = [cell.strip() for cell in scores.splitlines()[6].split("|")]
    assert cells[1:5] == ["gsm8k", "0", "grpo",
                          f"{100 * grpo['pass@1']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"]
    assert cells[-5:-1] == ["–"] * 4  # not measured at its best
    assert more.splitlines()[6].split("|")[-2].strip() == "40 x 8"
    assert "sft > base " in tests and tests.splitlines()[2].rstrip("| ").endswith("yes")
    assert board["run_id"] in note and "7.0 minutes" in note and "1.5 GB" in note


@pytest.fixture
def best_root(root):
    """The first run's models at their own best settings, and what training drew."""
    folder = root / "tiny/gsm8k-s0/evaluation"
    for name, skill, setting in [("base", 0.2, (0.0, 1.0)), ("sft", 0.8, (0.3, 0.9)),
                                 ("grpo", 0.9, (1.0, 1.0))]:
        rows = [row | dict(zip(("temperature", "top_p"), setting, strict=True))
                for row in samples(skill, seed=f"best {name}")]
        write_jsonl(folder / f"best_{name}.jsonl", rows)
    write(folder / "metrics.json", {"answers_drawn": {"base": 0, "sft": 0, "grpo": 10240}})
    finish(folder, 0)
    return root


def test_every_model_is_shown_at_its_own_best_setting_too(best_root):
    before = scoreboard.build("tiny", best_root)
    by_name = {row["stage"]: row for row in before["rows"] if row["seed"] == 0}
    texts = [t for row in samples(0.8, seed="best sft") for t in row["completions"]]
    assert by_name["sft"]["best_setting"] == "T = 0.3, top-p 0.9"
    assert by_name["base"]["best_setting"] == "greedy"
    assert by_name["sft"]["best_pass@1"] == pytest.approx(
        sum(grade(text, "18") for text in texts) / len(texts))
    assert by_name["sft"]["best_lenient_pass@1"] == pytest.approx(
        sum(grade(text, "18", grading="lenient") for text in texts) / len(texts))
    assert by_name["grpo"]["answers_drawn"] == 10240 and by_name["base"]["answers_drawn"] == 0
    assert "best_setting" not in by_name["ppo"] and "answers_drawn" not in by_name["ppo"]
    assert [(t["better"], t["than"], t["measure"]) for t in before["tests_at_best"]] == [
        (*pair, measure) for pair in [("sft", "base"), ("grpo", "sft")]
        for measure in ("strict", "lenient")]
    scores, _, _, at_best, _ = scoreboard.table(before).split("\n\n")
    assert "T = 0.3, top-p 0.9" in scores and "10,240" in scores and "greedy" in scores
    assert "at best settings" in at_best and "grpo > sft" in at_best


def test_other_answers_at_the_best_setting_are_another_scoreboard(best_root):
    before = scoreboard.build("tiny", best_root)["run_id"]
    path = best_root / "tiny/gsm8k-s0/evaluation/best_sft.jsonl"
    write_jsonl(path, [row | {"temperature": 0.3, "top_p": 0.9}
                       for row in samples(0.8, seed="other luck")])
    finish(path.parent, 0)
    assert scoreboard.build("tiny", best_root)["run_id"] != before


def test_a_missing_value_is_a_dash_and_no_better_says_no(root):
    board = scoreboard.build("tiny", root)
    board["rows"][0]["pass@8"] = None
    board["tests"][0]["ci95"] = [-0.01, 0.2]
    _, more, tests, _ = scoreboard.table(board).split("\n\n")
    assert " – " in more.splitlines()[2] and " – " not in more.splitlines()[3]
    assert tests.splitlines()[2].rstrip("| ").endswith("no")


BEGIN, END = "<!-- scoreboard:begin -->", "<!-- scoreboard:end -->"


def test_readme_gets_the_block_and_keeps_the_rest(root, tmp_path):
    board, readme = scoreboard.build("tiny", root), tmp_path / "README.md"
    readme.write_text(f"# Title\n{BEGIN}\nold\n{END}\n\nrest é\n")
    scoreboard.write_readme(board, readme)
    once = readme.read_text()
    assert once == (f"# Title\n{BEGIN}\n{scoreboard.table(board)}\n{END}"
                    f"\n\nrest é\n")
    scoreboard.write_readme(board, readme)
    assert readme.read_text() == once


@pytest.mark.parametrize("text", ["none", BEGIN, BEGIN * 2 + END,
                                  END + BEGIN])
def test_readme_without_its_marks_is_left_alone(root, tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ArtifactError, match="scoreboard:begin"):
        scoreboard.write_readme(scoreboard.build("tiny", root), readme)
    assert readme.read_text() == text


def test_seeds_are_taken_together_only_if_they_differ_in_nothing_else(tmp_path, capsys):
    for seed in range(3):
        folder = tmp_path / "tiny" / f"gsm8k-s{seed}" / "evaluation"
        for name in ("base", "sft"):
            write_jsonl(folder / f"samples_{name}.jsonl", samples(MODELS[name], f"{seed}{name}"))
        finish(folder, seed)
    pooled = scoreboard.build("tiny", tmp_path)["pooled"]
    assert {(gain["better"], gain["than"]) for gain in pooled} == {("sft", "base")}
    assert pooled[0]["seeds"] == [0, 1, 2] and not capsys.readouterr().err
    settings = json.loads((folder / "manifest.json").read_text())["settings"]
    finish(folder, 2, settings=settings | {"sft": {"shuffle_answers": True}})
    board = scoreboard.build("tiny", tmp_path)
    assert board["pooled"] == [] and len(board["gains"]) > 0
    told = capsys.readouterr().err
    assert "gsm8k: seeds 0, 1, 2 are not taken together" in told and "sft.shuffle_answers" in told
