"""What others published, beside what this course's recipes measured:
`python -m helpers.course.published record|readme`.

`data/recorded/published.json` holds the published scores with their sources and what differs from
our recipe, and under `measured` what `record` copied there from finished runs of the recipes
(`python -m helpers.course.modes eval`). `readme` writes README's table from that file.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from helpers.config import ROOT, ConfigError, artifacts_root
from helpers.course.tables import markdown, share, write_block
from helpers.files import ArtifactError, read_json, write_json
from helpers.stats import wilson_interval

FILE = ROOT / "data" / "recorded" / "published.json"
BLOCK = "published"
MEASURED = "measured.json"  # of a run: {set: {model: scores}}
NOT_YET = "needs a GPU and the hub"
PROPORTIONS = ("pass@1", "pass@5", "greedy")  # of problems: these have an interval


def load(path: Path | None = None) -> dict:
    """{"sources": {key: {name, url, read}}, "rows": [...], "measured": {recipe: {set: {model:
    scores}}}}. A row: recipe (None: we have none), model, set, measure, published {stage: share},
    problems, how, differs, source."""
    return read_json(path or FILE)


def measured_here() -> dict[str, dict]:
    """{recipe: {set: {model: scores}}} of the runs among the artifacts that were measured, each
    recipe's lowest seed."""
    found: dict[str, dict] = {}
    for path in sorted(artifacts_root().glob(f"*/*-s*/{MEASURED}"), key=_seed):
        found.setdefault(path.parents[1].name, read_json(path))
    return found


def _seed(path: Path) -> tuple[int, str]:
    digits = path.parent.name.rpartition("-s")[2]
    return (int(digits) if digits.isdecimal() else 0, str(path))


def ours(row: Mapping, measured: Mapping[str, Mapping]) -> str:
    """Our scores for a published row, stage by stage; or why there are none."""
    by_model = measured.get(row["recipe"] or "", {}).get(row["set"], {})
    parts = []
    for stage in row["published"]:
        scores = by_model.get(stage)
        if scores and scores.get(row["measure"]) is not None:
            bounds = scores.get(f"{row['measure']}_ci95")
            parts.append(f"{stage} {share(scores[row['measure']], bounds)} "
                         f"({scores['n']} x {scores['samples']})")
    return ", ".join(parts) or NOT_YET


def theirs(row: Mapping) -> str:
    """The published scores, stage by stage, with the 95 % interval (Wilson) that so many problems
    allow, where the measure is a share of problems."""
    parts = []
    for stage, value in row["published"].items():
        bounds = None
        if row["measure"] in PROPORTIONS and row["problems"]:
            bounds = wilson_interval(round(value * row["problems"]), row["problems"])
        parts.append(f"{stage} {share(value, bounds)}")
    return ", ".join(parts)


def table(found: dict | None = None, measured: Mapping[str, Mapping] | None = None) -> str:
    """One row a recipe, set and measure, in percent. measured: by default what is recorded, and
    over it what the runs among the artifacts have."""
    found = found or load()
    known = measured if measured is not None else {**found["measured"], **measured_here()}
    numbers = {key: place for place, key in enumerate(found["sources"], start=1)}
    rows = [[f"`{row['recipe']}`" if row["recipe"] else "none", row["model"], row["set"],
             row["measure"], theirs(row), ours(row, known),
             f"{row['how']}; {row['differs']}", f"[{numbers[row['source']]}]"]
            for row in found["rows"]]
    lines = [f"[{numbers[key]}] {one['name']}, <{one['url']}> ({one['read']})"
             for key, one in found["sources"].items()]
    head = ["recipe", "their model", "set", "measure", "published %", "ours %",
            "how theirs was measured; what differs", "source"]
    return markdown(head, rows) + "\n\n" + "  \n".join(lines)


def record() -> list[str]:
    """Copy what this machine's runs of the recipes measured into the file; their names."""
    found, here = load(), measured_here()
    wanted = {row["recipe"] for row in found["rows"]} & here.keys()
    write_json(FILE, found | {"measured": found["measured"] | {k: here[k] for k in wanted}})
    return sorted(wanted)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers.course.published",
                                     description=__doc__)
    parser.add_argument("command", choices=["record", "readme"])
    options = parser.parse_args(arguments)
    try:
        if options.command == "record":
            print(f"recorded: {', '.join(record()) or 'no recipe was measured here'}")
        else:
            found = load()
            write_block(ROOT / "README.md", BLOCK, table(found, found["measured"]))
    except (ArtifactError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
