"""Which module may import which, and the map of the library that is written from it.

    python -m tests.architecture      (make map) writes helpers/README.md

`ORDER` is the one written list: a module imports only what stands above it, wherever in its code
the import stands; `WINGS` says what a folder may import at all. tests/unit/test_architecture.py
holds both, and that the map is what this module would write.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from helpers.config import ROOT
from helpers.files import atomic_write_text

HELPERS = ROOT / "helpers"
MAP = HELPERS / "README.md"


@dataclass(frozen=True)
class Part:
    """A heading of the map with its modules in order; `a/` before names that stand in a folder."""

    heading: str
    modules: str
    folder: str = ""
    text: str = ""

    def names(self) -> list[str]:
        return [(self.folder + name).removesuffix("/.") for name in self.modules.split()]


# A module is named by its path below helpers/, a package by its folder ("." in its own part), and
# what `python -m` starts by the folder and /__main__.
ORDER = (
    Part("Ground: imported by everything", "wording formats overrides rungs fields schema recipe "
         "files checkpoints config folders manifest artifacts hub"),
    Part("Data: problems, conversations and pairs, read and counted", """
         problem conversation same latex errors columns lines family report source gsm8k openr1
         deepscaler benchmarks countdown smoltalk ultrafeedback kinds .""", "data/"),
    Part("The tiny world: generated data sets in the columns of the real ones", """
         words draft stories changes wordproblems mathfamily mathfamilies_algebra
         mathfamilies_geometry mathfamilies_numbers mathfamilies_prealgebra mathfamilies mathtexts
         smallworld instructkinds instructfacts instructtexts instruct rules mathsets countdown
         documents corpus build __main__""", "data/tinyworld/"),
    Part("Flow: prompt → completion → verdict → reward → loss → score", """
         prompts bases merging models model_size machine memory passes costs engines forecast
         disk advice decoding branching graphs sampling
         verify/latex verify/units verify/quantity verify/tokens verify/tree verify/formula
         verify/arithmetic verify/digits verify/value verify/structure verify/relations
         verify/stated verify/extract verify/symbolic_worker verify/refusal verify/symbolic
         verify/together verify/compare verify/grade verify/countdown verify verify/__main__
         rewards/text rewards/cut rewards/answers rewards/style rewards
         losses/tokens losses/preferences losses/advantages losses/policy losses/ppo losses
         stats track known evaluate evaluate/sweep evaluate/few_shot evaluate/claims
         evaluate/power evaluate/cost evaluate/consistency
         evaluate/__main__ judge rewritings audit survey
         pretraining"""),
    Part("Figures and tables", """
         style figures tables first_screen . startplots lossplots scoreplots examplots dataplots
         verifyplots judgeplots dpoplots ppoplots sketches ablationplots
         pretrained""", "plots/"),
    Part("What a reader touches", """
         . live controls guess records asking stages writing engine answered history pages trying
         controls_of_try making offer_to_make try_problem marks panel recorded example advantages
         clip gae pass_at_k temperatures reward_mixer hack_checker grader rollout_inspector""",
         "widgets/"),
    Part("Exercises that answer", """
         exercise compare deadline sealed progress drawn notebook_00 notebook_01 notebook_02
         notebook_03 notebook_04 notebook_05 notebook_06_losses notebook_06 notebook_07 notebook_08
         notebook_a1 notebook_a2 checks . cells handout stubs worker grading __main__""",
         "exercises/"),
    Part("Training", """
         . settings fused room rows adapters loop tracking pairs reward_model ppo/bank ppo/config
         ppo/rollout rollouts validation shared drawn ppo/collect ppo/step ppo/trainer ppo group
         rloo own_best method methods diagnosis ppo/clinic one_step surprises ablations/variants
         ablations/watched ablations/runs ablations/record ablations ablations/__main__""",
         "train/"),
    Part("The course as a whole: nothing imports it but notebooks", """
         graph continued opening processes states runner execute report tables judged controlled
         coverage published scoreboard recipes measuring course . __main__ modes ladder publish map
         smollm2 playground""",
         "course/"),
)

# What a folder may import beside the flat modules and itself, of what stands above it; a flat
# module may import data, verify and rewards. A module may have an entry of its own.
WINGS = {
    "data": set(),
    "verify": set(),
    "rewards": {"verify"},
    "plots": {"data", "verify", "rewards"},
    "widgets": {"data", "verify", "rewards", "plots"},
    "exercises": set(),
    "train": {"data", "verify", "rewards"},
    "train/tracking": {"data", "verify", "rewards", "plots"},
    "course": {"data", "verify", "rewards", "plots"},
}
FOLDERS = {"data", "verify", "rewards", "plots", "widgets", "exercises", "train",
           "course"}

INTRODUCTION = """# The library: what it holds, and who may import whom

