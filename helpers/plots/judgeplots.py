"""Figures about judges: lengths of pairs, calibration, scores by length, best of n, its price.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import plots

MARKERS = "os^DvPX"
FEW = 20  # answers: a mean of fewer is not drawn


def length_differences(groups: Mapping[str, Sequence[int]]) -> Figure:
    """A panel a group: how much longer the chosen answers are than the rejected, in tokens."""
    fig, axes = plots.new_figure(len(groups), 7.4, 2.6)
    told = []
    widest = max((abs(d) for values in groups.values() for d in values), default=1)
    width = max(1, widest // 12) | 1  # odd: a bin is centred on 0, and none has one side more
    bins = -(-widest // width)
    edges = (np.arange(-bins, bins + 2) - 0.5) * width
    for ax, (name, values), colour in zip(np.atleast_1d(axes), groups.items(), plots.COLOURS,
                                          strict=False):
        ax.hist(values, edges, color=colour)
        ax.axvline(0, color=plots.BLACK, linewidth=1, linestyle="-")
        ax.set(title=name, xlabel="chosen − rejected, tokens", ylabel="pairs", yscale="log")
        shorter = np.mean(np.sign(values) < 0)
        longer = np.mean(np.sign(values) > 0)
        told.append(f"{name}: the chosen answer is shorter in {shorter:.0%}, longer in "
                    f"{longer:.0%} of {len(values)} pairs")
    fig.set_label(f"Differences of length within pairs. {'; '.join(told)}.")
    return fig


def one_pair(chosen: float = 1.5, rejected: float = 0.5) -> Figure:
    """Drawn: the scores of two answers, and the chance that the chosen one wins, on the curve."""
    fig, (scale, curve) = plots.new_figure(2, 7.4, 2.7)
    d = chosen - rejected
    p = 1 / (1 + np.exp(-d))
    scale.axhline(0, color=plots.GREY, linewidth=1, linestyle="-")
    for score, name, colour, marker, up in [(chosen, "chosen", plots.BLUE, "o", 1),
                                            (rejected, "rejected", plots.VERMILLION, "s", -1)]:
        scale.plot(score, 0, marker, color=colour, markersize=9)
        scale.text(score, 0.3 * up, name, ha="center", va="center", color=colour)
    scale.set(title=f"two scores, {d:+.1f} apart", xlabel="score", xlim=(-5, 5), ylim=(-1, 1),
              yticks=[])
    scale.grid(axis="y", visible=False)
    x = np.linspace(-6, 6, 201)
    curve.plot(x, 1 / (1 + np.exp(-x)), color=plots.GREY, linestyle="-")
    curve.plot([d, d], [0, p], color=plots.BLACK, linewidth=1, linestyle="--")
    curve.plot(d, p, "D", color=plots.BLACK, markersize=8)
    curve.set(title=f"P(chosen wins) = {p:.0%}, loss {-np.log(p):.2f}",
              xlabel="score of chosen − rejected", ylim=(0, 1.04))
    fig.set_label(f"The chosen answer has score {chosen:+.1f}, the rejected one {rejected:+.1f}: "
                  f"at a difference of {d:+.1f} the curve gives the chosen one {p:.0%}.")
    return fig


WRITTEN = (("6", -0.1), ("*", -0.1), ("2", -0.2), ("=", -0.1), ("11", -3.0), ("####", -0.2),
           ("11", -0.3), ("end", -0.1))  # tokens of an answer with a slip, and a log p for each


def two_judges(answer: Sequence[tuple[str, float]] = WRITTEN) -> Figure:
    """Drawn: a score read once, at the end, by a new head; and one that every token has a part in.

    answer: (token, its log-probability in nats), made up.
    """
    fig, axes = plots.new_figure(2, 7.4, 2.9)
    titles = "a new head: one look, at the end", "the old head: a look at every token"
    for ax, title in zip(axes, titles, strict=True):
        ax.set(title=title, xlim=(-0.7, len(answer) - 0.3), ylim=(-1.9, 2.2))
        ax.axis("off")
        for place, (token, _) in enumerate(answer):
            ax.text(place, 0, token, ha="center", va="center", fontsize=9, family="monospace",
                    bbox={"boxstyle": "square,pad=0.3", "facecolor": "white",
                          "edgecolor": plots.GREY})
    last = len(answer) - 1
    axes[0].annotate("", (last, 1.25), (last, 0.35),
                     arrowprops={"arrowstyle": "-|>", "color": plots.BLUE, "linewidth": 2})
    axes[0].text(last + 0.4, 1.6, "one row of weights → score", ha="right", va="center",
                 color=plots.BLUE)
    axes[0].annotate("", (last, -0.9), (0, -0.9),
                     arrowprops={"arrowstyle": "-|>", "color": plots.GREY})
    axes[0].text(last / 2, -1.3, "the slip must be carried to the end", ha="center", va="center")
    for place, (_, logp) in enumerate(answer):
        slip = logp == min(logp for _, logp in answer)
        axes[1].bar(place, 0.45 * logp, width=0.5, bottom=-0.45,
                    color=plots.VERMILLION if slip else plots.SKY)
    axes[1].text(last + 0.4, 1.6, "mean of log p (bars), times β → score", ha="right",
                 va="center", color=plots.BLUE)
    worst = int(np.argmin([logp for _, logp in answer]))
    axes[1].text(worst - 0.4, -1.3, "the slip", ha="right", va="center", color=plots.VERMILLION)
    fig.set_label("Drawn, with made-up numbers. Left: a new head reads one number at the last "
                  "token, so what it must know of a slip has to be carried there. Right: the "
                  "language model's own head gives a probability to every token as it comes, and "
                  "the slip stands out by itself; the score is the mean.")
    return fig


def bradley_terry(margin: float = 0.0) -> Figure:
    """Probability and loss of one pair over the difference of its scores."""
    fig, axes = plots.new_figure(2, 7.4, 2.7)
    x = np.linspace(-5, 5, 201)
    p = 1 / (1 + np.exp(-(x - margin)))
    for ax, y, title, colour in [(axes[0], p, "P(chosen wins)", plots.BLUE),
                                 (axes[1], -np.log(p), "loss, nats", plots.VERMILLION)]:
        ax.plot(x, y, color=colour, linestyle="-")
        ax.axvline(margin, color=plots.GREY, linewidth=1, linestyle="--")
        ax.set(title=title, xlabel="score of chosen − rejected")
    axes[1].set_ylim(0, 5)
    fig.set_label(f"Bradley-Terry with margin {margin:.1f}: the probability rises from 0 to 1 and "
                  f"is one half at a difference of {margin:.1f}; the loss falls from there on "
                  "towards 0, and grows in a straight line on the other side.")
    return fig


def reliability(table: dict) -> Figure:
    """Accuracy over confidence, a dot a group of pairs; `table` as `judge.calibration` gives."""
    fig, ax = plots.new_figure(width=4.6, height=3.6)
    ax.plot([0.5, 1], [0.5, 1], color=plots.GREY, linestyle="--", label="says what it knows")
    ax.plot(table["confidence"], table["accuracy"], "o-", color=plots.BLUE, label="reward model")
    low = min(0.3, *(won - 0.05 for won in table["accuracy"]))  # few pairs: far below a coin
    ax.set(xlabel="confidence: sigmoid(|difference|)", ylabel="share of pairs won",
           xlim=(0.48, 1.02), ylim=(low, 1.02))
    ax.legend(loc="lower right")
    told = ", ".join(f"{sure:.0%} sure, {won:.0%} won" for sure, won in
                     zip(table["confidence"], table["accuracy"], strict=True))
    fig.set_label(f"Calibration on groups of equal size: {told}. Mean distance "
                  f"{table['error']:.2f}.")
    return fig


def score_by_length(tokens: ArrayLike, scores: ArrayLike, right: ArrayLike) -> Figure:
    """Mean score of right and of wrong answers of like length, over faint dots."""
    tokens, scores, right = (np.asarray(values).ravel() for values in (tokens, scores, right))
    fig, ax = plots.new_figure(height=3.2)
    edges = np.unique(np.quantile(tokens, np.linspace(0, 1, 9)))
    told = []
    for mask, name, colour, line in [(right.astype(bool), "right", plots.BLUE, "o-"),
                                     (~right.astype(bool), "wrong", plots.VERMILLION, "s--")]:
        ax.plot(tokens[mask], scores[mask], ".", color=colour, alpha=0.12, markersize=4)
        place = np.clip(np.searchsorted(edges, tokens[mask], side="right") - 1, 0,
                        max(0, len(edges) - 2))
        middle = [(tokens[mask][place == i].mean(), scores[mask][place == i].mean())
                  for i in range(len(edges)) if (place == i).sum() >= FEW]
        if middle:
            ax.plot(*zip(*middle, strict=True), line, color=colour, label=f"{name}, mean")
            told.append(f"{name} from {middle[0][1]:+.2f} at {middle[0][0]:.0f} tokens to "
                        f"{middle[-1][1]:+.2f} at {middle[-1][0]:.0f}")
    low, high = np.quantile(scores, (0.01, 1)) if scores.size else (0, 0)
    room = max(high - low, 1e-9)  # a few very bad scores would press all others flat
    low, high = max(low - 0.25 * room, scores.min(initial=low) - 0.05 * room), high + 0.05 * room
    outside = int((scores < low).sum())
    ax.set(xlabel="length of the answer, tokens", ylabel="score", ylim=(low, high),
           title=f"{outside} of {scores.size} answers lie below" if outside else "")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"Mean score by length of the answer: {'; '.join(told) or 'too few answers'}."
                  + (f" {outside} of {scores.size} answers lie below the axis." if outside else ""))
    return fig


def best_of_n(curves: Mapping[str, Sequence[tuple[float, float, float]]], ns: Sequence[int],
              ylabel: str = "right answers, %") -> Figure:
    """A line a way to choose, with its interval; `curves`: {name: (mean, low, high) of each n}."""
    fig, ax = plots.new_figure(height=3.4)
    told = []
    looks = zip(curves.items(), plots.COLOURS, plots.DASHES, MARKERS, strict=False)
    for (name, points), colour, dashes, marker in looks:
        mean, low, high = 100 * np.array(points).T
        ax.plot(ns, mean, color=colour, linestyle=dashes, marker=marker, markersize=5, label=name)
        ax.fill_between(ns, low, high, color=colour, alpha=0.12, linewidth=0)
        told.append(f"{name} from {mean[0]:.1f} to {mean[-1]:.1f}")
    ax.set_xscale("log", base=2)
    ax.set_xticks(ns, ns)
    ax.set(xlabel="answers a problem, n", ylabel=ylabel)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"One of n answers chosen, n from {ns[0]} to {ns[-1]}, in percent right: "
                  f"{'; '.join(told)}.")
    return fig


def over_optimisation(kl: Sequence[float], judges: Mapping[str, tuple[Sequence[float],
                                                                      Sequence[float]]]) -> Figure:
    """Two panels over the distance from the policy: what each judge sees, and what is true.

    judges: {name: (its own mean score of each choice, share right of each choice)}.
    """
    fig, axes = plots.new_figure(2, 7.6, 3.0)
    told = []
    looks = zip(judges.items(), plots.COLOURS, plots.DASHES, MARKERS, strict=False)
    for (name, (proxy, gold)), colour, dashes, marker in looks:
        axes[0].plot(kl, np.subtract(proxy, proxy[0]), color=colour, linestyle=dashes,
                     marker=marker, markersize=4, label=name)
        axes[1].plot(kl, 100 * np.array(gold), color=colour, linestyle=dashes, marker=marker,
                     markersize=4, label=name)
        told.append(f"{name}: its score rises by {proxy[-1] - proxy[0]:.2f}, right answers go "
                    f"from {gold[0]:.0%} over {max(gold):.0%} to {gold[-1]:.0%}")
    axes[0].set(title="what the judge sees", ylabel="gain of its score",
                xlabel="KL from the policy, nats")
    axes[1].set(title="what is true", ylabel="right answers, %",
                xlabel="KL from the policy, nats")
    axes[1].legend()
    fig.set_label(f"Choosing the best of ever more answers. {'; '.join(told)}.")
    return fig
