"""The style of all figures: colours, dashes and type, set here and nowhere else.

Every line has a colour that colour-blind readers can tell apart (Okabe & Ito 2008) and a dash
pattern of its own. The ground is white, so a figure reads the same on a light and a dark page.
"""

import matplotlib
from cycler import cycler

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES: tuple[str | tuple, ...] = (
    "-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3)))
GREY = "#767676"  # 4.5 to 1 on white: readable as text
DPI = 110


def use_style() -> None:
    """Set the course's figure style for this process (sizes for figures shown at half width)."""
    matplotlib.rcParams.update({
        "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "axes.axisbelow": True, "grid.color": "#DDDDDD", "grid.linewidth": 0.8,
        "axes.titlesize": 12, "axes.titlelocation": "left", "axes.labelsize": 11,
        "font.size": 11, "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 10,
        "legend.frameon": False, "lines.linewidth": 2, "figure.facecolor": "white",
        "axes.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": DPI,
        "svg.hashsalt": "course",  # the same figure gives the same file
    })
