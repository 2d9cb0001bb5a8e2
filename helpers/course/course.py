"""The whole course from one command: `python -m helpers.course run|plan|status|report|clean`.

`run` executes what is missing or out of date, in the order of the graph, and ends with the
scoreboard. Stop it whenever you like and run it again: finished stages stay, a stage that was
under way continues from its last checkpoint. `plan` says for programs what `run` would execute.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from helpers.artifacts import ArtifactError, Stage, find, is_made, write_json
from helpers.config import ConfigError, Course, artifacts_root, names
from helpers.course import continued, graph, recipes, report
from helpers.course.opening import check_course
from helpers.course.processes import Stopped, cores, lock, stop_with_input
from helpers.course.runner import RunFailed, Runner
from helpers.course.states import older, plan, record, run_ids, state


def ensure(course: Course, stage: str, notebooks: str | Path | None = None) -> Stage:
    """The finished stage. On the tiny preset what is missing is run first, elsewhere (it would
    take hours) the ArtifactError names the command to run."""
    if stage == continued.STAGE and course.recipe.start:
        continued.adopt(course)
    if course.preset != "tiny" or os.environ.get("COURSE_RUNNER") or is_made(course, stage):
        return find(course, stage)
    everything, others = graph.load(course, notebooks)
    makers = [n for n in everything if stage in n.makes]
    if not makers:
        why = next((f": {n.cannot}" for n in others if stage in n.makes), "")
        raise ArtifactError(f"no notebook of this run makes stage {stage!r}{why}")
    todo = plan(course, graph.with_parents(makers, everything))
    names = ", ".join(n.name for n in todo)
    print(f"stage {stage!r} is not made yet; running {names} first{_forecast(todo)}", flush=True)
    try:
        Runner(course).run(todo)
    except RunFailed as error:
        raise ArtifactError(str(error)) from None
    return find(course, stage)


def run(
    course: Course,
    notebooks: str | Path | None = None,
    only: str | None = None,
    jobs: int | None = None,
    force: bool = False,
    live: bool | None = None,
) -> None:
    """Make what is missing, then scoreboard and report; RunFailed if a notebook fails. What cannot
    be done for this task is said first. live: as the Runner takes it."""
    check_course(course)
    everything, others = graph.load(course, notebooks)
    own = recipes.wanted(course, everything, others)
    chosen = graph.select(only, everything, others) if only else own
    if course.recipe.start:
        continued.adopt(course)
    forced = {n.name for n in chosen} if force else set()
    wanted = graph.with_parents(chosen, everything)
    todo = plan(course, wanted, forced)
    made = len(wanted) - len(todo)
    if not only and not course.recipe.stages:
        for notebook in others:
            print(notebook.cannot, flush=True)
    print(f"{len(todo)} notebooks to run{_forecast(todo)}, {made} already made", flush=True)
    if todo:
        Runner(course, jobs or default_jobs(course), live=live).run(todo, forced)
    scores = scoreboard(course)
    if scores:
        print(scores)
    print(f"report: {report.build(course, everything, scores, others)}")


def planned(
    course: Course, notebooks: str | Path | None = None, only: str | None = None
) -> dict:
    """What `run` would execute now, in order: {"notebooks": [{"name", "makes", "minutes"}, …]},
    `makes` a list of stages, `minutes` as the head of the notebook says (0: it does not say).
    ConfigError as of `run`; nothing is executed or written."""
    check_course(course)
    everything, others = graph.load(course, notebooks)
    chosen = graph.select(only, everything, others) if only else recipes.wanted(
        course, everything, others)
    todo = plan(course, graph.with_parents(chosen, everything))
    if course.recipe.start:  # `run` copies this stage instead
        todo = [n for n in todo if continued.STAGE not in n.makes]
    return {"notebooks": [{"name": n.name, "makes": list(n.makes), "minutes": n.minutes}
                          for n in todo]}


def default_jobs(course: Course) -> int:
    """Two notebooks at a time on two cores or more; one where they would share a GPU."""
    return 2 if course.preset == "tiny" and cores() >= 2 else 1


def scoreboard(course: Course) -> str:
    """Write `<artifacts>/<course.group>/scoreboard.json`; its table, or "" before an evaluation."""
    if not is_made(course, "evaluation"):
        return ""
    from helpers.course import scoreboard as board

    scores = board.build(course.group)
    write_json(artifacts_root() / course.group / "scoreboard.json", scores)
    return board.table(scores)


def status(course: Course, notebooks: str | Path | None = None) -> str:
    """A line a notebook: made, stale, missing or failed, minutes, peak memory, run ids, and what of
    the library's code has changed since it was made; one for each that is no part of this run;
    and what would stop a run before it begins."""
    everything, others = graph.load(course, notebooks)
    width = max(len(n.name) for n in everything)
    lines = [f"{'notebook':{width}}  state    minutes  memory  run"]
    for notebook in everything:
        noted, now = record(course, notebook), state(course, notebook)
        minutes = f"{noted['minutes']:.1f}" if "minutes" in noted else ""
        memory = f"{noted['peak_memory_gb']:.1f} GB" if "peak_memory_gb" in noted else ""
        ids = ", ".join(run_ids(course, notebook).values()) if now == "made" else ""
        line = f"{notebook.name:{width}}  {now:7}  {minutes:>7}  {memory:>6}  {ids}"
        note = older(course, notebook) if now == "made" else ""
        lines.append(f"{line}  {note}".rstrip())
    lines += [notebook.cannot for notebook in others]
    try:
        check_course(course)
    except ConfigError as error:
        lines.append(f"a run would stop at once: {error}")
    return "\n".join(lines)


def clean(course: Course, yes: bool = False) -> bool:
    """Name this run's artifacts and remove them once agreed; whether they were removed."""
    folder = course.dir()
    if not folder.exists():
        print(f"nothing to clean: {folder} does not exist")
        return True
    files = [p for p in folder.rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files) / 1e6
    inside = ", ".join(sorted(p.name for p in folder.iterdir()))
    print(f"{folder}: {len(files)} files, {size:.1f} MB: {inside}")
    if not yes and (not sys.stdin.isatty() or input("remove them? [y/N] ").lower() != "y"):
        print("kept; add --yes to remove them without a question")
        return False
    with lock(course, wait=0.0):
        shutil.rmtree(folder)
    print("removed")
    return True


