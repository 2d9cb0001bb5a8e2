r"""Our verdicts against those of lm-eval's gsm8k task on the same completions.

    python -m tests.benchmarks.harness [--evaluation FOLDER] [--record]

EleutherAI's lm-evaluation-harness (<https://github.com/EleutherAI/lm-evaluation-harness>) lies in
`.venv-harness` (`make bench-harness` puts it there). Its task gsm8k has two scores: `strict-match`,
the first `#### (\-?[0-9\.\,]+)`, and `flexible-extract`, the last `(-?[$0-9.,]{2,})|(-?[0-9]+)`;
both compare as text, without `,`, `$` and one dot at the end. They are asked about every completion
of a run's evaluation and about a shelf of hard endings, beside our `strict` and `lenient`. Where
verdicts differ, a kind in `tests.benchmarks.harness_kinds` has to say what is defined otherwise;
a difference of no kind is a fault of one side, and ends the run with 1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from helpers.config import ROOT, Course
from helpers.evaluate import load_samples
from helpers.files import read_json, write_json
from helpers.verify import extract, grade
from tests.benchmarks.harness_kinds import OURS, SHELF, THEIRS, Answer, Case, kind

VERSION = "0.4.13"  # of lm-eval; also in requirements-harness.txt beside this file
HARNESS = ROOT / ".venv-harness"
RECORD = ROOT / "data" / "recorded" / "harness.json"
MEASURES = {"strict": "strict-match", "lenient": "flexible-extract"}


def ask(texts: Sequence[tuple[str, str]]) -> dict:
    """What lm-eval's task says of (completion, reference), in a process of its own; SystemExit
    where it is not the pinned version, or where its score is not that of its verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        rows, found = Path(folder) / "rows.jsonl", Path(folder) / "found.json"
        rows.write_text(
            "".join(
                json.dumps({"question": "?", "answer": f"#### {gold}", "completion": text}) + "\n"
                for text, gold in texts
            ),
            encoding="utf-8",
        )
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(HARNESS), str(ROOT)]),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
        }
        ran = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.harness_worker", str(rows), str(found)],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            raise SystemExit(
                f"lm-eval failed (`make bench-harness` installs it into "
                f"{HARNESS.name}):\n{ran.stderr[-3000:]}"
            )
        answer = read_json(found)
    if answer["version"] != VERSION:
        raise SystemExit(
            f"lm-eval {answer['version']} was asked instead of {VERSION}: run "
            f"`make bench-harness`, which installs it into {HARNESS.name}"
        )
    for name, one in answer["filters"].items():
        right = sum(one["correct"]) / len(texts)
        if abs(right - one["score"]) > 1e-9:
            raise SystemExit(f"{name}: its score is {one['score']}, its verdicts make {right}")
    return answer


def cases(answers: Sequence[Answer], filters: dict[str, dict[str, list]]) -> list[Case]:
    """Both sides' verdicts by both measures; `filters`: theirs, in the order of the answers.
    SystemExit where a run has recorded another verdict of ours than this code gives."""
    made = []
    for measure, name in MEASURES.items():
        theirs = filters[name]
        for one, extracted, correct in zip(
            answers, theirs["extracted"], theirs["correct"], strict=True
        ):
            ours = grade(one.text, one.gold, "hash", measure)
            ours = ours and not (one.cut and measure == "strict")  # as `Track.grade` has it
            if getattr(one, measure) not in (None, ours):
                raise SystemExit(
                    f"{measure} is {ours} by this code, not as the run recorded it: {one}; make "
                    f"its evaluation anew"
                )
            found = extract(one.text, "hash", measure)
            made.append(Case(measure, one.text, one.gold, ours, correct, found, extracted, one.cut))
    return made


