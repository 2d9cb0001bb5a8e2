"""A recipe in one command: `python -m helpers.course.modes sft|rl|both|eval|test --recipe NAME`.

sft: supervised tuning · rl: what is trained by reward, and what it needs · both: all stages of the
recipe · eval: the models that are made, measured side by side on the recipe's data sets · test: is
the answer's reward paid where it should be? `--max-samples 100` runs all of it on 100 problems, in
a folder of its own (NAME-100).
"""

import argparse
import os
import sys
from pathlib import Path

from helpers.config import ConfigError, Course
from helpers.course import course as commands
from helpers.course import graph, recipes
from helpers.course.processes import Stopped
from helpers.rungs import NAMES, RUNGS

MODES = ("sft", "rl", "both", "eval", "test")


def stages(course: Course, mode: str) -> list[str]:
    """The stages of the recipe that a mode makes (what they need is made, too); ConfigError if it
    has none."""
    own = course.recipe.stages or list(NAMES)
    by_reward = [rung.name for rung in RUNGS if rung.pays_rewards]
    wanted = {"sft": ["sft"], "rl": by_reward, "both": own}[mode]
    found = [stage for stage in own if stage in wanted]
    if not found:
        raise ConfigError(f"mode {mode}: recipe {course.recipe.name!r} has none of its stages "
                          f"({', '.join(wanted)}), only {', '.join(own)}")
    return found


def changes(options: argparse.Namespace) -> dict:
    """The overrides that the options stand for."""
    found: dict = {}
    if options.model:
        folder = Path(options.model).expanduser()
        found["model"] = {"name": str(folder.resolve()) if folder.is_dir() else options.model,
                          "revision": None}
    if options.epochs is not None:
        found["sft"] = {"epochs": options.epochs, "max_steps": None}
    if options.batch_size is not None:
        found["sft"] = {**found.get("sft", {}), "batch_size": options.batch_size}
    if options.report_to:
        found["tracking"] = {"report_to": [options.report_to]}
    return found


def fewer(course: Course, count: int) -> dict:
    """The overrides of a test run on `count` problems: one pass of each method over them, and
    no more steps than problems."""
    def steps(section) -> int:
        return max(1, min(section.max_steps, -(-count // section.prompts_per_step)))

    few = {"train": count, "validation": max(1, count // 4), "test": count}
    return {
        "recipe": {"name": f"{course.group}-{count}"},
        "data": {key: min(value, getattr(course.data, key) or value) for key, value in few.items()},
        "pairs": {"problems": min(count, course.pairs.problems or count)},
        **{name: {"max_steps": steps(getattr(course, name))} for name in ("ppo", "grpo", "rloo")},
        **{name: {"max_steps": min(count, section.max_steps)}
           for name in ("sft", "reward_model", "dpo", "rft")
           if (section := getattr(course, name)).max_steps}}


def configuration(options: argparse.Namespace) -> Course:
    """Options over overrides over the recipe."""
    if options.output:
        os.environ["COURSE_ARTIFACTS"] = str(options.output.expanduser().resolve())
    asked = recipes.with_changes(recipes.as_mapping(options.overrides), changes(options))
    given = {"preset": options.preset, "seed": options.seed}
    course = recipes.load(options.recipe, None, asked, **given)
    if options.max_samples is not None:
        if options.max_samples < 1:
            raise ConfigError(f"--max-samples: is {options.max_samples}, must be 1 or more")
        asked = recipes.with_changes(fewer(course, options.max_samples), asked)
        course = recipes.load(options.recipe, None, asked, **given)
    return course


def evaluate(course: Course, show: int) -> None:
    """Measure, and print the table and some answers."""
    from helpers.course import measuring  # torch

    made = measuring.models_of(course)
    print(f"measuring {', '.join(made)}; other models are made with mode both", flush=True)
    print(measuring.table(measuring.measure_models(course)))
    if show:
        print(f"\n{measuring.shown(course, show)}")


def check(course: Course) -> None:
    """ConfigError for what the recipe names and what is not there, but for the model that it goes
    on from: that may be made later."""
    commands.check_course(course, start=False)
    recipes.wanted(course, *graph.load(course))


def self_test(course: Course) -> bool:
    """Print what the reward for the answer pays for answers of which that is known; whether all of
    them were paid so."""
    from helpers.known import cases

    found = cases(course)
    for one in found:
        print(f"{'ok  ' if one.right else 'FAIL'}  {one.name}: pays {one.paid}, should pay "
              f"{one.expected}")
    return all(one.right for one in found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers.course.modes", description=__doc__)
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--recipe", required=True,
                        help=f"{', '.join(recipes.names())}, or a file of yours")
    parser.add_argument("--max-samples", type=int, help="a test run on so many problems")
    parser.add_argument("--model", help="a folder, or with the hub its id, instead of the recipe's")
    parser.add_argument("--output", type=Path, help="folder of the runs (artifacts/)")
    parser.add_argument("--epochs", type=float, help="of supervised tuning")
    parser.add_argument("--batch-size", type=int, help="rows at a time in supervised tuning")
    parser.add_argument("--report-to", choices=["tensorboard", "trackio", "wandb"],
                        help="where curves are sent as well")
    parser.add_argument("--overrides", help="settings as YAML: '{grpo: {max_steps: 5}}'")
    parser.add_argument("--preset", help="instead of the recipe's")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, help="notebooks at a time")
    parser.add_argument("--show", type=int, default=0,
                        help="eval: so many random problems with every model's answer")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed, 130 stopped by Ctrl-C, 128 + n by signal n."""
    options = _parser().parse_args(arguments)
    try:
        course = configuration(options)
        if options.mode == "eval":
            commands.check_course(course)
            evaluate(course, options.show)
        elif options.mode == "test":
            check(course)
            return 0 if self_test(course) else 1
        else:
            only = ",".join(stages(course, options.mode))
            commands.run(course, only=only, jobs=options.jobs)
    except (RuntimeError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Stopped) as stop:
        print("stopped; run the same command again to continue", file=sys.stderr)
        return 128 + (stop.args[0] if isinstance(stop, Stopped) else 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