def _forecast(todo: list[graph.Notebook]) -> str:
    minutes = sum(n.minutes for n in todo)
    return f" (about {minutes:.0f} min one after the other)" if minutes >= 1 else ""


def _configuration(args: argparse.Namespace) -> Course:
    """Command line over recipe over defaults."""
    given = {k: getattr(args, k) for k in ("preset", "task", "seed")}
    if args.recipe:
        return recipes.load(args.recipe, args.notebooks, args.overrides, **given)
    given = {k: v for k, v in given.items() if v is not None}
    return Course.load(**given, overrides=args.overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.course", description=__doc__)
    parser.add_argument("command", choices=["run", "plan", "status", "report", "clean"])
    parser.add_argument("--preset", help="tiny, colab or a100 (tiny)")
    parser.add_argument("--task", help=f"{', '.join(names('task'))} (gsm8k)")
    parser.add_argument("--seed", type=int, help="(0)")
    parser.add_argument("--overrides", help="settings as YAML: '{grpo: {max_steps: 5}}'")
    parser.add_argument("--recipe", help=f"{', '.join(recipes.names())}, or a file of yours")
    parser.add_argument("--only", help="these and what they need: 07 · 03,07 · grpo")
    parser.add_argument("--jobs", type=int, help="notebooks at a time (2 on the tiny preset)")
    parser.add_argument("--force", action="store_true", help="run also what is already made")
    parser.add_argument("--watched", action="store_true", help="for a program that starts a run: "
                        "all progress is printed, and the run stops when its input is closed")
    parser.add_argument("--yes", action="store_true", help="clean without a question")
    parser.add_argument("--notebooks", help="folder of the notebooks (notebooks/)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed, 130 stopped by Ctrl-C, 128 + n by signal n."""
    args = _parser().parse_args(arguments)
    if args.watched:
        stop_with_input()
    try:
        course = _configuration(args)
        if args.command == "run":
            run(course, args.notebooks, args.only, args.jobs, args.force, args.watched or None)
        elif args.command == "plan":
            print(json.dumps(planned(course, args.notebooks, args.only)))
        elif args.command == "status":
            print(status(course, args.notebooks))
        elif args.command == "report":
            everything, others = graph.load(course, args.notebooks)
            scores = scoreboard(course)
            print(f"report: {report.build(course, everything, scores, others)}")
        else:
            return 0 if clean(course, args.yes) else 1
    except (ConfigError, ArtifactError, RunFailed) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Stopped) as stop:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 128 + (stop.args[0] if isinstance(stop, Stopped) else 2)
    return 0
