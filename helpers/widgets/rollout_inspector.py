"""*Rollout inspector*: the same problems' answers, step by step, while a run learned.

    rollout_inspector(course)     # menus of runs and problems, and a slider over steps
"""

from collections.abc import Sequence
from html import escape

import ipywidgets
import torch

from helpers import losses
from helpers.artifacts import Stage
from helpers.config import Course
from helpers.plots.tables import LINE
from helpers.widgets import marks, pages
from helpers.widgets.panel import Panel, labelled
from helpers.widgets.recorded import rollouts

WORDS = "menus of runs and problems, and a slider over training steps"
FAR, FARTHER = 0.05, 0.5  # nats of KL: a token above the first is set apart, above the second more
# What PPO has of each token beside the KL, in points of reward: in the record, and as it is called.
CREDIT = {"rewards": "reward", "values": "forecast", "advantages": "advantage"}
SHADES = ((FARTHER, "background:rgba(213,94,0,.4);border-bottom:3px double #D55E00"),
          (FAR, "background:rgba(230,159,0,.28);border-bottom:1px dotted #767676"))


def token_kl(answer: dict) -> list[float] | None:
    """KL to the reference at each token in nats, estimator k3 (`losses.kl_k3`; Schulman 2020,
    joschu.net/blog/kl-approx.html); None where no log-probabilities were recorded."""
    if answer["logp"] is None:
        return None
    logp, ref = (torch.tensor(answer[name], dtype=torch.float64) for name in ("logp", "ref_logp"))
    return losses.kl_k3(logp, ref).tolist()


def steps_of(rows: Sequence[dict], problem: str) -> dict[int, dict]:
    """{step: its line} of one problem, by its id."""
    return {row["step"]: row for row in rows if row["problem"]["id"] == problem}


def outline(line: dict) -> dict[str, float | None]:
    """A line in numbers: mean reward, share right, and mean KL a token, None where unknown."""
    answers = line["answers"]
    paid = [one["reward"] for one in answers if one["reward"] is not None]
    kl = [value for one in answers for value in token_kl(one) or []]
    return {"reward": sum(paid) / len(paid) if paid else None,
            "right": sum(one["strict"] for one in answers) / len(answers),
            "kl": sum(kl) / len(kl) if kl else None}


def tokens_html(answer: dict) -> str:
    """An answer with the tokens marked that moved away from the reference; as plain text where
    no tokens were recorded."""
    kl = token_kl(answer)
    if kl is None:
        return marks.text_of(answer["text"])
    spans = []
    for place, (piece, logp, ref, far) in enumerate(zip(
            answer["pieces"], answer["logp"], answer["ref_logp"], kl, strict=True)):
        style = next((style for share, style in SHADES if far > share), "")
        note = (f"log-probability {logp:.2f}, of the reference {ref:.2f}: KL {far:.3f} nats"
                if piece else f"no text of its own, KL {far:.3f} nats")
        note += "".join(f", {told} {marks.number(answer[name][place], 3)}"
                        for name, told in CREDIT.items() if answer.get(name))
        text = escape(piece).replace("\n", "↵\n") or "·"
        spans.append(f'<span title="{escape(note)}"' + (f' style="{style}"' if style else "")
                     + f">{text}</span>")
    return f'<div style="{pages.TOKENS}">{"<wbr>".join(spans)}</div>'


def credit_html(answer: dict) -> str:
    """What PPO makes of the tokens of an answer: in a line, and folded, token by token."""
    values, advantages = answer.get("values"), answer.get("advantages")
    if not values:
        return "advantage: one for each token, not recorded"
    said = (f"the critic's forecast goes from {marks.number(values[0])} to "
            f"{marks.number(values[-1])}; advantages of tokens "
            + ("are not known at this step" if not advantages else
               f"from {marks.number(min(advantages))} to {marks.number(max(advantages))}"))
    columns = {"KL": token_kl(answer) or [], **{told: answer[name] for name, told in CREDIT.items()
                                                if answer.get(name)}}
    rows = [" ".join(f"{name:>9}" for name in columns) + "  token"]
    rows += [" ".join(f"{marks.number(value, 3):>9}" for value in row) + f"  {piece!r}"
             for *row, piece in zip(*columns.values(), answer["pieces"], strict=True)]
    return (f'{said}<details><summary>token by token</summary><pre {pages.AS_TEXT} '
            f'style="overflow-x:auto;max-width:100%;line-height:1.4;margin:4px 0">'
            f"{escape(chr(10).join(rows))}</pre></details>")


