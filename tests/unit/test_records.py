"""Records as HTML, and the map of the course."""

from pathlib import Path

import ipywidgets
import pandas as pd

from helpers import course_map, records
from helpers.data.problem import Problem
from helpers.graph import Notebook
from helpers.sampling import Completion

EVIL = "<script>alert(1)</script>"
PROBLEM = Problem(f"How many? {EVIL}", f"2+3=<<2+3=5>>5\n{EVIL}", "5", "gsm8k", "1")


def test_all_text_is_escaped_and_annotations_are_framed():
    page = records.problems_html([PROBLEM] * 5).data
    assert "<script" not in page and "&lt;script&gt;" in page
    assert page.count("<details open") == 3 and page.count("<details") == 5
    assert ">&lt;&lt;2+3=5&gt;&gt;</code>5<br>" in page


def test_a_table_escapes_text_and_formats_numbers():
    page = records.table_html(pd.DataFrame({"text": [EVIL], "share": [0.256]}), {"share": "{:.1%}"})
    assert "<script" not in page.data and "25.6%" in page.data


def test_graded_completions_show_both_verdicts():
    texts = ["2+3=5\n#### 5", "It is 5.", EVIL]
    completions = [Completion(text, 9, False) for text in texts]
    page = records.graded_html(completions, "5", "hash", [1.0, 0.0, 0.0]).data
    assert page.count("✓ right") == 3 and page.count("✗ wrong") == 3
    assert "<script" not in page


def test_browsing_shows_a_slider_and_a_page_without_widgets(monkeypatch):
    shown = []
    monkeypatch.setattr(records, "display", lambda what, **options: shown.append(what))
    records.browse([PROBLEM] * 20, static=4)
    slider, page = shown
    assert "application/vnd.jupyter.widget-view+json" in slider and "20 records" in str(slider)
    assert page.data.count("<details") == 4


def test_moving_the_slider_turns_the_page(monkeypatch):
    boxes = []
    real = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda parts: boxes.append(real(parts)) or boxes[0])
    monkeypatch.setattr(records, "display", lambda *what, **options: None)
    records.browse([PROBLEM, Problem("Why <b>?", "", "1", "gsm8k", "2")])
    slider, page = boxes[0].children
    assert "How many?" in page.value
    slider.value = 2
    assert "Why &lt;b&gt;?" in page.value


def notebook(name: str, needs: tuple, makes: tuple) -> Notebook:
    return Notebook(name, Path(name), f"{name}: more", needs, makes, (), 1.0, "")


def test_the_map_leaves_out_arrows_that_follow_from_others():
    chain = [notebook("00", (), ()), notebook("03", (), ("sft",)),
             notebook("07", ("sft",), ("grpo",)), notebook("08", ("sft", "grpo"), ("score",))]
    assert [n.name for n in course_map._direct(chain[3], chain)] == ["07"]
    assert course_map._places(chain) == {"00": (0, 0), "03": (0, 1), "07": (1, 1), "08": (2, 1)}
    figure = course_map.course_map(chain, here="00")
    assert "08: more needs sft, grpo and makes score" in figure.get_label()
