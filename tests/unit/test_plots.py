"""Figures: data in them, alt text with them, nothing executed that a model wrote."""

import html
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from helpers import models, plots, prompts
from helpers.artifacts import Stage
from helpers.config import Course
from helpers.data.problem import Problem
from helpers.plots import tables
from tests.hub.tiny_repo import tiny_folder

STEPS = np.arange(1, 61)
CURVE = pd.DataFrame({"step": STEPS, "reward": STEPS / 60, "entropy": 1 / STEPS, "loss": 0.01,
                      "completions/mean_length": 50.0, "kl": np.nan, "grad_norm": 0.5})


def test_colours_and_dashes_are_all_different():
    assert len(set(plots.COLOURS)) == len(plots.COLOURS) == len(plots.DASHES)
    assert len(set(map(str, plots.DASHES))) == len(plots.DASHES)


def test_smoothing_never_looks_ahead():
    values = np.arange(40.0)
    assert plots.smoothed(values)[0] == 0
    assert plots.smoothed(values)[20] == np.mean([17, 18, 19, 20])
    changed = values.copy()
    changed[30:] = 1e6
    assert np.array_equal(plots.smoothed(changed)[:30], plots.smoothed(values)[:30])


def test_training_panel_draws_what_the_run_has():
    fig = plots.training_panel(CURVE)
    axes = {ax.get_title(loc="left"): ax for ax in fig.axes if ax.get_visible()}
    assert list(axes) == ["Reward", "Completion length", "Entropy", "Gradient norm"]  # no KL, loss
    raw, mean = axes["Reward"].lines
    assert np.array_equal(raw.get_ydata(), CURVE["reward"])
    assert np.array_equal(mean.get_ydata(), plots.smoothed(CURVE["reward"]))
    assert all(ax.get_xlabel() == "training step" for ax in axes.values())
    # the means of steps 1 to 12 and 49 to 60
    assert fig.get_label().startswith("Training curves over 60 steps: Reward from 0.108 to 0.908")
    supervised = plots.training_panel(CURVE.drop(columns=["reward", "completions/mean_length"]))
    assert supervised.axes[0].get_title(loc="left") == "Loss"
    only = plots.training_panel(CURVE, keys=["reward"])
    assert [ax.get_title(loc="left") for ax in only.axes] == ["Reward"]


def test_short_empty_and_unknown_curves_are_drawn_too():
    assert len(plots.training_panel(CURVE[:3]).axes[0].lines) == 1
    assert "nothing yet" in plots.training_panel(pd.DataFrame({"step": []})).get_label()
    own = plots.training_panel(CURVE.assign(my_key=1.0), keys=["my_key"])
    assert own.axes[0].get_title(loc="left") == "my key"


def test_course_path_lights_the_named_steps_only():
    fig = plots.course_path(lit=("reward", "prompt"))
    assert "Highlighted: prompt, reward." in fig.get_label()
    bold = [text.get_text() for text in fig.axes[0].texts if text.get_weight() == "bold"]
    assert sorted(bold) == ["prompt", "reward"]
    assert {text.get_text() for text in fig.axes[0].texts} >= set(plots.PATH)
    with pytest.raises(ValueError, match="no step 'rewards'"):
        plots.course_path(lit=["rewards"])


def test_text_on_the_path_stays_inside_its_box():
    fig = plots.course_path(lit=plots.PATH)  # bold is the widest
    fig.canvas.draw()
    boxes = [patch.get_window_extent() for patch in fig.axes[0].patches]
    labels = [text for text in fig.axes[0].texts if text.get_text() in plots.PATH]
    for box, label in zip(boxes, labels, strict=True):
        extent = label.get_window_extent()
        assert box.x0 + 2 < extent.x0 and extent.x1 < box.x1 - 2, label.get_text()


