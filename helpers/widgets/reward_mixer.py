"""*Reward mixer*: weigh the parts of a reward, and see which answers training would push up.

    reward_mixer(course)                          # on recorded answers
    reward_mixer(course, question, "18", texts)   # on answers of one's own
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ipywidgets
import torch

from helpers import losses, rewards
from helpers.config import Course
from helpers.verify import number
from helpers.widgets import marks
from helpers.widgets.panel import Panel, labelled
from helpers.widgets.recorded import samples

WORDS = "a slider for the weight of each part of the reward"
OF_ANSWERS = ("exact_answer", "correct_answer")  # a puzzle has no answer to compare with
PARTS = (*OF_ANSWERS, "countdown", "boxed", "step_words", "length_penalty", "reasoning")
MOST = 6  # recorded answers shown of a problem
# Written by us, to have something that the parts disagree about: {v} the answer, {w} a wrong one.
PLANTED = ("So it is \\boxed{{{v}}}.",
           "First we write down what is known, then we add it up.\n#### {w}")


@dataclass(frozen=True)
class Group:
    """Answers to one problem. columns: what reward functions read beside the texts; planted: how
    many of the last texts no model wrote."""

    question: str
    columns: Mapping
    texts: Sequence[str]
    truncated: Sequence[bool]
    planted: int = 0


def group_of(row: Mapping) -> Group:
    """The different answers of a row of samples, up to MOST, with the planted ones behind them."""
    columns = {key: row[key] for key in ("answer", "nums", "target") if key in row}
    cut = dict(zip(row["completions"], row["truncated"], strict=True))
    kept = list(cut)[:MOST]
    value = None if "nums" in row else number(str(row["answer"]))
    planted = [] if value is None else [
        one.format(v=row["answer"], w=value + 1) for one in PLANTED]
    return Group(row["question"], columns, [*kept, *planted],
                 [*(cut[text] for text in kept), *[False] * len(planted)], len(planted))


def paid(course: Course, group: Group) -> dict[str, list[float]]:
    """{part: what it pays each answer, unweighted}: those of the course, and others of PARTS that
    do not pay all answers alike. A part that cannot judge the group is left out."""
    wanted = dict.fromkeys([*course.rewards, *PARTS])
    wanted.pop("random_reward", None)  # a coin: it is nothing of the answer
    found = {}
    for name in wanted:
        if name in (OF_ANSWERS if "nums" in group.columns else ("countdown",)):
            continue
        alone = Course.load(course.preset, course.task, course.seed, {
            **{key: value for key, value in course.overrides.items()
               if key not in ("rewards", "replace_rewards")}, "replace_rewards": {name: 1.0}})
        _, parts = rewards.weighted_sum(
            alone, list(group.texts), truncated=list(group.truncated),
            completion_ids=[text.split() for text in group.texts],
            **{key: [value] * len(group.texts) for key, value in group.columns.items()})
        [values] = parts.values()
        known = [float(value) + 0.0 for value in values if value is not None]
        if len(known) == len(values) and (name in course.rewards or len(set(known)) > 1):
            found[name] = known
    return found


def mixed(parts: Mapping[str, Sequence[float]], weights: Mapping[str, float], divide: bool
          ) -> tuple[list[float], list[float]]:
    """Rewards and advantages of G answers: the weighted sum of the parts, and what GRPO makes of
    it in this group, divided by the deviation or (Dr. GRPO) not (`losses.group_advantages`)."""
    size = len(next(iter(parts.values())))
    totals = [sum(weights[name] * values[at] for name, values in parts.items())
              for at in range(size)]
    advantages = losses.group_advantages(torch.tensor([totals], dtype=torch.float64),
                                         "group" if divide else "none")
    return totals, advantages[0].tolist()


def page(group: Group, parts: Mapping[str, Sequence[float]], weights: Mapping[str, float],
         divide: bool) -> str:
    """The answers ranked by their reward, each with its parts and what training does to it."""
    totals, advantages = mixed(parts, weights, divide)
    most = max(1e-9, *map(abs, advantages))
    rows = []
    for at in sorted(range(len(totals)), key=lambda one: -totals[one]):
        by = "planted by us: " if at >= len(totals) - group.planted else ""
        told = ", ".join(f"{name} {parts[name][at]:g}" for name in parts if parts[name][at]) \
            or "no part pays"
        rows.append([marks.text_of(group.texts[at]) + marks.note(f"{by}{told}"),
                     f"{totals[at]:.2f}".replace("-", "−"),
                     f"{marks.signed(advantages[at], most)}<br>{marks.pushed(advantages[at])}"])
    up = sum(one > marks.SMALL for one in advantages)
    said = (f"{up} of {len(totals)} answers would be pushed up, "
            f"{sum(one < -marks.SMALL for one in advantages)} down." if up else
            "All answers are paid alike: this group teaches nothing.")
    return (marks.note(said, "status") + marks.note(group.question)
            + marks.note(f"The right answer: {group.columns['answer']}")
            + marks.table(["answer, best paid first", "reward", "advantage"], rows))


def reward_mixer(course: Course, question: str = "", answer: str = "",
                 texts: Sequence[str] = ()) -> Panel:
    """Show the widget on these `texts`, or on answers that a model of this run wrote."""
    if texts:
        groups, note = [Group(question, {"answer": answer}, texts, [False] * len(texts))], ""
    else:
        record = samples(course)
        course, note = record.course, record.note
        mixture = [row for row in record.rows if 0 < sum(row["lenient"]) < len(row["lenient"])]
        mixture.sort(key=lambda row: sum(row["strict"]) == sum(row["lenient"]))  # forms differ
        groups = [group_of(row) for row in (mixture or record.rows)[:8]]
    priced: dict[int, dict[str, list[float]]] = {}
    problem = labelled(ipywidgets.Dropdown(options=[
        (f"{place + 1}. {group.question[:60]}", place) for place, group in enumerate(groups)]),
        "Answers to")
    divide = labelled(ipywidgets.Dropdown(options=[
        ("by the deviation (GRPO)", True), ("not at all (Dr. GRPO)", False)]), "Divide")
    sliders: dict[str, ipywidgets.FloatSlider] = {}
    weights = ipywidgets.VBox([])

    def parts() -> dict[str, list[float]]:
        """Of the chosen problem, each with a slider."""
        place = problem.value
        if place not in priced:
            priced[place] = paid(course, groups[place])
        for name in priced[place]:
            if name not in sliders:
                sliders[name] = labelled(ipywidgets.FloatSlider(
                    course.rewards.get(name, 0.0), min=-1, max=2, step=0.1), name)
                panel.watch(sliders[name])
        shown = tuple(sliders[name] for name in priced[place])
        if shown != weights.children:
            weights.children = shown
        return priced[place]

    def make() -> str:
        found = parts()
        return page(groups[problem.value], found, {name: sliders[name].value for name in found},
                    divide.value)

    controls = [*([problem] if len(groups) > 1 else []), weights, divide]
    panel = Panel(controls, make, WORDS, note)
    panel.watch(problem, divide)
    return panel.show()