Written by `make map` from the first sentence of every module and from the order in
[tests/architecture.py](../tests/architecture.py); a test holds both. **A module imports only what
stands above it**, and a notebook imports from here; nothing here imports a notebook or a test.
`data`, `verify`, `rewards` and `train` import no figures (but `train/tracking`, which draws while
a run lasts), and nothing imports `course`.

The path of the course, *problem → prompt → completion → verdict → reward → advantage → loss →
checkpoint → score*, runs through `data`, `prompts`, `sampling`, `verify`, `rewards`, `losses`,
`train` and `evaluate`. The [legend of shapes](losses/__init__.py) is the first thing in `losses`.
"""
LAST = "`presets/` holds the hardware settings, `tasks/` the data sets with their answer formats " \
       "and rewards.\n"


def order() -> list[str]:
    """All modules from the ground up."""
    return [name for part in ORDER for name in part.names()]


def modules(folder: Path = HELPERS) -> dict[str, str]:
    """{name: source} of every module, e.g. config, data/gsm8k, data (its package)."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        name = name.removesuffix("__init__").rstrip("/")
        if name:  # helpers itself only sets environment variables
            found[name] = path.read_text(encoding="utf-8")
    return found


def imports(source: str, known: set[str]) -> set[str]:
    """What a source imports of helpers, notebooks and tests, inside functions too: modules of
    `known` by their names, the others as they are written."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: write helpers. in full; relative imports "
                                 "hide the direction")
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = _name(inner) in known or node.module == "helpers"
                found.add(inner if is_module else node.module)
    ours = {name for name in found if name.split(".")[0] in ("helpers", "notebooks", "tests")}
    return {_name(name) for name in ours} - {"helpers"}


def _name(dotted: str) -> str:
    return dotted.removeprefix("helpers.").replace(".", "/")


def violations(sources: dict[str, str]) -> list[str]:
    """One line for each import against the direction, and for each module that is not placed."""
    place = {name: number for number, name in enumerate(order())}
    problems = [f"{name}: not in ORDER of tests/architecture.py; write it below all it imports"
                for name in sources.keys() - place.keys()]
    problems += [f"{name}: in ORDER, but there is no such module"
                 for name in place.keys() - sources.keys()]
    for name in sources.keys() & place.keys():
        for other in sorted(imports(sources[name], set(place))):
            if other not in place:
                problems.append(f"{name} imports {other}, which is no module of helpers")
            elif place[other] >= place[name]:
                problems.append(f"{name} imports {other}, which stands below it")
            elif not _may(name, other):
                problems.append(f"{name} imports {other}: its folder may not")
    return sorted(problems)


def _may(name: str, other: str) -> bool:
    mine, its = name.split("/")[0], other.split("/")[0]
    if its not in FOLDERS or mine == its:
        return True
    return its in WINGS.get(name, WINGS.get(mine, {"data", "verify", "rewards"}))


def first_sentence(source: str) -> str:
    """Of a module's docstring, on one line; "et al. 2021" does not end it."""
    text = " ".join((ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s(?=[A-Z`])", text)[0]


def written() -> str:
    """The map as it should be."""
    sources = modules()
    lines = [INTRODUCTION]
    for part in ORDER:
        where = f" (`{part.folder}`)" if part.folder else ""
        lines += [f"## {part.heading}{where}\n", "| module | does |", "|---|---|"]
        for name in part.names():
            said = first_sentence(sources[name]).replace("|", "\\|")
            shown = name.replace("/__main__", " (command)")
            lines.append(f"| `{shown}` | {said} |")
        lines.append("")
    return "\n".join([*lines, LAST])


if __name__ == "__main__":
    atomic_write_text(MAP, written())
    print(f"{MAP.relative_to(ROOT)}: {len(order())} modules")
