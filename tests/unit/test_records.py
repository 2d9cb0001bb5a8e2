"""Records as HTML, and the map of the course."""

import re
from pathlib import Path

import ipywidgets
import pandas as pd
from matplotlib.patches import FancyArrowPatch

from helpers.config import Course
from helpers.course import map as course_map
from helpers.course.graph import Notebook
from helpers.data.conversation import Conversation, Preference
from helpers.data.problem import Problem
from helpers.plots import tables
from helpers.sampling import Completion
from helpers.track import Track
from helpers.widgets import live, records

EVIL = "<script>alert(1)</script>"
PROBLEM = Problem(f"How many? {EVIL}", f"2+3=<<2+3=5>>5\n{EVIL}", "5", "gsm8k", "1")
PUZZLE = Problem("Reach 7.", "", "7", "countdown", "2", (3, 4), 7)
TURNS = [{"role": role, "content": f"{text} $5 {EVIL}"} for role, text in (
    ("system", "Be kind."), ("user", "First?"), ("assistant", "One."), ("user", "Last?"))]
CHAT = Conversation([*TURNS, {"role": "assistant", "content": f"Two. {EVIL}"}], "chat", "3", "k")
PAIR = Preference(TURNS[:2], f"Good {EVIL}", f"Bad {EVIL}", 8.5, None, "pairs", "4")


def test_all_text_is_escaped_and_annotations_are_framed():
    page = records.records_html([PROBLEM] * 5).data
    assert "<script" not in page and "&lt;script&gt;" in page
    assert page.count("<details open") == 3 and page.count("<details") == 5
    assert ">&lt;&lt;2+3=5&gt;&gt;</code>5<br>" in page


def test_every_kind_of_record_is_escaped_and_no_formula_to_a_browser():
    for record in (PROBLEM, PUZZLE, CHAT, PAIR):
        page = records.record_html(record)
        assert "<script" not in page and page.count("<table") == page.count(tables.AS_TEXT)
    page = records.records_html([PROBLEM, PUZZLE, CHAT, PAIR]).data
    assert "<script" not in page and page.count("<details") == 4
    assert "no records" in records.records_html([]).data


def test_a_conversation_shows_its_turns_in_order_with_their_roles():
    page = records.record_html(CHAT)
    places = [page.index(text) for text in ("Be kind.", "First?", "One.", "Last?", "Two.")]
    assert places == sorted(places)
    assert [page.count(f">{role}</th>") for role in ("system", "user", "assistant")] == [1, 2, 2]


def test_a_pair_stands_side_by_side_with_its_scores():
    page = records.record_html(PAIR)
    cells = re.findall(r"<td[^>]*width:50%[^>]*>(.*?)</td>", page)
    assert len(cells) == 2
    assert "✓ chosen" in cells[0] and "score 8.5" in cells[0] and "Good" in cells[0]
    assert "✗ rejected" in cells[1] and "score" not in cells[1] and "Bad" in cells[1]
    assert page.index("First?") < page.index("Good")


def test_a_puzzle_shows_its_numbers_and_its_target():
    page = records.record_html(PUZZLE)
    assert [page.count(f">{number}</span>") for number in (3, 4, 7)] == [1, 1, 1]
    assert "solution" not in page
    assert "<i>none</i>" in records.record_html(Problem("Why?", "", "1", "deepscaler", "5"))


def test_a_long_text_scrolls_in_its_own_frame():
    assert "max-height" in records.solution_html("word " * 1000)
    assert "max-height" not in records.solution_html("word " * 10)


def test_a_table_keeps_words_whole_and_says_what_is_missing():
    frame = pd.DataFrame({"name": ["ultrafeedback", "x"], "n": [1.0, None], "long": ["y" * 99, ""]})
    page = records.table_html(frame, {"n": "{:.0f}"}).data
    styles = dict(zip(frame, re.findall(r'<td style="([^"]*)"', page), strict=False))
    assert "break-word" in styles["name"] and "anywhere" in styles["long"]
    assert "text-align:right" in styles["n"] and ">1</td>" in page and ">–</td>" in page
    assert tables.AS_TEXT in page


def test_a_table_escapes_text_and_formats_numbers():
    page = records.table_html(pd.DataFrame({"text": [EVIL], "share": [0.256]}), {"share": "{:.1%}"})
    assert "<script" not in page.data and "25.6%" in page.data


