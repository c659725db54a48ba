"""Shipped data sets: all have a datasheet, errors name what there is."""

import pytest

from llmkit.data import datasheet, load_shipped, shipped_names
from llmkit.runtime import data_path


def test_every_set_can_be_read_and_has_a_sheet():
    names = shipped_names()
    assert "sentences" in names
    for name in names:
        assert load_shipped(name)
        sheet = datasheet(name).lower()
        for word in ("licence", "how made", "limits"):
            assert word in sheet, (name, word)


def test_an_unknown_name_lists_the_known_ones():
    for function in (load_shipped, datasheet):
        with pytest.raises(ValueError, match=r"one of .*'sentences'.*got 'sentence'"):
            function("sentence")


def test_a_damaged_file_is_named(monkeypatch, tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "DATASHEET.md").write_text("x")
    (folder / "pairs.json").write_text('{"a": ')
    monkeypatch.setattr(
        "llmkit.data.shipped.data_path", lambda name="": tmp_path / name
    )
    with pytest.raises(ValueError, match=r"pairs\.json .* is damaged"):
        load_shipped("pairs")


def test_lines_of_json(monkeypatch, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "DATASHEET.md").write_text("x")
    # a line separator inside a text ends no line of the file
    rows = '{"a": 1}\n\n{"a": "é\u2028"}\n'
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    monkeypatch.setattr(
        "llmkit.data.shipped.data_path", lambda name="": tmp_path / name
    )
    assert shipped_names() == ["rows"]
    assert load_shipped("rows") == [{"a": 1}, {"a": "é\u2028"}]


def test_shipped_data_is_small():
    for name in shipped_names():
        size = sum(f.stat().st_size for f in data_path(name).rglob("*") if f.is_file())
        assert size < 5_000_000
