"""Command line: python -m helpers.data.tinyworld --out data/tiny [--seed 0]."""

from __future__ import annotations

import argparse
from pathlib import Path

from helpers.data.tinyworld.build import write


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.data.tinyworld",
        description="Write the nine tiny data sets from a seed.",
    )
    parser.add_argument("--out", type=Path, default=Path("data/tiny"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    report = write(options.out, options.seed)
    for name, facts in report.items():
        print(f"{name:28}{facts['rows']:>7} rows{facts['bytes'] / 1e6:>8.2f} MB")
    print(
        f"{'total':28}{sum(f['rows'] for f in report.values()):>7} rows"
        f"{sum(f['bytes'] for f in report.values()) / 1e6:>8.2f} MB"
    )


if __name__ == "__main__":
    main()