def test_graded_completions_show_both_verdicts():
    texts = ["2+3=5\n#### 5", "It is 5.", EVIL]
    completions = [Completion(text, 9, False) for text in texts]
    problem = Problem("2 + 3?", "", "5", "gsm8k", "1")
    page = records.graded_html(Track(Course.load()), problem, completions, [1.0, None, 0.0]).data
    assert ">–</td>" in page
    assert page.count("✓ right") == 3 and page.count("✗ wrong") == 3
    assert "<script" not in page


def test_browsing_shows_a_slider_and_a_page_without_widgets(monkeypatch):
    shown = []
    monkeypatch.setattr(live, "output", lambda what, *more: shown.append(what))
    records.browse([PROBLEM] * 20, static=4)
    slider, page = shown
    assert "application/vnd.jupyter.widget-view+json" in slider and "20 records" in str(slider)
    assert page["text/html"].count("<details") == 4


def test_moving_the_slider_turns_the_page(monkeypatch):
    boxes = []
    real = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda parts: boxes.append(real(parts)) or boxes[0])
    records.browse([PROBLEM, Problem("Why <b>?", "", "1", "gsm8k", "2")])
    slider, page = boxes[0].children
    assert "How many?" in page.value
    slider.value = 2
    assert "Why &lt;b&gt;?" in page.value


def test_a_menu_chooses_among_several_sets(monkeypatch):
    boxes, shown = [], []
    real = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda parts: boxes.append(real(parts)) or boxes[0])
    monkeypatch.setattr(live, "output", lambda what, *more: shown.append(what))
    records.browse({"problems": [PROBLEM] * 9, "chats": [CHAT], f"pairs{EVIL}": [PAIR, PAIR]}, 2)
    menu, first, page = boxes[0].children
    assert menu.options == ("problems", "chats", f"pairs{EVIL}") and first.max == 9
    first.value = 7
    menu.value = f"pairs{EVIL}"
    menu, slider, page = boxes[0].children
    assert (slider.value, slider.max) == (1, 2) and "✓ chosen" in page.value
    menu.value = "chats"
    assert boxes[0].children[1].max == 1 and "Two." in page.value
    assert "<script" not in page.value
    menu.value = "problems"
    assert boxes[0].children[1] is first and first.value == 7, "the set's place is kept"
    first.value = 9
    assert "How many?" in page.value
    widget, static = shown
    assert widget["text/plain"] == ("Run this cell in Jupyter or Colab to get a menu of 3 data "
                                    "sets and a slider over their records.")
    copy = static["text/html"]
    assert copy.count("<details") == 3 + 2 + 3 and "<script" not in copy  # one more around them
    hidden = re.search(r"<style>\.(copy-\w+){display:none}</style>", page.value)[1]
    assert f'class="{hidden}"' in copy, "beside the live page the copy is hidden"


def notebook(name: str, needs: tuple, makes: tuple) -> Notebook:
    return Notebook(name, Path(name), f"{name}: more", needs, makes, (), 1.0, "")


def test_the_map_leaves_out_arrows_that_follow_from_others():
    chain = [notebook("00", (), ()), notebook("03", (), ("sft",)),
             notebook("07", ("sft",), ("grpo",)), notebook("08", ("sft", "grpo"), ("score",))]
    assert [n.name for n in course_map._direct(chain[3], chain)] == ["07"]
    assert course_map._places(chain) == {"00": (0, 0), "03": (0, 1), "07": (1, 1), "08": (2, 1)}
    figure = course_map.course_map(chain, here="00")
    assert "08: more needs sft, grpo and makes score" in figure.get_label()


def test_no_box_of_the_map_stands_in_the_way_of_an_arrow():
    course = [notebook("03", (), ("sft",)), notebook("04", ("sft",), ("pairs",)),
              notebook("05", ("pairs",), ("dpo",)), notebook("07", ("sft",), ("grpo",)),
              notebook("08", ("dpo", "grpo"), ("score",))]
    places = course_map._places(course)
    assert places == {"03": (0, 0), "04": (1, 0), "05": (2, 0), "07": (1, 1), "08": (3, 1)}
    swapped = [*course[:1], course[3], *course[1:3], course[4]]  # the long arrow comes first
    assert course_map._places(swapped)["05"] == (2, 1), "its row is kept free up to the last column"
    drawn = course_map.course_map(course).axes[0].patches
    assert sum(isinstance(patch, FancyArrowPatch) for patch in drawn) == 5
