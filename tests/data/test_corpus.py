"""One call for built-in texts, local files and data sets of the Hub's library."""

import json
import subprocess
import sys

import pytest

from llmkit.data import load_corpus, load_pydocs, load_sentences


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True, raising=False)


def texts(*args, **kwargs):
    return [document.text for document in load_corpus(*args, **kwargs)]


def test_built_in_names():
    assert texts("pydocs", "all") == [d.text for d in load_pydocs("topics")]
    assert texts("pydocs/code", max_chars=500) == [
        d.text for d in load_pydocs("code", "train", max_chars=500)
    ]
    assert texts("sentences/ko", "all") == [row["ko"] for row in load_sentences()]


def test_translations_lie_on_the_same_side():
    def numbers(code):
        found = load_corpus(f"sentences/{code}", "validation")
        return [document.name.split("/")[-1] for document in found]

    assert numbers("en") == numbers("ar")
    assert 0 < len(numbers("en")) < 15


def test_a_folder_of_mixed_files(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    rows = [{"id": 1, "text": "drei"}, {"id": 2, "text": "चार"}]
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / "b.jsonl").write_text(lines, encoding="utf-8")
    (folder / "c.csv").write_text("number,content\n5,five\n", encoding="utf-8")
    (folder / "d.png").write_bytes(b"\x89PNG")
    found = texts(str(folder), "all")
    assert [t.strip() for t in found] == ["one\ntwo", "drei", "चार", "five"]
    assert "".join(texts(folder, "all", max_chars=5)) == "one\nt"


def test_a_column_by_name(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"question": "Why?", "label": 1}), encoding="utf-8")
    assert texts(path, "all", column="question") == ["Why?"]
    with pytest.raises(ValueError, match=r"choose column= from question, label"):
        texts(path, "all")
    with pytest.raises(ValueError, match="must be one of question, label; got 'text'"):
        texts(path, "all", column="text")


def test_a_folder_without_texts(tmp_path):
    with pytest.raises(ValueError, match=r"no file that can be read; .*\.jsonl"):
        load_corpus(tmp_path)


def test_the_hub_path_passes_its_arguments_on(monkeypatch):
    import datasets

    calls = []

    def fake(name, config, **options):
        calls.append((name, config, options))
        return iter([{"text": "Once upon a time"}, {"text": "The end"}])

    monkeypatch.setattr(datasets, "load_dataset", fake)
    assert texts("owner/tales", "test", config="small", max_chars=20) == [
        "Once upon a time",
        "The ",
    ]
    assert calls == [("owner/tales", "small", {"split": "test", "streaming": True})]


def test_a_hub_name_without_network_says_what_to_do():
    code = (
        "from llmkit.data import load_corpus\n"
        "try:\n    list(load_corpus('nobody/nothing-here'))\n"
        "except (ConnectionError, ValueError) as error:\n    print(error)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HOME": "/nonexistent"},
        timeout=60,
    )
    assert "nobody/nothing-here" in found.stdout, found.stderr
    assert "pydocs" in found.stdout


def test_importing_the_room_loads_nothing_heavy():
    code = (
        "import sys; import llmkit.data;"
        "print([m for m in ('torch', 'datasets', 'pandas', 'numpy') "
        "if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
