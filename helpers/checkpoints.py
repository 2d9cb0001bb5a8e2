"""Checkpoints that can be trusted after a kill: a marker with sizes and hashes, written last.

The trainer writes `checkpoint-N/` file by file; a stop in between leaves a folder that loads
badly or not at all. `CheckpointGuard` marks a checkpoint once it is whole and on the disk, and
`last_complete` resumes from marked ones only. Keep `save_total_limit` at 2 or more: the trainer
removes the oldest checkpoint before the newest one is marked.
"""

import math
import shutil
from pathlib import Path

from transformers import TrainerCallback

from helpers.files import ArtifactError, damage, listing, read_json, remove, sync, write_json

MARKER = "complete.json"


class CheckpointGuard(TrainerCallback):
    """Marks each checkpoint as complete; add it to a trainer's callbacks.

    A GRPO run that is resumed between two generations samples its answers anew and is another run
    from there on, so a checkpoint between them is refused before training begins (ValueError).
    """

    def on_train_begin(self, args, state, control, **kwargs):
        pieces = (getattr(args, "steps_per_generation", None) or 1) * getattr(
            args, "num_iterations", 1)
        step = args.gradient_accumulation_steps
        if args.save_strategy == "steps" and args.save_steps * step % pieces:
            apart = math.lcm(pieces, step) // step
            raise ValueError(f"save_steps is {args.save_steps}, but answers are sampled for "
                             f"{pieces} passes at once, {step} a step: a run resumed from there "
                             f"would sample others. Set save_steps to a multiple of {apart}.")

    def on_save(self, args, state, control, **kwargs):
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            mark(folder)


def mark(folder: Path) -> None:
    """Put all files on the disk, then write the marker."""
    files = listing(folder, skip=(MARKER,))
    for name in files:
        sync(folder / name)
    write_json(folder / MARKER, {"files": files})


def write(root: Path, step: int, state: dict, keep: int | None = None) -> Path:
    """`checkpoint-<step>/state.pt` of a training loop of our own, marked when it is whole; then
    all but the newest `keep` are removed."""
    import torch

    folder = root / f"checkpoint-{step}"
    remove(folder)
    folder.mkdir(parents=True)
    torch.save(state, folder / "state.pt")
    mark(folder)
    kept = sorted(root.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for old in kept[:-keep] if keep else []:
        remove(old)
    return folder


def read(folder: Path) -> tuple[int, dict]:
    """Step and state of a checkpoint that `write` made; tensors on the CPU."""
    import torch

    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    return int(folder.name.split("-")[1]), state


def last_complete(folder: Path) -> str | None:
    """Path of the newest complete `checkpoint-N`; newer ones that are not are removed."""
    numbered = [p for p in folder.glob("checkpoint-*") if p.name.split("-")[1].isdigit()]
    for checkpoint in sorted(numbered, key=lambda p: int(p.name.split("-")[1]), reverse=True):
        if not (problem := _problem(checkpoint)):
            return str(checkpoint)
        print(f"{checkpoint.name} is removed: {problem}")
        shutil.rmtree(checkpoint)
    return None


def _problem(checkpoint: Path) -> str | None:
    if not (checkpoint / MARKER).exists():
        return "it was not written to its end"
    try:
        return damage(checkpoint, read_json(checkpoint / MARKER)["files"])
    except (ArtifactError, KeyError, TypeError, AttributeError):
        return f"its {MARKER} is damaged"
