"""How long a click waits while a model writes: `python -m tests.benchmarks.clicks`.

The model is a loop that keeps Python busy, as a real one's does, and never ends by itself.
"""

import statistics
import tempfile
from pathlib import Path

from tests.widgets import kernel

CLICKS = 40


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, kernel.opened(Path(folder)) as page:
        page.click("draw")
        page.until(lambda: page.last("question"))
        page.click("generate")
        page.until(lambda: "sft: token" in page.last("status"))
        waits = []
        for _ in range(CLICKS):
            page.run("one.controls.question.value = ''")
            page.updates.clear()
            page.click("draw")
            waits.append(page.until(lambda: page.last("question")))
        page.click("stop")
        waits.sort()
        print(f"{CLICKS} clicks while a model writes, in milliseconds: "
              f"median {1000 * statistics.median(waits):.0f}, 95 % below "
              f"{1000 * waits[int(0.95 * CLICKS) - 1]:.0f}, longest {1000 * waits[-1]:.0f}")


if __name__ == "__main__":
    main()
