"""The loaders against a hub on the loopback address: the same calls that reach the real hub.

The client reads HF_ENDPOINT and HF_HOME when it is imported, so every test is a process of its own.
"""

import json
import os
import subprocess
import sys

import pytest

from helpers.config import ROOT
from tests.hub.server import Fault, Hub
from tests.hub.tiny_repo import gsm8k_row, make_hub, tiny_folder, write_lines

TRAIN, TEST = [gsm8k_row(n) for n in range(60)], [gsm8k_row(n) for n in range(900, 920)]
START = """
import json, sys
from helpers.config import Course
from helpers.data import DataError, data_hash, load_problems, load_rows, where
changes = json.loads(sys.argv[1])
def course(**more):
    return Course.load(overrides={"world": "hub", "model": {"name": "tiny/qwen2"},
        "data": {"train": None, "validation": None, "test": None}} | changes | more)
def error(call, kind):
    try:
        call()
    except kind as caught:
        return str(caught)
    return "no error"
"""


def run(code, home, url, changes=None, **environment):
    """The JSON that `code` prints, run against the hub at `url` with a cache of its own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    clean |= {"HF_ENDPOINT": url, "HF_HOME": str(home), "OMP_NUM_THREADS": "1",
              "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run([sys.executable, "-c", START + code, json.dumps(changes or {})],
                          env=clean, capture_output=True, text=True, timeout=150, cwd=home)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("hub")
    make_hub(root, TRAIN, TEST)
    return root


@pytest.fixture
def home(tmp_path):
    return tmp_path


PROBLEMS = """
result = {}
for split in ("train", "validation", "test"):
    problems = load_problems(course(), split)
    result[split] = {"hash": data_hash(problems), **problems.report}
print(json.dumps(result))
"""


def test_data_set_from_the_hub_equals_the_same_rows_from_files_despite_hiccups(root, home):
    write_lines(home / "local" / "train.jsonl", TRAIN)
    write_lines(home / "local" / "test.jsonl", TEST)
    with Hub(root) as hub:
        hub.faults = [Fault("/api/datasets/openai/gsm8k", 503), Fault("main/train", 503),
                      Fault("main/test", None)]
        online = run(PROBLEMS, home, hub.url)
        assert [fault.times for fault in hub.faults] == [0, 0, 0]
        sha = hub.sha("datasets", "openai/gsm8k")
        files = run(PROBLEMS, home, hub.url, {"dataset": {"path": str(home / "local")}})
    for split in ("train", "validation", "test"):
        assert online[split]["hash"] == files[split]["hash"]
        assert online[split]["used"] == files[split]["used"] > 0
        source = split.replace("validation", "train")
        assert online[split]["place"] == f"openai/gsm8k/main@{sha} split {source}"
    assert online["train"]["rows"] == 60 and online["test"]["rows"] == 20


def test_offline_the_cache_is_used_and_another_revision_is_refused(root, home):
    with Hub(root) as hub:
        online = run(PROBLEMS, home, hub.url)
        sha = hub.sha("datasets", "openai/gsm8k")
        asked = len(hub.requests)
        offline = run("""
result = {split: load_problems(course(), split).report for split in ("train", "test")}
wrong = course(dataset={"revision": "0" * 40})
print(json.dumps(result | {"wrong": error(lambda: load_rows(wrong, "test"), DataError)}))
""", home, hub.url, HF_HUB_OFFLINE="1")
        assert len(hub.requests) == asked
    assert offline["train"]["place"] == online["train"]["place"]
    assert f"revision {'0' * 40} was asked for, the cache has {sha}" in offline["wrong"]


def test_what_does_not_exist_is_one_line_and_not_tried_again(root, home):
    with Hub(root) as hub:
        found = run("""
from helpers.models import ModelError, load_base
cases = {"id": {"dataset": {"hub_id": "openai/gsm9k"}},
         "revision": {"dataset": {"revision": "1" * 40}},
         "config": {"dataset": {"config": "mein"}}}
result = {name: error(lambda: load_rows(course(**case), "train"), DataError)
          for name, case in cases.items()}
result["split"] = error(lambda: load_rows(course(), "dev"), DataError)
result["sealed"] = error(lambda: load_rows(course(), "sealed"), DataError)
for name, model in {"model": {"name": "tiny/nothing"},
                    "model revision": {"name": "tiny/qwen2", "revision": "2" * 40}}.items():
    result[name] = error(lambda: load_base(course(model=model)), ModelError)
print(json.dumps(result))
""", home, hub.url)
        asked = [line for line in hub.requests if "gsm9k" in line]
    assert len(asked) == 1
    for name, message in found.items():
        assert message != "no error" and "\n" not in message and " tries" not in message, name
        assert message.startswith(("openai/gsm", "tiny/")), name
    assert "dataset.path" in found["id"] and "mein" in found["config"] and "dev" in found["split"]
    assert "only the tiny world" in found["sealed"]
    assert "model.name, model.revision" in found["model"]


def test_model_and_tokenizer_from_the_hub_equal_the_local_folder(root, home):
    with Hub(root) as hub:
        found = run("""
import torch
from helpers.models import load_base, load_tokenizer
answers = []
for one in (course(), Course.load(overrides={"model": {"name": LOCAL}})):
    tokenizer = load_tokenizer(one)
    ids = tokenizer("Anna has 12 apples.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        answers.append((ids.tolist(), load_base(one)(input_ids=ids).logits))
print(json.dumps({"ids": answers[0][0] == answers[1][0],
                  "logits": torch.equal(answers[0][1], answers[1][1])}))
""".replace("LOCAL", repr(str(tiny_folder()))), home, hub.url)
        asked = "\n".join(hub.requests)
    assert found == {"ids": True, "logits": True}
    assert "GET /tiny/qwen2/resolve" in asked and "model.safetensors" in asked
    assert ".bin" not in asked  # no pickled weights, not even looked for


def test_a_byte_changed_on_the_way_is_noticed(root, home):
    with Hub(root) as hub:
        hub.faults = [Fault("model.safetensors", 200), Fault("main/test", 200)]
        found = run("""
from helpers.models import ModelError, load_base
print(json.dumps({"model": error(lambda: load_base(course()), ModelError),
                  "data": error(lambda: load_rows(course(), "test"), DataError)}))
""", home, hub.url)
    assert "tiny/qwen2: the downloaded file model.safetensors is damaged" in found["model"]
    assert "openai/gsm8k" in found["data"] and found["data"] != "no error"


def test_who_answered_was_reached():
    from helpers import hub

    class ConnectError(Exception):
        """As in httpx and httpx2."""

    class NotFound(Exception):
        response = "404"

    def caught(error, cause=None):
        def call():
            raise error from cause

        with pytest.raises(hub.HubError) as one:
            hub.retry(call, "it", "Look.", wait=0)
        return one.type

    assert caught(ConnectError("refused")) is hub.HubUnreachable
    assert caught(ValueError("wrapped"), ConnectError("refused")) is hub.HubUnreachable
    assert caught(ConnectionError("Couldn't reach 'it' on the Hub")) is hub.HubUnreachable
    assert caught(ConnectionResetError("cut")) is hub.HubError
    assert caught(NotFound("no such file"), ConnectError("refused")) is hub.HubError
    assert caught(ValueError("no columns")) is hub.HubError