def answer_html(answer: dict, number: int, most: float) -> str:
    """One answer: verdict, reward, advantage with what training would do, KL, and its tokens."""
    kl = token_kl(answer)
    paid = "–" if answer["reward"] is None else f"{answer['reward']:g}"
    advantage = answer["advantage"]
    heard = (credit_html(answer) if advantage is None else
             f"advantage {marks.signed(advantage, most)} {marks.pushed(advantage)}"
             .replace("<br>", " "))
    far = "KL: not recorded" if kl is None else \
        f"KL a token {sum(kl) / max(1, len(kl)):.3f} nats, at most {max(kl, default=0.0):.2f}"
    cut = ", cut off at the limit" if answer["truncated"] else ""
    ground = marks.ground(answer["strict"])
    return (f'<div style="{pages.COLUMN};border:{LINE};padding:4px 8px;background:{ground}">'
            f"<b>{number}</b> · {marks.verdict(answer['strict'])}{cut} · reward {paid}"
            f"{tokens_html(answer)}<div>{heard}</div><div>{far}</div></div>")


def course_of(lines: dict[int, dict], step: int) -> str:
    """The whole record of a problem as a table, a row a step; the chosen step has an arrow."""
    rows = []
    for one, line in lines.items():
        found = outline(line)
        rows.append([("▶ " if one == step else "") + str(one),
                     f"{found['right']:.0%}",
                     "–" if found["reward"] is None else f"{found['reward']:.2f}",
                     "–" if found["kl"] is None else f"{found['kl']:.3f}"])
    return marks.table(["step", "right", "reward", "KL a token"], rows)


def page(lines: dict[int, dict], step: int) -> str:
    """The answers of a step; ValueError, with the steps there are, where it was not recorded."""
    if step not in lines:
        raise ValueError(f"step {step} was not recorded; there are {', '.join(map(str, lines))}")
    line = lines[step]
    problem, answers = line["problem"], line["answers"]
    most = max([1e-9, *(abs(one["advantage"]) for one in answers if one["advantage"] is not None)])
    right = sum(one["strict"] for one in answers)
    shades = [f'<span style="{style}">above {share:g}</span>' for share, style in SHADES[::-1]]
    legend = "" if answers[0]["logp"] is None else (
        f'<div style="{marks.TEXT};font-size:90%">How far a token is from the reference, KL in '
        f"nats: {shades[0]}, {shades[1]}; point at a token for its numbers.</div>")
    cards = "".join(answer_html(one, number, most) for number, one in enumerate(answers, start=1))
    return (marks.note(f"Step {step}: {right} of {len(answers)} answers right.", "status")
            + marks.note(problem["question"])
            + marks.note(f"The right answer: {problem['answer']}")
            + course_of(lines, step) + legend
            + f'<div {pages.AS_TEXT} style="{pages.COLUMNS};{marks.TEXT};margin-top:8px">{cards}'
              f"</div>")


def rollout_inspector(course: Course, stage: Stage | None = None) -> Panel:
    """Show the widget over what this run recorded (or this `stage` of it, while it is written), or
    over the record that comes with the course.

    A page without Python shows the first and the last step of the first problem.
    """
    runs = rollouts(course, stage)
    run = labelled(ipywidgets.Dropdown(options=list(runs)), "Run")
    problem = labelled(ipywidgets.Dropdown(options=[("", "")]), "Answers to")
    step = labelled(ipywidgets.SelectionSlider(options=[0]), "Step")

    def lines() -> dict[int, dict]:
        return steps_of(runs[run.value].rows, problem.value)

    def choose_run(change: dict | None = None) -> None:
        asked = {row["problem"]["id"]: row["problem"]["question"] for row in runs[run.value].rows}
        before = problem.value
        problem.options = [(f"{place}. {question[:60]}", key) for place, (key, question)
                           in enumerate(asked.items(), start=1)]
        problem.value = before if before in asked else next(iter(asked))
        choose_problem()  # the same problem may have been recorded at other steps

    def choose_problem(change: dict | None = None) -> None:
        known, before = list(lines()), step.value
        if known and tuple(known) != tuple(step.options):
            step.options = known
            step.value = before if before in known else known[0]

    class Inspector(Panel):
        def still(self, html: str) -> str:
            found = lines()
            ends = list(dict.fromkeys([min(found), max(found)]))
            return marks.note(runs[run.value].note) + "<hr>".join(page(found, one) for one in ends)

    panel = Inspector([run, problem, step], lambda: marks.note(runs[run.value].note)
                      + page(lines(), step.value), WORDS)
    choose_run()
    choose_problem()
    run.observe(choose_run, "value")
    problem.observe(choose_problem, "value")
    panel.watch(run, problem, step)
    return panel.show()
