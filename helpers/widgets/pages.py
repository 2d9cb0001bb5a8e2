"""A try as HTML: each model's answers with their tokens, verdicts, rewards and vote.

All text is escaped and inline in style, so a page without Python shows the same. Nothing is told by
colour alone: an unlikely token is underlined and carries its probability as its title.
"""

from collections.abc import Sequence
from html import escape
from itertools import accumulate

from helpers.plots.tables import AS_TEXT, LINE, RIGHT, WRONG
from helpers.widgets.answered import Answered, Result, Vote
from helpers.widgets.asking import Sample, Settings, judged

LIKELY, UNLIKELY = 0.5, 0.1  # a token below the first is set apart, below the second more so
SHADES = ((UNLIKELY, "background:rgba(213,94,0,.4);border-bottom:3px double #D55E00"),
          (LIKELY, "background:rgba(230,159,0,.28);border-bottom:1px dotted #767676"))
TOKENS = ("font-family:monospace;line-height:1.7;white-space:pre-wrap;overflow-wrap:anywhere;"
          "margin:4px 0")
COLUMNS = "display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start"
COLUMN = "flex:1 1 17em;min-width:0;max-width:100%;box-sizing:border-box"
TEXT = "line-height:1.5;overflow-wrap:anywhere;white-space:normal"
BAR = ('<span aria-hidden="true" style="display:inline-block;vertical-align:middle;width:5em;'
       'height:.7em;border:1px solid #767676"><span style="display:block;height:100%;'
       'width:{}%;background:{}"></span></span>')


def problem_page(result: Result) -> str:
    """What was asked, how, and what is to be known about it."""
    problem, answer = result.problem, "none given: no verdicts"
    if judged(problem):
        answer = f"<b>{escape(problem.answer)}</b>"
    notes = "".join(f"<br>⚠ {escape(note)}" for note in result.notices)
    return (f'<div {AS_TEXT} style="{TEXT};margin-bottom:8px"><span style="white-space:pre-wrap">'
            f"{escape(problem.question)}</span><br>answer: {answer} · "
            f"{escape(in_words(result.settings))}{notes}</div>")


def in_words(settings: Settings) -> str:
    if not settings.temperature:
        return f"temperature 0 (the likeliest token each time), up to {settings.max_new_tokens} " \
               f"tokens"
    return (f"temperature {settings.temperature:g}, top-p {settings.top_p:g}, "
            f"{settings.samples} sample{'s' * (settings.samples > 1)} of up to "
            f"{settings.max_new_tokens} tokens")


def legend() -> str:
    """What the marks of tokens mean."""
    marks = [f'<span style="{style}">below {share:g}</span>' for share, style in SHADES[::-1]]
    return (f'<div {AS_TEXT} style="{TEXT};font-size:90%">The probability that the model gave a '
            f"token, at temperature 1: {marks[0]}, {marks[1]}; point at a token for its "
            f"number.</div>")


def tokens_html(sample: Sample) -> str:
    """The tokens of a sample, by their probability; what is no part of the answer is pale."""
    spans, length = [], len(sample.text)
    starts = [0, *accumulate(map(len, sample.pieces))]
    for piece, chance, start in zip(sample.pieces, sample.chances, starts, strict=False):
        style = next((style for share, style in SHADES if chance < share), "")
        last = start >= length and sample.ended
        note = f"probability {chance:.3f}"
        if last and piece:
            style, note = f"{style};opacity:.6", f"{note}, after the answer's end"
        text = escape(piece).replace("\n", "↵\n") if piece else ("■" if last else "·")
        if not piece:
            note = f"{'end of the answer' if last else 'no text of its own'}, {note}"
        spans.append(f'<span title="{note}"' + (f' style="{style}"' if style else "") +
                     f">{text}</span>")
    return f'<div style="{TOKENS}">{"<wbr>".join(spans) or "(nothing yet)"}</div>'


def mark(right: bool | None) -> str:
    return "no verdict" if right is None else "✓ right" if right else "✗ wrong"


