"""The course as a graph: which notebook makes which stage, and which stages it needs first.

A notebook's metadata says so: `course: {needs: [sft], makes: [grpo], uses: [grpo],
minutes: {tiny: 2.5}}`; optional lists `presets` and `tasks` say what it can do, and of other runs
it is no part; `tasks: checked` are all whose answers can be checked. A need with a dot,
`evaluation.rungs`, stands for the stages this setting lists. A notebook that looks at whatever is
made, and needs nothing of it, says `after: [evaluation]`: in a run that makes this stage it waits.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.config import ROOT, ConfigError, Course


@dataclass(frozen=True)
class Notebook:
    """One notebook as the runner sees it; `code` is a hash of its code cells, those of exercises
    left out."""

    name: str  # the file's name without .ipynb
    path: Path
    title: str
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    uses: tuple[str, ...]
    minutes: float  # on this preset, as its metadata expects; 0 = not said
    code: str
    cannot: str = ""  # one line: why it is no part of this run
    after: tuple[str, ...] = ()  # stages it waits for in a run that makes them


def folder(given: str | Path | None = None) -> Path:
    """Where the notebooks are: the argument, COURSE_NOTEBOOKS, or notebooks/."""
    return ROOT / (given or os.environ.get("COURSE_NOTEBOOKS") or "notebooks")


def load_graph(course: Course, place: str | Path | None = None) -> list[Notebook]:
    """The notebooks of this run in reading order; ConfigError if they do not fit together."""
    return load(course, place)[0]


def load(
    course: Course, place: str | Path | None = None
) -> tuple[list[Notebook], list[Notebook]]:
    """What `load_graph` and `left_out` give."""
    found, others = _sort(course, place)
    if not found:
        why = f": {others[0].cannot}" if others else ""
        raise ConfigError(f"no notebooks in {folder(place)} for this preset and task{why}")
    maker: dict[str, str] = {}
    for notebook in found:
        for stage in notebook.makes:
            if stage in maker:
                raise ConfigError(f"{maker[stage]} and {notebook.name} both make {stage!r}")
            maker[stage] = notebook.name
    for notebook in found:
        for stage in notebook.needs:
            if stage not in maker:
                raise ConfigError(f"{notebook.name} needs {stage!r}, which no notebook makes")
    in_order(found)  # a circle is found here
    return found, others


def left_out(course: Course, place: str | Path | None = None) -> list[Notebook]:
    """The notebooks that are no part of this run, `cannot` says why: they cannot do this task or
    preset, or they need what such a notebook makes."""
    return _sort(course, place)[1]


def _sort(course: Course, place: str | Path | None) -> tuple[list[Notebook], list[Notebook]]:
    """The notebooks of this run, and the others."""
    everything = [_read(path, course) for path in sorted(folder(place).glob("[0-9A]*.ipynb"))]
    found = [notebook for notebook in everything if not notebook.cannot]
    others = [notebook for notebook in everything if notebook.cannot]
    while True:
        made = {stage for notebook in found for stage in notebook.makes}
        unmade = {stage: n for n in others for stage in n.makes if stage not in made}
        lacking = [(n, need) for n in found for need in n.needs if need in unmade]
        if not lacking:
            return found, sorted(others, key=lambda n: n.name)
        notebook, need = lacking[0]
        found.remove(notebook)
        because = unmade[need].cannot.partition(":")[0]
        others.append(replace(notebook, cannot=f"{notebook.name} needs {need!r}, and {because}"))


def _read(path: Path, course: Course) -> Notebook:
    """The notebook; `cannot` is set if it does not do this preset or task."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        meta = content["metadata"].get("course", {})
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]
                 if not _of_exercise(cell)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no notebook: {error!r}") from None
    cannot = ""
    for key in ("preset", "task"):
        able, asked = meta.get(f"{key}s"), getattr(course, key)
        if able == "checked":
            if course.answer_format == "free":
                cannot = f"{path.stem} cannot do {key} {asked!r}: its answers cannot be checked"
        elif able is not None and asked not in able:
            cannot = (f"{path.stem} cannot do {key} {asked!r}: it can do {', '.join(able)} "
                      f"(course.{key}s in its metadata)")
    code = hashlib.sha256("\0".join(text for kind, text in cells if kind == "code").encode())
    headings = [t.strip() for kind, t in cells if kind == "markdown" and t.startswith("# ")]
    return Notebook(
        name=path.stem,
        path=path,
        title=headings[0].splitlines()[0][2:] if headings else path.stem,
        needs=tuple(stage for need in meta.get("needs", []) for stage in _stages(need, course)),
        makes=tuple(meta.get("makes", [])),
        uses=tuple(meta.get("uses", [])),
        minutes=float(meta.get("minutes", {}).get(course.preset, 0)),
        code=code.hexdigest()[:16],
        cannot=cannot,
        after=tuple(meta.get("after", [])),
    )