def test_figures_are_saved_with_alt_text_and_byte_for_byte_again(tmp_path):
    stage = Stage.begin(Course.load(), "sft")
    before = sorted(path.name for path in stage.path.iterdir())
    plots.save_figure(plots.course_path(["loss"]), "path", stage=stage)
    svg, png = (stage.course.dir() / "figures" / f"path.{kind}" for kind in ("svg", "png"))
    assert png.stat().st_size > 1000
    assert sorted(path.name for path in stage.path.iterdir()) == before  # the stage is untouched
    first = svg.read_text()
    assert "Highlighted: loss." in first and "dc:date" not in first
    plots.save_figure(plots.course_path(["loss"]), "path", alt="Words.", stage=stage)
    assert svg.read_text() == first.replace(
        html.escape(plots.course_path(["loss"]).get_label(), quote=False), "Words.")
    with pytest.raises(ValueError, match="no alt text"):
        plots.save_figure(plots.new_figure()[0], "bare")


class Text(HTMLParser):
    """Collects the text and the tags of a page."""

    def __init__(self, page):
        super().__init__()
        self.text, self.tags = "", set()
        self.feed(page)

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


def row(number, text, right, greedy=True):
    one = {"id": str(number), "question": f"<b>Q{number}</b> & more", "answer": "<7>",
           "completions": [text], "strict": [right]}
    return one | ({"greedy": {"text": text, "strict": right}} if greedy else {"greedy": None})


def test_completions_side_by_side_escaped_and_marked():
    nasty = "<script>alert(1)</script>\n#### 7"
    before = [row(1, nasty, False), row(2, "two", True), row(9, "only here", True)]
    after = [row(2, "zwei", False, greedy=False), row(1, "one", True)]
    page = plots.compare_completions(before, after, names=("base <0>", "sft")).data
    seen = Text(page)
    assert nasty in seen.text and "<b>Q1</b> & more" in seen.text and "base <0>" in seen.text
    assert not {"script", "img"} & seen.tags and "only here" not in seen.text
    assert re.findall(r"([✓✗] \w+)</b>\n(\w+|&lt;script)", page) == [
        ("✗ wrong", "&lt;script"), ("✓ right", "one"), ("✓ right", "two"), ("✗ wrong", "zwei")]
    assert plots.compare_completions(before, after, limit=1).data.count("<tr>") == 2
    with pytest.raises(ValueError, match="no problem in common"):
        plots.compare_completions(before[2:], after)


def test_token_mask_shows_every_token_and_marks_those_with_loss():
    course = Course.load(overrides={"model": {"name": str(tiny_folder())}})
    tokenizer = models.load_tokenizer(course)
    problem = Problem("Is 1 < 2 & 3?", "1 <i>+</i> 2", "3", "gsm8k", "x")
    ids, labels = prompts.encode_example(tokenizer, prompts.sft_example(problem, course))
    page = plots.token_mask_html(tokenizer, ids, labels).data
    spans = re.findall(r'<span title="id (\d+)" style="([^"]*)">(.*?)</span>', page)
    assert [int(one[0]) for one in spans] == ids
    assert [("background" in one[1]) for one in spans] == [label != -100 for label in labels]
    drawn = html.unescape("".join(one[2] for one in spans)).replace("↵<br>", "\n")
    assert drawn == tokenizer.decode(ids)
    learned = sum(label != -100 for label in labels)
    assert f"{learned} of {len(ids)} tokens" in page
    assert Text(page).tags == {"div", "span", "br", "wbr"}
    with pytest.raises(ValueError, match="shorter|longer"):
        plots.token_mask_html(tokenizer, ids, labels[:-1])


def test_text_table_shows_every_cell_and_runs_none():
    nasty = '"><script>alert(1)</script>\nline'
    page = tables.text_table({"a <b>": [nasty, 2], "c": ["x", None]}).data
    seen = Text(page)
    assert seen.text == f"a <b>c{nasty}x2None"
    assert seen.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("white-space:pre-wrap") == 6  # heads and cells have their style
    with pytest.raises(ValueError, match="shorter|longer"):
        tables.text_table({"a": [1], "b": []})


def test_fifths_are_means_of_both_ends_without_what_was_not_logged():
    assert plots.fifths([None, 1, 3, *[50] * 6, float("nan"), 7, 9]) == (2, 8)
    assert plots.fifths([4.0]) == (4, 4)
    assert all(math.isnan(end) for end in plots.fifths([None, float("nan")]))
    assert plots.ends("Loss", [None]) == [] and plots.ends("Loss", [2, 1]) == ["Loss from 2 to 1"]
