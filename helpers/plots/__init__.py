"""Figures and tables: one style for all of them; each module draws what one notebook shows."""

from helpers.plots.figures import (
    PATH,
    course_path,
    curve_plot,
    ends,
    fifths,
    new_figure,
    save_figure,
    show,
    smoothed,
    training_panel,
)
from helpers.plots.style import (
    BLACK,
    BLUE,
    COLOURS,
    DASHES,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    use_style,
)
from helpers.plots.tables import compare_completions, token_mask_html

__all__ = [
    "BLACK", "BLUE", "COLOURS", "DASHES", "GREEN", "GREY", "ORANGE", "PATH", "PURPLE", "SKY",
    "VERMILLION", "compare_completions", "course_path", "curve_plot", "ends", "fifths",
    "new_figure", "save_figure", "show", "smoothed", "token_mask_html", "training_panel",
    "use_style",
]
