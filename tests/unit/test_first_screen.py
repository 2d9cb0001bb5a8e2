"""What a notebook opens with: folded settings, its place on the path, a picture with its words."""

import pytest
from PIL import Image

from helpers.config import ROOT, Course
from helpers.course import publish
from helpers.files import write_json
from helpers.plots import PATH, first_screen, new_figure, save_figure

ALT = "Alt: 1 < 2 & \"quoted\", ≥ 95 %."


def test_settings_are_folded_and_yours_are_said_outside_the_fold():
    course = Course.load(overrides={"sft": {"epochs": 3}, "system_prompt": "<b>x</b>"})
    shown = first_screen.settings(course, "sft", "system_prompt")
    head, _, rows = shown._repr_html_().partition("</summary>")
    assert "yours: " in head and "sft.epochs = 3" in head and "<b>x" not in head
    assert head.startswith("<details><summary>") and rows.endswith("</details>")
    assert all(setting in rows for setting in course.summary("sft")["setting"])
    assert 'course.summary("sft", "system_prompt")' in repr(shown)
    assert "yours" not in repr(first_screen.settings(Course.load(), "sft"))


def test_the_place_is_told_by_a_mark_and_not_by_colour_alone():
    shown = first_screen.place(["prompt", "loss"])
    page = shown._repr_html_()
    assert page.count("▸") == 2 and all(step in page for step in PATH)
    assert "problem > [prompt] > completion" in repr(shown) and "[loss]" in repr(shown)
    with pytest.raises(ValueError, match="no step 'losses' on the path"):
        first_screen.place(["losses"])


def drawn(course):
    for figure in ("sft_losses", "another"):
        fig, ax = new_figure()
        ax.plot([0, 1])
        folder = type("Stage", (), {"course": course})
        save_figure(fig, figure, alt=ALT, stage=folder)


def test_a_run_leaves_its_figure_with_its_words(tmp_path, monkeypatch):
    monkeypatch.setattr(first_screen.keep, "__defaults__", (tmp_path,))
    course = Course.load()
    drawn(course)
    [path] = publish.publish_openings(course)
    assert path == tmp_path / "03_supervised_finetuning.png"
    assert Image.open(path).text["Description"] == ALT
    before = path.read_bytes()
    publish.publish_openings(course)
    assert path.read_bytes() == before  # nothing of the day in it


def test_it_is_shown_with_its_words_or_left_out(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(first_screen, "display", seen.append)
    monkeypatch.setattr(first_screen, "show_png", lambda png, alt: seen.append(alt))
    monkeypatch.setattr(first_screen, "FOLDER", tmp_path)
    first_screen.show("03_supervised_finetuning", ["loss"])
    assert len(seen) == 1
    fig, _ = new_figure()
    fig.savefig(tmp_path / "x.png")
    first_screen.keep("03_supervised_finetuning", tmp_path / "x.png", ALT, tmp_path)
    first_screen.show("03_supervised_finetuning", ["loss"])
    assert seen[-1] == ALT and "recorded run" in repr(seen[-2])


@pytest.mark.parametrize("name", first_screen.PICTURES)
def test_every_picture_is_small_and_tells_in_words_what_it_shows(name):
    assert (ROOT / "notebooks" / f"{name}.ipynb").is_file()
    path = first_screen.FOLDER / f"{name}.png"
    assert path.stat().st_size < 40_000 and len(Image.open(path).text["Description"]) > 40


def test_what_was_published_is_a_mean_over_its_seeds(tmp_path):
    ladder = tmp_path / "ladder.json"
    assert first_screen.recorded("greedy", "ppo", ladder) is None
    row = {"task": "gsm8k", "stage": "ppo", "greedy": 0.25}
    others = [{"task": "countdown", "greedy": 1.0}, {"stage": "sft", "greedy": 1.0},
              {"greedy": None}]
    write_json(ladder, {"rows": [row, row | {"greedy": 0.75}, *(row | one for one in others)]})
    assert first_screen.recorded("greedy", "ppo", ladder) == 0.5
    assert first_screen.recorded("pass@8", "ppo", ladder) is None
    assert all(0 < first_screen.recorded("greedy", stage) < 1 for stage in ("sft", "ppo", "grpo"))
