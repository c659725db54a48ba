"""`kit.py publish` stamps cells, badges and README, and can do so again and again."""

import json
import shutil

import nbformat
import pytest

from tests.notebooks.contract import Book, head, setup_cell
from tests.setup.fakes import ROOT, Copy


@pytest.fixture
def copy(tmp_path):
    copy = Copy(tmp_path)
    for path in ROOT.glob("notebooks/[0-9]*.ipynb"):
        shutil.copy(path, tmp_path / "notebooks")
    return copy


def texts(copy) -> dict[str, str]:
    paths = [*copy.root.glob("notebooks/*.ipynb"), copy.root / "README.md"]
    return {
        p.name: p.read_text("utf-8") for p in [*paths, copy.root / "pyproject.toml"]
    }


def test_the_address_is_stamped_everywhere(copy):
    done = copy.run("publish", "--repo", "ada/llm-course")
    assert done.returncode == 0, done.stderr
    for path in copy.root.glob("notebooks/*.ipynb"):
        nb = nbformat.read(path, as_version=4)
        nbformat.validate(nb)
        first, second = nb.cells[0].source, nb.cells[1].source
        link = f"github/ada/llm-course/blob/main/notebooks/{path.name})"
        assert first.count(link) == 1
        assert first.startswith(f"# {path.name[:2]} · ")
        assert 'REPO = "https://github.com/ada/llm-course"' in second
        book = Book.read(path)
        assert not [*head(book), *setup_cell(book)]
    assert "ada/llm-course" in (copy.root / "README.md").read_text("utf-8")
    project = (copy.root / "pyproject.toml").read_text("utf-8")
    assert 'repository = "ada/llm-course"' in project


def test_stamping_again_changes_nothing(copy):
    copy.run("publish", "--repo", "https://github.com/ada/llm-course.git")
    once = texts(copy)
    assert copy.run("publish").returncode == 0, "pyproject.toml names it by now"
    assert texts(copy) == once


def test_another_address_takes_the_place_of_the_first(copy):
    copy.run("publish", "--repo", "ada/one")
    copy.run("publish", "--repo", "bob/two", "--branch", "spring")
    for name, text in texts(copy).items():
        assert "ada/one" not in text, name
        assert "bob/two" in text, name
    assert "blob/spring" in texts(copy)["README.md"]


def test_the_address_can_be_taken_out(copy):
    before = {n: json.loads(t) for n, t in texts(copy).items() if n.endswith("ipynb")}
    copy.run("publish", "--repo", "ada/one")
    assert copy.run("publish", "--clear").returncode == 0
    after = {n: json.loads(t) for n, t in texts(copy).items() if n.endswith("ipynb")}
    for name, nb in before.items():
        assert after[name]["cells"][0] == nb["cells"][0], name
        assert after[name]["cells"][2:] == nb["cells"][2:], name
    assert "colab" not in texts(copy)["README.md"].split("##")[0]


def test_the_shipped_notebooks_are_not_stamped_by_accident():
    # until an address is known there is no badge, and the cell says what to do
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    if 'repository = ""' in project:
        for path in ROOT.glob("notebooks/[0-9]*.ipynb"):
            text = path.read_text("utf-8")
            assert "colab-badge" not in text
            assert 'REPO = \\"\\"' in text


@pytest.mark.parametrize("repo", ["ada", "a/b/c", "ada/x y", "https://example.com/a/b"])
def test_a_wrong_address_is_refused(copy, repo):
    before = texts(copy)
    done = copy.run("publish", "--repo", repo)
    assert done.returncode == 1
    assert "--repo must be owner/name" in done.stderr
    assert texts(copy) == before


def test_nothing_to_stamp_is_said(copy):
    done = copy.run("publish")
    assert done.returncode == 1
    assert "--repo must be owner/name" in done.stderr
