"""How long a click waits while a model writes: `python -m tests.benchmarks.clicks`.

The model is a loop that keeps Python busy, as a real one's does, and never ends by itself. Measured
with the course's own ipywidgets and ipykernel, and with Colab's older ones where they are there.
"""

import statistics
import tempfile
from pathlib import Path

from tests import guards
from tests.widgets import kernel

CLICKS = 40


def waits(first: Path | None) -> list[float]:
    """Seconds from a click to what it changes, sorted; the packages of `first` before others."""
    with tempfile.TemporaryDirectory() as folder, kernel.opened(Path(folder), first) as page:
        page.click("draw")
        page.until(lambda: page.last("question"))
        page.click("generate")
        page.until(lambda: "sft: token" in page.last("status"))
        found = []
        for _ in range(CLICKS):
            page.run("one.controls.question.value = ''")
            page.updates.clear()
            page.click("draw")
            found.append(page.until(lambda: page.last("question")))
        page.click("stop")
        return sorted(found)


def main() -> None:
    old = guards.old_widgets()
    for side, first in {"the course's packages": None, **({"Colab's": old} if old else {})}.items():
        found = [1000 * one for one in waits(first)]
        print(f"{side}: {CLICKS} clicks while a model writes, in milliseconds: "
              f"median {statistics.median(found):.0f}, 95 % below "
              f"{found[int(0.95 * CLICKS) - 1]:.0f}, longest {found[-1]:.0f}")


if __name__ == "__main__":
    main()