def _of_exercise(cell: dict) -> bool:
    """Whether the cell is a stub or a check: what stands there changes no stage."""
    tags = cell.get("metadata", {}).get("tags", [])
    return any(str(tag).startswith(("exercise:", "check:")) for tag in tags)


def _stages(need: str, course: Course) -> list[str]:
    section, _, key = need.partition(".")
    return list(getattr(getattr(course, section), key)) if key else [need]


def parents(notebook: Notebook, among: Iterable[Notebook]) -> list[Notebook]:
    """The notebooks that make what this one needs."""
    return [other for other in among if set(other.makes) & set(notebook.needs)]


def before(notebook: Notebook, among: Iterable[Notebook]) -> list[Notebook]:
    """The notebooks that this one waits for: its parents, and those it comes `after`."""
    waits = {*notebook.needs, *notebook.after}
    return [other for other in among if set(other.makes) & waits]


def in_order(notebooks: list[Notebook]) -> list[Notebook]:
    """Every notebook after those it waits for, otherwise in the order given."""
    done: list[Notebook] = []
    while len(done) < len(notebooks):
        ready = [n for n in notebooks if n not in done and set(before(n, notebooks)) <= set(done)]
        if not ready:
            circle = ", ".join(n.name for n in notebooks if n not in done)
            raise ConfigError(f"these notebooks need each other in a circle: {circle}")
        done.append(ready[0])
    return done


def with_parents(chosen: list[Notebook], notebooks: list[Notebook]) -> list[Notebook]:
    """The chosen notebooks and all they need, directly or not, in order."""
    wanted = set(chosen)
    for notebook in reversed(in_order(notebooks)):
        if notebook in wanted:
            wanted.update(parents(notebook, notebooks))
    return [n for n in in_order(notebooks) if n in wanted]


def select(
    only: str | None, notebooks: list[Notebook], others: Sequence[Notebook] = ()
) -> list[Notebook]:
    """Notebooks by number, start of the name or stage made: "07", "03,07", "sft"; None = all.
    ConfigError for what is not among them; of those in `others` it says why."""
    if not only:
        return list(notebooks)

    def called(word: str, among: Sequence[Notebook]) -> list[Notebook]:
        return [n for n in among if word in n.makes or n.name.startswith(word)]

    chosen = []
    for word in only.replace(",", " ").split():
        hits = called(word, notebooks)
        if not hits and (out := called(word, others)):
            raise ConfigError(f"--only {word}: {out[0].cannot}")
        if not hits:
            known = ", ".join(n.name for n in notebooks)
            raise ConfigError(f"--only {word}: no such notebook or stage; there are {known}")
        chosen += [n for n in hits if n not in chosen]
    return chosen


def longest_path(notebook: Notebook, notebooks: list[Notebook]) -> float:
    """Minutes from the start of this notebook to the end of the last one that waits for it."""
    after = [n for n in notebooks if notebook in before(n, notebooks)]
    return notebook.minutes + max((longest_path(n, notebooks) for n in after), default=0.0)
