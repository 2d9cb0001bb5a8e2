"""Text of models as HTML: answers side by side, and the tokens that carry loss.

All text is escaped: what a model writes is shown, never run. Colours are translucent over the
page's own ground and text, so both tables read on light and dark pages, and nothing is told by
colour alone. MathJax is told to leave the text alone: two prices are no formula, and LaTeX is shown
as the model reads and writes it.
"""

from collections.abc import Mapping, Sequence
from html import escape

from IPython.display import HTML

AS_TEXT = 'class="tex2jax_ignore mathjax_ignore"'  # what MathJax 2, 3 and 4 look for
IGNORED = -100  # the label of a token without loss
RIGHT, WRONG = "rgba(0,158,115,.18)", "rgba(213,94,0,.18)"
LINE = "1px solid rgba(128,128,128,.5)"
EDGE = "border-left:1px solid rgba(128,128,128,.6)"  # where a token begins
WITH_LOSS = f"background:rgba(230,159,0,.35);border-bottom:2px solid #D55E00;{EDGE}"
WITHOUT_LOSS = f"border-bottom:2px solid transparent;opacity:.75;{EDGE}"
CELL = (f"border:{LINE};padding:6px;text-align:left;vertical-align:top;white-space:pre-wrap;"
        "overflow-wrap:anywhere")


def compare_completions(
    before: Sequence[dict], after: Sequence[dict], names: tuple[str, str] = ("before", "after"),
    limit: int = 6,
) -> HTML:
    """The answers of two models to the same problems, side by side, right and wrong marked.

    `before` and `after` are rows of samples.jsonl: the greedy answer is shown, or the first sample
    where there is none, with its strict verdict. Problems are matched by id.
    """
    others = {row["id"]: row for row in after}
    pairs = [(row, others[row["id"]]) for row in before if row["id"] in others]
    if not pairs:
        raise ValueError("the two sets of samples have no problem in common")
    head = "".join(f'<th scope="col" style="{CELL}">{escape(name)}</th>'
                   for name in ("problem", *names))
    body = "".join(_pair(one, other) for one, other in pairs[:limit])
    return HTML(f'<table {AS_TEXT} style="border-collapse:collapse;width:100%;'
                'table-layout:fixed">'
                f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _pair(before: dict, after: dict) -> str:
    question = (f'<td style="{CELL}">{escape(before["question"])}\n\n'
                f'<b>answer: {escape(before["answer"])}</b></td>')
    return f"<tr>{question}{_answer(before)}{_answer(after)}</tr>"


def _answer(row: dict) -> str:
    greedy = row.get("greedy")
    text = greedy["text"] if greedy else row["completions"][0]
    right = greedy["strict"] if greedy else row["strict"][0]
    mark, colour = ("✓ right", RIGHT) if right else ("✗ wrong", WRONG)
    return f'<td style="{CELL};background:{colour}"><b>{mark}</b>\n{escape(text)}</td>'


def token_mask_html(tokenizer, ids: Sequence[int], labels: Sequence[int]) -> HTML:
    """The tokens of one example (ids and labels of length T); those with loss are marked.

    A line break inside a token is drawn as ↵. Raises ValueError if the lengths differ.
    """
    parts = []
    for token, label in zip(ids, labels, strict=True):
        text = escape(tokenizer.decode([token])).replace("\n", "↵<br>")
        style = WITHOUT_LOSS if label == IGNORED else WITH_LOSS
        parts.append(f'<span title="id {token}" style="{style}">{text}</span>')
    learned = sum(label != IGNORED for label in labels)
    legend = (f'<div style="margin-bottom:6px"><span style="{WITH_LOSS}">with loss</span>: '
              f"{learned} of {len(labels)} tokens</div>")
    return HTML(f'{legend}<div {AS_TEXT} style="font-family:monospace;line-height:1.9;'
                'white-space:pre-wrap;'
                f'overflow-wrap:anywhere">{"<wbr>".join(parts)}</div>')


def text_table(columns: Mapping[str, Sequence]) -> HTML:
    """{heading: cells} as a table for reading: everything escaped, line breaks kept."""
    style = CELL.replace("anywhere", "break-word")  # narrow columns keep their words whole
    head = "".join(f'<th scope="col" style="{style}">{escape(str(name))}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{style}">{escape(str(cell))}</td>' for cell in row) + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    return HTML(f'<table {AS_TEXT} style="border-collapse:collapse"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table>")


def token_loss_html(tokenizer, ids: Sequence[int], losses: Sequence[float]) -> HTML:
    """The tokens of one text (both of length T), each on a ground that grows with its loss.

    The loss in nats stands in the tooltip, and below every token that costs one nat or more, so
    nothing is told by colour alone. Raises ValueError if the lengths differ.
    """
    parts = []
    for token, loss in zip(ids, losses, strict=True):
        text = escape(tokenizer.decode([token])).replace("\n", "↵<br>")
        note = f'<sub style="font-size:.65em">{loss:.1f}</sub>' if loss >= 1 else ""
        parts.append(f'<span title="{loss:.2f} nats" style="background:rgba(213,94,0,'
                     f'{min(0.75, loss / 6):.2f})">{text}{note}</span>')
    return HTML(f'<div {AS_TEXT} style="font-family:monospace;line-height:2;white-space:pre-wrap;'
                f'overflow-wrap:anywhere">{"<wbr>".join(parts)}</div>')
