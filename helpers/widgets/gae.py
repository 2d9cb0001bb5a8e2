"""*GAE*: set the rewards and forecasts of a short answer, and see deltas, advantages and returns.

    gae()                                   # fields and sliders
    table([0, 0, 1], [.5, .5, .5], 1, .95)  # the numbers behind it
"""

from collections.abc import Sequence
from html import escape

import ipywidgets
import torch

from helpers import losses
from helpers.widgets import marks
from helpers.widgets.panel import Panel, labelled

WORDS = "fields for rewards and values, and sliders for gamma and lambda"
TOKENS = ("3", "·", "4", "=", "13", "end")  # an answer that is on its way until its fifth token
REWARDS, VALUES = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.6, 0.6, 0.65, 0.7, 0.7, 0.1)


def numbers(text: str, wanted: int, name: str) -> list[float]:
    """The numbers of a field, separated by commas or blanks; ValueError, in words, where there are
    not `wanted` ones. Read as numbers and never evaluated."""
    parts = text.replace(",", " ").replace("−", "-").split()
    found = []
    for part in parts:
        try:
            value = float(part)
        except ValueError:
            raise ValueError(f"{name}: {part[:20]!r} is not a number; write {wanted} numbers with "
                             f"commas between them") from None
        if not abs(value) <= 1000:  # so that a NaN is refused as well
            raise ValueError(f"{name}: {part[:20]} is out of range (−1000 to 1000)")
        found.append(value)
    if len(found) != wanted:
        raise ValueError(f"{name}: {len(found)} numbers for {wanted} tokens; write one for each")
    return found


def table(rewards: Sequence[float], values: Sequence[float], gamma: float, lam: float
          ) -> dict[str, list[float]]:
    """{"delta", "advantage", "return"} of each of T tokens, by `losses.gae` (Schulman et al. 2016,
    arXiv:1506.02438, eq. 16).

    rewards, values: T each, values[t] the forecast before token t. delta_t = r_t + gamma * V_(t+1)
    - V_t, which is the advantage with lambda 0; return = advantage + value. Nothing is whitened.
    """
    r, v = (torch.tensor([list(map(float, one))], dtype=torch.float64) for one in (rewards, values))
    mask = torch.ones_like(r)
    deltas, _ = losses.gae(r, v, mask, gamma, 0.0)
    advantages, returns = losses.gae(r, v, mask, gamma, lam)
    return {"delta": deltas[0].tolist(), "advantage": advantages[0].tolist(),
            "return": returns[0].tolist()}


def said(found: dict[str, list[float]], tokens: Sequence[str], lam: float) -> str:
    """The token with the largest advantage either way, and what lambda trusts."""
    at = max(range(len(tokens)), key=lambda place: abs(found["advantage"][place]))
    trust = ("only the next forecast counts" if lam == 0 else
             "only the rewards that come count, and the forecast is a mere baseline" if lam == 1
             else f"a delta n tokens later counts {lam:.2f} to the n, times gamma to the n")
    return (f"The largest advantage is {marks.number(found['advantage'][at])}, of token "
            f"{at + 1}, “{tokens[at]}”. With lambda {lam:.2f} {trust}.")


def page(rewards: Sequence[float], values: Sequence[float], gamma: float, lam: float,
         tokens: Sequence[str] = TOKENS) -> str:
    """The table as HTML, a row a token, with a sentence above it."""
    found = table(rewards, values, gamma, lam)
    most = max(1e-9, *(abs(one) for name in ("delta", "advantage") for one in found[name]))
    rows = [[f"<b>{escape(token)}</b>", f"{rewards[t]:g}", f"{values[t]:g}",
             marks.signed(found["delta"][t], most), marks.signed(found["advantage"][t], most),
             marks.number(found["return"][t])] for t, token in enumerate(tokens)]
    return marks.note(said(found, tokens, lam), "status") + marks.table(
        ["token", "reward", "value", "delta", "advantage", "return"], rows)


def gae(tokens: Sequence[str] = TOKENS, rewards: Sequence[float] = REWARDS,
        values: Sequence[float] = VALUES, gamma: float = 1.0, lam: float = 0.95) -> Panel:
    """Show the widget for an answer of these tokens; rewards and values: one each to begin with."""
    def field(name: str, first: Sequence[float]) -> ipywidgets.Text:
        return labelled(ipywidgets.Text(", ".join(f"{one:g}" for one in first)), name)

    given, forecast = field("Rewards", rewards), field("Values", values)
    discount = labelled(ipywidgets.FloatSlider(gamma, min=0, max=1, step=0.05), "Gamma")
    dial = labelled(ipywidgets.FloatSlider(lam, min=0, max=1, step=0.05), "Lambda")

    def make() -> str:
        return page(numbers(given.value, len(tokens), "Rewards"),
                    numbers(forecast.value, len(tokens), "Values"),
                    discount.value, dial.value, tokens)

    panel = Panel([given, forecast, discount, dial], make, WORDS)
    panel.watch(given, forecast, discount, dial)
    return panel.show()
