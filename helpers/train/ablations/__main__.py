"""The command line of the short runs: `python -m helpers.train.ablations run|record`.

    python -m helpers.train.ablations run [--seeds 0 1 2] [--chapters coin …]
    python -m helpers.train.ablations record

`run` trains what is not finished yet, one run after the other, from the `sft` of a run of preset
tiny (for PPO with its `reward`); it may be stopped at any time. `record` keeps what is finished in
data/recorded/ablations.json.
"""

import argparse
import sys
from pathlib import Path

from helpers.artifacts import find
from helpers.config import ConfigError, Course
from helpers.files import ArtifactError
from helpers.train.ablations import record, runs
from helpers.train.ablations.variants import CHAPTERS, VARIANTS, queue


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where a stage or every run is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.train.ablations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["run", "record"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--chapters",
        nargs="+",
        choices=list(CHAPTERS),
        default=[],
        metavar="NAME",
        help=f"of run: some of {', '.join(CHAPTERS)}; all, if none is named",
    )
    parser.add_argument("--from-seed", type=int, default=0, help="whose sft and reward")
    parser.add_argument("--lines", type=Path, help="the finished runs, a line of JSON each")
    parser.add_argument("--out", type=Path, default=record.RECORD, help="of record")
    options = parser.parse_args(arguments)
    try:
        course = Course.load("tiny", "gsm8k", options.from_seed)
        lines = options.lines or course.dir() / "ablations.jsonl"
        sft = find(course, "sft")
        if options.command == "run":
            wanted = queue(options.seeds, options.chapters)
            judged = any(one.section == "ppo" for name, _ in wanted if (one := VARIANTS.get(name)))
            runs.run(
                wanted,
                sft,
                find(course, "reward") if judged else None,
                lines,
                said=lambda line: print(line, flush=True),
            )
        else:
            kept = record.write(lines, sft, options.out)
            print(record.progress(kept, options.seeds))
    except (ArtifactError, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