def compare(judged: Sequence[Case]) -> dict:
    """{measure: {"ours", "theirs": share that is right, "differ": {kind: how often}}}, the first
    example of each kind, and under "unnamed" the cases that are of none."""
    table: dict = {"examples": {}, "unnamed": []}
    for measure in MEASURES:
        asked = [one for one in judged if one.measure == measure]
        differ: Counter[str] = Counter()
        for one in asked:
            if one.ours == one.theirs:
                continue
            if (named := kind(one)) is None:
                table["unnamed"].append(one)
            else:
                differ[named] += 1
                table["examples"].setdefault(f"{measure}: {named}", one)
        table[measure] = {
            "answers": len(asked),
            "differ": dict(sorted(differ.items())),
            "ours": sum(one.ours for one in asked) / len(asked),
            "theirs": sum(one.theirs for one in asked) / len(asked),
        }
    return table


def written(evaluation: Path) -> dict[str, list[Answer]]:
    """{model: all its samples and greedy answers, as its run has graded them}."""
    texts = {}
    for path in sorted(evaluation.glob("samples_*.jsonl")):
        answers = texts[path.stem.removeprefix("samples_")] = []
        for row in load_samples(path):
            kinds = (row[key] for key in ("completions", "truncated", *MEASURES))
            for text, *said in zip(*kinds, strict=True):
                answers.append(Answer(text, row["answer"], *said))
            best = row["greedy"]
            answers.append(
                Answer(
                    best["text"], row["answer"], best["truncated"], best["strict"], best["lenient"]
                )
            )
    if not texts:
        raise SystemExit(
            f"no samples_*.jsonl in {evaluation}: run `make course`, or give "
            f"--evaluation the folder of a finished evaluation of task gsm8k"
        )
    return texts


def report(tables: dict[str, dict]) -> str:
    """The scores of both sides, then every kind of difference with what is defined otherwise."""
    lines = [
        f"{'':16}{'answers':>8}{'strict':>9}{'strict-match':>14}{'differ':>8}{'lenient':>9}"
        f"{'flexible-extract':>18}{'differ':>8}"
    ]
    total: Counter[tuple[str, str]] = Counter()
    for name, table in tables.items():
        line = f"{name:16}{table['strict']['answers']:8,}"
        for measure, width in zip(MEASURES, (14, 18), strict=True):
            one = table[measure]
            differ = sum(one["differ"].values()) + sum(
                case.measure == measure for case in table["unnamed"]
            )
            line += f"{one['ours']:9.2%}{one['theirs']:{width}.2%}{differ:8,}"
            total.update({(measure, named): count for named, count in one["differ"].items()})
        lines.append(line)
    for (measure, named), count in sorted(total.items()):
        side, words = ("them", THEIRS[named]) if named in THEIRS else ("us", OURS[named])
        lines.append(f"{count:6,}  {measure}, right for {side} only, {named}: {words[0]}")
    for name, table in tables.items():
        lines += [f"OF NO KIND, {name}: {one}" for one in table["unnamed"]]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--evaluation",
        type=Path,
        help="stage evaluation of a run; else that of preset tiny, task gsm8k, seed 0",
    )
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.relative_to(ROOT)}")
    args = parser.parse_args()
    sources = written(args.evaluation or Course.load("tiny", "gsm8k", 0).dir("evaluation"))
    sources["shelf"] = list(SHELF)
    # Models say many things twice, and the harness takes milliseconds for each.
    different = list(dict.fromkeys(one[:2] for texts in sources.values() for one in texts))
    found = ask(different)
    place = {one: n for n, one in enumerate(different)}
    judged = {}
    for name, texts in sources.items():
        chosen = [place[one[:2]] for one in texts]
        filters = {
            key: {what: [one[what][n] for n in chosen] for what in ("extracted", "correct")}
            for key, one in found["filters"].items()
        }
        judged[name] = cases(texts, filters)
    tables = {name: compare(one) for name, one in judged.items()}
    print(f"lm-eval {VERSION}, task gsm8k {found['task']}\n{report(tables)}")
    if args.record:
        models = {
            name: {measure: table[measure] for measure in MEASURES}
            for name, table in tables.items()
            if name != "shelf"
        }
        write_json(
            RECORD,
            {
                "lm_eval": VERSION,
                "task": found["task"],
                "models": models,
                "shelf": [vars(one) for one in judged["shelf"]],
            },
        )
    if missed := sum(len(table["unnamed"]) for table in tables.values()):
        raise SystemExit(f"{missed} verdicts differ, and no definition says why")


if __name__ == "__main__":
    main()