def bars(parts: dict[str, list[float | None]], totals: Sequence[float | None], at: int) -> str:
    """Every part of a sample's reward as a bar with its number, and the weighted sum."""
    rows = [(name, paid[at]) for name, paid in parts.items()]
    shown = [*rows, ("reward, weighted", totals[at])] if len(rows) != 1 or \
        rows[0][1] != totals[at] else rows
    most = max([1.0, *(abs(value) for _, value in shown if value is not None)])
    lines = []
    for name, value in shown:
        bar = "" if value is None else BAR.format(
            f"{100 * abs(value) / most:.0f}", "#0072B2" if value >= 0 else "#D55E00")
        number = "– (cannot be judged)" if value is None else f"{value + 0.0:g}"  # no "-0"
        lines.append(f"<div>{escape(name)} {bar} {number}</div>")
    return "".join(lines)


def sample_html(answers: Answered | None, sample: Sample, number: int) -> str:
    """One sample: its number and verdicts, tokens, answer and rewards."""
    at = number - 1
    size = f"{len(sample.ids)} token{'s' * (len(sample.ids) != 1)}"
    if answers is None or not sample.done:
        state = "stopped" if answers else "ready" if sample.done else "writing …"
        return (f'<div style="border:{LINE};padding:4px 8px;margin:6px 0"><b>{number}</b> · '
                f"{state}, {size}{tokens_html(sample)}</div>")
    strict, lenient = answers.strict[at], answers.lenient[at]
    ground = "transparent" if strict is None else RIGHT if strict else WRONG
    cut = " (cut off at the limit)" if sample.full else ""
    found = answers.found[at]
    said = "none" if found is None else f"<b>{escape(found)}</b>"
    verdicts = "no verdict" if strict is None else (
        f"strict <b>{mark(strict)}</b> · lenient <b>{mark(lenient)}</b>")
    return (f'<div style="border:{LINE};padding:4px 8px;margin:6px 0;background:{ground}">'
            f"<b>{number}</b> · {verdicts} · {size}{cut}{tokens_html(sample)}"
            f"<div>answer found: {said}</div>{bars(answers.parts, answers.totals, at)}</div>")


def vote_html(vote: Vote | None) -> str:
    if vote is None:
        return "Vote: no answers to count"
    counts = ", ".join(f"{escape(answer)} ({number})" for answer, number in vote.groups)
    front = " and ".join(map(escape, vote.front))
    if vote.credit is None:
        verdict = ""
    elif len(vote.front) > 1:
        verdict = f", a tie: credit {vote.credit:.2g}"
    else:
        verdict = f" <b>{mark(vote.credit == 1)}</b>"
    return f"Vote: {counts} → <b>{front}</b>{verdict}"


def column(name: str, answers: Answered | None, samples: Sequence[Sample] = ()) -> str:
    """One model's answers; `answers` None while its `samples` are being written."""
    shown = answers.samples if answers else samples
    head = ""
    if answers and answers.error:
        head += f'<div role="alert">⚠ {escape(answers.error)}</div>'
    if answers and answers.samples:
        known = [one for one in answers.strict if one is not None]
        right = f"{answers.right} of {len(known)} right (strict)<br>" if known else ""
        stopped = "stopped<br>" if answers.stopped else ""
        head += f"<div>{stopped}{right}{vote_html(answers.vote)}</div>"
    elif not answers and not samples:
        head += "<div>waiting …</div>"
    return _column(name, head + "".join(sample_html(answers, sample, number)
                                        for number, sample in enumerate(shown, start=1)))


def unasked(name: str) -> str:
    """The column of a model whose turn had not come."""
    return _column(name, "<div>not asked: stopped before</div>")


def _column(name: str, body: str) -> str:
    return (f'<div {AS_TEXT} style="{TEXT}"><div role="heading" aria-level="4" '
            f'style="font-weight:bold;border-bottom:2px solid #767676">{escape(name)}</div>'
            f"{body}</div>")


def page(result: Result) -> str:
    """The whole try."""
    columns = "".join(f'<div style="{COLUMN}">{column(one.name, one)}</div>'
                      for one in result.answers)
    return f'{problem_page(result)}{legend()}<div style="{COLUMNS}">{columns}</div>'


def title(result: Result, words: int = 6) -> str:
    """A try in one line of plain text, for a menu."""
    head = result.problem.question.split()
    start = " ".join(head[:words])[:40] + (" …" if len(head) > words else "")
    scores = ", ".join(f"{one.name} {one.right}/{len(one.samples)}" for one in result.answers
                       if not one.error) if judged(result.problem) else ""
    return f"{result.when[11:16]} {start}" + (f" · {scores}" if scores else "")
