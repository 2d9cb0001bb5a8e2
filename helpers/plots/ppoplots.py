"""Figures of PPO: credit over tokens, the clip, one base for four roles, diagnostics, the clinic.

Every function takes plain numbers and returns a figure with its alt text set.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers import losses, plots

DIAGNOSTICS = {  # key as the trainer logs it: title, unit, a line to compare with (or None)
    "val/explained_variance": ("Explained variance", "share", 0.0),
    "val/error": ("Error of the critic", "reward points", None),
    "policy/clipfrac_avg": ("Clip fraction", "share of tokens", None),
    "objective/kl": ("KL to the reference", "nats an answer", 0.0),
    "policy/entropy_avg": ("Entropy", "nats a token", None),
    "val/ratio": ("Mean ratio", "now / then", 1.0),
}
FLOOR = -1.0  # an explained variance below it is drawn there


def credit(tokens: Sequence[str], rewards: Sequence[float], values: Sequence[float],
           gamma: float = 1.0, lam: float = 0.95) -> Figure:
    """One answer: rewards and the critic's forecasts above, the advantage of each token below.

    tokens, rewards, values: T each. The pale marks are the two ends, lambda 0 and 1.
    """
    table = torch.tensor([rewards, values], dtype=torch.float64)[:, None]  # (2, 1, T)
    mask = torch.ones_like(table[0])

    def advantages(one: float) -> np.ndarray:
        return losses.gae(table[0], table[1], mask, gamma, one)[0][0].numpy()

    fig, (top, bottom) = plots.new_figure(1, 7.0, 4.4, rows=2)
    places = np.arange(len(tokens))
    top.plot(places, values, "o-", color=plots.BLUE, drawstyle="steps-mid", label="forecast V")
    top.plot(places, rewards, "D", color=plots.ORANGE, markersize=6, label="reward")
    found = advantages(lam)
    bottom.bar(places, found, 0.5, color=np.where(found < 0, plots.VERMILLION, plots.GREEN),
               label=f"lambda {lam:.2f}")
    for end, mark in [(0.0, "v"), (1.0, "^")]:
        bottom.plot(places, advantages(end), mark, color=plots.GREY, markersize=6,
                    label=f"lambda {end:.0f}")
    for ax, title in [(top, "what is known"), (bottom, "advantage")]:
        ax.axhline(0, color=plots.BLACK, linewidth=1, linestyle="-")
        ax.set_xticks(places, tokens)
        ax.set(title=title, ylabel="reward points")
        ax.grid(axis="x", visible=False)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = ", ".join(f"{token} {one:+.2f}" for token, one in zip(tokens, found, strict=True))
    fig.set_label(f"Advantages with gamma {gamma:.2f} and lambda {lam:.2f}: {told}.")
    return fig


def clipped_objective(epsilon: float = 0.2) -> Figure:
    """The clipped objective of one token over its ratio: a good token left, a bad one right."""
    fig, axes = plots.new_figure(2, 7.4, 2.9)
    ratio = torch.linspace(0.4, 1.6, 241)
    for ax, sign, title in [(axes[0], 1.0, "advantage +1"), (axes[1], -1.0, "advantage −1")]:
        loss = losses.clipped_policy_loss(ratio.log()[None], torch.zeros(1, 241),
                                          torch.tensor([sign]), epsilon, epsilon)[0]
        ax.axvspan(1 - epsilon, 1 + epsilon, color=plots.SKY, alpha=0.2)
        ax.plot(ratio, sign * ratio, color=plots.GREY, linestyle="--", label="not clipped")
        ax.plot(ratio, -loss, color=plots.BLUE if sign > 0 else plots.VERMILLION,
                linestyle="-", label="clipped")
        ax.plot(1, sign, "o", color=plots.BLACK, markersize=6)
        ax.set(title=title, xlabel="ratio: probability now / then", ylabel="objective")
        ax.legend(loc="upper left" if sign > 0 else "upper right")
    fig.set_label(f"Clipped objective with epsilon {epsilon:.2f}. Advantage +1: rises with the "
                  f"ratio up to {1 + epsilon:.2f}, then flat. Advantage -1: flat up to "
                  f"{1 - epsilon:.2f}, then falls.")
    return fig


def memory(parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Stacked megabytes; `parts`: {way: {"base": …, "policy": …, …}}."""
    fig, ax = plots.new_figure(height=2.0)
    names = dict.fromkeys(name for way in parts.values() for name in way)
    names = sorted(names, key=lambda name: name != "base")  # at the left, in grey
    left = np.zeros(len(parts))
    colours = (plots.GREY, *plots.COLOURS) if names[0] == "base" else plots.COLOURS
    for name, colour in zip(names, colours, strict=False):
        width = np.array([way.get(name, 0.0) for way in parts.values()])
        ax.barh(list(parts), width, 0.6, left=left, color=colour, label=name, edgecolor="white")
        left += width
    ax.invert_yaxis()
    ax.set(xlabel="weights, MB")
    ax.grid(axis="y", visible=False)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    told = ", ".join(f"{way} {total:.1f} MB" for way, total in zip(parts, left, strict=True))
    fig.set_label(f"Weights in memory: {told}.")
    return fig


