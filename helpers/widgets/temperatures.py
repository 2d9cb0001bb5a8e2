"""*Temperature*: pass@k and maj@k of the models of a run, at every temperature that was measured.

    temperatures(course)       # a menu of models and a slider over temperatures
"""

import ipywidgets
from matplotlib.figure import Figure

from helpers import plots
from helpers.config import Course
from helpers.widgets.panel import Panel, labelled
from helpers.widgets.recorded import sweep

WORDS = "a menu of models and a slider over temperatures"


def at(entries: list[dict], temperature: float) -> dict:
    """The entry of a temperature; ValueError, with those there are, where it was not measured."""
    for entry in entries:
        if entry["temperature"] == temperature:
            return entry
    known = ", ".join(f"{entry['temperature']:g}" for entry in entries)
    raise ValueError(f"temperature {temperature:g} was not measured for this model; there are "
                     f"{known or 'none'}")


def draw(model: str, entries: list[dict], temperature: float) -> Figure:
    """Over temperatures at the left, over k at the right; the chosen temperature is marked."""
    one = at(entries, temperature)
    ks, places = one["k"], [entry["temperature"] for entry in entries]
    fig, (left, right) = plots.new_figure(2, 7.6, 3.1)
    for index, k, colour, dashes, marker in [
            (0, 1, plots.BLUE, "-", "o"), (-1, ks[-1], plots.GREEN, "-.", "^")]:
        left.plot(places, [entry["pass"][index] for entry in entries], color=colour,
                  linestyle=dashes, marker=marker, markersize=4, label=f"pass@{k}")
    left.plot(places, [entry["maj"][-1] for entry in entries], color=plots.VERMILLION,
              linestyle="--", marker="s", markersize=4, label=f"maj@{ks[-1]}")
    left.axvline(temperature, color=plots.BLACK, linestyle=":", linewidth=1)
    left.set(title=f"{model}, {one['problems']} problems", xlabel="temperature",
             ylabel="share of problems", ylim=(0, 1.03))
    left.legend(loc="lower left")
    right.plot(ks, one["pass"], color=plots.GREEN, linestyle="-.", marker="^", label="pass@k")
    right.plot(ks, one["maj"], color=plots.VERMILLION, linestyle="--", marker="s", label="maj@k")
    right.set(title=f"at temperature {temperature:g}", xlabel="answers to a problem, k",
              ylim=(0, 1.03), xticks=ks)
    right.legend(loc="lower right")
    best = max(entries, key=lambda entry: entry["pass"][0])
    fig.set_label(
        f"{model} at temperature {temperature:g}: pass@1 {one['pass'][0]:.2f}, pass@{ks[-1]} "
        f"{one['pass'][-1]:.2f}, maj@{ks[-1]} {one['maj'][-1]:.2f}. One answer is best at "
        f"temperature {best['temperature']:g} ({best['pass'][0]:.2f}).")
    return fig


def temperatures(course: Course) -> Panel:
    """Show the widget over the sweep of this run, or over the one that comes with the course."""
    models, where = sweep(course)
    read: dict[str, list[dict]] = {}  # each once: a vote over all takes a second

    def entries(name: str) -> list[dict]:
        if name not in read:
            read[name] = models[name]()
        return read[name]

    first = next(name for name in ("sft", *models) if name in models)
    model = labelled(ipywidgets.Dropdown(options=list(models), value=first), "Model")
    known = [entry["temperature"] for entry in entries(first)]
    warm = labelled(ipywidgets.SelectionSlider(
        options=[(f"{one:g}", one) for one in known], value=known[-1]), "Temperature")
    panel = Panel([model, warm], lambda: draw(model.value, entries(model.value), warm.value),
                  WORDS, where)
    panel.watch(model, warm)
    return panel.show()
