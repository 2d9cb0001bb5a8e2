"""*pass@k and the vote*: problems of all difficulties, and what k answers to each are good for.

    pass_at_k()               # sliders for how hard problems are and how alike mistakes are
    maj_at_k(.6, 3, 1)        # the vote of three: 0.648
"""

from math import comb, exp, factorial, lgamma

import ipywidgets
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy import stats

from helpers import plots
from helpers.widgets.panel import Panel, labelled

WORDS = "sliders for the difficulty of problems and the number of answers"
PROBLEMS = 200  # points of the distribution: enough for three digits
MOST = 16  # answers to a problem


def pass_at(p: ArrayLike, k: int) -> np.ndarray:
    """Chance that one of k independent answers is right: 1 - (1 - p)^k, p the chance of one."""
    return 1 - (1 - np.asarray(p, dtype=float)) ** k


def maj_at_k(p: ArrayLike, k: int, wrong: int) -> np.ndarray:
    """Chance that the vote of k answers is right (Wang et al. 2022, arXiv:2203.11171), exactly.

    p: the chance of a right answer, any shape. A wrong one is one of `wrong` different answers, all
    equally likely. A tie is broken at random: credit 1 / (answers in front).
    """
    p = np.asarray(p, dtype=float)
    total = np.zeros_like(p)
    for right in range(1, k + 1):
        share = _front(right, k - right, wrong)
        total += comb(k, right) * p**right * (1 - p) ** (k - right) * share
    return total


def _front(right: int, others: int, wrong: int) -> float:
    """Expected credit of `right` votes where `others` fall evenly on `wrong` answers. Ways are
    counted by exponential generating functions: others! * [x^others] of a product."""
    fewer = np.array([1 / factorial(size) for size in range(right)])  # one answer, below `right`
    total = 0.0
    for tied in range(min(wrong, others // right) + 1):
        left = others - tied * right
        series = np.ones(1)
        for _ in range(wrong - tied):
            series = np.convolve(series, fewer)[:left + 1]
        if left < len(series):
            ways = comb(wrong, tied) * series[left] / factorial(right) ** tied
            total += ways / (tied + 1)
    return total * exp(lgamma(others + 1)) / wrong**others


def difficulties(mean: float, spread: float, size: int = PROBLEMS) -> np.ndarray:
    """(size,) chances of a right answer, easy to hard: points of a beta distribution.

    spread: 0, all problems are alike; towards 1, each is always or never solved (it is the
    variance's share of the largest one possible, mean * (1 - mean)).
    """
    if spread <= 0:
        return np.full(size, mean)
    both = 1 / spread - 1  # alpha + beta
    places = (np.arange(size) + 0.5) / size
    return np.nan_to_num(stats.beta.ppf(places, mean * both, (1 - mean) * both))


def draw(mean: float, spread: float, k: int, wrong: int) -> Figure:
    """The problems at the left, pass@k and maj@k at the right, `k` marked."""
    p, ks = difficulties(mean, spread), range(1, MOST + 1)
    passed = [float(pass_at(p, one).mean()) for one in ks]
    voted = [float(maj_at_k(p, one, wrong).mean()) for one in ks]
    fig, (left, right) = plots.new_figure(2, 7.6, 3.0)
    left.hist(p, np.linspace(0, 1, 21), color=plots.SKY, edgecolor="white")
    left.set(title=f"{PROBLEMS} problems", xlabel="chance of a right answer", ylabel="problems")
    for values, name, marker in [(passed, "pass@k", "o"), (voted, "maj@k", "s")]:
        right.plot(ks, values, marker=marker, markersize=4, label=name)
    right.axvline(k, color=plots.BLACK, linestyle=":", linewidth=1)
    right.set(title=f"k = {k}: pass {passed[k - 1]:.2f}, maj {voted[k - 1]:.2f}",
              xlabel="answers to a problem, k", ylabel="share of problems", ylim=(0, 1.03),
              xticks=(1, 4, 8, 12, 16))
    right.legend(loc="lower right")
    helps = "helps" if voted[k - 1] > passed[0] + 0.005 else (
        "hurts" if voted[k - 1] < passed[0] - 0.005 else "changes little")
    fig.set_label(f"One answer is right in {passed[0]:.2f} of cases. Of {k}: pass@{k} "
                  f"{passed[k - 1]:.2f}, maj@{k} {voted[k - 1]:.2f}, so a vote {helps}.")
    return fig


def pass_at_k(mean: float = 0.5, spread: float = 0.5, k: int = 8, wrong: int = 3) -> Panel:
    """Show the widget, beginning with these values."""
    controls = (
        labelled(ipywidgets.FloatSlider(mean, min=0.05, max=0.95, step=0.05), "Mean chance"),
        labelled(ipywidgets.FloatSlider(spread, min=0, max=0.95, step=0.05), "Spread"),
        labelled(ipywidgets.IntSlider(k, 1, MOST), "Answers, k"),
        labelled(ipywidgets.IntSlider(wrong, 1, 8), "Wrong answers"))
    panel = Panel(controls, lambda: draw(*(one.value for one in controls)), WORDS)
    panel.watch(*controls)
    return panel.show()