def ratios(ratio: ArrayLike, advantages: ArrayLike, epsilon: float) -> Figure:
    """A dot a token: its advantage and the ratio after a step; ratio, advantages: (N,)."""
    ratio, advantages = np.asarray(ratio), np.asarray(advantages)
    fig, ax = plots.new_figure(height=3.0)
    ax.axhspan(1 - epsilon, 1 + epsilon, color=plots.SKY, alpha=0.2, label="inside the clip")
    ax.axhline(1, color=plots.BLACK, linewidth=1, linestyle="--")
    ax.axvline(0, color=plots.BLACK, linewidth=1, linestyle="--")
    ax.plot(advantages, ratio, ".", color=plots.BLUE, alpha=0.6, label="a token")
    ax.set(xlabel="advantage, whitened", ylabel="ratio after the step")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    right_way = np.mean(np.sign(ratio - 1) == np.sign(advantages))
    outside = np.mean(np.abs(ratio - 1) > epsilon)
    fig.set_label(f"Ratios of {len(ratio)} tokens over their advantages: of all of them, sure ones "
                  f"included, {right_way:.0%} moved the way of their advantage; {outside:.0%} left "
                  "the clip range.")
    return fig


def diagnostics(curve: pd.DataFrame) -> Figure:
    """A panel a number that tells how a PPO run is, with the line it should be compared with."""
    fig, axes = plots.new_figure(3, 8.4, 4.6, rows=2)
    told = []
    for ax, (key, (title, unit, line)) in zip(axes.ravel(), DIAGNOSTICS.items(), strict=True):
        values = curve[key].astype(float) if key in curve else pd.Series(dtype=float)
        low = FLOOR if key == "val/explained_variance" else -np.inf
        plots.curve_plot(ax, curve["step"][values.index], values.clip(lower=low))
        if line is not None:
            ax.axhline(line, color=plots.BLACK, linewidth=1, linestyle="--")
        ax.set(title=title, xlabel="training step", ylabel=unit)
        told += plots.ends(title, values)
    fig.set_label(f"Diagnostics: {'; '.join(told) or 'nothing logged'}.")
    return fig


def by_tenth(values: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    """Mean of `values` (B, T) in each tenth of an answer's real tokens, (10,); NaN without any."""
    place = (mask.cumsum(1) - 1) / mask.sum(1, keepdim=True) * 10
    real = mask.bool()
    tenth, known = place[real].long().clamp(max=9).numpy(), values[real].double().numpy()
    count = np.bincount(tenth, minlength=10)
    total = np.bincount(tenth, known, minlength=10)
    return np.divide(total, count, out=np.full(10, np.nan), where=count > 0)


def forecasts(lines: Mapping[str, ArrayLike]) -> Figure:
    """The critic's mean forecast through an answer; `lines`: {name: (10,) as `by_tenth` gives}."""
    fig, ax = plots.new_figure(height=2.9)
    told = []
    looks = zip(lines.items(), plots.COLOURS, plots.DASHES, "osD", strict=False)
    for (name, values), colour, dashes, marker in looks:
        ax.plot(np.arange(5, 100, 10), values, color=colour, linestyle=dashes, marker=marker,
                markersize=5, label=f"{name} in the end")
        told.append(f"{name} from {values[0]:.2f} to {values[-1]:.2f}")
    ax.set(xlabel="place in the answer, %", ylabel="forecast, reward points")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    fig.set_label(f"Mean forecast from the first to the last tenth of answers: {', '.join(told)}.")
    return fig


def reward_parts(curve: pd.DataFrame, parts: Mapping[str, tuple[str, str]]) -> Figure:
    """A panel a part of the score; `parts`: {column: (title, unit)}."""
    fig, axes = plots.new_figure(len(parts), 3.7 * len(parts), 2.8)
    told = []
    looks = zip(np.atleast_1d(axes), parts.items(), plots.COLOURS, strict=False)
    for ax, (key, (title, unit)), colour in looks:
        plots.curve_plot(ax, curve["step"], curve[key], colour=colour)
        ax.set(title=title, xlabel="training step", ylabel=unit)
        told += plots.ends(title, curve[key])
    fig.set_label(f"Parts of the score: {'; '.join(told)}.")
    return fig


def clinic(records: Mapping[str, Mapping], names: Sequence[str],
           keys: Mapping[str, str]) -> Figure:
    """Recorded runs side by side: a panel a curve, a line a run.

    records: as `ppo_clinic.load` gives; `keys`: {curve: title with its unit}.
    """
    fig, axes = plots.new_figure(len(keys), 2.9 * len(keys), 3.6)
    told = []
    for ax, (key, title) in zip(np.atleast_1d(axes), keys.items(), strict=True):
        for name, colour, dashes in zip(names, plots.COLOURS, plots.DASHES, strict=False):
            one = records[name]
            values = np.array(one["curves"][key], dtype=float)
            plots.curve_plot(ax, one["steps"], values, one["words"], colour, dashes)
            told += plots.ends(f"{title}, {one['words']}:", values)
        ax.set(title=title, xlabel="training step")
        if key == "kl":  # one run may leave by a hundred times as far as the others
            ax.set_yscale("symlog", linthresh=0.1)
    fig.legend(*np.atleast_1d(axes)[0].get_legend_handles_labels(),
               loc="outside lower center", ncols=2)
    fig.set_label(f"Recorded runs. {'; '.join(told)}.")
    return fig
