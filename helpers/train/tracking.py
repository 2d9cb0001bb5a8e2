"""What a training run logs: one JSON line a step, and a figure that grows while you watch."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from transformers import TrainerCallback

from helpers import plots
from helpers.artifacts import Stage
from helpers.files import atomic_write_text

CURVE_FILE = "curve.jsonl"
SHARE = 0.05  # of the time, at most, for drawing
NOT_A_CURVE = ("train_", "total_flos", "epoch")  # the trainer's closing summary, and a repetition


class CourseCallback(TrainerCallback):
    """Writes `curve.jsonl` into the stage's folder and draws its curves live.

    A line is `{"step", "seconds", <key>: value…}` with TRL's own keys. `seconds` counts training
    time and goes on after a resume; lines beyond the checkpoint that is resumed from are dropped,
    so a step is never there twice. `live` names the curves to draw (default: the most telling the
    run has); the figure is redrawn at the end, and before that at most every `every` seconds, or
    less often where drawing would take more than SHARE of the time.
    """

    def __init__(self, stage: Stage, live: Sequence[str] | None = None, every: float = 2.0):
        self.stage = stage
        self.live = list(live) if live else None
        self.every = every
        self._display = None
        self._due = -math.inf
        self._earlier = 0.0
        self._started = time.monotonic()

    @property
    def file(self) -> Path:
        """Where the lines are: it moves with the stage, which is finished elsewhere."""
        return Path(self.stage.path) / CURVE_FILE

    def on_train_begin(self, args, state, control, **kwargs):
        """Start a new curve, or keep the lines up to the step that training resumes from."""
        self._started = time.monotonic()
        self._due = -math.inf
        self._display = None
        if not state.is_world_process_zero:
            return
        self.stage.writable()  # trained again after it was finished, it goes on beside that
        lines = [line for line in self._lines() if line["step"] <= state.global_step]
        if state.global_step == 0:
            lines = []
        self._earlier = lines[-1]["seconds"] if lines else 0.0
        atomic_write_text(self.file, "".join(_as_line(line) for line in lines))

    def on_log(self, args, state, control, logs=None, **kwargs):
        """One line for what was logged at this step; then the figure, if it is due."""
        values = {key: value for key, value in (logs or {}).items()
                  if isinstance(value, int | float) and not key.startswith(NOT_A_CURVE)}
        if not state.is_world_process_zero or not values:
            return
        seconds = round(self._earlier + time.monotonic() - self._started, 3)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(_as_line({"step": state.global_step, "seconds": seconds, **values}))
        if time.monotonic() >= self._due:
            self._draw()

    def on_train_end(self, args, state, control, **kwargs):
        """The final figure, which stays in the notebook."""
        if state.is_world_process_zero:
            self._draw()

    def curve(self) -> pd.DataFrame:
        """All lines so far, one row a step (several logs of one step are joined)."""
        lines = pd.DataFrame(self._lines())
        if lines.empty:
            return pd.DataFrame({"step": pd.Series(dtype=int)})
        return lines.groupby("step", as_index=False).last()

    def _lines(self) -> list[dict]:
        """Every whole line of the file; a last line that a stop cut in half is left out."""
        lines = []
        if self.file.exists():
            for text in self.file.read_text(encoding="utf-8").split("\n")[:-1]:
                lines.append(json.loads(text))
        return lines

    def _draw(self) -> None:
        curve, begun = self.curve(), time.monotonic()
        if curve.empty:
            return
        fig = plots.training_panel(curve, self.live)
        first = self._display is None
        self._display = self._display or f"curve-{self.stage.name}-{id(self)}"
        plots.show(fig, fig.get_label(), self._display, update=not first)
        drawn = time.monotonic()
        self._due = drawn + max(self.every, (drawn - begun) / SHARE)


def _as_line(values: dict) -> str:
    """One line of JSON; NaN and infinity, which JSON lacks, become null."""
    clean = {key: None if isinstance(value, float) and not math.isfinite(value) else value
             for key, value in values.items()}
    return json.dumps(clean) + "\n"
