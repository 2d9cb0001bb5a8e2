"""*The clip*: drag a token's ratio, and see PPO's clipped surrogate and its slope.

    clip()                     # sliders for ratio, advantage and clip range
    surrogate(1.3, 1.0)        # objective and slope: (1.2, 0.0)
"""

import ipywidgets
import torch
from matplotlib.figure import Figure

from helpers import losses, plots
from helpers.widgets.panel import Panel, labelled

WORDS = "sliders for the ratio, the advantage and the clip range"
SIGNS = [("+1: better than expected", 1.0), ("−1: worse than expected", -1.0)]


def surrogate(ratio: float, advantage: float, low: float = 0.2, high: float = 0.2
              ) -> tuple[float, float]:
    """PPO's objective of one token and its slope in the ratio (Schulman et al. 2017,
    arXiv:1707.06347, eq. 7): min(ratio * A, clip(ratio, 1 - low, 1 + high) * A).

    ratio: the token's probability now / when it was written, above 0; the slope is autograd's
    through `losses.clipped_policy_loss`, 0 where the clip holds. ValueError for a ratio of 0 or
    less.
    """
    if ratio <= 0:
        raise ValueError(f"a ratio of probabilities is above 0, not {ratio:g}")
    point = torch.tensor([[ratio]], dtype=torch.float64, requires_grad=True)
    objective = -losses.clipped_policy_loss(
        point.log(), torch.zeros_like(point), torch.tensor([advantage], dtype=torch.float64),
        low, high).sum()
    [slope] = torch.autograd.grad(objective, point)
    return float(objective.detach()), float(slope) + 0.0


def said(ratio: float, advantage: float, low: float, high: float) -> str:
    """What the numbers mean for the token, in words."""
    value, slope = surrogate(ratio, advantage, low, high)
    if slope:
        way = "up" if advantage > 0 else "down"
        what = f"training still pushes this token {way}"
        if not 1 - low <= ratio <= 1 + high:
            what += ": it has gone the wrong way, and the clip never keeps it from coming back"
    else:
        what = "the clip holds: this token has moved far enough and is not pushed any further"
    return (f"Ratio {ratio:.2f}, advantage {advantage:+.0f}: objective {value:.2f}, slope "
            f"{slope:.2f}. Here {what}.").replace("-", "−")


def draw(ratio: float, advantage: float, low: float, high: float) -> Figure:
    """The objective over the ratio, with the point and the direction of its slope."""
    xs = torch.linspace(0.3, 1.9, 321, dtype=torch.float64)
    ys = -losses.clipped_policy_loss(xs.log()[None], torch.zeros(1, len(xs)).double(),
                                     torch.tensor([advantage]).double(), low, high)[0]
    value, slope = surrogate(ratio, advantage, low, high)
    fig, ax = plots.new_figure(height=3.0)
    ax.axvspan(1 - low, 1 + high, color=plots.SKY, alpha=0.2, label="clip range")
    ax.plot(xs, advantage * xs, color=plots.GREY, linestyle="--", label="not clipped")
    ax.plot(xs, ys, color=plots.BLUE, linestyle="-", label="clipped")
    ax.plot(ratio, value, "o", color=plots.VERMILLION, markersize=9, zorder=3, label="this token")
    reach = 0.16
    ax.plot([ratio - reach, ratio + reach], [value - reach * slope, value + reach * slope],
            color=plots.VERMILLION, linestyle="-", linewidth=3, zorder=3)
    ax.set(xlabel="ratio: probability now / then", ylabel="objective",
           title=f"objective {value:.2f}, slope {slope:.2f}".replace("-", "−"))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(said(ratio, advantage, low, high))
    return fig


def clip(ratio: float = 1.3, epsilon: float = 0.2) -> Panel:
    """Show the widget, beginning at this ratio and clip range."""
    moved = labelled(ipywidgets.FloatSlider(ratio, min=0.4, max=1.8, step=0.05), "Ratio")
    sign = labelled(ipywidgets.Dropdown(options=SIGNS), "Advantage")
    low = labelled(ipywidgets.FloatSlider(epsilon, min=0.05, max=0.5, step=0.05), "Epsilon, below")
    high = labelled(ipywidgets.FloatSlider(epsilon, min=0.05, max=0.5, step=0.05), "Epsilon, above")
    controls = (moved, sign, low, high)
    panel = Panel(controls, lambda: draw(*(one.value for one in controls)), WORDS)
    panel.watch(*controls)
    return panel.show()
