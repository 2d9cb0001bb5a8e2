"""All nine data sets from a hub on the loopback address: the calls that reach the real hub.

The layouts are those of the data cards: parquet files a split, configurations where there are some,
one JSON file for DeepScaleR. The rows have the known defects planted (see set_rows).
"""

import json

import pytest

from helpers import data
from helpers.config import Course
from tests.hub import set_rows
from tests.hub.server import Fault, Hub
from tests.hub.test_hub import run
from tests.hub.tiny_repo import write_lines

CARDS = {  # configurations with their files; without a card the client takes them from the names
    "openai/gsm8k": {"main": ("train", "test"), "socratic": ("train",)},
    "open-r1/OpenR1-Math-220k": {"all": ("train",), "default": ("train",), "extended": ("train",)},
}
SPLITS = [(name, split) for name, family in data.FAMILIES.items() for split in family.splits
          if split != "sealed"]


def make_sets(root):
    """The nine repositories under `root`; of a configuration that is not ours only broken rows."""
    from datasets import Dataset

    course = Course.load()
    for name in data.FAMILIES:
        hub_id, config = course.source(name).hub_id, course.source(name).config
        folder = root / "datasets" / hub_id
        files = set_rows.files_of(name)
        if name == "deepscaler":
            folder.mkdir(parents=True)
            (folder / "deepscaler.json").write_text(json.dumps(files["train"]))
            continue
        lines = ["---", "configs:"]
        for one, splits in CARDS.get(hub_id, {config or "default": files}).items():
            lines += [f"- config_name: {one}", "  data_files:"]
            for split in splits:
                rows = files[split] if one == (config or "default") else files[split][:1]
                path = folder / one / f"{split}-00000-of-00001.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                Dataset.from_list(rows).to_parquet(path)
                lines.append(f"  - {{split: {split}, path: {one}/{split}-*}}")
        (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    make_sets(root)
    return root


LOAD = """
from dataclasses import asdict
from helpers.data import FAMILIES, load
tasks = {"warmstart": "countdown", "smoltalk": "instruct", "ultrafeedback": "instruct",
         "aime24": "gsm8k", "math500": "gsm8k"}
def of(name, **more):
    return Course.load(task=tasks.get(name, name), overrides={
        "world": "hub", "data": {"train": None, "validation": None, "test": None},
        "sets": {"held_out": []} if name == "warmstart" else {}} | changes | more)
"""
EVERYTHING = LOAD + """
result = {}
for name, split in json.loads(SPLITS):
    records = load(of(name), name, split)
    result[f"{name} {split}"] = {"records": [asdict(one) for one in records],
                                 "report": records.report, "reasons": records.report.reasons}
print(json.dumps(result))
""".replace("SPLITS", repr(json.dumps(SPLITS)))


def test_every_set_from_the_hub_equals_the_same_rows_from_files_and_counts_the_same(root, tmp_path):
    paths = {}
    for name in data.FAMILIES:
        paths[name] = str(tmp_path / "files" / name)
        for split, rows in set_rows.files_of(name).items():
            write_lines(tmp_path / "files" / name / f"{split}.jsonl", rows)
    with Hub(root) as hub:
        hub.faults = [Fault("OpenR1-Math-220k/resolve", 503), Fault("deepscaler.json", None),
                      Fault("/api/datasets/HuggingFaceH4/MATH-500", 503)]
        online = run(EVERYTHING, tmp_path, hub.url)
        assert [fault.times for fault in hub.faults] == [0, 0, 0]
        sha = {name: hub.sha("datasets", Course.load().source(name).hub_id) for name in paths}
        asked = len(hub.requests)
        offline = run(EVERYTHING, tmp_path, hub.url, HF_HUB_OFFLINE="1")
        assert len(hub.requests) == asked
    files = run(LOAD + EVERYTHING.removeprefix(LOAD).replace("of(name)", 'of(name, sets={"paths": '
                f'{paths!r}}} | ({{"held_out": []}} if name == "warmstart" else {{}}))'),
                tmp_path, "http://127.0.0.1:9")
    assert online.keys() == files.keys() == offline.keys() and online == offline
    for key, found in online.items():
        name, split = key.split()
        assert found["records"] and found["records"] == files[key]["records"], key
        assert found["reasons"] == files[key]["reasons"], key
        place, config = Course.load().source(name), Course.load().source(name).config
        source = data.FAMILIES[name].splits[split]
        assert found["report"]["place"] == (
            f"{place.hub_id}{f'/{config}' if config else ''}@{sha[name]} split {source}")
        if name in set_rows.PLANTED and split in ("train", "validation"):
            assert {why: n for why, n in found["reasons"].items() if why != "in another split"
                    } == set_rows.expected(name), key


FIRST = LOAD + """
from helpers.data import DataUnreachable, rows_of
names = json.loads(NAMES)
def first(name):
    rows = rows_of(of(name), name, "test" if FAMILIES[name].evaluation_only else "train", first=4)
    return {"rows": list(rows), "place": where(rows)}
"""
NAMES = ["openr1", "deepscaler", "ultrafeedback", "math500"]


def test_of_a_large_set_only_the_first_rows_are_read(root, tmp_path):
    code = FIRST.replace("NAMES", repr(json.dumps(NAMES)))
    with Hub(root) as hub:
        hub.faults = [Fault("/api/datasets/open-r1/OpenR1-Math-220k", None)]  # tried once more
        found = run(code + "print(json.dumps({name: first(name) for name in names}))",
                    tmp_path, hub.url)
        assert [fault.times for fault in hub.faults] == [0]
        assert not list((tmp_path / "datasets").rglob("*.arrow")), "the whole set was prepared"
        few = run(code + """
import datasets
asked_for, take = [], datasets.IterableDataset.take
datasets.IterableDataset.take = lambda rows, n: asked_for.append(n) or take(rows, n)
records = load(of("openr1"), "openr1", "train", first=4)
first("openr1")
print(json.dumps({"report": records.report, "used": len(records), "asked_for": asked_for}))""",
                  tmp_path, hub.url)
        sha = {name: hub.sha("datasets", Course.load().source(name).hub_id) for name in NAMES}
    assert few["report"]["rows"] == 4 and 0 < few["used"] <= 4
    assert few["asked_for"] == [5] * 4  # openr1 once, and the three sets that it is compared with
    for name in NAMES:
        source = data.FAMILIES[name].splits["test" if name == "math500" else "train"]
        assert found[name]["rows"] == set_rows.files_of(name)[source][:4]
        assert f"@{sha[name]} split {source}, the first 4 rows" in found[name]["place"]


def test_offline_the_first_rows_come_from_the_cache(root, tmp_path):
    code = FIRST.replace("NAMES", repr(json.dumps(NAMES)))
    with Hub(root) as hub:
        run(code + "load(of('math500'), 'math500', 'test'); print(0)", tmp_path, hub.url)
        asked = len(hub.requests)
        found = run(code + """
print(json.dumps([first("math500"), error(lambda: first("openr1"), DataUnreachable)]))
""", tmp_path, hub.url, HF_HUB_OFFLINE="1")
        assert len(hub.requests) == asked
    assert found[0]["rows"] == set_rows.files_of("math500")["test"][:4]
    assert found[0]["place"].endswith("the first 4 rows")
    assert found[1].startswith("open-r1/OpenR1-Math-220k/default: ")


AT_ONCE = """
import types
from helpers import hub
hub.time = types.SimpleNamespace(sleep=lambda seconds: None, monotonic=hub.time.monotonic)
"""


def test_only_a_hub_that_does_not_answer_is_out_of_reach(root, tmp_path):
    code = AT_ONCE + FIRST.replace("NAMES", repr(json.dumps(NAMES))) + """
print(json.dumps([error(lambda: first("math500"), DataUnreachable),
                  error(lambda: load(of("math500"), "math500", "test"), DataUnreachable)]))
"""
    for message in run(code, tmp_path, "http://127.0.0.1:9"):
        assert message.startswith("HuggingFaceH4/MATH-500: ") and "after 4 tries" in message
    answered = code.replace("print(", """
def kind(call):
    try:
        call()
    except DataError as caught:
        return type(caught).__name__
""" "print(").replace("error(", "kind(").replace(", DataUnreachable)", ")")
    with Hub(root) as hub:
        for status in (404, 403, 503, None):
            hub.faults = [Fault("/api/datasets/HuggingFaceH4/MATH-500", status, times=99)]
            assert run(answered, tmp_path, hub.url) == ["DataError"] * 2, status


def test_what_is_wrong_with_a_set_on_the_hub_is_one_line(root, tmp_path):
    from datasets import Dataset

    folder = root / "datasets" / "someone" / "openr1-copy"
    folder.mkdir(parents=True)
    rows = [set_rows.openr1_row(n) for n in range(3)]
    Dataset.from_list(rows).rename_column("generations", "traces").to_parquet(
        folder / "train-00000-of-00001.parquet")
    with Hub(root) as hub:
        sha = hub.sha("datasets", "HuggingFaceH4/aime_2024")
        found = run(LOAD + f"""
copy = {{"dataset": {{"hub_id": "someone/openr1-copy", "config": None}}}}
cases = {{
    "columns": lambda: load(of("openr1", **copy), "openr1", "train"),
    "config": lambda: load(of("openr1", dataset={{"config": "defaults"}}), "openr1", "train"),
    "split": lambda: load_rows(of("ultrafeedback"), "train", name="ultrafeedback"),
    "pinned": lambda: load(of("gsm8k", sets={{"revisions": {{"aime24": "1" * 40}}}}),
                           "aime24", "test"),
    "right": lambda: load(of("gsm8k", sets={{"revisions": {{"aime24": "{sha}"}}}}),
                          "aime24", "test"),
}}
print(json.dumps({{name: error(call, DataError) for name, call in cases.items()}}))
""", tmp_path, hub.url)
    assert found.pop("right") == "no error"
    assert all("\n" not in message for message in found.values())
    assert found["columns"].startswith("someone/openr1-copy@")
    assert "'generations'" in found["columns"] and "'traces'" in found["columns"]
    assert "open-r1/OpenR1-Math-220k/defaults" in found["config"]
    assert found["split"].startswith("HuggingFaceH4/ultrafeedback_binarized: ")
    assert "train" in found["split"]
    assert found["pinned"].startswith(f"HuggingFaceH4/aime_2024@{'1' * 40}: ")
    assert "sets.paths.aime24" in found["pinned"] and "dataset.path" in found["config"]
