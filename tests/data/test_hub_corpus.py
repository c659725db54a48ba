"""`load_corpus` on a small Hub on loopback: streamed, kept, offline, and refused.

Each scene is a process of its own, for the Hub's libraries read the environment once.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.hub.small_hub import small_hub

SCENE = """
import json, sys
from llmkit.data import load_corpus
for args, options in json.loads(sys.argv[1]):
    try:
        found = [d.text for d in load_corpus(*args, **options)]
        print(json.dumps(found))
    except (ValueError, ConnectionError) as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
"""
BIG = 10_000  # documents of 5 kB; `datasets` asks for 16 MB at a time, twice


def rows(texts, key="text"):
    return "\n".join(json.dumps({key: text}) for text in texts) + "\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    for name, files in {
        "tales": {
            "train.jsonl": rows(f"tale {i}" for i in range(50)),
            "validation.jsonl": rows(["four", "five"]),
        },
        "two": {
            "README.md": "---\nconfigs:\n- config_name: en\n  data_files: en.jsonl\n"
            "- config_name: de\n  data_files: de.jsonl\n---\n",
            "en.jsonl": rows(["a story"], key="told"),
            "de.jsonl": rows(["eine Geschichte"], key="told"),
        },
        "big": {"train.jsonl": rows(f"{i} " + "x" * 5000 for i in range(BIG))},
        "bare": {"README.md": "no data here"},
    }.items():
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text, encoding="utf-8")
    return folder


def play(place, url, *calls, **env):
    """Run `load_corpus` with each of these arguments in a new process."""
    env = {
        **os.environ,
        "HF_ENDPOINT": url,
        "HF_HOME": str(place / "home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "0",
        **env,
    }
    for name in ("HF_DATASETS_CACHE", "HF_HUB_CACHE", "HF_DATASETS_OFFLINE"):
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", SCENE, json.dumps(calls)],
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def online(place):
    """What the first process found, and what it asked the Hub for."""
    with small_hub() as hub:
        names = ("tales", "two", "big", "bare")
        hub.datasets.update({f"owner/{name}": place / name for name in names})
        hub.gated.add("owner/closed")
        found = play(
            place,
            hub.url,
            (["owner/tales"], {"max_chars": 30}),
            (["owner/tales", "validation"], {"streaming": False}),
            (["owner/two"], {"config": "de", "column": "told"}),
            (["owner/tales", "test"], {}),
            (["owner/two"], {}),
            (["owner/two"], {"config": "en"}),
            (["owner/bare"], {}),
            (["owner/closed"], {}),
            (["owner/nothing"], {}),
        )
        before = hub.sent
        found += play(place, hub.url, (["owner/big"], {"max_chars": 12_000}))
        return found, hub.sent - before


def test_reads_from_the_hub(online):
    found, _ = online
    assert found[0] == [f"tale {i}" for i in range(5)]
    assert found[1] == ["four", "five"]
    assert found[2] == ["eine Geschichte"]


def test_errors_name_the_way_out(online):
    found, _ = online
    no_split, no_config, no_column, bare, closed, nothing = found[3:9]
    assert no_split.startswith("ValueError: split and config must be among those of")
    assert "got split='test'" in no_split
    assert "train" in no_split
    assert "'en', 'de'" in no_config
    assert "choose column= from told" in no_column
    assert "got none that can be read" in bare
    assert "HF_TOKEN" in closed
    assert "got 'owner/nothing', which is none of these" in nothing
    assert "load_corpus('pydocs')" in nothing


def test_streaming_fetches_only_what_is_read(online):
    found, sent = online
    assert sum(map(len, found[9])) == 12_000
    assert sent < 0.7 * BIG * 5000


def test_what_was_kept_is_there_without_a_network(place, online):
    found = play(
        place,
        "http://127.0.0.1:9",
        (["owner/tales", "validation"], {"streaming": False}),
        (["owner/tales"], {"max_chars": 12}),
        (["owner/two"], {"config": "de"}),
        HF_HUB_OFFLINE="1",
    )
    assert found[:2] == [["four", "five"], ["tale 0", "tale 1"]]
    assert found[2].startswith("ConnectionError: the Hub cannot be reached, and")
    assert "load_corpus('pydocs')" in found[2]


@pytest.mark.slow
def test_a_hub_that_is_down_is_named(place, online):
    found = play(
        place,
        "http://127.0.0.1:9",
        (["owner/tales", "validation"], {"streaming": False}),
        (["owner/nothing"], {}),
    )
    assert found[0] == ["four", "five"]
    assert found[1].startswith("ConnectionError: the Hub cannot be reached, and")
